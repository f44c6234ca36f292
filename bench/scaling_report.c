/* The tables of suite `scaling`. */
#include "bench/scaling.h"

#include <stdlib.h>
#include <string.h>

#include "sealane/topology.h"

static double times(const struct bench_result *base, const struct bench_result *r)
{
    return base && r && r->median_s > 0 ? base->median_s / r->median_s : 0;
}

static void print_ratio(FILE *out, double ratio)
{
    if (ratio > 0)
        fprintf(out, "%10.3f", ratio);
    else
        fprintf(out, "%10s", "-");
}

/* The copy of as many threads: which only goes to another place. */
static const struct bench_result *find_copy(const struct bench_result *results, size_t count,
                                            const struct bench_result *r)
{
    char name[BENCH_NAME_MAX];
    const char *kase = r->row->kase->name;
    snprintf(name, sizeof(name), "%.*s0", (int)strlen(kase) - 1, kase);
    return bench_find(results, count, "copy:nt", name);
}

static void print_all(const struct bench_result *results, size_t count, FILE *out)
{
    fprintf(out, "%-16s%-45s%8s%8s%10s%10s%10s%8s\n", "", "", "GB/s", "best", "x 1 thr.", "x copy:nt", "x direct",
            "spread");
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *r = &results[i];
        const char *kase = r->row->kase->name;
        const double bytes = (double)r->row->kase->bytes;
        char one[BENCH_NAME_MAX];
        snprintf(one, sizeof(one), "threads:1%s", strchr(kase, '/'));
        if (r->median_s <= 0 || r->best_s <= 0)
            continue;
        fprintf(out, "%-16s%-45s%8.2f%8.2f", r->row->name, kase, bytes / r->median_s / 1e9, bytes / r->best_s / 1e9);
        print_ratio(out, times(bench_find(results, count, r->row->name, one), r));
        print_ratio(out, times(find_copy(results, count, r), r));
        print_ratio(out, strncmp(r->row->name, "copy:", 5) == 0
                             ? 0
                             : times(bench_find(results, count, "sealane:direct", kase), r));
        fprintf(out, "%6.1f %%\n", 100 * r->spread);
    }
    fprintf(out,
            "GB/s: median of the rounds; best: the fastest; spread: median deviation from the median.  x 1 thr.: times "
            "the\nsame by one thread.  x copy:nt: times a copy past the caches, to another place, by as many threads.  "
            "x direct:\ntimes the same work on the calling thread, without a pool.  requests: so many in flight "
            "together, or as one batch.\n");
}

/* 0 if the row has no such counter; `values` has room for each sample. */
static double median_of(const struct bench_result *r, size_t counter, double *values)
{
    if (!r || counter >= r->counter_count)
        return 0;
    for (size_t i = 0; i < r->sample_count; i++)
        values[i] = r->samples[i].counters[counter];
    return bench_median(values, r->sample_count);
}

static void print_by_node(const struct bench_result *results, size_t count, const int *nodes, size_t node_count,
                          double *values, FILE *out)
{
    fprintf(out, "\nEach node's own share, until its last byte is done; medians\n%-16s%-45s%10s%8s%10s\n", "", "",
            "node", "GB/s", "x copy:nt");
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *r = &results[i];
        const struct bench_result *copy = find_copy(results, count, r);
        for (size_t n = 0; n < r->counter_count && n < node_count; n++) {
            char node[16] = "none";
            const double rate = median_of(r, n, values), copied = median_of(copy, n, values);
            if (nodes[n] != SEALANE_NO_NODE)
                snprintf(node, sizeof(node), "%d", nodes[n]);
            fprintf(out, "%-16s%-45s%10s%8.2f", r->row->name, r->row->kase->name, node, rate);
            print_ratio(out, copied > 0 ? rate / copied : 0);
            fputc('\n', out);
        }
    }
    if (node_count > BENCH_COUNTERS_MAX)
        fprintf(out, "(the first %d of %zu nodes)\n", BENCH_COUNTERS_MAX, node_count);
}

enum bench_status scaling_print(const struct bench_result *results, size_t count, const int *nodes, size_t node_count,
                                FILE *out)
{
    size_t samples = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        samples = results[i].sample_count > samples ? results[i].sample_count : samples;
        bytes = results[i].row->kase->bytes > bytes ? results[i].row->kase->bytes : bytes;
    }
    double *values = calloc(samples + 1, sizeof(values[0]));
    if (!values) {
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    fprintf(out,
            "\n%.0f MiB, a share on each NUMA node that has threads (%zu), threads pinned one to a core; medians of "
            "%zu rounds\n",
            (double)bytes / (1 << 20), node_count, samples);
    print_all(results, count, out);
    print_by_node(results, count, nodes, node_count, values, out);
    free(values);
    return BENCH_OK;
}
