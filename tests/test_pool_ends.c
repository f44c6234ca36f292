/* How requests on the worker pool end: cancelled, failed, in turn with others', or by the pool's own end. */
#define _GNU_SOURCE
#include "tests/pooling.h"

#include <sched.h>
#include <stdio.h>

POOLING_SANITIZER_OPTIONS

/* What slices of a task were done, in which order.  Stops at its gate at slice `stop_at`, fails at `fail_at`. */
enum { TASK_SLICES = 64 };
struct task {
    struct gate gate;
    _Atomic unsigned *clock; /* counts the slices of several tasks */
    _Atomic unsigned done;
    unsigned at[TASK_SLICES]; /* when each was, from 1; 0: never */
    unsigned stop_at;
    unsigned fail_at;
    enum sealane_error error;
};

static void task_init(struct task *t, _Atomic unsigned *clock)
{
    *t = (struct task){.clock = clock, .stop_at = UINT32_MAX, .fail_at = UINT32_MAX, .error = SEALANE_E_READ_FAILED};
    pthread_mutex_init(&t->gate.lock, NULL);
    pthread_cond_init(&t->gate.moved, NULL);
}

static enum sealane_error run_task(void *context, uint64_t from, size_t len)
{
    struct task *t = context;
    unsigned slice = (unsigned)(from / SLICE);
    (void)len;
    if (slice == t->stop_at)
        gate_pass(&t->gate);
    t->at[slice] = 1 + atomic_fetch_add(t->clock, 1);
    atomic_fetch_add(&t->done, 1);
    return slice == t->fail_at ? t->error : SEALANE_OK;
}

static sealane_ticket start(sealane_pool *pool, struct task *t, unsigned slices)
{
    sealane_ticket ticket;
    assert_int_equal(sl_pool_submit(pool, run_task, t, NULL, slices * SLICE, &ticket), SEALANE_OK);
    return ticket;
}

/* ---- Cancelling ---- */

static void cancelled_before_it_began_nothing_is_done(void **state)
{
    (void)state;
    enum { LEN = 5 << 20 };
    static uint8_t data[LEN], zeros[LEN];
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(0, 64);
    hold_workers(pool, &held);
    struct sealane_record record = {keyed.key, keyed.iv, 0, data, data, LEN};
    sealane_ticket ticket;
    assert_int_equal(sealane_pool_submit(pool, &record, &ticket), SEALANE_OK);
    assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_OK);
    assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_OK); /* once more changes nothing */
    release_workers(pool, &held);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_E_CANCELLED);
    assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_E_ARGUMENT);
    assert_memory_equal(data, zeros, LEN);
    /* The next request in its place is not cancelled. */
    assert_int_equal(sealane_pool_submit(pool, &record, &ticket), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    sealane_ctr_xor(keyed.key, keyed.iv, 0, data, data, LEN);
    assert_memory_equal(data, zeros, LEN);
    sealane_pool_free(pool);
}

/* By one worker, that stands in slice `at` when the request is cancelled. */
static void check_cancel_at(sealane_pool *pool, unsigned slices, unsigned at, bool in_time)
{
    _Atomic unsigned clock = 0;
    struct task t;
    task_init(&t, &clock);
    t.stop_at = at;
    sealane_ticket ticket = start(pool, &t, slices);
    gate_await(&t.gate, 1);
    assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_OK);
    gate_open(&t.gate);
    assert_int_equal(sealane_pool_wait(pool, ticket), in_time ? SEALANE_E_CANCELLED : SEALANE_OK);
    for (unsigned i = 0; i < slices; i++)
        assert_int_equal(t.at[i] != 0, i <= at);
}

static void cancelled_amid_the_rest_is_left_out(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(1, 4);
    for (unsigned slices = 1; slices <= TASK_SLICES; slices += 7)
        for (unsigned at = 0; at < slices; at++)
            check_cancel_at(pool, slices, at, at + 1 < slices);
    sealane_pool_free(pool);
}

static void cancelled_after_its_end_it_is_complete(void **state)
{
    (void)state;
    _Atomic unsigned clock = 0;
    sealane_pool *pool = make_pool(1, 4);
    struct task t, after;
    task_init(&t, &clock);
    task_init(&after, &clock);
    sealane_ticket first = start(pool, &t, 20), second = start(pool, &after, 1);
    assert_int_equal(sealane_pool_wait(pool, second), SEALANE_OK); /* one worker, one caller: the first has ended */
    assert_int_equal(sealane_pool_cancel(pool, first), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, first), SEALANE_OK);
    assert_int_equal(t.done, 20);
    sealane_pool_free(pool);
}

/* At any moment: what is not done is as it was, in whole slices, and the result says whether there is any. */
static void cancelled_at_any_time_slices_are_whole(void **state)
{
    (void)state;
    enum { LEN = (9 << 20) + 12345, SKEW = 100001 };
    const unsigned rounds = test_reduced() ? 60 : 400;
    uint8_t *block, *expected = malloc(LEN), *before = malloc(LEN);
    uint8_t *data = make_block(LEN, SKEW, &block);
    struct test_random random = test_random_for("cancels");
    assert_true(expected && before);
    test_random_fill(&random, before, LEN);
    sealane_ctr_xor(keyed.key, keyed.iv, 3, expected, before, LEN);
    sealane_pool *pool = make_pool(0, 4);
    unsigned cancelled = 0;
    for (unsigned round = 0; round < rounds; round++) {
        memcpy(data, before, LEN);
        struct sealane_record record = {keyed.key, keyed.iv, 3, data, data, LEN};
        sealane_ticket ticket;
        assert_int_equal(sealane_pool_submit(pool, &record, &ticket), SEALANE_OK);
        for (uint64_t spin = UINT64_C(1) << test_random_below(&random, 18); spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_OK);
        enum sealane_error error = sealane_pool_wait(pool, ticket);
        unsigned undone = 0;
        for (size_t from = 0, to; from < LEN; from = to) {
            to = from == 0 ? SLICE - SKEW % SLICE : from + SLICE;
            to = to < LEN ? to : LEN;
            bool as_before = memcmp(data + from, before + from, to - from) == 0;
            assert_true(as_before || memcmp(data + from, expected + from, to - from) == 0);
            undone += as_before;
        }
        assert_int_equal(error, undone ? SEALANE_E_CANCELLED : SEALANE_OK);
        cancelled += undone != 0;
    }
    print_message("%u of %u requests were cancelled in time\n", cancelled, rounds);
    sealane_pool_free(pool);
    free(block);
    free(expected);
    free(before);
}

/* ---- Failing ---- */

static void a_failure_reaches_the_caller(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(1, 4);
    for (unsigned at = 0; at < TASK_SLICES; at += 3) {
        _Atomic unsigned clock = 0;
        struct task t;
        task_init(&t, &clock);
        t.fail_at = at;
        t.error = at % 2 ? SEALANE_E_WRITE_FAILED : SEALANE_E_NO_SPACE;
        sealane_ticket ticket = start(pool, &t, TASK_SLICES);
        assert_int_equal(sealane_pool_wait(pool, ticket), t.error);
        for (unsigned i = 0; i < TASK_SLICES; i++)
            assert_int_equal(t.at[i] != 0, i <= at);
    }
    sealane_pool_free(pool);
}

/* Of a failure and a cancellation the failure is told; of the failures, the first. */
static void the_first_failure_is_told(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(1, 4);
    _Atomic unsigned clock = 0;
    struct task t;
    task_init(&t, &clock);
    t.stop_at = t.fail_at = 2;
    sealane_ticket ticket = start(pool, &t, 30);
    gate_await(&t.gate, 1);
    assert_int_equal(sealane_pool_cancel(pool, ticket), SEALANE_OK);
    gate_open(&t.gate);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_E_READ_FAILED);
    /* The next in its place does not inherit it. */
    task_init(&t, &clock);
    ticket = start(pool, &t, 30);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    sealane_pool_free(pool);
}

/* ---- Taking turns ---- */

struct caller {
    pthread_t thread;
    sealane_pool *pool;
    struct gate *start;
    unsigned requests, slices;
    struct task task[8];
    sealane_ticket ticket[8];
    pthread_barrier_t *submitted;
};

static void *call(void *argument)
{
    struct caller *c = argument;
    for (unsigned i = 0; i < c->requests; i++)
        c->ticket[i] = start(c->pool, &c->task[i], c->slices);
    pthread_barrier_wait(c->submitted);
    for (unsigned i = 0; i < c->requests; i++)
        if (sealane_pool_wait(c->pool, c->ticket[i]))
            c->requests = 0;
    return NULL;
}

static unsigned last_of(const struct task *t)
{
    unsigned last = 0;
    for (unsigned i = 0; i < TASK_SLICES; i++)
        last = t->at[i] > last ? t->at[i] : last;
    return last;
}

/* One worker is held until `heavy` callers have queued eight long requests each, and then one caller a short one. */
static void check_turns(unsigned heavy)
{
    static struct caller callers[20], late;
    struct held held = HELD_NONE;
    _Atomic unsigned clock = 0;
    pthread_barrier_t submitted, late_submitted;
    sealane_pool *pool = make_pool(1, 256);
    hold_workers(pool, &held);
    pthread_barrier_init(&submitted, NULL, heavy + 1);
    pthread_barrier_init(&late_submitted, NULL, 2);
    for (unsigned i = 0; i <= heavy; i++) {
        struct caller *c = i < heavy ? &callers[i] : &late;
        *c = (struct caller){.pool = pool, .requests = i < heavy ? 8 : 1, .slices = i < heavy ? TASK_SLICES : 4};
        c->submitted = i < heavy ? &submitted : &late_submitted;
        for (unsigned k = 0; k < c->requests; k++)
            task_init(&c->task[k], &clock);
        if (i == heavy)
            pthread_barrier_wait(&submitted);
        assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
    }
    pthread_barrier_wait(&late_submitted);
    release_workers(pool, &held);
    for (unsigned i = 0; i < heavy; i++)
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
    assert_int_equal(pthread_join(late.thread, NULL), 0);
    assert_int_equal(late.requests, 1);
    for (unsigned i = 0; i < heavy; i++) {
        assert_int_equal(callers[i].requests, 8);
        for (unsigned k = 0; k < 8; k++)
            assert_int_equal(callers[i].task[k].done, TASK_SLICES);
        /* Before any caller has his first request's 64 slices, the short one's four are done. */
        if (heavy < SL_POOL_LANES - 1)
            assert_true(last_of(&late.task[0]) < last_of(&callers[i].task[0]));
        /* And nobody gets his second request done before everybody's first is. */
        for (unsigned k = 0; k < heavy && heavy < SL_POOL_LANES; k++)
            assert_true(last_of(&callers[i].task[1]) > last_of(&callers[k].task[0]));
    }
    pthread_barrier_destroy(&submitted);
    pthread_barrier_destroy(&late_submitted);
    sealane_pool_free(pool);
}

static void callers_take_turns(void **state)
{
    (void)state;
    check_turns(1);
    check_turns(2);
    check_turns(SL_POOL_LANES - 2); /* one is the gates' */
}

/* Then some share; all of it is done. */
static void more_callers_than_lanes(void **state)
{
    (void)state;
    check_turns(SL_POOL_LANES + 4);
}

/* A lane that its caller no longer uses is another's: here each thread is a new caller. */
static void lanes_are_given_back(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(1, 8);
    for (unsigned i = 0; i < 3 * SL_POOL_LANES; i++) {
        static struct caller c;
        _Atomic unsigned clock = 0;
        pthread_barrier_t alone;
        pthread_barrier_init(&alone, NULL, 1);
        c = (struct caller){.pool = pool, .requests = 2, .slices = 3, .submitted = &alone};
        task_init(&c.task[0], &clock);
        task_init(&c.task[1], &clock);
        assert_int_equal(pthread_create(&c.thread, NULL, call, &c), 0);
        assert_int_equal(pthread_join(c.thread, NULL), 0);
        assert_int_equal(c.requests, 2);
        pthread_barrier_destroy(&alone);
    }
    for (unsigned i = 0; i < SL_POOL_LANES; i++)
        assert_int_equal(pool->lane[i].requests, 0);
    assert_int_equal(pool->queue[0].waiting, 0); /* or workers would look for what is not there */
    sealane_pool_free(pool);
}

/* ---- The pool's end ---- */

static void freeing_completes_what_is_in_flight(void **state)
{
    (void)state;
    enum { COUNT = 10, LEN = 3 << 20 };
    uint8_t *data = calloc(COUNT, LEN), *expected = calloc(1, LEN);
    assert_true(data && expected);
    sealane_ctr_xor(keyed.key, keyed.iv, 0, expected, expected, LEN);
    for (unsigned round = 0; round < (test_reduced() ? 3u : 20u); round++) {
        memset(data, 0, (size_t)COUNT * LEN);
        sealane_pool *pool = make_pool(round % 2, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            uint8_t *at = data + (size_t)i * LEN;
            struct sealane_record record = {keyed.key, keyed.iv, 0, at, at, LEN};
            sealane_ticket ticket;
            assert_int_equal(sealane_pool_submit(pool, &record, &ticket), SEALANE_OK);
        }
        sealane_pool_free(pool);
        for (unsigned i = 0; i < COUNT; i++)
            assert_memory_equal(data + (size_t)i * LEN, expected, LEN);
    }
    sealane_pool_free(NULL);
    free(data);
    free(expected);
}

/* ---- A waiting thread that is cancelled ---- */

struct waiter {
    sealane_pool *pool;
    sealane_ticket ticket;
    struct gate begun;
};

static void *wait_for(void *argument)
{
    struct waiter *w = argument;
    w->begun.open = true;
    gate_pass(&w->begun);
    if (sealane_pool_wait(w->pool, w->ticket))
        return w;
    for (;;) {
        pthread_testcancel();
        sched_yield();
    }
    return NULL;
}

static void a_cancelled_thread_leaves_the_pool_in_order(void **state)
{
    (void)state;
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(1, 8);
    struct waiter w = {.pool = pool, .begun = GATE_CLOSED};
    static uint8_t data[2 << 20];
    hold_workers(pool, &held);
    struct sealane_record record = {keyed.key, keyed.iv, 0, data, data, sizeof data};
    assert_int_equal(sealane_pool_submit(pool, &record, &w.ticket), SEALANE_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for, &w), 0);
    gate_await(&w.begun, 1);
    assert_int_equal(pthread_cancel(thread), 0);
    release_workers(pool, &held);
    void *result;
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(sealane_pool_wait(pool, w.ticket), SEALANE_E_ARGUMENT); /* the thread did */
    assert_int_equal(sealane_pool_ctr_xor(pool, keyed.key, keyed.iv, 0, data, data, sizeof data), SEALANE_OK);
    sealane_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelled_before_it_began_nothing_is_done),
        cmocka_unit_test(cancelled_amid_the_rest_is_left_out),
        cmocka_unit_test(cancelled_after_its_end_it_is_complete),
        cmocka_unit_test(cancelled_at_any_time_slices_are_whole),
        cmocka_unit_test(a_failure_reaches_the_caller),
        cmocka_unit_test(the_first_failure_is_told),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(more_callers_than_lanes),
        cmocka_unit_test(lanes_are_given_back),
        cmocka_unit_test(freeing_completes_what_is_in_flight),
        cmocka_unit_test(a_cancelled_thread_leaves_the_pool_in_order),
    };
    return cmocka_run_group_tests(tests, pooling_set_up, pooling_tear_down);
}
