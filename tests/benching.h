/* For tests of what the benchmark concludes: made-up figures, and what is said of them. */
#ifndef TESTS_BENCHING_H
#define TESTS_BENCHING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/internal.h"

enum { ROUNDS_MAX = 32, RESULTS_MAX = 8, TEXT_MAX = 16384 };

/* ---- What is printed ---- */

static char told[TEXT_MAX], printed[TEXT_MAX]; /* to standard error, to the table's stream */
static int real_stderr, error_file;

static inline void hear(void)
{
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    error_file = memfd_create("standard error", MFD_CLOEXEC);
    assert_true(real_stderr >= 0 && error_file >= 0);
    assert_true(dup2(error_file, STDERR_FILENO) >= 0);
}

static inline void heard(void)
{
    fflush(stderr);
    ssize_t n = pread(error_file, told, sizeof(told) - 1, 0);
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    close(real_stderr);
    close(error_file);
    assert_true(n >= 0);
    told[n] = '\0';
}

static inline void assert_said(const char *where, const char *what)
{
    if (!strstr(where, what))
        fail_msg("\"%s\" is not in:\n%s", what, where);
}

static inline void assert_not_said(const char *where, const char *what)
{
    if (strstr(where, what))
        fail_msg("\"%s\" is in:\n%s", what, where);
}

/* ---- Figures ---- */

struct figures {
    struct bench_case kase;
    const char *label; /* of the case, static */
    size_t count, rounds;
    struct bench_row rows[RESULTS_MAX];
    struct bench_result results[RESULTS_MAX];
    struct bench_sample samples[RESULTS_MAX][ROUNDS_MAX];
};

static inline void begin_figures(struct figures *figures, const char *kase, uint64_t bytes, size_t rounds)
{
    memset(figures, 0, sizeof(*figures));
    snprintf(figures->kase.name, sizeof(figures->kase.name), "%s", kase);
    figures->label = kase;
    figures->kase.bytes = bytes;
    figures->rounds = rounds;
}

/* Each round takes `seconds`, by every clock. */
static inline size_t add(struct figures *figures, const struct bench_suite *suite, const char *name, double seconds)
{
    size_t at = figures->count++;
    struct bench_row *row = &figures->rows[at];
    struct bench_result *result = &figures->results[at];
    assert_true(at < RESULTS_MAX && figures->rounds <= ROUNDS_MAX);
    row->suite = suite;
    row->kase = &figures->kase;
    snprintf(row->name, sizeof(row->name), "%s", name);
    snprintf(row->full_name, sizeof(row->full_name), "%s/%s/%s", suite->name, name, figures->label);
    for (size_t i = 0; i < figures->rounds; i++)
        figures->samples[at][i] = (struct bench_sample){.wall_s = seconds, .cpu_s = seconds, .cycles = 1e9 * seconds};
    result->row = row;
    result->sample_count = figures->rounds;
    result->samples = figures->samples[at];
    result->median_s = result->best_s = seconds;
    result->median_cycles = 1e9 * seconds;
    return at;
}

static inline enum bench_status report(const struct bench_suite *suite, const struct figures *figures,
                                       const struct bench_options *options)
{
    memset(printed, 0, sizeof(printed));
    FILE *out = fmemopen(printed, sizeof(printed) - 1, "w");
    assert_non_null(out);
    hear();
    enum bench_status status = suite->report(options, figures->results, figures->count, out);
    heard();
    assert_int_equal(fclose(out), 0);
    return status;
}

static const struct bench_options no_options;

#endif
