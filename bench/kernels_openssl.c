/* OpenSSL's EVP: with its context kept, and in the way ClickHouse's encrypted disk calls it. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "bench/kernels.h"

struct state {
    struct kernels_work work;
    EVP_CIPHER_CTX *context;
};

static void teardown(void *memory)
{
    struct state *state = memory;
    EVP_CIPHER_CTX_free(state->context);
    free(state);
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    struct state *state = calloc(1, sizeof(*state));
    *memory = state;
    if (state)
        state->context = EVP_CIPHER_CTX_new();
    if (!state || !state->context ||
        EVP_EncryptInit_ex(state->context, EVP_aes_256_ctr(), NULL, kernels_key, NULL) != 1) {
        bench_error("%s: OpenSSL cannot set up AES-256-CTR", row->full_name);
        if (state)
            teardown(state);
        *memory = NULL;
        return BENCH_FAILED;
    }
    kernels_work_init(&state->work, row);
    return BENCH_OK;
}

static enum bench_status run_evp_iv(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    const struct kernels_work work = state->work;
    EVP_CIPHER_CTX *context = state->context;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        int got;
        if (EVP_EncryptInit_ex(context, NULL, NULL, NULL, kernels_iv(&work, i)) != 1 ||
            EVP_EncryptUpdate(context, place, &got, place + work.apart, (int)work.len) != 1)
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

/* A new context, cipher, key and IV for each call, and Final at its end, which writes nothing in this mode. */
static enum bench_status run_clickhouse_way(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    const struct kernels_work work = state->work;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        int got, rest;
        EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        if (!context)
            return BENCH_FAILED;
        int ok = EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, NULL, NULL) == 1 &&
                 EVP_EncryptInit_ex(context, NULL, NULL, kernels_key, kernels_iv(&work, i)) == 1 &&
                 EVP_EncryptUpdate(context, place, &got, place + work.apart, (int)work.len) == 1 &&
                 EVP_EncryptFinal_ex(context, place + got, &rest) == 1;
        EVP_CIPHER_CTX_free(context);
        if (!ok)
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

KERNELS_IMPLEMENTATION(openssl_evp_iv, .name = "openssl:evp-iv", .setup = setup, .run = run_evp_iv,
                       .teardown = teardown);

KERNELS_IMPLEMENTATION(openssl_clickhouse_way, .name = "openssl:clickhouse-way", .setup = setup,
                       .run = run_clickhouse_way, .teardown = teardown);
