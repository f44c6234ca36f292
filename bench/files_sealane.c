/* Sealing and unsealing as the program does it: to a temporary that is synced and then renamed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/files.h"
#include "sealane/engine.h"
#include "sealane/file.h"
#include "sealane/keystore.h"
#include "sealane/output.h"

struct state {
    enum files_case kase;
    char *store, *sealed, *plain;
    sealane_engine *engine;
    sealane_keystore *keystore;
};

static enum bench_status report_error(const char *what, enum sealane_error error)
{
    if (error == SEALANE_OK)
        return BENCH_OK;
    bench_error("files: %s: %s [%s]", what, sealane_error_message(error), sealane_error_name(error));
    return BENCH_FAILED;
}

static enum bench_status remove_output(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT ? BENCH_OK : files_failed("remove", path);
}

/* ---- One file ---- */

static enum sealane_error convert(const struct state *state, enum files_case kase, int in, int out)
{
    if (kase == FILES_SEAL)
        return sealane_seal(state->keystore, state->engine, in, out, NULL);
    return sealane_unseal(state->keystore, state->engine, in, out, NULL);
}

static enum bench_status convert_file(const struct state *state, enum files_case kase, const char *from, const char *to)
{
    sealane_output *output;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return files_failed("open", from);
    enum sealane_error error = sealane_output_create(&output, to, 0);
    if (error == SEALANE_OK)
        error = convert(state, kase, in, sealane_output_fd(output));
    if (error == SEALANE_OK)
        error = sealane_output_commit(output);
    sealane_output_free(output);
    close(in);
    return report_error(kase == FILES_SEAL ? "sealing" : "unsealing", error);
}

/* ---- The rows ---- */

static void teardown(void *memory)
{
    struct state *state = memory;
    sealane_keystore_free(state->keystore);
    sealane_engine_free(state->engine);
    if (state->sealed)
        (void)remove_output(state->sealed);
    if (state->plain)
        (void)remove_output(state->plain);
    free(state->store);
    free(state->sealed);
    free(state->plain);
    free(state);
}

/* The keys protect copies of public files for some seconds, so a small RLIMIT_MEMLOCK is no reason to stop. */
static enum bench_status open_store(struct state *state, const struct bench_row *row)
{
    struct sealane_engine_options engine = SEALANE_ENGINE_OPTIONS_INIT;
    struct sealane_keystore_options keystore = SEALANE_KEYSTORE_OPTIONS_INIT;
    engine.kernel = row->options->kernel;
    engine.allow_unlocked_memory = 1;
    keystore.allow_unlocked_memory = 1;
    enum sealane_error error = sealane_engine_create(&state->engine, &engine);
    if (error == SEALANE_OK)
        error = sealane_keystore_create(state->store, &keystore);
    if (error == SEALANE_OK)
        error = sealane_keystore_open(&state->keystore, state->store, &keystore);
    return report_error("keystore", error);
}

/* Both rows begin with the whole round trip: what is timed is known to be right. */
static enum bench_status round_trip(struct state *state)
{
    enum bench_status status = convert_file(state, FILES_SEAL, files_source, state->sealed);
    if (status == BENCH_OK)
        status = convert_file(state, FILES_UNSEAL, state->sealed, state->plain);
    if (status == BENCH_OK)
        status = files_compare(files_source, state->plain);
    return status;
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    if (row->kase->argument != FILES_SEAL && row->kase->argument != FILES_UNSEAL)
        return BENCH_ABSENT;
    struct state *state = calloc(1, sizeof(*state));
    *memory = state;
    if (!state) {
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    state->kase = (enum files_case)row->kase->argument;
    state->store = files_path(row->options, state->kase == FILES_SEAL ? "store-seal" : "store-unseal");
    state->sealed = files_path(row->options, state->kase == FILES_SEAL ? "new.sealed" : "source.sealed");
    state->plain = files_path(row->options, state->kase == FILES_SEAL ? "check" : "new.plain");
    enum bench_status status = BENCH_FAILED;
    if (state->store && state->sealed && state->plain)
        status = open_store(state, row);
    if (status == BENCH_OK)
        status = round_trip(state);
    if (status == BENCH_OK && state->kase == FILES_SEAL)
        status = remove_output(state->plain);
    if (status != BENCH_OK) {
        teardown(state);
        *memory = NULL;
    }
    return status;
}

static enum bench_status before(void *memory)
{
    const struct state *state = memory;
    return remove_output(state->kase == FILES_SEAL ? state->sealed : state->plain);
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    const struct state *state = memory;
    enum bench_status status = BENCH_OK;
    for (uint64_t i = 0; i < iterations && status == BENCH_OK; i++)
        status = state->kase == FILES_SEAL ? convert_file(state, FILES_SEAL, files_source, state->sealed)
                                           : convert_file(state, FILES_UNSEAL, state->sealed, state->plain);
    return status;
}

const struct bench_implementation bench_files_sealane = {
    .name = "sealane", .setup = setup, .before = before, .run = run, .teardown = teardown};
