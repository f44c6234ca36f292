/* What the parts of the engine share. */
#ifndef SEALANE_ENGINE_INTERNAL_H
#define SEALANE_ENGINE_INTERNAL_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "arch/kernel.h"
#include "base/endian.h"
#include "sealane/engine.h"

struct sealane_engine {
    const struct sl_kernel *kernel;
    const struct sealane_backend *backend; /* NULL: none */
    bool allow_unlocked;
    bool *wrong;                        /* per row of sl_kernels: failed its self-test here */
    _Atomic uint64_t *backend_failures; /* a pointer, since the engine is const to its users and this counts */
    struct sl_tables *tables;           /* NULL: none */
    struct sealane_thresholds from;     /* SIZE_MAX where there is no such path */
};

/* A backend's own key, with the lock that SEALANE_THREADS_ONE asks for.  Lives outside the secret memory: the pointer
 * it holds is no secret. */
struct sl_backend_key {
    void *key;
    pthread_mutex_t lock;
};

/* What changes in a key: the round-1 table, once there is one, and the bytes that went by before. */
struct sl_key_warmth {
    _Atomic(uint8_t *) table;
    _Atomic int64_t bytes;
};

/* As in struct sl_kernel. */
typedef size_t sl_records(const struct sealane_record *records, size_t count, size_t schedule_at);

/* Lies in secret memory.  What a call reads first shares a cache line; the schedule follows. */
struct sealane_key {
    const struct sl_kernel *kernel;
    size_t direct_below; /* bytes of a call that has no choice but the kernel's plain path; 0: a backend serves */
    const struct sealane_engine *engine;
    struct sl_backend_key *backend; /* NULL: the kernel serves */
    struct sl_key_warmth *warmth;   /* points to the next member, since the key is const to its users */
    struct sl_key_warmth own_warmth;
    sl_records *records; /* NULL: one by one */
    _Alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[];
};

enum { SL_STREAM_TABLES = 2 }; /* one on each side of a carry into byte 10 of the counter block */

struct sealane_stream {
    const struct sealane_key *key;
    size_t direct_below; /* as that of a key */
    size_t table_from;   /* bytes of a call that gains by a nonce table; SIZE_MAX: none ever */
    uint8_t iv[SEALANE_BLOCK_LEN];
    struct sl_stream_warmth *warmth; /* points to the next member */
    struct sl_stream_warmth {
        _Atomic(struct sl_slot *) slot[SL_STREAM_TABLES];
        _Atomic int64_t bytes; /* since the last table was asked for */
    } own_warmth;
};

/* The counter block, as numbers: hi is the big-endian value of its bytes 0 to 7, lo of bytes 8 to 15. */
struct sl_counter {
    uint64_t hi;
    uint64_t lo;
};

/* The counter block `blocks` after `iv`, modulo 2^128. */
static inline struct sl_counter sl_counter_at(const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t blocks)
{
    struct sl_counter c = {.hi = sl_load_be64(iv), .lo = sl_load_be64(iv + 8)};
    c.hi += __builtin_add_overflow(c.lo, blocks, &c.lo);
    return c;
}

/* A call of fewer than `below` bytes from a whole block on, that does not wrap.  No more is done for it than must be,
 * for that is a good part of the time of one block.  False: it is another, and nothing was done. */
static SL_ALWAYS_INLINE bool sl_ctr_direct(const struct sealane_key *key, size_t below,
                                           const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                                           const uint8_t *src, size_t len)
{
    if (len >= below || offset % SEALANE_BLOCK_LEN != 0)
        return false;
    struct sl_counter counter = sl_counter_at(iv, offset / SEALANE_BLOCK_LEN);
    if (__builtin_expect(len / SEALANE_BLOCK_LEN > ~counter.lo, 0)) /* or one block less */
        return false;
    key->kernel->ctr(key->schedule, counter.hi, counter.lo, dst, src, len);
    return true;
}

/* What a call runs on: a kernel with its schedule, and a table that lets it skip rounds, if there is one. */
struct sl_path {
    const struct sl_kernel *kernel;
    const void *schedule;
    const struct sl_face *face;
    const uint8_t *table; /* NULL: none, and face means nothing */
    size_t table_from;    /* bytes from which it is used */
    size_t nt_from;       /* bytes, to another place, from which stores leave the caches alone */
};

/* The general case of sl_ctr(). */
void sl_ctr_split(const struct sl_path *path, struct sl_counter counter, size_t skip, uint8_t *dst, const uint8_t *src,
                  size_t len);

/* What kernels take: whole starting blocks, and a low half that does not wrap.  By length, for the ends that splitting
 * cuts off, too. */
static inline void sl_ctr_whole(const struct sl_path *path, struct sl_counter counter, uint8_t *dst, const uint8_t *src,
                                size_t len)
{
    if (len >= path->nt_from && dst != src)
        path->kernel->ctr_nt(path->schedule, counter.hi, counter.lo, dst, src, len);
    else if (path->table && len >= path->table_from)
        path->face->ctr(path->schedule, path->table, counter.hi, counter.lo, dst, src, len);
    else
        path->kernel->ctr(path->schedule, counter.hi, counter.lo, dst, src, len);
}

/* What a kernel does not take.  One more block than needed at most: then the split finds nothing to do. */
static inline bool sl_ctr_must_split(struct sl_counter counter, size_t skip, size_t len)
{
    return skip != 0 || len / SEALANE_BLOCK_LEN > ~counter.lo;
}

/* Whole CTR: splits where the counter's low half wraps and where the offset cuts a block.  A nonce table must be that
 * of every block of the call. */
static inline void sl_ctr(const struct sl_path *path, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset,
                          uint8_t *dst, const uint8_t *src, size_t len)
{
    struct sl_counter counter = sl_counter_at(iv, offset / SEALANE_BLOCK_LEN);
    size_t skip = offset % SEALANE_BLOCK_LEN;
    if (__builtin_expect(sl_ctr_must_split(counter, skip, len), 0)) {
        struct sl_path stored = *path; /* in this case only: the address of *path would have it stored by every call */
        sl_ctr_split(&stored, counter, skip, dst, src, len);
    } else {
        sl_ctr_whole(path, counter, dst, src, len);
    }
}

/* What sealane_ctr_xor does with calls that are not direct. */
void sl_ctr_by_key(const struct sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                   const uint8_t *src, size_t len);

/* sealane_ctr_xor for `len` bytes of `whole_len` that are done piece by piece: stores leave the caches alone if those
 * of the whole should. */
void sl_ctr_part(const struct sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                 const uint8_t *src, size_t len, size_t whole_len);

/* What the interface asks of every call; in debug builds. */
static inline void sl_assert_valid(uint64_t offset, const uint8_t *dst, const uint8_t *src, size_t len)
{
    (void)offset, (void)dst, (void)src, (void)len;
    assert(len == 0 || (dst && src));
    assert(len == 0 || offset + (len - 1) >= offset);
    assert(dst == src || len == 0 || (uintptr_t)dst >= (uintptr_t)src + len || (uintptr_t)src >= (uintptr_t)dst + len);
}

/* Engine tables: a bounded number of them, for keys (kept as long as the key) and streams (taken away when others need
 * them).  table_bytes 0: *tables is NULL. */
SEALANE_CHECK enum sealane_error sl_tables_create(struct sl_tables **tables, size_t table_bytes);
void sl_tables_free(struct sl_tables *tables);

/* Counts a call of `len` bytes on a key without a table, and makes one once enough went by; NULL: not yet, or none to
 * be had. */
const uint8_t *sl_key_table_warm_up(const struct sealane_key *key, size_t len);
void sl_key_table_free(const struct sealane_key *key);

/* The path of a call of `len` bytes by the key's own kernel: by its round-1 table where that gains, if there is one. */
static inline struct sl_path sl_key_path(const struct sealane_key *key, size_t len)
{
    const struct sealane_thresholds *from = &key->engine->from;
    struct sl_path path = {.kernel = key->kernel,
                           .schedule = key->schedule,
                           .face = key->kernel->by_key,
                           .table_from = from->key_table,
                           .nt_from = from->non_temporal};
    if (len >= path.table_from)
        path.table = atomic_load_explicit(&key->warmth->table, memory_order_acquire);
    return path;
}

/* The same, and the call counts towards a table where there is none yet. */
static inline struct sl_path sl_key_path_warming(const struct sealane_key *key, size_t len)
{
    struct sl_path path = sl_key_path(key, len);
    if (len >= path.table_from && !path.table)
        path.table = sl_key_table_warm_up(key, len);
    return path;
}

void sl_stream_tables_free(const struct sealane_stream *stream);

/* `users` guards the rest: above 0 nothing changes, and who has set it to SL_SLOT_TAKEN from 0 may change all. */
struct sl_slot {
    _Atomic int users;
    _Atomic uint32_t tag;
    _Atomic(const struct sealane_stream *) owner;
    _Atomic bool used; /* since the search for a victim last came by */
    uint8_t *table;
};

/* Bytes 0, 5 and 10 of the counter block: what a nonce table is valid for. */
static inline uint32_t sl_slot_tag(struct sl_counter counter)
{
    return (uint32_t)(counter.hi >> 56 << 16 | (counter.hi >> 16 & 0xff) << 8 | (counter.lo >> 40 & 0xff));
}

static inline void sl_stream_table_release(struct sl_slot *slot)
{
    atomic_fetch_sub_explicit(&slot->users, 1, memory_order_release);
}

/* Counts a call on a stream without a table for this counter block, and makes one once enough went by. */
struct sl_slot *sl_stream_table_warm_up(const struct sealane_stream *stream, struct sl_counter counter, size_t len);

/* A nonce table for the counter block, held until released; NULL: none to be had, take another path.  Never waits. */
static inline struct sl_slot *sl_stream_table_acquire(const struct sealane_stream *stream, struct sl_counter counter,
                                                      size_t len)
{
    uint32_t tag = sl_slot_tag(counter);
    struct sl_slot *slot = atomic_load_explicit(&stream->warmth->slot[tag % SL_STREAM_TABLES], memory_order_acquire);
    if (slot) {
        if (atomic_fetch_add_explicit(&slot->users, 1, memory_order_acquire) >= 0 &&
            atomic_load_explicit(&slot->owner, memory_order_relaxed) == stream &&
            atomic_load_explicit(&slot->tag, memory_order_relaxed) == tag) {
            if (!atomic_load_explicit(&slot->used, memory_order_relaxed))
                atomic_store_explicit(&slot->used, true, memory_order_relaxed);
            return slot;
        }
        sl_stream_table_release(slot);
    }
    return sl_stream_table_warm_up(stream, counter, len);
}

#define SL_CPU_DIRECTORY "/sys/devices/system/cpu"

enum {
    SL_CACHE_SHARERS = 4,              /* at most that many hardware threads are taken to use a cache to the full */
    SL_CACHE_SHARE_UNKNOWN = 32 << 20, /* bytes, more than most have: plain stores cost little where they fit */
};

/* Bytes of the last-level cache that a thread on this CPU can count on: what there is, divided among those who share
 * it.  Asks the system, by the files in SL_CPU_DIRECTORY. */
size_t sl_cache_share(const char *cpu_directory);

/* From what the caller asked for, the engine's kernel and its tables. */
void sl_thresholds_set(struct sealane_engine *engine, const struct sealane_thresholds *asked);

/* True if the kernel reproduces every known answer.  Touches no global state: any thread. */
bool sl_selftest(const struct sl_kernel *kernel);

/* Prepares the engine's backend for a key; NULL if it has none or the backend fails, which is counted. */
struct sl_backend_key *sl_backend_key_create(const struct sealane_engine *engine, const uint8_t bytes[SEALANE_KEY_LEN]);
void sl_backend_key_free(const struct sealane_engine *engine, struct sl_backend_key *backend);

/* CTR by the key's backend; where it fails or is taken by another thread, by the kernel. */
void sl_backend_ctr(const struct sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                    const uint8_t *src, size_t len);

#endif
