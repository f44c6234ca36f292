/* Batches whose records lie in equal steps, with every kernel this machine can run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/kernel.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/reference.h"

enum { RECORDS_MAX = 70, LEN_MAX = 257, GAP_MAX = 19, IV_STEP_MAX = 21, ROOM = RECORDS_MAX * (LEN_MAX + GAP_MAX) + 8 };

static struct column {
    struct sealane_record records[RECORDS_MAX];
    uint8_t key_bytes[RECORDS_MAX][32];
    sealane_key *keys[RECORDS_MAX];
    uint8_t ivs[16 + RECORDS_MAX * IV_STEP_MAX];
    _Alignas(64) uint8_t in[ROOM];
    _Alignas(64) uint8_t out[ROOM];
    uint8_t expected_in[ROOM], expected_out[ROOM];
} c;

struct recipe {
    size_t count, len, gap, iv_step, shift; /* shift: of all data, from a 64-byte boundary */
    bool own_keys, in_place;
};

/* IVs whose low half wraps after each number of blocks that a record can have, or after none; every third one's high
 * half wraps with it. */
static void fill_iv(uint8_t *iv, size_t i)
{
    if (i % 4 != 3) {
        memset(iv + 8, 0xff, 8);
        iv[15] = (uint8_t)(0xff - i % 18);
    }
    if (i % 3 == 0)
        memset(iv, 0xff, 8);
}

static void make_column(const struct recipe *recipe, struct test_random *random)
{
    const size_t step = recipe->len + recipe->gap;
    test_random_fill(random, c.ivs, sizeof c.ivs);
    test_random_fill(random, c.in, sizeof c.in);
    test_random_fill(random, c.out, sizeof c.out);
    memcpy(c.expected_in, c.in, sizeof c.in);
    memcpy(c.expected_out, c.out, sizeof c.out);
    for (size_t i = 0; i < recipe->count; i++) {
        size_t at = recipe->shift + i * step, key = recipe->own_keys ? i : 0;
        uint8_t *iv = c.ivs + i * recipe->iv_step;
        fill_iv(iv, i);
        c.records[i] =
            (struct sealane_record){c.keys[key], iv, 0, (recipe->in_place ? c.in : c.out) + at, c.in + at, recipe->len};
    }
    for (size_t i = 0; i < recipe->count; i++) { /* IVs may overlap */
        size_t at = recipe->shift + i * step, key = recipe->own_keys ? i : 0;
        uint8_t *expected = (recipe->in_place ? c.expected_in : c.expected_out) + at;
        reference_keystream(c.key_bytes[key], c.records[i].iv, 0, expected, recipe->len);
        reference_xor(expected, c.in + at, recipe->len);
    }
}

static void check_column(const struct recipe *recipe, struct test_random *random)
{
    make_column(recipe, random);
    assert_int_equal(sealane_ctr_batch(c.records, recipe->count), SEALANE_OK);
    if (memcmp(c.in, c.expected_in, sizeof c.in) != 0 || memcmp(c.out, c.expected_out, sizeof c.out) != 0)
        fail_msg("%zu records of %zu bytes, gap %zu, IVs %zu apart, shift %zu, own keys %d, in place %d", recipe->count,
                 recipe->len, recipe->gap, recipe->iv_step, recipe->shift, recipe->own_keys, recipe->in_place);
}

static void columns(const sealane_engine *engine)
{
    static const size_t counts[] = {4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 70};
    static const size_t lens[] = {1, 7, 8, 15, 16, 17, 31, 48, 63, 64, 65, 100, 127, 128, 129, 192, 193, 256, 257};
    struct test_random random = test_random_for("columns");
    test_random_fill(&random, c.key_bytes, sizeof c.key_bytes);
    assert_int_equal(sealane_keys_create(engine, c.keys, c.key_bytes[0], RECORDS_MAX), SEALANE_OK);
    for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++)
        for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++)
            for (size_t form = 0; form < 8; form++)
                check_column(&(struct recipe){.count = counts[n],
                                              .len = lens[l],
                                              .gap = form & 4 ? test_random_below(&random, GAP_MAX + 1) : 0,
                                              .iv_step = form & 4 ? test_random_below(&random, IV_STEP_MAX + 1) : 16,
                                              .shift = form & 4 ? test_random_below(&random, 8) : 0,
                                              .own_keys = form & 1,
                                              .in_place = form & 2},
                             &random);
    for (size_t k = 0; k < RECORDS_MAX; k++)
        sealane_key_free(c.keys[k]);
}

static void columns_against_openssl(void **state)
{
    (void)state;
    engine_for_each_kernel(columns);
}

/* One key of another kernel among the others: its schedule is another. */
static void kernels_mixed(void **state)
{
    (void)state;
    struct engine_subject best, other;
    struct test_random random = test_random_for("mixed");
    engine_subject_open(&best, NULL, NULL);
    engine_subject_open(&other, "portable", NULL);
    test_random_fill(&random, c.key_bytes, sizeof c.key_bytes);
    for (size_t place = 0; place < 64; place += 21) {
        for (size_t k = 0; k < RECORDS_MAX; k++)
            assert_int_equal(sealane_key_create(k == place ? other.engine : best.engine, &c.keys[k], c.key_bytes[k]),
                             SEALANE_OK);
        check_column(&(struct recipe){.count = 64, .len = 16, .iv_step = 16, .own_keys = true}, &random);
        check_column(&(struct recipe){.count = 64, .len = 64, .iv_step = 16, .own_keys = true}, &random);
        for (size_t k = 0; k < RECORDS_MAX; k++)
            sealane_key_free(c.keys[k]);
    }
    engine_subject_close(&other);
    engine_subject_close(&best);
}

/* What breaks a rule only by its steps. */
static void steps_that_overlap(void **state)
{
    (void)state;
    struct engine_subject subject;
    struct test_random random = test_random_for("overlap");
    engine_subject_open(&subject, NULL, NULL);
    test_random_fill(&random, c.key_bytes, sizeof c.key_bytes);
    assert_int_equal(sealane_keys_create(subject.engine, c.keys, c.key_bytes[0], RECORDS_MAX), SEALANE_OK);
    for (size_t breach = 0; breach < 12; breach++) {
        size_t count = 64, last = count - 1;
        struct sealane_record *r = c.records;
        make_column(&(struct recipe){.count = count,
                                     .len = 16,
                                     .iv_step = 16,
                                     .in_place = breach != 5 && breach != 6,
                                     .own_keys = breach >= 8},
                    &random);
        memcpy(c.expected_in, c.in, sizeof c.in);
        memcpy(c.expected_out, c.out, sizeof c.out);
        for (size_t i = 0; i < count; i++) {
            if (breach == 0) /* each over the end of the one before */
                r[i].dst -= i, r[i].src -= i;
            if (breach == 1) /* all in one place */
                r[i].dst = c.in, r[i].src = c.in;
            if (breach == 2) /* an input that reaches into its own output, and others' */
                r[i].src++;
            if (breach == 3) /* inputs that are others' outputs */
                r[i].src = c.in + 16 * (last - i);
            if (breach == 4) /* inputs a whole record on: the next one's output */
                r[i].src += 16;
            if (breach == 5) /* inputs that end within the first output */
                r[i].src = c.out - 16 * (count - i) + 1;
            if (breach == 6) /* inputs that begin with the last byte of the last output */
                r[i].src = c.out + 16 * count - 1 + 16 * i;
            if (breach == 7) /* up to the top of the address space, and beyond */
                r[i].dst = (void *)(UINTPTR_MAX - 16 * last - 14 + 16 * i), r[i].src = r[i].dst;
        }
        if (breach >= 8)
            r[(size_t[]){0, 1, 40, last}[breach - 8]].key = NULL;
        if (sealane_ctr_batch(r, count) != SEALANE_E_ARGUMENT || memcmp(c.in, c.expected_in, sizeof c.in) != 0 ||
            memcmp(c.out, c.expected_out, sizeof c.out) != 0)
            fail_msg("breach %zu is not noticed", breach);
    }
    for (size_t k = 0; k < RECORDS_MAX; k++)
        sealane_key_free(c.keys[k]);
    engine_subject_close(&subject);
}

/* Each member of each record, a bit at the bottom and one at the top, in batches of every length. */
static void deviations(const struct sl_kernel *kernel, size_t count, bool own_keys)
{
    enum { MEMBERS = sizeof(struct sealane_record) / sizeof(uint64_t) };
    uint64_t words[RECORDS_MAX * MEMBERS];
    struct sealane_record *r = c.records;
    for (size_t i = 0; i < count; i++)
        r[i] = (struct sealane_record){
            (void *)&c.keys[own_keys ? i * i % 7 : 0], c.ivs + 5 * i, 0, c.out + 20 * i, c.in + 20 * i, 16};
    assert_true(kernel->in_steps(r, count, 5, 20));
    memcpy(words, r, count * sizeof *r);
    for (size_t w = MEMBERS; w < count * MEMBERS; w++) {
        for (int top = 0; top < 2; top++) {
            uint64_t flip = top ? (uint64_t)1 << 63 : 1;
            bool is_key = w % MEMBERS == 0;
            words[w] ^= flip;
            memcpy(r, words, count * sizeof *r);
            words[w] ^= flip;
            if (kernel->in_steps(r, count, 5, 20) != (is_key && (own_keys || w == MEMBERS)))
                fail_msg("%s: member %zu of record %zu of %zu, own keys %d", kernel->name, w % MEMBERS, w / MEMBERS,
                         count, own_keys);
        }
    }
    memcpy(r, words, count * sizeof *r);
    assert_false(kernel->in_steps(r, count, 4, 20));
    assert_false(kernel->in_steps(r, count, 5, 21));
}

static void every_deviation_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (!kernel || !kernel->in_steps || (kernel->needs & sl_cpu()) != kernel->needs) {
            test_not_run(sl_kernels[i].name, "it has no way for columns, or cannot run here");
            continue;
        }
        for (size_t count = SL_STEPS_MIN; count <= RECORDS_MAX; count++) {
            deviations(kernel, count, false);
            deviations(kernel, count, true);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_against_openssl),
        cmocka_unit_test(kernels_mixed),
        cmocka_unit_test(steps_that_overlap),
        cmocka_unit_test(every_deviation_is_seen),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: columns", tests, NULL, NULL);
}
