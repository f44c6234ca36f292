/* One key, one stream, one engine, many threads: right bytes here, and no race under ThreadSanitizer. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/child.h"
#include "tests/support/double_backend.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/reference.h"

enum { THREADS = 8, LEN = 40000 };

/* Set up before the threads start, read by all. */
static struct shared {
    sealane_engine *engine;
    sealane_key *key;
    sealane_stream *stream;
    uint8_t key_bytes[32];
    uint8_t iv[16];
    uint8_t plain[LEN];
    uint8_t expected[LEN];
    size_t rounds;
    pthread_barrier_t start;
} shared;

struct worker {
    pthread_t thread;
    struct test_random random;
    bool by_stream;
    size_t wrong;
};

static void set_up(const char *kernel, const struct sealane_backend *backend, size_t rounds)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    struct test_random random = test_random_for("shared");
    options.kernel = kernel;
    options.backend = backend;
    test_random_fill(&random, shared.key_bytes, sizeof shared.key_bytes);
    test_random_fill(&random, shared.iv, sizeof shared.iv);
    memset(shared.iv + 12, 0xff, 3); /* a 32-bit carry within reach of the threads */
    test_random_fill(&random, shared.plain, LEN);
    reference_keystream(shared.key_bytes, shared.iv, 0, shared.expected, LEN);
    reference_xor(shared.expected, shared.plain, LEN);
    assert_int_equal(sealane_engine_create(&shared.engine, &options), SEALANE_OK);
    assert_int_equal(sealane_key_create(shared.engine, &shared.key, shared.key_bytes), SEALANE_OK);
    assert_int_equal(sealane_stream_create(shared.key, &shared.stream, shared.iv), SEALANE_OK);
    shared.rounds = rounds;
}

static void tear_down(void)
{
    sealane_stream_free(shared.stream);
    sealane_key_free(shared.key);
    sealane_engine_free(shared.engine);
}

static void *use_one_key(void *argument)
{
    struct worker *w = argument;
    uint8_t *out = malloc(LEN);
    if (!out) {
        w->wrong = 1;
        return NULL;
    }
    pthread_barrier_wait(&shared.start);
    for (size_t i = 0; i < shared.rounds; i++) {
        size_t at = test_random_below(&w->random, LEN);
        size_t len = test_random_below(&w->random, LEN - at + 1);
        if (i % 2)
            len %= 300;
        if (w->by_stream)
            sealane_stream_xor(shared.stream, at, out, shared.plain + at, len);
        else
            sealane_ctr_xor(shared.key, shared.iv, at, out, shared.plain + at, len);
        w->wrong += memcmp(out, shared.expected + at, len) != 0;
    }
    free(out);
    return NULL;
}

static void *make_keys(void *argument)
{
    struct worker *w = argument;
    uint8_t bytes[32], iv[16], out[200], expected[200];
    pthread_barrier_wait(&shared.start);
    for (size_t i = 0; i < shared.rounds; i++) {
        sealane_key *key = NULL;
        sealane_stream *stream = NULL;
        test_random_fill(&w->random, bytes, sizeof bytes);
        test_random_fill(&w->random, iv, sizeof iv);
        reference_keystream(bytes, iv, i, expected, sizeof expected);
        memset(out, 0, sizeof out);
        if (sealane_key_create(shared.engine, &key, bytes) || sealane_stream_create(key, &stream, iv)) {
            w->wrong++;
        } else {
            sealane_stream_xor(stream, i, out, out, sizeof out);
            w->wrong += memcmp(out, expected, sizeof out) != 0;
        }
        sealane_stream_free(stream);
        sealane_key_free(key);
    }
    return NULL;
}

static void run_threads(void *(*body)(void *))
{
    struct worker workers[THREADS];
    assert_int_equal(pthread_barrier_init(&shared.start, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        char label[32];
        snprintf(label, sizeof label, "thread %zu", i);
        workers[i] = (struct worker){.random = test_random_for(label), .by_stream = i % 2};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    pthread_barrier_destroy(&shared.start);
}

static void one_key_many_threads(void **state)
{
    (void)state;
    struct engine_subject best;
    engine_subject_open(&best, NULL, NULL);
    size_t count = sealane_engine_kernels(best.engine, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        struct sealane_kernel_info info = engine_kernel_info(best.engine, i);
        if (info.state != SEALANE_KERNEL_READY)
            continue;
        set_up(info.name, NULL, test_reduced() ? 50 : 500);
        run_threads(use_one_key);
        tear_down();
    }
    engine_subject_close(&best);
}

static void keys_made_by_many_threads(void **state)
{
    (void)state;
    set_up(NULL, NULL, test_reduced() ? 100 : 2000);
    run_threads(make_keys);
    tear_down();
}

static void backends_many_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        double_backend_reset(
            (struct double_backend_plan){.counter_bits = i < 2 ? 32 : 128, .fail_every = i % 2 ? 5 : 0});
        const struct sealane_backend backend = double_backend(i < 2 ? SEALANE_THREADS_ONE : SEALANE_THREADS_ANY);
        set_up(NULL, &backend, test_reduced() ? 30 : 300);
        run_threads(use_one_key);
        assert_true(double_backend_counts.calls > 0);
        assert_int_equal(double_backend_counts.wrapped, 0);
        if (backend.thread_rule == SEALANE_THREADS_ONE)
            assert_int_equal(double_backend_counts.concurrent, 0);
        assert_int_equal(sealane_engine_backend_failures(shared.engine), double_backend_counts.failed);
        tear_down();
        assert_int_equal(double_backend_counts.keys, 0);
    }
}

static void use_inherited_key(void *unused)
{
    (void)unused;
    uint8_t out[1000];
    sealane_ctr_xor(shared.key, shared.iv, 77, out, shared.plain + 77, sizeof out);
    CHILD_CHECK(memcmp(out, shared.expected + 77, sizeof out) == 0);
    sealane_key *own;
    CHILD_CHECK(sealane_key_create(shared.engine, &own, shared.key_bytes) == SEALANE_OK);
    sealane_key_free(own);
    sealane_stream_free(shared.stream);
    sealane_key_free(shared.key);
}

static void a_forked_child_has_its_own_copy(void **state)
{
    (void)state;
    set_up(NULL, NULL, 0);
    assert_true(test_child_passed(test_child(use_inherited_key, NULL)));
    /* The child freed, and so wiped, its copies only. */
    uint8_t out[1000];
    sealane_stream_xor(shared.stream, 3, out, shared.plain + 3, sizeof out);
    assert_memory_equal(out, shared.expected + 3, sizeof out);
    tear_down();
}

static void *allocate_all_the_time(void *stop)
{
    static const uint8_t bytes[32] = {9};
    while (!atomic_load((atomic_int *)stop)) {
        sealane_key *key;
        if (sealane_key_create(shared.engine, &key, bytes) == SEALANE_OK)
            sealane_key_free(key);
    }
    return NULL;
}

/* A fork in the middle of another thread's allocation must not leave the child with a lock that nobody opens. */
static void a_fork_among_threads(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    test_not_run("fork among threads", "ThreadSanitizer does not follow it");
    skip();
#endif
    atomic_int stop = 0;
    pthread_t thread;
    set_up(NULL, NULL, 0);
    assert_int_equal(pthread_create(&thread, NULL, allocate_all_the_time, &stop), 0);
    for (int i = 0; i < 30; i++)
        assert_true(test_child_passed(test_child(use_inherited_key, NULL)));
    atomic_store(&stop, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_many_threads),  cmocka_unit_test(keys_made_by_many_threads),
        cmocka_unit_test(backends_many_threads), cmocka_unit_test(a_forked_child_has_its_own_copy),
        cmocka_unit_test(a_fork_among_threads),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: threads", tests, NULL, NULL);
}
