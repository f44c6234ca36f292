/* The kernels' paths from tables of first rounds, called directly: right for whatever their contract allows, and the
 * contract asks for no more than it must. */
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

/* A kernel with one of its two kinds of table, which ends where unreadable memory begins. */
struct tabled {
    const struct sl_kernel *kernel;
    const struct sl_face *face;
    bool by_nonce;
    struct test_random random;
    struct test_guarded guarded;
    uint8_t *table;
    bool made;
    uint8_t nonce[3]; /* counter-block bytes 0, 5 and 10 of the table */
    _Alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[SL_SCHEDULE_MAX];
};

static bool can_run(const struct sl_kernel_row *row)
{
    return row->kernel && (row->kernel->needs & sl_cpu()) == row->kernel->needs;
}

/* Random but for what a nonce table depends on. */
static void make_table(struct tabled *t, const uint8_t block[16])
{
    uint8_t other[16];
    test_random_fill(&t->random, other, sizeof other);
    if (t->by_nonce) {
        other[0] = t->nonce[0] = block[0];
        other[5] = t->nonce[1] = block[5];
        other[10] = t->nonce[2] = block[10];
    }
    t->face->make(t->schedule, t->table, sl_load_be64(other), sl_load_be64(other + 8));
    t->made = true;
}

static bool fits(const struct tabled *t, const uint8_t block[16])
{
    return t->made &&
           (!t->by_nonce || (t->nonce[0] == block[0] && t->nonce[1] == block[5] && t->nonce[2] == block[10]));
}

static void tabled_set_key(void *state, const uint8_t key[32])
{
    struct tabled *t = state;
    t->kernel->expand(t->schedule, key);
    t->made = false;
}

/* Two calls where byte 10 changes on the way, as the contract of nonce tables asks for. */
static void tabled_xor(void *state, const uint8_t iv[16], uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    struct tabled *t = state;
    uint8_t block[16];
    assert_int_equal(offset, 0);
    memcpy(block, iv, sizeof block);
    for (int part = 0; part < 2; part++) {
        uint64_t hi = sl_load_be64(block), lo = sl_load_be64(block + 8);
        uint64_t same = (((uint64_t)1 << 40) - (lo & (((uint64_t)1 << 40) - 1))) * 16;
        size_t n = t->by_nonce && same < len ? (size_t)same : len;
        if (!fits(t, block))
            make_table(t, block);
        t->face->ctr(t->schedule, t->table, hi, lo, dst, src, n);
        dst += n;
        src += n;
        len -= n;
        if (len == 0)
            return;
        reference_counter_add(block, n / 16);
    }
}

static void for_each_table(void (*body)(struct tabled *tabled, const char *name))
{
    size_t ran = 0;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        if (!can_run(&sl_kernels[i])) {
            test_not_run(sl_kernels[i].name, "another architecture's, or this CPU lacks what it needs");
            continue;
        }
        for (int by_nonce = 0; by_nonce < 2; by_nonce++) {
            static struct tabled t;
            const struct sl_kernel *kernel = sl_kernels[i].kernel;
            memset(&t, 0, sizeof t);
            t.kernel = kernel;
            t.by_nonce = by_nonce;
            t.face = by_nonce ? kernel->by_nonce : kernel->by_key;
            if (!t.face) {
                printf("  %-24s has no table by %s\n", kernel->name, by_nonce ? "nonce" : "key");
                continue;
            }
            char name[64];
            snprintf(name, sizeof name, "%s by %s", kernel->name, by_nonce ? "nonce" : "key");
            t.random = test_random_for(name);
            t.guarded = test_guarded_map(SL_FACE_TABLE_LEN);
            t.table = test_guarded_tail(&t.guarded, SL_FACE_TABLE_LEN);
            body(&t, name);
            test_guarded_unmap(&t.guarded);
            ran++;
        }
    }
    if (ran == 0)
        test_not_run("tables of first rounds", "no kernel that runs here has any");
}

static void table_is_sound(struct tabled *t, const char *name)
{
    (void)name;
    assert_true(t->face->gains_from > 0 && t->face->gains_from <= 65536);
    assert_true(t->face->make && t->face->ctr);
    assert_int_equal((uintptr_t)t->table % SL_SCHEDULE_ALIGN, 0);
}

static void tables_are_sound(void **state)
{
    (void)state;
    for_each_table(table_is_sound);
}

static void run_cases(struct tabled *t, const char *name)
{
    struct ctr_subject subject = {
        .name = name, .state = t, .set_key = tabled_set_key, .xor = tabled_xor, .blocks_only = true};
    assert_true(ctr_cases_run(&subject));
}

static void every_table_against_openssl(void **state)
{
    (void)state;
    for_each_table(run_cases);
}

/* ---- Every place in a run of 256 blocks ---- */

enum { PLACES_BLOCKS = 256 + 800, CANARY = 0xc3 };

static uint8_t stream[PLACES_BLOCKS * 16], zero[sizeof stream], got[sizeof stream + 64];

static void check_place(const struct tabled *t, uint64_t hi, uint64_t run, size_t start, size_t len)
{
    memset(got, CANARY, len + 64);
    t->face->ctr(t->schedule, t->table, hi, run + start, got, zero, len);
    if (memcmp(got, stream + start * 16, len) != 0)
        fail_msg("%s: start %zu, length %zu", t->kernel->name, start, len);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(got[len + i], CANARY);
}

/* Lengths in blocks about vectors (1, 2, 4), groups (4, 8, 12, 16, 24, 48) and runs. */
static void places(struct tabled *t, const char *name)
{
    static const size_t blocks[] = {0,   1,   2,   3,   4,   5,   7,   8,   9,   11,  12,  13,  15,
                                    16,  17,  19,  20,  23,  24,  25,  31,  32,  33,  47,  48,  49,
                                    51,  52,  53,  63,  64,  65,  95,  96,  97,  143, 144, 191, 192,
                                    193, 255, 256, 257, 259, 260, 303, 304, 511, 512, 513, 515, 768};
    uint8_t key[32], iv[16];
    size_t cases = 0;
    test_random_fill(&t->random, key, sizeof key);
    test_random_fill(&t->random, iv, sizeof iv);
    iv[15] = 0;
    iv[13] &= 0x7f; /* the run ends by a carry into byte 14 or 13 */
    if (test_random_next(&t->random) & 1)
        iv[14] = 0xff;
    tabled_set_key(t, key);
    make_table(t, iv);
    reference_keystream(key, iv, 0, stream, sizeof stream);
    uint64_t hi = sl_load_be64(iv), run = sl_load_be64(iv + 8);
    for (size_t start = 0; start < 256; start++) {
        for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
            check_place(t, hi, run, start, blocks[i] * 16);
            check_place(t, hi, run, start, blocks[i] * 16 + 1 + (start + i) % 15);
            cases += 2;
        }
        /* Ending about the first and the second border. */
        for (size_t i = 0; i < 24; i++) {
            size_t end = (i < 12 ? 256 : 512) + i % 12;
            check_place(t, hi, run, start, (end - 5 > start ? end - 5 - start : 0) * 16 + (i & 1 ? start % 16 : 0));
            cases++;
        }
    }
    printf("  %-24s %zu places and lengths\n", name, cases);
}

static void every_place_in_a_run(void **state)
{
    (void)state;
    for_each_table(places);
}

/* The low half reaches 2^64 just after the last block, from each distance. */
static void before_the_wrap(struct tabled *t, const char *name)
{
    enum { BLOCKS = 600 };
    uint8_t key[32], iv[16];
    (void)name;
    test_random_fill(&t->random, key, sizeof key);
    test_random_fill(&t->random, iv, 8);
    sl_store_be64(iv + 8, -(uint64_t)BLOCKS);
    tabled_set_key(t, key);
    make_table(t, iv);
    reference_keystream(key, iv, 0, stream, BLOCKS * 16);
    for (size_t start = 0; start < BLOCKS; start++) {
        size_t len = (BLOCKS - start) * 16 - (start % 2 ? start % 16 : 0);
        t->face->ctr(t->schedule, t->table, sl_load_be64(iv), start - (uint64_t)BLOCKS, got, zero, len);
        assert_memory_equal(got, stream + start * 16, len);
    }
}

static void last_counters_before_the_wrap(void **state)
{
    (void)state;
    for_each_table(before_the_wrap);
}

/* ---- What a table depends on ---- */

static void dependence(struct tabled *t, const char *name)
{
    enum { LEN = 96 * 16 };
    for (size_t round = 0; round < 20; round++) {
        uint8_t key[32], iv[16];
        test_random_fill(&t->random, key, sizeof key);
        test_random_fill(&t->random, iv, sizeof iv);
        iv[15] &= 0x7f; /* no carry: byte 10 stays */
        tabled_set_key(t, key);
        reference_keystream(key, iv, 0, stream, LEN);
        for (size_t changed = 0; changed < 16; changed++) {
            uint8_t other[16];
            memcpy(other, iv, sizeof other);
            other[changed] ^= (uint8_t)(1 + test_random_below(&t->random, 255));
            t->face->make(t->schedule, t->table, sl_load_be64(other), sl_load_be64(other + 8));
            t->face->ctr(t->schedule, t->table, sl_load_be64(iv), sl_load_be64(iv + 8), got, zero, LEN);
            bool right = memcmp(got, stream, LEN) == 0;
            bool matters = t->by_nonce && (changed == 0 || changed == 5 || changed == 10);
            if (right == matters)
                fail_msg("%s: a table made with another counter-block byte %zu %s", name, changed,
                         right ? "still serves" : "no longer serves");
        }
    }
}

/* Nonce tables hang on bytes 0, 5 and 10 and on nothing else, key tables on none. */
static void only_three_bytes_matter(void **state)
{
    (void)state;
    for_each_table(dependence);
}

/* A table is written within its bounds (its end lies at unreadable memory), and its first vector comes again. */
static void bounds(struct tabled *t, const char *name)
{
    struct test_guarded room = test_guarded_map(SL_FACE_TABLE_LEN + 64);
    uint8_t key[32], iv[16];
    (void)name;
    test_random_fill(&t->random, key, sizeof key);
    test_random_fill(&t->random, iv, sizeof iv);
    tabled_set_key(t, key);
    uint8_t *table = test_guarded_tail(&room, SL_FACE_TABLE_LEN);
    memset(table - 64, CANARY, 64);
    t->face->make(t->schedule, table, sl_load_be64(iv), sl_load_be64(iv + 8));
    for (int i = 1; i <= 64; i++)
        assert_int_equal(table[-i], CANARY);
    assert_memory_equal(table, table + 16 * 256, SL_FACE_TABLE_LEN - 16 * 256);
    /* All 256 entries differ, for AES is a permutation, and so are its first rounds; bitsliced (which the size of a
     * schedule shows), single planes may be the same, but not so many bytes of them. */
    size_t entry = t->kernel->schedule_len == 16 * (SL_AES_ROUNDS + 1) ? 16 : 64;
    for (size_t a = 0; a < 4096; a += entry) {
        for (size_t b = 0; b < a; b += entry)
            assert_memory_not_equal(table + a, table + b, entry);
    }
    test_guarded_unmap(&room);
}

static void tables_stay_within_bounds(void **state)
{
    (void)state;
    for_each_table(bounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),
        cmocka_unit_test(tables_stay_within_bounds),
        cmocka_unit_test(only_three_bytes_matter),
        cmocka_unit_test(every_place_in_a_run),
        cmocka_unit_test(last_counters_before_the_wrap),
        cmocka_unit_test(every_table_against_openssl),
    };
    test_seed();
    return cmocka_run_group_tests_name("kernels: tables", tests, NULL, NULL);
}
