/* Many keys at a time, with every kernel this machine can run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/child.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"

static void keys_like_key(const sealane_engine *engine)
{
    static const size_t counts[] = {0, 1, 3, 4, 5, 64, 65, 130};
    struct test_random random = test_random_for("keys");
    static uint8_t bytes[130][32], many[100], one[100];
    static const uint8_t iv[16] = {9};
    sealane_key *keys[131], *guard = (void *)bytes;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        size_t count = counts[c];
        test_random_fill(&random, bytes, sizeof bytes);
        keys[count] = guard;
        assert_int_equal(sealane_keys_create(engine, keys, bytes[0], count), SEALANE_OK);
        assert_ptr_equal(keys[count], guard);
        for (size_t k = 0; k < count; k++) {
            sealane_key *key;
            assert_int_equal(sealane_key_create(engine, &key, bytes[k]), SEALANE_OK);
            memset(many, 0, sizeof many);
            memset(one, 0, sizeof one);
            sealane_ctr_xor(keys[k], iv, 0, many, many, sizeof many);
            sealane_ctr_xor(key, iv, 0, one, one, sizeof one);
            assert_memory_equal(many, one, sizeof one);
            sealane_key_free(key);
        }
        /* Each on its own, in any order. */
        for (size_t k = 0; k < count; k += 2)
            sealane_key_free(keys[k]);
        for (size_t k = 1; k < count; k += 2)
            sealane_key_free(keys[k]);
    }
}

static void many_keys(void **state)
{
    (void)state;
    engine_for_each_kernel(keys_like_key);
}

static void too_many_keys(void *argument)
{
    enum { COUNT = 8000 }; /* 3.5 MB and more; 300 of the largest, those of `portable-avx2`, take 0.6 MB */
    static uint8_t bytes[COUNT][32];
    static sealane_key *keys[COUNT];
    sealane_engine *engine;
    (void)argument;
    test_child_limit_locked_memory(1 << 20);
    CHILD_CHECK(sealane_engine_create(&engine, NULL) == SEALANE_OK);
    memset(keys, 0x5a, sizeof keys);
    CHILD_CHECK(sealane_keys_create(engine, keys, bytes[0], COUNT) == SEALANE_E_MEMORY_LOCK);
    for (size_t k = 0; k < COUNT; k++)
        CHILD_CHECK(keys[k] == NULL);
    /* Nothing of it is still locked, again and again. */
    for (int again = 0; again < 20; again++) {
        CHILD_CHECK(sealane_keys_create(engine, keys, bytes[0], 300) == SEALANE_OK);
        CHILD_CHECK(sealane_keys_create(engine, keys + 300, bytes[0], COUNT - 300) == SEALANE_E_MEMORY_LOCK);
        for (size_t k = 0; k < 300; k++)
            sealane_key_free(keys[k]);
        for (size_t k = 300; k < COUNT; k++)
            CHILD_CHECK(keys[k] == NULL);
    }
    /* Nor taken from a chunk that stays: an attempt gets as far as that goes, and then gives all of it back. */
    for (int again = 0; again < 20; again++) {
        CHILD_CHECK(sealane_keys_create(engine, keys, bytes[0], 300) == SEALANE_OK);
        for (size_t k = 0; k < 299; k++)
            sealane_key_free(keys[k]);
        CHILD_CHECK(sealane_keys_create(engine, keys, bytes[0], COUNT - 1000) == SEALANE_E_MEMORY_LOCK);
        for (size_t k = 0; k < 299; k++)
            CHILD_CHECK(keys[k] == NULL);
        CHILD_CHECK(sealane_keys_create(engine, keys, bytes[0], 299) == SEALANE_OK);
        for (size_t k = 0; k < 300; k++)
            sealane_key_free(keys[k]);
    }
    sealane_engine_free(engine);
}

static void all_keys_or_none(void **state)
{
    (void)state;
    if (TEST_SANITIZED) {
        test_not_run("all keys or none", "sanitizers turn mlock off");
        skip();
    }
    assert_true(test_child_passed(test_child(too_many_keys, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys),
        cmocka_unit_test(all_keys_or_none),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: many keys", tests, NULL, NULL);
}
