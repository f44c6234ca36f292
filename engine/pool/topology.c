#include "sealane/topology.h"

#include <stdlib.h>

#include "engine/pool/machine.h"
#include "engine/pool/plan.h"

struct sealane_topology {
    struct sealane_topology_info info;
    struct sealane_topology_cache *cache;
    struct sealane_topology_node *node;
    struct sl_plan *plan;
};

static unsigned weight_of_common(hwloc_const_bitmap_t a, hwloc_const_bitmap_t b, hwloc_bitmap_t scratch)
{
    if (hwloc_bitmap_and(scratch, a, b) != 0)
        return 0;
    int weight = hwloc_bitmap_weight(scratch);
    return weight > 0 ? (unsigned)weight : 0;
}

static unsigned count_cores(hwloc_topology_t h, hwloc_const_bitmap_t usable)
{
    unsigned count = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_CORE, core));)
        count += hwloc_bitmap_intersects(core->cpuset, usable) != 0;
    return count;
}

static unsigned local_processors(hwloc_topology_t h, hwloc_obj_t node, hwloc_const_bitmap_t usable,
                                 hwloc_bitmap_t scratch)
{
    hwloc_bitmap_t local = hwloc_bitmap_alloc();
    unsigned count = 0;
    if (local && sl_machine_local(h, node, local) == SEALANE_OK)
        count = weight_of_common(local, usable, scratch);
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
            .processors = local_processors(h, node, usable, scratch),
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
    enum sealane_error error = usable && scratch ? sl_machine_usable(h, usable) : SEALANE_E_NO_MEMORY;
    if (!error) {
        int processors = hwloc_bitmap_weight(usable);
        t->info.processors = processors > 0 ? (unsigned)processors : 0;
        t->info.cores = count_cores(h, usable);
        if (t->info.cores == 0)
            t->info.cores = t->info.processors; /* a system that does not tell cores from hardware threads */
        error = t->info.processors == 0 ? SEALANE_E_IO : fill_nodes(t, h, usable, scratch);
        if (!error)
            error = fill_caches(t, h, usable);
        if (!error)
            error = sl_plan_create(&t->plan, h, usable);
    }
    if (!error) {
        t->info.quota = sl_machine_quota();
        t->info.workers = sl_plan_default(t->plan, t->info.quota);
    }
    hwloc_bitmap_free(usable);
    hwloc_bitmap_free(scratch);
    return error;
}

enum sealane_error sealane_topology_create(sealane_topology **topology)
{
    *topology = NULL;
    hwloc_topology_t h;
    enum sealane_error error = sl_machine_load(&h);
    if (error)
        return error;
    sealane_topology *t = calloc(1, sizeof *t);
    error = t ? fill(t, h) : SEALANE_E_NO_MEMORY;
    sl_machine_unload(h);
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
    sl_plan_free(topology->plan);
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

enum sealane_error sealane_topology_worker(const sealane_topology *topology, unsigned index,
                                           struct sealane_topology_worker *worker)
{
    if (index >= topology->plan->worker_count)
        return SEALANE_E_ARGUMENT;
    const struct sl_plan_worker *w = &topology->plan->worker[index];
    *worker = (struct sealane_topology_worker){w->cpu, w->core, w->node, w->sibling};
    return SEALANE_OK;
}
