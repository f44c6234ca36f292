/* What suite scaling prints of made-up figures on machines of several nodes. */
#define _GNU_SOURCE
#include "bench/scaling.h"
#include "tests/benching.h"

/* The table of benchmarks is the test's own: the program's table.c is not linked. */
extern const struct bench_suite bench_suite_scaling;
const struct bench_suite_entry bench_suites[] = {{&bench_suite_scaling, "scaling", 1, "none"}};
const size_t bench_suite_count = 1;
const struct bench_entry bench_entries[] = {{NULL, NULL, NULL, NULL}};
const size_t bench_entry_count = 0;

/* A row whose nodes got through their shares at these rates, in each round. */
static void add_row(struct figures *figures, const char *name, double seconds, const double *gb_per_s, size_t nodes)
{
    const size_t at = add(figures, &bench_suite_scaling, name, seconds);
    figures->results[at].counter_count = nodes;
    for (size_t i = 0; i < figures->rounds; i++)
        memcpy(figures->samples[at][i].counters, gb_per_s, nodes * sizeof(gb_per_s[0]));
}

static void print(const struct figures *figures, const int *nodes, size_t count)
{
    memset(printed, 0, sizeof(printed));
    FILE *out = fmemopen(printed, sizeof(printed) - 1, "w");
    assert_non_null(out);
    assert_int_equal(scaling_print(figures->results, figures->count, nodes, count, out), BENCH_OK);
    assert_int_equal(fclose(out), 0);
}

/* Memory of node 2 is twice as slow, and encryption there is at half of the copy where it is at par on node 0. */
static void each_node_is_beside_the_copy_there(void **state)
{
    (void)state;
    static const int nodes[] = {0, 2};
    static const double copied[] = {40, 20}, sealed[] = {40, 10};
    struct figures figures;
    begin_figures(&figures, "threads:2/bytes:268435456/inplace:0", 268435456, 5);
    add_row(&figures, "copy:nt", 268435456 / 40e9, copied, 2);
    add_row(&figures, "sealane", 268435456 / 20e9, sealed, 2);
    /* The median counts, not one round. */
    figures.samples[1][3].counters[0] = 1;
    print(&figures, nodes, 2);
    assert_said(printed, "256 MiB, a share on each NUMA node that has threads (2)");
    assert_said(printed, "sealane         threads:2/bytes:268435456/inplace:0             20.00   20.00         -     "
                         "0.500         -");
    assert_said(printed, "copy:nt         threads:2/bytes:268435456/inplace:0                   0   40.00     1.000\n"
                         "copy:nt         threads:2/bytes:268435456/inplace:0                   2   20.00     1.000\n"
                         "sealane         threads:2/bytes:268435456/inplace:0                   0   40.00     1.000\n"
                         "sealane         threads:2/bytes:268435456/inplace:0                   2   10.00     0.500\n");
}

static void without_a_copy_there_is_no_share(void **state)
{
    (void)state;
    static const int nodes[] = {-1};
    static const double sealed[] = {20};
    struct figures figures;
    begin_figures(&figures, "threads:1/bytes:268435456/inplace:0", 268435456, 5);
    add_row(&figures, "sealane", 268435456 / 20e9, sealed, 1);
    add_row(&figures, "sealane:batch", 1, NULL, 0);
    print(&figures, nodes, 1);
    assert_said(printed, "sealane         threads:1/bytes:268435456/inplace:0                none   20.00         -\n");
    assert_not_said(printed, "sealane:batch   threads:1/bytes:268435456/inplace:0                none");
}

static void more_nodes_than_counters_are_said(void **state)
{
    (void)state;
    int nodes[BENCH_COUNTERS_MAX + 3];
    double rates[BENCH_COUNTERS_MAX];
    struct figures figures;
    for (int i = 0; i < BENCH_COUNTERS_MAX + 3; i++)
        nodes[i] = i;
    for (int i = 0; i < BENCH_COUNTERS_MAX; i++)
        rates[i] = 5;
    begin_figures(&figures, "threads:16/bytes:268435456/inplace:0", 268435456, 3);
    add_row(&figures, "sealane", 1, rates, BENCH_COUNTERS_MAX);
    print(&figures, nodes, BENCH_COUNTERS_MAX + 3);
    assert_said(printed, "(the first 12 of 15 nodes)\n");
}

/* Two threads on node 5 and one on node 7: the time of a part is that of its last piece, all laps together. */
static void a_part_is_done_with_its_last_piece(void **state)
{
    (void)state;
    static struct scaling_work work;
    struct bench_counter counter[BENCH_COUNTERS_MAX];
    work.part_count = 2;
    work.part[0].node = 5;
    work.part[1].node = 7;
    work.part[0].len = work.part[1].len = 1000000000;
    assert_int_equal(scaling_before(&work), BENCH_OK);
    for (int lap = 0; lap < 2; lap++) {
        scaling_lap_begin(&work);
        work.lap_began -= 10; /* who says so first has taken ten seconds */
        scaling_done(&work, &work.part[0]);
        work.lap_began += 10;
        scaling_done(&work, &work.part[0]);
        assert_true(atomic_load(&work.part[0].done_ns) >= 10000000000);
        atomic_store(&work.part[0].done_ns, 250000000 + 500000000 * (uint64_t)lap);
        atomic_store(&work.part[1].done_ns, 100000000);
        scaling_lap_end(&work);
    }
    assert_int_equal(scaling_counters(&work, counter), 2);
    assert_string_equal(counter[0].name, "gb_per_s_node5");
    assert_string_equal(counter[1].name, "gb_per_s_node7");
    assert_true(counter[0].value > 1.999 && counter[0].value < 2.001);
    assert_true(counter[1].value > 9.999 && counter[1].value < 10.001);
    work.requests = 1000;
    assert_int_equal(scaling_counters(&work, counter), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_node_is_beside_the_copy_there),
        cmocka_unit_test(without_a_copy_there_is_no_share),
        cmocka_unit_test(more_nodes_than_counters_are_said),
        cmocka_unit_test(a_part_is_done_with_its_last_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
