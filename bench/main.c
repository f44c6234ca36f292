/* sealane-bench: what it measures, what it prints and writes, and how it ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/internal.h"
#include "sealane/engine.h"
#include "sealane/memory.h"

enum { SUITES_MAX = 16, EXIT_USAGE = 2 };

struct arguments {
    const char *suites[SUITES_MAX];
    size_t suite_count;
    const char *kernel;
    const char *results; /* directory */
    const char *out;     /* file */
    const char *filter;
    double budget_s;
    double min_time_s;
    unsigned rounds;
    int list;
    int json; /* JSON on standard output instead of tables */
};

static regex_t filter;
static int filter_given, filter_excludes;

static const char usage[] =
    "Usage: sealane-bench [OPTION]...\n"
    "Measures AES-256-CTR on this machine and prints tables; all suites unless told otherwise.\n"
    "\n"
    "  --suite NAME        only this suite; may be given again\n"
    "  --kernel NAME       force our engines to this kernel\n"
    "  --rounds N          so many interleaved rounds\n"
    "  --budget SECONDS    for all suites together\n"
    "  --results DIR       write DIR/<cpu>/<UTC time>-<commit>.json\n"
    "  --help              this text\n"
    "\n"
    "Of Google Benchmark's flags:\n"
    "  --benchmark_filter=REGEX      rows whose name matches; with a leading '-', those that do not\n"
    "  --benchmark_list_tests        print the names of the rows and end\n"
    "  --benchmark_repetitions=N     as --rounds\n"
    "  --benchmark_min_time=SECONDS  length of one repetition, instead of a budget\n"
    "  --benchmark_out=FILE          write the results to FILE\n"
    "  --benchmark_format=json       print the results instead of tables\n"
    "  --benchmark_context=K=V       add a pair to the results' context\n"
    "\n"
    "Suites:";

static void print_usage(void)
{
    fputs(usage, stdout);
    for (size_t i = 0; i < bench_suite_count; i++)
        printf(" %s", bench_suites[i].name);
    putchar('\n');
}

/* ---- Arguments ---- */

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

/* 0 means that the flag is Google Benchmark's own affair. */
static int take_google_flag(const char *flag, struct arguments *arguments, int *ok)
{
    static const char *const names[] = {"filter", "list_tests", "repetitions", "min_time", "out", "format"};
    enum { FILTER, LIST, REPETITIONS, MIN_TIME, OUT, FORMAT, COUNT };
    const char *name = flag + strlen("--benchmark_"), *value = strchr(flag, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    int which = 0;
    while (which < COUNT && (strlen(names[which]) != len || strncmp(names[which], name, len) != 0))
        which++;
    value = value ? value + 1 : "";
    switch (which) {
    case FILTER:
        arguments->filter = value;
        break;
    case LIST:
        arguments->list = strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
        break;
    case REPETITIONS:
        *ok = parse_count(value, &arguments->rounds);
        break;
    case MIN_TIME:
        *ok = parse_seconds(value, &arguments->min_time_s);
        break;
    case OUT:
        arguments->out = value;
        *ok = value[0] != '\0';
        break;
    case FORMAT:
        arguments->json = strcmp(value, "json") == 0;
        *ok = arguments->json || strcmp(value, "console") == 0;
        break;
    default:
        return 0;
    }
    return 1;
}

/* Takes our flags and those of Google Benchmark's that mean something else here out of argv. */
static int take_flags(int *argc, char **argv, struct arguments *arguments)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        int ok = 1, ours = strncmp(argv[i], "--benchmark_", 12) == 0;
        if (ours && take_google_flag(argv[i], arguments, &ok)) {
            if (!ok) {
                bench_error("bad value: %s", argv[i]);
                return 0;
            }
            continue;
        }
        argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    *argc = kept;
    return 1;
}

static int suite_index(const char *name)
{
    for (size_t i = 0; i < bench_suite_count; i++)
        if (strcmp(bench_suites[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int add_suite(struct arguments *arguments, const char *name)
{
    int index = suite_index(name);
    if (index < 0) {
        bench_error("no such suite: %s", name);
        return 0;
    }
    if (!bench_suites[index].suite) {
        bench_error("suite %s was left out of this build: it needs %s", name, bench_suites[index].library);
        return 0;
    }
    if (arguments->suite_count == SUITES_MAX)
        return 0;
    arguments->suites[arguments->suite_count++] = name;
    return 1;
}

/* Returns -1 to go on, else the exit code. */
static int parse(int *argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"suite", required_argument, NULL, 's'},
                                            {"kernel", required_argument, NULL, 'k'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"budget", required_argument, NULL, 'b'},
                                            {"results", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option, ok = take_flags(argc, argv, arguments) && bench_shim_init(argc, argv, print_usage);
    while (ok && (option = getopt_long(*argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            ok = add_suite(arguments, optarg);
            break;
        case 'k':
            arguments->kernel = optarg;
            break;
        case 'r':
            ok = parse_count(optarg, &arguments->rounds);
            break;
        case 'b':
            ok = parse_seconds(optarg, &arguments->budget_s);
            break;
        case 'o':
            arguments->results = optarg;
            break;
        default:
            return EXIT_USAGE;
        }
        if (!ok && option != 's')
            bench_error("bad value: %s", optarg);
    }
    if (ok && optind < *argc)
        bench_error("unexpected argument: %s", argv[optind]);
    return ok && optind == *argc ? -1 : EXIT_USAGE;
}

static int compile_filter(const char *text)
{
    filter_excludes = text[0] == '-';
    text += filter_excludes;
    if (regcomp(&filter, text, REG_EXTENDED | REG_NOSUB) != 0) {
        bench_error("bad regular expression: %s", text);
        return 0;
    }
    filter_given = 1;
    return 1;
}

static int matches(const char *name)
{
    if (!filter_given)
        return 1;
    int found = regexec(&filter, name, 0, NULL, 0) == 0;
    return found != filter_excludes;
}

/* ---- The run ---- */

static int chosen(const struct arguments *arguments, const struct bench_suite_entry *entry)
{
    if (!entry->suite)
        return 0;
    for (size_t i = 0; i < arguments->suite_count; i++)
        if (strcmp(arguments->suites[i], entry->name) == 0)
            return 1;
    return arguments->suite_count == 0;
}

static struct bench_plan plan_for(const struct arguments *arguments, const struct bench_suite_entry *entry,
                                  const char *scratch)
{
    double all = 0;
    for (size_t i = 0; i < bench_suite_count; i++)
        all += chosen(arguments, &bench_suites[i]) ? bench_suites[i].seconds : 0;
    return (struct bench_plan){
        .suite = entry->suite,
        .options = {.kernel = arguments->kernel,
                    .scratch = scratch,
                    .rounds = arguments->rounds,
                    .budget_s = arguments->budget_s > 0 ? arguments->budget_s * entry->seconds / all : entry->seconds},
        .min_time_s = arguments->min_time_s,
        .matches = matches,
    };
}

/* An unknown or unusable kernel is said once, before anything is measured. */
static int kernel_is_usable(const char *kernel)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    sealane_engine *engine;
    options.kernel = kernel;
    enum sealane_error error = sealane_engine_create(&engine, &options);
    sealane_engine_free(engine);
    if (error != SEALANE_OK)
        bench_error("%s%s%s [%s]", kernel ? kernel : "", kernel ? ": " : "", sealane_error_message(error),
                    sealane_error_name(error));
    return error == SEALANE_OK;
}

static void say_what_is_missing(const struct arguments *arguments)
{
    for (size_t i = 0; i < bench_suite_count; i++)
        if (!bench_suites[i].suite && arguments->suite_count == 0)
            bench_note("suite %s was left out of this build: it needs %s", bench_suites[i].name,
                       bench_suites[i].library);
    for (size_t i = 0; i < bench_entry_count; i++) {
        int suite = suite_index(bench_entries[i].suite);
        if (!bench_entries[i].implementation && suite >= 0 && chosen(arguments, &bench_suites[suite]))
            bench_note("%s/%s was left out of this build: it needs %s", bench_entries[i].suite, bench_entries[i].id,
                       bench_entries[i].library);
    }
}

static void print_machine(FILE *out, const struct bench_aes_limit *limits, size_t count)
{
    double hz = bench_core_hz();
    fprintf(out, "Core clock %.3f GHz; cycles are %s.\n", hz * 1e-9,
            bench_cycles_counted() ? "counted by the CPU (perf_event_open, user mode)"
                                   : "CPU time times core clock, timed beside each repetition");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "AES limit at 14 rounds, %u-bit instructions: %.2f bytes per cycle, %.2f GB/s\n",
                limits[i].width_bits, limits[i].bytes_per_cycle, limits[i].bytes_per_cycle * hz * 1e-9);
}

static enum bench_status write_results(const struct arguments *arguments)
{
    enum bench_status status = BENCH_OK;
    double median, most;
    bench_shim_clock_difference(&median, &most);
    bench_context("timer_check",
                  "Google Benchmark's time and our own of a repetition differ by %.4f %% (median), %.3f %% (most)",
                  100 * median, 100 * most);
    json_t *results = bench_results();
    if (!results)
        return BENCH_FAILED;
    if (arguments->json)
        status = bench_write(results, "-");
    if (status == BENCH_OK && arguments->out)
        status = bench_write(results, arguments->out);
    if (status == BENCH_OK && arguments->results) {
        char *path = bench_results_path(arguments->results);
        status = path ? bench_write(results, path) : BENCH_FAILED;
        if (status == BENCH_OK && !arguments->json)
            printf("\nResults: %s\n", path);
        free(path);
    }
    json_decref(results);
    return status;
}

static void print_clock_check(FILE *out)
{
    double median, most;
    bench_shim_clock_difference(&median, &most);
    fprintf(out,
            "Google Benchmark %s: its time and our own of a repetition differ by %.4f %% (median), %.3f %% (most).\n",
            bench_shim_version(), 100 * median, 100 * most);
}

/* The last suite's table comes after the results are written: it is what `make bench` ends with. */
static enum bench_status run_suites(const struct arguments *arguments, const char *scratch)
{
    size_t last = 0;
    enum bench_status promise = BENCH_OK, status = BENCH_OK;
    for (size_t i = 0; i < bench_suite_count; i++)
        last = chosen(arguments, &bench_suites[i]) ? i : last;
    for (size_t i = 0; i <= last && status == BENCH_OK; i++) {
        struct bench_run run = {0};
        if (!chosen(arguments, &bench_suites[i]))
            continue;
        struct bench_plan plan = plan_for(arguments, &bench_suites[i], scratch);
        status = bench_measure(&plan, &run);
        if (status == BENCH_OK && i == last) {
            if (!arguments->json)
                print_clock_check(stdout);
            status = write_results(arguments);
        }
        if (status == BENCH_OK && run.count > 0) {
            FILE *out = arguments->json ? stderr : stdout;
            if (plan.suite->report(&plan.options, run.results, run.count, out) != BENCH_OK)
                promise = BENCH_FAILED;
            fflush(out);
        }
        bench_run_free(&run);
    }
    return status != BENCH_OK ? status : promise;
}

static enum bench_status list_suites(const struct arguments *arguments)
{
    enum bench_status status = BENCH_OK;
    for (size_t i = 0; i < bench_suite_count && status == BENCH_OK; i++) {
        struct bench_plan plan = plan_for(arguments, &bench_suites[i], NULL);
        if (chosen(arguments, &bench_suites[i]))
            status = bench_list(&plan, stdout);
    }
    return status;
}

static int measure_all(const struct arguments *arguments)
{
    const struct bench_aes_limit *limits;
    say_what_is_missing(arguments);
    bench_cycles_open();
    size_t widths = bench_aes_limits(&limits);
    bench_describe(limits, widths);
    if (!arguments->json)
        print_machine(stdout, limits, widths);
    fflush(stdout);
    const char *scratch = bench_scratch_create();
    enum bench_status status = scratch ? run_suites(arguments, scratch) : BENCH_FAILED;
    bench_scratch_remove();
    bench_cycles_close();
    if (bench_stopped()) {
        signal(bench_stopped(), SIG_DFL);
        raise(bench_stopped());
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        bench_error("standard output: %s", strerror(errno));
        status = BENCH_FAILED;
    }
    return status == BENCH_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    int code = parse(&argc, argv, &arguments);
    if (code >= 0)
        return code;
    if (arguments.filter && arguments.filter[0] && !compile_filter(arguments.filter))
        return EXIT_USAGE;
    if (!kernel_is_usable(arguments.kernel))
        code = EXIT_USAGE;
    else if (arguments.list)
        code = list_suites(&arguments) == BENCH_OK ? 0 : 1;
    else
        code = measure_all(&arguments);
    if (filter_given)
        regfree(&filter);
    return code;
}
