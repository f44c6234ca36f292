/* Sealing and unsealing as the program does it: to a temporary that is synced and then renamed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/files.h"
#include "sealane/engine.h"
#include "sealane/file.h"
#include "sealane/keystore.h"
#include "sealane/output.h"
#include "sealane/pool.h"

/* The rows use one keystore, engine and sealed file, made by the first and freed by the last. */
static struct {
    unsigned users;
    sealane_engine *engine;
    sealane_keystore *keystore;
    char *sealed; /* the source, sealed: what unsealing reads */
} shared;

struct state {
    int seal;
    int alone; /* one thread, and one that writes; else a pool, made each time as the program does */
    char *output;
};

static enum bench_status report_error(const char *what, enum sealane_error error)
{
    if (error == SEALANE_OK)
        return BENCH_OK;
    bench_error("files: %s: %s [%s]", what, sealane_error_message(error), sealane_error_name(error));
    return BENCH_FAILED;
}

/* ---- One file ---- */

static enum sealane_error convert(int seal, int in, int out, sealane_pool *pool)
{
    struct sealane_seal_options sealing = SEALANE_SEAL_OPTIONS_INIT;
    struct sealane_unseal_options unsealing = SEALANE_UNSEAL_OPTIONS_INIT;
    sealing.pool = unsealing.pool = pool;
    if (seal)
        return sealane_seal(shared.keystore, shared.engine, in, out, &sealing);
    return sealane_unseal(shared.keystore, shared.engine, in, out, &unsealing);
}

static enum bench_status convert_file(int seal, int alone, const char *from, const char *to)
{
    sealane_output *output;
    sealane_pool *pool = NULL;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return files_failed("open", from);
    enum sealane_error error = sealane_output_create(&output, to, 0);
    if (error == SEALANE_OK && !alone)
        error = sealane_pool_create(&pool, NULL);
    if (error == SEALANE_OK)
        error = convert(seal, in, sealane_output_fd(output), pool);
    sealane_pool_free(pool);
    if (error == SEALANE_OK)
        error = sealane_output_commit(output);
    sealane_output_free(output);
    close(in);
    return report_error(seal ? "sealing" : "unsealing", error);
}

/* ---- What the rows share ---- */

static void release_shared(void)
{
    if (shared.users > 0 && --shared.users > 0)
        return;
    sealane_keystore_free(shared.keystore);
    sealane_engine_free(shared.engine);
    if (shared.sealed)
        (void)files_remove(shared.sealed);
    free(shared.sealed);
    memset(&shared, 0, sizeof(shared));
}

/* The keys protect copies of public files for some seconds, so a small RLIMIT_MEMLOCK is no reason to stop. */
static enum bench_status open_store(const struct bench_options *bench)
{
    struct sealane_engine_options engine = SEALANE_ENGINE_OPTIONS_INIT;
    struct sealane_keystore_options keystore = SEALANE_KEYSTORE_OPTIONS_INIT;
    char *directory = files_path(bench, "keystore");
    if (!directory)
        return BENCH_FAILED;
    engine.kernel = bench->kernel;
    engine.allow_unlocked_memory = 1;
    keystore.allow_unlocked_memory = 1;
    enum sealane_error error = sealane_engine_create(&shared.engine, &engine);
    if (error == SEALANE_OK)
        error = sealane_keystore_create(directory, &keystore);
    if (error == SEALANE_OK)
        error = sealane_keystore_open(&shared.keystore, directory, &keystore);
    free(directory);
    return report_error("keystore", error);
}

/* Begins with the whole round trip: what is timed afterwards is known to be right. */
static enum bench_status make_shared(const struct bench_options *options)
{
    char *plain = files_output(options);
    shared.sealed = files_path(options, "source.sealed");
    enum bench_status status = plain && shared.sealed ? open_store(options) : BENCH_FAILED;
    if (status == BENCH_OK)
        status = convert_file(1, 0, files_source, shared.sealed);
    if (status == BENCH_OK)
        status = convert_file(0, 0, shared.sealed, plain);
    if (status == BENCH_OK)
        status = files_compare(files_source, plain);
    if (status == BENCH_OK)
        status = files_remove(plain);
    free(plain);
    return status;
}

/* ---- The rows ---- */

static void teardown(void *memory)
{
    struct state *state = memory;
    if (state->output)
        (void)files_remove(state->output);
    free(state->output);
    free(state);
    release_shared();
}

static enum bench_status setup(void **memory, const struct bench_row *row, int seal, int alone)
{
    struct state *state = calloc(1, sizeof(*state));
    *memory = state;
    if (!state) {
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    state->seal = seal;
    state->alone = alone;
    state->output = files_output(row->options);
    enum bench_status status = state->output ? BENCH_OK : BENCH_FAILED;
    if (shared.users++ == 0 && status == BENCH_OK)
        status = make_shared(row->options);
    if (status != BENCH_OK) {
        teardown(state);
        *memory = NULL;
    }
    return status;
}

static enum bench_status setup_seal(void **memory, const struct bench_row *row)
{
    return setup(memory, row, 1, 0);
}

static enum bench_status setup_seal_alone(void **memory, const struct bench_row *row)
{
    return setup(memory, row, 1, 1);
}

static enum bench_status setup_unseal(void **memory, const struct bench_row *row)
{
    return setup(memory, row, 0, 0);
}

static enum bench_status before(void *memory)
{
    const struct state *state = memory;
    return files_remove(state->output);
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    const char *source = state->seal ? files_source : shared.sealed;
    enum bench_status status = BENCH_OK;
    for (uint64_t i = 0; i < iterations && status == BENCH_OK; i++)
        status = convert_file(state->seal, state->alone, source, state->output);
    return status;
}

const struct bench_implementation bench_files_sealane_seal = {
    .name = "sealane:seal", .setup = setup_seal, .before = before, .run = run, .teardown = teardown};

const struct bench_implementation bench_files_sealane_seal_alone = {
    .name = "sealane:seal-1-thread", .setup = setup_seal_alone, .before = before, .run = run, .teardown = teardown};

const struct bench_implementation bench_files_sealane_unseal = {
    .name = "sealane:unseal", .setup = setup_unseal, .before = before, .run = run, .teardown = teardown};
