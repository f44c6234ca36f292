/* The command line.  options.def is its table. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { BENCH_SUITES_MAX = 16, BENCH_PAIRS_MAX = 64 };

struct bench_arguments {
    const char *suites[BENCH_SUITES_MAX];
    size_t suite_count;
    const char *kernel;
    const char *scratch; /* directory */
    const char *results; /* directory */
    const char *out;     /* file */
    const char *filter;
    char *pairs[BENCH_PAIRS_MAX]; /* "key=value": for the results' context */
    size_t pair_count;
    uint64_t files_bytes;
    uint64_t scaling_bytes;
    double budget_s;
    double min_time_s;
    unsigned rounds;
    int list;
    int json; /* JSON on standard output instead of tables */
    int aggregates_only;
    int calibrate;
    int help, version;
};

/* Non-zero if argv makes sense; else it has said what does not. */
int bench_arguments_parse(struct bench_arguments *arguments, int argc, char **argv);

/* ---- options_table.c ---- */

struct bench_option {
    char short_name; /* 0: none */
    const char *name;
    const char *argument; /* ours: "" for none; Google Benchmark's: with the '=' */
    const char *help;     /* of a refused one: why */
};

enum bench_option_id {
#define OPTION(id, short_name, name, argument, help) BENCH_OPTION_##id,
#define GOOGLE(id, name, argument, help) BENCH_OPTION_##id,
#define REFUSED(name, reason)
#include "bench/options.def"
#undef OPTION
#undef GOOGLE
#undef REFUSED
    BENCH_OPTIONS
};

extern const struct bench_option bench_options_table[BENCH_OPTIONS];
extern const struct bench_option bench_options_refused[];
extern const size_t bench_options_refused_count;

/* Google Benchmark's follow our own. */
int bench_option_is_google(enum bench_option_id id);

#endif
