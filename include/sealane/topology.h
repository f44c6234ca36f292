/* Caches, NUMA nodes and the processors this process may use, from hwloc. */
#ifndef SEALANE_TOPOLOGY_H
#define SEALANE_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"
#include "sealane/export.h"

SEALANE_BEGIN

typedef struct sealane_topology sealane_topology;

/* Looks at this system.  NO_MEMORY, or IO if the system does not tell or the environment has hwloc describe another
 * machine.  Immutable afterwards: any thread. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_topology_create(sealane_topology **topology);
SEALANE_API void sealane_topology_free(sealane_topology *topology); /* NULL is fine */

struct sealane_topology_info {
    unsigned cores;      /* physical cores this process may use (affinity mask and cpuset respected) */
    unsigned processors; /* hardware threads it may use */
    unsigned nodes;      /* NUMA nodes that it may use memory or processors of, as the system lists them */
    unsigned caches;     /* distinct (level, type, size) kinds */
    unsigned workers; /* that a pool (sealane/pool.h) starts by default: one per core, or as many as the quota allows */
    unsigned quota;   /* CPUs' worth of time that the cgroup allows, rounded up; UINT_MAX: no limit */
};

struct sealane_topology_cache {
    unsigned level; /* 1, 2, 3, ... */
    char type;      /* 'd' data, 'i' instruction, 'u' unified */
    uint64_t size;  /* bytes of one */
    unsigned count; /* how many of this kind the usable processors have */
};

struct sealane_topology_node {
    unsigned os_index;
    uint64_t memory;     /* bytes; 0 for one of processors only */
    unsigned processors; /* usable hardware threads local to it; 0 for a memory-only node */
};

enum { SEALANE_NO_NODE = -1 };

/* Where the workers of a pool go: the first n of `processors` are the plan for n threads.  One for each core, nodes in
 * turn, faster kinds of cores first; then the other hardware threads of the cores. */
struct sealane_topology_worker {
    unsigned cpu;  /* the system's number of the hardware thread */
    unsigned core; /* numbered from 0, over all packages */
    int node;      /* the system's number of its NUMA node; SEALANE_NO_NODE: none is local to it */
    int sibling;   /* 1: an earlier one has the core */
};

SEALANE_API void sealane_topology_info(const sealane_topology *topology, struct sealane_topology_info *info);

/* SEALANE_E_ARGUMENT for an index beyond info.caches, info.nodes or info.processors. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_topology_cache(const sealane_topology *topology, unsigned index,
                                                                    struct sealane_topology_cache *cache);
SEALANE_API SEALANE_CHECK enum sealane_error sealane_topology_node(const sealane_topology *topology, unsigned index,
                                                                   struct sealane_topology_node *node);
SEALANE_API SEALANE_CHECK enum sealane_error sealane_topology_worker(const sealane_topology *topology, unsigned index,
                                                                     struct sealane_topology_worker *worker);

SEALANE_END

#endif
