/* Between the benchmark's own parts; implementations include bench.h alone. */
#ifndef BENCH_INTERNAL_H
#define BENCH_INTERNAL_H

#include <jansson.h>

#include "bench/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- table.c: benches.def as this build knows it ---- */

struct bench_suite_entry {
    const struct bench_suite *suite; /* NULL: left out of this build */
    const char *name;
    double seconds;
    const char *library; /* what it needs */
};

struct bench_entry {
    const char *suite;
    const struct bench_implementation *implementation; /* NULL: left out of this build */
    const char *id;
    const char *library;
};

extern const struct bench_suite_entry bench_suites[];
extern const size_t bench_suite_count;
extern const struct bench_entry bench_entries[];
extern const size_t bench_entry_count;

/* ---- clock.c ---- */

/* Core cycles of the calling thread in user mode, if the system lets us count them; else bench_cycles() returns 0. */
void bench_cycles_open(void);
void bench_cycles_close(void);
int bench_cycles_counted(void);
uint64_t bench_cycles(void);

struct bench_aes_limit {
    unsigned width_bits;
    double bytes_per_cycle; /* AES-256: 14 rounds */
};

/* Times the CPU's AES instructions, on the first call; *limits is static, widest last.  Returns how many widths there
 * are. */
size_t bench_aes_limits(const struct bench_aes_limit **limits);

/* ---- shim.cc: Google Benchmark ---- */

struct bench_job {
    const struct bench_row *row;
    void *state;
    uint64_t iterations;
    unsigned round, rounds;      /* which repetition, of how many; 0 for one that is thrown away */
    struct bench_sample *sample; /* filled; NULL while warming up */
    const char **counter_names;  /* BENCH_COUNTERS_MAX */
    size_t *counter_count;
};

/* Before anything else here: the library's flags as we need them, whatever the environment says. */
void bench_shim_init(void);
void bench_shim_context(const char *key, const char *value);

/* Runs every job once, in this order, through Google Benchmark. */
enum bench_status bench_shim_run(struct bench_job *jobs, size_t count);

/* Adds the aggregates of a row (mean, median, stddev, cv, min) to what will be written. */
void bench_shim_aggregate(const struct bench_result *result);

/* How far Google Benchmark's real time and our own clock around the same call disagree, as a share of the repetition:
 * what that library adds to a time, built as it may be.  A preemption between the two readings shows in the largest. */
void bench_shim_clock_difference(double *median, double *most);
const char *bench_shim_version(void);

/* Everything recorded, in Google Benchmark's JSON format as the library writes it; free() it.  NULL: no memory. */
char *bench_shim_json(void);

/* ---- run.c ---- */

struct bench_plan {
    const struct bench_suite *suite;
    struct bench_options options;
    double min_time_s; /* --benchmark_min_time: length of a repetition; 0: the budget decides */
    int (*matches)(const char *full_name);
};

struct bench_run {
    struct bench_case *cases;
    struct bench_row *rows;
    struct bench_result *results;
    struct bench_sample *samples;
    size_t count; /* rows that were measured */
};

/* Names of all rows of the suite that match, in their order, to `out` if not NULL; *count is how many. */
enum bench_status bench_list(const struct bench_plan *plan, FILE *out, size_t *count);

/* Sets up, verifies and measures.  Fill *run with zeros before; bench_run_free it whatever this returns. */
enum bench_status bench_measure(const struct bench_plan *plan, struct bench_run *run);
void bench_run_free(struct bench_run *run);

/* ---- output.c ---- */

/* Adds what the results are to be read with: commit, compiler, CPU, versions, clock. */
void bench_describe(const struct bench_aes_limit *limits, size_t count);

const char *bench_commit(void);

/* The recorded runs without host name, executable and local time, or of each row its aggregates only; NULL on failure,
 * which it has said. */
json_t *bench_results(int aggregates_only);

/* Writes the results to `path`, whole or not at all; "-" is standard output. */
enum bench_status bench_write(const json_t *results, const char *path);

/* Whether bench_write could begin now; says why not. */
enum bench_status bench_writable(const char *path);

/* Creates DIRECTORY/<cpu>/ and names the file in it by time and commit.  Returns a string to free, NULL on failure. */
char *bench_results_path(const char *directory);

/* Non-zero if all that was written to `out` went out; else it has said why, once. */
int bench_flush(FILE *out);

/* ---- scratch.c ---- */

/* A new directory for temporary files in `place`, or where scratch.c finds one if that is NULL; NULL on failure, which
 * it has said.  Removed, with all in it, by bench_scratch_remove. */
const char *bench_scratch_create(const char *place);
void bench_scratch_remove(void);

/* From here on SIGINT, SIGTERM and SIGHUP do not end the program: bench_stopped() returns them.  Writes beyond a limit
 * or to a closed pipe fail instead of ending it. */
void bench_catch_signals(void);
int bench_stopped(void);

#ifdef __cplusplus
}
#endif

#endif
