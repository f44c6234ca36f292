/* hwloc's view of this machine as the pool needs it: loaded, checked, and cut to what the process may use. */
#ifndef SEALANE_ENGINE_POOL_MACHINE_H
#define SEALANE_ENGINE_POOL_MACHINE_H

#include <hwloc.h>

#include "sealane/error.h"

/* Loads this system's topology; free with sl_machine_unload(). A fork meanwhile waits.  NO_MEMORY, or IO if the system
 * does not tell or the environment has hwloc describe another machine: there every binding succeeds and does nothing.
 */
SEALANE_CHECK enum sealane_error sl_machine_load(hwloc_topology_t *machine);
void sl_machine_unload(hwloc_topology_t machine);

/* The hardware threads this process may use: by cgroup (which hwloc knows) and affinity mask (which it does not look
 * at).  NO_MEMORY, or IO if there are none. */
SEALANE_CHECK enum sealane_error sl_machine_usable(hwloc_topology_t machine, hwloc_bitmap_t usable);

/* The hardware threads local to a node: none for one of memory only, which hwloc gives its neighbours'.  NO_MEMORY. */
SEALANE_CHECK enum sealane_error sl_machine_local(hwloc_topology_t machine, hwloc_obj_t node, hwloc_bitmap_t local);

/* How many CPUs' worth of time the process's cgroups allow (cpu.max of version 2), rounded up; UINT_MAX: no limit.
 */
unsigned sl_machine_quota(void);

#endif
