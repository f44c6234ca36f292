/* sealane-bench: what it measures, what it prints and writes, and how it ends. */
#define _GNU_SOURCE
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench/calibrate.h"
#include "bench/internal.h"
#include "bench/options.h"
#include "sealane/engine.h"
#include "sealane/version.h"

enum { EXIT_USAGE = 2 };

static regex_t filter;
static int filter_given, filter_excludes;

/* ---- Help ---- */

static void print_option(enum bench_option_id id)
{
    const struct bench_option *option = &bench_options_table[id];
    char text[64], letter[8] = "";
    if (option->short_name)
        snprintf(letter, sizeof(letter), "-%c, ", option->short_name);
    snprintf(text, sizeof(text), "%s--%s%s%s", letter, option->name,
             *option->argument && !bench_option_is_google(id) ? " " : "", option->argument);
    printf("  %-*s  %s\n", bench_option_is_google(id) ? 44 : 20, text, option->help);
}

static void print_usage(void)
{
    printf("Usage: sealane-bench [OPTION]...\n"
           "Measures AES-256-CTR on this machine and prints tables; some suites only if named.\n\n");
    for (int id = 0; id < BENCH_OPTIONS; id++) {
        if (id > 0 && bench_option_is_google((enum bench_option_id)id) &&
            !bench_option_is_google((enum bench_option_id)(id - 1)))
            printf("\nOf Google Benchmark's flags:\n");
        print_option((enum bench_option_id)id);
    }
    printf("\nSuites:");
    for (size_t i = 0; i < bench_suite_count; i++)
        printf(" %s", bench_suites[i].name);
    putchar('\n');
}

/* ---- Rows ---- */

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

static int chosen(const struct bench_arguments *arguments, const struct bench_suite_entry *entry)
{
    if (!entry->suite)
        return 0;
    for (size_t i = 0; i < arguments->suite_count; i++)
        if (strcmp(arguments->suites[i], entry->name) == 0)
            return 1;
    return arguments->suite_count == 0 && !entry->suite->on_request;
}

static struct bench_plan plan_for(const struct bench_arguments *arguments, const struct bench_suite_entry *entry,
                                  const char *scratch)
{
    double all = 0;
    for (size_t i = 0; i < bench_suite_count; i++)
        all += chosen(arguments, &bench_suites[i]) ? bench_suites[i].seconds : 0;
    return (struct bench_plan){
        .suite = entry->suite,
        .options = {.kernel = arguments->kernel,
                    .scratch = scratch,
                    .files_bytes = arguments->files_bytes,
                    .scaling_bytes = arguments->scaling_bytes,
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

static void say_what_is_missing(const struct bench_arguments *arguments)
{
    for (size_t i = 0; i < bench_suite_count; i++)
        if (!bench_suites[i].suite && arguments->suite_count == 0)
            bench_note("suite %s was left out of this build: it needs %s", bench_suites[i].name,
                       bench_suites[i].library);
    for (size_t i = 0; i < bench_entry_count; i++) {
        size_t suite = 0;
        while (suite < bench_suite_count && strcmp(bench_suites[suite].name, bench_entries[i].suite) != 0)
            suite++;
        if (!bench_entries[i].implementation && suite < bench_suite_count && chosen(arguments, &bench_suites[suite]))
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

/* ---- The run ---- */

/* What is known before anything is measured. */
struct run {
    const struct bench_arguments *arguments;
    size_t rows[BENCH_SUITES_MAX]; /* of each suite, by its place in the table: how many match */
    size_t last;                   /* the last suite that has any */
    int scratch_needed;
    const char *scratch;
    char *results; /* the file's name; NULL: none */
};

/* Returns how many rows match; with `out`, also writes their names. */
static size_t count_rows(struct run *run, FILE *out)
{
    size_t all = 0;
    for (size_t i = 0; i < bench_suite_count && i < BENCH_SUITES_MAX; i++) {
        if (!chosen(run->arguments, &bench_suites[i]))
            continue;
        struct bench_plan plan = plan_for(run->arguments, &bench_suites[i], NULL);
        if (bench_list(&plan, out, &run->rows[i]) != BENCH_OK)
            return 0;
        if (run->rows[i] == 0)
            continue;
        all += run->rows[i];
        run->last = i;
        run->scratch_needed |= plan.suite->needs_scratch;
    }
    if (all == 0)
        bench_error("no row matches%s%s", run->arguments->filter ? ": " : "",
                    run->arguments->filter ? run->arguments->filter : "");
    return all;
}

/* Two minutes of measuring are not to end in a file that cannot be written. */
static enum bench_status prepare_results(struct run *run)
{
    if (run->arguments->out && bench_writable(run->arguments->out) != BENCH_OK)
        return BENCH_FAILED;
    if (!run->arguments->results)
        return BENCH_OK;
    run->results = bench_results_path(run->arguments->results);
    return run->results ? bench_writable(run->results) : BENCH_FAILED;
}

static enum bench_status write_results(const struct run *run)
{
    const struct bench_arguments *arguments = run->arguments;
    enum bench_status status = BENCH_OK;
    double median, most;
    bench_shim_clock_difference(&median, &most);
    bench_context("timer_check",
                  "Google Benchmark's time and our own of a repetition differ by %.4f %% (median), %.3f %% (most)",
                  100 * median, 100 * most);
    json_t *results = bench_results(arguments->aggregates_only);
    if (!results)
        return BENCH_FAILED;
    if (arguments->json)
        status = bench_write(results, "-");
    if (arguments->out && bench_write(results, arguments->out) != BENCH_OK)
        status = BENCH_FAILED;
    if (run->results && bench_write(results, run->results) != BENCH_OK)
        status = BENCH_FAILED;
    else if (run->results && !arguments->json)
        printf("\nResults: %s\n", run->results);
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

/* The last suite's table comes after the results are written: it is what `make bench` ends with.  Whatever becomes of
 * them, it is printed. */
static enum bench_status run_suites(const struct run *run)
{
    enum bench_status promise = BENCH_OK, status = BENCH_OK;
    FILE *out = run->arguments->json ? stderr : stdout;
    for (size_t i = 0; i <= run->last && status == BENCH_OK; i++) {
        struct bench_run measured = {0};
        if (run->rows[i] == 0)
            continue;
        struct bench_plan plan = plan_for(run->arguments, &bench_suites[i], run->scratch);
        status = bench_measure(&plan, &measured);
        if (status == BENCH_OK && i == run->last) {
            if (!run->arguments->json)
                print_clock_check(out);
            if (write_results(run) != BENCH_OK)
                promise = BENCH_FAILED;
        }
        if (status == BENCH_OK && measured.count > 0) {
            if (plan.suite->report(&plan.options, measured.results, measured.count, out) != BENCH_OK)
                promise = BENCH_FAILED;
            if (!bench_flush(out))
                status = BENCH_FAILED;
        }
        bench_run_free(&measured);
    }
    return status != BENCH_OK ? status : promise;
}

/* Measures, once it is known that the outcome can be told. */
static enum bench_status measure_all(struct run *run)
{
    const struct bench_aes_limit *limits;
    FILE *out = run->arguments->json ? stderr : stdout;
    say_what_is_missing(run->arguments);
    if (prepare_results(run) != BENCH_OK)
        return BENCH_FAILED;
    bench_catch_signals();
    if (run->scratch_needed) {
        run->scratch = bench_scratch_create(run->arguments->scratch);
        if (!run->scratch)
            return BENCH_FAILED;
    }
    bench_cycles_open();
    size_t widths = bench_aes_limits(&limits);
    bench_describe(limits, widths);
    for (size_t i = 0; i < run->arguments->pair_count; i++) {
        char *value = strchr(run->arguments->pairs[i], '=');
        *value = '\0';
        bench_context(run->arguments->pairs[i], "%s", value + 1);
    }
    if (!run->arguments->json)
        print_machine(out, limits, widths);
    if (run->scratch)
        fprintf(out, "Temporary files: %s (%s)\n", run->scratch, bench_filesystem(run->scratch));
    enum bench_status status = bench_flush(out) ? run_suites(run) : BENCH_FAILED;
    bench_cycles_close();
    return status;
}

static int measure(struct run *run)
{
    enum bench_status status = measure_all(run);
    bench_scratch_remove();
    free(run->results);
    if (bench_stopped()) {
        signal(bench_stopped(), SIG_DFL);
        raise(bench_stopped());
    }
    return bench_flush(stdout) && status == BENCH_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct bench_arguments arguments = {0};
    struct run run = {.arguments = &arguments};
    int code = EXIT_USAGE;
    /* No table is longer: nothing is written but by bench_flush(), which knows why a write fails. */
    if (setvbuf(stdout, NULL, _IOFBF, 1 << 16) != 0)
        bench_note("standard output has no buffer");
    if (!bench_arguments_parse(&arguments, argc, argv))
        return EXIT_USAGE;
    if (arguments.help || arguments.version) {
        if (arguments.help)
            print_usage();
        else
            printf("sealane-bench %s %s\n", sealane_version(), bench_commit());
        return bench_flush(stdout) ? 0 : 1;
    }
    if (arguments.filter && arguments.filter[0] && !compile_filter(arguments.filter))
        return EXIT_USAGE;
    bench_shim_init();
    if (arguments.calibrate) {
        if (kernel_is_usable(arguments.kernel))
            code = bench_calibrate(arguments.kernel, arguments.rounds, stdout) ? 0 : 1;
    } else if (kernel_is_usable(arguments.kernel) && count_rows(&run, arguments.list ? stdout : NULL) > 0) {
        if (arguments.list)
            code = bench_flush(stdout) ? 0 : 1;
        else
            code = measure(&run);
    }
    if (filter_given)
        regfree(&filter);
    return code;
}
