/* What the implementations of the `batch` suite share. */
#ifndef BENCH_BATCH_H
#define BENCH_BATCH_H

#include "bench/bench.h"

enum { BATCH_RECORDS = 64, BATCH_KEY_LEN = 32, BATCH_IV_LEN = 16, BATCH_LEN_MAX = 64 };

struct batch_work {
    uint8_t *data; /* BATCH_RECORDS records of len bytes, one after another, encrypted in place */
    size_t len;
    int own_keys; /* non-zero: record i has key i; else all have key 0 */
    /* Random IVs with the top bit of their last 32 bits clear, as in suite `kernels`. */
    const uint8_t (*ivs)[BATCH_IV_LEN];
    const uint8_t (*keys)[BATCH_KEY_LEN];
};

/* Fills *work for the row's case. */
void batch_work_init(struct batch_work *work, const struct bench_row *row);

static inline size_t batch_key(const struct batch_work *work, size_t record)
{
    return work->own_keys ? record : 0;
}

#endif
