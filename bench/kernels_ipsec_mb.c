/* ipsec-mb, one message per call: by its job API and by its synchronous cipher burst. */
#include "bench/ipsec_mb.h"

#include <stdlib.h>
#include <string.h>

#include "bench/kernels.h"

struct state {
    struct kernels_work work;
    IMB_MGR *manager;
    struct ipsec_mb_key key;
    IMB_JOB job;
};

static void teardown(void *memory)
{
    struct state *state = memory;
    free_mb_mgr(state->manager);
    free(state);
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    struct state *state = aligned_alloc(64, (sizeof(*state) + 63) / 64 * 64);
    if (!state) {
        bench_error("%s: not enough memory", row->full_name);
        return BENCH_FAILED;
    }
    memset(state, 0, sizeof(*state));
    kernels_work_init(&state->work, row);
    state->manager = ipsec_mb_open(row);
    if (!state->manager) {
        free(state);
        return BENCH_FAILED;
    }
    ipsec_mb_expand(state->manager, &state->key, kernels_key);
    ipsec_mb_fill(&state->job, &state->key);
    *memory = state;
    return BENCH_OK;
}

/* CTR jobs are done when submit returns. */
static enum bench_status run_job(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    const struct kernels_work work = state->work;
    IMB_MGR *manager = state->manager;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        IMB_JOB *job = IMB_GET_NEXT_JOB(manager);
        ipsec_mb_fill(job, &state->key);
        job->iv = kernels_iv(&work, i);
        job->src = place + work.apart;
        job->dst = place;
        job->msg_len_to_cipher_in_bytes = work.len;
        job = IMB_SUBMIT_JOB_NOCHECK(manager);
        if (!job || job->status != IMB_STATUS_COMPLETED)
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

static enum bench_status run_burst(void *memory, uint64_t iterations)
{
    struct state *state = memory;
    const struct kernels_work work = state->work;
    IMB_MGR *manager = state->manager;
    IMB_JOB *job = &state->job;
    job->msg_len_to_cipher_in_bytes = work.len;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        job->iv = kernels_iv(&work, i);
        job->src = place + work.apart;
        job->dst = place;
        if (!ipsec_mb_burst(manager, job, 1))
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

KERNELS_IMPLEMENTATION(ipsec_mb_job, .name = "ipsec-mb:job", .setup = setup, .run = run_job, .teardown = teardown);

KERNELS_IMPLEMENTATION(ipsec_mb_burst, .name = "ipsec-mb:burst", .setup = setup, .run = run_burst,
                       .teardown = teardown);
