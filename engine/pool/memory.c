#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/pool/machine.h"
#include "sealane/pool.h"

enum { HUGE_LEN = 2 << 20 };

/* The whole huge pages that hold len bytes; 0: too many. */
static size_t rounded(size_t len)
{
    size_t up;
    return __builtin_add_overflow(len, (size_t)HUGE_LEN - 1, &up) || up > SIZE_MAX / 2 ? 0 : up / HUGE_LEN * HUGE_LEN;
}

/* Inaccessible address space, of which the middle becomes the buffer: the rest keeps other mappings away, since a huge
 * page across two of them would lie on one node for both. */
static uint8_t *reserve(size_t len)
{
    uint8_t *space =
        mmap(NULL, len + 2 * (size_t)HUGE_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return NULL;
    uint8_t *memory = space + HUGE_LEN - (uintptr_t)space % HUGE_LEN;
    /* One page stays on each side. */
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *end = space + len + 2 * (size_t)HUGE_LEN;
    if (memory - guard > space)
        munmap(space, (size_t)(memory - guard - space));
    if (end > memory + len + guard)
        munmap(memory + len + guard, (size_t)(end - (memory + len + guard)));
    return memory;
}

static enum sealane_error place(uint8_t *memory, size_t len, int node)
{
    hwloc_topology_t machine;
    enum sealane_error error = sl_machine_load(&machine);
    if (error)
        return error;
    hwloc_obj_t object = NULL;
    hwloc_const_bitmap_t set = hwloc_topology_get_allowed_nodeset(machine);
    if (node != SEALANE_INTERLEAVED) {
        object = node < 0 ? NULL : hwloc_get_numanode_obj_by_os_index(machine, (unsigned)node);
        set = object ? object->nodeset : NULL;
    }
    if (!set)
        error = SEALANE_E_ARGUMENT;
    /* Not STRICT: that kills the process where the node is full. */
    else if (hwloc_set_area_membind(machine, memory, len, set,
                                    node == SEALANE_INTERLEAVED ? HWLOC_MEMBIND_INTERLEAVE : HWLOC_MEMBIND_BIND,
                                    HWLOC_MEMBIND_BYNODESET) != 0)
        error = SEALANE_E_IO;
    sl_machine_unload(machine);
    return error;
}

enum sealane_error sealane_node_alloc(uint8_t **memory, size_t len, int node)
{
    *memory = NULL;
    size_t whole = rounded(len);
    if (len == 0 || whole == 0)
        return len ? SEALANE_E_NO_MEMORY : SEALANE_E_ARGUMENT;
    uint8_t *m = reserve(whole);
    if (!m)
        return SEALANE_E_NO_MEMORY;
    enum sealane_error error = mprotect(m, whole, PROT_READ | PROT_WRITE) ? SEALANE_E_NO_MEMORY : place(m, whole, node);
    if (error)
        sealane_node_free(m, len);
    else
        *memory = m;
    return error;
}

void sealane_node_free(uint8_t *memory, size_t len)
{
    const size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    if (memory)
        munmap(memory - guard, rounded(len) + 2 * guard);
}
