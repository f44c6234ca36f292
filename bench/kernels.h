/* What the implementations of the suites `kernels`, `small` and `dram` share: the same buffer, IVs and places for
 * everyone, so that no row differs in anything but the call it makes. */
#ifndef BENCH_KERNELS_H
#define BENCH_KERNELS_H

#include "bench/bench.h"

enum {
    KERNELS_KEY_LEN = 32,
    KERNELS_IV_LEN = 16,
    KERNELS_IVS = 256 /* as many different IVs, in turn: 4 KiB, which leaves the first cache to the data */
};

struct kernels_work {
    uint8_t *buffer; /* where results go; page aligned */
    size_t apart;    /* 0: in place; else the data is read so many bytes behind where its result goes */
    int copies;      /* non-zero: the row encrypts nothing */
    size_t len;      /* bytes of one call; read it anew in every run */
    size_t span;     /* bytes of `buffer` that the case may touch */
    /* Random IVs, 16-byte aligned, as counter blocks with the top bit of their last 32 bits clear: peers that count in
     * 32 bits then agree with those that count in 128. */
    const uint8_t (*ivs)[KERNELS_IV_LEN];
    const uint32_t *places; /* offsets into buffer */
    size_t place_mask;      /* 0, or the number of places less 1 */
    int scattered;          /* non-zero: the places are those of a larger buffer's pieces, in random order */
    int stream;             /* non-zero: one keystream with ivs[0]; call i is at kernels_offset(i) of it */
};

extern const uint8_t *const kernels_key; /* KERNELS_KEY_LEN bytes */

/* Fills *work for the row's case. */
void kernels_work_init(struct kernels_work *work, const struct bench_row *row);

/* Where and with what call i of a run works. */
static inline uint8_t *kernels_place(const struct kernels_work *work, uint64_t i)
{
    return work->buffer + work->places[i & work->place_mask];
}

static inline const uint8_t *kernels_iv(const struct kernels_work *work, uint64_t i)
{
    return work->ivs[i % KERNELS_IVS];
}

static inline uint64_t kernels_offset(const struct kernels_work *work, uint64_t i)
{
    return work->scattered ? work->places[i & work->place_mask] : i * work->len;
}

/* One implementation in each of the three suites; benches.def says which are used. */
#define KERNELS_IMPLEMENTATION(id, ...)                                                                                \
    const struct bench_implementation bench_kernels_##id = {__VA_ARGS__};                                              \
    const struct bench_implementation bench_small_##id = {__VA_ARGS__};                                                \
    const struct bench_implementation bench_dram_##id = {__VA_ARGS__}

/* The tables of the suites. */
enum bench_status dram_report(const struct bench_options *options, const struct bench_result *results, size_t count,
                              FILE *out);
enum bench_status kernels_report(const struct bench_options *options, const struct bench_result *results, size_t count,
                                 FILE *out);

#endif
