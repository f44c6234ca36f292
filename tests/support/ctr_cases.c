#include "tests/support/ctr_cases.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/ctr_bench.h"
#include "tests/support/guarded.h"
#include "tests/support/reference.h"

enum {
    LENGTH_MAX = 4100,
    LENGTH_FULL_REDUCED = 600,
    OFFSETS = 32,
    SAMPLES = 2000,
    SAMPLES_REDUCED = 500,
};

static bool offset_fits(const struct ctr_subject *subject, uint64_t offset)
{
    return !subject->blocks_only || offset == 0;
}

bool ctr_case_vectors(struct ctr_subject *subject)
{
    /* SP 800-38A, F.5.5 CTR-AES256.Encrypt; F.5.6 is the same read backwards. */
    static const uint8_t key[32] = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
                                    0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
                                    0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
    static const uint8_t iv[16] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                   0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
    static const uint8_t plain[64] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73,
                                      0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7,
                                      0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4,
                                      0x11, 0xe5, 0xfb, 0xc1, 0x19, 0x1a, 0x0a, 0x52, 0xef, 0xf6, 0x9f, 0x24, 0x45,
                                      0xdf, 0x4f, 0x9b, 0x17, 0xad, 0x2b, 0x41, 0x7b, 0xe6, 0x6c, 0x37, 0x10};
    static const uint8_t cipher[64] = {0x60, 0x1e, 0xc3, 0x13, 0x77, 0x57, 0x89, 0xa5, 0xb7, 0xa7, 0xf5, 0x04, 0xbb,
                                       0xf3, 0xd2, 0x28, 0xf4, 0x43, 0xe3, 0xca, 0x4d, 0x62, 0xb5, 0x9a, 0xca, 0x84,
                                       0xe9, 0x90, 0xca, 0xca, 0xf5, 0xc5, 0x2b, 0x09, 0x30, 0xda, 0xa2, 0x3d, 0xe9,
                                       0x4c, 0xe8, 0x70, 0x17, 0xba, 0x2d, 0x84, 0x98, 0x8d, 0xdf, 0xc9, 0xc5, 0x8d,
                                       0xb6, 0x7a, 0xad, 0xa6, 0x13, 0xc2, 0xdd, 0x08, 0x45, 0x79, 0x41, 0xa6};
    subject->set_key(subject->state, key);
    for (uint64_t offset = 0; offset < sizeof plain; offset++) {
        if (!offset_fits(subject, offset))
            break;
        for (size_t len = 0; len <= sizeof plain - offset; len++) {
            uint8_t out[64] = {0}, back[64] = {0};
            subject->xor (subject->state, iv, offset, out, plain + offset, len);
            subject->xor (subject->state, iv, offset, back, cipher + offset, len);
            subject->cases += 2;
            if (memcmp(out, cipher + offset, len) != 0 || memcmp(back, plain + offset, len) != 0) {
                snprintf(subject->failure, sizeof subject->failure,
                         "%s: SP 800-38A F.5.5/6, offset %" PRIu64 ", length %zu", subject->name, offset, len);
                return false;
            }
        }
    }
    return true;
}

static bool both_ways(struct ctr_bench *bench, size_t len)
{
    return ctr_bench_out_of_place(bench, 0, 0, len) && ctr_bench_in_place(bench, 0, len);
}

bool ctr_case_cross(struct ctr_subject *subject)
{
    struct ctr_bench bench = ctr_bench_open(subject, "cross", LENGTH_MAX);
    size_t full = test_reduced() ? LENGTH_FULL_REDUCED : LENGTH_MAX;
    bool good = true;
    for (uint64_t offset = 0; good && offset < OFFSETS && offset_fits(subject, offset); offset++) {
        ctr_bench_aim(&bench, bench.iv, offset, LENGTH_MAX);
        for (size_t len = 0; good && len <= full; len++)
            good = both_ways(&bench, len);
        for (size_t i = 0; good && full < LENGTH_MAX && i < SAMPLES_REDUCED / OFFSETS; i++)
            good = both_ways(&bench, full + 1 + test_random_below(&bench.random, LENGTH_MAX - full));
    }
    ctr_bench_close(&bench);
    return good;
}

/* Around every block count at which a kernel may change its way of working. */
static const size_t boundaries[40] = {1,   2,   7,   8,   15,  16,  17,  31,  32,  33,   47,   48,  63,  64,
                                      65,  95,  96,  127, 128, 129, 191, 192, 255, 256,  257,  319, 383, 384,
                                      385, 511, 512, 513, 639, 767, 768, 769, 895, 1023, 1024, 1025};

bool ctr_case_misaligned(struct ctr_subject *subject)
{
    struct ctr_bench bench = ctr_bench_open(subject, "misaligned", LENGTH_MAX);
    bool good = true;
    size_t step = test_reduced() ? 11 : 1; /* coprime to 64: each address on each side still comes up */
    for (size_t i = 0; good && i < sizeof boundaries / sizeof boundaries[0]; i++) {
        for (size_t pair = i % step; good && pair < 64 * 64; pair += step)
            good = ctr_bench_out_of_place(&bench, pair / 64, pair % 64, boundaries[i]);
        for (size_t at = 0; good && at < 64; at++)
            good = ctr_bench_in_place(&bench, at, boundaries[i]);
    }
    for (size_t i = 0; good && i < (test_reduced() ? SAMPLES_REDUCED : SAMPLES); i++) {
        size_t len = test_random_below(&bench.random, LENGTH_MAX + 1);
        uint64_t at = test_random_next(&bench.random);
        good = ctr_bench_out_of_place(&bench, at % 64, at / 64 % 64, len) &&
               ctr_bench_in_place(&bench, at / 4096 % 64, len);
    }
    ctr_bench_close(&bench);
    return good;
}

/* One call with every end of both buffers against a guard in turn. */
static bool guarded_call(struct ctr_bench *bench, const struct test_guarded *a, const struct test_guarded *b,
                         size_t len)
{
    for (unsigned ends = 0; ends < 4; ends++) {
        uint8_t *dst = ends & 1 ? test_guarded_tail(a, len) : a->start;
        uint8_t *src = ends & 2 ? test_guarded_tail(b, len) : b->start;
        memset(dst, 0, len);
        memcpy(src, bench->plain, len);
        bench->subject->xor (bench->subject->state, bench->iv, bench->offset, dst, src, len);
        bench->subject->cases++;
        if (memcmp(dst, bench->expected, len) != 0)
            return ctr_bench_differs(bench, "guarded, out of place", len, dst);
        memcpy(dst, bench->plain, len);
        bench->subject->xor (bench->subject->state, bench->iv, bench->offset, dst, dst, len);
        bench->subject->cases++;
        if (memcmp(dst, bench->expected, len) != 0)
            return ctr_bench_differs(bench, "guarded, in place", len, dst);
    }
    return true;
}

bool ctr_case_guarded(struct ctr_subject *subject)
{
    static const uint64_t offsets[] = {0, 7};
    struct ctr_bench bench = ctr_bench_open(subject, "guarded", LENGTH_MAX);
    struct test_guarded a = test_guarded_map(LENGTH_MAX);
    struct test_guarded b = test_guarded_map(LENGTH_MAX);
    bool good = true;
    for (size_t i = 0; good && i < 2 && offset_fits(subject, offsets[i]); i++) {
        ctr_bench_aim(&bench, bench.iv, offsets[i], LENGTH_MAX);
        for (size_t len = 0; good && len <= LENGTH_MAX; len += test_reduced() && len > LENGTH_FULL_REDUCED ? 53 : 1)
            good = guarded_call(&bench, &a, &b, len);
    }
    test_guarded_unmap(&a);
    test_guarded_unmap(&b);
    ctr_bench_close(&bench);
    return good;
}

bool ctr_case_keys(struct ctr_subject *subject)
{
    enum { KEYS = 1000, BYTES = 400 }; /* short: a key shows in its first blocks */
    struct ctr_bench bench = ctr_bench_open(subject, "keys", BYTES);
    bool good = true;
    for (size_t i = 0; good && i < KEYS; i++) {
        uint8_t iv[16];
        size_t len = test_random_below(&bench.random, BYTES + 1);
        /* Half of the offsets random over the whole range, half small. */
        uint64_t offset = test_random_next(&bench.random) >> (i % 2 ? 1 : 50);
        test_random_fill(&bench.random, bench.key, sizeof bench.key);
        test_random_fill(&bench.random, iv, sizeof iv);
        subject->set_key(subject->state, bench.key);
        ctr_bench_aim(&bench, iv, subject->blocks_only ? 0 : offset, len);
        good = both_ways(&bench, len);
    }
    ctr_bench_close(&bench);
    return good;
}

bool ctr_case_large(struct ctr_subject *subject)
{
    static const size_t lengths[] = {65536, 65551, 262144 + 1, 1048576 + 333, 3 * 1048576 + 17};
    size_t count = test_reduced() ? 3 : sizeof lengths / sizeof lengths[0];
    struct ctr_bench bench = ctr_bench_open(subject, "large", lengths[count - 1]);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        uint64_t offset = subject->blocks_only ? 0 : test_random_below(&bench.random, (uint64_t)1 << 40);
        ctr_bench_aim(&bench, bench.iv, offset, lengths[i]);
        good = both_ways(&bench, lengths[i]) && ctr_bench_out_of_place(&bench, 9, 31, lengths[i]);
    }
    ctr_bench_close(&bench);
    return good;
}

const struct ctr_case ctr_cases[] = {
    {"SP 800-38A F.5.5 and F.5.6", ctr_case_vectors, false},
    {"lengths x offsets", ctr_case_cross, false},
    {"misalignments", ctr_case_misaligned, false},
    {"guard pages", ctr_case_guarded, false},
    {"carries", ctr_case_carries, false},
    {"far offsets", ctr_case_far, true},
    {"random keys", ctr_case_keys, false},
    {"large buffers", ctr_case_large, false},
};
const size_t ctr_case_count = sizeof ctr_cases / sizeof ctr_cases[0];

bool ctr_cases_run(struct ctr_subject *subject)
{
    test_seed();
    for (size_t i = 0; i < ctr_case_count; i++) {
        if (subject->blocks_only && ctr_cases[i].needs_offsets)
            continue;
        subject->cases = 0;
        if (!ctr_cases[i].run(subject)) {
            printf("FAILED   %s: %s\n", ctr_cases[i].name, subject->failure);
            fflush(stdout);
            return false;
        }
        printf("  %-24s %-28s %8" PRIu64 " calls%s\n", subject->name, ctr_cases[i].name, subject->cases,
               test_reduced() ? " (reduced)" : "");
    }
    fflush(stdout);
    return true;
}
