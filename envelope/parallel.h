/* A long stretch of one file to another through a stream, on a pool of workers. */
#ifndef SEALANE_ENVELOPE_PARALLEL_H
#define SEALANE_ENVELOPE_PARALLEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sealane/engine.h"
#include "sealane/pool.h"

/* Each slice is read, encrypted and written by one worker, at its place in both files. */
struct sl_parallel {
    sealane_pool *pool;
    const sealane_stream *stream;
    uint64_t stream_at; /* of the first byte */
    int in_fd;
    int out_fd;
    int64_t in_at;
    int64_t out_at;
    uint64_t len;
    void (*progress)(void *context, uint64_t done); /* from the calling thread; NULL: none */
    void *progress_context;
};

/* How many of the `left` bytes of `all` go to the pool: whole slices, or 0 where it would not be used. */
uint64_t sl_parallel_share(const sealane_pool *pool, int in_fd, int out_fd, uint64_t all, uint64_t left);

/* Leaves both descriptors' positions alone.  Memory: one slice for each worker, on its node, out of core dumps and not
 * inherited by a child, wiped at the end.  *begun is false, and the result OK, if there is no memory for them: nothing
 * was read or written.  Errors: READ_FAILED, TRUNCATED (the input has become shorter), those of sl_pwrite_all(),
 * FORKED, POOL_FULL.
 */
SEALANE_CHECK enum sealane_error sl_parallel_run(const struct sl_parallel *job, bool *begun);

#endif
