#include <stdlib.h>

#include "base/wipe.h"
#include "engine/internal.h"

static void count_failure(const struct sealane_engine *engine)
{
    atomic_fetch_add_explicit(engine->backend_failures, 1, memory_order_relaxed);
}

/* The engine's own kernel for the same bytes. */
static void kernel_ctr(const struct sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset,
                       uint8_t *dst, const uint8_t *src, size_t len)
{
    struct sl_path path = sl_key_path_warming(key, len);
    sl_ctr(&path, iv, offset, dst, src, len);
}

struct sl_backend_key *sl_backend_key_create(const struct sealane_engine *engine, const uint8_t bytes[SEALANE_KEY_LEN])
{
    if (!engine->backend)
        return NULL;
    struct sl_backend_key *b = malloc(sizeof *b);
    if (b && pthread_mutex_init(&b->lock, NULL) != 0) {
        free(b);
        b = NULL;
    }
    if (b && engine->backend->key_prepare(&b->key, bytes) != SEALANE_OK) {
        pthread_mutex_destroy(&b->lock);
        free(b);
        b = NULL;
    }
    if (!b)
        count_failure(engine);
    return b;
}

void sl_backend_key_free(const struct sealane_engine *engine, struct sl_backend_key *backend)
{
    if (!backend)
        return;
    engine->backend->key_free(backend->key);
    pthread_mutex_destroy(&backend->lock);
    free(backend);
}

/* One call to the backend, for which its counter does not wrap.  In place a failed backend may have changed the bytes,
 * which the interface forbids it to: so they are still the source. */
static void one_call(const struct sealane_key *key, struct sl_counter counter, uint8_t *dst, const uint8_t *src,
                     size_t len)
{
    uint8_t block[SEALANE_BLOCK_LEN];
    sl_store_be64(block, counter.hi);
    sl_store_be64(block + 8, counter.lo);
    if (key->engine->backend->ctr(key->backend->key, block, dst, src, len) != SEALANE_OK) {
        count_failure(key->engine);
        kernel_ctr(key, block, 0, dst, src, len);
    }
}

/* Blocks until a counter of `bits` low bits wraps; 0 stands for more than any call has. */
static uint64_t blocks_to_wrap(struct sl_counter counter, unsigned bits)
{
    if (bits == 128)
        return 0;
    if (bits == 64)
        return -counter.lo;
    return ((uint64_t)1 << bits) - (counter.lo & (((uint64_t)1 << bits) - 1));
}

static void split(const struct sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                  const uint8_t *src, size_t len)
{
    size_t skip = offset % SEALANE_BLOCK_LEN;
    if (skip && len) { /* backends start at whole blocks */
        size_t n = SEALANE_BLOCK_LEN - skip < len ? SEALANE_BLOCK_LEN - skip : len;
        kernel_ctr(key, iv, offset, dst, src, n);
        offset += n;
        dst += n;
        src += n;
        len -= n;
    }
    while (len) {
        struct sl_counter counter = sl_counter_at(iv, offset / SEALANE_BLOCK_LEN);
        uint64_t blocks = blocks_to_wrap(counter, key->engine->backend->counter_bits);
        size_t n = blocks == 0 || blocks > len / SEALANE_BLOCK_LEN ? len : (size_t)blocks * SEALANE_BLOCK_LEN;
        n = n < SEALANE_BACKEND_LEN_MAX ? n : SEALANE_BACKEND_LEN_MAX;
        one_call(key, counter, dst, src, n);
        offset += n;
        dst += n;
        src += n;
        len -= n;
    }
}

void sl_backend_ctr(const struct sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                    const uint8_t *src, size_t len)
{
    bool exclusive = key->engine->backend->thread_rule == SEALANE_THREADS_ONE;
    /* A second thread does not wait for a backend that serves one at a time: the kernel gives the same bytes at once.
     */
    if (exclusive && pthread_mutex_trylock(&key->backend->lock) != 0) {
        kernel_ctr(key, iv, offset, dst, src, len);
        return;
    }
    split(key, iv, offset, dst, src, len);
    if (exclusive)
        pthread_mutex_unlock(&key->backend->lock);
}
