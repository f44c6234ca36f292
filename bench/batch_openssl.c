/* OpenSSL's EVP, one context for each key, kept; each record sets the IV alone. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "bench/batch.h"

struct state {
    struct batch_work work;
    EVP_CIPHER_CTX *contexts[BATCH_RECORDS];
};

static void teardown(void *memory)
{
    struct state *state = memory;
    for (size_t i = 0; i < BATCH_RECORDS; i++)
        EVP_CIPHER_CTX_free(state->contexts[i]);
    free(state);
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    struct state *state = calloc(1, sizeof(*state));
    *memory = state;
    if (!state) {
        bench_error("%s: not enough memory", row->full_name);
        return BENCH_FAILED;
    }
    batch_work_init(&state->work, row);
    for (size_t i = 0; i < BATCH_RECORDS; i++) {
        state->contexts[i] = EVP_CIPHER_CTX_new();
        if (state->contexts[i] &&
            EVP_EncryptInit_ex(state->contexts[i], EVP_aes_256_ctr(), NULL, state->work.keys[i], NULL) == 1)
            continue;
        bench_error("%s: OpenSSL cannot set up AES-256-CTR", row->full_name);
        teardown(state);
        *memory = NULL;
        return BENCH_FAILED;
    }
    return BENCH_OK;
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    const struct batch_work *work = &state->work;
    for (uint64_t i = 0; i < iterations; i++)
        for (size_t r = 0; r < BATCH_RECORDS; r++) {
            EVP_CIPHER_CTX *context = state->contexts[batch_key(work, r)];
            uint8_t *at = work->data + r * work->len;
            int got;
            if (EVP_EncryptInit_ex(context, NULL, NULL, NULL, work->ivs[r]) != 1 ||
                EVP_EncryptUpdate(context, at, &got, at, (int)work->len) != 1)
                return BENCH_FAILED;
        }
    return BENCH_OK;
}

const struct bench_implementation bench_batch_openssl_evp_iv = {
    .name = "openssl:evp-iv", .setup = setup, .run = run, .teardown = teardown};
