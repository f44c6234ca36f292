/* Threads pinned to CPUs that all do the same at the same time: what a pool of workers is compared with. */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

#include <stddef.h>

#include "bench/bench.h"

struct bench_team;

/* Called on each member's own thread. */
typedef void bench_team_work(void *context, size_t member);

/* Starts `count` threads, the k-th pinned to cpus[k].  *team is NULL on failure. */
enum bench_status bench_team_start(struct bench_team **team, const unsigned *cpus, size_t count, bench_team_work *work,
                                   void *context);

/* Every member does its work once; returns when all have. */
void bench_team_run(struct bench_team *team);

void bench_team_end(struct bench_team *team);

#endif
