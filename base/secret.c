#define _GNU_SOURCE
#include "base/secret.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/wipe.h"

enum {
    LINE = SL_SECRET_ALIGN,
    CHUNK_MIN = 16384, /* three chunks and a stack page fit the 64 KiB that some systems still allow */
    CONTINUED = UINT16_MAX,
    SLOT_LINES_MAX = UINT16_MAX - 1,
};

struct chunk {
    struct chunk *next;
    uint8_t *data; /* a guard page lies on each side */
    size_t data_len;
    size_t guard_len;
    size_t lines;
    size_t lines_used;
    size_t full_below; /* no free line lies before this one: where searching starts */
    bool locked;
    bool memfd;
    uint16_t slot[]; /* per line: the length in lines of the slot that starts here, CONTINUED within one, 0 free */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct chunk *chunks;
static bool use_memfd;
static bool atfork_registered;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/* Locks are not inherited; memfd_secret pages are not even mapped here, and never touched again. */
static void after_fork_in_child(void)
{
    for (struct chunk **link = &chunks; *link;) {
        struct chunk *c = *link;
        if (c->memfd) {
            *link = c->next;
            free(c);
            continue;
        }
        c->locked = c->locked && mlock(c->data, c->data_len) == 0;
        link = &c->next;
    }
    pthread_mutex_unlock(&lock);
}

#ifdef SYS_memfd_secret
/* Puts memfd_secret(2) pages between the guards; false where there are none, they cannot be locked, or they cannot be
 * moved there.  They are mapped elsewhere first, so that all but the move is tried before the reservation is touched. A
 * failed move may have unmapped the bytes between the guards, and another thread's mapping may be there by now: these
 * bytes are not ours any more, neither to use nor to unmap.  Then the guards go, and data is NULL.  (The flag is
 * O_CLOEXEC, whatever the manual page says.) */
static bool back_with_memfd(struct chunk *c)
{
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd < 0)
        return false;
    void *map = MAP_FAILED;
    if (ftruncate(fd, (off_t)c->data_len) == 0)
        map = mmap(NULL, c->data_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return false;
    if (madvise(map, c->data_len, MADV_DONTFORK) != 0) {
        munmap(map, c->data_len);
        return false;
    }
    if (mremap(map, c->data_len, c->data_len, MREMAP_MAYMOVE | MREMAP_FIXED, c->data) == c->data)
        return true;
    munmap(map, c->data_len);
    munmap(c->data - c->guard_len, c->guard_len);
    munmap(c->data + c->data_len, c->guard_len);
    c->data = NULL;
    return false;
}
#endif

/* Address space for the data and a guard on each side. */
static bool reserve(struct chunk *c)
{
    uint8_t *map = mmap(NULL, c->data_len + 2 * c->guard_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return false;
    c->data = map + c->guard_len;
    return true;
}

/* Makes the bytes between the guards usable: memfd_secret(2) if asked for and offered, else private memory.  Neither is
 * dumped, locked or not. */
static bool back_with_memory(struct chunk *c)
{
    if (!reserve(c))
        return false;
#ifdef SYS_memfd_secret
    c->memfd = use_memfd && back_with_memfd(c);
    if (!c->data && !reserve(c))
        return false;
#endif
    return c->memfd || (mprotect(c->data, c->data_len, PROT_READ | PROT_WRITE) == 0 &&
                        madvise(c->data, c->data_len, MADV_DONTDUMP) == 0);
}

static void chunk_unmap(struct chunk *c)
{
    if (c->data)
        munmap(c->data - c->guard_len, c->data_len + 2 * c->guard_len);
    free(c);
}

static enum sealane_error chunk_new(struct chunk **out, uint64_t lines_wanted, bool allow_unlocked)
{
    size_t guard_len = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t data_len;
    /* A quarter of the address space is more than there will be, and leaves room for every sum below. */
    if (lines_wanted > SIZE_MAX / 4 / LINE)
        return SEALANE_E_NO_MEMORY;
    if (sl_round_up_u64(&data_len, lines_wanted * LINE < CHUNK_MIN ? CHUNK_MIN : lines_wanted * LINE, guard_len))
        return SEALANE_E_NO_MEMORY;
    size_t lines = (size_t)data_len / LINE;
    struct chunk *c = calloc(1, sizeof *c + lines * sizeof c->slot[0]);
    if (!c)
        return SEALANE_E_NO_MEMORY;
    c->data_len = data_len;
    c->guard_len = guard_len;
    c->lines = lines;
    if (!back_with_memory(c)) {
        chunk_unmap(c);
        return SEALANE_E_NO_MEMORY;
    }
    /* memfd_secret pages are never swapped, dumped or counted as mlock'ed a second time. */
    c->locked = c->memfd || mlock(c->data, c->data_len) == 0;
    if (!c->locked && !allow_unlocked) {
        chunk_unmap(c);
        return SEALANE_E_MEMORY_LOCK;
    }
    c->next = chunks;
    chunks = c;
    *out = c;
    return SEALANE_OK;
}

/* First fit from line `*from` on, which is moved past the slot.  Returns NULL if the chunk has no such run of free
 * lines. */
static void *take_slot(struct chunk *c, size_t lines, size_t *from)
{
    if (c->lines - c->lines_used < lines)
        return NULL;
    size_t first = *from > c->full_below ? *from : c->full_below, end = first;
    while (end < c->lines && end - first < lines) {
        end += c->slot[end] ? c->slot[end] : 1; /* never within a slot */
        if (c->slot[end - 1])
            first = end;
    }
    if (end - first < lines)
        return NULL;
    c->slot[first] = (uint16_t)lines;
    for (size_t i = first + 1; i < end; i++)
        c->slot[i] = CONTINUED;
    c->lines_used += lines;
    if (first == c->full_below)
        c->full_below = end;
    *from = end;
    return c->data + first * LINE;
}

/* Fills out[] from `done` on as far as the chunk goes; returns how many are filled then. */
static size_t take_slots(struct chunk *c, void **out, size_t done, size_t count, size_t lines)
{
    size_t from = 0;
    while (done < count && (out[done] = take_slot(c, lines, &from)) != NULL)
        done++;
    return done;
}

static void free_slot(uint8_t *at)
{
    for (struct chunk **link = &chunks; *link; link = &(*link)->next) {
        struct chunk *c = *link;
        if (at < c->data || at >= c->data + c->data_len)
            continue;
        size_t first = (size_t)(at - c->data) / LINE;
        size_t lines = c->slot[first];
        /* An address that starts no slot is a double free or a foreign pointer: stop before it becomes an exploit. */
        if ((size_t)(at - c->data) % LINE != 0 || lines == 0 || lines == CONTINUED)
            abort();
        sl_wipe(at, lines * LINE);
        for (size_t i = first; i < first + lines; i++)
            c->slot[i] = 0;
        c->lines_used -= lines;
        if (c->full_below > first)
            c->full_below = first;
        if (c->lines_used == 0) {
            *link = c->next;
            chunk_unmap(c);
        }
        return;
    }
    abort();
}

/* Under the lock. */
static enum sealane_error alloc_many(void **out, size_t count, size_t coming, size_t lines, bool allow_unlocked)
{
    uint64_t new_lines;
    size_t done = 0;
    enum sealane_error error = SEALANE_OK;
    if (!atfork_registered)
        atfork_registered = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
    if (!atfork_registered)
        return SEALANE_E_NO_MEMORY;
    for (struct chunk *c = chunks; c && done < count; c = c->next)
        if (c->locked || allow_unlocked)
            done = take_slots(c, out, done, count, lines);
    if (done == count)
        return SEALANE_OK;
    struct chunk *c;
    if (__builtin_add_overflow(count - done, coming, &new_lines) ||
        __builtin_mul_overflow(new_lines, lines, &new_lines))
        error = SEALANE_E_NO_MEMORY;
    if (!error)
        error = chunk_new(&c, new_lines, allow_unlocked);
    if (!error)
        done = take_slots(c, out, done, count, lines);
    if (!error && done < count)
        abort(); /* the chunk was made for all of them: a NULL slot must not pass for success */
    while (error && done > 0)
        free_slot(out[--done]);
    return error;
}

enum sealane_error sl_secret_alloc_many(void **out, size_t count, size_t coming, size_t len, bool allow_unlocked)
{
    size_t lines = (len / LINE + (len % LINE != 0)) | 1;
    for (size_t i = 0; i < count; i++)
        out[i] = NULL;
    if (len == 0 || lines > SLOT_LINES_MAX)
        return SEALANE_E_ARGUMENT;
    pthread_mutex_lock(&lock);
    enum sealane_error error = alloc_many(out, count, coming, lines, allow_unlocked);
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; error && i < count; i++)
        out[i] = NULL;
    return error;
}

enum sealane_error sl_secret_alloc(void **out, size_t len, bool allow_unlocked)
{
    return sl_secret_alloc_many(out, 1, 0, len, allow_unlocked);
}

void sl_secret_free(void *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&lock);
    free_slot(p);
    pthread_mutex_unlock(&lock);
}

bool sl_secret_is_slot(const void *p)
{
    const uint8_t *at = p;
    bool found = false;
    pthread_mutex_lock(&lock);
    for (const struct chunk *c = chunks; c; c = c->next) {
        if (at >= c->data && at < c->data + c->data_len && (size_t)(at - c->data) % LINE == 0) {
            uint16_t lines = c->slot[(size_t)(at - c->data) / LINE];
            found = lines != 0 && lines != CONTINUED;
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

bool sl_secret_unlocked(void)
{
    bool unlocked = false;
    pthread_mutex_lock(&lock);
    for (const struct chunk *c = chunks; c; c = c->next)
        unlocked = unlocked || !c->locked;
    pthread_mutex_unlock(&lock);
    return unlocked;
}

void sl_secret_use_memfd(void)
{
    pthread_mutex_lock(&lock);
    use_memfd = true;
    pthread_mutex_unlock(&lock);
}
