#include "engine/pool/pool.h"

#include <stdlib.h>

#include "engine/pool/machine.h"

/* Forks between the first process with a pool and this one. */
_Atomic unsigned sl_pool_forks;
static bool forks_are_counted;
static _Atomic uint32_t pools; /* so many were created */

static void count_fork(void)
{
    atomic_fetch_add_explicit(&sl_pool_forks, 1, memory_order_relaxed);
}

static void count_forks(void)
{
    forks_are_counted = pthread_atfork(NULL, NULL, count_fork) == 0;
}

/* A fresh look at the machine. */
static enum sealane_error look(struct sl_plan **plan)
{
    hwloc_topology_t machine;
    *plan = NULL;
    enum sealane_error error = sl_machine_load(&machine);
    if (error)
        return error;
    hwloc_bitmap_t usable = hwloc_bitmap_alloc();
    error = usable ? sl_machine_usable(machine, usable) : SEALANE_E_NO_MEMORY;
    if (!error)
        error = sl_plan_create(plan, machine, usable);
    hwloc_bitmap_free(usable);
    sl_machine_unload(machine);
    return error;
}

static enum sealane_error choose_count(const struct sl_plan *plan, unsigned threads, unsigned *count)
{
    *count = threads ? threads : sl_plan_default(plan, sl_machine_quota());
    return threads > plan->worker_count ? SEALANE_E_ARGUMENT : SEALANE_OK;
}

static void pool_free(struct sealane_pool *pool)
{
    sl_plan_free(pool->plan);
    free(pool->queue);
    free(pool->request);
    free(pool->shares);
    free(pool->active);
    free(pool);
}

static enum sealane_error allocate(struct sealane_pool *pool, uint32_t requests)
{
    const unsigned queues = pool->plan->queue_count;
    pool->queue = aligned_alloc(_Alignof(struct sl_queue), queues * sizeof pool->queue[0]);
    pool->request = calloc(requests, sizeof pool->request[0]);
    pool->shares = calloc((size_t)requests * queues, sizeof pool->shares[0]);
    pool->active = calloc(requests, sizeof pool->active[0]);
    return pool->queue && pool->request && pool->shares && pool->active ? SEALANE_OK : SEALANE_E_NO_MEMORY;
}

/* Mutexes and condition variables without attributes: on Linux their initialisation cannot fail. */
static void initialise(struct sealane_pool *pool, uint32_t requests)
{
    const unsigned queues = pool->plan->queue_count;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_mutex_init(&pool->sleeping, NULL);
    pthread_cond_init(&pool->idle, NULL);
    for (unsigned q = 0; q < queues; q++) {
        pool->queue[q] = (struct sl_queue){.turn = 0};
        pthread_mutex_init(&pool->queue[q].lock, NULL);
        for (unsigned lane = 0; lane < SL_POOL_LANES; lane++)
            pool->queue[q].lane[lane].head = SL_NO_REQUEST;
    }
    pool->request_count = requests;
    for (uint32_t i = 0; i < requests; i++) {
        pthread_cond_init(&pool->request[i].ended, NULL);
        pool->request[i].next_free = i + 1 < requests ? i + 1 : SL_NO_REQUEST;
        pool->request[i].share = pool->shares + (size_t)i * queues;
    }
}

/* Not in a forked child: there, destroying what the parent's threads wait for never returns. */
static void finish(struct sealane_pool *pool)
{
    for (uint32_t i = 0; i < pool->request_count; i++)
        pthread_cond_destroy(&pool->request[i].ended);
    for (unsigned q = 0; q < pool->plan->queue_count; q++)
        pthread_mutex_destroy(&pool->queue[q].lock);
    pthread_cond_destroy(&pool->idle);
    pthread_mutex_destroy(&pool->sleeping);
    pthread_mutex_destroy(&pool->lock);
}

/* Starts workers by the plan and makes them the pool's, in place of those it has. */
static enum sealane_error employ(struct sealane_pool *pool, const struct sl_plan *plan, unsigned threads)
{
    unsigned count;
    struct sl_worker *workers;
    enum sealane_error error = choose_count(plan, threads, &count);
    if (!error)
        error = sl_workers_start(pool, plan, count, &workers);
    if (error)
        return error;
    sl_workers_replace(pool, workers, count);
    return SEALANE_OK;
}

enum sealane_error sl_pool_create(sealane_pool **pool, struct sl_plan *plan, const struct sealane_pool_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool ready = pthread_once(&once, count_forks) == 0 && forks_are_counted;
    struct sealane_pool *p = ready ? calloc(1, sizeof *p) : NULL;
    *pool = NULL;
    if (!p) {
        sl_plan_free(plan);
        return SEALANE_E_NO_MEMORY;
    }
    p->plan = plan;
    p->forks = atomic_load_explicit(&sl_pool_forks, memory_order_relaxed);
    p->number = (uint16_t)atomic_fetch_add_explicit(&pools, 1, memory_order_relaxed);
    enum sealane_error error = allocate(p, options->requests);
    if (!error) {
        initialise(p, options->requests);
        error = employ(p, p->plan, options->threads);
        if (error)
            finish(p);
    }
    if (error)
        pool_free(p);
    else
        *pool = p;
    return error;
}

enum sealane_error sealane_pool_create(sealane_pool **pool, const struct sealane_pool_options *options)
{
    static const struct sealane_pool_options defaults = SEALANE_POOL_OPTIONS_INIT;
    struct sl_plan *plan;
    *pool = NULL;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || options->requests < 1 || options->requests > SEALANE_POOL_REQUESTS_MAX)
        return SEALANE_E_ARGUMENT;
    enum sealane_error error = look(&plan);
    return error ? error : sl_pool_create(pool, plan, options);
}

/* Requests in flight are cut by the queues there are. */
static bool same_queues(const struct sl_plan *a, const struct sl_plan *b)
{
    if (a->queue_count != b->queue_count)
        return false;
    for (unsigned q = 0; q < a->queue_count; q++)
        if (a->node_of_queue[q] != b->node_of_queue[q])
            return false;
    return true;
}

enum sealane_error sealane_pool_resize(sealane_pool *pool, unsigned threads)
{
    struct sl_plan *plan;
    if (sl_pool_forked(pool))
        return SEALANE_E_FORKED;
    enum sealane_error error = look(&plan);
    if (error)
        return error;
    error = same_queues(pool->plan, plan) ? employ(pool, plan, threads) : SEALANE_E_IO;
    sl_plan_free(plan);
    return error;
}

void sealane_pool_free(sealane_pool *pool)
{
    if (!pool)
        return;
    if (sl_pool_forked(pool)) {
        free(pool->worker);
        pool_free(pool);
        return;
    }
    int cancellable;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->active_count, memory_order_relaxed) != 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    sl_workers_end(pool, pool->worker, atomic_load_explicit(&pool->worker_count, memory_order_relaxed));
    finish(pool);
    pool_free(pool);
    (void)pthread_setcancelstate(cancellable, &cancellable);
}

unsigned sealane_pool_workers(const sealane_pool *pool)
{
    return sl_pool_forked(pool) ? 0 : atomic_load_explicit(&pool->worker_count, memory_order_relaxed);
}

enum sealane_error sealane_pool_worker(sealane_pool *pool, unsigned index, struct sealane_worker_info *info)
{
    if (sl_pool_forked(pool))
        return SEALANE_E_FORKED;
    pthread_mutex_lock(&pool->sleeping);
    bool known = index < atomic_load_explicit(&pool->worker_count, memory_order_relaxed);
    if (known) {
        const struct sl_worker *w = &pool->worker[index];
        *info = (struct sealane_worker_info){
            .plan = {.cpu = w->plan.cpu, .core = w->plan.core, .node = w->plan.node, .sibling = w->plan.sibling},
            .pinned = sl_worker_pinned(w),
            .slices = atomic_load_explicit(&w->slices, memory_order_relaxed),
            .stolen = atomic_load_explicit(&w->stolen, memory_order_relaxed),
        };
    }
    pthread_mutex_unlock(&pool->sleeping);
    return known ? SEALANE_OK : SEALANE_E_ARGUMENT;
}
