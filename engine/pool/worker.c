#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool/pool.h"

enum { SPINS = 4096 }; /* some 50 us: a claim of 2 MiB takes as long */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

enum { CPUS_MAX = 8192 }; /* Linux's own limit */
typedef cpu_set_t cpus[CPUS_MAX / CPU_SETSIZE];

/* A CPU that went away since the plan was made is refused: then the system decides where the thread runs. */
static void pin(const struct sl_worker *w)
{
    cpus set;
    CPU_ZERO_S(sizeof set, set);
    CPU_SET_S(w->plan.cpu, sizeof set, set);
    (void)pthread_setaffinity_np(w->thread, sizeof set, set);
}

bool sl_worker_pinned(const struct sl_worker *w)
{
    cpus set;
    return pthread_getaffinity_np(w->thread, sizeof set, set) == 0 && CPU_COUNT_S(sizeof set, set) == 1 &&
           CPU_ISSET_S(w->plan.cpu, sizeof set, set);
}

/* False: time to end. */
static bool wait_for_news(struct sl_worker *w, uint64_t *epoch)
{
    struct sealane_pool *pool = w->pool;
    pthread_mutex_lock(&pool->sleeping);
    w->asleep = true;
    while (w->lent || (!atomic_load_explicit(&w->stop, memory_order_relaxed) && pool->epoch == *epoch)) {
        pthread_cond_wait(&w->news, &pool->sleeping);
        w->asleep = true; /* who gave it back may have seen work of which the news is still to come */
    }
    w->asleep = false;
    *epoch = pool->epoch;
    pthread_mutex_unlock(&pool->sleeping);
    return !atomic_load_explicit(&w->stop, memory_order_relaxed);
}

/* As the worker, until there is nothing to claim or `pending` is 0 (NULL: never). */
static void do_slices(struct sl_worker *w, const _Atomic uint64_t *pending)
{
    struct sl_claim claim;
    while (!atomic_load_explicit(&w->stop, memory_order_relaxed) &&
           !(pending && atomic_load_explicit(pending, memory_order_relaxed) == 0) &&
           sl_pool_claim(w->pool, w, pending != NULL, &claim)) {
        /* Counted before it is done: who waits for the request then finds it here. */
        bool own = w->pool->plan->node_of_queue[claim.queue] == w->plan.node;
        atomic_fetch_add_explicit(own ? &w->slices : &w->stolen, claim.count, memory_order_relaxed);
        sl_request_do(w->pool, &claim);
    }
}

static void *work(void *argument)
{
    struct sl_worker *w = argument;
    uint64_t epoch = 0; /* of no news yet: the first look is always due */
    do {
        do_slices(w, NULL);
    } while (wait_for_news(w, &epoch));
    return NULL;
}

static bool is_free(const struct sl_worker *w)
{
    return w->asleep && !w->lent && !atomic_load_explicit(&w->stop, memory_order_relaxed);
}

/* pool->sleeping is held.  The hardware thread as one of the workers' or of the first plan's, for its node; NULL: it is
 * none of them. */
static const struct sl_plan_worker *here_of(const struct sealane_pool *pool, int cpu)
{
    const unsigned count = atomic_load_explicit(&pool->worker_count, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++)
        if ((int)pool->worker[i].plan.cpu == cpu)
            return &pool->worker[i].plan;
    for (unsigned i = 0; i < pool->plan->worker_count; i++)
        if ((int)pool->plan->worker[i].cpu == cpu)
            return &pool->plan->worker[i];
    return NULL;
}

struct sl_worker *sl_worker_borrow(struct sealane_pool *pool)
{
    struct sl_worker *found = NULL;
    const int cpu = sched_getcpu();
    pthread_mutex_lock(&pool->sleeping);
    const unsigned count = atomic_load_explicit(&pool->worker_count, memory_order_relaxed);
    const struct sl_plan_worker *here = here_of(pool, cpu);
    for (unsigned i = 0; here && i < count && !(found && (int)found->plan.cpu == cpu); i++) {
        struct sl_worker *w = &pool->worker[i];
        if (is_free(w) && ((int)w->plan.cpu == cpu || w->plan.node == here->node))
            found = w;
    }
    if (found)
        found->lent = true;
    pthread_mutex_unlock(&pool->sleeping);
    return found;
}

/* What others still have of a request when the caller is through is about one claim's worth: to sleep and be woken for
 * that would take longer. */
void sl_worker_help(struct sl_worker *w, const _Atomic uint64_t *pending)
{
    do_slices(w, pending);
    for (unsigned i = 0; i < SPINS && atomic_load_explicit(pending, memory_order_relaxed) != 0; i++)
        relax();
}

/* What came in meanwhile is the worker's again. */
void sl_worker_give_back(struct sl_worker *w)
{
    struct sealane_pool *pool = w->pool;
    pthread_mutex_lock(&pool->sleeping);
    bool news = atomic_load_explicit(&w->stop, memory_order_relaxed);
    w->lent = false;
    for (unsigned q = 0; q < pool->plan->queue_count; q++)
        news = news || atomic_load_explicit(&pool->queue[q].waiting, memory_order_relaxed) != 0;
    if (news) {
        w->asleep = false; /* or callers one after the other could keep it from files, which only workers read */
        pthread_cond_signal(&w->news);
    }
    pthread_mutex_unlock(&pool->sleeping);
}

/* Local workers first; others if those are too few. */
void sl_pool_wake(struct sealane_pool *pool, const uint64_t *added)
{
    const unsigned queues = pool->plan->queue_count;
    uint64_t wanted[SL_PLAN_QUEUES_MAX], left = 0;
    memcpy(wanted, added, queues * sizeof wanted[0]);
    pthread_mutex_lock(&pool->sleeping);
    pool->epoch++;
    const unsigned count = atomic_load_explicit(&pool->worker_count, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++) {
        struct sl_worker *w = &pool->worker[i];
        if (is_free(w) && wanted[w->plan.queue[0]] > 0) {
            wanted[w->plan.queue[0]]--;
            w->asleep = false;
            pthread_cond_signal(&w->news);
        }
    }
    for (unsigned q = 0; q < queues; q++)
        left += wanted[q];
    for (unsigned i = 0; i < count && left > 0; i++) {
        struct sl_worker *w = &pool->worker[i];
        if (is_free(w)) {
            left--;
            w->asleep = false;
            pthread_cond_signal(&w->news);
        }
    }
    pthread_mutex_unlock(&pool->sleeping);
}

enum sealane_error sl_workers_start(struct sealane_pool *pool, const struct sl_plan *plan, unsigned count,
                                    struct sl_worker **workers)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all, before;
    unsigned started = 0;
    *workers = NULL;
    struct sl_worker *w = aligned_alloc(_Alignof(struct sl_worker), count * sizeof *w);
    if (!w)
        return SEALANE_E_NO_MEMORY;
    /* A worker takes no signals, which are the program's, but those that tell of its own faults: blocked, they would
     * kill the process past its handlers. */
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        free(w);
        return SEALANE_E_THREAD;
    }
    for (; started < count; started++) {
        w[started] = (struct sl_worker){.pool = pool, .plan = plan->worker[started]};
        pthread_cond_init(&w[started].news, NULL); /* cannot fail without attributes */
        if (pthread_create(&w[started].thread, NULL, work, &w[started]) != 0)
            break;
        pin(&w[started]);
    }
    /* Cannot fail where the call before did not. */
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started < count) {
        pthread_cond_destroy(&w[started].news);
        sl_workers_end(pool, w, started);
        return SEALANE_E_THREAD;
    }
    *workers = w;
    return SEALANE_OK;
}

/* Submitters up to now may have called those before, who then end without a look at the queues. */
void sl_workers_replace(struct sealane_pool *pool, struct sl_worker *workers, unsigned count)
{
    pthread_mutex_lock(&pool->sleeping);
    struct sl_worker *before = pool->worker;
    const unsigned count_before = atomic_load_explicit(&pool->worker_count, memory_order_relaxed);
    pool->worker = workers;
    atomic_store_explicit(&pool->worker_count, count, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++)
        pthread_cond_signal(&workers[i].news);
    pthread_mutex_unlock(&pool->sleeping);
    sl_workers_end(pool, before, count_before);
}

void sl_workers_end(struct sealane_pool *pool, struct sl_worker *workers, unsigned count)
{
    pthread_mutex_lock(&pool->sleeping);
    for (unsigned i = 0; i < count; i++) {
        atomic_store_explicit(&workers[i].stop, true, memory_order_relaxed);
        pthread_cond_signal(&workers[i].news);
    }
    pthread_mutex_unlock(&pool->sleeping);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        pthread_cond_destroy(&workers[i].news);
    }
    free(workers);
}
