/* ipsec-mb's synchronous cipher burst with all records as one burst of jobs, filled in beforehand. */
#include "bench/ipsec_mb.h"

#include <stdlib.h>
#include <string.h>

#include "bench/batch.h"

struct state {
    struct batch_work work;
    IMB_MGR *manager;
    struct ipsec_mb_key keys[BATCH_RECORDS];
    IMB_JOB jobs[BATCH_RECORDS];
};

static void teardown(void *memory)
{
    struct state *state = memory;
    free_mb_mgr(state->manager);
    free(state);
}

static void fill_job(struct state *state, size_t i)
{
    IMB_JOB *job = &state->jobs[i];
    ipsec_mb_fill(job, &state->keys[batch_key(&state->work, i)]);
    job->iv = state->work.ivs[i];
    job->src = state->work.data + i * state->work.len;
    job->dst = state->work.data + i * state->work.len;
    job->msg_len_to_cipher_in_bytes = state->work.len;
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    struct state *state = aligned_alloc(64, (sizeof(*state) + 63) / 64 * 64);
    if (!state) {
        bench_error("%s: not enough memory", row->full_name);
        return BENCH_FAILED;
    }
    memset(state, 0, sizeof(*state));
    batch_work_init(&state->work, row);
    state->manager = ipsec_mb_open(row);
    if (!state->manager) {
        free(state);
        return BENCH_FAILED;
    }
    for (size_t i = 0; i < BATCH_RECORDS; i++) {
        ipsec_mb_expand(state->manager, &state->keys[i], state->work.keys[i]);
        fill_job(state, i);
    }
    *memory = state;
    return BENCH_OK;
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    struct state *state = memory;
    for (uint64_t i = 0; i < iterations; i++)
        if (!ipsec_mb_burst(state->manager, state->jobs, BATCH_RECORDS))
            return BENCH_FAILED;
    return BENCH_OK;
}

const struct bench_implementation bench_batch_ipsec_mb_burst = {
    .name = "ipsec-mb:burst", .setup = setup, .run = run, .teardown = teardown};
