#define _GNU_SOURCE
#include <time.h>

#include "tests/numa/cases.h"
#include "tests/numa/load.h"

/* A thread that has been joined may be listed for a moment still. */
static size_t worker_tasks(pid_t tasks[TASKS_MAX], size_t expected)
{
    size_t count = tasks_of_pool(tasks);
    for (int i = 0; i < 200 && count != expected; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        count = tasks_of_pool(tasks);
    }
    return count;
}

static void check_worker(const struct guest *guest, unsigned index, const struct sealane_worker_info *info,
                         const pid_t *tasks, size_t task_count)
{
    uint64_t cpu = (uint64_t)1 << info->plan.cpu;
    unsigned here = 0;
    for (size_t i = 0; i < task_count; i++)
        here += task_cpus(tasks[i]) == cpu;
    int node = guest_node_of(guest, info->plan.cpu);
    placed(here == 1 && info->plan.node == node && info->pinned,
           "worker %u: CPU %u of node %d (planned as %d)%s; %u threads may run there alone", index, info->plan.cpu,
           node, info->plan.node, info->pinned ? "" : ", not pinned", here);
}

void check_workers(sealane_pool *pool, uint64_t expected)
{
    struct guest guest;
    pid_t tasks[TASKS_MAX];
    uint64_t cpus = 0;
    guest_look(&guest);
    unsigned count = sealane_pool_workers(pool);
    size_t task_count = worker_tasks(tasks, count);
    must(task_count == count, "%u workers, %zu threads", count, task_count);
    for (unsigned i = 0; i < count; i++) {
        struct sealane_worker_info info;
        enum sealane_error error = sealane_pool_worker(pool, i, &info);
        if (error || info.plan.cpu >= CPUS_MAX) {
            must(false, "worker %u: %s", i, sealane_error_message(error));
            continue;
        }
        check_worker(&guest, i, &info, tasks, task_count);
        cpus |= (uint64_t)1 << info.plan.cpu;
    }
    must(cpus == expected && count == (unsigned)__builtin_popcountll(expected),
         "%u workers for the CPUs %s; expected one on each of %s", count, show_list(cpus), show_list(expected));
    for (size_t i = 0; i < task_count; i++)
        must(__builtin_popcountll(task_cpus(tasks[i])) == 1, "thread %zu of the pool may run on %s: one CPU", i,
             show_list(task_cpus(tasks[i])));
}

/* Looks at the pool's threads during work until each CPU has been seen to run one, and none has been seen elsewhere. */
static void check_seen(sealane_pool *pool, uint64_t expected)
{
    struct guest guest;
    struct load load;
    pid_t tasks[TASKS_MAX];
    size_t task_count = worker_tasks(tasks, sealane_pool_workers(pool));
    unsigned seen[CPUS_MAX] = {0};
    uint64_t where = 0;
    guest_look(&guest);
    load_start(&load, pool);
    for (size_t rounds = load.rounds; load.rounds < rounds + 3 || (where != expected && load.rounds < rounds + 40);) {
        for (size_t i = 0; i < task_count; i++) {
            unsigned cpu;
            if (!task_running(tasks[i], &cpu) || cpu >= CPUS_MAX)
                continue;
            seen[cpu]++;
            where |= (uint64_t)1 << cpu;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
    }
    load_stop(&load, "threads were watched");
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (expected >> cpu & 1)
            placed(seen[cpu] > 0, "CPU %u of node %d: seen running a worker %u times", cpu, guest_node_of(&guest, cpu),
                   seen[cpu]);
        else if (seen[cpu])
            placed(false, "CPU %u has no worker: seen running one %u times", cpu, seen[cpu]);
    }
}

/* With a worker on each hardware thread: those that share a core with an earlier one say so. */
static void check_siblings(const struct guest *guest)
{
    sealane_pool *pool = pool_of((unsigned)__builtin_popcountll(guest->usable));
    unsigned siblings = 0;
    check_workers(pool, guest->usable);
    for (unsigned i = 0; i < sealane_pool_workers(pool); i++) {
        struct sealane_worker_info info;
        if (!sealane_pool_worker(pool, i, &info))
            siblings += info.plan.sibling != 0;
    }
    unsigned expected = (unsigned)__builtin_popcountll(guest->usable & ~guest->firsts);
    must(siblings == expected, "%u workers share a core with an earlier one; expected %u", siblings, expected);
    sealane_pool_free(pool);
}

void case_workers(void)
{
    struct guest guest;
    guest_look(&guest);
    sealane_pool *pool = pool_of(0);
    check_workers(pool, guest.firsts);
    check_seen(pool, guest.firsts);
    sealane_pool_free(pool);

    if (guest.usable != guest.firsts)
        check_siblings(&guest);

    unsigned most = (unsigned)__builtin_popcountll(guest.usable);
    struct sealane_pool_options options = SEALANE_POOL_OPTIONS_INIT;
    options.threads = most + 1;
    enum sealane_error error = sealane_pool_create(&pool, &options);
    must(error == SEALANE_E_ARGUMENT && !pool, "%u threads on %u CPUs: %s", most + 1, most,
         sealane_error_message(error));
}
