/* Work for the pool, with every byte of its output compared. */
#ifndef SEALANE_TESTS_NUMA_LOAD_H
#define SEALANE_TESTS_NUMA_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sealane/pool.h"

enum { LOAD_LEN_MAX = 32 << 20 };

/* The pool by its defaults but for the number of threads, or the end of the test. */
sealane_pool *pool_of(unsigned threads);

/* Encrypts zeroed memory of at most LOAD_LEN_MAX bytes in place, compares it with what one call of sealane_ctr_xor()
 * gives, and zeroes it again.  False if it differs or the pool failed, which is then among the findings.  `call`: by
 * sealane_pool_ctr_xor(), otherwise by submitting it and waiting. */
bool load_once(sealane_pool *pool, uint8_t *memory, size_t len, bool call);

/* A thread that does so again and again, by turns.  *load stays where it is until load_stop() has returned; that waits
 * for the round under way, and says whether all were right. */
struct load {
    sealane_pool *pool;
    atomic_bool stop;
    atomic_size_t rounds;
    bool right;
    unsigned long thread;
};
void load_start(struct load *load, sealane_pool *pool);
bool load_stop(struct load *load, const char *meanwhile);
/* Waits until `rounds` more are done; after a minute that is a finding. */
void load_wait(struct load *load, size_t rounds);

#endif
