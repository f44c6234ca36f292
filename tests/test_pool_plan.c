/* Plans for machines that hwloc makes up. */
#define _GNU_SOURCE
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <hwloc.h>
#include <hwloc/cpukinds.h>
#include <hwloc/distances.h>

#include "engine/pool/plan.h"

static hwloc_topology_t invent(const char *description)
{
    hwloc_topology_t machine;
    assert_int_equal(hwloc_topology_init(&machine), 0);
    assert_int_equal(hwloc_topology_set_synthetic(machine, description), 0);
    assert_int_equal(hwloc_topology_load(machine), 0);
    return machine;
}

static hwloc_bitmap_t cpus_of(const char *list)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    assert_non_null(set);
    assert_int_equal(hwloc_bitmap_list_sscanf(set, list), 0);
    return set;
}

static unsigned node_count(hwloc_topology_t machine)
{
    return (unsigned)hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_NUMANODE);
}

/* The node with the fewest CPUs that has this one; -1: none. */
static int nearest_node(hwloc_topology_t machine, unsigned cpu)
{
    int best = -1, fewest = INT_MAX;
    for (unsigned i = 0; i < node_count(machine); i++) {
        hwloc_obj_t node = hwloc_get_obj_by_type(machine, HWLOC_OBJ_NUMANODE, i);
        if (hwloc_bitmap_isset(node->cpuset, cpu) && hwloc_bitmap_weight(node->cpuset) < fewest) {
            fewest = hwloc_bitmap_weight(node->cpuset);
            best = (int)node->os_index;
        }
    }
    return best;
}

/* Each usable CPU has one worker, with its own core and node; all cores come before the first sibling. */
static void check_workers(hwloc_topology_t machine, hwloc_const_bitmap_t usable, const struct sl_plan *plan)
{
    hwloc_bitmap_t seen = hwloc_bitmap_alloc(), cores = hwloc_bitmap_alloc();
    assert_int_equal(plan->worker_count, hwloc_bitmap_weight(usable));
    for (unsigned i = 0; i < plan->worker_count; i++) {
        const struct sl_plan_worker *w = &plan->worker[i];
        assert_true(hwloc_bitmap_isset(usable, w->cpu));
        assert_false(hwloc_bitmap_isset(seen, w->cpu));
        hwloc_bitmap_set(seen, w->cpu);
        hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(machine, w->cpu);
        assert_non_null(pu);
        assert_int_equal(w->core, hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_CORE, pu)->logical_index);
        assert_int_equal(w->sibling, hwloc_bitmap_isset(cores, w->core));
        assert_int_equal(w->sibling, i >= plan->cores);
        hwloc_bitmap_set(cores, w->core);
        assert_int_equal(w->node, nearest_node(machine, w->cpu));
    }
    assert_int_equal(plan->cores, hwloc_bitmap_weight(cores));
    hwloc_bitmap_free(seen);
    hwloc_bitmap_free(cores);
}

static void check_queues(hwloc_topology_t machine, const struct sl_plan *plan)
{
    const unsigned nodes = node_count(machine);
    assert_int_equal(plan->queue_count, nodes < SL_PLAN_QUEUES_MAX ? nodes : SL_PLAN_QUEUES_MAX);
    unsigned known = 0;
    for (unsigned n = 0; n < SL_PLAN_NODES_MAX; n++) {
        if (plan->queue_of_node[n] == UINT8_MAX)
            continue;
        known++;
        assert_in_range(plan->queue_of_node[n], 0, plan->queue_count - 1);
        assert_int_equal(plan->node_of_queue[plan->queue_of_node[n]], n);
    }
    assert_int_equal(known, plan->queue_count);
    for (unsigned i = 0; i < plan->worker_count; i++) {
        const struct sl_plan_worker *w = &plan->worker[i];
        uint64_t seen = 0;
        for (unsigned q = 0; q < plan->queue_count; q++) {
            assert_in_range(w->queue[q], 0, plan->queue_count - 1);
            seen |= UINT64_C(1) << w->queue[q];
        }
        assert_true(seen == UINT64_MAX >> (64 - plan->queue_count));
        if (w->node >= 0 && plan->queue_of_node[w->node] != UINT8_MAX)
            assert_int_equal(plan->node_of_queue[w->queue[0]], w->node);
    }
}

/* Among any first so many cores no node has two more than another, unless that one has no more. */
static void check_turns(const struct sl_plan *plan)
{
    for (unsigned i = 0; i < plan->cores; i++) {
        unsigned had = 0; /* by this one's node, before */
        for (unsigned k = 0; k < i; k++)
            had += plan->worker[k].node == plan->worker[i].node;
        for (unsigned k = i + 1; k < plan->cores; k++) {
            unsigned others = 0;
            for (unsigned j = 0; j < i; j++)
                others += plan->worker[j].node == plan->worker[k].node;
            assert_in_range(had, 0, others);
        }
    }
}

static struct sl_plan *plan_for(hwloc_topology_t machine, hwloc_const_bitmap_t usable)
{
    struct sl_plan *plan;
    assert_int_equal(sl_plan_create(&plan, machine, usable), SEALANE_OK);
    check_workers(machine, usable, plan);
    check_queues(machine, plan);
    return plan;
}

static struct sl_plan *plan_for_all(hwloc_topology_t machine)
{
    return plan_for(machine, hwloc_topology_get_allowed_cpuset(machine));
}

static void check_cpus(const struct sl_plan *plan, unsigned count, const unsigned *cpus)
{
    assert_int_equal(plan->worker_count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(plan->worker[i].cpu, cpus[i]);
}
#define CHECK_CPUS(plan, ...)                                                                                          \
    check_cpus(plan, sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned), (unsigned[]){__VA_ARGS__})

/* The system's numbers of the nodes in the order in which the worker on a CPU turns to them. */
static void check_order(const struct sl_plan *plan, unsigned cpu, unsigned count, const int *nodes)
{
    unsigned found = 0;
    assert_int_equal(plan->queue_count, count);
    for (unsigned i = 0; i < plan->worker_count; i++) {
        if (plan->worker[i].cpu != cpu)
            continue;
        found++;
        for (unsigned q = 0; q < count; q++)
            assert_int_equal(plan->node_of_queue[plan->worker[i].queue[q]], nodes[q]);
    }
    assert_int_equal(found, 1);
}
#define CHECK_ORDER(plan, cpu, ...)                                                                                    \
    check_order(plan, cpu, sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__})

static void set_distances(hwloc_topology_t machine, unsigned count, hwloc_uint64_t *values)
{
#if HWLOC_API_VERSION >= 0x00020500
    hwloc_obj_t nodes[8];
    for (unsigned i = 0; i < count; i++)
        nodes[i] = hwloc_get_obj_by_type(machine, HWLOC_OBJ_NUMANODE, i);
    hwloc_distances_add_handle_t handle = hwloc_distances_add_create(
        machine, "of the test", HWLOC_DISTANCES_KIND_FROM_USER | HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0);
    assert_non_null(handle);
    assert_int_equal(hwloc_distances_add_values(machine, handle, count, nodes, values, 0), 0);
    assert_int_equal(hwloc_distances_add_commit(machine, handle, 0), 0);
#else
    (void)machine, (void)count, (void)values;
    print_message("skipped: this hwloc cannot be told distances in this manner\n");
    skip();
#endif
}

static void one_to_eight_nodes(void **state)
{
    (void)state;
    unsigned plans = 0;
    for (unsigned nodes = 1; nodes <= 8; nodes++) {
        for (unsigned cores = 1; cores <= 5; cores++) {
            for (unsigned threads = 1; threads <= 4; threads *= 2) {
                char text[64];
                snprintf(text, sizeof text, "numa:%u core:%u pu:%u", nodes, cores, threads);
                hwloc_topology_t machine = invent(text);
                struct sl_plan *plan = plan_for_all(machine);
                assert_int_equal(plan->cores, nodes * cores);
                assert_int_equal(plan->worker_count, nodes * cores * threads);
                check_turns(plan);
                sl_plan_free(plan);
                hwloc_topology_destroy(machine);
                plans++;
            }
        }
    }
    print_message("%u machines planned for\n", plans);
}

static void nodes_take_turns_and_siblings_come_last(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:2 core:3 pu:2");
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_CPUS(plan, 0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11);
    sl_plan_free(plan);

    /* Node 1 has one usable core only, of which the first hardware thread is not usable. */
    hwloc_bitmap_t usable = cpus_of("0-5,9");
    plan = plan_for(machine, usable);
    CHECK_CPUS(plan, 0, 9, 2, 4, 1, 3, 5);
    check_turns(plan);
    sl_plan_free(plan);
    hwloc_bitmap_free(usable);
    hwloc_topology_destroy(machine);
}

static void four_threads_per_core(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:1 core:2 pu:4");
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_CPUS(plan, 0, 4, 1, 5, 2, 6, 3, 7);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
}

static void faster_cores_come_first(void **state)
{
    (void)state;
    /* Two fast cores with two threads each, two slow ones with one. */
    hwloc_topology_t machine = invent("numa:1 core:4 pu:2");
    hwloc_bitmap_t slow = cpus_of("0-3"), fast = cpus_of("4-7"), usable = cpus_of("0,2,4-7");
    assert_int_equal(hwloc_cpukinds_register(machine, slow, 1, 0, NULL, 0), 0);
    assert_int_equal(hwloc_cpukinds_register(machine, fast, 5, 0, NULL, 0), 0);
    struct sl_plan *plan = plan_for(machine, usable);
    CHECK_CPUS(plan, 4, 6, 0, 2, 5, 7);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);

    /* On two nodes the fast cores of all nodes come first. */
    machine = invent("numa:2 core:4 pu:1");
    hwloc_bitmap_list_sscanf(slow, "0-1,4-5");
    hwloc_bitmap_list_sscanf(fast, "2-3,6-7");
    assert_int_equal(hwloc_cpukinds_register(machine, slow, 1, 0, NULL, 0), 0);
    assert_int_equal(hwloc_cpukinds_register(machine, fast, 5, 0, NULL, 0), 0);
    plan = plan_for_all(machine);
    CHECK_CPUS(plan, 2, 6, 3, 7, 0, 4, 1, 5);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);

    hwloc_bitmap_free(slow);
    hwloc_bitmap_free(fast);
    hwloc_bitmap_free(usable);
}

/* Kinds that nobody can rank are no reason for an order. */
static void unranked_kinds_are_one(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:1 core:4 pu:1");
    hwloc_bitmap_t some = cpus_of("0-1"), others = cpus_of("2-3");
    assert_int_equal(hwloc_cpukinds_register(machine, some, -1, 0, NULL, 0), 0);
    char name[] = "Colour", value[] = "red";
    struct hwloc_info_s info = {name, value};
    assert_int_equal(hwloc_cpukinds_register(machine, others, -1, 1, &info, 0), 0);
    assert_int_equal(hwloc_cpukinds_get_nr(machine, 0), 2);
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_CPUS(plan, 0, 1, 2, 3);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
    hwloc_bitmap_free(some);
    hwloc_bitmap_free(others);
}

static void memory_of_all_and_memory_of_one(void **state)
{
    (void)state;
    /* A node beside the whole machine and one in each package: the packages' are nearer. */
    hwloc_topology_t machine = invent("[numa] pack:2 [numa] core:2 pu:1");
    assert_int_equal(node_count(machine), 3);
    struct sl_plan *plan = plan_for_all(machine);
    assert_int_equal(plan->worker_count, 4);
    int of_machine = (int)hwloc_get_root_obj(machine)->memory_first_child->os_index;
    for (unsigned i = 0; i < 4; i++)
        assert_int_not_equal(plan->worker[i].node, of_machine);
    check_turns(plan);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
}

/* Its memory has a queue, which all workers empty. */
static void a_node_without_processors(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:3 core:2 pu:1");
    hwloc_bitmap_t left = cpus_of("0-1,4-5");
    hwloc_uint64_t values[] = {10, 20, 30, 20, 10, 20, 30, 20, 10};
    set_distances(machine, 3, values);
    assert_int_equal(hwloc_topology_restrict(machine, left, 0), 0);
    assert_int_equal(node_count(machine), 3);
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_CPUS(plan, 0, 4, 1, 5);
    CHECK_ORDER(plan, 0, 0, 1, 2);
    CHECK_ORDER(plan, 4, 2, 1, 0);
    assert_int_not_equal(plan->queue_of_node[1], UINT8_MAX);
    sl_plan_free(plan);
    hwloc_bitmap_free(left);
    hwloc_topology_destroy(machine);
}

static void a_node_without_memory(void **state)
{
    (void)state;
    /* One that says so... */
    hwloc_topology_t machine = invent("numa:2(memory=0) core:2 pu:1");
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_CPUS(plan, 0, 2, 1, 3);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);

    /* ...and one that is not there, whose processors are. */
    machine = invent("numa:2 core:2 pu:1");
    hwloc_bitmap_t left = cpus_of("1");
    assert_int_equal(hwloc_topology_restrict(machine, left, HWLOC_RESTRICT_FLAG_BYNODESET), 0);
    plan = plan_for_all(machine);
    assert_int_equal(plan->worker_count, 4);
    assert_int_equal(plan->queue_count, 1);
    unsigned without = 0;
    for (unsigned i = 0; i < 4; i++)
        without += plan->worker[i].node == -1;
    assert_int_equal(without, 2);
    assert_int_equal(plan->queue_of_node[0], UINT8_MAX);
    assert_int_equal(plan->queue_of_node[1], 0);
    sl_plan_free(plan);
    hwloc_bitmap_free(left);
    hwloc_topology_destroy(machine);
}

static void a_cpuset_of_one(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:4 core:4 pu:2");
    for (unsigned cpu = 0; cpu < 32; cpu++) {
        hwloc_bitmap_t one = hwloc_bitmap_alloc();
        hwloc_bitmap_only(one, cpu);
        struct sl_plan *plan = plan_for(machine, one);
        CHECK_CPUS(plan, cpu);
        assert_int_equal(plan->cores, 1);
        assert_int_equal(plan->worker[0].node, cpu / 8);
        sl_plan_free(plan);
        hwloc_bitmap_free(one);
    }
    hwloc_topology_destroy(machine);
}

static void nothing_usable_is_an_error(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:2 core:2 pu:1");
    hwloc_bitmap_t usable = hwloc_bitmap_alloc();
    struct sl_plan *plan = (struct sl_plan *)state;
    assert_int_equal(sl_plan_create(&plan, machine, usable), SEALANE_E_IO);
    assert_null(plan);
    hwloc_bitmap_set_range(usable, 100, 120); /* which the machine does not have */
    assert_int_equal(sl_plan_create(&plan, machine, usable), SEALANE_E_IO);
    assert_null(plan);
    sl_plan_free(NULL);
    hwloc_bitmap_free(usable);
    hwloc_topology_destroy(machine);
}

static void near_nodes_come_before_far_ones(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:4 core:1 pu:1");
    /* Pairs 0-2 and 1-3 are close; 0 is nearer to 3 than to 1, which is not so from 3. */
    hwloc_uint64_t values[] = {10, 32, 12, 31, 32, 10, 31, 12, 12, 31, 10, 32, 32, 12, 31, 10};
    set_distances(machine, 4, values);
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_ORDER(plan, 0, 0, 2, 3, 1);
    CHECK_ORDER(plan, 1, 1, 3, 2, 0);
    CHECK_ORDER(plan, 2, 2, 0, 1, 3);
    CHECK_ORDER(plan, 3, 3, 1, 2, 0);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
}

/* Or else the workers of all nodes would help the first one first. */
static void equally_far_nodes_come_in_turn(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:4 core:1 pu:1");
    hwloc_uint64_t values[] = {10, 20, 20, 20, 20, 10, 20, 20, 20, 20, 10, 20, 20, 20, 20, 10};
    set_distances(machine, 4, values);
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_ORDER(plan, 0, 0, 1, 2, 3);
    CHECK_ORDER(plan, 1, 1, 2, 3, 0);
    CHECK_ORDER(plan, 2, 2, 3, 0, 1);
    CHECK_ORDER(plan, 3, 3, 0, 1, 2);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
}

/* Some firmware says that a node is farther from itself than from another: own work comes first all the same. */
static void the_own_node_is_first_whatever_the_distances(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:2 core:1 pu:1");
    hwloc_uint64_t values[] = {20, 10, 10, 20};
    set_distances(machine, 2, values);
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_ORDER(plan, 0, 0, 1);
    CHECK_ORDER(plan, 1, 1, 0);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
}

static void more_nodes_than_queues(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:70 core:2 pu:1");
    struct sl_plan *plan = plan_for_all(machine);
    assert_int_equal(plan->queue_count, SL_PLAN_QUEUES_MAX);
    assert_int_equal(plan->queue_of_node[69], UINT8_MAX);
    unsigned beyond = 0;
    for (unsigned i = 0; i < plan->worker_count; i++) {
        const struct sl_plan_worker *w = &plan->worker[i];
        if (w->node < SL_PLAN_QUEUES_MAX)
            continue;
        beyond++;
        assert_int_equal(plan->node_of_queue[w->queue[0]], SL_PLAN_QUEUES_MAX - 1); /* the nearest that has one */
    }
    assert_int_equal(beyond, 12);
    check_turns(plan);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
}

/* The system numbers hardware threads and nodes as it likes. */
static void numbers_of_the_system_are_kept(void **state)
{
    (void)state;
    hwloc_topology_t machine = invent("numa:2(indexes=5,3) core:2 pu:2(indexes=8,24,9,25,0,16,1,17)");
    struct sl_plan *plan = plan_for_all(machine);
    CHECK_CPUS(plan, 0, 8, 1, 9, 16, 24, 17, 25);
    assert_int_equal(plan->worker[0].node, 3);
    assert_int_equal(plan->worker[1].node, 5);
    CHECK_ORDER(plan, 8, 5, 3);
    CHECK_ORDER(plan, 17, 3, 5);
    sl_plan_free(plan);
    hwloc_topology_destroy(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_to_eight_nodes),
        cmocka_unit_test(nodes_take_turns_and_siblings_come_last),
        cmocka_unit_test(four_threads_per_core),
        cmocka_unit_test(faster_cores_come_first),
        cmocka_unit_test(unranked_kinds_are_one),
        cmocka_unit_test(memory_of_all_and_memory_of_one),
        cmocka_unit_test(a_node_without_processors),
        cmocka_unit_test(a_node_without_memory),
        cmocka_unit_test(a_cpuset_of_one),
        cmocka_unit_test(nothing_usable_is_an_error),
        cmocka_unit_test(near_nodes_come_before_far_ones),
        cmocka_unit_test(equally_far_nodes_come_in_turn),
        cmocka_unit_test(the_own_node_is_first_whatever_the_distances),
        cmocka_unit_test(more_nodes_than_queues),
        cmocka_unit_test(numbers_of_the_system_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
