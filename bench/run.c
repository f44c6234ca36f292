/* One suite: set up, prove, calibrate, then interleaved rounds in which every row runs once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/internal.h"

enum {
    CASES_MAX = 64,
    ROWS_MAX = 1024,
    LARGE = 16 << 20, /* bytes: cases above it are left to rows that get through one in SLOW_S */
};

static const double SLOW_S = 0.1; /* seconds of one iteration */
static const double SCALE_LEAST = 0.05;

struct work {
    void *state;
    double iteration_s; /* calibrated */
    uint64_t iterations;
};

struct round {
    unsigned index, count; /* of the counted ones */
    int kept;              /* zero: warm-up */
    double scale;          /* of the planned iterations */
};

/* ---- Rows ---- */

static size_t entry_rows(const struct bench_plan *plan, struct bench_run *run, const struct bench_entry *entry,
                         size_t case_count, size_t rows)
{
    const char *names[BENCH_VARIANTS_MAX] = {entry->implementation->name};
    size_t variants = 1;
    if (entry->implementation->variants)
        variants = entry->implementation->variants(&plan->options, names, BENCH_VARIANTS_MAX);
    for (size_t v = 0; v < variants; v++)
        for (size_t c = 0; c < case_count && rows < ROWS_MAX; c++) {
            struct bench_row *row = &run->rows[rows];
            row->suite = plan->suite;
            row->implementation = entry->implementation;
            row->kase = &run->cases[c];
            row->options = &plan->options;
            row->variant = v;
            snprintf(row->name, sizeof(row->name), "%s", names[v]);
            snprintf(row->full_name, sizeof(row->full_name), "%s/%s/%s", plan->suite->name, names[v],
                     run->cases[c].name);
            rows += plan->matches(row->full_name) ? 1 : 0;
        }
    return rows;
}

/* Fills run->cases and run->rows; run->count is how many rows match. */
static enum bench_status list_rows(const struct bench_plan *plan, struct bench_run *run)
{
    run->cases = calloc(CASES_MAX, sizeof(*run->cases));
    run->rows = calloc(ROWS_MAX, sizeof(*run->rows));
    if (!run->cases || !run->rows) {
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    size_t cases = plan->suite->cases(&plan->options, run->cases, CASES_MAX);
    for (size_t i = 0; i < bench_entry_count; i++)
        if (strcmp(bench_entries[i].suite, plan->suite->name) == 0 && bench_entries[i].implementation)
            run->count = entry_rows(plan, run, &bench_entries[i], cases, run->count);
    return BENCH_OK;
}

enum bench_status bench_list(const struct bench_plan *plan, FILE *out, size_t *count)
{
    struct bench_run run = {0};
    enum bench_status status = list_rows(plan, &run);
    *count = status == BENCH_OK ? run.count : 0;
    for (size_t i = 0; i < *count && out; i++)
        fprintf(out, "%s\n", run.rows[i].full_name);
    bench_run_free(&run);
    return status;
}

/* ---- Set-up ---- */

static enum bench_status time_once(const struct bench_row *row, void *state, uint64_t iterations, double *elapsed)
{
    const struct bench_implementation *implementation = row->implementation;
    enum bench_status status = implementation->before ? implementation->before(state) : BENCH_OK;
    double start = bench_now();
    if (status == BENCH_OK)
        status = implementation->run(state, iterations);
    *elapsed = bench_now() - start;
    if (status != BENCH_OK)
        bench_error("%s failed", row->full_name);
    return status;
}

/* Doubles until the clock's resolution does not matter; the second of two equal runs finds everything warm. */
static enum bench_status calibrate(const struct bench_row *row, struct work *work)
{
    enum bench_status status;
    uint64_t n = 1;
    double first = 0, second = 0;
    for (;;) {
        status = time_once(row, work->state, n, &first);
        if (status != BENCH_OK || first >= 2e-4)
            break;
        n *= first < 2e-5 ? 8 : 2;
    }
    if (status == BENCH_OK && first < 0.1) {
        status = time_once(row, work->state, n, &second);
        first = second < first ? second : first;
    }
    work->iteration_s = first / (double)n;
    return status;
}

/* Seconds for one iteration of a large case, judged from a smaller one of the same implementation; 0 if there is none.
 */
static double expect_large(const struct bench_row *rows, const struct work *work, size_t index)
{
    const struct bench_row *row = &rows[index];
    double expected = 0;
    for (size_t i = 0; i < index; i++)
        if (work[i].iteration_s > 0 && rows[i].kase->bytes > 0 && strcmp(rows[i].name, row->name) == 0)
            expected = work[i].iteration_s / (double)rows[i].kase->bytes * (double)row->kase->bytes;
    return expected;
}

static enum bench_status set_up_row(const struct bench_row *row, struct work *work)
{
    enum bench_status status = row->implementation->setup(&work->state, row);
    if (status != BENCH_OK)
        return status;
    if (row->suite->verify)
        status = row->suite->verify(row, work->state);
    if (status == BENCH_OK && !row->suite->single_iteration_rounds)
        status = calibrate(row, work);
    if (status != BENCH_OK) {
        row->implementation->teardown(work->state);
        work->state = NULL;
    }
    return status;
}

/* Sets all rows up; those that cannot run are dropped, and the rest moved together. */
static enum bench_status set_up(struct bench_run *run, struct work *work, size_t *ready)
{
    size_t kept = 0;
    for (size_t i = 0; i < run->count && run->rows[i].kase; i++) {
        struct bench_row row = run->rows[i];
        memset(&work[kept], 0, sizeof(work[kept]));
        run->rows[kept] = row;
        double expected = row.kase->bytes > LARGE ? expect_large(run->rows, work, kept) : 0;
        if (expected > SLOW_S && !row.suite->single_iteration_rounds) {
            bench_note("%s left out: slow, and above 16 MiB (%.2f s for each repetition)", row.full_name, expected);
            continue;
        }
        enum bench_status status = bench_stopped() ? BENCH_FAILED : set_up_row(&run->rows[kept], &work[kept]);
        if (status == BENCH_FAILED) {
            *ready = kept;
            return status;
        }
        kept += status == BENCH_OK ? 1 : 0;
    }
    run->count = *ready = kept;
    return BENCH_OK;
}

/* ---- Rounds ---- */

static uint64_t iterations_for(const struct work *work, double seconds)
{
    double n = floor(seconds / work->iteration_s);
    return n < 1 ? 1 : (uint64_t)n;
}

/* The same length for every repetition, but at least one iteration: the length with which the rounds fill the budget.
 */
static void plan_iterations(const struct bench_plan *plan, struct work *work, size_t count, unsigned rounds,
                            double left)
{
    double low = 0, high = left / rounds;
    for (int step = 0; step < 50 && plan->min_time_s <= 0; step++) {
        double middle = (low + high) / 2, sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += (double)iterations_for(&work[i], middle) * work[i].iteration_s;
        if (sum * rounds > left)
            high = middle;
        else
            low = middle;
    }
    for (size_t i = 0; i < count; i++)
        work[i].iterations = iterations_for(&work[i], plan->min_time_s > 0 ? plan->min_time_s : low);
}

/* Cases in their order; within a case the rows in another order each round, so that no row always follows the same one.
 */
static void order_rows(const struct bench_run *run, size_t *order, uint64_t *seed)
{
    for (size_t i = 0; i < run->count; i++)
        order[i] = i;
    for (size_t i = run->count; i > 1; i--) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t j = (size_t)((*seed >> 33) % i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
    for (size_t i = 1; i < run->count; i++) /* stable by case: insertion */
        for (size_t j = i; j > 0 && run->rows[order[j - 1]].kase > run->rows[order[j]].kase; j--) {
            size_t swap = order[j];
            order[j] = order[j - 1];
            order[j - 1] = swap;
        }
}

static enum bench_status one_round(struct bench_run *run, struct work *work, struct bench_job *jobs,
                                   const size_t *order, const struct round *round)
{
    for (size_t i = 0; i < run->count; i++) {
        struct bench_result *result = &run->results[order[i]];
        double iterations = (double)work[order[i]].iterations * round->scale;
        jobs[i] = (struct bench_job){.row = result->row,
                                     .state = work[order[i]].state,
                                     .iterations = iterations < 1 ? 1 : (uint64_t)iterations,
                                     .round = round->kept ? round->index : 0,
                                     .rounds = round->count,
                                     .counter_names = result->counter_names,
                                     .counter_count = &result->counter_count};
        if (round->kept)
            jobs[i].sample = &run->samples[order[i] * round->count + result->sample_count++];
    }
    return bench_shim_run(jobs, run->count);
}

static unsigned rounds_of(const struct bench_plan *plan)
{
    return plan->options.rounds ? plan->options.rounds : plan->suite->default_rounds;
}

/* What the budget leaves for each of the next rounds, against what the last one took: when others use the machine, the
 * repetitions become shorter, not fewer. */
static double rescale(double scale, double left_for_each, double took)
{
    if (took > 0)
        scale *= left_for_each / took;
    return scale > 1 ? 1 : scale < SCALE_LEAST ? SCALE_LEAST : scale;
}

static enum bench_status take_rounds(const struct bench_plan *plan, struct bench_run *run, struct work *work,
                                     double start, struct bench_job *jobs, size_t *order)
{
    const unsigned rounds = rounds_of(plan), all = rounds + plan->suite->discard_rounds;
    const unsigned single = plan->options.rounds ? 0 : plan->suite->single_iteration_rounds;
    const int fixed = plan->suite->single_iteration_rounds || plan->min_time_s > 0;
    struct round round = {.count = rounds, .scale = 1};
    enum bench_status status = BENCH_OK;
    uint64_t seed = 1;
    for (unsigned done = 0; done < all && status == BENCH_OK; done++) {
        double began = bench_now();
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r%s: round %u of %s%u ", plan->suite->name, done + 1, single ? "at most " : "", all);
        round.kept = done >= plan->suite->discard_rounds;
        round.index = round.kept ? done - plan->suite->discard_rounds : 0;
        order_rows(run, order, &seed);
        status = one_round(run, work, jobs, order, &round);
        double now = bench_now(), took = now - began, left = plan->options.budget_s - (now - start);
        if (single && round.kept && round.index + 1 >= single && took > left)
            break;
        if (!fixed && done + 1 < all)
            round.scale = rescale(round.scale, left / (all - done - 1), took);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%48s\r", "");
    return status;
}

static enum bench_status run_rounds(const struct bench_plan *plan, struct bench_run *run, struct work *work,
                                    double start)
{
    enum bench_status status = BENCH_FAILED;
    size_t *order = calloc(run->count + 1, sizeof(*order));
    struct bench_job *jobs = calloc(run->count + 1, sizeof(*jobs));
    if (order && jobs)
        status = take_rounds(plan, run, work, start, jobs, order);
    else
        bench_error("not enough memory");
    free(order);
    free(jobs);
    return status;
}

/* ---- Results ---- */

static void summarize(struct bench_result *result, double *values)
{
    const size_t n = result->sample_count;
    for (size_t i = 0; i < n; i++) {
        values[i] = result->samples[i].wall_s;
        if (i == 0 || values[i] < result->best_s)
            result->best_s = values[i];
    }
    result->median_s = bench_median(values, n);
    for (size_t i = 0; i < n; i++)
        values[i] = fabs(result->samples[i].wall_s - result->median_s);
    double deviation = bench_median(values, n);
    result->spread = result->median_s > 0 ? deviation / result->median_s : 0;
    for (size_t i = 0; i < n; i++)
        values[i] = result->samples[i].cycles;
    result->median_cycles = bench_median(values, n);
    bench_shim_aggregate(result);
}

static enum bench_status measure_rows(const struct bench_plan *plan, struct bench_run *run, struct work *work,
                                      double start)
{
    unsigned rounds = rounds_of(plan);
    double *values = calloc(rounds, sizeof(*values));
    run->results = calloc(run->count + 1, sizeof(*run->results));
    run->samples = calloc(run->count * rounds + 1, sizeof(*run->samples));
    if (!run->results || !run->samples || !values) {
        free(values);
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    if (plan->suite->single_iteration_rounds)
        for (size_t i = 0; i < run->count; i++)
            work[i].iterations = 1;
    else
        plan_iterations(plan, work, run->count, rounds + plan->suite->discard_rounds,
                        plan->options.budget_s - (bench_now() - start));
    for (size_t i = 0; i < run->count; i++) {
        run->results[i].row = &run->rows[i];
        run->results[i].samples = run->samples + i * rounds;
    }
    enum bench_status status = run_rounds(plan, run, work, start);
    for (size_t i = 0; i < run->count && status == BENCH_OK; i++)
        summarize(&run->results[i], values);
    free(values);
    return status;
}

enum bench_status bench_measure(const struct bench_plan *plan, struct bench_run *run)
{
    double start = bench_now();
    size_t ready = 0;
    enum bench_status status = list_rows(plan, run);
    if (status != BENCH_OK || run->count == 0)
        return status;
    struct work *work = calloc(run->count, sizeof(*work));
    if (!work) {
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    if (plan->suite->begin)
        status = plan->suite->begin(&plan->options);
    if (status == BENCH_OK) {
        /* Same cases, same places: only now may they know their sizes. */
        plan->suite->cases(&plan->options, run->cases, CASES_MAX);
        status = set_up(run, work, &ready);
        if (status == BENCH_OK && run->count > 0)
            status = measure_rows(plan, run, work, start);
        for (size_t i = 0; i < ready; i++)
            run->rows[i].implementation->teardown(work[i].state);
        if (plan->suite->end)
            plan->suite->end();
    }
    free(work);
    if (status == BENCH_SKIPPED) /* begin: bench_note() has said why */
        run->count = 0;
    return status == BENCH_SKIPPED ? BENCH_OK : status;
}

void bench_run_free(struct bench_run *run)
{
    free(run->cases);
    free(run->rows);
    free(run->results);
    free(run->samples);
    memset(run, 0, sizeof(*run));
}
