/* The engine's CTR with every kernel this machine can run: through a key, through a stream, in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/reference.h"

/* Runs `body` with an engine forced to each usable kernel; names the others. */
static void for_each_kernel(void (*body)(struct engine_subject *subject, const char *kernel))
{
    struct engine_subject best;
    engine_subject_open(&best, NULL, NULL);
    size_t count = sealane_engine_kernels(best.engine, NULL, 0);
    size_t ran = 0;
    for (size_t i = 0; i < count; i++) {
        struct sealane_kernel_info info = engine_kernel_info(best.engine, i);
        assert_int_not_equal(info.state, SEALANE_KERNEL_WRONG);
        if (info.state != SEALANE_KERNEL_READY) {
            test_not_run(info.name, info.state == SEALANE_KERNEL_OTHER_ARCH ? "built for another architecture only"
                                                                            : "this CPU or system lacks what it needs");
            continue;
        }
        struct engine_subject subject;
        engine_subject_open(&subject, info.name, NULL);
        body(&subject, info.name);
        engine_subject_close(&subject);
        ran++;
    }
    engine_subject_close(&best);
    assert_true(ran > 0);
}

static void run_cases(struct engine_subject *subject, const char *kernel)
{
    struct ctr_subject cases = engine_subject_cases(subject, kernel);
    assert_true(ctr_cases_run(&cases));
}

static void every_kernel_against_openssl(void **state)
{
    (void)state;
    for_each_kernel(run_cases);
}

static void run_other_ways(struct engine_subject *subject, const char *kernel)
{
    static bool (*const cases[])(struct ctr_subject *) = {ctr_case_vectors, ctr_case_carries, ctr_case_far,
                                                          ctr_case_keys, ctr_case_guarded};
    for (int pieces = 0; pieces < 2; pieces++) {
        char name[64];
        snprintf(name, sizeof name, "%s %s", kernel, pieces ? "pieces" : "stream");
        struct ctr_subject way = engine_subject_cases(subject, name);
        subject->by_stream = !pieces;
        subject->by_pieces = pieces;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            bool passed = cases[i](&way);
            if (!passed)
                printf("FAILED   %s\n", way.failure);
            assert_true(passed);
        }
    }
}

static void streams_and_pieces(void **state)
{
    (void)state;
    for_each_kernel(run_other_ways);
}

/* Pieces in any mixture of empty, tiny and long, each in place or not. */
static void random_pieces(struct engine_subject *subject, const char *kernel)
{
    enum { ROUNDS = 200, PIECES = 12, PIECE_MAX = 700 };
    struct test_random random = test_random_for("pieces");
    (void)kernel;
    static uint8_t plain[PIECES * PIECE_MAX], expected[sizeof plain], in[sizeof plain], out[sizeof plain];
    uint8_t key[32], iv[16];
    test_random_fill(&random, plain, sizeof plain);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct sealane_iovec pieces[PIECES];
        test_random_fill(&random, key, sizeof key);
        test_random_fill(&random, iv, sizeof iv);
        uint64_t offset = test_random_next(&random) >> (1 + test_random_below(&random, 62));
        size_t len = 0;
        memcpy(in, plain, sizeof in);
        for (size_t i = 0; i < PIECES; i++) {
            size_t n = test_random_below(&random, i % 3 ? PIECE_MAX : 20);
            uint8_t *place = test_random_next(&random) & 1 ? in + len : out + len;
            pieces[i] = (struct sealane_iovec){place, in + len, n};
            len += n;
        }
        reference_keystream(key, iv, offset, expected, len);
        reference_xor(expected, plain, len);
        sealane_key *k;
        assert_int_equal(sealane_key_create(subject->engine, &k, key), SEALANE_OK);
        sealane_ctr_xorv(k, iv, offset, pieces, PIECES);
        for (size_t i = 0, at = 0; i < PIECES; at += pieces[i++].len)
            assert_memory_equal(pieces[i].dst, expected + at, pieces[i].len);
        sealane_key_free(k);
    }
}

static void mixed_pieces(void **state)
{
    (void)state;
    for_each_kernel(random_pieces);
}

static void nothing_to_do(struct engine_subject *subject, const char *kernel)
{
    static const uint8_t key[32] = {1}, iv[16] = {2};
    static const uint64_t offsets[] = {0, 5, 16, UINT64_MAX - 3, UINT64_MAX};
    (void)kernel;
    sealane_key *k;
    sealane_stream *s;
    assert_int_equal(sealane_key_create(subject->engine, &k, key), SEALANE_OK);
    assert_int_equal(sealane_stream_create(k, &s, iv), SEALANE_OK);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        uint8_t canary = 0xc3;
        sealane_ctr_xor(k, iv, offsets[i], NULL, NULL, 0);
        sealane_ctr_xor(k, iv, offsets[i], &canary, &canary, 0);
        sealane_ctr_xorv(k, iv, offsets[i], NULL, 0);
        sealane_ctr_xorv(k, iv, offsets[i], &(struct sealane_iovec){NULL, NULL, 0}, 1);
        sealane_stream_xor(s, offsets[i], NULL, NULL, 0);
        assert_int_equal(canary, 0xc3);
    }
    sealane_stream_free(s);
    sealane_key_free(k);
}

static void empty_input(void **state)
{
    (void)state;
    for_each_kernel(nothing_to_do);
}

/* Reading at random places in any order gives what one pass gave. */
static void random_access(struct engine_subject *subject, const char *kernel)
{
    enum { LEN = 100000, READS = 500 };
    struct test_random random = test_random_for("random access");
    static uint8_t plain[LEN], sealed[LEN], got[LEN];
    uint8_t key[32], iv[16];
    (void)kernel;
    test_random_fill(&random, plain, LEN);
    test_random_fill(&random, key, sizeof key);
    test_random_fill(&random, iv, sizeof iv);
    sealane_key *k;
    sealane_stream *s;
    assert_int_equal(sealane_key_create(subject->engine, &k, key), SEALANE_OK);
    assert_int_equal(sealane_stream_create(k, &s, iv), SEALANE_OK);
    sealane_stream_xor(s, 0, sealed, plain, LEN);
    assert_memory_not_equal(sealed, plain, LEN);
    for (size_t i = 0; i < READS; i++) {
        size_t at = test_random_below(&random, LEN);
        size_t len = test_random_below(&random, LEN - at < 5000 ? LEN - at + 1 : 5000);
        sealane_ctr_xor(k, iv, at, got, sealed + at, len);
        assert_memory_equal(got, plain + at, len);
    }
    sealane_stream_free(s);
    sealane_key_free(k);
}

static void reads_at_random(void **state)
{
    (void)state;
    for_each_kernel(random_access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_against_openssl),
        cmocka_unit_test(streams_and_pieces),
        cmocka_unit_test(mixed_pieces),
        cmocka_unit_test(empty_input),
        cmocka_unit_test(reads_at_random),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: CTR", tests, NULL, NULL);
}
