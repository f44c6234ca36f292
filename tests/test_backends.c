/* The optional backends of this build, through the engine: the same bytes as ever. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sealane/backends.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/reference.h"

static const struct sealane_backend *const *backends(void)
{
    static const struct sealane_backend *found[3];
    size_t count = 0;
#if defined(SEALANE_HAVE_BACKEND_OPENSSL)
    found[count++] = sealane_backend_openssl();
#else
    test_not_run("openssl backend", "not in this build");
#endif
#if defined(SEALANE_HAVE_BACKEND_IPSEC_MB)
    found[count++] = sealane_backend_ipsec_mb();
#else
    test_not_run("ipsec-mb backend", "not in this build");
#endif
    found[count] = NULL;
    return found;
}

static void describe_themselves(void **state)
{
    (void)state;
    for (const struct sealane_backend *const *b = backends(); *b; b++)
        printf("  %-24s counts in %u bits, %s\n", (*b)->name, (*b)->counter_bits,
               (*b)->thread_rule == SEALANE_THREADS_ONE ? "one call at a time for a key" : "any threads");
}

static void against_openssl(void **state)
{
    (void)state;
    for (const struct sealane_backend *const *b = backends(); *b; b++) {
        struct engine_subject s;
        engine_subject_open(&s, NULL, *b);
        struct ctr_subject subject = engine_subject_cases(&s, (*b)->name);
        assert_true(ctr_cases_run(&subject));
        /* Served by the backend throughout: otherwise the kernel would have been tested once more. */
        assert_int_equal(sealane_engine_backend_failures(s.engine), 0);
        engine_subject_close(&s);
    }
}

/* Each is as wide as it says: one block beyond, it may be wrong, and for 128 bits there is no beyond. */
static void counter_width_as_declared(void **state)
{
    (void)state;
    enum { BLOCKS = 64 };
    struct test_random random = test_random_for("width");
    for (const struct sealane_backend *const *b = backends(); *b; b++) {
        for (unsigned carry = 8; carry < (*b)->counter_bits; carry += 8) {
            uint8_t key[32], iv[16], expected[BLOCKS * 16], got[BLOCKS * 16] = {0};
            void *prepared;
            test_random_fill(&random, key, sizeof key);
            test_random_fill(&random, iv, sizeof iv);
            memset(iv + 16 - carry / 8, 0xff, carry / 8);
            iv[15] = (uint8_t) - (1 + test_random_below(&random, BLOCKS - 1));
            if ((*b)->counter_bits < 128)
                iv[16 - (*b)->counter_bits / 8] &= 0x7f; /* what the carry reaches does not itself wrap */
            reference_keystream(key, iv, 0, expected, sizeof expected);
            assert_int_equal((*b)->key_prepare(&prepared, key), SEALANE_OK);
            assert_int_equal((*b)->ctr(prepared, iv, got, got, sizeof got), SEALANE_OK);
            assert_memory_equal(got, expected, sizeof got);
            (*b)->key_free(prepared);
        }
    }
}

enum { THREADS = 4, LEN = 20000 };

static struct shared {
    sealane_key *key;
    uint8_t iv[16];
    uint8_t expected[LEN];
} shared;

static void *read_at_random(void *argument)
{
    struct test_random *random = argument;
    uint8_t *out = malloc(LEN);
    uintptr_t wrong = !out;
    for (size_t i = 0; out && i < 1000; i++) {
        size_t at = test_random_below(random, LEN), len = test_random_below(random, LEN - at + 1);
        memset(out, 0, len);
        sealane_ctr_xor(shared.key, shared.iv, at, out, out, len);
        wrong += memcmp(out, shared.expected + at, len) != 0;
    }
    free(out);
    return (void *)wrong;
}

static void one_key_many_threads(void **state)
{
    (void)state;
    for (const struct sealane_backend *const *b = backends(); *b; b++) {
        struct engine_subject s;
        uint8_t key[32];
        struct test_random random = test_random_for("threads"), each[THREADS];
        pthread_t threads[THREADS];
        engine_subject_open(&s, NULL, *b);
        test_random_fill(&random, key, sizeof key);
        memset(shared.iv, 0xff, sizeof shared.iv);
        shared.iv[14] = 0xfd; /* the 32-bit counter, and all above, wrap within reach */
        reference_keystream(key, shared.iv, 0, shared.expected, LEN);
        assert_int_equal(sealane_key_create(s.engine, &s.key, key), SEALANE_OK);
        shared.key = s.key;
        for (size_t i = 0; i < THREADS; i++) {
            each[i] = (struct test_random){test_random_next(&random)};
            assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &each[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            void *wrong;
            assert_int_equal(pthread_join(threads[i], &wrong), 0);
            assert_null(wrong);
        }
        assert_int_equal(sealane_engine_backend_failures(s.engine), 0);
        engine_subject_close(&s);
    }
}

static void many_keys(void **state)
{
    (void)state;
    enum { KEYS = 10 }; /* ipsec-mb locks a page for each: these fit 64 KiB */
    for (const struct sealane_backend *const *b = backends(); *b; b++) {
        struct engine_subject s;
        struct test_random random = test_random_for("many");
        static sealane_key *keys[KEYS];
        static uint8_t bytes[KEYS][32];
        engine_subject_open(&s, NULL, *b);
        for (size_t i = 0; i < KEYS; i++) {
            test_random_fill(&random, bytes[i], 32);
            assert_int_equal(sealane_key_create(s.engine, &keys[i], bytes[i]), SEALANE_OK);
        }
        for (size_t i = 0; i < KEYS; i++) {
            uint8_t iv[16] = {(uint8_t)i}, expected[333], got[333] = {0};
            reference_keystream(bytes[i], iv, 1 + i, expected, sizeof expected);
            sealane_ctr_xor(keys[i], iv, 1 + i, got, got, sizeof got);
            assert_memory_equal(got, expected, sizeof got);
        }
        for (size_t i = 0; i < KEYS; i++)
            sealane_key_free(keys[i]);
        assert_int_equal(sealane_engine_backend_failures(s.engine), 0);
        engine_subject_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describe_themselves),
        cmocka_unit_test(against_openssl),
        cmocka_unit_test(counter_width_as_declared),
        cmocka_unit_test(one_key_many_threads),
        cmocka_unit_test(many_keys),
    };
    test_seed();
    return cmocka_run_group_tests_name("backends", tests, NULL, NULL);
}
