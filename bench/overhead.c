/* The rows of the suite `overhead`, all of one shape: a way to read, a set of files of its own, and the sums that must
 * come out.
 *
 * Every row has its own copy of the files, also the control: so all of them find their bytes equally far away (in
 * memory, not in a cache that the row before has filled), and what the placement of a file's pages is worth lies inside
 * the control's interval too. */
#include <stdlib.h>
#include <string.h>

#include "bench/overhead.h"

enum set { SET_PLAIN, SET_CONTROL, SET_CLICKHOUSE, SET_SEALANE, SET_COPIES_ONLY, SET_EVP_IN_PLACE, SETS };
enum { DECODE, LOOKUP };
enum {
    SETUP_CALLS = 200,
    GRANULES = OVERHEAD_ROWS / 8192 /* ClickHouse's default of rows in a granule */
};

static const enum overhead_body bodies[SETS] = {
    [SET_PLAIN] = OVERHEAD_PLAIN,       [SET_CONTROL] = OVERHEAD_PLAIN,      [SET_CLICKHOUSE] = OVERHEAD_ENCRYPTED,
    [SET_SEALANE] = OVERHEAD_ENCRYPTED, [SET_COPIES_ONLY] = OVERHEAD_FRAMED, [SET_EVP_IN_PLACE] = OVERHEAD_ENCRYPTED,
};

struct lookup {
    uint16_t column, block;
};

static struct overhead_data data;
static struct lookup *lookups; /* every block of every column once: the population that look-ups are drawn from */
static size_t lookup_count;

struct state {
    struct overhead_reader *readers[OVERHEAD_COLUMNS];
    sealane_engine *engine;
    sealane_key *key;
    uint64_t argument; /* DECODE or LOOKUP */
    uint64_t iteration;
    char names[OVERHEAD_COLUMNS][OVERHEAD_PATH];
};

const struct overhead_data *overhead_shared_data(void)
{
    return &data;
}

/* ---- Suite ---- */

static enum bench_status begin(const struct bench_options *options)
{
    if (overhead_files_create(&data, options->scratch, bodies, SETS) != BENCH_OK)
        return BENCH_FAILED;
    lookup_count = 0;
    lookups = malloc((size_t)OVERHEAD_COLUMNS * OVERHEAD_MAX_BLOCKS * sizeof *lookups);
    if (lookups == NULL) {
        bench_error("overhead: out of memory");
        return BENCH_FAILED;
    }
    for (size_t column = 0; column < OVERHEAD_COLUMNS; column++)
        for (size_t block = 0; block < data.marks[column].count; block++)
            lookups[lookup_count++] = (struct lookup){(uint16_t)column, (uint16_t)block};
    bench_context("overhead_plaintext_bytes", "%llu", (unsigned long long)data.plaintext_bytes);
    bench_context("overhead_compressed_bytes", "%llu", (unsigned long long)data.compressed_bytes);
    return BENCH_OK;
}

static void end(void)
{
    free(lookups);
    lookups = NULL;
}

static size_t cases(const struct bench_options *options, struct bench_case *out, size_t capacity)
{
    static const char *const names[] = {"workload:decode", "workload:lookup"};
    size_t count = 0;

    (void)options;
    for (; count < 2 && count < capacity; count++) {
        memset(&out[count], 0, sizeof out[count]);
        memcpy(out[count].name, names[count], strlen(names[count]) + 1);
        out[count].argument = count;
    }
    return count;
}

/* ---- Work ---- */

static enum bench_status wrong_sum(void)
{
    bench_error("overhead: the sum of what was decoded is not that of what was generated");
    return BENCH_FAILED;
}

/* The next blocks of one column. */
static enum bench_status decode_blocks(struct overhead_reader *reader, enum overhead_type type, size_t count,
                                       uint64_t *sum)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *block;
        size_t len;

        if (overhead_reader_block(reader, &block, &len) != BENCH_OK)
            return BENCH_FAILED;
        if (len == 0)
            return wrong_sum();
        *sum += overhead_sum(type, block, len);
    }
    return BENCH_OK;
}

/* All columns side by side, as a query that needs them all reads them: a granule of rows of each, then the next.  So
 * the buffers of all 22 readers are in use at the same time. */
static enum bench_status decode(struct state *state)
{
    uint64_t sums[OVERHEAD_COLUMNS] = {0};

    for (size_t column = 0; column < OVERHEAD_COLUMNS; column++)
        if (overhead_reader_open(state->readers[column], state->names[column], 0) != BENCH_OK)
            return BENCH_FAILED;
    for (size_t granule = 0; granule < GRANULES; granule++)
        for (size_t column = 0; column < OVERHEAD_COLUMNS; column++) {
            size_t blocks = data.marks[column].count;
            size_t count = blocks * (granule + 1) / GRANULES - blocks * granule / GRANULES;

            if (decode_blocks(state->readers[column], overhead_columns[column].type, count, &sums[column]) != BENCH_OK)
                return BENCH_FAILED;
        }
    for (size_t column = 0; column < OVERHEAD_COLUMNS; column++) {
        uint64_t expected = 0;

        overhead_reader_close(state->readers[column]);
        for (size_t i = 0; i < data.marks[column].count; i++)
            expected += data.marks[column].sum[i];
        if (sums[column] != expected)
            return wrong_sum();
    }
    return BENCH_OK;
}

/* The same blocks for every row of a round, others in each round. */
static enum bench_status look_up(struct state *state)
{
    uint64_t points[OVERHEAD_LOOKUPS];

    bench_fill((uint8_t *)points, sizeof points, 77 + state->iteration++);
    for (size_t i = 0; i < OVERHEAD_LOOKUPS; i++) {
        struct lookup point = lookups[points[i] % lookup_count];
        const struct overhead_marks *marks = &data.marks[point.column];
        struct overhead_reader *reader = state->readers[point.column];
        const uint8_t *block = NULL;
        size_t len = 0;

        if (overhead_reader_open(reader, state->names[point.column], marks->offset[point.block]) != BENCH_OK ||
            overhead_reader_block(reader, &block, &len) != BENCH_OK)
            return BENCH_FAILED;
        overhead_reader_close(reader);
        if (len == 0 || overhead_sum(overhead_columns[point.column].type, block, len) != marks->sum[point.block])
            return wrong_sum();
    }
    return BENCH_OK;
}

static enum bench_status run(void *opaque, uint64_t iterations)
{
    struct state *state = opaque;
    enum bench_status status = BENCH_OK;

    for (uint64_t i = 0; i < iterations && status == BENCH_OK; i++)
        status = state->argument == DECODE ? decode(state) : look_up(state);
    return status;
}

/* run() compares every sum with that of the generated values; this also brings the files into the page cache. */
static enum bench_status verify(const struct bench_row *row, void *state)
{
    (void)row;
    return run(state, 1);
}

/* ---- Rows ---- */

static void teardown(void *opaque)
{
    struct state *state = opaque;

    for (size_t column = 0; column < OVERHEAD_COLUMNS; column++)
        overhead_reader_free(state->readers[column]);
    sealane_key_free(state->key);
    sealane_engine_free(state->engine);
    free(state);
}

static enum bench_status create_key(struct state *state, const struct bench_options *options)
{
    struct sealane_engine_options engine_options = SEALANE_ENGINE_OPTIONS_INIT;
    enum sealane_error error;

    engine_options.kernel = options->kernel;
    engine_options.allow_unlocked_memory = 1; /* the key is a published constant */
    error = sealane_engine_create(&state->engine, &engine_options);
    if (error == SEALANE_OK)
        error = sealane_key_create(state->engine, &state->key, overhead_key);
    if (error != SEALANE_OK) {
        bench_error("overhead: %s [%s]", sealane_error_message(error), sealane_error_name(error));
        return BENCH_FAILED;
    }
    return BENCH_OK;
}

static enum bench_status setup(void **out, const struct bench_row *row, enum set set, enum overhead_way way)
{
    struct state *state = calloc(1, sizeof *state);

    *out = NULL;
    if (state == NULL) {
        bench_error("overhead: out of memory");
        return BENCH_FAILED;
    }
    state->argument = row->kase->argument;
    for (size_t column = 0; column < OVERHEAD_COLUMNS; column++)
        overhead_file_name(state->names[column], sizeof state->names[column], row->options->scratch, set, column);
    if (way == OVERHEAD_WAY_SEALANE && create_key(state, row->options) != BENCH_OK) {
        teardown(state);
        return BENCH_FAILED;
    }
    for (size_t column = 0; column < OVERHEAD_COLUMNS; column++) {
        state->readers[column] = overhead_reader_create(way, state->key);
        if (state->readers[column] == NULL) {
            bench_error("overhead: out of memory");
            teardown(state);
            return BENCH_FAILED;
        }
    }
    *out = state;
    return BENCH_OK;
}

/* The price of a call before it decrypts anything, by making many right after the repetition. */
static size_t setup_cost(void *opaque, struct bench_counter *counters)
{
    const struct state *state = opaque;
    static const uint8_t iv[16] = {1};
    double start = bench_cpu_seconds();
    size_t calls = 0;

    while (calls < SETUP_CALLS && overhead_evp_setup(iv) == BENCH_OK)
        calls++;
    counters[0] = (struct bench_counter){"evp_setup_ns", (bench_cpu_seconds() - start) * 1e9 / SETUP_CALLS};
    counters[1] =
        (struct bench_counter){"evp_calls", state->argument == DECODE ? (double)data.reads : (double)OVERHEAD_LOOKUPS};
    return 2;
}

#define ROW(id, row_name, set, way, hook)                                                                              \
    static enum bench_status setup_##id(void **state, const struct bench_row *row)                                     \
    {                                                                                                                  \
        return setup(state, row, set, way);                                                                            \
    }                                                                                                                  \
    const struct bench_implementation bench_overhead_##id = {                                                          \
        .name = row_name, .setup = setup_##id, .run = run, .counters = hook, .teardown = teardown};

extern const struct bench_implementation bench_overhead_plain_read, bench_overhead_plain_control,
    bench_overhead_openssl_clickhouse_way, bench_overhead_sealane, bench_overhead_plain_copies_only,
    bench_overhead_openssl_in_place;

ROW(plain_read, "plain:read", SET_PLAIN, OVERHEAD_WAY_PLAIN, NULL)
ROW(plain_control, "plain:control", SET_CONTROL, OVERHEAD_WAY_PLAIN, NULL)
ROW(openssl_clickhouse_way, "openssl:clickhouse-way", SET_CLICKHOUSE, OVERHEAD_WAY_CLICKHOUSE, setup_cost)
ROW(sealane, "sealane", SET_SEALANE, OVERHEAD_WAY_SEALANE, NULL)
ROW(plain_copies_only, "plain:copies-only", SET_COPIES_ONLY, OVERHEAD_WAY_COPIES_ONLY, NULL)
ROW(openssl_in_place, "openssl:in-place", SET_EVP_IN_PLACE, OVERHEAD_WAY_EVP_IN_PLACE, NULL)

const struct bench_suite bench_suite_overhead = {
    .name = "overhead",
    .default_rounds = 45,
    .discard_rounds = 1,
    .single_iteration_rounds = 15,
    .needs_scratch = 1,
    .cases = cases,
    .begin = begin,
    .end = end,
    .verify = verify,
    .report = overhead_report,
};
