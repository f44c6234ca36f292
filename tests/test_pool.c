/* What requests on the worker pool do to memory, and what the pool says about them. */
#define _GNU_SOURCE
#include "tests/pooling.h"

#include <stdio.h>

#include "engine/internal.h"

#include "tests/support/reference.h"

POOLING_SANITIZER_OPTIONS

static uint64_t cases;

static struct sealane_record record_of(uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    return (struct sealane_record){keyed.key, keyed.iv, offset, dst, src, len};
}

/* ---- Every byte ---- */

struct shape {
    uint64_t offset;
    size_t len;
    size_t skew;
    bool in_place;
    bool submitted; /* else the synchronous call */
};

static bool check_shape(sealane_pool *pool, struct shape s, bool by_openssl)
{
    struct test_random random = test_random_for("bytes");
    uint8_t *dst_block, *src_block, *expected = malloc(s.len + 2 * GUARD);
    uint8_t *dst = make_block(s.len, s.skew, &dst_block);
    uint8_t *src = make_block(s.len, s.skew / 3, &src_block);
    assert_non_null(expected);
    test_random_fill(&random, dst - GUARD, s.len + 2 * GUARD);
    test_random_fill(&random, src, s.len);
    memcpy(expected, dst - GUARD, s.len + 2 * GUARD);
    const uint8_t *in = s.in_place ? dst : src;
    if (by_openssl) {
        reference_keystream(keyed.key_bytes, keyed.iv, s.offset, expected + GUARD, s.len);
        reference_xor(expected + GUARD, in, s.len);
    } else {
        sealane_ctr_xor(keyed.key, keyed.iv, s.offset, expected + GUARD, in, s.len);
    }
    enum sealane_error error;
    if (s.submitted) {
        uint8_t iv[16]; /* which need not stay */
        memcpy(iv, keyed.iv, sizeof iv);
        struct sealane_record record = {keyed.key, iv, s.offset, dst, in, s.len};
        sealane_ticket ticket;
        error = sealane_pool_submit(pool, &record, &ticket);
        memset(iv, 0, sizeof iv);
        memset(&record, 0, sizeof record);
        if (!error)
            error = sealane_pool_wait(pool, ticket);
    } else {
        error = sealane_pool_ctr_xor(pool, keyed.key, keyed.iv, s.offset, dst, in, s.len);
    }
    bool good = error == SEALANE_OK && memcmp(dst - GUARD, expected, s.len + 2 * GUARD) == 0;
    if (!good)
        fprintf(stderr, "error %d: offset %llu, len %zu, skew %zu%s%s\n", (int)error, (unsigned long long)s.offset,
                s.len, s.skew, s.in_place ? ", in place" : "", s.submitted ? ", submitted" : "");
    free(dst_block);
    free(src_block);
    free(expected);
    cases++;
    return good;
}

static void every_byte_is_as_by_one_call(void **state)
{
    (void)state;
    static const size_t lens[] = {1,           4096,    MIB - 1,     MIB,         MIB + 1,        MIB + SLICE - 1,
                                  2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 3 * MIB + 7, 4 * MIB - 4096, 6 * MIB + SLICE + 1,
                                  9 * MIB + 15};
    static const size_t skews[] = {0,         1,       15,  4095,        SLICE - 1,    SLICE,
                                   SLICE + 1, MIB - 1, MIB, 2 * MIB - 1, 2 * MIB - 16, 2 * MIB - SLICE};
    const size_t len_count = sizeof lens / sizeof lens[0], skew_count = sizeof skews / sizeof skews[0];
    sealane_pool *pool = make_pool(0, 4);
    struct test_random random = test_random_for("shapes");
    bool good = true;
    cases = 0;
    for (size_t l = 0; l < len_count; l++) {
        for (size_t k = 0; k < skew_count; k++) {
            if (test_reduced() && test_random_below(&random, 6) != 0)
                continue;
            const uint64_t offsets[] = {
                0, 1, SLICE - 1, 16 * MIB, UINT64_MAX - lens[l] + 1, test_random_next(&random) >> 1};
            for (unsigned variant = 0; variant < 4; variant++) {
                struct shape s = {offsets[(l + 3 * k + variant) % 6], lens[l], skews[k], variant & 1, variant & 2};
                good = check_shape(pool, s, (l + k + variant) % 5 == 0) && good;
            }
        }
    }
    sealane_pool_free(pool);
    print_message("%llu requests compared\n", (unsigned long long)cases);
    assert_true(good);
    assert_true(cases > 0);
}

/* The counter of this IV carries from its low to its high half amid a request, in the middle of a slice. */
static void carries_are_as_by_one_call(void **state)
{
    (void)state;
    struct keyed before = keyed;
    memset(keyed.iv + 8, 0xff, 8);
    keyed.iv[14] = 0xf0;
    sealane_pool *pool = make_pool(0, 4);
    for (uint64_t offset = 0; offset < MIB; offset += 100001)
        assert_true(check_shape(pool, (struct shape){offset, 2 * MIB + 3, 5, offset & 1, true}, true));
    sealane_pool_free(pool);
    keyed = before;
}

/* As many bytes as make a table worth it count wherever they are done. */
static void a_keys_table_comes_of_work_on_the_pool(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(0, 4);
    struct test_random random = test_random_for("table");
    struct keyed fresh = make_key(&random);
    uint8_t *data = calloc(1, 4 * MIB);
    assert_non_null(data);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(sealane_pool_ctr_xor(pool, fresh.key, fresh.iv, 0, data, data, 4 * MIB), SEALANE_OK);
    assert_int_equal(atomic_load(&fresh.key->warmth->table) != NULL, fresh.key->kernel->by_key != NULL);
    free(data);
    free_key(&fresh);
    sealane_pool_free(pool);
}

static void short_requests_are_complete_at_once(void **state)
{
    (void)state;
    static uint8_t dst[SEALANE_POOL_DIRECT_LEN], expected[SEALANE_POOL_DIRECT_LEN];
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(0, 64);
    hold_workers(pool, &held); /* who then does it? */
    for (size_t len = 1; len < sizeof dst; len = len * 5 + 2) {
        struct sealane_record record = record_of(len, dst, dst, len);
        memset(dst, 0x5a, sizeof dst);
        memset(expected, 0x5a, sizeof expected);
        sealane_ctr_xor(keyed.key, keyed.iv, len, expected, expected, len);
        sealane_ticket ticket;
        assert_int_equal(sealane_pool_submit(pool, &record, &ticket), SEALANE_OK);
        assert_memory_equal(dst, expected, sizeof dst);
        assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_OK);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
        assert_int_equal(sealane_pool_ctr_xor(pool, keyed.key, keyed.iv, len, dst, dst, len), SEALANE_OK);
        memset(expected, 0x5a, sizeof expected);
        assert_memory_equal(dst, expected, sizeof dst);
    }
    /* Of length 0 nothing is looked at. */
    sealane_ticket ticket;
    const struct sealane_record nothing = {0};
    assert_int_equal(sealane_pool_submit(pool, &nothing, &ticket), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    assert_int_equal(sealane_pool_ctr_xor(pool, NULL, NULL, UINT64_MAX, NULL, NULL, 0), SEALANE_OK);
    release_workers(pool, &held);
    sealane_pool_free(pool);
}

/* Each slice of a task comes once, and together they are the task, however many regions it has. */
struct tally {
    uint64_t len;
    uint64_t slices;
    _Atomic uint8_t *times;
    _Atomic bool wrong;
};

static enum sealane_error task_tally(void *context, uint64_t from, size_t len)
{
    struct tally *t = context;
    uint64_t slice = from / SLICE;
    if (from % SLICE != 0 || slice >= t->slices || len != (t->len - from < SLICE ? t->len - from : SLICE))
        atomic_store(&t->wrong, true);
    else
        atomic_fetch_add(&t->times[slice], 1);
    return SEALANE_OK;
}

static void every_slice_comes_once(void **state)
{
    (void)state;
    static const uint64_t lens[] = {1,          SLICE - 1,       SLICE,          SLICE + 1,     8 * SLICE,
                                    9 * SLICE,  511 * MIB,       512 * MIB,      512 * MIB + 1, 1023 * MIB,
                                    1025 * MIB, 2048 * MIB + 77, 65536 * MIB + 1};
    sealane_pool *pool = make_pool(0, 4);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct tally t = {.len = lens[i], .slices = (lens[i] + SLICE - 1) / SLICE};
        t.times = calloc(t.slices, sizeof t.times[0]);
        assert_non_null(t.times);
        sealane_ticket ticket;
        uint64_t before = 0, after = 0;
        struct sealane_worker_info info;
        for (unsigned w = 0; w < sealane_pool_workers(pool); w++) {
            assert_int_equal(sealane_pool_worker(pool, w, &info), SEALANE_OK);
            before += info.slices + info.stolen;
        }
        assert_int_equal(sl_pool_submit(pool, task_tally, &t, NULL, t.len, &ticket), SEALANE_OK);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
        assert_false(t.wrong);
        for (uint64_t k = 0; k < t.slices; k++)
            assert_int_equal(t.times[k], 1);
        for (unsigned w = 0; w < sealane_pool_workers(pool); w++) {
            assert_int_equal(sealane_pool_worker(pool, w, &info), SEALANE_OK);
            after += info.slices + info.stolen;
        }
        assert_int_equal(after - before, t.slices);
        free(t.times);
    }
    sealane_ticket ticket = 77;
    assert_int_equal(sl_pool_submit(pool, task_tally, NULL, NULL, 0, &ticket), SEALANE_E_ARGUMENT);
    assert_int_equal(ticket, 0);
    sealane_pool_free(pool);
}

/* ---- What is refused ---- */

static void what_one_call_may_not_do_is_refused(void **state)
{
    (void)state;
    static uint8_t a[3 << 20], b[3 << 20], before[3 << 20];
    struct test_random random = test_random_for("refused");
    test_random_fill(&random, a, sizeof a);
    memcpy(before, a, sizeof a);
    sealane_pool *pool = make_pool(0, 4);
    static const size_t lens[] = {100, 2 << 20};
    for (unsigned i = 0; i < 2; i++) {
        const size_t n = lens[i];
        const struct sealane_record wrong[] = {
            {NULL, keyed.iv, 0, a, b, n},
            {keyed.key, NULL, 0, a, b, n},
            {keyed.key, keyed.iv, 0, NULL, b, n},
            {keyed.key, keyed.iv, 0, a, NULL, n},
            {keyed.key, keyed.iv, UINT64_MAX - n + 2, a, b, n}, /* the keystream ends before */
            {keyed.key, keyed.iv, 0, a, a + 1, n},
            {keyed.key, keyed.iv, 0, a + 1, a, n},
            {keyed.key, keyed.iv, 0, a, a + n - 1, n},
            {keyed.key, keyed.iv, 0, a + n - 1, a, n},
            {keyed.key, keyed.iv, 0, a, b, SIZE_MAX}, /* beyond the top of memory */
            {keyed.key, keyed.iv, 0, b, a, SIZE_MAX},
            {keyed.key, keyed.iv, 0, a, a, SIZE_MAX},
            {keyed.key, keyed.iv, 0, a, a, SIZE_MAX - (uintptr_t)a + 2},
        };
        for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
            const struct sealane_record *w = &wrong[k];
            sealane_ticket ticket = 99;
            assert_int_equal(sealane_pool_submit(pool, w, &ticket), SEALANE_E_ARGUMENT);
            assert_int_equal(ticket, 0);
            assert_int_equal(sealane_pool_ctr_xor(pool, w->key, w->iv, w->offset, w->dst, w->src, w->len),
                             SEALANE_E_ARGUMENT);
        }
        assert_memory_equal(a, before, sizeof a);
        struct sealane_record neighbours = record_of(0, a, a + n, n < MIB ? n : MIB);
        sealane_ticket ticket;
        assert_int_equal(sealane_pool_submit(pool, &neighbours, &ticket), SEALANE_OK);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
        memcpy(a, before, sizeof a);
    }
    sealane_pool_free(pool);
}

/* One request from `src` to `dst` is in flight; others, of `len`, come beside. */
static void overlaps_are_busy(void **state)
{
    (void)state;
    static uint8_t src[6 << 20], dst[6 << 20], other[6 << 20], before[6 << 20];
    const size_t at = 2 * MIB, len = 2 * MIB;
    static const size_t lens[] = {1, 1000, MIB, 2 << 20};
    struct test_random random = test_random_for("busy");
    test_random_fill(&random, dst, sizeof dst);
    memcpy(before, dst, sizeof dst);
    sealane_pool *pool = make_pool(0, 64);
    for (unsigned i = 0; i < 4; i++) {
        const size_t n = lens[i];
        struct held held = HELD_NONE;
        hold_workers(pool, &held);
        sealane_ticket first, ticket;
        struct sealane_record flying = record_of(0, dst + at, src + at, len);
        assert_int_equal(sealane_pool_submit(pool, &flying, &first), SEALANE_OK);
        const struct sealane_record busy[] = {
            record_of(0, dst + at, other, n),                 /* both write, from the same byte on */
            record_of(0, dst + at - n + 1, other, n),         /* its first byte */
            record_of(0, dst + at + len - 1, other, n),       /* its last byte */
            record_of(0, dst + at + (len - n) / 2, other, n), /* within, or equal */
            record_of(0, dst + at, dst + at, n),              /* in place */
            record_of(0, other, dst + at - n + 1, n),         /* reads what it writes: the first byte */
            record_of(0, other, dst + at + len - 1, n),       /* the last */
            record_of(0, src + at - n + 1, other, n),         /* writes what it reads: the first byte */
            record_of(0, src + at + len - 1, other, n),       /* the last */
            record_of(0, src + at, src + at, n),              /* in place */
            record_of(0, dst + at - MIB, other, len + MIB),   /* around it */
            record_of(0, src + at - MIB, other, len + 2 * MIB),
            record_of(0, other, dst + at - MIB, len + 2 * MIB),
        };
        for (size_t k = 0; k < sizeof busy / sizeof busy[0]; k++) {
            const struct sealane_record *b = &busy[k];
            ticket = 99;
            assert_int_equal(sealane_pool_submit(pool, b, &ticket), SEALANE_E_BUSY);
            assert_int_equal(ticket, 0);
            assert_int_equal(sealane_pool_ctr_xor(pool, b->key, b->iv, 0, b->dst, b->src, b->len), SEALANE_E_BUSY);
        }
        const struct sealane_record fine[] = {
            record_of(0, other, src + at, n),                 /* both read */
            record_of(0, dst + at - n, other + 4 * MIB, n),   /* up to it */
            record_of(0, dst + at + len, other + 4 * MIB, n), /* from its end on */
            record_of(0, src + at - n, other + 4 * MIB, n),
            record_of(0, src + at + len, src + at + len, n),
        };
        /* One by one, since they may not overlap each other either. */
        sealane_ticket tickets[5];
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(sealane_pool_submit(pool, &fine[k], &tickets[k]), SEALANE_OK);
        release_workers(pool, &held);
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(sealane_pool_wait(pool, tickets[k]), SEALANE_OK);
        assert_int_equal(sealane_pool_wait(pool, first), SEALANE_OK);
        for (size_t k = 0; k < sizeof busy / sizeof busy[0]; k++) {
            assert_int_equal(sealane_pool_submit(pool, &busy[k], &ticket), SEALANE_OK);
            assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
        }
    }
    sealane_pool_free(pool);
}

/* A request is no longer in flight when it has ended, waited for or not. */
static void an_ended_request_is_not_in_the_way(void **state)
{
    (void)state;
    static uint8_t data[2 << 20];
    sealane_pool *pool = make_pool(1, 8);
    struct sealane_record record = record_of(0, data, data, sizeof data);
    sealane_ticket first, second, last;
    assert_int_equal(sealane_pool_submit(pool, &record, &first), SEALANE_OK);
    struct gate open = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, true};
    /* By one worker, and in one caller's order: when this has ended, so has the first. */
    assert_int_equal(sl_pool_submit(pool, task_gate, &open, NULL, 1, &last), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, last), SEALANE_OK);
    assert_int_equal(sealane_pool_submit(pool, &record, &second), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, second), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, first), SEALANE_OK);
    static const uint8_t zeros[2 << 20];
    assert_memory_equal(data, zeros, sizeof data);
    sealane_pool_free(pool);
}

static void a_full_pool_says_so(void **state)
{
    (void)state;
    enum { ROOM = 5 };
    static uint8_t data[(ROOM + 1) << 20];
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(1, ROOM);
    hold_workers(pool, &held);
    sealane_ticket tickets[ROOM + 1], none = 99;
    for (unsigned i = 0; i < ROOM - 1; i++) {
        struct sealane_record record = record_of(0, data + i * MIB, data + i * MIB, MIB);
        assert_int_equal(sealane_pool_submit(pool, &record, &tickets[i]), SEALANE_OK);
    }
    struct sealane_record more = record_of(0, data + ROOM * MIB, data + ROOM * MIB, MIB);
    assert_int_equal(sealane_pool_submit(pool, &more, &none), SEALANE_E_POOL_FULL);
    assert_int_equal(none, 0);
    assert_int_equal(sealane_pool_ctr_xor(pool, more.key, more.iv, 0, more.dst, more.src, more.len),
                     SEALANE_E_POOL_FULL);
    /* What runs in the caller needs no room. */
    assert_int_equal(sealane_pool_ctr_xor(pool, more.key, more.iv, 0, more.dst, more.src, 1000), SEALANE_OK);
    assert_int_equal(sealane_pool_ctr_xor(pool, more.key, more.iv, 0, more.dst, more.src, 1000), SEALANE_OK);
    release_workers(pool, &held);
    /* Now there is room for one; those that ended unawaited keep theirs. */
    assert_int_equal(sealane_pool_submit(pool, &more, &tickets[ROOM - 1]), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, tickets[0]), SEALANE_OK);
    for (unsigned round = 0; round < 3 * ROOM; round++) {
        struct sealane_record record = record_of(0, data, data, MIB);
        assert_int_equal(sealane_pool_submit(pool, &record, &tickets[0]), SEALANE_OK);
        assert_int_equal(sealane_pool_submit(pool, &more, &none), SEALANE_E_POOL_FULL);
        assert_int_equal(sealane_pool_wait(pool, tickets[0]), SEALANE_OK);
    }
    for (unsigned i = 1; i < ROOM; i++)
        assert_int_equal(sealane_pool_wait(pool, tickets[i]), SEALANE_OK);
    sealane_pool_free(pool);
}

static void check_no_ticket(sealane_pool *pool, sealane_ticket ticket)
{
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_E_ARGUMENT);
}

static void wrong_tickets_are_told(void **state)
{
    (void)state;
    struct test_random random = test_random_for("tickets");
    struct held held = HELD_NONE, held_by_other = HELD_NONE;
    sealane_pool *pool = make_pool(1, 8), *other = make_pool(1, 8);
    hold_workers(pool, &held);
    hold_workers(other, &held_by_other);
    for (unsigned i = 0; i < 1000; i++)
        check_no_ticket(pool, test_random_next(&random));
    check_no_ticket(pool, 0);
    check_no_ticket(pool, 2);
    check_no_ticket(pool, UINT64_MAX);
    for (unsigned bit = 0; bit < 64; bit++)
        check_no_ticket(pool, held.ticket[0] ^ (UINT64_C(1) << bit));
    check_no_ticket(pool, held_by_other.ticket[0]);
    check_no_ticket(other, held.ticket[0]);
    release_workers(pool, &held);
    release_workers(other, &held_by_other);
    check_no_ticket(pool, held.ticket[0]); /* for the second time */
    /* Its place is used again, under another ticket. */
    struct gate open = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, true};
    for (unsigned i = 0; i < 20; i++) {
        sealane_ticket ticket;
        assert_int_equal(sl_pool_submit(pool, task_gate, &open, NULL, 1, &ticket), SEALANE_OK);
        assert_int_not_equal(ticket, held.ticket[0]);
        check_no_ticket(pool, held.ticket[0]);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
        check_no_ticket(pool, ticket);
    }
    sealane_pool_free(pool);
    sealane_pool_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_as_by_one_call),
        cmocka_unit_test(carries_are_as_by_one_call),
        cmocka_unit_test(a_keys_table_comes_of_work_on_the_pool),
        cmocka_unit_test(short_requests_are_complete_at_once),
        cmocka_unit_test(every_slice_comes_once),
        cmocka_unit_test(what_one_call_may_not_do_is_refused),
        cmocka_unit_test(overlaps_are_busy),
        cmocka_unit_test(an_ended_request_is_not_in_the_way),
        cmocka_unit_test(a_full_pool_says_so),
        cmocka_unit_test(wrong_tickets_are_told),
    };
    return cmocka_run_group_tests(tests, pooling_set_up, pooling_tear_down);
}
