/* Our own rows, all through the exported functions of the shared library. */
#include <stdlib.h>
#include <string.h>

#include "bench/kernels.h"
#include "sealane/engine.h"

struct state {
    struct kernels_work work; /* first: the suite's own view of every state */
    sealane_engine *engine;
    sealane_key *key;
    sealane_stream *stream;
};

static void teardown(void *memory)
{
    struct state *state = memory;
    sealane_stream_free(state->stream);
    sealane_key_free(state->key);
    sealane_engine_free(state->engine);
    free(state);
}

/* The keys are test data, so a small RLIMIT_MEMLOCK is no reason to stop. */
static enum sealane_error create_engine(sealane_engine **engine, const char *kernel)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = kernel;
    options.allow_unlocked_memory = 1;
    return sealane_engine_create(engine, &options);
}

static enum bench_status setup(void **memory, const struct bench_row *row, const char *kernel, int stream)
{
    struct state *state = calloc(1, sizeof(*state));
    *memory = state;
    if (!state) {
        bench_error("%s: not enough memory", row->full_name);
        return BENCH_FAILED;
    }
    kernels_work_init(&state->work, row);
    state->work.stream = stream;
    enum sealane_error error = create_engine(&state->engine, kernel);
    if (error == SEALANE_OK)
        error = sealane_key_create(state->engine, &state->key, kernels_key);
    if (error == SEALANE_OK && stream)
        error = sealane_stream_create(state->key, &state->stream, state->work.ivs[0]);
    if (error == SEALANE_OK)
        return BENCH_OK;
    bench_error("%s: %s [%s]", row->full_name, sealane_error_message(error), sealane_error_name(error));
    teardown(state);
    *memory = NULL;
    return BENCH_FAILED;
}

static enum bench_status setup_dispatch(void **memory, const struct bench_row *row)
{
    return setup(memory, row, row->options->kernel, 0);
}

static enum bench_status setup_stream(void **memory, const struct bench_row *row)
{
    return setup(memory, row, row->options->kernel, 1);
}

/* "sealane:aesni" */
static enum bench_status setup_kernel(void **memory, const struct bench_row *row)
{
    return setup(memory, row, strchr(row->name, ':') + 1, 0);
}

static size_t usable_kernels(const struct bench_options *options, const char **names, size_t capacity)
{
    static char text[BENCH_VARIANTS_MAX][BENCH_NAME_MAX];
    struct sealane_kernel_info kernels[BENCH_VARIANTS_MAX];
    sealane_engine *engine;
    size_t count = 0;
    if (create_engine(&engine, NULL) != SEALANE_OK)
        return 0; /* the other rows say why */
    size_t all = sealane_engine_kernels(engine, kernels, BENCH_VARIANTS_MAX);
    for (size_t i = 0; i < all && i < BENCH_VARIANTS_MAX && count < capacity; i++) {
        if (kernels[i].state != SEALANE_KERNEL_READY)
            continue;
        if (options->kernel && strcmp(options->kernel, kernels[i].name) != 0)
            continue;
        snprintf(text[count], sizeof(text[count]), "sealane:%s", kernels[i].name);
        names[count] = text[count];
        count++;
    }
    sealane_engine_free(engine);
    return count;
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    const struct kernels_work work = state->work;
    const sealane_key *key = state->key;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        sealane_ctr_xor(key, kernels_iv(&work, i), 0, place, place + work.apart, work.len);
    }
    return BENCH_OK;
}

static enum bench_status run_stream(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    const struct kernels_work work = state->work;
    const sealane_stream *stream = state->stream;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        sealane_stream_xor(stream, kernels_offset(&work, i), place, place + work.apart, work.len);
    }
    return BENCH_OK;
}

KERNELS_IMPLEMENTATION(sealane, .name = "sealane", .setup = setup_dispatch, .run = run, .teardown = teardown);

KERNELS_IMPLEMENTATION(sealane_kernel, .name = "sealane:kernel", .variants = usable_kernels, .setup = setup_kernel,
                       .run = run, .teardown = teardown);

KERNELS_IMPLEMENTATION(sealane_stream, .name = "sealane:stream", .setup = setup_stream, .run = run_stream,
                       .teardown = teardown);
