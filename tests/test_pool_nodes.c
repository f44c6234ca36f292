/* Queues of several nodes, with a made-up plan: the workers are real, and where memory lies is as if unknown, so that
 * the regions of a task go to the queues in turn. */
#define _GNU_SOURCE
#include "tests/pooling.h"

#include <stdio.h>

POOLING_SANITIZER_OPTIONS

enum { REGION_SLICES = SL_POOL_REGION_LEN / SL_POOL_SLICE_LEN, SLICES_MAX = 64 * REGION_SLICES };

static sealane_pool *make_pool_for(const char *machine, unsigned threads)
{
    hwloc_topology_t invented;
    struct sl_plan *plan;
    sealane_pool *pool;
    const struct sealane_pool_options options = {sizeof options, threads, 64};
    assert_int_equal(hwloc_topology_init(&invented), 0);
    assert_int_equal(hwloc_topology_set_synthetic(invented, machine), 0);
    assert_int_equal(hwloc_topology_load(invented), 0);
    assert_int_equal(sl_plan_create(&plan, invented, hwloc_topology_get_allowed_cpuset(invented)), SEALANE_OK);
    hwloc_topology_destroy(invented);
    assert_int_equal(sl_pool_create(&pool, plan, &options), SEALANE_OK);
    return pool;
}

/* A worker holds each slice until the test lets one go. */
struct steps {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned order[SLICES_MAX]; /* of slices, as they began */
    unsigned begun;
    unsigned allowed;
};
#define STEPS_NONE                                                                                                     \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0                                                 \
    }

static enum sealane_error task_step(void *context, uint64_t from, size_t len)
{
    struct steps *s = context;
    (void)len;
    pthread_mutex_lock(&s->lock);
    s->order[s->begun++] = (unsigned)(from / SLICE);
    pthread_cond_broadcast(&s->moved);
    while (s->allowed < s->begun)
        pthread_cond_wait(&s->moved, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return SEALANE_OK;
}

static void let(struct steps *s, unsigned allowed)
{
    pthread_mutex_lock(&s->lock);
    s->allowed = allowed;
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

static sealane_ticket start(sealane_pool *pool, struct steps *s, unsigned slices)
{
    sealane_ticket ticket;
    assert_int_equal(sl_pool_submit(pool, task_step, s, NULL, slices * SLICE, &ticket), SEALANE_OK);
    return ticket;
}

static unsigned queue_of(unsigned slice, unsigned queues)
{
    return slice / REGION_SLICES % queues;
}

static void a_worker_empties_its_own_queue_first(void **state)
{
    (void)state;
    static const unsigned sizes[] = {1, 7, 8, 9, 16, 17, 100, 200};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct steps steps = STEPS_NONE;
        sealane_pool *pool = make_pool_for("numa:4 core:1 pu:1", 1);
        assert_int_equal(sealane_pool_workers(pool), 1);
        let(&steps, UINT32_MAX);
        assert_int_equal(sealane_pool_wait(pool, start(pool, &steps, sizes[i])), SEALANE_OK);
        assert_int_equal(steps.begun, sizes[i]);
        /* By distance: its node's, then those of 1, 2 and 3. */
        unsigned own = 0;
        for (unsigned k = 0; k < sizes[i]; k++) {
            own += queue_of(steps.order[k], 4) == 0;
            if (k > 0)
                assert_in_range(queue_of(steps.order[k - 1], 4), 0, queue_of(steps.order[k], 4));
        }
        struct sealane_worker_info info;
        assert_int_equal(sealane_pool_worker(pool, 0, &info), SEALANE_OK);
        assert_int_equal(info.slices, own);
        assert_int_equal(info.stolen, sizes[i] - own);
        sealane_pool_free(pool);
    }
}

/* It asks its own queue before each piece of work: new work there comes before more of others'. */
/* What lies nowhere yet goes to the queues in turn, from one request to the next. */
static void unknown_places_take_turns(void **state)
{
    (void)state;
    struct sealane_worker_info info;
    sealane_pool *pool = make_pool_for("numa:2 core:1 pu:1", 1);
    for (unsigned i = 0; i < 10; i++) {
        struct steps one = STEPS_NONE;
        let(&one, 1);
        assert_int_equal(sealane_pool_wait(pool, start(pool, &one, 1)), SEALANE_OK);
    }
    assert_int_equal(sealane_pool_worker(pool, 0, &info), SEALANE_OK);
    assert_int_equal(info.slices, 5);
    assert_int_equal(info.stolen, 5);
    sealane_pool_free(pool);
}

static void own_work_comes_before_more_of_others(void **state)
{
    (void)state;
    struct steps first = STEPS_NONE, second = STEPS_NONE;
    sealane_pool *pool = make_pool_for("numa:2 core:1 pu:1", 1);
    sealane_ticket a = start(pool, &first, 16 * REGION_SLICES);
    const unsigned own = 8 * REGION_SLICES;
    let(&first, own + 3); /* it is at the fourth slice of the other node's */
    pthread_mutex_lock(&first.lock);
    while (first.begun < own + 4)
        pthread_cond_wait(&first.moved, &first.lock);
    pthread_mutex_unlock(&first.lock);
    sealane_ticket b = start(pool, &second, 1); /* a task's first region goes to the first queue */
    let(&first, own + 2 * REGION_SLICES);       /* what it had taken at once is less */
    pthread_mutex_lock(&second.lock);
    while (second.begun < 1)
        pthread_cond_wait(&second.moved, &second.lock);
    pthread_mutex_unlock(&second.lock);
    let(&second, 1);
    let(&first, UINT32_MAX);
    assert_int_equal(sealane_pool_wait(pool, b), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, a), SEALANE_OK);
    sealane_pool_free(pool);
}

/* The workers of both nodes at once; each begins with its own. */
static void each_node_begins_with_its_own(void **state)
{
    (void)state;
    struct steps steps = STEPS_NONE;
    sealane_pool *pool = make_pool_for("numa:2 core:1 pu:1", 2);
    sealane_ticket ticket = start(pool, &steps, 4 * REGION_SLICES);
    pthread_mutex_lock(&steps.lock);
    while (steps.begun < 2)
        pthread_cond_wait(&steps.moved, &steps.lock);
    pthread_mutex_unlock(&steps.lock);
    assert_int_not_equal(queue_of(steps.order[0], 2), queue_of(steps.order[1], 2));
    let(&steps, UINT32_MAX);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    uint64_t all = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct sealane_worker_info info;
        assert_int_equal(sealane_pool_worker(pool, i, &info), SEALANE_OK);
        assert_int_equal(info.plan.node, i);
        assert_true(info.slices > 0);
        all += info.slices + info.stolen;
    }
    assert_int_equal(all, 4 * REGION_SLICES);
    sealane_pool_free(pool);
}

/* One node's worker is held; the other's does all, woken for work that is not its own. */
static void idle_workers_help(void **state)
{
    (void)state;
    struct steps held = STEPS_NONE, steps = STEPS_NONE;
    sealane_pool *pool = make_pool_for("numa:2 core:1 pu:1", 2);
    sealane_ticket first = start(pool, &held, 1);
    pthread_mutex_lock(&held.lock);
    while (held.begun < 1)
        pthread_cond_wait(&held.moved, &held.lock);
    pthread_mutex_unlock(&held.lock);
    let(&steps, UINT32_MAX);
    /* The first worker to be free is anyone's: what all this says is that none of it waits for the one that is held. */
    for (unsigned slices = 1; slices < 40; slices += 6) {
        steps.begun = 0;
        assert_int_equal(sealane_pool_wait(pool, start(pool, &steps, slices)), SEALANE_OK);
        assert_int_equal(steps.begun, slices);
    }
    let(&held, 1);
    assert_int_equal(sealane_pool_wait(pool, first), SEALANE_OK);
    sealane_pool_free(pool);
}

/* Nodes without workers, and workers without a node. */
static void nodes_without_workers(void **state)
{
    (void)state;
    static const char *const machines[] = {"numa:8 core:1 pu:1", "numa:64 core:1 pu:1", "numa:70 core:1 pu:1"};
    for (unsigned i = 0; i < 3; i++) {
        struct steps steps = STEPS_NONE;
        let(&steps, UINT32_MAX);
        for (unsigned threads = 1; threads <= 3; threads++) {
            sealane_pool *pool = make_pool_for(machines[i], threads);
            for (unsigned slices = 1; slices < SLICES_MAX; slices = slices * 2 + 5) {
                steps.begun = 0;
                assert_int_equal(sealane_pool_wait(pool, start(pool, &steps, slices)), SEALANE_OK);
                assert_int_equal(steps.begun, slices);
            }
            sealane_pool_free(pool);
        }
    }
}

/* A caller works in place of a worker of the node where he runs. */
static void callers_stay_on_their_node(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    if (!CPU_ISSET(0, &before) || !CPU_ISSET(1, &before)) {
        print_message("skipped: this process may not use the CPUs 0 and 1\n");
        skip();
    }
    sealane_pool *pool = make_pool_for("numa:2 core:1 pu:1", 1);
    for (bool asleep = false; !asleep;) {
        sched_yield();
        pthread_mutex_lock(&pool->sleeping);
        asleep = pool->worker[0].asleep;
        pthread_mutex_unlock(&pool->sleeping);
    }
    for (int cpu = 0; cpu < 2; cpu++) {
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
        struct sl_worker *w = sl_worker_borrow(pool);
        assert_ptr_equal(w, cpu == 0 ? &pool->worker[0] : NULL);
        if (w)
            sl_worker_give_back(w);
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    sealane_pool_free(pool);
}

static void bytes_are_right_on_many_queues(void **state)
{
    (void)state;
    struct test_random random = test_random_for("nodes");
    keyed = make_key(&random);
    for (unsigned nodes = 2; nodes <= 5; nodes++) {
        char machine[32];
        snprintf(machine, sizeof machine, "numa:%u core:1 pu:1", nodes);
        sealane_pool *pool = make_pool_for(machine, 2);
        assert_true(works(pool, &keyed));
        sealane_pool_free(pool);
    }
    free_key(&keyed);
}

/* The plan's nodes are not this machine's: a resize cannot take over what is queued by them. */
static void other_nodes_need_another_pool(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool_for("numa:3 core:1 pu:1", 1);
    struct steps steps = STEPS_NONE;
    let(&steps, UINT32_MAX);
    assert_int_equal(sealane_pool_resize(pool, 1), SEALANE_E_IO);
    assert_int_equal(sealane_pool_wait(pool, start(pool, &steps, 30)), SEALANE_OK);
    sealane_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_empties_its_own_queue_first),
        cmocka_unit_test(unknown_places_take_turns),
        cmocka_unit_test(own_work_comes_before_more_of_others),
        cmocka_unit_test(each_node_begins_with_its_own),
        cmocka_unit_test(idle_workers_help),
        cmocka_unit_test(nodes_without_workers),
        cmocka_unit_test(bytes_are_right_on_many_queues),
        cmocka_unit_test(other_nodes_need_another_pool),
        cmocka_unit_test(callers_stay_on_their_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
