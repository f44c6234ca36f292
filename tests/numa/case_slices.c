#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "tests/numa/cases.h"
#include "tests/numa/load.h"

/* Slices done since the last look. */
struct tally {
    uint64_t own[CPUS_MAX];
    uint64_t stolen[CPUS_MAX];
    int node[CPUS_MAX];
    unsigned count;
};

static void count_slices(sealane_pool *pool, struct tally *tally)
{
    tally->count = sealane_pool_workers(pool);
    if (tally->count > CPUS_MAX)
        broken("%u workers", tally->count);
    for (unsigned i = 0; i < tally->count; i++) {
        struct sealane_worker_info info;
        enum sealane_error error = sealane_pool_worker(pool, i, &info);
        if (error)
            broken("worker %u: %s", i, sealane_error_message(error));
        tally->own[i] = info.slices - tally->own[i];
        tally->stolen[i] = info.stolen - tally->stolen[i];
        tally->node[i] = info.plan.node;
    }
}

static bool load_counted(sealane_pool *pool, uint8_t *memory, size_t len, bool call, struct tally *tally)
{
    *tally = (struct tally){0};
    count_slices(pool, tally);
    bool right = load_once(pool, memory, len, call);
    count_slices(pool, tally);
    return right;
}

/* All pages on one node: what its workers do is their own, what others do is stolen, however the work falls to them. */
static void check_one_node(sealane_pool *pool, unsigned node)
{
    size_t len = 8 * MIB;
    uint8_t *memory;
    if (sealane_node_alloc(&memory, len, (int)node)) {
        must(false, "no memory on node %u", node);
        return;
    }
    memset(memory, 0, len);
    struct tally tally;
    uint64_t home_own = 0, home_stolen = 0, away_own = 0, away_stolen = 0;
    unsigned home = 0;
    /* One round may end before a worker of the node has waked up. */
    for (unsigned round = 0; round < 5 && (round == 0 || (home && !home_own)); round++) {
        if (!load_counted(pool, memory, len, round % 2, &tally))
            break;
        home = 0;
        for (unsigned i = 0; i < tally.count; i++) {
            bool here = tally.node[i] == (int)node;
            home += here;
            *(here ? &home_own : &away_own) += tally.own[i];
            *(here ? &home_stolen : &away_stolen) += tally.stolen[i];
        }
    }
    placed(home_stolen == 0 && away_own == 0 && (home ? home_own : away_stolen) > 0,
           "8 MiB on node %u: its %u workers did %llu slices as their own and %llu as others'; "
           "the other workers %llu as theirs, and stole %llu",
           node, home, (unsigned long long)home_own, (unsigned long long)home_stolen, (unsigned long long)away_own,
           (unsigned long long)away_stolen);
    sealane_node_free(memory, len);
}

/* As many MiB on each node that has workers, in one buffer.  A pool that does not look where pages lie does a share of
 * 1/nodes at home, in each of many runs.  One that does has stolen only what an idle worker could take when its node
 * was done: that depends on how the host runs the guest's CPUs, so the best of some rounds counts. */
static void check_balance(sealane_pool *pool, const struct guest *guest)
{
    enum { PART = 4 * HUGE_PAGE, ROUNDS = 8 };
    unsigned nodes[LOAD_LEN_MAX / PART], count = 0;
    struct tally tally;
    for (unsigned node = 0; node < NODES_MAX && count < LOAD_LEN_MAX / PART; node++)
        if ((guest->nodes >> node & 1) && (guest->cpus_of_node[node] & guest->usable))
            nodes[count++] = node;
    size_t len = (size_t)count * PART, room = len + HUGE_PAGE;
    uint8_t *mapped = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        broken("no %zu bytes of memory", room);
    uint8_t *memory = mapped + (-(uintptr_t)mapped & (HUGE_PAGE - 1));
    for (unsigned i = 0; i < count; i++)
        pages_bind(memory + (size_t)i * PART, PART, nodes[i]);
    memset(memory, 0, len);
    uint64_t best = 0, best_own = 0, best_all = 0;
    for (unsigned round = 0; round < ROUNDS && best < 80; round++) {
        uint64_t own = 0, all = 0;
        if (!load_counted(pool, memory, len, round % 2, &tally))
            break;
        for (unsigned i = 0; i < tally.count; i++) {
            if (tally.node[i] < 0)
                continue;
            own += tally.own[i];
            all += tally.own[i] + tally.stolen[i];
        }
        if (all && own * 100 / all >= best) {
            best = own * 100 / all;
            best_own = own;
            best_all = all;
        }
    }
    placed(best >= 80, "8 MiB on each of %u nodes: %llu of %llu slices at home; expected 80 %%", count,
           (unsigned long long)best_own, (unsigned long long)best_all);
    if (munmap(mapped, room) != 0)
        broken("munmap");
}

void case_slices(void)
{
    struct guest guest;
    guest_look(&guest);
    for (unsigned threads = 0; threads < 2; threads++) { /* by default, and one alone, which has most to steal */
        sealane_pool *pool = pool_of(threads);
        for (unsigned node = 0; node < NODES_MAX; node++)
            if (guest.nodes >> node & 1)
                check_one_node(pool, node);
        if (threads == 0) {
            check_balance(pool, &guest);
        } else {
            struct sealane_worker_info info;
            enum sealane_error error = sealane_pool_worker(pool, 0, &info);
            must(!error && info.plan.node >= 0, "the one worker, on CPU %u, has memory of its own node",
                 error ? 0 : info.plan.cpu);
        }
        sealane_pool_free(pool);
    }
}
