/* ipsec-mb's synchronous cipher burst with all records as one burst of jobs, filled in beforehand: what it returns in
 * them is set anew by the call itself.  It counts in 32 bits. */
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include "bench/batch.h"

struct state {
    struct batch_work work;
    IMB_MGR *manager;
    _Alignas(64) uint32_t encrypt[BATCH_RECORDS][16 * 4]; /* 15 round keys, where 16-byte alignment is asked for */
    _Alignas(64) uint32_t decrypt[BATCH_RECORDS][16 * 4];
    IMB_JOB jobs[BATCH_RECORDS];
};

static void teardown(void *memory)
{
    struct state *state = memory;
    if (state->manager)
        free_mb_mgr(state->manager);
    free(state);
}

static void fill_job(struct state *state, size_t i)
{
    IMB_JOB *job = &state->jobs[i];
    size_t key = batch_key(&state->work, i);
    job->enc_keys = state->encrypt[key];
    job->dec_keys = state->decrypt[key];
    job->key_len_in_bytes = IMB_KEY_256_BYTES;
    job->iv = state->work.ivs[i];
    job->iv_len_in_bytes = BATCH_IV_LEN;
    job->src = state->work.data + i * state->work.len;
    job->dst = state->work.data + i * state->work.len;
    job->msg_len_to_cipher_in_bytes = state->work.len;
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
    batch_work_init(&state->work, row);
    state->manager = alloc_mb_mgr(0);
    if (state->manager)
        init_mb_mgr_auto(state->manager, &arch);
    if (!state->manager || imb_get_errno(state->manager) != 0) {
        bench_error("%s: ipsec-mb cannot set up a manager", row->full_name);
        teardown(state);
        *memory = NULL;
        return BENCH_FAILED;
    }
    for (size_t i = 0; i < BATCH_RECORDS; i++) {
        IMB_AES_KEYEXP_256(state->manager, state->work.keys[i], state->encrypt[i], state->decrypt[i]);
        fill_job(state, i);
    }
    return BENCH_OK;
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    struct state *state = memory;
    for (uint64_t i = 0; i < iterations; i++)
        if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(state->manager, state->jobs, BATCH_RECORDS, IMB_CIPHER_CNTR,
                                            IMB_DIR_ENCRYPT, IMB_KEY_256_BYTES) != BATCH_RECORDS)
            return BENCH_FAILED;
    return BENCH_OK;
}

const struct bench_implementation bench_batch_ipsec_mb_burst = {
    .name = "ipsec-mb:burst", .setup = setup, .run = run, .teardown = teardown};
