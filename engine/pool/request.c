/* Requests in flight: which there are, who may overlap whom, how they end. */
#include <string.h>

#include "engine/pool/pool.h"

_Static_assert(SEALANE_POOL_REQUESTS_MAX <= 1 << 16, "a ticket has 16 bits for the request");

/* A request's generation, which is never 0, its pool, and its index. */
static sealane_ticket ticket_of(const struct sealane_pool *pool, const struct sl_request *r)
{
    return (uint64_t)r->generation << 32 | (uint64_t)pool->number << 16 | (uint64_t)(r - pool->request);
}

static uint32_t index_of(sealane_ticket ticket)
{
    return ticket & 0xffff;
}

/* pool->lock is held.  NULL: no such request, or one that was waited for. */
static struct sl_request *request_of(const struct sealane_pool *pool, sealane_ticket ticket)
{
    uint32_t index = index_of(ticket);
    if (index >= pool->request_count)
        return NULL;
    struct sl_request *r = &pool->request[index];
    return r->state != SL_REQUEST_FREE && ticket_of(pool, r) == ticket ? r : NULL;
}

/* pool->lock is held.  Requests are of a megabyte or more, so that looking at all of them costs little beside. */
static bool is_in_flight(const struct sealane_pool *pool, const struct sealane_record *record)
{
    const uintptr_t dst = (uintptr_t)record->dst, src = (uintptr_t)record->src;
    uint32_t count = atomic_load_explicit(&pool->active_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        const struct sl_active *other = &pool->active[i];
        if (other->len && (sl_overlap(dst, record->len, other->dst, other->len) ||
                           sl_overlap(dst, record->len, other->src, other->len) ||
                           sl_overlap(src, record->len, other->dst, other->len)))
            return true;
    }
    return false;
}

/* pool->lock is held.  A caller keeps his lane while he has requests in flight, and gets one of his own while there
 * are any left: who shares a lane comes after all that is in it. */
static unsigned choose_lane(const struct sealane_pool *pool)
{
    const pthread_t self = pthread_self();
    unsigned empty = SL_POOL_LANES;
    for (unsigned i = SL_POOL_LANES; i-- > 0;) {
        if (pool->lane[i].requests == 0)
            empty = i;
        else if (pthread_equal(pool->lane[i].caller, self))
            return i;
    }
    if (empty < SL_POOL_LANES)
        return empty;
    /* Threads' control blocks lie at addresses that differ in high bits only. */
    return (unsigned)((uint64_t)(uintptr_t)self * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SL_POOL_LANES;
}

/* pool->lock is held. */
static void widen(struct sealane_pool *pool, bool anew, const struct sealane_record *record)
{
    uintptr_t from = anew ? UINTPTR_MAX : atomic_load_explicit(&pool->active_from, memory_order_relaxed);
    uintptr_t to = anew ? 0 : atomic_load_explicit(&pool->active_to, memory_order_relaxed);
    if (record) {
        const uintptr_t dst = (uintptr_t)record->dst, src = (uintptr_t)record->src, last = record->len - 1;
        from = from < dst ? from : dst;
        from = from < src ? from : src;
        to = to > dst + last ? to : dst + last;
        to = to > src + last ? to : src + last;
    }
    atomic_store_explicit(&pool->active_from, from, memory_order_relaxed);
    atomic_store_explicit(&pool->active_to, to, memory_order_relaxed);
}

/* pool->lock is held. */
static struct sl_request *activate(struct sealane_pool *pool, const struct sealane_record *record)
{
    struct sl_request *r = &pool->request[pool->free_request];
    uint32_t count = atomic_load_explicit(&pool->active_count, memory_order_relaxed);
    pool->active[count] = (struct sl_active){.request = pool->free_request};
    if (record) {
        pool->active[count].dst = (uintptr_t)record->dst;
        pool->active[count].src = (uintptr_t)record->src;
        pool->active[count].len = record->len;
    }
    widen(pool, count == 0, record);
    r->active_at = count;
    atomic_store_explicit(&pool->active_count, count + 1, memory_order_relaxed);
    pool->free_request = r->next_free;
    r->state = SL_REQUEST_ACTIVE;
    atomic_store_explicit(&r->stop, false, memory_order_relaxed);
    if (++r->generation == 0)
        r->generation = 1;
    r->lane = choose_lane(pool);
    if (pool->lane[r->lane].requests++ == 0)
        pool->lane[r->lane].caller = pthread_self();
    return r;
}

void sl_request_ended(struct sealane_pool *pool, struct sl_request *r)
{
    pthread_mutex_lock(&pool->lock);
    uint32_t last = atomic_load_explicit(&pool->active_count, memory_order_relaxed) - 1;
    pool->active[r->active_at] = pool->active[last];
    pool->request[pool->active[last].request].active_at = r->active_at;
    atomic_store_explicit(&pool->active_count, last, memory_order_relaxed);
    pool->lane[r->lane].requests--;
    r->state = SL_REQUEST_ENDED;
    pthread_cond_broadcast(&r->ended);
    if (last == 0)
        pthread_cond_broadcast(&pool->idle);
    pthread_mutex_unlock(&pool->lock);
}

bool sl_pool_is_in_flight(struct sealane_pool *pool, const struct sealane_record *records, size_t count)
{
    bool conflicts = false;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < count && !conflicts; i++)
        conflicts = records[i].len && is_in_flight(pool, &records[i]);
    pthread_mutex_unlock(&pool->lock);
    return conflicts;
}

enum sealane_error sl_pool_submit_any(struct sealane_pool *pool, sl_pool_run *run, void *context,
                                      const struct sealane_record *record, uint64_t len, bool blocks,
                                      sealane_ticket *ticket)
{
    *ticket = 0;
    if (sl_pool_forked(pool))
        return SEALANE_E_FORKED;
    if (len == 0)
        return SEALANE_E_ARGUMENT;
    pthread_mutex_lock(&pool->lock);
    enum sealane_error error = pool->free_request == SL_NO_REQUEST    ? SEALANE_E_POOL_FULL
                               : record && is_in_flight(pool, record) ? SEALANE_E_BUSY
                                                                      : SEALANE_OK;
    struct sl_request *r = error ? NULL : activate(pool, record);
    pthread_mutex_unlock(&pool->lock);
    if (error)
        return error;
    const sealane_ticket mine = ticket_of(pool, r); /* once it is queued, it may end, and the place be another's */
    if (record) {
        r->record = *record;
        memcpy(r->iv, record->iv, sizeof r->iv);
        r->record.iv = r->iv;
    }
    r->run = run;
    r->blocks = blocks;
    r->context = record ? &r->record : context;
    r->len = len;
    r->skew = record ? (uintptr_t)record->dst % SL_POOL_REGION_LEN : 0;
    atomic_store_explicit(&r->error, SEALANE_OK, memory_order_relaxed);
    atomic_store_explicit(&r->left_out, false, memory_order_relaxed);
    sl_pool_enqueue(pool, (uint32_t)(r - pool->request), record ? record->dst : NULL);
    *ticket = mine;
    return SEALANE_OK;
}

enum sealane_error sl_pool_submit(struct sealane_pool *pool, sl_pool_run *run, void *context,
                                  const struct sealane_record *record, uint64_t len, sealane_ticket *ticket)
{
    return sl_pool_submit_any(pool, run, context, record, len, record == NULL, ticket);
}

/* Apart, as most tickets of short requests are done, and its frame costs as much as all else of them. */
static enum sealane_error __attribute__((noinline)) wait_for(sealane_pool *pool, sealane_ticket ticket)
{
    enum sealane_error result = SEALANE_E_ARGUMENT;
    int cancellable; /* a thread that is cancelled while it waits would keep the lock */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    pthread_mutex_lock(&pool->lock);
    struct sl_request *r;
    while ((r = request_of(pool, ticket)) && r->state == SL_REQUEST_ACTIVE)
        pthread_cond_wait(&r->ended, &pool->lock);
    if (r) {
        result = (enum sealane_error)atomic_load_explicit(&r->error, memory_order_relaxed);
        if (!result && atomic_load_explicit(&r->left_out, memory_order_relaxed))
            result = SEALANE_E_CANCELLED;
        r->state = SL_REQUEST_FREE;
        r->next_free = pool->free_request;
        pool->free_request = (uint32_t)(r - pool->request);
    }
    pthread_mutex_unlock(&pool->lock);
    (void)pthread_setcancelstate(cancellable, &cancellable);
    return result;
}

enum sealane_error sealane_pool_wait(sealane_pool *pool, sealane_ticket ticket)
{
    if (sl_pool_forked(pool))
        return SEALANE_E_FORKED;
    return ticket == SL_TICKET_DONE ? SEALANE_OK : wait_for(pool, ticket);
}

enum sealane_error sealane_pool_cancel(sealane_pool *pool, sealane_ticket ticket)
{
    if (sl_pool_forked(pool))
        return SEALANE_E_FORKED;
    if (ticket == SL_TICKET_DONE)
        return SEALANE_OK;
    pthread_mutex_lock(&pool->lock);
    struct sl_request *r = request_of(pool, ticket);
    if (r)
        atomic_store_explicit(&r->stop, true, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    return r ? SEALANE_OK : SEALANE_E_ARGUMENT;
}

enum sealane_error sl_pool_call(struct sealane_pool *pool, sl_pool_run *run, void *context,
                                const struct sealane_record *record, uint64_t len)
{
    sealane_ticket ticket;
    if (sl_pool_forked(pool))
        return SEALANE_E_FORKED;
    int cancellable; /* a thread that is cancelled in the place of a worker would leave slices undone */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    struct sl_worker *worker = sl_worker_borrow(pool);
    enum sealane_error error = sl_pool_submit_any(pool, run, context, record, len, false, &ticket);
    if (worker) {
        if (!error)
            sl_worker_help(worker, &pool->request[index_of(ticket)].pending);
        sl_worker_give_back(worker);
    }
    if (!error)
        error = sealane_pool_wait(pool, ticket);
    (void)pthread_setcancelstate(cancellable, &cancellable);
    return error;
}
