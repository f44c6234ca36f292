/* What the tests of the worker pool share: a key, pools, and tasks that wait at a gate, so that what a test says about
 * order holds however threads are scheduled. */
#ifndef SEALANE_TESTS_POOLING_H
#define SEALANE_TESTS_POOLING_H

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/pool/pool.h"
#include "sealane/engine.h"
#include "tests/support/environment.h"

#define MIB ((size_t)1 << 20)
#define SLICE ((size_t)SL_POOL_SLICE_LEN)

#if defined(__SANITIZE_THREAD__)
#define TEST_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_THREAD_SANITIZED 1
#endif
#endif
#ifndef TEST_THREAD_SANITIZED
#define TEST_THREAD_SANITIZED 0
#endif

/* In a child, too: ThreadSanitizer would refuse to start threads there. */
#define POOLING_SANITIZER_OPTIONS                                                                                      \
    __attribute__((visibility("default"))) const char *__tsan_default_options(void);                                   \
    const char *__tsan_default_options(void)                                                                           \
    {                                                                                                                  \
        return "die_after_fork=0";                                                                                     \
    }

struct keyed {
    sealane_engine *engine;
    sealane_key *key;
    uint8_t key_bytes[32];
    uint8_t iv[16];
};

static inline struct keyed make_key(struct test_random *random)
{
    struct keyed k;
    test_random_fill(random, k.key_bytes, sizeof k.key_bytes);
    test_random_fill(random, k.iv, sizeof k.iv);
    assert_int_equal(sealane_engine_create(&k.engine, NULL), SEALANE_OK);
    assert_int_equal(sealane_key_create(k.engine, &k.key, k.key_bytes), SEALANE_OK);
    return k;
}

static inline void free_key(struct keyed *k)
{
    sealane_key_free(k->key);
    sealane_engine_free(k->engine);
}

/* A group's key, and its fixtures. */
static struct keyed keyed;

static inline int pooling_set_up(void **state)
{
    (void)state;
    struct test_random random = test_random_for("key");
    keyed = make_key(&random);
    return 0;
}

static inline int pooling_tear_down(void **state)
{
    (void)state;
    free_key(&keyed);
    return 0;
}

static inline sealane_pool *make_pool(unsigned threads, unsigned requests)
{
    struct sealane_pool_options options = SEALANE_POOL_OPTIONS_INIT;
    options.threads = threads;
    options.requests = requests;
    sealane_pool *pool;
    assert_int_equal(sealane_pool_create(&pool, &options), SEALANE_OK);
    assert_non_null(pool);
    return pool;
}

/* `len` bytes at `skew` from a boundary of 2 MiB, with at least GUARD bytes on either side.  free(block) */
enum { GUARD = 64 };
static inline uint8_t *make_block(size_t len, size_t skew, uint8_t **block)
{
    const size_t boundary = 2 * MIB;
    size_t whole = (len + skew + GUARD + 2 * boundary - 1) / boundary * boundary + boundary;
    *block = aligned_alloc(boundary, whole);
    assert_non_null(*block);
    return *block + boundary + skew;
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned entered;
    bool open;
};
#define GATE_CLOSED                                                                                                    \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false                                                  \
    }

static inline void gate_pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->entered++;
    pthread_cond_broadcast(&gate->moved);
    while (!gate->open)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static inline void gate_await(struct gate *gate, unsigned entered)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->entered < entered)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static inline void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
}

static inline enum sealane_error task_gate(void *context, uint64_t from, size_t len)
{
    (void)from, (void)len;
    gate_pass(context);
    return SEALANE_OK;
}

/* All workers of a pool at a gate. */
enum { HELD_MAX = 64 };
struct held {
    struct gate gate;
    unsigned count;
    sealane_ticket ticket[HELD_MAX];
};
#define HELD_NONE                                                                                                      \
    {                                                                                                                  \
        GATE_CLOSED, 0,                                                                                                \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }

static inline void hold_workers(sealane_pool *pool, struct held *held)
{
    held->count = sealane_pool_workers(pool);
    assert_in_range(held->count, 1, HELD_MAX);
    for (unsigned i = 0; i < held->count; i++)
        assert_int_equal(sl_pool_submit(pool, task_gate, &held->gate, NULL, 1, &held->ticket[i]), SEALANE_OK);
    gate_await(&held->gate, held->count);
}

static inline void release_workers(sealane_pool *pool, struct held *held)
{
    gate_open(&held->gate);
    for (unsigned i = 0; i < held->count; i++)
        assert_int_equal(sealane_pool_wait(pool, held->ticket[i]), SEALANE_OK);
}

/* The pool encrypts: for a child, too. */
static inline bool works(sealane_pool *pool, const struct keyed *k)
{
    enum { LEN = 3 << 20 };
    uint8_t *data = calloc(2, LEN);
    if (!data)
        return false;
    sealane_ctr_xor(k->key, k->iv, 5, data, data, LEN);
    struct sealane_record record = {k->key, k->iv, 5, data + LEN, data + LEN, LEN};
    sealane_ticket ticket;
    bool good = sealane_pool_submit(pool, &record, &ticket) == SEALANE_OK &&
                sealane_pool_wait(pool, ticket) == SEALANE_OK && memcmp(data, data + LEN, LEN) == 0;
    memset(data + LEN, 0, LEN);
    good = good && sealane_pool_ctr_xor(pool, k->key, k->iv, 5, data + LEN, data + LEN, LEN) == SEALANE_OK &&
           memcmp(data, data + LEN, LEN) == 0;
    free(data);
    return good;
}

/* A thread that goes on working until it is told to end. */
struct load {
    const struct keyed *keyed;
    pthread_t thread;
    sealane_pool *pool;
    _Atomic bool end;
    _Atomic unsigned rounds;
    bool good;
};

static inline void *keep_working(void *argument)
{
    struct load *l = argument;
    l->good = true;
    while (!atomic_load(&l->end)) {
        l->good = works(l->pool, l->keyed) && l->good;
        atomic_fetch_add(&l->rounds, 1);
    }
    return NULL;
}

#endif
