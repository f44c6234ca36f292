/* What a benchmark is here: suites of cases, implementations that run them, and what comes back.
 *
 * A row of results is <suite>/<implementation>/<case>.  To add an implementation: one file that defines a
 * `struct bench_implementation`, one row in benches.def.  Google Benchmark stays behind shim.h; all of this is C. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_NAME_MAX = 96, BENCH_COUNTERS_MAX = 12, BENCH_VARIANTS_MAX = 16 };

/* What setup, run and the hooks below return. */
enum bench_status {
    BENCH_OK = 0,
    BENCH_FAILED = 1,  /* ends the program; bench_error() has said why */
    BENCH_SKIPPED = 2, /* setup only: this row cannot run here; bench_note() has said why */
    BENCH_ABSENT = 3   /* setup only: this implementation has no such case; nothing to say */
};

struct bench_options {
    const char *kernel;     /* --kernel NAME: what the engines are to be forced to; NULL: dispatch decides */
    const char *scratch;    /* of suites that need one: an existing directory, removed with its contents at the end */
    uint64_t files_bytes;   /* --files-bytes N, 0 if not given */
    uint64_t scaling_bytes; /* --scaling-bytes N, likewise */
    unsigned rounds;        /* --rounds N, 0 if not given */
    double budget_s;        /* seconds of wall clock for the running suite, set-up included */
};

struct bench_case {
    char name[BENCH_NAME_MAX]; /* "65536" or "bytes:4096/random:67108864" */
    uint64_t bytes;            /* plaintext bytes that one iteration goes through: for rates.  0: the row has no rate */
    uint64_t argument;         /* the suite's own */
};

struct bench_implementation;
struct bench_suite;

struct bench_row {
    const struct bench_suite *suite;
    const struct bench_implementation *implementation;
    const struct bench_case *kase;
    const struct bench_options *options;
    size_t variant;                     /* index into what variants() named; 0 without it */
    char name[BENCH_NAME_MAX];          /* the implementation's name in results, such as "sealane:aesni" */
    char full_name[3 * BENCH_NAME_MAX]; /* "kernels/sealane:aesni/65536" */
};

/* A value measured along with one repetition, by the implementation itself; it goes to the results file under its name,
 * averaged by median.  Units belong into the name ("aes_share", "copy_ns"). */
struct bench_counter {
    const char *name; /* static text */
    double value;     /* finite */
};

struct bench_implementation {
    const char *name; /* "openssl:evp-iv" */

    /* Optional: one implementation, several rows with names found at run time (every usable kernel).  Writes at most
     * `capacity` names of static lifetime and returns how many. */
    size_t (*variants)(const struct bench_options *options, const char **names, size_t capacity);

    /* Allocates what the row's runs share.  *state goes to all that follows.  Runs once per row, before any timing. */
    enum bench_status (*setup)(void **state, const struct bench_row *row);

    /* Optional: before every repetition, outside the measured time (removing the last output, ...). */
    enum bench_status (*before)(void *state);

    /* The measured part: the whole iteration count at once, each iteration going through kase->bytes. */
    enum bench_status (*run)(void *state, uint64_t iterations);

    /* Optional: after every repetition, outside the measured time.  Writes at most BENCH_COUNTERS_MAX counters, always
     * the same ones, and returns how many. */
    size_t (*counters)(void *state, struct bench_counter *counters);

    /* Takes what setup made; called exactly once when setup returned BENCH_OK. */
    void (*teardown)(void *state);
};

struct bench_sample { /* of one repetition, per iteration */
    double wall_s;    /* wall clock: Google Benchmark's real time */
    double cpu_s;     /* user and system time of the whole process, its waited-for children excluded */
    double cycles;    /* core cycles; 0 if unknown */
    double counters[BENCH_COUNTERS_MAX]; /* as the implementation gave them */
};

/* One row after all rounds.  Sample r of every row of a suite was taken in round r: rows may be compared in pairs. */
struct bench_result {
    const struct bench_row *row;
    size_t sample_count;
    const struct bench_sample *samples;
    double median_s, best_s; /* wall clock per iteration */
    double spread;           /* median absolute deviation of the wall clock times / median */
    double median_cycles;    /* core cycles per iteration; 0 if unknown */
    size_t counter_count;
    const char *counter_names[BENCH_COUNTERS_MAX];
};

struct bench_suite {
    const char *name;
    unsigned default_rounds; /* counted rounds, when --rounds does not say */
    unsigned discard_rounds; /* first rounds that warm up and are thrown away */
    /* Non-zero: a repetition is always 1 iteration, and the budget cuts the rounds, though never below this many; 0:
     * the rounds are fixed, and the budget decides about the iterations of a repetition. */
    unsigned single_iteration_rounds;
    /* Non-zero: left out unless --suite names it, so that `make bench` keeps its time. */
    int on_request;
    /* Non-zero: pure computation on the calling thread, so that core cycles mean something. */
    int counts_cycles;
    int needs_scratch; /* non-zero: options->scratch is not NULL in begin and all that follows */

    /* The cases, in the order of their columns.  Writes at most `capacity` and returns how many.  Called before begin,
     * for the names, and again after it. */
    size_t (*cases)(const struct bench_options *options, struct bench_case *cases, size_t capacity);

    /* Optional: before the first setup (shared buffers, generated files) and, if begin returned BENCH_OK, after the
     * last teardown.  BENCH_SKIPPED leaves the whole suite out. */
    enum bench_status (*begin)(const struct bench_options *options);
    void (*end)(void);

    /* Optional: proves the row's output right before it is timed, with implementation->run itself. */
    enum bench_status (*verify)(const struct bench_row *row, void *state);

    /* Prints the suite's table to `out`, 120 columns at most.  BENCH_FAILED: the figures break a promise, which
     * bench_error() has said; the results are still written and the program exits with 1. */
    enum bench_status (*report)(const struct bench_options *options, const struct bench_result *results, size_t count,
                                FILE *out);
};

/* ---- Services ---- */

/* One line to standard error: why the program is about to fail, or what it leaves out. */
void bench_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A pair for the results file's context: no host name, user or path.  Copies both. */
void bench_context(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));

double bench_now(void);         /* seconds, monotonic wall clock */
double bench_cpu_seconds(void); /* user and system time of this process */

/* The type of the file system that `path` lies on, such as "ext4"; "unknown" if it cannot be told.  Valid until the
 * next call. */
const char *bench_filesystem(const char *path);

/* Core clock in Hz now, by a dependent chain of instructions; takes about 20 microseconds. */
double bench_core_hz(void);

/* Deterministic filling, the same bytes for the same seed and position: buffers can be checked without a second copy.
 */
void bench_fill(uint8_t *buffer, size_t len, uint64_t seed);

/* The first result of this suite, implementation and case; NULL if there is none. */
const struct bench_result *bench_find(const struct bench_result *results, size_t count, const char *implementation,
                                      const char *kase);

/* Sorts `values` and returns their median; 0 for none. */
double bench_median(double *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif
