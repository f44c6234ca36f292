/* What the benchmark concludes of dispatch, from made-up figures, and how it meets implementations with a known fault.
 * Nothing here looks at a time. */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>

#include "bench/kernels.h"
#include "tests/benching.h"

/* ---- The table of benchmarks is the test's own: the program's table.c is not linked ---- */

extern const struct bench_suite bench_suite_kernels;
extern const struct bench_implementation bench_kernels_openssl_evp_iv;
static const struct bench_suite sized;
static const struct bench_implementation flawed, late, slow, quick;

const struct bench_suite_entry bench_suites[] = {{&bench_suite_kernels, "kernels", 1, "none"},
                                                 {&sized, "sized", 1, "none"}};
const size_t bench_suite_count = 2;
const struct bench_entry bench_entries[] = {{"kernels", &bench_kernels_openssl_evp_iv, "right", "none"},
                                            {"kernels", &flawed, "flawed", "none"},
                                            {"kernels", &late, "late", "none"},
                                            {"sized", &slow, "slow", "none"},
                                            {"sized", &quick, "quick", "none"}};
const size_t bench_entry_count = sizeof(bench_entries) / sizeof(bench_entries[0]);

/* ---- Dispatch ---- */

/* "sealane" reaches this share of the rate of `other`. */
static void dispatch_at(struct figures *figures, double share, const char *other)
{
    begin_figures(figures, "65536", 65536, 5);
    add(figures, &bench_suite_kernels, "sealane", 1e-6 / share);
    add(figures, &bench_suite_kernels, other, 1e-6);
}

static void test_dispatch_at_most_3_percent_below_the_best(void **state)
{
    (void)state;
    struct figures figures;
    dispatch_at(&figures, 0.98, "sealane:aesni");
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_OK);
    assert_string_equal(told, "");
    dispatch_at(&figures, 0.96, "sealane:aesni");
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_FAILED);
    assert_said(told, "dispatch is wrong: kernels/sealane/65536 takes 1.042 times as long as sealane:aesni");
    dispatch_at(&figures, 0.972, "sealane:aesni");
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_OK);
    dispatch_at(&figures, 0.968, "sealane:aesni");
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_FAILED);
    dispatch_at(&figures, 1.5, "sealane:aesni");
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_OK);
}

static void test_dispatch_is_judged_against_kernels_only(void **state)
{
    (void)state;
    static const char *const others[] = {"sealane:stream", "openssl:evp-iv", "ipsec-mb:burst"};
    struct figures figures;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        dispatch_at(&figures, 0.5, others[i]);
        assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_OK);
    }
    const struct bench_options forced = {.kernel = "portable"};
    dispatch_at(&figures, 0.5, "sealane:aesni");
    assert_int_equal(report(&bench_suite_kernels, &figures, &forced), BENCH_OK);
}

/* Median, best, round by round and core cycles must all say that dispatch is wrong. */
static void test_dispatch_needs_all_four_measures(void **state)
{
    (void)state;
    struct figures figures;
    for (int innocent = 0; innocent < 4; innocent++) {
        dispatch_at(&figures, 0.9, "sealane:aesni");
        struct bench_result *chosen = &figures.results[0];
        if (innocent == 0)
            chosen->median_s = 1e-6;
        else if (innocent == 1)
            chosen->best_s = 1e-6;
        else if (innocent == 2)
            for (size_t i = 0; i < figures.rounds; i++)
                figures.samples[0][i].wall_s = 1e-6;
        else
            chosen->median_cycles = figures.results[1].median_cycles;
        assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_OK);
    }
    dispatch_at(&figures, 0.9, "sealane:aesni"); /* and three where cycles cannot be counted */
    figures.results[0].median_cycles = figures.results[1].median_cycles = 0;
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_FAILED);
}

static void test_kernels_table(void **state)
{
    (void)state;
    struct figures figures;
    begin_figures(&figures, "65536", 65536, 5);
    add(&figures, &bench_suite_kernels, "sealane", 65536 / 20e9);
    add(&figures, &bench_suite_kernels, "openssl:evp-iv", 65536 / 8e9);
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_OK);
    assert_said(printed, "sealane                    20.00\nopenssl:evp-iv              8.00\n");
    assert_said(printed,
                "Times openssl:evp-iv, medians\n                            64 K\nsealane                     2.50\n");
    assert_not_said(printed, "The machine was busy");
    figures.results[0].spread = figures.results[1].spread = 0.06;
    assert_int_equal(report(&bench_suite_kernels, &figures, &no_options), BENCH_OK);
    assert_said(printed, "The machine was busy: times spread by 6 %");
}

/* ---- Whole runs of implementations with a known fault ---- */

static const char *wanted;

static int matches(const char *name)
{
    return strcmp(name, wanted) == 0 || (wanted[0] == '*' && strstr(name, wanted + 1));
}

static enum bench_status measure(const struct bench_suite *suite, const char *rows, struct bench_run *run)
{
    const struct bench_plan plan = {
        .suite = suite, .options = {.rounds = 1, .budget_s = 1}, .min_time_s = 1e-4, .matches = matches};
    wanted = rows;
    memset(run, 0, sizeof(*run));
    hear();
    enum bench_status status = bench_measure(&plan, run);
    heard();
    return status;
}

struct faulty {
    struct kernels_work work; /* first: the suite's own view of every state */
    void *right;
};

static enum bench_status set_up_faulty(void **memory, const struct bench_row *row)
{
    struct faulty *state = calloc(1, sizeof(*state));
    assert_non_null(state);
    *memory = state;
    assert_int_equal(bench_kernels_openssl_evp_iv.setup(&state->right, row), BENCH_OK);
    kernels_work_init(&state->work, row);
    return BENCH_OK;
}

static void tear_down_faulty(void *memory)
{
    struct faulty *state = memory;
    bench_kernels_openssl_evp_iv.teardown(state->right);
    free(state);
}

static enum bench_status run_right(const struct faulty *state, uint64_t iterations)
{
    struct kernels_work *theirs = state->right;
    theirs->len = state->work.len; /* the proof shortens it */
    return bench_kernels_openssl_evp_iv.run(state->right, iterations);
}

/* One bit of the last byte. */
static enum bench_status run_flawed(void *memory, uint64_t iterations)
{
    const struct faulty *state = memory;
    enum bench_status status = run_right(state, iterations);
    kernels_place(&state->work, 0)[state->work.len - 1] ^= 1;
    return status;
}

/* Right, but for the byte behind all that the case may touch. */
static enum bench_status run_late(void *memory, uint64_t iterations)
{
    const struct faulty *state = memory;
    enum bench_status status = run_right(state, iterations);
    kernels_place(&state->work, 0)[state->work.span] ^= 1;
    return status;
}

static const struct bench_implementation flawed = {
    .name = "test:flawed", .setup = set_up_faulty, .run = run_flawed, .teardown = tear_down_faulty};
static const struct bench_implementation late = {
    .name = "test:late", .setup = set_up_faulty, .run = run_late, .teardown = tear_down_faulty};

static void test_wrong_output_ends_the_run(void **state)
{
    (void)state;
    struct bench_run run;
    assert_int_equal(measure(&bench_suite_kernels, "kernels/openssl:evp-iv/64", &run), BENCH_OK);
    assert_int_equal(run.count, 1);
    bench_run_free(&run);
    static const char *const rows[] = {"kernels/test:flawed/64", "kernels/test:late/64", "kernels/test:flawed/1048576"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(measure(&bench_suite_kernels, rows[i], &run), BENCH_FAILED);
        assert_null(run.results);
        assert_said(told, rows[i]);
        assert_said(told, "differs from OpenSSL's; nothing was timed");
        bench_run_free(&run);
    }
    /* Whatever else is right. */
    assert_int_equal(measure(&bench_suite_kernels, "*/64", &run), BENCH_FAILED);
    bench_run_free(&run);
}

/* ---- Rows too slow for the largest cases ---- */

static size_t sizes(const struct bench_options *options, struct bench_case *cases, size_t capacity)
{
    static const uint64_t bytes[] = {1 << 20, 16 << 20, 32 << 20};
    (void)options;
    assert_true(capacity >= 3);
    for (size_t i = 0; i < 3; i++) {
        snprintf(cases[i].name, sizeof(cases[i].name), "%llu", (unsigned long long)bytes[i]);
        cases[i].bytes = bytes[i];
    }
    return 3;
}

static enum bench_status set_up_nothing(void **memory, const struct bench_row *row)
{
    *memory = (void *)(uintptr_t)row->kase;
    return BENCH_OK;
}

static void tear_down_nothing(void *memory)
{
    (void)memory;
}

/* 8 ms for each MiB: 128 ms for 16 MiB, too, are above the limit of 100, but only larger cases are left out. */
static enum bench_status run_slow(void *memory, uint64_t iterations)
{
    const struct bench_case *kase = memory;
    for (uint64_t i = 0; i < iterations * (kase->bytes >> 20); i++) {
        struct timespec left = {0, 8000000};
        while (nanosleep(&left, &left) != 0 && errno == EINTR)
            continue;
    }
    return BENCH_OK;
}

static enum bench_status run_quick(void *memory, uint64_t iterations)
{
    (void)memory;
    for (volatile uint64_t i = 0; i < iterations; i++)
        continue;
    return BENCH_OK;
}

static enum bench_status no_report(const struct bench_options *options, const struct bench_result *results,
                                   size_t count, FILE *out)
{
    (void)options, (void)results, (void)count, (void)out;
    return BENCH_OK;
}

static const struct bench_implementation slow = {
    .name = "test:slow", .setup = set_up_nothing, .run = run_slow, .teardown = tear_down_nothing};
static const struct bench_implementation quick = {
    .name = "test:quick", .setup = set_up_nothing, .run = run_quick, .teardown = tear_down_nothing};
static const struct bench_suite sized = {.name = "sized", .default_rounds = 1, .cases = sizes, .report = no_report};

static void test_slow_rows_skip_above_16_mib(void **state)
{
    (void)state;
    struct bench_run run;
    assert_int_equal(measure(&sized, "*sized/", &run), BENCH_OK);
    assert_int_equal(run.count, 5);
    assert_null(bench_find(run.results, run.count, "test:slow", "33554432"));
    assert_non_null(bench_find(run.results, run.count, "test:slow", "16777216"));
    assert_non_null(bench_find(run.results, run.count, "test:quick", "33554432"));
    assert_said(told, "note: sized/test:slow/33554432 left out: slow, and above 16 MiB");
    bench_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispatch_at_most_3_percent_below_the_best),
        cmocka_unit_test(test_dispatch_is_judged_against_kernels_only),
        cmocka_unit_test(test_dispatch_needs_all_four_measures),
        cmocka_unit_test(test_kernels_table),
        cmocka_unit_test(test_wrong_output_ends_the_run),
        cmocka_unit_test(test_slow_rows_skip_above_16_mib),
    };
    bench_shim_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
