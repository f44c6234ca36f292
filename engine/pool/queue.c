/* Requests cut into slices, in the queues of the nodes where their memory lies. */
#include <string.h>

#include "engine/pool/pool.h"

enum { CLAIM_MAX = 8 }; /* slices: 2 MiB, some 50 us at the speed of a core */

/* Where the bytes of regions lie; unknown ones go to the queues in turn. */
static void locate_regions(struct sealane_pool *pool, const struct sl_request *r, const uint8_t *dst, unsigned regions,
                           uint8_t *queues)
{
    const void *address[SL_POOL_REGIONS];
    const uint64_t region_len = r->slices_per_region * SL_POOL_SLICE_LEN;
    if (dst) {
        for (unsigned i = 0; i < regions; i++)
            address[i] = dst + (i ? i * region_len - r->skew : 0);
        sl_pool_locate(pool->plan, address, queues, regions);
    } else {
        memset(queues, UINT8_MAX, regions);
    }
    unsigned unknown = 0;
    for (unsigned i = 0; i < regions; i++)
        unknown += queues[i] == UINT8_MAX;
    unsigned turn = unknown ? atomic_fetch_add_explicit(&pool->turn, unknown, memory_order_relaxed) : 0;
    for (unsigned i = 0; i < regions; i++)
        if (queues[i] == UINT8_MAX)
            queues[i] = (uint8_t)(turn++ % pool->plan->queue_count);
}

/* Sets order, share and pending.  Slices are numbered by order, a region's all together; those of the first and the
 * last region that lie outside the request are nobody's. */
static void cut(struct sealane_pool *pool, struct sl_request *r, const uint8_t *dst)
{
    uint8_t queues[SL_POOL_REGIONS];
    const uint64_t slices = (r->skew + r->len + SL_POOL_SLICE_LEN - 1) / SL_POOL_SLICE_LEN;
    uint64_t per_region = SL_POOL_REGION_LEN / SL_POOL_SLICE_LEN;
    while ((slices + per_region - 1) / per_region > SL_POOL_REGIONS)
        per_region *= 2;
    const unsigned regions = (unsigned)((slices + per_region - 1) / per_region);
    r->slices_per_region = per_region;
    locate_regions(pool, r, dst, regions, queues);
    unsigned at = 0;
    for (unsigned q = 0; q < pool->plan->queue_count; q++) {
        unsigned start = at;
        for (unsigned i = 0; i < regions; i++)
            if (queues[i] == q)
                r->order[at++] = (uint8_t)i;
        r->share[q] = (struct sl_share){.next = start * per_region, .end = at * per_region};
    }
    /* The first region is the first of its queue's, the last one the last. */
    const uint64_t before = r->skew / SL_POOL_SLICE_LEN;
    r->share[queues[0]].next += before;
    r->share[queues[regions - 1]].end -= regions * per_region - slices;
    atomic_store_explicit(&r->pending, slices - before, memory_order_relaxed);
}

static void push(struct sl_queue *queue, unsigned q, struct sealane_pool *pool, uint32_t index)
{
    struct sl_request *r = &pool->request[index];
    r->share[q].behind = SL_NO_REQUEST;
    pthread_mutex_lock(&queue->lock);
    if (queue->lane[r->lane].head == SL_NO_REQUEST)
        queue->lane[r->lane].head = index;
    else
        pool->request[queue->lane[r->lane].tail].share[q].behind = index;
    queue->lane[r->lane].tail = index;
    atomic_fetch_add_explicit(&queue->waiting, 1, memory_order_relaxed);
    pthread_mutex_unlock(&queue->lock);
}

void sl_pool_enqueue(struct sealane_pool *pool, uint32_t index, const uint8_t *dst)
{
    struct sl_request *r = &pool->request[index];
    uint64_t added[SL_PLAN_QUEUES_MAX];
    cut(pool, r, dst);
    for (unsigned q = 0; q < pool->plan->queue_count; q++)
        added[q] = r->share[q].end - r->share[q].next;
    /* As soon as one share is in its queue the request may end, but for the others'; and with the last it may be gone.
     */
    for (unsigned q = 0; q < pool->plan->queue_count; q++)
        if (added[q])
            push(&pool->queue[q], q, pool, index);
    sl_pool_wake(pool, added);
}

/* Takes from the lane whose turn it is; callers in other lanes are next. */
static bool claim_from(struct sealane_pool *pool, unsigned q, bool helping, struct sl_claim *claim)
{
    struct sl_queue *queue = &pool->queue[q];
    bool found = false;
    if (atomic_load_explicit(&queue->waiting, memory_order_relaxed) == 0)
        return false;
    pthread_mutex_lock(&queue->lock);
    for (unsigned i = 0; i < SL_POOL_LANES && !found; i++) {
        unsigned lane = (queue->turn + i) % SL_POOL_LANES;
        uint32_t index = queue->lane[lane].head;
        if (index == SL_NO_REQUEST)
            continue;
        struct sl_request *r = &pool->request[index];
        struct sl_share *share = &r->share[q];
        if (helping && r->blocks)
            continue;
        /* Less towards the end, that all end together. */
        uint64_t count = (share->end - share->next) / (2 * pool->worker_count + 1);
        count = count < 1 || r->blocks ? 1 : count > CLAIM_MAX ? CLAIM_MAX : count;
        *claim = (struct sl_claim){.request = r, .queue = q, .first = share->next, .count = count};
        share->next += count;
        if (share->next == share->end) {
            queue->lane[lane].head = share->behind;
            atomic_fetch_sub_explicit(&queue->waiting, 1, memory_order_relaxed);
        }
        queue->turn = lane + 1;
        found = true;
    }
    pthread_mutex_unlock(&queue->lock);
    return found;
}

bool sl_pool_claim(struct sealane_pool *pool, const struct sl_worker *worker, bool helping, struct sl_claim *claim)
{
    for (unsigned i = 0; i < pool->plan->queue_count; i++)
        if (claim_from(pool, worker->plan.queue[i], helping, claim))
            return true;
    return false;
}

static enum sealane_error do_slice(struct sl_request *r, uint64_t slice)
{
    uint64_t region = r->order[slice / r->slices_per_region];
    uint64_t from = (region * r->slices_per_region + slice % r->slices_per_region) * SL_POOL_SLICE_LEN;
    uint64_t to = from + SL_POOL_SLICE_LEN;
    from = from < r->skew ? r->skew : from;
    to = to > r->skew + r->len ? r->skew + r->len : to;
    return r->run(r->context, from - r->skew, (size_t)(to - from));
}

void sl_request_do(struct sealane_pool *pool, const struct sl_claim *claim)
{
    struct sl_request *r = claim->request;
    for (uint64_t i = 0; i < claim->count; i++) {
        if (atomic_load_explicit(&r->stop, memory_order_relaxed)) {
            atomic_store_explicit(&r->left_out, true, memory_order_relaxed);
            continue;
        }
        int error = (int)do_slice(r, claim->first + i);
        int none = SEALANE_OK;
        if (error) {
            atomic_compare_exchange_strong(&r->error, &none, error);
            atomic_store_explicit(&r->stop, true, memory_order_relaxed);
        }
    }
    if (atomic_fetch_sub_explicit(&r->pending, claim->count, memory_order_acq_rel) == claim->count)
        sl_request_ended(pool, r);
}
