#include "engine/pool/plan.h"

#include <stdlib.h>
#include <string.h>

#include <hwloc/cpukinds.h>
#include <hwloc/distances.h>

#include "engine/pool/machine.h"

/* A NUMA node while planning. */
struct node {
    hwloc_obj_t object;
    hwloc_bitmap_t local; /* usable hardware threads of its own */
};

struct nodes {
    unsigned count;
    struct node *node;
    struct hwloc_distances_s *distances; /* NULL: unknown */
};

/* A usable hardware thread while planning. */
struct candidate {
    unsigned cpu;
    unsigned core;
    unsigned sibling; /* 0: the first of its core */
    int slowness;     /* 0: the fastest kind of core */
    int node;         /* index; -1: none */
    unsigned turn;    /* among those of its node that come equally early */
};

static void nodes_free(hwloc_topology_t machine, struct nodes *nodes)
{
    for (unsigned i = 0; nodes->node && i < nodes->count; i++)
        hwloc_bitmap_free(nodes->node[i].local);
    free(nodes->node);
    if (nodes->distances)
        hwloc_distances_release(machine, nodes->distances);
}

static enum sealane_error find_nodes(hwloc_topology_t machine, hwloc_const_bitmap_t usable, struct nodes *nodes)
{
    int count = hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_NUMANODE);
    *nodes = (struct nodes){.count = count > 0 ? (unsigned)count : 0};
    nodes->node = calloc(nodes->count + 1, sizeof nodes->node[0]);
    if (!nodes->node)
        return SEALANE_E_NO_MEMORY;
    hwloc_obj_t object = NULL;
    for (unsigned i = 0; i < nodes->count; i++) {
        struct node *n = &nodes->node[i];
        object = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_NUMANODE, object);
        n->object = object;
        n->local = hwloc_bitmap_alloc();
        if (!n->local || sl_machine_local(machine, object, n->local) || hwloc_bitmap_and(n->local, n->local, usable))
            return SEALANE_E_NO_MEMORY;
    }
    unsigned one = 1;
    if (hwloc_distances_get_by_type(machine, HWLOC_OBJ_NUMANODE, &one, &nodes->distances,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
        one == 0)
        nodes->distances = NULL;
    return SEALANE_OK;
}

/* How far apart two nodes are, in whatever unit the machine has. */
static uint64_t distance(const struct nodes *nodes, unsigned a, unsigned b)
{
    if (nodes->distances) {
        int x = hwloc_distances_obj_index(nodes->distances, nodes->node[a].object);
        int y = hwloc_distances_obj_index(nodes->distances, nodes->node[b].object);
        if (x >= 0 && y >= 0)
            return nodes->distances->values[(unsigned)x * nodes->distances->nbobjs + (unsigned)y];
    }
    return a > b ? a - b : b - a;
}

/* The node that a hardware thread is local to: of several (memory of two kinds, say) the one with the fewest others. */
static int node_of(const struct nodes *nodes, unsigned cpu)
{
    int best = -1;
    for (unsigned i = 0; i < nodes->count; i++)
        if (hwloc_bitmap_isset(nodes->node[i].local, cpu) &&
            (best < 0 || hwloc_bitmap_weight(nodes->node[i].local) < hwloc_bitmap_weight(nodes->node[best].local)))
            best = (int)i;
    return best;
}

/* 0 for the fastest kind of core.  Where hwloc cannot rank the kinds, it gives them in any order. */
static int slowness_of(hwloc_topology_t machine, hwloc_const_bitmap_t cpu)
{
    int efficiency = -1;
    int kinds = hwloc_cpukinds_get_nr(machine, 0);
    int kind = kinds > 1 ? hwloc_cpukinds_get_by_cpuset(machine, cpu, 0) : -1;
    if (kind < 0 || hwloc_cpukinds_get_info(machine, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0) != 0 ||
        efficiency < 0)
        return 0;
    return kinds - 1 - kind;
}

static int earlier(const struct candidate *a, const struct candidate *b)
{
    if (a->sibling != b->sibling)
        return a->sibling < b->sibling ? -1 : 1;
    if (a->slowness != b->slowness)
        return a->slowness < b->slowness ? -1 : 1;
    return 0;
}

static int by_node(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    int order = earlier(a, b);
    return order ? order : a->core < b->core ? -1 : a->core > b->core;
}

static int by_turn(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    int order = earlier(a, b);
    if (order)
        return order;
    if (a->turn != b->turn)
        return a->turn < b->turn ? -1 : 1;
    /* Without memory of its own, last. */
    unsigned x = (unsigned)a->node, y = (unsigned)b->node;
    return x < y ? -1 : x > y;
}

/* In the order of the plan.  Returns how many. */
static unsigned find_candidates(hwloc_topology_t machine, hwloc_const_bitmap_t usable, const struct nodes *nodes,
                                struct candidate *found, unsigned capacity)
{
    unsigned count = 0;
    for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_PU, pu)) && count < capacity;) {
        if (!hwloc_bitmap_isset(usable, pu->os_index))
            continue;
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_CORE, pu);
        struct candidate *c = &found[count++];
        *c = (struct candidate){.cpu = pu->os_index,
                                .core = core ? core->logical_index : pu->logical_index,
                                .slowness = slowness_of(machine, pu->cpuset),
                                .node = node_of(nodes, pu->os_index)};
        /* hwloc lists a core's hardware threads one after the other. */
        if (core && count > 1 && c[-1].core == c->core)
            c->sibling = c[-1].sibling + 1;
    }
    qsort(found, count, sizeof found[0], by_node);
    for (unsigned i = 1; i < count; i++)
        if (found[i].node == found[i - 1].node && earlier(&found[i - 1], &found[i]) == 0)
            found[i].turn = found[i - 1].turn + 1;
    qsort(found, count, sizeof found[0], by_turn);
    return count;
}

/* Nodes that the plan has no room for are unknown to it. */
static void plan_queues(struct sl_plan *plan, const struct nodes *nodes)
{
    memset(plan->queue_of_node, UINT8_MAX, sizeof plan->queue_of_node);
    for (unsigned i = 0; i < nodes->count && i < SL_PLAN_QUEUES_MAX; i++) {
        unsigned number = nodes->node[i].object->os_index;
        plan->node_of_queue[plan->queue_count++] = (int)number;
        if (number < SL_PLAN_NODES_MAX)
            plan->queue_of_node[number] = (uint8_t)i;
    }
    if (plan->queue_count == 0)
        plan->node_of_queue[plan->queue_count++] = -1;
}

/* All queues by distance from the worker's node, its own first; without one, in their order.  Those equally far in turn
 * from its own on, that not all nodes' workers help the same one. */
static void plan_order(const struct sl_plan *plan, const struct nodes *nodes, int node, struct sl_plan_worker *worker)
{
    uint64_t far[SL_PLAN_QUEUES_MAX];
    for (unsigned i = 0; i < plan->queue_count; i++) {
        unsigned q = node < 0 ? i : ((unsigned)node + i) % plan->queue_count;
        far[q] = node < 0 || (int)q == node ? 0 : 1 + distance(nodes, (unsigned)node, q);
        unsigned at = i;
        for (; at > 0 && far[worker->queue[at - 1]] > far[q]; at--)
            worker->queue[at] = worker->queue[at - 1];
        worker->queue[at] = (uint8_t)q;
    }
}

static enum sealane_error fill(struct sl_plan *plan, hwloc_topology_t machine, hwloc_const_bitmap_t usable,
                               const struct nodes *nodes)
{
    int most = hwloc_bitmap_weight(usable);
    unsigned capacity = most > 0 ? (unsigned)most : 0;
    struct candidate *found = calloc(capacity + 1, sizeof found[0]);
    plan->worker = calloc(capacity + 1, sizeof plan->worker[0]);
    if (!found || !plan->worker) {
        free(found);
        return SEALANE_E_NO_MEMORY;
    }
    plan->worker_count = find_candidates(machine, usable, nodes, found, capacity);
    plan_queues(plan, nodes);
    for (unsigned i = 0; i < plan->worker_count; i++) {
        const struct candidate *c = &found[i];
        plan->worker[i] = (struct sl_plan_worker){
            .cpu = c->cpu,
            .core = c->core,
            .node = c->node < 0 ? -1 : (int)nodes->node[c->node].object->os_index,
            .sibling = c->sibling != 0,
        };
        plan->cores += c->sibling == 0;
        plan_order(plan, nodes, c->node, &plan->worker[i]);
    }
    free(found);
    return plan->worker_count ? SEALANE_OK : SEALANE_E_IO;
}

enum sealane_error sl_plan_create(struct sl_plan **plan, hwloc_topology_t machine, hwloc_const_bitmap_t usable)
{
    struct nodes nodes;
    *plan = NULL;
    enum sealane_error error = find_nodes(machine, usable, &nodes);
    struct sl_plan *p = error ? NULL : calloc(1, sizeof *p);
    if (!error)
        error = p ? fill(p, machine, usable, &nodes) : SEALANE_E_NO_MEMORY;
    nodes_free(machine, &nodes);
    if (error) {
        sl_plan_free(p);
        return error;
    }
    *plan = p;
    return SEALANE_OK;
}

void sl_plan_free(struct sl_plan *plan)
{
    if (!plan)
        return;
    free(plan->worker);
    free(plan);
}
