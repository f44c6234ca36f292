/* The bare kernels, as the table lists them.  What the engine adds around them is in test_engine*.c. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/kernel.h"
#include "base/endian.h"
#include "tests/support/ctr_cases.h"
#include "tests/support/environment.h"
#include "tests/support/guarded.h"
#include "tests/support/reference.h"

struct bare {
    const struct sl_kernel *kernel;
    _Alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[SL_SCHEDULE_MAX];
};

static bool can_run(const struct sl_kernel_row *row)
{
    return row->kernel && (row->kernel->needs & sl_cpu()) == row->kernel->needs;
}

#ifdef __x86_64__
/* CPUID signatures as Intel and AMD publish them. */
static void wide_vectors_at_full_clock(void **state)
{
    (void)state;
    assert_false(sl_cpu_x86_zmm_at_full_clock("GenuineIntel", 0x606a6)); /* Ice Lake-SP */
    assert_false(sl_cpu_x86_zmm_at_full_clock("GenuineIntel", 0x706e5)); /* Ice Lake, client */
    assert_false(sl_cpu_x86_zmm_at_full_clock("GenuineIntel", 0x806c1)); /* Tiger Lake */
    assert_true(sl_cpu_x86_zmm_at_full_clock("GenuineIntel", 0xa0671));  /* Rocket Lake */
    assert_true(sl_cpu_x86_zmm_at_full_clock("GenuineIntel", 0x806f8));  /* Sapphire Rapids */
    assert_true(sl_cpu_x86_zmm_at_full_clock("AuthenticAMD", 0xa10f11)); /* Zen 4 */
    assert_true(sl_cpu_x86_zmm_at_full_clock("AuthenticAMD", 0x606a6));
}
#endif

static void bare_set_key(void *state, const uint8_t key[32])
{
    struct bare *bare = state;
    bare->kernel->expand(bare->schedule, key);
}

static void bare_xor(void *state, const uint8_t iv[16], uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    struct bare *bare = state;
    assert_int_equal(offset, 0);
    bare->kernel->ctr(bare->schedule, sl_load_be64(iv), sl_load_be64(iv + 8), dst, src, len);
}

static void names_every_kernel(void **state)
{
    (void)state;
    size_t ran = 0;
    assert_true(sl_kernel_count > 0);
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel_row *row = &sl_kernels[i];
        if (can_run(row)) {
            printf("  %-24s runs here\n", row->name);
            ran++;
        } else {
            test_not_run(row->name, row->kernel ? "this CPU or system lacks what it needs"
                                                : "built for another architecture only");
        }
    }
    assert_true(ran > 0); /* the portable kernel runs everywhere */
}

static void table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(sl_kernels[i].name, sl_kernels[j].name);
        if (!kernel)
            continue;
        assert_string_equal(kernel->name, sl_kernels[i].name);
        assert_true(kernel->schedule_len >= 16 * (SL_AES_ROUNDS + 1) && kernel->schedule_len <= SL_SCHEDULE_MAX);
        assert_true(kernel->expand && kernel->ctr);
    }
    /* Whatever the CPU, something serves: the last row asks for nothing. */
    assert_non_null(sl_kernels[sl_kernel_count - 1].kernel);
    assert_int_equal(sl_kernels[sl_kernel_count - 1].kernel->needs, 0);
}

/* OpenSSL's counter mode and one-block encryptions with our own addition agree, so the reference is none by accident.
 */
static void reference_agrees_with_itself(void **state)
{
    (void)state;
    enum { BLOCKS = 80 };
    struct test_random random = test_random_for("reference");
    for (unsigned bits = 0; bits <= 128; bits += 8) {
        uint8_t key[32], iv[16], a[BLOCKS * 16], b[BLOCKS * 16];
        test_random_fill(&random, key, sizeof key);
        test_random_fill(&random, iv, sizeof iv);
        memset(iv + 16 - bits / 8, 0xff, bits / 8);
        if (bits)
            iv[15] = (uint8_t) - (1 + test_random_below(&random, BLOCKS - 1));
        reference_keystream(key, iv, 0, a, sizeof a);
        reference_keystream_by_blocks(key, iv, b, BLOCKS);
        assert_memory_equal(a, b, sizeof a);
        size_t skip = test_random_below(&random, sizeof a);
        reference_keystream(key, iv, skip, a, sizeof a - skip);
        assert_memory_equal(a, b + skip, sizeof a - skip);
    }
}

/* FIPS 197, A.3: the words w0 to w59 of the expansion of a 256-bit key. */
static const uint32_t fips_words[60] = {
    0x603deb10, 0x15ca71be, 0x2b73aef0, 0x857d7781, 0x1f352c07, 0x3b6108d7, 0x2d9810a3, 0x0914dff4, 0x9ba35411,
    0x8e6925af, 0xa51a8b5f, 0x2067fcde, 0xa8b09c1a, 0x93d194cd, 0xbe49846e, 0xb75d5b9a, 0xd59aecb8, 0x5bf3c917,
    0xfee94248, 0xde8ebe96, 0xb5a9328a, 0x2678a647, 0x98312229, 0x2f6c79b3, 0x812c81ad, 0xdadf48ba, 0x24360af2,
    0xfab8b464, 0x98c5bfc9, 0xbebd198e, 0x268c3ba7, 0x09e04214, 0x68007bac, 0xb2df3316, 0x96e939e4, 0x6c518d80,
    0xc814e204, 0x76a9fb8a, 0x5025c02d, 0x59c58239, 0xde136967, 0x6ccc5a71, 0xfa256395, 0x9674ee15, 0x5886ca5d,
    0x2e2f31d7, 0x7e0af1fa, 0x27cf73c3, 0x749c47ab, 0x18501dda, 0xe2757e4f, 0x7401905a, 0xcafaaae3, 0xe4d59b34,
    0x9adf6ace, 0xbd10190d, 0xfe4890d1, 0xe6188d0b, 0x046df344, 0x706c631e};

static void key_expansion(void **state)
{
    (void)state;
    uint8_t expected[sizeof fips_words];
    for (size_t i = 0; i < 60; i++)
        sl_store_be32(expected + 4 * i, fips_words[i]);
    for (size_t i = 0; i < sl_kernel_count; i++) {
        if (!can_run(&sl_kernels[i]))
            continue;
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (kernel->schedule_len != sizeof expected) {
            printf("  %-24s schedule of its own layout: checked by its results\n", kernel->name);
            continue;
        }
        _Alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[SL_SCHEDULE_MAX];
        kernel->expand(schedule, expected); /* w0 to w7 are the key */
        assert_memory_equal(schedule, expected, sizeof expected);
        printf("  %-24s schedule equals FIPS 197, A.3\n", kernel->name);
    }
}

/* An expansion writes schedule_len bytes and no more, and reads 32. */
static void expansion_stays_within_bounds(void **state)
{
    (void)state;
    struct test_guarded schedules = test_guarded_map(SL_SCHEDULE_MAX);
    struct test_guarded keys = test_guarded_map(32);
    struct test_random random = test_random_for("bounds");
    for (size_t i = 0; i < sl_kernel_count; i++) {
        if (!can_run(&sl_kernels[i]))
            continue;
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        size_t rounded = (kernel->schedule_len + SL_SCHEDULE_ALIGN - 1) / SL_SCHEDULE_ALIGN * SL_SCHEDULE_ALIGN;
        uint8_t *at = test_guarded_tail(&schedules, rounded);
        uint8_t *key = test_guarded_tail(&keys, 32);
        test_random_fill(&random, key, 32);
        memset(schedules.start, 0xc3, schedules.len);
        kernel->expand(at, key);
        for (uint8_t *p = schedules.start; p < at; p++)
            assert_int_equal(*p, 0xc3);
        for (size_t j = kernel->schedule_len; j < rounded; j++)
            assert_int_equal(at[j], 0xc3);

        /* ctr reads no further either: with the slack gone bad the result is the same. */
        uint8_t first[700], second[700] = {0}, zero[700] = {0};
        uint64_t hi = test_random_next(&random), lo = test_random_next(&random) >> 1;
        kernel->ctr(at, hi, lo, first, zero, sizeof first);
        memset(at + kernel->schedule_len, 0x3c, rounded - kernel->schedule_len);
        kernel->ctr(at, hi, lo, second, zero, sizeof second);
        assert_memory_equal(first, second, sizeof first);
    }
    test_guarded_unmap(&schedules);
    test_guarded_unmap(&keys);
}

/* The one freedom the contract leaves at the top: the low half reaches 2^64 just after the last block. */
static void last_counter_before_the_wrap(void **state)
{
    (void)state;
    enum { BLOCKS = 300 };
    static uint8_t expected[BLOCKS * 16], got[BLOCKS * 16], zero[BLOCKS * 16];
    struct test_random random = test_random_for("wrap");
    for (size_t i = 0; i < sl_kernel_count; i++) {
        if (!can_run(&sl_kernels[i]))
            continue;
        static struct bare bare;
        bare.kernel = sl_kernels[i].kernel;
        uint8_t key[32], iv[16];
        test_random_fill(&random, key, sizeof key);
        bare_set_key(&bare, key);
        for (size_t blocks = 1; blocks <= BLOCKS; blocks++) {
            test_random_fill(&random, iv, 8);
            sl_store_be64(iv + 8, -(uint64_t)blocks);
            size_t len = blocks * 16 - (blocks % 2 ? test_random_below(&random, 16) : 0);
            reference_keystream(key, iv, 0, expected, len);
            bare_xor(&bare, iv, 0, got, zero, len);
            assert_memory_equal(got, expected, len);
        }
    }
}

static void every_kernel_against_openssl(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        if (!can_run(&sl_kernels[i]))
            continue;
        static struct bare bare;
        bare.kernel = sl_kernels[i].kernel;
        struct ctr_subject subject = {
            .name = sl_kernels[i].name, .state = &bare, .set_key = bare_set_key, .xor = bare_xor, .blocks_only = true};
        assert_true(ctr_cases_run(&subject));
    }
}

/* ---- The tests themselves: ciphers that only look right must be caught by them. ---- */

struct toy {
    uint8_t key[32];
    unsigned flaw;
};

enum { PAD, COUNTS_64_BITS, COUNTS_32_BITS, WRITES_A_BLOCK_TOO_FAR, DROPS_THE_LAST_BYTE, FLAWS };

static void toy_set_key(void *state, const uint8_t key[32])
{
    memcpy(((struct toy *)state)->key, key, 32);
}

static void toy_xor(void *state, const uint8_t iv[16], uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    struct toy *toy = state;
    static uint8_t keystream[4 << 20];
    assert_true(len + 16 <= sizeof keystream);
    uint8_t counter[16];
    uint64_t done = 0;
    memcpy(counter, iv, 16);
    if (toy->flaw == PAD) {
        for (size_t i = 0; i < len; i++)
            keystream[i] = toy->key[(offset + i) % 32] ^ iv[(offset + i) % 16];
        done = len;
    } else if (toy->flaw == COUNTS_64_BITS || toy->flaw == COUNTS_32_BITS) {
        /* Right up to the wrap of a counter too short, then goes on from its zero. */
        size_t width = toy->flaw == COUNTS_64_BITS ? 8 : 4;
        uint64_t low = width == 8 ? sl_load_be64(iv + 8) : sl_load_be32(iv + 12);
        low += offset / 16;
        if (width == 8)
            sl_store_be64(counter + 8, low);
        else
            sl_store_be32(counter + 12, (uint32_t)low);
        uint64_t left = width == 8 ? -low : ((uint64_t)1 << 32) - (uint32_t)low;
        if (left != 0 && left <= (uint64_t)len / 16) {
            done = left * 16 - offset % 16;
            reference_keystream(toy->key, counter, offset % 16, keystream, done);
            memset(counter + 16 - width, 0, width);
            offset = 0;
        }
        reference_keystream(toy->key, counter, offset % 16, keystream + done, len - done);
        done = len;
    }
    if (done < len)
        reference_keystream(toy->key, iv, offset, keystream, len);
    for (size_t i = 0; i < len; i++)
        dst[i] = src[i] ^ keystream[i];
    if (toy->flaw == WRITES_A_BLOCK_TOO_FAR && len % 16)
        dst[len] ^= 1;
    if (toy->flaw == DROPS_THE_LAST_BYTE && len % 16 == 5 && len > 1000)
        dst[len - 1] = src[len - 1];
}

static void flawed_ciphers_are_caught(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *caught_by[8];
    } flaws[FLAWS] = {
        [PAD] = {"repeating pad",
                 {"SP 800-38A F.5.5 and F.5.6", "lengths x offsets", "misalignments", "guard pages", "carries",
                  "far offsets", "random keys", "large buffers"}},
        [COUNTS_64_BITS] = {"64-bit counter", {"carries", "far offsets"}},
        [COUNTS_32_BITS] = {"32-bit counter", {"carries", "far offsets"}},
        [WRITES_A_BLOCK_TOO_FAR] = {"writes past the end", {"lengths x offsets", "misalignments"}},
        [DROPS_THE_LAST_BYTE] = {"drops a byte", {"lengths x offsets", "misalignments"}},
    };
    for (unsigned flaw = 0; flaw < FLAWS; flaw++) {
        struct toy toy = {.flaw = flaw};
        struct ctr_subject subject = {.name = flaws[flaw].name, .state = &toy, .set_key = toy_set_key, .xor = toy_xor};
        for (size_t i = 0; i < ctr_case_count; i++) {
            for (size_t j = 0; j < 8 && flaws[flaw].caught_by[j]; j++) {
                if (strcmp(flaws[flaw].caught_by[j], ctr_cases[i].name) != 0)
                    continue;
                bool passed = ctr_cases[i].run(&subject);
                if (passed)
                    printf("%s passed: %s\n", flaws[flaw].name, ctr_cases[i].name);
                assert_false(passed);
                assert_true(strlen(subject.failure) > 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __x86_64__
        cmocka_unit_test(wide_vectors_at_full_clock),
#endif
        cmocka_unit_test(names_every_kernel),
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(reference_agrees_with_itself),
        cmocka_unit_test(key_expansion),
        cmocka_unit_test(expansion_stays_within_bounds),
        cmocka_unit_test(last_counter_before_the_wrap),
        cmocka_unit_test(every_kernel_against_openssl),
        cmocka_unit_test(flawed_ciphers_are_caught),
    };
    test_seed();
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
