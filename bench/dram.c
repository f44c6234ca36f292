/* Suite `dram`: the rows that copy and do nothing else, and the table of all beside them. */
#include <stdlib.h>
#include <string.h>

#include "bench/copy_nt.h"
#include "bench/kernels.h"

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    struct kernels_work *work = malloc(sizeof(*work));
    *memory = work;
    if (!work) {
        bench_error("%s: not enough memory", row->full_name);
        return BENCH_FAILED;
    }
    kernels_work_init(work, row);
    work->copies = 1;
    if (work->apart)
        return BENCH_OK;
    free(work); /* there is nothing to copy in place */
    *memory = NULL;
    return BENCH_ABSENT;
}

static enum bench_status run_memcpy(void *memory, uint64_t iterations)
{
    const struct kernels_work work = *(const struct kernels_work *)memory;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        memcpy(place, place + work.apart, work.len);
    }
    return BENCH_OK;
}

KERNELS_IMPLEMENTATION(copy_memcpy, .name = "copy:memcpy", .setup = setup, .run = run_memcpy, .teardown = free);

static enum bench_status setup_nt(void **memory, const struct bench_row *row)
{
    *memory = NULL;
    return bench_can_copy_nt() ? setup(memory, row) : BENCH_ABSENT;
}

static enum bench_status run_nt(void *memory, uint64_t iterations)
{
    const struct kernels_work work = *(const struct kernels_work *)memory;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        bench_copy_nt(place, place + work.apart, work.len);
    }
    return BENCH_OK;
}

KERNELS_IMPLEMENTATION(copy_nt, .name = "copy:nt", .setup = setup_nt, .run = run_nt, .teardown = free);

/* ---- The table ---- */

/* The median of how many times faster than `copy` of as many bytes the row was, round by round. */
static double times_copy(const struct bench_result *results, size_t count, const struct bench_result *row,
                         const char *copy)
{
    char kase[BENCH_NAME_MAX];
    snprintf(kase, sizeof(kase), "bytes:%llu/inplace:0", (unsigned long long)row->row->kase->bytes);
    const struct bench_result *peer = bench_find(results, count, copy, kase);
    double *ratios = calloc(row->sample_count + 1, sizeof(*ratios));
    double median = 0;
    if (peer && ratios && peer->sample_count == row->sample_count) {
        for (size_t i = 0; i < row->sample_count; i++)
            ratios[i] = peer->samples[i].wall_s / row->samples[i].wall_s;
        median = bench_median(ratios, row->sample_count);
    }
    free(ratios);
    return median;
}

static void print_ratio(FILE *out, double ratio)
{
    if (ratio > 0)
        fprintf(out, "%12.3f", ratio);
    else
        fprintf(out, "%12s", "-");
}

enum bench_status dram_report(const struct bench_options *options, const struct bench_result *results, size_t count,
                              FILE *out)
{
    (void)options;
    fprintf(out,
            "\nAES-256-CTR beyond the caches, one thread, %zu rounds, interleaved; ratios to a copy of as many bytes "
            "from one\nplace to another, by the C library and by stores past the caches: medians of the rounds' own\n",
            count ? results[0].sample_count : 0);
    fprintf(out, "%-24s%-30s%10s%10s%12s%12s%10s\n", "", "", "GB/s", "best", "x memcpy", "x copy:nt", "spread %");
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *r = &results[i];
        double gigabytes = (double)r->row->kase->bytes * 1e-9;
        fprintf(out, "%-24s%-30s%10.2f%10.2f", r->row->name, r->row->kase->name, gigabytes / r->median_s,
                gigabytes / r->best_s);
        print_ratio(out, times_copy(results, count, r, "copy:memcpy"));
        print_ratio(out, times_copy(results, count, r, "copy:nt"));
        fprintf(out, "%10.1f\n", 100 * r->spread);
    }
    return BENCH_OK;
}
