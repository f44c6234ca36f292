/* What numa_pool can check, and what its cases share. */
#ifndef SEALANE_TESTS_NUMA_CASES_H
#define SEALANE_TESTS_NUMA_CASES_H

#include <stdint.h>

#include "sealane/pool.h"
#include "tests/numa/guest.h"

/* One worker on each CPU of `expected` and no other, whose thread may run there alone. */
void check_workers(sealane_pool *pool, uint64_t expected);

void case_workers(void); /* where workers are planned, bound and seen */
void case_memory(void);  /* where sealane_node_alloc() places pages */
void case_full(void);    /* where it places more than a node has */
void case_slices(void);  /* whose work is done by whom */
void case_cpuset(void);  /* in a cgroup with CPUs and memory of node 1 alone, and in one with a quota */
void case_shrink(void);  /* the cpuset becomes smaller during work, and larger */
void case_offline(void); /* CPUs go away during work, and come back */

#endif
