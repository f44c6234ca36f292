#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "envelope/parallel.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/wipe.h"
#include "engine/pool/task.h"
#include "sealane/file.h"

enum {
    SEGMENT_LEN = 32 << 20, /* bytes of a request: progress is told, and write-back started, after each */
    IN_FLIGHT = 2,          /* so that no worker waits for the last slice of a request */
};

struct buffers {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    uint8_t *memory;
    size_t count;
    size_t free_count;
    uint8_t **free;
};

struct segment {
    const struct sl_parallel *job;
    struct buffers *buffers;
    uint64_t from;
    uint64_t len;
    sealane_ticket ticket; /* 0: none */
};

static uint8_t *buffer_take(struct buffers *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->free_count == 0) /* while a pool is resized it has more workers for a moment */
        pthread_cond_wait(&b->returned, &b->lock);
    uint8_t *buffer = b->free[--b->free_count];
    pthread_mutex_unlock(&b->lock);
    return buffer;
}

static void buffer_return(struct buffers *b, uint8_t *buffer)
{
    pthread_mutex_lock(&b->lock);
    b->free[b->free_count++] = buffer;
    pthread_cond_signal(&b->returned);
    pthread_mutex_unlock(&b->lock);
}

static bool buffers_create(struct buffers *b, size_t count)
{
    const size_t bytes = count * SL_POOL_SLICE_LEN;
    *b = (struct buffers){.count = count, .free_count = count};
    b->free = calloc(count, sizeof b->free[0]);
    if (!b->free)
        return false;
    b->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->memory == MAP_FAILED || madvise(b->memory, bytes, MADV_DONTDUMP) != 0) {
        if (b->memory != MAP_FAILED)
            munmap(b->memory, bytes);
        free(b->free);
        return false;
    }
    /* A child of a fork gets no plaintext.  Linux before 4.14 knows no such thing, nor do some emulators. */
    (void)madvise(b->memory, bytes, MADV_WIPEONFORK);
    for (size_t i = 0; i < count; i++)
        b->free[i] = b->memory + i * SL_POOL_SLICE_LEN;
    pthread_mutex_init(&b->lock, NULL); /* neither fails without attributes */
    pthread_cond_init(&b->returned, NULL);
    return true;
}

/* A forked child must not destroy what the parent's threads may wait for: that never returns. */
static void buffers_free(struct buffers *b, bool in_child)
{
    const size_t bytes = b->count * SL_POOL_SLICE_LEN;
    sl_wipe(b->memory, bytes);
    munmap(b->memory, bytes);
    if (!in_child) {
        pthread_cond_destroy(&b->returned);
        pthread_mutex_destroy(&b->lock);
    }
    free(b->free);
}

static enum sealane_error run_slice(void *context, uint64_t from, size_t len)
{
    const struct segment *s = context;
    const struct sl_parallel *job = s->job;
    const uint64_t at = s->from + from;
    size_t got;
    uint8_t *buffer = buffer_take(s->buffers);
    enum sealane_error error = sl_pread_full(job->in_fd, buffer, len, &got, job->in_at + (int64_t)at);
    if (!error && got < len)
        error = SEALANE_E_TRUNCATED;
    if (!error) {
        sealane_stream_xor(job->stream, job->stream_at + at, buffer, buffer, len);
        error = sl_pwrite_all(job->out_fd, buffer, len, job->out_at + (int64_t)at);
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

enum sealane_error sl_parallel_run(const struct sl_parallel *job, bool *begun)
{
    struct buffers buffers;
    struct segment segments[IN_FLIGHT] = {{.ticket = 0}};
    const unsigned workers = sealane_pool_workers(job->pool);
    *begun = true;
    if (workers == 0)
        return SEALANE_E_FORKED;
    *begun = buffers_create(&buffers, workers);
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
