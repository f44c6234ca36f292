#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "envelope/parallel.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/wipe.h"
#include "engine/pool/task.h"
#include "sealane/file.h"

enum {
    SEGMENT_LEN = 32 << 20, /* bytes of a request: progress is told, and write-back started, after each */
    IN_FLIGHT = 2,          /* so that no worker waits for the last slice of a request */
};

#define NOWHERE UINT_MAX

struct buffer {
    uint8_t *memory;
    unsigned node; /* of the worker who first had it, and so of its pages; NOWHERE: not touched yet */
    bool taken;
};

struct buffers {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    uint8_t *memory;
    size_t count;
    struct buffer *buffer;
};

struct segment {
    const struct sl_parallel *job;
    struct buffers *buffers;
    uint64_t from;
    uint64_t len;
    sealane_ticket ticket; /* 0: none */
};

/* The lock is held.  One of the thread's own node, else one that was never used, else any; NULL: none is free. */
static struct buffer *choose(const struct buffers *b, unsigned node)
{
    struct buffer *best = NULL;
    for (struct buffer *at = b->buffer; at < b->buffer + b->count; at++) {
        if (at->taken)
            continue;
        if (at->node == node)
            return at;
        if (!best || (best->node != NOWHERE && at->node == NOWHERE))
            best = at;
    }
    return best;
}

static struct buffer *buffer_take(struct buffers *b)
{
    unsigned node = 0;
    struct buffer *buffer;
    (void)syscall(SYS_getcpu, NULL, &node, NULL); /* if it fails, as on one node */
    pthread_mutex_lock(&b->lock);
    while (!(buffer = choose(b, node))) /* more workers than there were processors when this began */
        pthread_cond_wait(&b->returned, &b->lock);
    buffer->taken = true;
    if (buffer->node == NOWHERE)
        buffer->node = node;
    pthread_mutex_unlock(&b->lock);
    return buffer;
}

static void buffer_return(struct buffers *b, struct buffer *buffer)
{
    pthread_mutex_lock(&b->lock);
    buffer->taken = false;
    pthread_cond_signal(&b->returned);
    pthread_mutex_unlock(&b->lock);
}

static bool buffers_create(struct buffers *b, size_t count)
{
    const size_t bytes = count * SL_POOL_SLICE_LEN;
    *b = (struct buffers){.count = count};
    b->buffer = calloc(count, sizeof b->buffer[0]);
    if (!b->buffer)
        return false;
    b->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->memory == MAP_FAILED || madvise(b->memory, bytes, MADV_DONTDUMP) != 0) {
        if (b->memory != MAP_FAILED)
            munmap(b->memory, bytes);
        free(b->buffer);
        return false;
    }
    /* A child of a fork gets no plaintext.  Linux before 4.14 knows no such thing, nor do some emulators.  A huge page
     * would put buffers of several nodes on one; where there are none, that is refused. */
    (void)madvise(b->memory, bytes, MADV_WIPEONFORK);
    (void)madvise(b->memory, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < count; i++)
        b->buffer[i] = (struct buffer){.memory = b->memory + i * SL_POOL_SLICE_LEN, .node = NOWHERE};
    pthread_mutex_init(&b->lock, NULL); /* neither fails without attributes */
    pthread_cond_init(&b->returned, NULL);
    return true;
}

/* A forked child must not destroy what the parent's threads may wait for: that never returns. */
static void buffers_free(struct buffers *b, bool in_child)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->buffer[i].node != NOWHERE)
            sl_wipe(b->buffer[i].memory, SL_POOL_SLICE_LEN);
    munmap(b->memory, b->count * SL_POOL_SLICE_LEN);
    if (!in_child) {
        pthread_cond_destroy(&b->returned);
        pthread_mutex_destroy(&b->lock);
    }
    free(b->buffer);
}

/* Those that workers touch cost memory, no others: so there is one for each that a resize may bring. */
static size_t buffers_wanted(unsigned workers)
{
    const long processors = sysconf(_SC_NPROCESSORS_CONF);
    return processors > (long)workers ? (size_t)processors : workers;
}

static enum sealane_error run_slice(void *context, uint64_t from, size_t len)
{
    const struct segment *s = context;
    const struct sl_parallel *job = s->job;
    const uint64_t at = s->from + from;
    size_t got;
    struct buffer *buffer = buffer_take(s->buffers);
    uint8_t *data = buffer->memory;
    enum sealane_error error = sl_pread_full(job->in_fd, data, len, &got, job->in_at + (int64_t)at);
    if (!error && got < len)
        error = SEALANE_E_TRUNCATED;
    if (!error) {
        sealane_stream_xor(job->stream, job->stream_at + at, data, data, len);
        error = sl_pwrite_all(job->out_fd, data, len, job->out_at + (int64_t)at);
    }
    buffer_return(s->buffers, buffer);
    return error;
}

int sealane_file_uses_pool(int in_fd, int out_fd, uint64_t len)
{
    struct stat in, out;
    const int flags = fcntl(out_fd, F_GETFL);
    return len >= SEALANE_FILE_POOL_LEN && len != UINT64_MAX && flags >= 0 && !(flags & O_APPEND) &&
           fstat(in_fd, &in) == 0 && S_ISREG(in.st_mode) && fstat(out_fd, &out) == 0 && S_ISREG(out.st_mode);
}

uint64_t sl_parallel_share(const sealane_pool *pool, int in_fd, int out_fd, uint64_t all, uint64_t left)
{
    return pool && sealane_file_uses_pool(in_fd, out_fd, all) ? left - left % SL_POOL_SLICE_LEN : 0;
}

/* Ends a segment: after a failure elsewhere, what is not begun of it is left out. */
static enum sealane_error settle(struct segment *s, enum sealane_error before)
{
    const struct sl_parallel *job = s->job;
    if (!s->ticket)
        return before;
    /* Neither fails for the ticket of a request that is this process's own. */
    if (before && sealane_pool_cancel(job->pool, s->ticket) != SEALANE_OK)
        return before;
    enum sealane_error error = sealane_pool_wait(job->pool, s->ticket);
    s->ticket = 0;
    if (before || error)
        return before ? before : error;
    /* Write-back begins while the workers go on; advice. */
    (void)sync_file_range(job->out_fd, job->out_at + (int64_t)s->from, (int64_t)s->len, SYNC_FILE_RANGE_WRITE);
    if (job->progress)
        job->progress(job->progress_context, s->from + s->len);
    return SEALANE_OK;
}

static enum sealane_error run(const struct sl_parallel *job, bool *begun)
{
    struct buffers buffers;
    struct segment segments[IN_FLIGHT] = {{.ticket = 0}};
    const unsigned workers = sealane_pool_workers(job->pool);
    *begun = true;
    if (workers == 0)
        return SEALANE_E_FORKED;
    *begun = buffers_create(&buffers, buffers_wanted(workers));
    if (!*begun)
        return SEALANE_OK;
    enum sealane_error error = SEALANE_OK;
    uint64_t from = 0;
    for (unsigned i = 0; !error && from < job->len; i++) {
        struct segment *s = &segments[i % IN_FLIGHT];
        error = settle(s, SEALANE_OK);
        if (error)
            break;
        *s = (struct segment){.job = job, .buffers = &buffers, .from = from};
        s->len = job->len - from < SEGMENT_LEN ? job->len - from : SEGMENT_LEN;
        from += s->len;
        error = sl_pool_submit(job->pool, run_slice, s, NULL, s->len, &s->ticket);
        /* The other one's room, if that is all there is. */
        struct segment *other = &segments[(i + 1) % IN_FLIGHT];
        if (error == SEALANE_E_POOL_FULL && other->ticket) {
            error = settle(other, SEALANE_OK);
            if (!error)
                error = sl_pool_submit(job->pool, run_slice, s, NULL, s->len, &s->ticket);
        }
    }
    /* In the order of the file. */
    const unsigned next = (unsigned)((from + SEGMENT_LEN - 1) / SEGMENT_LEN);
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        error = settle(&segments[(next + i) % IN_FLIGHT], error);
    buffers_free(&buffers, error == SEALANE_E_FORKED);
    return error;
}

enum sealane_error sl_parallel_run(const struct sl_parallel *job, bool *begun)
{
    int cancellable; /* a thread that is cancelled would leave workers with what lies on its stack */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    enum sealane_error error = run(job, begun);
    (void)pthread_setcancelstate(cancellable, &cancellable);
    return error;
}
