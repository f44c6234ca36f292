/* What the parts of the engine share. */
#ifndef SEALANE_ENGINE_INTERNAL_H
#define SEALANE_ENGINE_INTERNAL_H

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
};

/* A backend's own key, with the lock that SEALANE_THREADS_ONE asks for.  Lives outside the secret memory: the pointer
 * it holds is no secret. */
struct sl_backend_key {
    void *key;
    pthread_mutex_t lock;
};

/* Lies in secret memory.  What a call reads first shares a cache line; the schedule follows. */
struct sealane_key {
    const struct sl_kernel *kernel;
    const struct sealane_engine *engine;
    struct sl_backend_key *backend; /* NULL: the kernel serves */
    _Alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[];
};

struct sealane_stream {
    const struct sealane_key *key;
    uint8_t iv[SEALANE_BLOCK_LEN];
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

/* Whole CTR by one kernel: splits where the counter's low half wraps and where the offset cuts a block. */
void sl_ctr(const struct sl_kernel *kernel, const void *schedule, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset,
            uint8_t *dst, const uint8_t *src, size_t len);

/* True if the kernel reproduces every known answer.  Touches no global state: any thread. */
bool sl_selftest(const struct sl_kernel *kernel);

/* Prepares the engine's backend for a key; NULL if it has none or the backend fails, which is counted. */
struct sl_backend_key *sl_backend_key_create(const struct sealane_engine *engine, const uint8_t bytes[SEALANE_KEY_LEN]);
void sl_backend_key_free(const struct sealane_engine *engine, struct sl_backend_key *backend);

/* CTR by the key's backend; where it fails or is taken by another thread, by the kernel. */
void sl_backend_ctr(const struct sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                    const uint8_t *src, size_t len);

#endif
