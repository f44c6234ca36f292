/* The table of suite `kernels`, and the promise that dispatch picks the best kernel. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/internal.h"
#include "bench/kernels.h"

enum { COLUMNS_MAX = 32, ROWS_MAX = 64 };

static const double DISPATCH_TOLERANCE = 0.03;
static const double BUSY_SPREAD = 0.05; /* an idle machine shows 1 to 2 % */

struct table {
    const char *rows[ROWS_MAX]; /* implementations */
    size_t row_count;
    const struct bench_case *columns[COLUMNS_MAX];
    size_t column_count;
    const struct bench_result *cells[ROWS_MAX][COLUMNS_MAX]; /* NULL: not measured */
    double bytes_per_cycle;                                  /* the AES limit; 0 without one */
};

static void lay_out(struct table *table, const struct bench_result *results, size_t count)
{
    memset(table, 0, sizeof(*table));
    for (size_t i = 0; i < count; i++) {
        size_t r = 0, c = 0;
        while (r < table->row_count && strcmp(table->rows[r], results[i].row->name) != 0)
            r++;
        while (c < table->column_count && table->columns[c] != results[i].row->kase)
            c++;
        if (r == ROWS_MAX || c == COLUMNS_MAX)
            continue;
        table->rows[r] = results[i].row->name;
        table->row_count += r == table->row_count ? 1 : 0;
        table->columns[c] = results[i].row->kase;
        table->column_count += c == table->column_count ? 1 : 0;
        table->cells[r][c] = &results[i];
    }
    const struct bench_aes_limit *limits;
    size_t widths = bench_aes_limits(&limits);
    for (size_t i = 0; i < widths; i++)
        if (limits[i].bytes_per_cycle > table->bytes_per_cycle)
            table->bytes_per_cycle = limits[i].bytes_per_cycle;
}

static void column_title(const struct bench_case *column, char *title, size_t capacity)
{
    if (column->argument)
        snprintf(title, capacity, "rand 4K");
    else if (column->bytes >= 1 << 20 && column->bytes % (1 << 20) == 0)
        snprintf(title, capacity, "%llu M", (unsigned long long)(column->bytes >> 20));
    else if (column->bytes >= 1 << 10 && column->bytes % (1 << 10) == 0)
        snprintf(title, capacity, "%llu K", (unsigned long long)(column->bytes >> 10));
    else
        snprintf(title, capacity, "%llu B", (unsigned long long)column->bytes);
}

/* ---- What a cell may show; a negative value means nothing ---- */

typedef double cell_value(const struct table *table, size_t row, size_t column);

static double rate(const struct bench_result *result, double seconds)
{
    return seconds > 0 ? (double)result->row->kase->bytes / seconds * 1e-9 : -1;
}

static double median_rate(const struct table *table, size_t r, size_t c)
{
    return rate(table->cells[r][c], table->cells[r][c]->median_s);
}

static double best_rate(const struct table *table, size_t r, size_t c)
{
    return rate(table->cells[r][c], table->cells[r][c]->best_s);
}

static double cycles_per_byte(const struct table *table, size_t r, size_t c)
{
    const struct bench_result *result = table->cells[r][c];
    return result->median_cycles > 0 ? result->median_cycles / (double)result->row->kase->bytes : -1;
}

static double median_ns(const struct table *table, size_t r, size_t c)
{
    return 1e9 * table->cells[r][c]->median_s;
}

static double best_ns(const struct table *table, size_t r, size_t c)
{
    return 1e9 * table->cells[r][c]->best_s;
}

static double percent_of_limit(const struct table *table, size_t r, size_t c)
{
    double cycles = cycles_per_byte(table, r, c);
    return cycles > 0 && table->bytes_per_cycle > 0 ? 100 / (cycles * table->bytes_per_cycle) : -1;
}

static double spread_percent(const struct table *table, size_t r, size_t c)
{
    return 100 * table->cells[r][c]->spread;
}

static double fastest_of(const struct table *table, const char *prefix, size_t c)
{
    double best = -1;
    for (size_t r = 0; r < table->row_count; r++)
        if (table->cells[r][c] && strncmp(table->rows[r], prefix, strlen(prefix)) == 0)
            best = fmax(best, median_rate(table, r, c));
    return best;
}

static double times_evp(const struct table *table, size_t r, size_t c)
{
    double peer = fastest_of(table, "openssl:evp-iv", c);
    return peer > 0 ? median_rate(table, r, c) / peer : -1;
}

static double times_ipsec_mb(const struct table *table, size_t r, size_t c)
{
    double peer = fastest_of(table, "ipsec-mb:", c);
    return peer > 0 ? median_rate(table, r, c) / peer : -1;
}

static void print_block(const struct table *table, FILE *out, const char *title, cell_value *value, int digits)
{
    char text[32];
    const int width = table->column_count > 12 ? 7 : 8; /* 120 in all */
    fprintf(out, "\n%s\n%-24s", title, "");
    for (size_t c = 0; c < table->column_count; c++) {
        column_title(table->columns[c], text, sizeof(text));
        fprintf(out, "%*s", width, text);
    }
    fputc('\n', out);
    for (size_t r = 0; r < table->row_count; r++) {
        fprintf(out, "%-24s", table->rows[r]);
        for (size_t c = 0; c < table->column_count; c++) {
            double shown = table->cells[r][c] ? value(table, r, c) : -1;
            if (shown < 0)
                fprintf(out, "%*s", width, "-");
            else
                fprintf(out, "%*.*f", width, digits, shown);
        }
        fputc('\n', out);
    }
}

static int has_column_of(const struct table *table, cell_value *value)
{
    for (size_t r = 0; r < table->row_count; r++)
        for (size_t c = 0; c < table->column_count; c++)
            if (table->cells[r][c] && value(table, r, c) >= 0)
                return 1;
    return 0;
}

/* Wall clock is what users feel, but under load it tells of the neighbours. */
static void warn_of_load(const struct bench_result *results, size_t count, FILE *out)
{
    double *spreads = calloc(count + 1, sizeof(*spreads));
    if (!spreads)
        return;
    for (size_t i = 0; i < count; i++)
        spreads[i] = results[i].spread;
    double typical = bench_median(spreads, count);
    if (typical > BUSY_SPREAD)
        fprintf(out,
                "\nThe machine was busy: times spread by %.0f %%.  Of these figures only core cycles per byte and the "
                "percent of the"
                "\nAES limit are to be relied on; repeat the run when it is idle.\n",
                100 * typical);
    free(spreads);
}

/* ---- Dispatch ---- */

/* How many times longer `a` takes than `b`, judged round by round. */
static double paired_ratio(const struct bench_result *a, const struct bench_result *b)
{
    size_t n = a->sample_count < b->sample_count ? a->sample_count : b->sample_count;
    double *ratios = calloc(n + 1, sizeof(*ratios));
    if (!ratios)
        return 0;
    for (size_t i = 0; i < n; i++)
        ratios[i] = a->samples[i].wall_s / b->samples[i].wall_s;
    double median = bench_median(ratios, n);
    free(ratios);
    return median;
}

/* Median, best, the median of the rounds' own ratios and the core cycles must all say so: noise and neighbours move
 * some of them, a wrong choice all. */
static int is_slower(const struct bench_result *chosen, const struct bench_result *other)
{
    const double most = 1 / (1 - DISPATCH_TOLERANCE);
    return chosen->median_s > other->median_s * most && chosen->best_s > other->best_s * most &&
           paired_ratio(chosen, other) > most &&
           (other->median_cycles <= 0 || chosen->median_cycles > other->median_cycles * most);
}

static enum bench_status check_dispatch(const struct table *table, const struct bench_options *options)
{
    enum bench_status status = BENCH_OK;
    size_t ours = 0;
    while (ours < table->row_count && strcmp(table->rows[ours], "sealane") != 0)
        ours++;
    if (ours == table->row_count || options->kernel)
        return BENCH_OK; /* not measured, or not dispatched */
    for (size_t r = 0; r < table->row_count; r++) {
        if (strncmp(table->rows[r], "sealane:", 8) != 0 || strcmp(table->rows[r], "sealane:stream") == 0)
            continue;
        for (size_t c = 0; c < table->column_count; c++) {
            const struct bench_result *chosen = table->cells[ours][c], *other = table->cells[r][c];
            if (!chosen || !other || !is_slower(chosen, other))
                continue;
            bench_error("dispatch is wrong: %s takes %.3f times as long as %s (median; best %.3f, round by round "
                        "%.3f), more than the %.0f %% allowed",
                        chosen->row->full_name, chosen->median_s / other->median_s, other->row->name,
                        chosen->best_s / other->best_s, paired_ratio(chosen, other), 100 * DISPATCH_TOLERANCE);
            status = BENCH_FAILED;
        }
    }
    return status;
}

enum bench_status kernels_report(const struct bench_options *options, const struct bench_result *results, size_t count,
                                 FILE *out)
{
    struct table *table = malloc(sizeof(*table));
    if (!table) {
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    lay_out(table, results, count);
    fprintf(out, "\nAES-256-CTR in place, one thread, one warm key, another IV each call; %zu rounds, interleaved\n",
            count ? results[0].sample_count : 0);
    if (count && strcmp(results[0].row->suite->name, "small") == 0) {
        print_block(table, out, "Nanoseconds a call, median", median_ns, 2);
        print_block(table, out, "Nanoseconds a call, best", best_ns, 2);
    } else {
        print_block(table, out, "GB/s, median (1 GB is 10^9 bytes)", median_rate, 2);
        print_block(table, out, "GB/s, best", best_rate, 2);
    }
    if (has_column_of(table, cycles_per_byte))
        print_block(table, out, "Core cycles per byte, median", cycles_per_byte, 3);
    if (has_column_of(table, percent_of_limit))
        print_block(table, out, "Percent of this CPU's AES limit (14 rounds, widest instruction)", percent_of_limit, 1);
    if (has_column_of(table, times_evp))
        print_block(table, out, "Times openssl:evp-iv, medians", times_evp, 2);
    if (has_column_of(table, times_ipsec_mb))
        print_block(table, out, "Times the faster of ipsec-mb's interfaces, medians", times_ipsec_mb, 3);
    print_block(table, out, "Spread in percent: median deviation from the median", spread_percent, 1);
    warn_of_load(results, count, out);
    enum bench_status status = check_dispatch(table, options);
    free(table);
    return status;
}
