/* Tables of first rounds that many threads make, use, lose and take from each other: right bytes here, and no race
 * under ThreadSanitizer. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "engine/internal.h"
#include "tests/support/environment.h"
#include "tests/support/reference.h"

enum { THREADS = 8, STREAMS = 6, LEN = 40000, CALL_MAX = 20000, KEY_WARM = 65536 };

static struct shared {
    sealane_engine *engine;
    sealane_key *keys[2];
    sealane_stream *streams[STREAMS];
    uint8_t key_bytes[2][32];
    uint8_t ivs[STREAMS][16];
    uint8_t expected[STREAMS][LEN]; /* keystreams */
    size_t rounds;
    atomic_size_t with_table; /* calls that found one */
    pthread_barrier_t start;
} shared;

struct worker {
    pthread_t thread;
    struct test_random random;
    size_t index;
    size_t wrong;
};

static const struct sl_kernel *tabled_kernel(size_t row)
{
    const struct sl_kernel *kernel = sl_kernels[row].kernel;
    bool runs = kernel && (kernel->needs & sl_cpu()) == kernel->needs && kernel->by_key && kernel->by_nonce;
    if (!runs)
        test_not_run(sl_kernels[row].name, "no tables, or not for this machine");
    return runs ? kernel : NULL;
}

static void set_up(const char *kernel, size_t table_bytes, size_t rounds)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    struct test_random random = test_random_for("tables shared");
    options.kernel = kernel;
    options.table_bytes = table_bytes;
    memset(&shared, 0, sizeof shared);
    assert_int_equal(sealane_engine_create(&shared.engine, &options), SEALANE_OK);
    for (size_t i = 0; i < 2; i++) {
        test_random_fill(&random, shared.key_bytes[i], 32);
        assert_int_equal(sealane_key_create(shared.engine, &shared.keys[i], shared.key_bytes[i]), SEALANE_OK);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        test_random_fill(&random, shared.ivs[i], 16);
        memset(shared.ivs[i] + 11, 0xff, 4); /* byte 10 changes within the first 256 blocks: two tables in turn */
        if (i % 2)
            memcpy(shared.ivs[i], shared.ivs[i - 1], 11); /* the same bytes 0, 5 and 10, another key */
        reference_keystream(shared.key_bytes[i % 2], shared.ivs[i], 0, shared.expected[i], LEN);
        assert_int_equal(sealane_stream_create(shared.keys[i % 2], &shared.streams[i], shared.ivs[i]), SEALANE_OK);
    }
    shared.rounds = rounds;
}

static void tear_down(void)
{
    for (size_t i = 0; i < STREAMS; i++)
        sealane_stream_free(shared.streams[i]);
    sealane_key_free(shared.keys[0]);
    sealane_key_free(shared.keys[1]);
    sealane_engine_free(shared.engine);
}

static bool is_keystream(const uint8_t *out, size_t i, size_t at, size_t len)
{
    return memcmp(out, shared.expected[i] + at, len) == 0;
}

static void note_table(const sealane_stream *stream, uint64_t offset)
{
    struct sl_slot *slot = sl_stream_table_acquire(stream, sl_counter_at(stream->iv, offset / 16), 0);
    if (slot) {
        sl_stream_table_release(slot);
        atomic_fetch_add(&shared.with_table, 1);
    }
}

/* All streams from all threads, for as long as a few calls each. */
static void *use_streams(void *argument)
{
    struct worker *w = argument;
    uint8_t *out = malloc(CALL_MAX);
    pthread_barrier_wait(&shared.start);
    if (!out)
        w->wrong = 1;
    for (size_t round = 0; out && round < shared.rounds; round++) {
        size_t i = (w->index + round / 8) % STREAMS;
        size_t at = test_random_below(&w->random, LEN - CALL_MAX);
        size_t len = test_random_below(&w->random, CALL_MAX + 1);
        memset(out, 0, len);
        sealane_stream_xor(shared.streams[i], at, out, out, len);
        w->wrong += !is_keystream(out, i, at, len);
        note_table(shared.streams[i], at);
    }
    free(out);
    return NULL;
}

/* Some threads' streams come and go while the others' take their slots. */
static void *come_and_go(void *argument)
{
    struct worker *w = argument;
    if (w->index % 2 == 0)
        return use_streams(argument);
    uint8_t *out = malloc(CALL_MAX);
    pthread_barrier_wait(&shared.start);
    if (!out)
        w->wrong = 1;
    for (size_t round = 0; out && round < shared.rounds / 4; round++) {
        size_t i = test_random_below(&w->random, STREAMS);
        sealane_stream *own = NULL;
        if (sealane_stream_create(shared.keys[i % 2], &own, shared.ivs[i]) != SEALANE_OK) {
            w->wrong++;
            break;
        }
        for (size_t call = 0; call < 4; call++) {
            size_t at = test_random_below(&w->random, LEN - CALL_MAX);
            memset(out, 0, CALL_MAX);
            sealane_stream_xor(own, at, out, out, CALL_MAX);
            w->wrong += !is_keystream(out, i, at, CALL_MAX);
            note_table(own, at);
        }
        sealane_stream_free(own);
    }
    free(out);
    return NULL;
}

/* All at once the key has seen enough for a table. */
static void *warm_a_key(void *argument)
{
    struct worker *w = argument;
    static uint8_t zero[KEY_WARM];
    uint8_t *out = malloc(KEY_WARM);
    pthread_barrier_wait(&shared.start);
    if (!out)
        w->wrong = 1;
    for (size_t round = 0; out && round < 6; round++) {
        sealane_ctr_xor(shared.keys[0], shared.ivs[0], 0, out, zero, KEY_WARM);
        w->wrong += !is_keystream(out, 0, 0, LEN);
        sealane_ctr_xor(shared.keys[0], shared.ivs[0], round * 5, out, zero, 3000);
        w->wrong += !is_keystream(out, 0, round * 5, 3000);
    }
    free(out);
    return NULL;
}

static void run_threads(void *(*body)(void *))
{
    struct worker workers[THREADS];
    assert_int_equal(pthread_barrier_init(&shared.start, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        char label[32];
        snprintf(label, sizeof label, "tables, thread %zu", i);
        workers[i] = (struct worker){.random = test_random_for(label), .index = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    pthread_barrier_destroy(&shared.start);
}

static void streams_in_turn(void **state)
{
    (void)state;
    /* 1, 2 and 4 slots for 12 tables, and 31. */
    static const size_t budgets[] = {SL_FACE_TABLE_LEN, 4 * SL_FACE_TABLE_LEN, 8 * SL_FACE_TABLE_LEN,
                                     SEALANE_TABLE_BYTES};
    for (size_t row = 0; row < sl_kernel_count; row++) {
        const struct sl_kernel *kernel = tabled_kernel(row);
        for (size_t b = 0; kernel && b < sizeof budgets / sizeof budgets[0]; b++) {
            set_up(kernel->name, budgets[b], test_reduced() ? 200 : 2000);
            run_threads(use_streams);
            printf("  %-24s %6zu bytes of tables: %zu of %zu calls then found one\n", kernel->name, budgets[b],
                   atomic_load(&shared.with_table), (size_t)THREADS * shared.rounds);
            assert_true(atomic_load(&shared.with_table) > 0);
            tear_down();
        }
    }
}

static void streams_freed_while_others_evict(void **state)
{
    (void)state;
    for (size_t row = 0; row < sl_kernel_count; row++) {
        const struct sl_kernel *kernel = tabled_kernel(row);
        for (size_t slots = 1; kernel && slots <= 2; slots++) {
            set_up(kernel->name, (2 * slots - 1) * SL_FACE_TABLE_LEN, test_reduced() ? 200 : 2000);
            run_threads(come_and_go);
            assert_true(atomic_load(&shared.with_table) > 0);
            tear_down();
        }
    }
}

static void a_key_table_made_among_threads(void **state)
{
    (void)state;
    for (size_t row = 0; row < sl_kernel_count; row++) {
        const struct sl_kernel *kernel = tabled_kernel(row);
        for (int round = 0; kernel && round < (test_reduced() ? 5 : 50); round++) {
            set_up(kernel->name, SEALANE_TABLE_BYTES, 0);
            run_threads(warm_a_key);
            assert_non_null(atomic_load(&shared.keys[0]->warmth->table));
            tear_down();
        }
    }
}

/* What a stall of very many threads between looking for a table and counting bytes comes to: a second one is made.  The
 * first stays, for it may be in use. */
static void a_second_key_table_gives_way(void **state)
{
    (void)state;
    for (size_t row = 0; row < sl_kernel_count; row++) {
        const struct sl_kernel *kernel = tabled_kernel(row);
        if (!kernel)
            continue;
        set_up(kernel->name, 8 * SL_FACE_TABLE_LEN, 0); /* 4 tables for keys */
        for (int i = 0; i < 8 * 257; i++)
            sl_key_table_warm_up(shared.keys[0], KEY_WARM);
        const uint8_t *first = atomic_load(&shared.keys[0]->warmth->table);
        assert_non_null(first);
        for (int i = 0; i < 257; i++) {
            const uint8_t *got = sl_key_table_warm_up(shared.keys[0], KEY_WARM);
            assert_true(got == NULL || got == first);
        }
        assert_ptr_equal(atomic_load(&shared.keys[0]->warmth->table), first);
        /* And was not counted: another key gets one. */
        assert_non_null(sl_key_table_warm_up(shared.keys[1], KEY_WARM));
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_in_turn),
        cmocka_unit_test(streams_freed_while_others_evict),
        cmocka_unit_test(a_key_table_made_among_threads),
        cmocka_unit_test(a_second_key_table_gives_way),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: tables, threads", tests, NULL, NULL);
}
