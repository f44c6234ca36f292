/* The suite's table.
 *
 * Costs are medians of each round's ratio to the plain row of the same round, in CPU time: a clock that drifts or a
 * busy neighbour changes both.  Each median stands with the order statistics that enclose it with 99 % confidence.  The
 * control, which is the plain row once more, should cost nothing; the farthest that its interval reaches from nothing
 * is the noise, and a cost is printed only if its whole interval lies beyond that. */
#include <stdlib.h>
#include <string.h>

#include "bench/overhead.h"

enum {
    ROUNDS_MIN = 8, /* with fewer, even the extremes do not enclose a median with 99 % confidence */
    ROUNDS_MAX = 4096
};

struct pairs {
    const struct bench_result *plain, *control, *faithful, *sealane, *copies, *in_place;
    size_t rounds;
    double noise; /* as a fraction of the plain row's CPU time; negative: not known */
};

static double unit(const struct bench_row *row)
{
    return row->kase->argument == 0 ? 1e3 : 1e6 / OVERHEAD_LOOKUPS; /* ms a pass, us a look-up */
}

static double cpu(const struct bench_result *result, size_t round)
{
    return result->samples[round].cpu_s;
}

static struct overhead_estimate cost_of(const struct pairs *pairs, const struct bench_result *result)
{
    double ratios[ROUNDS_MAX];

    for (size_t i = 0; i < pairs->rounds; i++)
        ratios[i] = cpu(result, i) / cpu(pairs->plain, i) - 1;
    return overhead_estimate(ratios, pairs->rounds);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static int beyond_noise(const struct pairs *pairs, struct overhead_estimate cost)
{
    return pairs->noise >= 0 && (cost.low > pairs->noise || cost.high < -pairs->noise);
}

/* ---- Rows ---- */

static const char *reference(const struct bench_row *row)
{
    if (strcmp(row->name, "openssl:clickhouse-way") != 0)
        return "";
    return row->kase->argument == 0 ? "+30 to +39 %" : "+12 %";
}

static void print_row(const struct pairs *pairs, const struct bench_result *result, FILE *out)
{
    double values[ROUNDS_MAX];
    double scale = unit(result->row), median, best;
    char cost[64] = "";

    for (size_t i = 0; i < pairs->rounds; i++)
        values[i] = cpu(result, i) * scale;
    median = bench_median(values, pairs->rounds);
    best = values[0];
    if (result == pairs->plain) {
        snprintf(cost, sizeof cost, "(the base)");
    } else if (pairs->noise < 0) {
        snprintf(cost, sizeof cost,
                 pairs->plain && pairs->control ? "not known from so few rounds"
                                                : "not known without the two plain rows");
    } else {
        struct overhead_estimate estimate = cost_of(pairs, result);

        if (result == pairs->control || !beyond_noise(pairs, estimate))
            snprintf(cost, sizeof cost, "within noise (+-%.1f %%)", pairs->noise * 100);
        else
            snprintf(cost, sizeof cost, "%+.1f %% (%+.1f to %+.1f)", estimate.median * 100, estimate.low * 100,
                     estimate.high * 100);
    }
    fprintf(out, "  %-24s %9.2f %9.2f %9.2f   %-*s%s\n", result->row->name, median, best, result->median_s * scale,
            *reference(result->row) ? 33 : 0, cost, reference(result->row));
}

/* ---- Shares ---- */

struct share {
    double mean, low, high; /* of the faithful row's CPU time */
};

/* Two ways to say what a part costs: what it adds to the plain row alone, and what leaving it out of the faithful row
 * saves. They differ by what AES and copying do to each other (who waits for memory); the mean splits that evenly. */
static struct share share_of(double *added, double *saved, size_t count)
{
    struct share share;
    double a = bench_median(added, count), b = bench_median(saved, count);

    share.mean = (a + b) / 2;
    share.low = a < b ? a : b;
    share.high = a < b ? b : a;
    return share;
}

static double evp_seconds(const struct bench_result *faithful, size_t round)
{
    /* counters: ns for each call, calls */
    return faithful->samples[round].counters[0] * 1e-9 * faithful->samples[round].counters[1];
}

struct split {
    struct share aes, copying;
    double evp, evp_ns;
    double least; /* a share below it is within the noise */
};

static void split_time(const struct pairs *pairs, struct split *split)
{
    double aes_added[ROUNDS_MAX], aes_saved[ROUNDS_MAX], copy_added[ROUNDS_MAX], copy_saved[ROUNDS_MAX];
    double evp[ROUNDS_MAX], evp_ns[ROUNDS_MAX], plain[ROUNDS_MAX];

    for (size_t i = 0; i < pairs->rounds; i++) {
        double all = cpu(pairs->faithful, i), base = cpu(pairs->plain, i), init = evp_seconds(pairs->faithful, i);

        aes_added[i] = (cpu(pairs->in_place, i) - base - init) / all;
        aes_saved[i] = (all - cpu(pairs->copies, i) - init) / all;
        copy_added[i] = (cpu(pairs->copies, i) - base) / all;
        copy_saved[i] = (all - cpu(pairs->in_place, i)) / all;
        evp[i] = init / all;
        evp_ns[i] = pairs->faithful->samples[i].counters[0];
        plain[i] = base / all;
    }
    split->aes = share_of(aes_added, aes_saved, pairs->rounds);
    split->copying = share_of(copy_added, copy_saved, pairs->rounds);
    split->evp = bench_median(evp, pairs->rounds);
    split->evp_ns = bench_median(evp_ns, pairs->rounds);
    split->least = pairs->noise * bench_median(plain, pairs->rounds);
}

/* One part as a share of the whole and of the extra time. */
static void describe(struct share share, const struct split *split, char whole[40], char extra[40])
{
    double sum = split->aes.mean + split->copying.mean + split->evp;

    if (share.mean <= split->least) {
        snprintf(whole, 40, "within noise");
        snprintf(extra, 40, "within noise");
        return;
    }
    snprintf(whole, 40, "%.1f %% (%.1f to %.1f)", share.mean * 100, share.low * 100, share.high * 100);
    snprintf(extra, 40, "%.0f %%", share.mean / sum * 100);
}

static void print_parts(FILE *out, const char *what, const char *aes, const char *copying, const char *evp)
{
    fprintf(out, "  %-33s %-24s %-24s %s\n", what, aes, copying, evp);
}

static void print_shares(const struct pairs *pairs, FILE *out)
{
    struct split split;
    char aes[2][40], copying[2][40], evp[2][64];
    double sum;

    split_time(pairs, &split);
    sum = split.aes.mean + split.copying.mean + split.evp;
    describe(split.aes, &split, aes[0], aes[1]);
    describe(split.copying, &split, copying[0], copying[1]);
    snprintf(evp[0], sizeof evp[0], "%.1f %%", split.evp * 100);
    snprintf(evp[1], sizeof evp[1], "%.0f %% (%.0f ns a call, warm)", split.evp / sum * 100, split.evp_ns);
    print_parts(out, "openssl:clickhouse-way in parts", "AES", "copying", "EVP set-up");
    print_parts(out, "  of its CPU time", aes[0], copying[0], evp[0]);
    print_parts(out, "  of its extra time", aes[1], copying[1], evp[1]);
    print_parts(out, "  of ClickHouse's extra time *", "about half", "most of the rest", "(about 430 ns a call)");
}

static void print_verdict(const struct pairs *pairs, FILE *out)
{
    double ratios[ROUNDS_MAX];
    struct overhead_estimate faithful, sealane;

    if (!pairs->faithful || !pairs->sealane || pairs->noise < 0)
        return;
    faithful = cost_of(pairs, pairs->faithful);
    sealane = cost_of(pairs, pairs->sealane);
    if (!beyond_noise(pairs, faithful) || faithful.median < 0)
        return;
    if (!beyond_noise(pairs, sealane)) {
        fprintf(out, "  sealane: no cost beyond the noise, where the ClickHouse way costs %+.1f %%.\n",
                faithful.median * 100);
        return;
    }
    for (size_t i = 0; i < pairs->rounds; i++)
        ratios[i] = (cpu(pairs->sealane, i) - cpu(pairs->plain, i)) / (cpu(pairs->faithful, i) - cpu(pairs->plain, i));
    fprintf(out, "  sealane's extra CPU time is %.2f of the ClickHouse way's.\n", bench_median(ratios, pairs->rounds));
}

/* ---- Cases ---- */

static void find_pairs(struct pairs *pairs, const struct bench_result *results, size_t count, const char *kase)
{
    memset(pairs, 0, sizeof *pairs);
    pairs->noise = -1;
    pairs->plain = bench_find(results, count, "plain:read", kase);
    pairs->control = bench_find(results, count, "plain:control", kase);
    pairs->faithful = bench_find(results, count, "openssl:clickhouse-way", kase);
    pairs->sealane = bench_find(results, count, "sealane", kase);
    pairs->copies = bench_find(results, count, "plain:copies-only", kase);
    pairs->in_place = bench_find(results, count, "openssl:in-place", kase);
    for (size_t i = 0; i < count; i++)
        if (strcmp(results[i].row->kase->name, kase) == 0)
            pairs->rounds = results[i].sample_count < ROUNDS_MAX ? results[i].sample_count : ROUNDS_MAX;
    if (pairs->plain && pairs->control && pairs->rounds >= ROUNDS_MIN) {
        struct overhead_estimate control = cost_of(pairs, pairs->control);

        pairs->noise = larger(larger(control.high, -control.low), 0);
    }
}

static void print_case(const struct bench_result *results, size_t count, const char *kase, const char *what, FILE *out)
{
    struct pairs pairs;

    find_pairs(&pairs, results, count, kase);
    if (pairs.rounds == 0)
        return;
    fprintf(out, "\n  %-24s %9s %9s %9s   %-33s%s\n", what, "median", "best", "wall", "cost against plain:read (CPU)",
            "ClickHouse itself *");
    for (size_t i = 0; i < count; i++)
        if (strcmp(results[i].row->kase->name, kase) == 0)
            print_row(&pairs, &results[i], out);
    print_verdict(&pairs, out);
    if (!pairs.plain || !pairs.faithful || !pairs.copies || !pairs.in_place || pairs.noise < 0)
        return;
    if (beyond_noise(&pairs, cost_of(&pairs, pairs.faithful)))
        print_shares(&pairs, out);
    else
        fprintf(out, "  No shares of AES and copying: the extra time is within the noise.\n");
}

/* For a reader who does not look in here. */
static void print_method(size_t rounds, FILE *out)
{
    static const char *const lines[] = {
        "The rows of a round run in random order.  A cost is the median of the rounds' CPU time ratios to",
        "plain:read, with the interval that holds it with 99 % confidence (the extremes, below 8 rounds).  "
        "plain:control",
        "is plain:read once more, on files of its own: how far its interval reaches is the noise, and a cost not "
        "wholly",
        "beyond it is not shown.  wall: median wall clock.",
        "plain:copies-only: the ClickHouse way with memcpy for the cipher.  openssl:in-place: the ClickHouse way "
        "without",
        "its copies.  A part is the mean of what it adds to plain:read and of what leaving it out of the whole saves; "
        "its",
        "range spans the two.",
        "* ClickHouse 26.7 on another machine (Zen 4, 8 million rows, warm, one thread, LZ4, CPU time of whole "
        "queries,",
        "  and a look-up is more than reading): for orientation.  In place it cost +6.6 % there, where its own way "
        "cost",
        "  +30 % (geometric means of 8 queries).",
    };

    fprintf(out, "\n  %zu rounds.  ", rounds);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        fprintf(out, "%s%s\n", i == 0 ? "" : "  ", lines[i]);
}

enum bench_status overhead_report(const struct bench_options *options, const struct bench_result *results, size_t count,
                                  FILE *out)
{
    const struct overhead_data *data = overhead_shared_data();
    double mib = 1 << 20;

    (void)options;
    if (count == 0)
        return BENCH_OK;
    fprintf(out,
            "What encryption at rest costs here: %d LZ4 columns, %.0f MiB in %.0f MiB of files, page cache warm, one "
            "thread\n",
            OVERHEAD_COLUMNS, (double)data->plaintext_bytes / mib, (double)data->compressed_bytes / mib);
    print_case(results, count, "workload:decode", "decode all, CPU ms", out);
    print_case(results, count, "workload:lookup", "one look-up, CPU us", out);
    print_method(results[0].sample_count, out);
    return BENCH_OK;
}
