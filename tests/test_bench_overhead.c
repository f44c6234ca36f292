/* What suite overhead concludes from made-up figures, of which the right conclusion is known. */
#define _GNU_SOURCE
#include "tests/benching.h"

#ifdef BENCH_HAVE_LZ4
#include "bench/overhead.h"

extern const struct bench_suite bench_suite_overhead;

enum { CONTROL = 1 }; /* place of the second row that overhead_figures() makes */

/* CPU time of the plain row is 1 s, so that costs can be read off the others' times. */
static void overhead_figures(struct figures *figures, size_t rounds, double control)
{
    begin_figures(figures, "workload:decode", 0, rounds);
    add(figures, &bench_suite_overhead, "plain:read", 1);
    assert_int_equal(add(figures, &bench_suite_overhead, "plain:control", control), CONTROL);
}

static void set_cpu(struct figures *figures, size_t row, size_t round, double seconds)
{
    figures->samples[row][round].cpu_s = seconds;
}

/* The table's line of that row. */
static const char *line_of(const char *name)
{
    static char line[256];
    char start[64];
    snprintf(start, sizeof(start), "\n  %s ", name);
    const char *at = strstr(printed, start);
    if (!at)
        fail_msg("no row %s in:\n%s", name, printed);
    else
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    return line;
}

static const char *cost_of(struct figures *figures)
{
    assert_int_equal(report(&bench_suite_overhead, figures, &no_options), BENCH_OK);
    return line_of("sealane");
}

/* The order statistics that enclose a median with 99 % confidence, from printed tables of the binomial distribution. */
static void test_interval_of_the_median(void **state)
{
    (void)state;
    static const struct {
        size_t count, rank;
    } known[] = {{8, 1}, {10, 1}, {12, 2}, {15, 3}, {20, 4}, {30, 8}};
    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        double values[ROUNDS_MAX];
        for (size_t i = 0; i < known[k].count; i++)
            values[i] = (double)((i * 7) % known[k].count + 1); /* 1 to count */
        struct overhead_estimate estimate = overhead_estimate(values, known[k].count);
        assert_true(estimate.median == ((double)known[k].count + 1) / 2);
        assert_true(estimate.low == (double)known[k].rank);
        assert_true(estimate.high == (double)(known[k].count + 1 - known[k].rank));
    }
}

/* A/A: what the plain row shows against itself is noise, and a cost that does not wholly lie beyond it is none. */
static void test_costs_within_the_noise_are_not_shown(void **state)
{
    (void)state;
    struct figures figures;
    overhead_figures(&figures, 15, 1.02);
    size_t sealane = add(&figures, &bench_suite_overhead, "sealane", 1.019);
    assert_said(cost_of(&figures), "within noise (+-2.0 %)");
    assert_said(line_of("plain:control"), "within noise (+-2.0 %)");
    assert_not_said(line_of("sealane"), "+1.9 %");
    for (size_t i = 0; i < 15; i++)
        set_cpu(&figures, sealane, i, 1.021);
    assert_said(cost_of(&figures), "+2.1 % (+2.1 to +2.1)");
    /* A gain is held to the same. */
    for (size_t i = 0; i < 15; i++)
        set_cpu(&figures, sealane, i, 0.981);
    assert_said(cost_of(&figures), "within noise");
    for (size_t i = 0; i < 15; i++)
        set_cpu(&figures, sealane, i, 0.979);
    assert_said(cost_of(&figures), "-2.1 % (-2.1 to -2.1)");
}

/* With 8 rounds the interval is from the lowest to the highest. */
static void test_the_whole_interval_counts(void **state)
{
    (void)state;
    struct figures figures;
    overhead_figures(&figures, 8, 1);
    size_t sealane = add(&figures, &bench_suite_overhead, "sealane", 1.1);
    set_cpu(&figures, CONTROL, 2, 0.97); /* the noise reaches 3 % below and 2 % above */
    set_cpu(&figures, CONTROL, 5, 1.02);
    set_cpu(&figures, sealane, 6, 1.029);
    assert_said(cost_of(&figures), "within noise (+-3.0 %)");
    set_cpu(&figures, sealane, 6, 1.031);
    assert_said(cost_of(&figures), "+10.0 % (+3.1 to +10.0)");
}

static void test_without_a_control_no_cost_is_known(void **state)
{
    (void)state;
    struct figures figures;
    overhead_figures(&figures, 7, 1);
    add(&figures, &bench_suite_overhead, "sealane", 2);
    assert_said(cost_of(&figures), "not known from so few rounds");
    begin_figures(&figures, "workload:decode", 0, 15);
    add(&figures, &bench_suite_overhead, "plain:read", 1);
    add(&figures, &bench_suite_overhead, "sealane", 2);
    assert_said(cost_of(&figures), "not known without the two plain rows");
}

static size_t whole_overhead(struct figures *figures, double faithful, double in_place, double copies, double sealane)
{
    overhead_figures(figures, 15, 1.01);
    size_t at = add(figures, &bench_suite_overhead, "openssl:clickhouse-way", faithful);
    add(figures, &bench_suite_overhead, "openssl:in-place", in_place);
    add(figures, &bench_suite_overhead, "plain:copies-only", copies);
    add(figures, &bench_suite_overhead, "sealane", sealane);
    for (size_t i = 0; i < 15; i++) {
        figures->samples[at][i].counters[0] = 100; /* ns a call */
        figures->samples[at][i].counters[1] = 1e6; /* calls: 0.1 s */
    }
    return at;
}

/* 1.4 s, of them 0.2 for AES, 0.1 for copying, 0.1 for set-up. */
static void test_shares(void **state)
{
    (void)state;
    struct figures figures;
    whole_overhead(&figures, 1.4, 1.3, 1.1, 1.1);
    assert_said(cost_of(&figures), "+10.0 %");
    assert_said(line_of("  of its CPU time"), "14.3 % (14.3 to 14.3)");
    assert_said(line_of("  of its CPU time"), "7.1 % (7.1 to 7.1)       7.1 %");
    assert_said(line_of("  of its extra time"),
                "50 %                     25 %                     25 % (100 ns a call, warm)");
    assert_said(printed, "sealane's extra CPU time is 0.25 of the ClickHouse way's");
    /* Copying adds 0.1 s alone but saves 0.2 s: the range tells. */
    whole_overhead(&figures, 1.4, 1.2, 1.1, 1.1);
    assert_said(cost_of(&figures), "+10.0 %");
    assert_said(line_of("  of its CPU time"), "10.7 % (7.1 to 14.3)     10.7 % (7.1 to 14.3)");
}

static void test_no_shares_of_noise(void **state)
{
    (void)state;
    struct figures figures;
    whole_overhead(&figures, 1.009, 1.3, 1.1, 1.1);
    assert_said(cost_of(&figures), "+10.0 %");
    assert_said(printed, "No shares of AES and copying: the extra time is within the noise.");
    assert_not_said(printed, "of its extra time");
    assert_not_said(printed, "of the ClickHouse way's");
    whole_overhead(&figures, 1.4, 1.39, 1.005, 1.009); /* copying costs 0.5 % or 1 % */
    assert_said(cost_of(&figures), "within noise");
    assert_said(printed, "sealane: no cost beyond the noise, where the ClickHouse way costs +40.0 %.");
    assert_said(line_of("  of its extra time"), "within noise");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval_of_the_median),
        cmocka_unit_test(test_costs_within_the_noise_are_not_shown),
        cmocka_unit_test(test_the_whole_interval_counts),
        cmocka_unit_test(test_without_a_control_no_cost_is_known),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_no_shares_of_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    print_message("skipped: this build has no LZ4 and so no suite overhead\n");
    return 77;
}
#endif
