/* Which hardware threads get workers, which nodes get queues, and which queues a worker turns to in which order.  Pure
 * logic on a topology, which may be a synthetic one. */
#ifndef SEALANE_ENGINE_POOL_PLAN_H
#define SEALANE_ENGINE_POOL_PLAN_H

#include <hwloc.h>
#include <stdbool.h>
#include <stdint.h>

#include "sealane/error.h"

enum {
    SL_PLAN_QUEUES_MAX = 64, /* nodes beyond share the queues of others */
    SL_PLAN_NODES_MAX = 1024 /* numbers the system may give a node: Linux's own limit */
};

struct sl_plan_worker {
    unsigned cpu;                      /* the system's number of the hardware thread */
    unsigned core;                     /* hwloc's logical number */
    int node;                          /* the system's number; -1: no node is local to it */
    bool sibling;                      /* a worker before this one has the core */
    uint8_t queue[SL_PLAN_QUEUES_MAX]; /* all of them: its own node's first, then by distance */
};

struct sl_plan {
    unsigned cores;        /* usable ones: the first so many workers have one each */
    unsigned worker_count; /* usable hardware threads: the first n workers are the plan for n threads */
    struct sl_plan_worker *worker;
    unsigned queue_count;                     /* one for each node, whoever may use its processors */
    int node_of_queue[SL_PLAN_QUEUES_MAX];    /* the system's number; -1: a machine without nodes */
    uint8_t queue_of_node[SL_PLAN_NODES_MAX]; /* by the system's number; UINT8_MAX: unknown to the plan */
};

/* Faster kinds of cores come first, nodes take turns, and siblings of a core come after all cores.  NO_MEMORY, or IO
 * without a usable hardware thread. */
SEALANE_CHECK enum sealane_error sl_plan_create(struct sl_plan **plan, hwloc_topology_t machine,
                                                hwloc_const_bitmap_t usable);
/* Workers by default, with that many CPUs' worth of time. */
static inline unsigned sl_plan_default(const struct sl_plan *plan, unsigned quota)
{
    return plan->cores < quota ? plan->cores : quota;
}

void sl_plan_free(struct sl_plan *plan);

#endif
