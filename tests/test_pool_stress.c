/* Everything at a time: callers with requests of all sizes, some cancelled, some refused, while the pool is resized;
 * every byte of every buffer is compared.  SEALANE_POOL_STRESS gives the seconds; without it, a few. */
#define _GNU_SOURCE
#include "tests/pooling.h"

#include <stdio.h>
#include <time.h>

POOLING_SANITIZER_OPTIONS

enum { CALLERS = 6, FLYING = 5, ROOM = 12, LEN_MAX = 6 << 20 };

static const uint64_t offsets[] = {0, 1, 1000 * MIB - 5, UINT64_MAX - LEN_MAX};
enum { OFFSETS = sizeof offsets / sizeof offsets[0] };
static uint8_t *plain, *expected[OFFSETS]; /* LEN_MAX bytes each */
static uint8_t untouched[SLICE];
static _Atomic bool end;

/* All callers want to work on this, in place; the pool lets one at a time. */
static uint8_t *wanted;
enum { WANTED_LEN = 2 << 20 };
static _Atomic uint64_t wanted_times;

struct counts {
    uint64_t direct, synchronous, batches, submitted, cancelled, too_late, full, busy, bytes;
};

/* One request, from the caller's own buffer to itself or to another. */
struct flight {
    uint8_t *dst_block, *src_block;
    uint8_t *dst, *src;
    size_t len, skew, variant; /* offsets[variant] */
    sealane_ticket ticket;
    bool asked_to_end;
};

struct caller {
    pthread_t thread;
    sealane_pool *pool;
    struct test_random random;
    struct flight flight[FLYING];
    struct counts counts;
    const char *wrong;
};

static void prepare(struct caller *c, struct flight *f)
{
    struct test_random *random = &c->random;
    static const size_t skews[] = {0, 0, 1, 4096, SLICE - 1, 2 * MIB - 3};
    const uint64_t kind = test_random_below(random, 10);
    /* ThreadSanitizer's book-keeping by the byte takes its time. */
    const size_t longest = test_reduced() ? 5 * MIB / 2 : LEN_MAX;
    f->len = (size_t)test_random_below(random, kind < 3 ? 5000 : kind < 5 ? SEALANE_POOL_DIRECT_LEN : longest);
    f->skew = skews[test_random_below(random, sizeof skews / sizeof skews[0])];
    f->variant = (size_t)test_random_below(random, OFFSETS);
    f->dst = f->dst_block + 2 * MIB + f->skew;
    f->src = test_random_below(random, 2) ? f->dst : f->src_block + f->skew / 7;
    f->asked_to_end = false;
    memset(f->dst - GUARD, 0xa5, f->len + 2 * GUARD);
    memcpy(f->src, plain, f->len);
}

/* Done slices are right, others as they were; `undone` says how many those are. */
static bool compare(const struct flight *f, unsigned *undone)
{
    *undone = 0;
    for (unsigned i = 0; i < GUARD; i++)
        if (f->dst[-1 - (int)i] != 0xa5 || f->dst[f->len + i] != 0xa5)
            return false;
    for (size_t from = 0, to; from < f->len; from = to) {
        to = from == 0 ? SLICE - (uintptr_t)f->dst % SLICE : from + SLICE;
        to = to < f->len ? to : f->len;
        if (memcmp(f->dst + from, expected[f->variant] + from, to - from) == 0)
            continue;
        ++*undone;
        if (memcmp(f->dst + from, f->src == f->dst ? plain + from : untouched, to - from) != 0)
            return false;
    }
    return f->src == f->dst || memcmp(f->src, plain, f->len) == 0;
}

static void check(struct caller *c, struct flight *f, enum sealane_error error)
{
    unsigned undone;
    if (!compare(f, &undone))
        c->wrong = "bytes that are neither done nor as before";
    else if (error == SEALANE_E_CANCELLED ? undone == 0 || !f->asked_to_end : undone != 0 || error)
        c->wrong = "a result that does not fit the bytes";
    c->counts.cancelled += error == SEALANE_E_CANCELLED;
    c->counts.too_late += f->asked_to_end && error == SEALANE_OK;
    c->counts.bytes += f->len;
}

static void wait_for(struct caller *c, struct flight *f)
{
    enum sealane_error error = sealane_pool_wait(c->pool, f->ticket);
    f->ticket = 0;
    check(c, f, error);
}

/* The same in up to 64 records. */
static enum sealane_error as_batch(sealane_pool *pool, const struct sealane_record *whole)
{
    struct sealane_record record[64];
    const size_t len = whole->len / 64 + 1;
    size_t count = 0;
    for (size_t at = 0; at < whole->len; at += len)
        record[count++] =
            (struct sealane_record){whole->key,      whole->iv,       whole->offset + at,
                                    whole->dst + at, whole->src + at, whole->len - at < len ? whole->len - at : len};
    return sealane_pool_ctr_batch(pool, record, count);
}

static void launch(struct caller *c, struct flight *f)
{
    prepare(c, f);
    const struct sealane_record record = {keyed.key, keyed.iv, offsets[f->variant], f->dst, f->src, f->len};
    if (test_random_below(&c->random, 4) == 0) {
        const bool batch = test_random_below(&c->random, 2);
        enum sealane_error error =
            batch ? as_batch(c->pool, &record)
                  : sealane_pool_ctr_xor(c->pool, keyed.key, keyed.iv, offsets[f->variant], f->dst, f->src, f->len);
        c->counts.batches += batch;
        if (error == SEALANE_E_POOL_FULL)
            c->counts.full++;
        else
            check(c, f, error);
        c->counts.synchronous++;
        return;
    }
    enum sealane_error error = sealane_pool_submit(c->pool, &record, &f->ticket);
    if (error == SEALANE_E_POOL_FULL && f->ticket == 0) {
        c->counts.full++;
        return;
    }
    if (error) {
        c->wrong = "a request that should be accepted";
        return;
    }
    c->counts.submitted++;
    c->counts.direct += f->len < SEALANE_POOL_DIRECT_LEN;
    if (test_random_below(&c->random, 3) == 0) {
        for (uint64_t spin = UINT64_C(1) << test_random_below(&c->random, 16); spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        f->asked_to_end = true;
        if (sealane_pool_cancel(c->pool, f->ticket))
            c->wrong = "a ticket that should be known";
    }
}

/* Wherever it ends up, each byte was encrypted as often as the pool said yes. */
static void try_wanted(struct caller *c)
{
    const struct sealane_record record = {keyed.key, keyed.iv, 0, wanted, wanted, WANTED_LEN};
    sealane_ticket ticket = 0;
    enum sealane_error error = sealane_pool_submit(c->pool, &record, &ticket);
    if (!error) {
        atomic_fetch_add(&wanted_times, 1);
        error = sealane_pool_wait(c->pool, ticket);
    }
    c->counts.busy += error == SEALANE_E_BUSY;
    c->counts.full += error == SEALANE_E_POOL_FULL;
    if (error && error != SEALANE_E_BUSY && error != SEALANE_E_POOL_FULL)
        c->wrong = "an error for what all want";
}

static void *call(void *argument)
{
    struct caller *c = argument;
    while (!atomic_load(&end) && !c->wrong) {
        struct flight *f = &c->flight[test_random_below(&c->random, FLYING)];
        if (f->ticket)
            wait_for(c, f);
        else if (test_random_below(&c->random, 16) == 0)
            try_wanted(c);
        else
            launch(c, f);
    }
    for (unsigned i = 0; i < FLYING; i++)
        if (c->flight[i].ticket)
            wait_for(c, &c->flight[i]);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void set_up(struct caller *callers, sealane_pool *pool)
{
    struct test_random random = test_random_for("stress");
    keyed = make_key(&random);
    plain = malloc(LEN_MAX);
    wanted = malloc(WANTED_LEN);
    assert_true(plain && wanted);
    test_random_fill(&random, plain, LEN_MAX);
    for (unsigned i = 0; i < OFFSETS; i++) {
        expected[i] = malloc(LEN_MAX);
        assert_non_null(expected[i]);
        sealane_ctr_xor(keyed.key, keyed.iv, offsets[i], expected[i], plain, LEN_MAX);
    }
    memset(untouched, 0xa5, sizeof untouched);
    memcpy(wanted, plain, WANTED_LEN);
    for (unsigned i = 0; i < CALLERS; i++) {
        struct caller *c = &callers[i];
        *c = (struct caller){.pool = pool, .random = {test_random_next(&random)}};
        for (unsigned k = 0; k < FLYING; k++) {
            make_block(LEN_MAX, 2 * MIB, &c->flight[k].dst_block);
            make_block(LEN_MAX, 2 * MIB, &c->flight[k].src_block);
        }
        assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
    }
}

static struct counts tear_down(struct caller *callers)
{
    struct counts sum = {0};
    for (unsigned i = 0; i < CALLERS; i++) {
        struct caller *c = &callers[i];
        assert_int_equal(pthread_join(c->thread, NULL), 0);
        if (c->wrong)
            print_error("caller %u: %s\n", i, c->wrong);
        assert_null(c->wrong);
        const uint64_t *from = (const uint64_t *)&c->counts;
        for (size_t k = 0; k < sizeof sum / sizeof *from; k++)
            ((uint64_t *)&sum)[k] += from[k];
        for (unsigned k = 0; k < FLYING; k++) {
            free(c->flight[k].dst_block);
            free(c->flight[k].src_block);
        }
    }
    return sum;
}

static void everything_at_a_time(void **state)
{
    (void)state;
    static struct caller callers[CALLERS];
    const char *text = getenv("SEALANE_POOL_STRESS");
    const double seconds = text ? strtod(text, NULL) : test_reduced() ? 4 : 3;
    cpu_set_t usable;
    assert_int_equal(sched_getaffinity(0, sizeof usable, &usable), 0);
    sealane_pool *pool = make_pool(0, ROOM);
    set_up(callers, pool);
    unsigned resizes = 0;
    for (const double until = now() + seconds; now() < until; resizes++) {
        nanosleep(&(struct timespec){0, 30000000}, NULL);
        assert_int_equal(sealane_pool_resize(pool, 1 + resizes % (unsigned)CPU_COUNT(&usable)), SEALANE_OK);
    }
    atomic_store(&end, true);
    struct counts n = tear_down(callers);
    assert_memory_equal(wanted, wanted_times % 2 ? expected[0] : plain, WANTED_LEN);
    print_message("%.0f s: %llu MiB compared; %llu requests submitted (%llu short), %llu synchronous (%llu batches), "
                  "%llu cancelled, "
                  "%llu cancelled too late, %llu refused as busy, %llu for want of room; %u resizes\n",
                  seconds, (unsigned long long)(n.bytes >> 20), (unsigned long long)n.submitted,
                  (unsigned long long)n.direct, (unsigned long long)n.synchronous, (unsigned long long)n.batches,
                  (unsigned long long)n.cancelled, (unsigned long long)n.too_late, (unsigned long long)n.busy,
                  (unsigned long long)n.full, resizes);
    assert_true(n.submitted > 0 && n.synchronous > 0 && n.bytes > 0);
    if (seconds >= 60) /* in less, one of these may not have come up */
        assert_true(n.direct > 0 && n.batches > 0 && n.cancelled > 0 && n.too_late > 0 && n.busy > 0);
    sealane_pool_free(pool);
    free(plain);
    for (unsigned i = 0; i < OFFSETS; i++)
        free(expected[i]);
    free(wanted);
    free_key(&keyed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
