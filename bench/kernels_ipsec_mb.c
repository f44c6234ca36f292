/* Intel's ipsec-mb: one message per call, by its job API and by its synchronous cipher burst.  Both count in 32 bits.
 * The calls without argument checks are used: those are its fastest. */
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kernels.h"

struct state {
    struct kernels_work work;
    IMB_MGR *manager;
    /* Round keys, where the library asks for 16-byte alignment. */
    _Alignas(64) uint32_t encrypt[15 * 4];
    _Alignas(64) uint32_t decrypt[15 * 4];
    IMB_JOB job;
};

static void teardown(void *memory)
{
    struct state *state = memory;
    if (state->manager)
        free_mb_mgr(state->manager);
    free(state);
}

static void fill_job(IMB_JOB *job, const struct state *state)
{
    memset(job, 0, sizeof(*job));
    job->enc_keys = state->encrypt;
    job->dec_keys = state->decrypt;
    job->key_len_in_bytes = IMB_KEY_256_BYTES;
    job->iv_len_in_bytes = KERNELS_IV_LEN;
    job->cipher_mode = IMB_CIPHER_CNTR;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->hash_alg = IMB_AUTH_NULL;
    job->chain_order = IMB_ORDER_CIPHER_HASH;
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    IMB_ARCH arch;
    struct state *state = aligned_alloc(64, (sizeof(*state) + 63) / 64 * 64);
    *memory = state;
    if (!state) {
        bench_error("%s: not enough memory", row->full_name);
        return BENCH_FAILED;
    }
    memset(state, 0, sizeof(*state));
    kernels_work_init(&state->work, row);
    state->manager = alloc_mb_mgr(0);
    if (state->manager)
        init_mb_mgr_auto(state->manager, &arch);
    if (!state->manager || imb_get_errno(state->manager) != 0) {
        bench_error("%s: ipsec-mb cannot set up a manager", row->full_name);
        teardown(state);
        *memory = NULL;
        return BENCH_FAILED;
    }
    IMB_AES_KEYEXP_256(state->manager, kernels_key, state->encrypt, state->decrypt);
    fill_job(&state->job, state);
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
        job->enc_keys = state->encrypt;
        job->dec_keys = state->decrypt;
        job->key_len_in_bytes = IMB_KEY_256_BYTES;
        job->iv = kernels_iv(&work, i);
        job->iv_len_in_bytes = KERNELS_IV_LEN;
        job->src = place;
        job->dst = place;
        job->cipher_start_src_offset_in_bytes = 0;
        job->msg_len_to_cipher_in_bytes = work.len;
        job->cipher_mode = IMB_CIPHER_CNTR;
        job->cipher_direction = IMB_DIR_ENCRYPT;
        job->hash_alg = IMB_AUTH_NULL;
        job->chain_order = IMB_ORDER_CIPHER_HASH;
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
        job->src = place;
        job->dst = place;
        if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager, job, 1, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_256_BYTES) != 1)
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

const struct bench_implementation bench_kernels_ipsec_mb_job = {
    .name = "ipsec-mb:job", .setup = setup, .run = run_job, .teardown = teardown};

const struct bench_implementation bench_kernels_ipsec_mb_burst = {
    .name = "ipsec-mb:burst", .setup = setup, .run = run_burst, .teardown = teardown};
