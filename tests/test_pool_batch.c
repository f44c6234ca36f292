/* Batches of records on the worker pool: every byte, who does them, and what is refused. */
#include "tests/pooling.h"

#include "tests/support/child.h"

POOLING_SANITIZER_OPTIONS

enum { RECORDS = 600, LEN_MAX = 16384, GAP = 16 };

/* Records with gaps between their outputs, and what is to come of all the memory. */
struct subject {
    struct sealane_record record[RECORDS];
    uint8_t iv[RECORDS][16];
    uint8_t *dst, *src, *expected;
    size_t len; /* of each of the three */
};

static struct sealane_key *second_key;

static struct subject *make_subject(struct test_random *random, size_t len_min, size_t len_max)
{
    struct subject *s = calloc(1, sizeof *s);
    assert_non_null(s);
    for (size_t i = 0; i < RECORDS; i++) {
        s->record[i].len = i % 50 == 7 ? 0 : len_min + test_random_below(random, len_max - len_min + 1);
        s->len += s->record[i].len + GAP;
    }
    s->dst = malloc(s->len);
    s->src = malloc(s->len);
    s->expected = malloc(s->len);
    assert_true(s->dst && s->src && s->expected);
    test_random_fill(random, s->dst, s->len);
    test_random_fill(random, s->src, s->len);
    test_random_fill(random, s->iv, sizeof s->iv);
    memcpy(s->expected, s->dst, s->len);
    size_t at = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        struct sealane_record *r = &s->record[i];
        r->key = test_random_below(random, 3) ? keyed.key : second_key;
        r->iv = s->iv[i];
        r->offset = test_random_next(random) >> (1 + test_random_below(random, 63));
        r->dst = s->dst + at;
        r->src = test_random_below(random, 2) ? r->dst : s->src + at;
        if (r->len)
            sealane_ctr_xor(r->key, r->iv, r->offset, s->expected + at, r->src, r->len);
        at += r->len + GAP;
    }
    return s;
}

static void shuffle(struct test_random *random, struct subject *s)
{
    for (size_t i = RECORDS - 1; i > 0; i--) {
        const size_t k = test_random_below(random, i + 1);
        const struct sealane_record swap = s->record[i];
        s->record[i] = s->record[k];
        s->record[k] = swap;
    }
}

static void free_subject(struct subject *s)
{
    free(s->dst);
    free(s->src);
    free(s->expected);
    free(s);
}

static uint64_t slices_done(sealane_pool *pool)
{
    uint64_t sum = 0;
    struct sealane_worker_info info;
    for (unsigned i = 0; i < sealane_pool_workers(pool); i++) {
        assert_int_equal(sealane_pool_worker(pool, i, &info), SEALANE_OK);
        sum += info.slices + info.stolen;
    }
    return sum;
}

static int set_up(void **state)
{
    uint8_t bytes[32];
    struct test_random random = test_random_for("second key");
    pooling_set_up(state);
    test_random_fill(&random, bytes, sizeof bytes);
    return sealane_key_create(keyed.engine, &second_key, bytes) != SEALANE_OK;
}

static int tear_down(void **state)
{
    sealane_key_free(second_key);
    return pooling_tear_down(state);
}

static void every_byte_is_as_by_single_calls(void **state)
{
    (void)state;
    struct test_random random = test_random_for("records");
    for (unsigned threads = 0; threads < 2; threads++) {
        sealane_pool *pool = make_pool(threads, 4);
        for (unsigned i = 0; i < 8; i++) {
            struct subject *s = make_subject(&random, i & 1 ? 1 : 3 * LEN_MAX / 4, LEN_MAX);
            if (i & 2) /* nothing ascends, so that records are sorted to check them */
                shuffle(&random, s);
            assert_int_equal(sealane_pool_ctr_batch(pool, s->record, RECORDS), SEALANE_OK);
            assert_memory_equal(s->dst, s->expected, s->len);
            free_subject(s);
        }
        assert_in_range(slices_done(pool), 8 * (RECORDS * (uint64_t)LEN_MAX / 2 / SLICE / 2), 8 * RECORDS);
        sealane_pool_free(pool);
    }
}

/* A record of many slices among short ones, first, last or in between. */
static void a_long_record_is_done_too(void **state)
{
    (void)state;
    enum { SHORT = 1000 };
    struct test_random random = test_random_for("long");
    uint8_t *data = malloc(3 * MIB + 4 * SHORT), *expected = malloc(3 * MIB + 4 * SHORT);
    assert_true(data && expected);
    sealane_pool *pool = make_pool(0, 4);
    for (unsigned place = 0; place < 5; place++) {
        struct sealane_record record[5];
        size_t at = 0;
        test_random_fill(&random, data, 3 * MIB + 4 * SHORT);
        memcpy(expected, data, 3 * MIB + 4 * SHORT);
        for (unsigned i = 0; i < 5; i++) {
            const size_t len = i == place ? 3 * MIB : SHORT;
            record[i] = (struct sealane_record){keyed.key, keyed.iv, i, data + at, data + at, len};
            sealane_ctr_xor(keyed.key, keyed.iv, i, expected + at, expected + at, len);
            at += len;
        }
        assert_int_equal(sealane_pool_ctr_batch(pool, record, 5), SEALANE_OK);
        assert_memory_equal(data, expected, at);
    }
    sealane_pool_free(pool);
    free(data);
    free(expected);
}

/* Few bytes, or very short records, never leave the calling thread: all workers are held meanwhile. */
static void short_batches_run_in_the_caller(void **state)
{
    (void)state;
    struct test_random random = test_random_for("short");
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(0, 64);
    hold_workers(pool, &held);
    assert_int_equal(sealane_pool_ctr_batch(pool, NULL, 0), SEALANE_OK);
    struct subject *few_bytes = make_subject(&random, 1, SEALANE_POOL_DIRECT_LEN / RECORDS);
    assert_int_equal(sealane_pool_ctr_batch(pool, few_bytes->record, RECORDS), SEALANE_OK);
    assert_memory_equal(few_bytes->dst, few_bytes->expected, few_bytes->len);
    free_subject(few_bytes);

    enum { MANY = 2 * SEALANE_POOL_DIRECT_LEN / 128 };
    struct sealane_record *many = calloc(MANY, sizeof *many);
    uint8_t *data = calloc(MANY, 128), *expected = calloc(MANY, 128);
    assert_true(many && data && expected);
    for (size_t i = 0; i < MANY; i++) {
        many[i] = (struct sealane_record){keyed.key, keyed.iv, i, data + 128 * i, data + 128 * i, 128};
        sealane_ctr_xor(keyed.key, keyed.iv, i, expected + 128 * i, expected + 128 * i, 128);
    }
    assert_int_equal(sealane_pool_ctr_batch(pool, many, MANY), SEALANE_OK);
    assert_memory_equal(data, expected, MANY * 128);
    free(many);
    free(data);
    free(expected);
    release_workers(pool, &held);
    sealane_pool_free(pool);
}

/* Nothing is written, whatever else the batch holds. */
static void check_refused(sealane_pool *pool, const struct subject *s, enum sealane_error error)
{
    uint8_t *before = malloc(s->len);
    assert_non_null(before);
    memcpy(before, s->dst, s->len);
    assert_int_equal(sealane_pool_ctr_batch(pool, s->record, RECORDS), error);
    assert_memory_equal(s->dst, before, s->len);
    free(before);
}

static void a_breach_anywhere_is_refused(void **state)
{
    (void)state;
    struct test_random random = test_random_for("breach");
    sealane_pool *pool = make_pool(0, 4);
    struct subject *s = make_subject(&random, LEN_MAX / 2, LEN_MAX);
    /* The first and the last, which no group has both of. */
    struct sealane_record *first = &s->record[0], *last = &s->record[RECORDS - 1];
    const struct sealane_record right = *last;
    last->dst = first->dst + first->len - 1;
    check_refused(pool, s, SEALANE_E_ARGUMENT);
    *last = right;
    last->src = first->dst;
    check_refused(pool, s, SEALANE_E_ARGUMENT);
    *last = right;
    last->key = NULL;
    check_refused(pool, s, SEALANE_E_ARGUMENT);
    *last = right;
    last->offset = UINT64_MAX - 5;
    check_refused(pool, s, SEALANE_E_ARGUMENT);
    *last = right;
    last->len = SIZE_MAX;
    check_refused(pool, s, SEALANE_E_ARGUMENT);
    for (size_t i = 0; i < RECORDS; i++)
        s->record[i].len = SIZE_MAX / 2;
    check_refused(pool, s, SEALANE_E_ARGUMENT);
    sealane_pool_free(pool);
    free_subject(s);
}

static void a_batch_over_a_request_in_flight_is_busy(void **state)
{
    (void)state;
    struct test_random random = test_random_for("busy");
    static uint8_t flying_src[MIB];
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(0, 64);
    struct subject *shared_out = make_subject(&random, LEN_MAX / 2, LEN_MAX), *direct = make_subject(&random, 1, 1000);
    struct subject *subjects[] = {shared_out, direct};
    for (unsigned i = 0; i < 2; i++) {
        struct subject *s = subjects[i];
        sealane_ticket ticket;
        held = (struct held)HELD_NONE;
        hold_workers(pool, &held);
        /* Its last byte is one that a record of the batch reads or writes. */
        struct sealane_record *r = &s->record[RECORDS / 2];
        uint8_t *block = malloc(MIB);
        assert_non_null(block);
        struct sealane_record flying = {keyed.key, keyed.iv, 0, block, flying_src, MIB};
        assert_int_equal(sealane_pool_submit(pool, &flying, &ticket), SEALANE_OK);
        const struct sealane_record right = *r;
        r->len = 1;
        r->dst = block + MIB - 1;
        r->src = r->dst;
        check_refused(pool, s, SEALANE_E_BUSY);
        r->dst = right.dst;
        check_refused(pool, s, SEALANE_E_BUSY);
        r->key = NULL; /* a breach goes first: it will not go away */
        check_refused(pool, s, SEALANE_E_ARGUMENT);
        *r = right;
        release_workers(pool, &held);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
        assert_int_equal(sealane_pool_ctr_batch(pool, s->record, RECORDS), SEALANE_OK);
        assert_memory_equal(s->dst, s->expected, s->len);
        free(block);
    }
    sealane_pool_free(pool);
    free_subject(shared_out);
    free_subject(direct);
}

static void a_full_pool_refuses_a_batch(void **state)
{
    (void)state;
    struct test_random random = test_random_for("full");
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(1, 1);
    struct subject *s = make_subject(&random, LEN_MAX / 2, LEN_MAX);
    hold_workers(pool, &held);
    check_refused(pool, s, SEALANE_E_POOL_FULL);
    release_workers(pool, &held);
    assert_int_equal(sealane_pool_ctr_batch(pool, s->record, RECORDS), SEALANE_OK);
    assert_memory_equal(s->dst, s->expected, s->len);
    sealane_pool_free(pool);
    free_subject(s);
}

struct forked {
    sealane_pool *pool;
    struct subject *subject;
};

static void try_in_child(void *argument)
{
    const struct forked *f = argument;
    CHILD_CHECK(sealane_pool_ctr_batch(f->pool, f->subject->record, RECORDS) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_ctr_batch(f->pool, f->subject->record, 1) == SEALANE_E_FORKED);
    CHILD_CHECK(memcmp(f->subject->dst, f->subject->expected, f->subject->len) != 0);
}

static void a_forked_child_is_told(void **state)
{
    (void)state;
    struct test_random random = test_random_for("forked");
    struct forked f = {make_pool(0, 4), make_subject(&random, LEN_MAX / 2, LEN_MAX)};
    assert_true(test_child_passed(test_child(try_in_child, &f)));
    sealane_pool_free(f.pool);
    free_subject(f.subject);
}

struct caller {
    pthread_t thread;
    sealane_pool *pool;
    struct subject *subject;
    enum sealane_error error;
};

static void *call(void *argument)
{
    struct caller *c = argument;
    c->error = sealane_pool_ctr_batch(c->pool, c->subject->record, RECORDS);
    return NULL;
}

static void several_threads_have_batches_in_flight(void **state)
{
    (void)state;
    enum { CALLERS = 6 };
    struct test_random random = test_random_for("callers");
    struct caller caller[CALLERS];
    sealane_pool *pool = make_pool(0, CALLERS);
    for (unsigned i = 0; i < CALLERS; i++) {
        caller[i] = (struct caller){.pool = pool, .subject = make_subject(&random, 1, LEN_MAX)};
        assert_int_equal(pthread_create(&caller[i].thread, NULL, call, &caller[i]), 0);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_join(caller[i].thread, NULL), 0);
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_int_equal(caller[i].error, SEALANE_OK);
        assert_memory_equal(caller[i].subject->dst, caller[i].subject->expected, caller[i].subject->len);
        free_subject(caller[i].subject);
    }
    sealane_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_as_by_single_calls),
        cmocka_unit_test(a_long_record_is_done_too),
        cmocka_unit_test(short_batches_run_in_the_caller),
        cmocka_unit_test(a_breach_anywhere_is_refused),
        cmocka_unit_test(a_batch_over_a_request_in_flight_is_busy),
        cmocka_unit_test(a_full_pool_refuses_a_batch),
        cmocka_unit_test(a_forked_child_is_told),
        cmocka_unit_test(several_threads_have_batches_in_flight),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
