#define _GNU_SOURCE
#include "sealane/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <hwloc.h>
#include <hwloc/linux.h>

struct sealane_topology {
    struct sealane_topology_info info;
    struct sealane_topology_cache *cache;
    struct sealane_topology_node *node;
};

static unsigned weight_of_common(hwloc_const_bitmap_t a, hwloc_const_bitmap_t b, hwloc_bitmap_t scratch)
{
    if (hwloc_bitmap_and(scratch, a, b) != 0)
        return 0;
    int weight = hwloc_bitmap_weight(scratch);
    return weight > 0 ? (unsigned)weight : 0;
}

/* hwloc knows of cgroup cpusets by itself, but shows processors outside this process's affinity mask. */
static int usable_processors(hwloc_topology_t h, hwloc_bitmap_t usable)
{
    if (hwloc_get_cpubind(h, usable, HWLOC_CPUBIND_PROCESS) != 0)
        return hwloc_bitmap_copy(usable, hwloc_topology_get_allowed_cpuset(h));
    return hwloc_bitmap_and(usable, usable, hwloc_topology_get_allowed_cpuset(h));
}

static unsigned count_cores(hwloc_topology_t h, hwloc_const_bitmap_t usable)
{
    unsigned count = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_CORE, core));)
        count += hwloc_bitmap_intersects(core->cpuset, usable) != 0;
    return count;
}

/* hwloc gives a node without processors those of its neighbours; the system's own list says which are local. */
static unsigned local_processors(hwloc_obj_t node, hwloc_const_bitmap_t usable, hwloc_bitmap_t scratch)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/cpumap", node->os_index);
    hwloc_bitmap_t local = hwloc_bitmap_alloc();
    if (!local)
        return 0;
    int known = hwloc_linux_read_path_as_cpumask(path, local) == 0;
    unsigned count = weight_of_common(known ? local : node->cpuset, usable, scratch);
    hwloc_bitmap_free(local);
    return count;
}

static enum sealane_error fill_nodes(sealane_topology *t, hwloc_topology_t h, hwloc_const_bitmap_t usable,
                                     hwloc_bitmap_t scratch)
{
    int count = hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_NUMANODE);
    if (count < 1)
        return SEALANE_E_IO;
    t->node = calloc((size_t)count, sizeof *t->node);
    if (!t->node)
        return SEALANE_E_NO_MEMORY;
    for (hwloc_obj_t node = NULL; (node = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_NUMANODE, node));) {
        t->node[t->info.nodes++] = (struct sealane_topology_node){
            .os_index = node->os_index,
            .memory = node->attr->numanode.local_memory,
            .processors = local_processors(node, usable, scratch),
        };
    }
    return SEALANE_OK;
}

static void add_cache(sealane_topology *t, const struct hwloc_cache_attr_s *attr)
{
    char type = attr->type == HWLOC_OBJ_CACHE_DATA ? 'd' : attr->type == HWLOC_OBJ_CACHE_INSTRUCTION ? 'i' : 'u';
    for (unsigned i = 0; i < t->info.caches; i++) {
        struct sealane_topology_cache *c = &t->cache[i];
        if (c->level == attr->depth && c->type == type && c->size == attr->size) {
            c->count++;
            return;
        }
    }
    t->cache[t->info.caches++] =
        (struct sealane_topology_cache){.level = attr->depth, .type = type, .size = attr->size, .count = 1};
}

static int compare_caches(const void *a, const void *b)
{
    const struct sealane_topology_cache *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static enum sealane_error fill_caches(sealane_topology *t, hwloc_topology_t h, hwloc_const_bitmap_t usable)
{
    size_t most = 0;
    for (int type = HWLOC_OBJ_TYPE_MIN; type < HWLOC_OBJ_TYPE_MAX; type++) {
        int count =
            hwloc_obj_type_is_cache((hwloc_obj_type_t)type) ? hwloc_get_nbobjs_by_type(h, (hwloc_obj_type_t)type) : 0;
        most += count > 0 ? (size_t)count : 0;
    }
    t->cache = calloc(most ? most : 1, sizeof *t->cache);
    if (!t->cache)
        return SEALANE_E_NO_MEMORY;
    for (int type = HWLOC_OBJ_TYPE_MIN; type < HWLOC_OBJ_TYPE_MAX; type++) {
        if (!hwloc_obj_type_is_cache((hwloc_obj_type_t)type))
            continue;
        for (hwloc_obj_t cache = NULL; (cache = hwloc_get_next_obj_by_type(h, (hwloc_obj_type_t)type, cache));) {
            if (hwloc_bitmap_intersects(cache->cpuset, usable))
                add_cache(t, &cache->attr->cache);
        }
    }
    if (t->info.caches > 1)
        qsort(t->cache, t->info.caches, sizeof *t->cache, compare_caches);
    return SEALANE_OK;
}

static enum sealane_error fill(sealane_topology *t, hwloc_topology_t h)
{
    hwloc_bitmap_t usable = hwloc_bitmap_alloc();
    hwloc_bitmap_t scratch = hwloc_bitmap_alloc();
    enum sealane_error error = SEALANE_E_NO_MEMORY;
    if (usable && scratch && usable_processors(h, usable) == 0) {
        int processors = hwloc_bitmap_weight(usable);
        t->info.processors = processors > 0 ? (unsigned)processors : 0;
        t->info.cores = count_cores(h, usable);
        if (t->info.cores == 0)
            t->info.cores = t->info.processors; /* a system that does not tell cores from hardware threads */
        error = t->info.processors == 0 ? SEALANE_E_IO : fill_nodes(t, h, usable, scratch);
        if (!error)
            error = fill_caches(t, h, usable);
    }
    hwloc_bitmap_free(usable);
    hwloc_bitmap_free(scratch);
    return error;
}

/* HWLOC_SYNTHETIC, HWLOC_XMLFILE and HWLOC_FSROOT have hwloc describe another machine, on which every binding succeeds
 * and does nothing: refused, unless HWLOC_THISSYSTEM vouches for it. */
static enum sealane_error load(hwloc_topology_t h)
{
    if (hwloc_topology_set_cache_types_filter(h, HWLOC_TYPE_FILTER_KEEP_ALL) != 0 ||
        hwloc_topology_set_icache_types_filter(h, HWLOC_TYPE_FILTER_KEEP_ALL) != 0)
        return SEALANE_E_IO;
    errno = 0;
    if (hwloc_topology_load(h) != 0)
        return errno == ENOMEM ? SEALANE_E_NO_MEMORY : SEALANE_E_IO;
    return hwloc_topology_is_thissystem(h) ? SEALANE_OK : SEALANE_E_IO;
}

enum sealane_error sealane_topology_create(sealane_topology **topology)
{
    *topology = NULL;
    hwloc_topology_t h;
    if (hwloc_topology_init(&h) != 0)
        return SEALANE_E_NO_MEMORY;
    sealane_topology *t = calloc(1, sizeof *t);
    enum sealane_error error = t ? load(h) : SEALANE_E_NO_MEMORY;
    if (!error)
        error = fill(t, h);
    hwloc_topology_destroy(h);
    if (error) {
        sealane_topology_free(t);
        return error;
    }
    *topology = t;
    return SEALANE_OK;
}

void sealane_topology_free(sealane_topology *topology)
{
    if (!topology)
        return;
    free(topology->cache);
    free(topology->node);
    free(topology);
}

void sealane_topology_info(const sealane_topology *topology, struct sealane_topology_info *info)
{
    *info = topology->info;
}

enum sealane_error sealane_topology_cache(const sealane_topology *topology, unsigned index,
                                          struct sealane_topology_cache *cache)
{
    if (index >= topology->info.caches)
        return SEALANE_E_ARGUMENT;
    *cache = topology->cache[index];
    return SEALANE_OK;
}

enum sealane_error sealane_topology_node(const sealane_topology *topology, unsigned index,
                                         struct sealane_topology_node *node)
{
    if (index >= topology->info.nodes)
        return SEALANE_E_ARGUMENT;
    *node = topology->node[index];
    return SEALANE_OK;
}
