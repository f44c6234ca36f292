/* What the parts of the pool share.
 *
 * Locks, in the order in which they may be taken together: none.  Each is held for a few instructions, but for the
 * comparison of a new request with all that are active:
 *   pool->lock     requests' states, and which ones are active
 *   queue->lock    the queue's lanes, and its share of each request in them
 *   pool->sleeping the workers' array, who sleeps, and the epoch that says whether there is news */
#ifndef SEALANE_ENGINE_POOL_POOL_H
#define SEALANE_ENGINE_POOL_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/pool/plan.h"
#include "engine/pool/task.h"
#include "sealane/pool.h"

enum {
    SL_POOL_REGIONS = 256,        /* at most, in a request */
    SL_POOL_REGION_LEN = 2 << 20, /* bytes, at least: a huge page lies on one node */
    SL_POOL_LANES = 16,           /* callers that take turns; more share lanes */
    SL_NO_REQUEST = UINT32_MAX,
};

enum sl_request_state {
    SL_REQUEST_FREE,
    SL_REQUEST_ACTIVE,
    SL_REQUEST_ENDED /* and not yet waited for */
};

/* A request's slices in one queue.  Guarded by the queue's lock. */
struct sl_share {
    uint64_t next; /* the first slice not yet claimed */
    uint64_t end;
    uint32_t behind; /* the next request in the lane */
};

struct sl_request {
    /* Guarded by pool->lock. */
    enum sl_request_state state;
    uint32_t generation; /* tells a ticket from those of earlier requests here */
    uint32_t next_free;
    uint32_t active_at; /* index in pool->active */
    pthread_cond_t ended;

    unsigned lane;

    /* Set when submitted. */
    bool blocks; /* waits for files: no caller of another request takes part, and it gets a slice a turn */
    sl_pool_run *run;
    void *context;
    struct sealane_record record;
    uint8_t iv[SEALANE_BLOCK_LEN];
    uint64_t skew; /* bytes from a region's boundary in memory to the request's first byte */
    uint64_t len;
    uint64_t slices_per_region;
    uint8_t order[SL_POOL_REGIONS]; /* regions, those of one queue together */

    _Atomic uint64_t pending; /* slices not yet done or left out */
    _Atomic int error;        /* the first */
    _Atomic bool stop;        /* leave out what is not begun */
    _Atomic bool left_out;    /* some was */
    struct sl_share *share;   /* one for each queue */
};

struct sl_queue {
    _Alignas(64) pthread_mutex_t lock;
    unsigned turn;            /* the lane that is next */
    _Atomic unsigned waiting; /* requests in the lanes: looked at without the lock */
    struct {
        uint32_t head; /* SL_NO_REQUEST: empty */
        uint32_t tail;
    } lane[SL_POOL_LANES];
};

struct sl_worker {
    _Alignas(64) pthread_t thread;
    struct sealane_pool *pool;
    struct sl_plan_worker plan;
    /* Guarded by pool->sleeping. */
    pthread_cond_t news;
    bool asleep; /* and not yet called */
    bool lent;   /* sleeps on, as a caller does its work */
    _Atomic bool stop;
    _Atomic uint64_t slices;
    _Atomic uint64_t stolen;
};

/* What a request in flight reads and writes, side by side for all of them: each new one is compared with all. */
struct sl_active {
    uintptr_t dst;
    uintptr_t src;
    uint64_t len; /* 0: nothing to compare */
    uint32_t request;
};

/* Who has a lane, in all queues, while requests of his are in flight. */
struct sl_lane {
    pthread_t caller;
    uint32_t requests;
};

struct sealane_pool {
    _Atomic uint32_t active_count; /* of `active` */
    /* All memory of requests that were active since there were none: what lies beyond need not be compared. */
    _Atomic uintptr_t active_from, active_to; /* the last byte */
    _Atomic unsigned turn;                    /* the queue that gets the next region of unknown place */
    unsigned forks;                           /* of this process and those before it when created */
    uint16_t number;                          /* tells its tickets from other pools' */
    struct sl_plan *plan;
    struct sl_queue *queue; /* plan->queue_count */

    pthread_mutex_t lock;
    uint32_t request_count;
    uint32_t free_request; /* the head of a list */
    struct sl_request *request;
    struct sl_share *shares;
    struct sl_active *active; /* requests in flight, in no order */
    struct sl_lane lane[SL_POOL_LANES];
    pthread_cond_t idle;

    pthread_mutex_t sleeping;
    uint64_t epoch; /* counts submissions */
    _Atomic unsigned worker_count;
    struct sl_worker *worker;
};

/* The ticket of what was complete when it was submitted.  Generations are never 0. */
static const sealane_ticket SL_TICKET_DONE = 1;

/* True if two pieces of memory, neither beyond the top of the address space, have a byte in common. */
static inline bool sl_overlap(uintptr_t a, uint64_t a_len, uintptr_t b, uint64_t b_len)
{
    return b - a < a_len || a - b < b_len;
}

/* A pool by this plan, which becomes the pool's, or is freed on failure.  The options are valid
 * but for the threads, which may be more than the plan has. */
SEALANE_CHECK enum sealane_error sl_pool_create(struct sealane_pool **pool, struct sl_plan *plan,
                                                const struct sealane_pool_options *options);

/* Forks between the first process with a pool and this one. */
extern _Atomic unsigned sl_pool_forks;

/* True in a child forked since the pool was created. */
static inline bool sl_pool_forked(const struct sealane_pool *pool)
{
    return pool->forks != atomic_load_explicit(&sl_pool_forks, memory_order_relaxed);
}

/* Cuts an active request into slices, queues them, and tells the workers. */
void sl_pool_enqueue(struct sealane_pool *pool, uint32_t index, const uint8_t *dst);

/* Whether the thread may run on the worker's CPU and on no other: cpusets, CPUs that go offline and people with
 * taskset(1) change that without a word. */
bool sl_worker_pinned(const struct sl_worker *worker);

/* Called by who has done the last slice. */
void sl_request_ended(struct sealane_pool *pool, struct sl_request *request);

/* sl_pool_submit() for what blocks, or not. */
SEALANE_CHECK enum sealane_error sl_pool_submit_any(struct sealane_pool *pool, sl_pool_run *run, void *context,
                                                    const struct sealane_record *record, uint64_t len, bool blocks,
                                                    sealane_ticket *ticket);

/* Submits what never blocks, takes part in the work in place of a worker where one sleeps, and waits. */
SEALANE_CHECK enum sealane_error sl_pool_call(struct sealane_pool *pool, sl_pool_run *run, void *context,
                                              const struct sealane_record *record, uint64_t len);

/* True if a record overlaps one in flight in a way that makes either result undefined.  Short requests mostly find
 * nothing in flight anywhere near: the lock would be a tenth of 4 KiB's time. */
bool sl_pool_is_in_flight(struct sealane_pool *pool, const struct sealane_record *records, size_t count);
static inline bool sl_pool_is_beyond(uintptr_t from, uintptr_t to, const void *at, size_t len)
{
    return (uintptr_t)at > to || (uintptr_t)at + (len - 1) < from;
}
static inline bool sl_pool_conflicts(struct sealane_pool *pool, const struct sealane_record *r)
{
    if (atomic_load_explicit(&pool->active_count, memory_order_relaxed) == 0)
        return false;
    const uintptr_t from = atomic_load_explicit(&pool->active_from, memory_order_relaxed);
    const uintptr_t to = atomic_load_explicit(&pool->active_to, memory_order_relaxed);
    return !(sl_pool_is_beyond(from, to, r->dst, r->len) && sl_pool_is_beyond(from, to, r->src, r->len)) &&
           sl_pool_is_in_flight(pool, r, 1);
}

/* Claims slices that `worker` should do next; false: there are none.  sl_request_do() does them. */
struct sl_claim {
    struct sl_request *request;
    unsigned queue;
    uint64_t first;
    uint64_t count;
};
bool sl_pool_claim(struct sealane_pool *pool, const struct sl_worker *worker, bool helping, struct sl_claim *claim);
void sl_request_do(struct sealane_pool *pool, const struct sl_claim *claim);

/* A sleeping worker of the node where the calling thread runs, in whose place the caller may claim and do slices; NULL:
 * there is none.  Waking another thread takes longer than a megabyte, and this way there is never one more at work than
 * there are workers. */
struct sl_worker *sl_worker_borrow(struct sealane_pool *pool);
void sl_worker_give_back(struct sl_worker *worker);

/* Claims and does slices, of whatever requests that do not block, as that worker until `*pending` is 0 or there are
 * none. */
void sl_worker_help(struct sl_worker *worker, const _Atomic uint64_t *pending);

/* Tells workers of `added[queue]` more slices. */
void sl_pool_wake(struct sealane_pool *pool, const uint64_t *added);

/* Fills queues[i] with the queue of the node where the page at address[i] lies; UINT8_MAX: nowhere yet, or unknown. */
void sl_pool_locate(const struct sl_plan *plan, const void **address, uint8_t *queues, unsigned count);

/* Starts `count` workers by the plan; none on failure (THREAD, NO_MEMORY). */
SEALANE_CHECK enum sealane_error sl_workers_start(struct sealane_pool *pool, const struct sl_plan *plan, unsigned count,
                                                  struct sl_worker **workers);
/* Makes them the pool's and ends those it had. */
void sl_workers_replace(struct sealane_pool *pool, struct sl_worker *workers, unsigned count);
/* Ends and frees them. */
void sl_workers_end(struct sealane_pool *pool, struct sl_worker *workers, unsigned count);

#endif
