/* An engine over a table whose first and best kernel is wrong (kernel_wrong.c), whose second is to be avoided on this
 * CPU (kernel_shy.c) and whose third is wrong in columns alone (kernel_crooked.c): all are reported, and the next one
 * serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/kernel.h"
#include "sealane/engine.h"

/* SP 800-38A, F.5.5 CTR-AES256.Encrypt, all four blocks. */
static const uint8_t nist_key[32] = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
                                     0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
                                     0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
static const uint8_t nist_iv[16] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                    0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
static const uint8_t nist_plain[64] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73,
                                       0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7,
                                       0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4,
                                       0x11, 0xe5, 0xfb, 0xc1, 0x19, 0x1a, 0x0a, 0x52, 0xef, 0xf6, 0x9f, 0x24, 0x45,
                                       0xdf, 0x4f, 0x9b, 0x17, 0xad, 0x2b, 0x41, 0x7b, 0xe6, 0x6c, 0x37, 0x10};
static const uint8_t nist_cipher[64] = {0x60, 0x1e, 0xc3, 0x13, 0x77, 0x57, 0x89, 0xa5, 0xb7, 0xa7, 0xf5, 0x04, 0xbb,
                                        0xf3, 0xd2, 0x28, 0xf4, 0x43, 0xe3, 0xca, 0x4d, 0x62, 0xb5, 0x9a, 0xca, 0x84,
                                        0xe9, 0x90, 0xca, 0xca, 0xf5, 0xc5, 0x2b, 0x09, 0x30, 0xda, 0xa2, 0x3d, 0xe9,
                                        0x4c, 0xe8, 0x70, 0x17, 0xba, 0x2d, 0x84, 0x98, 0x8d, 0xdf, 0xc9, 0xc5, 0x8d,
                                        0xb6, 0x7a, 0xad, 0xa6, 0x13, 0xc2, 0xdd, 0x08, 0x45, 0x79, 0x41, 0xa6};

static void the_next_kernel_serves(void **state)
{
    (void)state;
    sealane_engine *engine;
    assert_int_equal(sealane_engine_create(&engine, NULL), SEALANE_OK);
    struct sealane_kernel_info info[16];
    size_t count = sealane_engine_kernels(engine, info, 16);
    assert_true(count >= 2 && count <= 16);
    assert_string_equal(info[0].name, "wrong");
    assert_int_equal(info[0].state, SEALANE_KERNEL_WRONG);
    assert_int_equal(info[0].chosen, 0);

    assert_string_equal(info[1].name, "shy");
    assert_int_equal(info[1].state, SEALANE_KERNEL_READY);
    assert_int_equal(info[1].avoided, 1);

    assert_string_equal(info[2].name, "crooked");
    assert_int_equal(info[2].state, SEALANE_KERNEL_WRONG);

    /* Chosen is the best one that is ready and not avoided, and nothing else was found wrong. */
    size_t best = 3;
    while (best < count && info[best].state != SEALANE_KERNEL_READY)
        best++;
    assert_true(best < count);
    for (size_t i = 1; i < count; i++) {
        assert_int_equal(info[i].state == SEALANE_KERNEL_WRONG, i == 2);
        assert_int_equal(info[i].chosen, i == best);
    }
    print_message("the wrong kernel is left out; %s serves\n", info[best].name);
    sealane_engine_free(engine);
}

static void what_is_avoided_can_be_forced(void **state)
{
    (void)state;
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    struct sealane_kernel_info info[2];
    sealane_engine *engine;
    options.kernel = "shy";
    assert_int_equal(sealane_engine_create(&engine, &options), SEALANE_OK);
    sealane_engine_kernels(engine, info, 2);
    assert_int_equal(info[1].chosen, 1);
    sealane_engine_free(engine);
}

static void its_output_is_right(void **state)
{
    (void)state;
    sealane_engine *engine;
    sealane_key *key;
    uint8_t out[64];
    assert_int_equal(sealane_engine_create(&engine, NULL), SEALANE_OK);
    assert_int_equal(sealane_key_create(engine, &key, nist_key), SEALANE_OK);
    sealane_ctr_xor(key, nist_iv, 0, out, nist_plain, sizeof out);
    assert_memory_equal(out, nist_cipher, sizeof out);
    sealane_key_free(key);
    sealane_engine_free(engine);
}

static void forcing_it_fails(void **state)
{
    (void)state;
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    sealane_engine *engine;
    options.kernel = "wrong";
    assert_int_equal(sealane_engine_create(&engine, &options), SEALANE_E_KERNEL_UNUSABLE);
    assert_null(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_kernel_serves),
        cmocka_unit_test(what_is_avoided_can_be_forced),
        cmocka_unit_test(its_output_is_right),
        cmocka_unit_test(forcing_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
