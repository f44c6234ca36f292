/* Arguments, ours and Google Benchmark's: all are taken here, so that none is accepted without an effect. */
#define _GNU_SOURCE
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/internal.h"

enum { REFUSED_MAX = 16, FILES_BYTES_LEAST = 1 << 20, SCALING_BYTES_LEAST = 4 << 20 };

static int parse_seconds(const char *text, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    if (*end == 's') /* newer Google Benchmarks write the unit */
        end++;
    return end != text && *end == '\0' && errno == 0 && *value > 0 && *value <= 86400;
}

static int parse_count(const char *text, unsigned *value)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    *value = (unsigned)number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number >= 1 && number <= 10000;
}

/* `least` to 1 TiB. */
static int parse_bytes(const char *text, uint64_t *value, uint64_t least)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (*end && strchr(units, *end))
        shift = 10 * (unsigned)(strchr(units, *end++) - units + 1);
    *value = (uint64_t)number << shift;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number <= UINT64_C(1) << (40 - shift) &&
           *value >= least;
}

/* NULL is a flag without a value: true. */
static int parse_truth(const char *text, int *value)
{
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    int i = 0;
    while (text && i < WORDS && strcmp(words[i], text) != 0)
        i++;
    *value = !text || i >= WORDS / 2;
    return i < WORDS;
}

static int parse_path(const char *text, const char **value)
{
    *value = text;
    return text[0] != '\0';
}

static int add_suite(struct bench_arguments *arguments, const char *name)
{
    size_t i = 0;
    while (i < bench_suite_count && strcmp(bench_suites[i].name, name) != 0)
        i++;
    if (i == bench_suite_count)
        bench_error("no such suite: %s", name);
    else if (!bench_suites[i].suite)
        bench_error("suite %s was left out of this build: it needs %s", name, bench_suites[i].library);
    if (i == bench_suite_count || !bench_suites[i].suite || arguments->suite_count == BENCH_SUITES_MAX)
        return 0;
    arguments->suites[arguments->suite_count++] = name;
    return 1;
}

/* "key=value,key=value" */
static int add_pairs(struct bench_arguments *arguments, char *text)
{
    char *rest = NULL;
    int ok = *text != '\0';
    for (char *pair = strtok_r(text, ",", &rest); pair && ok; pair = strtok_r(NULL, ",", &rest)) {
        ok = strchr(pair, '=') && *pair != '=' && arguments->pair_count < BENCH_PAIRS_MAX;
        if (ok)
            arguments->pairs[arguments->pair_count++] = pair;
    }
    return ok;
}

static int take(struct bench_arguments *arguments, enum bench_option_id id, char *value)
{
    int truth = 1;
    switch (id) {
    case BENCH_OPTION_SUITE:
        return add_suite(arguments, value);
    case BENCH_OPTION_KERNEL:
        arguments->kernel = value;
        return 1;
    case BENCH_OPTION_ROUNDS:
    case BENCH_OPTION_REPETITIONS:
        return parse_count(value, &arguments->rounds);
    case BENCH_OPTION_BUDGET:
        return parse_seconds(value, &arguments->budget_s);
    case BENCH_OPTION_FILES_BYTES:
        return parse_bytes(value, &arguments->files_bytes, FILES_BYTES_LEAST);
    case BENCH_OPTION_SCALING_BYTES:
        return parse_bytes(value, &arguments->scaling_bytes, SCALING_BYTES_LEAST);
    case BENCH_OPTION_SCRATCH:
        return parse_path(value, &arguments->scratch);
    case BENCH_OPTION_RESULTS:
        return parse_path(value, &arguments->results);
    case BENCH_OPTION_CALIBRATE:
        return arguments->calibrate = 1;
    case BENCH_OPTION_HELP:
        return arguments->help = 1;
    case BENCH_OPTION_VERSION:
        return arguments->version = 1;
    case BENCH_OPTION_FILTER:
        arguments->filter = value;
        return 1;
    case BENCH_OPTION_LIST_TESTS:
        return parse_truth(value, &arguments->list);
    case BENCH_OPTION_MIN_TIME:
        return parse_seconds(value, &arguments->min_time_s);
    case BENCH_OPTION_OUT:
        return parse_path(value, &arguments->out);
    case BENCH_OPTION_FORMAT:
        arguments->json = strcmp(value, "json") == 0;
        return arguments->json || strcmp(value, "console") == 0;
    case BENCH_OPTION_OUT_FORMAT:
        return strcmp(value, "json") == 0;
    case BENCH_OPTION_AGGREGATES:
        return parse_truth(value, &arguments->aggregates_only);
    case BENCH_OPTION_CONTEXT:
        return add_pairs(arguments, value);
    case BENCH_OPTION_INTERLEAVING:
        return parse_truth(value, &truth) && truth;
    case BENCH_OPTIONS:
        break;
    }
    return 0;
}

static void describe(const struct bench_option *option, enum bench_option_id id, struct option *described)
{
    *described = (struct option){.name = option->name, .val = (int)id + 1};
    described->has_arg = option->argument[0] == '\0'  ? no_argument
                         : option->argument[0] == '[' ? optional_argument
                                                      : required_argument;
}

int bench_arguments_parse(struct bench_arguments *arguments, int argc, char **argv)
{
    struct option options[BENCH_OPTIONS + REFUSED_MAX + 1] = {{NULL, 0, NULL, 0}};
    char letters[BENCH_OPTIONS + 1] = "";
    size_t letter_count = 0;
    int found;
    for (int id = 0; id < BENCH_OPTIONS; id++) {
        describe(&bench_options_table[id], (enum bench_option_id)id, &options[id]);
        if (bench_options_table[id].short_name)
            letters[letter_count++] = bench_options_table[id].short_name;
    }
    for (size_t i = 0; i < bench_options_refused_count && i < REFUSED_MAX; i++)
        options[BENCH_OPTIONS + i] = (struct option){
            .name = bench_options_refused[i].name, .has_arg = optional_argument, .val = BENCH_OPTIONS + 1 + (int)i};
    while ((found = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        int id = found - 1;
        if (found == '?') /* getopt_long() has said it; ids stay below letters */
            return 0;
        for (int letter = 0; letter < BENCH_OPTIONS; letter++)
            if (found == bench_options_table[letter].short_name)
                id = letter;
        if (id >= BENCH_OPTIONS) {
            const struct bench_option *refused = &bench_options_refused[id - BENCH_OPTIONS];
            bench_error("--%s has no effect here: %s", refused->name, refused->help);
            return 0;
        }
        if (!take(arguments, (enum bench_option_id)id, optarg)) {
            if (id != BENCH_OPTION_SUITE)
                bench_error("bad value: --%s=%s", bench_options_table[id].name, optarg ? optarg : "");
            return 0;
        }
    }
    if (arguments->calibrate && (arguments->suite_count || arguments->filter || arguments->list || arguments->json ||
                                 arguments->out || arguments->results)) {
        bench_error("--calibrate measures no suite and writes no results");
        return 0;
    }
    if (optind < argc)
        bench_error("unexpected argument: %s", argv[optind]);
    return optind == argc;
}
