/* Suite `dram`: the rows that copy and do nothing else, and the table of all beside them. */
#include <stdlib.h>
#include <string.h>

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

/* ---- Stores past the caches, as many at a time as a cache line takes; len is a multiple of 256 ---- */

#ifdef __x86_64__

static void copy_nt_512(uint8_t *dst, const uint8_t *src, size_t len)
{
    for (; len; dst += 256, src += 256, len -= 256)
        __asm__ volatile("vmovdqu64 (%0), %%zmm0\n\t"
                         "vmovdqu64 64(%0), %%zmm1\n\t"
                         "vmovdqu64 128(%0), %%zmm2\n\t"
                         "vmovdqu64 192(%0), %%zmm3\n\t"
                         "vmovntdq %%zmm0, (%1)\n\t"
                         "vmovntdq %%zmm1, 64(%1)\n\t"
                         "vmovntdq %%zmm2, 128(%1)\n\t"
                         "vmovntdq %%zmm3, 192(%1)"
                         :
                         : "r"(src), "r"(dst)
                         : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
    __asm__ volatile("sfence\n\tvzeroupper" : : : "memory");
}

static void copy_nt_128(uint8_t *dst, const uint8_t *src, size_t len)
{
    for (; len; dst += 64, src += 64, len -= 64)
        __asm__ volatile("movdqu (%0), %%xmm0\n\t"
                         "movdqu 16(%0), %%xmm1\n\t"
                         "movdqu 32(%0), %%xmm2\n\t"
                         "movdqu 48(%0), %%xmm3\n\t"
                         "movntdq %%xmm0, (%1)\n\t"
                         "movntdq %%xmm1, 16(%1)\n\t"
                         "movntdq %%xmm2, 32(%1)\n\t"
                         "movntdq %%xmm3, 48(%1)"
                         :
                         : "r"(src), "r"(dst)
                         : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
    __asm__ volatile("sfence" : : : "memory");
}

static enum bench_status run_nt(void *memory, uint64_t iterations)
{
    const struct kernels_work work = *(const struct kernels_work *)memory;
    void (*copy)(uint8_t *, const uint8_t *, size_t) = __builtin_cpu_supports("avx512f") ? copy_nt_512 : copy_nt_128;
    for (uint64_t i = 0; i < iterations; i++) {
        uint8_t *place = kernels_place(&work, i);
        copy(place, place + work.apart, work.len);
    }
    return BENCH_OK;
}

KERNELS_IMPLEMENTATION(copy_nt, .name = "copy:nt", .setup = setup, .run = run_nt, .teardown = free);

#else

static enum bench_status setup_nothing(void **memory, const struct bench_row *row)
{
    (void)row;
    *memory = NULL;
    return BENCH_ABSENT;
}

KERNELS_IMPLEMENTATION(copy_nt, .name = "copy:nt", .setup = setup_nothing, .run = run_memcpy, .teardown = free);

#endif

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
