/* Work of other kinds than sealane_pool_ctr_xor() on the pool: what its users above need to know. */
#ifndef SEALANE_ENGINE_POOL_TASK_H
#define SEALANE_ENGINE_POOL_TASK_H

#include "sealane/pool.h"

enum { SL_POOL_SLICE_LEN = 256 * 1024 }; /* bytes: source and destination fit an L2 of 1 MiB, twice */

/* Does `len` bytes, at most SL_POOL_SLICE_LEN, from `from` of a request, on any worker and in any order.  The first
 * error ends the request. */
typedef enum sealane_error sl_pool_run(void *context, uint64_t from, size_t len);

/* Queues a request of `len` bytes, to be waited for with sealane_pool_wait().  Without a record it may block, on files:
 * only workers run it.  With one `context` is not used:
 * `run` gets the pool's copy, slices go where its dst lies, and it is compared with others in flight.  Errors:
 * ARGUMENT (len 0), POOL_FULL, BUSY, FORKED; *ticket is 0 then. */
SEALANE_CHECK enum sealane_error sl_pool_submit(struct sealane_pool *pool, sl_pool_run *run, void *context,
                                                const struct sealane_record *record, uint64_t len,
                                                sealane_ticket *ticket);

#endif
