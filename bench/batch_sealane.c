/* sealane_ctr_batch, and the same records one call each. */
#include <stdlib.h>

#include "bench/batch.h"
#include "sealane/engine.h"

struct state {
    struct batch_work work; /* first: the suite's own view of every state */
    sealane_engine *engine;
    sealane_key *keys[BATCH_RECORDS];
    struct sealane_record records[BATCH_RECORDS];
};

static void teardown(void *memory)
{
    struct state *state = memory;
    for (size_t i = 0; i < BATCH_RECORDS; i++)
        sealane_key_free(state->keys[i]);
    sealane_engine_free(state->engine);
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
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = row->options->kernel;
    options.allow_unlocked_memory = 1; /* test data */
    enum sealane_error error = sealane_engine_create(&state->engine, &options);
    if (error == SEALANE_OK)
        error = sealane_keys_create(state->engine, state->keys, state->work.keys[0], BATCH_RECORDS);
    if (error != SEALANE_OK) {
        bench_error("%s: %s [%s]", row->full_name, sealane_error_message(error), sealane_error_name(error));
        teardown(state);
        *memory = NULL;
        return BENCH_FAILED;
    }
    for (size_t i = 0; i < BATCH_RECORDS; i++) {
        uint8_t *at = state->work.data + i * state->work.len;
        state->records[i] = (struct sealane_record){
            state->keys[batch_key(&state->work, i)], state->work.ivs[i], 0, at, at, state->work.len};
    }
    return BENCH_OK;
}

static enum bench_status run_batch(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    for (uint64_t i = 0; i < iterations; i++)
        if (sealane_ctr_batch(state->records, BATCH_RECORDS) != SEALANE_OK)
            return BENCH_FAILED;
    return BENCH_OK;
}

static enum bench_status run_loop(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    for (uint64_t i = 0; i < iterations; i++)
        for (const struct sealane_record *r = state->records; r != state->records + BATCH_RECORDS; r++)
            sealane_ctr_xor(r->key, r->iv, r->offset, r->dst, r->src, r->len);
    return BENCH_OK;
}

const struct bench_implementation bench_batch_sealane = {
    .name = "sealane", .setup = setup, .run = run_batch, .teardown = teardown};

const struct bench_implementation bench_batch_sealane_loop = {
    .name = "sealane:loop", .setup = setup, .run = run_loop, .teardown = teardown};
