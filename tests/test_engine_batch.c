/* Batches, with every kernel this machine can run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/double_backend.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/guarded.h"
#include "tests/support/reference.h"

enum { RECORDS_MAX = 300, LEN_MAX = 600, KEYS = 20, GAP = 3, ROOM = RECORDS_MAX * (LEN_MAX + GAP) };

struct batch {
    struct test_random random;
    size_t count;
    struct sealane_record records[RECORDS_MAX];
    uint8_t ivs[RECORDS_MAX][16];
    size_t key_of[RECORDS_MAX];
    uint8_t key_bytes[KEYS][32];
    sealane_key *keys[KEYS];
    uint8_t plain[ROOM], in[ROOM], out[ROOM], expected_in[ROOM], expected_out[ROOM];
};

static void open_keys(struct batch *b, const sealane_engine *engine)
{
    test_random_fill(&b->random, b->key_bytes, sizeof b->key_bytes);
    assert_int_equal(sealane_keys_create(engine, b->keys, b->key_bytes[0], KEYS), SEALANE_OK);
}

static void close_keys(struct batch *b)
{
    for (size_t k = 0; k < KEYS; k++)
        sealane_key_free(b->keys[k]);
}

/* What a batch is made of; each is met in many rounds. */
struct recipe {
    size_t count, len; /* len SIZE_MAX: any for each */
    size_t own_keys;   /* 1: one key for all, 2: runs of one key, else any key */
    bool in_place, offsets, shuffled;
};

static struct recipe recipe_of(struct test_random *random)
{
    static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, RECORDS_MAX};
    static const size_t lens[] = {16, 16, 64, 1, 15, 17, 63, 65, 128, SIZE_MAX, SIZE_MAX, SIZE_MAX};
    return (struct recipe){
        .count = counts[test_random_below(random, sizeof counts / sizeof counts[0])],
        .len = lens[test_random_below(random, sizeof lens / sizeof lens[0])],
        .own_keys = test_random_below(random, 4),
        .in_place = test_random_below(random, 2),
        .offsets = test_random_below(random, 3) == 0,
        .shuffled = test_random_below(random, 3) == 0,
    };
}

static size_t mixed_len(struct test_random *random)
{
    switch (test_random_below(random, 6)) {
    case 0:
        return test_random_below(random, 18);
    case 1:
        return 64;
    case 2:
        return test_random_below(random, LEN_MAX + 1);
    default:
        return 16;
    }
}

/* IVs near the carries, and any offset: within a block or not, up to the very end. */
static uint64_t choose_counter(struct batch *b, size_t i, const struct recipe *recipe, size_t len)
{
    uint8_t *iv = b->ivs[i];
    test_random_fill(&b->random, iv, 16);
    size_t ones = test_random_below(&b->random, 4) ? 0 : test_random_below(&b->random, 17);
    memset(iv + 16 - ones, 0xff, ones);
    if (ones)
        iv[15] = (uint8_t)(0xff - test_random_below(&b->random, 5));
    if (!recipe->offsets || test_random_below(&b->random, 3) == 0)
        return 0;
    if (test_random_below(&b->random, 8) == 0 && len)
        return 0 - (uint64_t)len; /* its last byte is the keystream's last */
    uint64_t offset = test_random_next(&b->random) >> (1 + test_random_below(&b->random, 62));
    return test_random_below(&b->random, 2) ? offset : offset - offset % 16;
}

static void make_batch(struct batch *b, const struct recipe *recipe)
{
    size_t at = 0, key = test_random_below(&b->random, KEYS);
    test_random_fill(&b->random, b->plain, sizeof b->plain);
    memcpy(b->in, b->plain, ROOM);
    memset(b->out, 0xc5, ROOM);
    memcpy(b->expected_in, b->in, ROOM);
    memcpy(b->expected_out, b->out, ROOM);
    b->count = recipe->count;
    for (size_t i = 0; i < b->count; i++) {
        size_t len = recipe->len == SIZE_MAX ? mixed_len(&b->random) : recipe->len;
        if (recipe->own_keys != 1 && (recipe->own_keys != 2 || test_random_below(&b->random, 6) == 0))
            key = test_random_below(&b->random, KEYS);
        b->key_of[i] = key;
        uint64_t offset = choose_counter(b, i, recipe, len);
        bool in_place = recipe->in_place || test_random_below(&b->random, 5) == 0;
        b->records[i] =
            (struct sealane_record){b->keys[key], b->ivs[i], offset, (in_place ? b->in : b->out) + at, b->in + at, len};
        uint8_t *expected = (in_place ? b->expected_in : b->expected_out) + at;
        if (len) {
            reference_keystream(b->key_bytes[key], b->ivs[i], offset, expected, len);
            reference_xor(expected, b->plain + at, len);
        } else if (test_random_below(&b->random, 2)) {
            b->records[i] = (struct sealane_record){0}; /* an empty record may be all NULL */
        }
        at += len + (test_random_below(&b->random, 2) ? 0 : GAP);
    }
    for (size_t i = b->count; recipe->shuffled && i > 1; i--) {
        size_t j = test_random_below(&b->random, i);
        struct sealane_record swap = b->records[i - 1];
        b->records[i - 1] = b->records[j];
        b->records[j] = swap;
    }
}

static bool batch_is_right(const struct batch *b)
{
    return memcmp(b->in, b->expected_in, ROOM) == 0 && memcmp(b->out, b->expected_out, ROOM) == 0;
}

static void random_batches(const sealane_engine *engine)
{
    const size_t rounds = test_reduced() ? 40 : 400;
    struct batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->random = test_random_for("batches");
    open_keys(b, engine);
    for (size_t round = 0; round < rounds; round++) {
        struct recipe recipe = recipe_of(&b->random);
        make_batch(b, &recipe);
        assert_int_equal(sealane_ctr_batch(b->records, b->count), SEALANE_OK);
        if (!batch_is_right(b))
            fail_msg("round %zu: %zu records of %td bytes, keys %zu, in place %d, offsets %d, shuffled %d", round,
                     recipe.count, (ptrdiff_t)recipe.len, recipe.own_keys, recipe.in_place, recipe.offsets,
                     recipe.shuffled);
        /* Again record by record: back to the input, where it was in place. */
        for (size_t i = 0; i < b->count; i++) {
            const struct sealane_record *r = &b->records[i];
            if (r->len && r->dst == r->src)
                sealane_ctr_xor(r->key, r->iv, r->offset, r->dst, r->dst, r->len);
        }
        assert_memory_equal(b->in, b->plain, ROOM);
    }
    close_keys(b);
    free(b);
}

static void batches_against_openssl(void **state)
{
    (void)state;
    engine_for_each_kernel(random_batches);
}

/* A wrong expectation is noticed: the comparison above can fail. */
static void the_comparison_can_fail(void **state)
{
    (void)state;
    struct engine_subject subject;
    struct batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    engine_subject_open(&subject, NULL, NULL);
    b->random = test_random_for("toy");
    open_keys(b, subject.engine);
    make_batch(b, &(struct recipe){.count = 64, .len = 16, .own_keys = 0});
    b->records[37].key = b->keys[(b->key_of[37] + 1) % KEYS];
    assert_int_equal(sealane_ctr_batch(b->records, b->count), SEALANE_OK);
    assert_false(batch_is_right(b));
    close_keys(b);
    engine_subject_close(&subject);
    free(b);
}

/* Everything a record points to ends at an unreadable page, then begins at one; lengths that kernels treat apart. */
static void guarded(const sealane_engine *engine)
{
    enum { COUNT = 21 };
    static const size_t lens[] = {1, 7, 8, 15, 16, 17, 31, 48, 63, 64, 65};
    struct test_guarded data = test_guarded_map(COUNT * 65), ivs = test_guarded_map(COUNT * 16);
    struct test_guarded table = test_guarded_map(COUNT * sizeof(struct sealane_record));
    struct test_random random = test_random_for("guarded");
    uint8_t bytes[COUNT][32], expected[65];
    sealane_key *keys[COUNT];
    test_random_fill(&random, bytes, sizeof bytes);
    assert_int_equal(sealane_keys_create(engine, keys, bytes[0], COUNT), SEALANE_OK);
    for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++) {
        for (size_t count = 1; count <= COUNT; count++) {
            bool at_end = count % 2, own = count % 3;
            uint8_t *at = at_end ? test_guarded_tail(&data, count * lens[l]) : data.start;
            uint8_t *iv = at_end ? test_guarded_tail(&ivs, count * 16) : ivs.start;
            struct sealane_record *r = (void *)test_guarded_tail(&table, count * sizeof *r);
            test_random_fill(&random, iv, count * 16);
            memset(at, 0, count * lens[l]);
            for (size_t i = 0; i < count; i++)
                r[i] = (struct sealane_record){keys[own ? i : 0], iv + 16 * i,      0,
                                               at + i * lens[l],  at + i * lens[l], lens[l]};
            assert_int_equal(sealane_ctr_batch(r, count), SEALANE_OK);
            for (size_t i = 0; i < count; i++) {
                reference_keystream(bytes[own ? i : 0], iv + 16 * i, 0, expected, lens[l]);
                assert_memory_equal(at + i * lens[l], expected, lens[l]);
            }
        }
    }
    for (size_t k = 0; k < COUNT; k++)
        sealane_key_free(keys[k]);
    test_guarded_unmap(&table);
    test_guarded_unmap(&ivs);
    test_guarded_unmap(&data);
}

static void nothing_beyond_a_record(void **state)
{
    (void)state;
    engine_for_each_kernel(guarded);
}

/* ---- Breaches ---- */

struct breach {
    sealane_engine *engine;
    sealane_key *key;
    uint8_t iv[16], memory[RECORDS_MAX * 32 + 64], before[RECORDS_MAX * 32 + 64];
    struct sealane_record records[RECORDS_MAX];
};

/* `count` records of 16 bytes, 32 apart, in place. */
static void breach_reset(struct breach *b, size_t count)
{
    memset(b->memory, 0x11, sizeof b->memory);
    memset(b->before, 0x11, sizeof b->before);
    for (size_t i = 0; i < count; i++)
        b->records[i] = (struct sealane_record){b->key, b->iv, 0, b->memory + 32 * i, b->memory + 32 * i, 16};
}

static void expect(struct breach *b, size_t count, bool valid)
{
    assert_int_equal(sealane_ctr_batch(b->records, count), valid ? SEALANE_OK : SEALANE_E_ARGUMENT);
    bool unchanged = memcmp(b->memory, b->before, sizeof b->memory) == 0;
    assert_int_equal(unchanged, !valid);
}

static void breach_open(struct breach *b)
{
    memset(b, 0, sizeof *b);
    assert_int_equal(sealane_engine_create(&b->engine, NULL), SEALANE_OK);
    assert_int_equal(sealane_key_create(b->engine, &b->key, (const uint8_t[32]){1}), SEALANE_OK);
}

static void breach_close(struct breach *b)
{
    sealane_key_free(b->key);
    sealane_engine_free(b->engine);
}

static void nulls_and_offsets(void **state)
{
    (void)state;
    static struct breach b;
    static const size_t places[] = {0, 1, 4, 8};
    breach_open(&b);
    for (size_t p = 0; p < 4; p++) {
        struct sealane_record *r = &b.records[places[p]];
        breach_reset(&b, 9);
        expect(&b, 9, true);
        breach_reset(&b, 9);
        r->key = NULL;
        expect(&b, 9, false);
        breach_reset(&b, 9);
        r->iv = NULL;
        expect(&b, 9, false);
        breach_reset(&b, 9);
        r->dst = NULL;
        expect(&b, 9, false);
        breach_reset(&b, 9);
        r->src = NULL;
        expect(&b, 9, false);
        breach_reset(&b, 9);
        r->dst = NULL;
        r->src = NULL;
        expect(&b, 9, false);
        breach_reset(&b, 9);
        r->offset = UINT64_MAX - 14;
        expect(&b, 9, false);
        r->offset = UINT64_MAX - 15;
        expect(&b, 9, true);
        breach_reset(&b, 9);
        r->len = SIZE_MAX - 5;
        expect(&b, 9, false);
        breach_reset(&b, 9);
        *r = (struct sealane_record){.offset = UINT64_MAX};
        expect(&b, 9, true);
    }
    assert_int_equal(sealane_ctr_batch(NULL, 0), SEALANE_OK);
    breach_close(&b);
}

/* Two records whose outputs, or output and input, share one byte or just do not, anywhere in a batch of any order. */
static void overlaps(void **state)
{
    (void)state;
    static struct breach b;
    static const size_t counts[] = {2, 3, 17, SEALANE_BATCH_UNSORTED_MAX, RECORDS_MAX};
    struct test_random random = test_random_for("overlaps");
    breach_open(&b);
    for (size_t round = 0; round < 600; round++) {
        size_t count = counts[round % 5], one = test_random_below(&random, count - 1), two = one + 1;
        struct sealane_record *r = b.records;
        bool reverse = round / 5 % 2, breach = round / 10 % 2;
        size_t kind = round / 20 % 4;
        breach_reset(&b, count);
        uint8_t *touching = b.memory + 32 * two - (breach ? 15 : 16); /* 16 bytes here reach the next record or not */
        if (kind == 0) {                                              /* outputs */
            r[one].dst = touching;
            r[one].src = touching;
        } else if (kind == 1) { /* an input before another's output */
            r[one].src = touching - (breach ? 0 : 16) + 0;
            r[one].dst = b.memory + 32 * one;
            r[one].src = breach ? touching : r[one].dst;
        } else if (kind == 2) { /* an input that reaches its own output */
            r[two].src = b.memory + 32 * two - (breach ? 1 : 16);
            if (!breach)
                r[one].len = r[one].dst == r[one].src ? 16 : 0;
        } else { /* an output twice; or an input twice, which is fine */
            if (breach) {
                r[one] = r[two];
            } else {
                r[one].src = b.memory + 32 * count;
                r[two].src = b.memory + 32 * count;
            }
        }
        if (kind == 1 && breach)
            r[one].dst = b.memory + 32 * one - (one ? 16 : 0); /* away from its input */
        for (size_t i = 0; reverse && i < count / 2; i++) {
            struct sealane_record swap = r[i];
            r[i] = r[count - 1 - i];
            r[count - 1 - i] = swap;
        }
        expect(&b, count, !breach);
    }
    breach_close(&b);
}

/* The whole batch moves from one buffer to another, above or below. */
static void from_buffer_to_buffer(void **state)
{
    (void)state;
    static struct breach b;
    breach_open(&b);
    for (int below = 0; below < 2; below++) {
        for (size_t shift = 0; shift < 2; shift++) {
            breach_reset(&b, 8);
            for (size_t i = 0; i < 8; i++) {
                uint8_t *low = b.memory + 16 * i, *high = b.memory + 128 - shift + 16 * i;
                b.records[i].dst = below ? low : high;
                b.records[i].src = below ? high : low;
            }
            expect(&b, 8, shift == 0);
        }
    }
    breach_close(&b);
}

/* ---- Engines ---- */

/* A key with a backend is served by it, however small its records. */
static void backend_serves(void **state)
{
    (void)state;
    struct engine_subject backed;
    double_backend_reset((struct double_backend_plan){.counter_bits = 32});
    struct sealane_backend backend = double_backend(SEALANE_THREADS_ANY);
    engine_subject_open(&backed, NULL, &backend);
    struct batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->random = test_random_for("backend");
    open_keys(b, backed.engine);
    make_batch(b, &(struct recipe){.count = 64, .len = 16});
    assert_int_equal(sealane_ctr_batch(b->records, b->count), SEALANE_OK);
    assert_true(batch_is_right(b));
    assert_true(double_backend_counts.calls >= 64);
    close_keys(b);
    free(b);
    engine_subject_close(&backed);
}

/* Keys of an engine with a backend, and of two kernels, in one batch. */
static void engines_mixed(void **state)
{
    (void)state;
    struct engine_subject plain, other, backed;
    double_backend_reset((struct double_backend_plan){.counter_bits = 32});
    struct sealane_backend backend = double_backend(SEALANE_THREADS_ANY);
    engine_subject_open(&plain, NULL, NULL);
    engine_subject_open(&other, "portable", NULL);
    engine_subject_open(&backed, NULL, &backend);
    const sealane_engine *engines[] = {plain.engine, other.engine, backed.engine};
    struct batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->random = test_random_for("engines");
    test_random_fill(&b->random, b->key_bytes, sizeof b->key_bytes);
    for (size_t k = 0; k < KEYS; k++)
        assert_int_equal(sealane_keys_create(engines[k % 3], &b->keys[k], b->key_bytes[k], 1), SEALANE_OK);
    for (size_t round = 0; round < 60; round++) {
        struct recipe recipe = recipe_of(&b->random);
        make_batch(b, &recipe);
        assert_int_equal(sealane_ctr_batch(b->records, b->count), SEALANE_OK);
        assert_true(batch_is_right(b));
    }
    assert_true(double_backend_counts.calls > 0);
    close_keys(b);
    free(b);
    assert_int_equal(double_backend_counts.keys, 0);
    engine_subject_close(&backed);
    engine_subject_close(&other);
    engine_subject_close(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_against_openssl),
        cmocka_unit_test(the_comparison_can_fail),
        cmocka_unit_test(nothing_beyond_a_record),
        cmocka_unit_test(nulls_and_offsets),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(from_buffer_to_buffer),
        cmocka_unit_test(backend_serves),
        cmocka_unit_test(engines_mixed),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: batches", tests, NULL, NULL);
}
