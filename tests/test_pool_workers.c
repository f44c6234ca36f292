/* The pool's workers: where they run, how many, what becomes of them in a child, and what happens when the system says
 * no. */
#define _GNU_SOURCE
#include "tests/pooling.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sealane/topology.h"

POOLING_SANITIZER_OPTIONS

/* ---- What the linker puts between the library and the C library ---- */

static _Atomic unsigned allocations;
static _Atomic int threads_allowed = INT32_MAX;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_calloc(count, size);
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_aligned_alloc(alignment, size);
}

void *__real_mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
    atomic_fetch_add(&allocations, 1);
    return __real_mmap(address, len, protection, flags, fd, offset);
}

hwloc_bitmap_t __real_hwloc_bitmap_alloc(void);
hwloc_bitmap_t __wrap_hwloc_bitmap_alloc(void);
hwloc_bitmap_t __wrap_hwloc_bitmap_alloc(void)
{
    atomic_fetch_add(&allocations, 1);
    return __real_hwloc_bitmap_alloc();
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument)
{
    return atomic_fetch_sub(&threads_allowed, 1) > 0 ? __real_pthread_create(thread, attr, start, argument) : EAGAIN;
}

/* ---- Helpers ---- */

static unsigned usable_cpus(cpu_set_t *set)
{
    assert_int_equal(sched_getaffinity(0, sizeof *set, set), 0);
    return (unsigned)CPU_COUNT(set);
}

static unsigned thread_count(void)
{
    unsigned count = 0;
    DIR *threads = opendir("/proc/self/task");
    for (const struct dirent *entry; threads && (entry = readdir(threads));)
        count += entry->d_name[0] != '.';
    if (threads)
        closedir(threads);
    return count;
}

/* ---- Where they run ---- */

struct place {
    struct gate gate;
    _Atomic unsigned cpus[CPU_SETSIZE]; /* how many threads may run on this one and no other */
    _Atomic unsigned elsewhere;
    _Atomic unsigned interruptible; /* threads that take SIGTERM */
    _Atomic unsigned deaf;          /* threads that do not take their own faults */
};

static enum sealane_error task_place(void *context, uint64_t from, size_t len)
{
    struct place *p = context;
    cpu_set_t set;
    sigset_t blocked;
    (void)from, (void)len;
    int found = -1;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1)
        for (int i = 0; i < CPU_SETSIZE; i++)
            found = CPU_ISSET(i, &set) ? i : found;
    atomic_fetch_add(found >= 0 && found == sched_getcpu() ? &p->cpus[found] : &p->elsewhere, 1);
    if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0) {
        atomic_fetch_add(&p->interruptible, !sigismember(&blocked, SIGTERM));
        atomic_fetch_add(&p->deaf, sigismember(&blocked, SIGSEGV) || sigismember(&blocked, SIGBUS));
    }
    gate_pass(&p->gate); /* the next of these is another worker's */
    return SEALANE_OK;
}

static void each_worker_has_its_cpu(void **state)
{
    (void)state;
    cpu_set_t usable;
    const unsigned most = usable_cpus(&usable);
    sealane_topology *topology;
    assert_int_equal(sealane_topology_create(&topology), SEALANE_OK);
    for (unsigned threads = 0; threads <= most && threads <= 16; threads++) {
        struct place place = {.gate = GATE_CLOSED};
        sigset_t blocked;
        sealane_pool *pool = make_pool(threads, 64);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
        assert_int_equal(sigismember(&blocked, SIGTERM), 0); /* the caller takes signals as before */
        unsigned count = sealane_pool_workers(pool);
        if (threads) {
            assert_int_equal(count, threads);
        } else {
            struct sealane_topology_info info;
            sealane_topology_info(topology, &info);
            assert_int_equal(count, info.workers);
        }
        sealane_ticket ticket[64];
        assert_in_range(count, 1, 64);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(sl_pool_submit(pool, task_place, &place, NULL, 1, &ticket[i]), SEALANE_OK);
        gate_await(&place.gate, count);
        gate_open(&place.gate);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(sealane_pool_wait(pool, ticket[i]), SEALANE_OK);
        assert_int_equal(place.elsewhere, 0);
        assert_int_equal(place.interruptible, 0);
        assert_int_equal(place.deaf, 0);
        uint64_t slices = 0;
        for (unsigned i = 0; i < count; i++) {
            struct sealane_worker_info info;
            struct sealane_topology_worker planned;
            assert_int_equal(sealane_pool_worker(pool, i, &info), SEALANE_OK);
            assert_int_equal(sealane_topology_worker(topology, i, &planned), SEALANE_OK);
            assert_int_equal(info.plan.cpu, planned.cpu);
            assert_int_equal(info.plan.core, planned.core);
            assert_int_equal(info.plan.node, planned.node);
            assert_int_equal(info.plan.sibling, planned.sibling);
            assert_int_equal(info.pinned, 1);
            assert_true(CPU_ISSET(info.plan.cpu, &usable));
            assert_int_equal(place.cpus[info.plan.cpu], 1);
            slices += info.slices + info.stolen;
        }
        assert_int_equal(slices, count);
        struct sealane_worker_info info;
        assert_int_equal(sealane_pool_worker(pool, count, &info), SEALANE_E_ARGUMENT);
        assert_int_equal(sealane_pool_worker(pool, UINT32_MAX, &info), SEALANE_E_ARGUMENT);
        sealane_pool_free(pool);
    }
    sealane_topology_free(topology);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("wrong options, counting threads", "threads of an emulator end after they are joined");
        skip();
    }
    cpu_set_t usable;
    const unsigned most = usable_cpus(&usable);
    const struct sealane_pool_options wrong[] = {
        {0, 0, 16},
        {sizeof(struct sealane_pool_options) + 1, 0, 16},
        {sizeof(struct sealane_pool_options), 0, 0},
        {sizeof(struct sealane_pool_options), 0, SEALANE_POOL_REQUESTS_MAX + 1},
        {sizeof(struct sealane_pool_options), 0, UINT32_MAX},
        {sizeof(struct sealane_pool_options), most + 1, 16},
        {sizeof(struct sealane_pool_options), UINT32_MAX, 16},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        sealane_pool *pool = (sealane_pool *)&usable;
        assert_int_equal(sealane_pool_create(&pool, &wrong[i]), SEALANE_E_ARGUMENT);
        assert_null(pool);
    }
    const unsigned before = thread_count();
    sealane_pool *pool = make_pool(most, SEALANE_POOL_REQUESTS_MAX);
    assert_int_equal(sealane_pool_resize(pool, most + 1), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_pool_workers(pool), most);
    assert_true(works(pool, &keyed));
    sealane_pool_free(pool);
    assert_int_equal(sealane_pool_create(&pool, NULL), SEALANE_OK);
    assert_true(works(pool, &keyed));
    sealane_pool_free(pool);
    assert_int_equal(thread_count(), before);
}

/* ---- More, fewer ---- */

static void resized_under_load(void **state)
{
    (void)state;
    cpu_set_t usable;
    const unsigned most = usable_cpus(&usable), changes = test_reduced() ? 20 : 60;
    sealane_pool *pool = make_pool(1, 16);
    struct load load[2];
    for (unsigned i = 0; i < 2; i++) {
        load[i] = (struct load){.keyed = &keyed, .pool = pool};
        assert_int_equal(pthread_create(&load[i].thread, NULL, keep_working, &load[i]), 0);
    }
    for (unsigned i = 0; i < changes; i++) {
        const unsigned threads = 1 + i % most;
        assert_int_equal(sealane_pool_resize(pool, threads), SEALANE_OK);
        assert_int_equal(sealane_pool_workers(pool), threads);
        /* Every resize sees requests come and go. */
        for (unsigned k = 0; k < 2; k++)
            for (unsigned before = atomic_load(&load[k].rounds); atomic_load(&load[k].rounds) == before;)
                sched_yield();
    }
    for (unsigned i = 0; i < 2; i++) {
        atomic_store(&load[i].end, true);
        assert_int_equal(pthread_join(load[i].thread, NULL), 0);
        assert_true(load[i].good);
    }
    sealane_pool_free(pool);
}

/* The old workers end with what they are at; the new ones do the rest. */
struct resizing {
    pthread_t thread;
    sealane_pool *pool;
    enum sealane_error error;
};

static void *resize(void *argument)
{
    struct resizing *r = argument;
    r->error = sealane_pool_resize(r->pool, 1);
    return NULL;
}

static void new_workers_do_what_is_queued(void **state)
{
    (void)state;
    static uint8_t data[4 << 20], expected[4 << 20];
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(1, 16);
    struct resizing r = {.pool = pool};
    memset(data, 0, sizeof data);
    memset(expected, 0, sizeof expected);
    sealane_ctr_xor(keyed.key, keyed.iv, 0, expected, expected, sizeof expected);
    hold_workers(pool, &held);
    struct sealane_record record = {keyed.key, keyed.iv, 0, data, data, sizeof data};
    sealane_ticket ticket;
    assert_int_equal(sealane_pool_submit(pool, &record, &ticket), SEALANE_OK);
    assert_int_equal(pthread_create(&r.thread, NULL, resize, &r), 0);
    /* While the old worker is still at its gate. */
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    assert_memory_equal(data, expected, sizeof data);
    release_workers(pool, &held);
    assert_int_equal(pthread_join(r.thread, NULL), 0);
    assert_int_equal(r.error, SEALANE_OK);
    sealane_pool_free(pool);
}

/* Work that came while the new workers already slept was told to the old ones, and these are about to end. */
static void new_workers_hear_of_earlier_work(void **state)
{
    (void)state;
    struct gate open = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, true};
    sealane_pool *pool = make_pool(1, 16);
    for (unsigned round = 0; round < (test_reduced() ? 100u : 500u); round++) {
        struct sl_worker *workers;
        sealane_ticket ticket;
        assert_int_equal(sl_workers_start(pool, pool->plan, 1, &workers), SEALANE_OK);
        for (bool asleep = false; !asleep;) { /* old and new */
            sched_yield();
            pthread_mutex_lock(&pool->sleeping);
            asleep = workers[0].asleep && pool->worker[0].asleep;
            pthread_mutex_unlock(&pool->sleeping);
        }
        assert_int_equal(sl_pool_submit(pool, task_gate, &open, NULL, 1, &ticket), SEALANE_OK);
        sl_workers_replace(pool, workers, 1);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    }
    sealane_pool_free(pool);
}

/* ---- A caller in a worker's place ---- */

static struct sl_worker *borrow(sealane_pool *pool)
{
    struct sl_worker *w;
    while (!(w = sl_worker_borrow(pool))) /* it may not sleep yet */
        sched_yield();
    return w;
}

static enum sealane_error task_who(void *context, uint64_t from, size_t len)
{
    (void)from, (void)len;
    *(pid_t *)context = gettid();
    return SEALANE_OK;
}

/* Work that only a worker does: no second caller takes its place before it was there. */
static void a_worker_with_news_is_not_lent_again(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(1, 16);
    for (unsigned i = 0; i < 100; i++) {
        struct gate gate = GATE_CLOSED;
        sealane_ticket ticket;
        struct sl_worker *w = borrow(pool);
        assert_int_equal(sl_pool_submit(pool, task_gate, &gate, NULL, 1, &ticket), SEALANE_OK);
        sl_worker_give_back(w);
        assert_null(sl_worker_borrow(pool));
        gate_open(&gate);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    }
    sealane_pool_free(pool);
}

static void a_caller_takes_a_sleeping_workers_place(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(1, 16);
    struct sealane_worker_info info;
    pid_t done_by = 0;
    sealane_ticket ticket;
    /* Once it has worked, no call from its start is left that could wake it. */
    assert_int_equal(sl_pool_submit(pool, task_who, &done_by, NULL, 1, &ticket), SEALANE_OK);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    struct sl_worker *w = borrow(pool);
    assert_null(sl_worker_borrow(pool)); /* there is only one */
    assert_int_equal(sl_pool_submit_any(pool, task_who, &done_by, NULL, 1, false, &ticket), SEALANE_OK);
    _Atomic uint64_t pending = 1; /* until there is nothing to do */
    sl_worker_help(w, &pending);
    assert_int_equal(done_by, gettid());
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    assert_int_equal(sealane_pool_worker(pool, 0, &info), SEALANE_OK);
    assert_int_equal(info.slices, 2);
    /* What is his is done: the rest is not for him. */
    done_by = 0;
    assert_int_equal(sl_pool_submit_any(pool, task_who, &done_by, NULL, 1, false, &ticket), SEALANE_OK);
    pending = 0;
    sl_worker_help(w, &pending);
    assert_int_equal(done_by, 0);
    pending = 1;
    sl_worker_help(w, &pending);
    assert_int_equal(done_by, gettid());
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    /* Nor is what may wait for a file, in any case. */
    done_by = 0;
    assert_int_equal(sl_pool_submit(pool, task_who, &done_by, NULL, 1, &ticket), SEALANE_OK);
    sl_worker_help(w, &pending);
    assert_int_equal(done_by, 0);
    /* But the worker's, once it is given back. */
    sl_worker_give_back(w);
    assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
    assert_true(done_by != 0 && done_by != gettid());
    sealane_pool_free(pool);
}

static void a_resize_waits_for_who_took_a_workers_place(void **state)
{
    (void)state;
    sealane_pool *pool = make_pool(1, 16);
    for (unsigned round = 0; round < 20; round++) {
        struct sl_worker *w = borrow(pool);
        struct resizing r = {.pool = pool};
        assert_int_equal(pthread_create(&r.thread, NULL, resize, &r), 0);
        while (!atomic_load(&w->stop))
            sched_yield();
        /* The new worker is there, this one only until it is given back. */
        assert_true(works(pool, &keyed));
        _Atomic uint64_t pending = 1;
        pid_t done_by = 0;
        sealane_ticket ticket;
        assert_int_equal(sl_pool_submit(pool, task_who, &done_by, NULL, 1, &ticket), SEALANE_OK);
        assert_int_equal(sealane_pool_wait(pool, ticket), SEALANE_OK);
        sl_worker_help(w, &pending);
        assert_int_not_equal(done_by, gettid());
        sl_worker_give_back(w);
        assert_int_equal(pthread_join(r.thread, NULL), 0);
        assert_int_equal(r.error, SEALANE_OK);
    }
    sealane_pool_free(pool);
}

/* ---- When the system says no ---- */

static void threads_that_cannot_start(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("threads that cannot start", "threads of an emulator end after they are joined");
        skip();
    }
    cpu_set_t usable;
    const unsigned most = usable_cpus(&usable), before = thread_count();
    for (unsigned allowed = 0; allowed < most && allowed < 8; allowed++) {
        struct sealane_pool_options options = SEALANE_POOL_OPTIONS_INIT;
        sealane_pool *pool = (sealane_pool *)&usable;
        options.threads = most;
        atomic_store(&threads_allowed, (int)allowed);
        assert_int_equal(sealane_pool_create(&pool, &options), SEALANE_E_THREAD);
        atomic_store(&threads_allowed, INT32_MAX);
        assert_null(pool);
        assert_int_equal(thread_count(), before);
    }
    sealane_pool *pool = make_pool(1, 16);
    const unsigned with_one = thread_count();
    for (unsigned allowed = 0; allowed < most && allowed < 8; allowed++) {
        atomic_store(&threads_allowed, (int)allowed);
        assert_int_equal(sealane_pool_resize(pool, most), SEALANE_E_THREAD);
        atomic_store(&threads_allowed, INT32_MAX);
        assert_int_equal(sealane_pool_workers(pool), 1);
        assert_int_equal(thread_count(), with_one);
        assert_true(works(pool, &keyed));
    }
    sealane_pool_free(pool);
    assert_int_equal(thread_count(), before);
}

static void nothing_is_allocated_for_requests(void **state)
{
    (void)state;
    enum { COUNT = 20, LEN = 2 << 20 };
    uint8_t *data = calloc(COUNT, LEN);
    assert_non_null(data);
    sealane_pool *pool = make_pool(0, COUNT);
    assert_true(atomic_load(&allocations) > 0); /* they are counted */
    const unsigned before = atomic_load(&allocations);
    for (unsigned round = 0; round < 3; round++) {
        sealane_ticket ticket[COUNT];
        struct sealane_record record;
        struct sealane_worker_info info;
        for (unsigned i = 0; i < COUNT; i++) {
            uint8_t *at = data + (size_t)i * LEN;
            record = (struct sealane_record){keyed.key, keyed.iv, 0, at, at, LEN};
            assert_int_equal(sealane_pool_submit(pool, &record, &ticket[i]), SEALANE_OK);
        }
        sealane_ticket none;
        record.len = 1000;
        enum sealane_error error = sealane_pool_submit(pool, &record, &none);
        assert_true(error == SEALANE_OK || error == SEALANE_E_BUSY);
        assert_int_equal(sealane_pool_cancel(pool, ticket[COUNT - 1]), SEALANE_OK);
        for (unsigned i = 0; i < COUNT; i++)
            assert_int_not_equal(sealane_pool_wait(pool, ticket[i]), SEALANE_E_ARGUMENT);
        assert_int_equal(sealane_pool_ctr_xor(pool, keyed.key, keyed.iv, 0, data, data, LEN), SEALANE_OK);
        assert_int_equal(sealane_pool_ctr_xor(pool, keyed.key, keyed.iv, 0, data, data, 100), SEALANE_OK);
        assert_int_equal(sealane_pool_worker(pool, 0, &info), SEALANE_OK);
    }
    assert_int_equal(atomic_load(&allocations), before);
    sealane_pool_free(pool);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_worker_has_its_cpu),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(resized_under_load),
        cmocka_unit_test(new_workers_do_what_is_queued),
        cmocka_unit_test(new_workers_hear_of_earlier_work),
        cmocka_unit_test(a_caller_takes_a_sleeping_workers_place),
        cmocka_unit_test(a_worker_with_news_is_not_lent_again),
        cmocka_unit_test(a_resize_waits_for_who_took_a_workers_place),
        cmocka_unit_test(threads_that_cannot_start),
        cmocka_unit_test(nothing_is_allocated_for_requests),
    };
    return cmocka_run_group_tests(tests, pooling_set_up, pooling_tear_down);
}
