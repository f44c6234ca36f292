/* Suites `kernels`, `small` and `dram`: AES-256-CTR with one warm key, another IV each call. */
#define _GNU_SOURCE
#include "bench/kernels.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    BUFFER_LEN = 256 << 20,
    GUARD_LEN = 4096,
    RANDOM_LEN = 64 << 20,
    PIECE = 4096,
    APART = BUFFER_LEN + GUARD_LEN,
};

static const size_t small_sizes[] = {16, 32, 48, 64, 100, 128, 192, 256, 300, 512, 1000, 1024, 1500};
static const size_t dram_sizes[] = {16 << 20, BUFFER_LEN};
static const size_t sizes[] = {16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20, 16 << 20, BUFFER_LEN};

extern const struct bench_suite bench_suite_dram;

static uint8_t *buffer;
static uint8_t key[KERNELS_KEY_LEN];
static _Alignas(64) uint8_t ivs[KERNELS_IVS][KERNELS_IV_LEN];
static uint32_t places[RANDOM_LEN / PIECE];
static const uint32_t only_place[1];

/* Where short calls work, in turn, 17 cache lines apart: a store delays later loads from the same place in another
 * page, so that a call on 16 bytes takes half as long again wherever those happen to lie as a round key does in its
 * page. */
enum { NEAR_LEN_MAX = PIECE, NEAR_APART = 17 * 64 };
#define NEAR(i) (i) * NEAR_APART, ((i) + 1) * NEAR_APART, ((i) + 2) * NEAR_APART, ((i) + 3) * NEAR_APART
static const uint32_t near_places[] = {NEAR(0), NEAR(4), NEAR(8), NEAR(12)};

const uint8_t *const kernels_key = key;

static size_t kernels_cases(const struct bench_options *options, struct bench_case *cases, size_t capacity)
{
    size_t count = 0;
    (void)options;
    for (; count < sizeof(sizes) / sizeof(sizes[0]) && count < capacity; count++) {
        snprintf(cases[count].name, sizeof(cases[count].name), "%zu", sizes[count]);
        cases[count].bytes = sizes[count];
        cases[count].argument = 0;
    }
    if (count < capacity) {
        snprintf(cases[count].name, sizeof(cases[count].name), "bytes:%d/random:%d", PIECE, RANDOM_LEN);
        cases[count].bytes = PIECE;
        cases[count].argument = RANDOM_LEN;
        count++;
    }
    return count;
}

static size_t small_cases(const struct bench_options *options, struct bench_case *cases, size_t capacity)
{
    size_t count = 0;
    (void)options;
    for (; count < sizeof(small_sizes) / sizeof(small_sizes[0]) && count < capacity; count++) {
        snprintf(cases[count].name, sizeof(cases[count].name), "%zu", small_sizes[count]);
        cases[count].bytes = small_sizes[count];
        cases[count].argument = 0;
    }
    return count;
}

/* What is left out above 16 MiB as too slow is known by then. */
static size_t dram_cases(const struct bench_options *options, struct bench_case *cases, size_t capacity)
{
    size_t count = 0;
    (void)options;
    for (size_t s = 0; s < sizeof(dram_sizes) / sizeof(dram_sizes[0]); s++)
        for (int in_place = 0; in_place < 2 && count < capacity; in_place++, count++) {
            snprintf(cases[count].name, sizeof(cases[count].name), "bytes:%zu/inplace:%d", dram_sizes[s], in_place);
            cases[count].bytes = dram_sizes[s];
            cases[count].argument = (uint64_t)!in_place;
        }
    return count;
}

static void shuffle_places(void)
{
    const uint32_t count = RANDOM_LEN / PIECE;
    for (uint32_t i = 0; i < count; i++)
        places[i] = i * PIECE;
    for (uint32_t i = count; i > 1; i--) {
        uint64_t random;
        bench_fill((uint8_t *)&random, sizeof(random), i);
        uint32_t j = (uint32_t)(random % i), swap = places[i - 1];
        places[i - 1] = places[j];
        places[j] = swap;
    }
}

static enum bench_status kernels_begin(const struct bench_options *options)
{
    (void)options;
    /* Pages are touched by the cases that need them. */
    void *memory =
        mmap(NULL, 2 * (size_t)APART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        bench_error("no address space for two buffers of 256 MiB");
        return BENCH_FAILED;
    }
    buffer = memory;
    bench_fill(key, sizeof(key), 1);
    bench_fill(&ivs[0][0], sizeof(ivs), 2);
    for (size_t i = 0; i < KERNELS_IVS; i++)
        ivs[i][12] &= 0x7f;
    shuffle_places();
    return BENCH_OK;
}

static void kernels_end(void)
{
    munmap(buffer, 2 * (size_t)APART);
    buffer = NULL;
}

void kernels_work_init(struct kernels_work *work, const struct bench_row *row)
{
    memset(work, 0, sizeof(*work));
    work->buffer = buffer;
    const int dram = row->suite == &bench_suite_dram, random = !dram && row->kase->argument;
    work->len = (size_t)row->kase->bytes;
    work->apart = dram && row->kase->argument ? (size_t)APART : 0;
    work->ivs = (const uint8_t(*)[KERNELS_IV_LEN])ivs;
    work->places = only_place;
    work->span = work->len;
    if (random) {
        work->scattered = 1;
        work->places = places;
        work->place_mask = sizeof(places) / sizeof(places[0]) - 1;
        work->span = (size_t)row->kase->argument;
    } else if (!dram && work->len <= NEAR_LEN_MAX) {
        work->places = near_places;
        work->place_mask = sizeof(near_places) / sizeof(near_places[0]) - 1;
        work->span = near_places[work->place_mask] + work->len;
    }
}

/* ---- Proof before timing ---- */

static void reference_iv(const struct kernels_work *work, uint64_t call, uint8_t iv[KERNELS_IV_LEN], size_t *skip)
{
    if (!work->stream) {
        memcpy(iv, kernels_iv(work, call), KERNELS_IV_LEN);
        *skip = 0;
        return;
    }
    uint64_t offset = kernels_offset(work, call), carry = offset / 16;
    memcpy(iv, work->ivs[0], KERNELS_IV_LEN);
    for (int i = KERNELS_IV_LEN - 1; i >= 0; i--) {
        carry += iv[i];
        iv[i] = (uint8_t)carry;
        carry >>= 8;
    }
    *skip = (size_t)(offset % 16);
}

/* Undoes what `calls` calls of a run did, with OpenSSL; of those to another place, the last. */
static int undo(const struct kernels_work *work, uint64_t calls)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int ok = context != NULL;
    for (uint64_t call = work->apart ? calls - 1 : 0; call < calls && ok; call++) {
        uint8_t iv[KERNELS_IV_LEN], skipped[16] = {0}, *at = kernels_place(work, call);
        size_t skip;
        int got;
        reference_iv(work, call, iv, &skip);
        ok = work->len <= INT_MAX && EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, key, iv) == 1 &&
             EVP_EncryptUpdate(context, skipped, &got, skipped, (int)skip) == 1 &&
             EVP_EncryptUpdate(context, at, &got, at, (int)work->len) == 1;
    }
    EVP_CIPHER_CTX_free(context);
    return ok;
}

static void fill_span(uint8_t *span, size_t len)
{
    for (size_t at = 0; at < len; at += PIECE)
        bench_fill(span + at, len - at < PIECE ? len - at : PIECE, at + 3);
}

static int span_is_intact(const uint8_t *span, size_t len)
{
    uint8_t expected[PIECE];
    for (size_t at = 0; at < len; at += PIECE) {
        size_t n = len - at < PIECE ? len - at : PIECE;
        bench_fill(expected, n, at + 3);
        if (memcmp(span + at, expected, n) != 0)
            return 0;
    }
    return 1;
}

static enum bench_status prove(const struct bench_row *row, struct kernels_work *work, size_t len, uint64_t calls)
{
    const size_t all = work->len, span = work->span + 64; /* with guards behind */
    work->len = len;
    fill_span(buffer, span);
    if (work->apart) {
        fill_span(buffer + work->apart, span);
        memset(buffer, 0, len);
    }
    enum bench_status status = row->implementation->run(work, calls);
    int undone = status == BENCH_OK && (work->copies || undo(work, calls));
    work->len = all;
    if (status == BENCH_OK && undone && span_is_intact(buffer, span) && span_is_intact(buffer + work->apart, span))
        return BENCH_OK;
    bench_error("%s: the output for %zu bytes differs from OpenSSL's; nothing was timed", row->full_name, len);
    return BENCH_FAILED;
}

static enum bench_status kernels_verify(const struct bench_row *row, void *state)
{
    struct kernels_work *work = state;
    const size_t len = work->len;
    if (len > 16 << 20)
        return prove(row, work, len, 1);
    enum bench_status status = prove(row, work, len, 3);
    /* A partial last block of every length. */
    for (size_t less = 1; less < 16 && len <= 4096 && !work->scattered && status == BENCH_OK; less++)
        status = prove(row, work, len - less, 3);
    return status;
}

const struct bench_suite bench_suite_kernels = {
    .name = "kernels",
    .default_rounds = 15,
    .counts_cycles = 1,
    .cases = kernels_cases,
    .begin = kernels_begin,
    .end = kernels_end,
    .verify = kernels_verify,
    .report = kernels_report,
};

const struct bench_suite bench_suite_small = {
    .name = "small",
    .default_rounds = 25,
    .discard_rounds = 1,
    .on_request = 1,
    .counts_cycles = 1,
    .cases = small_cases,
    .begin = kernels_begin,
    .end = kernels_end,
    .verify = kernels_verify,
    .report = kernels_report,
};

const struct bench_suite bench_suite_dram = {
    .name = "dram",
    .default_rounds = 15,
    .discard_rounds = 1,
    .on_request = 1,
    .cases = dram_cases,
    .begin = kernels_begin,
    .end = kernels_end,
    .verify = kernels_verify,
    .report = dram_report,
};
