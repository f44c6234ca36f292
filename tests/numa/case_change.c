#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/numa/cases.h"
#include "tests/numa/load.h"

/* For the guest with the CPUs 0 and 1 on node 0, 2 and 3 on node 1. */
#define GROUP "/sys/fs/cgroup/test/"
enum { NODE_0 = 0x3, NODE_1 = 0xc };

static void group_make(const char *cpus, const char *nodes, const char *quota)
{
    char pid[16];
    if (mkdir(GROUP, 0755) != 0 && errno != EEXIST)
        broken("%s: %s", GROUP, strerror(errno));
    write_file(GROUP "cpuset.cpus", cpus);
    write_file(GROUP "cpuset.mems", nodes);
    write_file(GROUP "cpu.max", quota);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    write_file(GROUP "cgroup.procs", pid);
}

/* Every worker says that it is pinned if and only if one of the pool's threads may run on its CPU alone. */
static void check_honest(sealane_pool *pool, const char *after, uint64_t pinned)
{
    pid_t tasks[TASKS_MAX];
    size_t count = tasks_of_pool(tasks);
    uint64_t bound = 0, said = 0;
    for (size_t i = 0; i < count; i++)
        if (__builtin_popcountll(task_cpus(tasks[i])) == 1)
            bound |= task_cpus(tasks[i]);
    for (unsigned i = 0; i < sealane_pool_workers(pool); i++) {
        struct sealane_worker_info info;
        if (!sealane_pool_worker(pool, i, &info) && info.pinned && info.plan.cpu < CPUS_MAX)
            said |= (uint64_t)1 << info.plan.cpu;
    }
    placed(said == bound && (said & ~pinned) == 0, "after %s, threads are bound to the CPUs %s, and workers say %s",
           after, show_list(bound), show_list(said));
}

static void resize(sealane_pool *pool, unsigned threads, uint64_t expected)
{
    enum sealane_error error = sealane_pool_resize(pool, threads);
    if (must(!error, "resized to %u: %s", threads, sealane_error_message(error)))
        check_workers(pool, expected);
}

void case_cpuset(void)
{
    uint8_t *memory;
    struct pages pages;
    group_make("2-3", "1", "max");
    sealane_pool *pool = pool_of(0);
    check_workers(pool, NODE_1);
    sealane_pool_free(pool);

    enum sealane_error error = sealane_node_alloc(&memory, 4 * MIB, 0);
    must(error != SEALANE_OK, "memory for node 0, from which it may have none: %s", sealane_error_message(error));
    for (int node = SEALANE_INTERLEAVED; node <= 1; node += 2) {
        error = sealane_node_alloc(&memory, 4 * MIB, node);
        if (!must(!error, "memory for node %d: %s", node, sealane_error_message(error)))
            continue;
        memset(memory, 1, 4 * MIB);
        pages_look(&pages, memory, 4 * MIB);
        placed(pages.on[1] == pages.all, "buffer for node %d: %zu of %zu pages on node 1, all there is", node,
               pages.on[1], pages.all);
        sealane_node_free(memory, 4 * MIB);
    }

    group_make("0-3", "0-1", "200000 100000");
    pool = pool_of(0);
    struct sealane_worker_info info[2];
    unsigned count = sealane_pool_workers(pool);
    if (must(count == 2, "a quota of 2 CPUs: %u workers", count) && !sealane_pool_worker(pool, 0, &info[0]) &&
        !sealane_pool_worker(pool, 1, &info[1]))
        check_workers(pool, (uint64_t)1 << info[0].plan.cpu | (uint64_t)1 << info[1].plan.cpu);
    sealane_pool_free(pool);
}

void case_shrink(void)
{
    struct load load;
    group_make("0-3", "0-1", "max");
    sealane_pool *pool = pool_of(0);
    check_workers(pool, NODE_0 | NODE_1);
    load_start(&load, pool);
    write_file(GROUP "cpuset.cpus", "2-3");
    load_wait(&load, 2);
    check_honest(pool, "the cpuset shrank to 2-3", NODE_1);
    resize(pool, 0, NODE_1);
    load_wait(&load, 2);
    enum sealane_error error = sealane_pool_resize(pool, 3);
    must(error == SEALANE_E_ARGUMENT && sealane_pool_workers(pool) == 2, "3 threads on 2 CPUs: %s, and there are %u",
         sealane_error_message(error), sealane_pool_workers(pool));
    write_file(GROUP "cpuset.cpus", "0-3");
    load_wait(&load, 1);
    resize(pool, 0, NODE_0 | NODE_1);
    write_file(GROUP "cpuset.mems", "1");
    load_wait(&load, 2);
    error = sealane_pool_resize(pool, 2);
    must(error == SEALANE_E_IO && sealane_pool_workers(pool) == 4,
         "resized without node 0: %s, and there are %u workers", sealane_error_message(error),
         sealane_pool_workers(pool));
    load_stop(&load, "the cpuset shrank and grew");
    sealane_pool_free(pool);
    pool = pool_of(0);
    check_workers(pool, NODE_0 | NODE_1);
    sealane_pool_free(pool);
}

static void online(unsigned cpu, const char *state)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/online", cpu);
    write_file(path, state);
}

void case_offline(void)
{
    struct load load;
    sealane_pool *pool = pool_of(0);
    check_workers(pool, NODE_0 | NODE_1);
    load_start(&load, pool);
    online(3, "0");
    load_wait(&load, 2);
    check_honest(pool, "CPU 3 went offline", 0x7);
    resize(pool, 0, 0x7);
    online(2, "0");
    load_wait(&load, 2);
    check_honest(pool, "all CPUs of node 1 went offline", NODE_0);
    resize(pool, 0, NODE_0);
    load_wait(&load, 2);
    online(2, "1");
    online(3, "1");
    resize(pool, 0, NODE_0 | NODE_1);
    load_stop(&load, "CPUs came and went");
    sealane_pool_free(pool);
}
