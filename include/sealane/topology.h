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
SEALANE_API void sealane_topology_free(sealane_topology *topology);

struct sealane_topology_info {
    unsigned cores;      /* physical cores this process may use (affinity mask and cpuset respected) */
    unsigned processors; /* hardware threads it may use */
    unsigned nodes;      /* NUMA nodes */
    unsigned caches;     /* distinct (level, type, size) kinds */
};

struct sealane_topology_cache {
    unsigned level; /* 1, 2, 3, ... */
    char type;      /* 'd' data, 'i' instruction, 'u' unified */
    uint64_t size;  /* bytes of one */
    unsigned count; /* how many of this kind the usable processors have */
};

struct sealane_topology_node {
    unsigned os_index;
    uint64_t memory;     /* bytes */
    unsigned processors; /* usable hardware threads local to it; 0 for a memory-only node */
};

SEALANE_API void sealane_topology_info(const sealane_topology *topology, struct sealane_topology_info *info);

/* SEALANE_E_ARGUMENT for an index beyond info.caches or info.nodes. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_topology_cache(const sealane_topology *topology, unsigned index,
                                                                    struct sealane_topology_cache *cache);
SEALANE_API SEALANE_CHECK enum sealane_error sealane_topology_node(const sealane_topology *topology, unsigned index,
                                                                   struct sealane_topology_node *node);

SEALANE_END

#endif
