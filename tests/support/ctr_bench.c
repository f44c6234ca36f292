#include "tests/support/ctr_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/reference.h"

enum { CANARY = 0xc3 };

static void *allocate(size_t len)
{
    void *p = aligned_alloc(64, (len + 63) / 64 * 64);
    if (!p) {
        perror("aligned_alloc");
        exit(2);
    }
    return p;
}

struct ctr_bench ctr_bench_open(struct ctr_subject *subject, const char *label, size_t len)
{
    struct ctr_bench b = {.subject = subject, .random = test_random_for(label), .len = len};
    b.plain = allocate(len);
    b.expected = allocate(len);
    b.room = allocate(len + 64 + CTR_BEFORE + CTR_AFTER);
    b.source = allocate(len + 64);
    test_random_fill(&b.random, b.key, sizeof b.key);
    test_random_fill(&b.random, b.iv, sizeof b.iv);
    test_random_fill(&b.random, b.plain, len);
    subject->set_key(subject->state, b.key);
    ctr_bench_aim(&b, b.iv, 0, len);
    return b;
}

void ctr_bench_close(struct ctr_bench *bench)
{
    free(bench->plain);
    free(bench->expected);
    free(bench->room);
    free(bench->source);
    memset(bench, 0, sizeof *bench);
}

void ctr_bench_aim(struct ctr_bench *bench, const uint8_t iv[16], uint64_t offset, size_t len)
{
    memmove(bench->iv, iv, sizeof bench->iv);
    bench->offset = offset;
    reference_keystream(bench->key, iv, offset, bench->expected, len);
    reference_xor(bench->expected, bench->plain, len);
}

bool ctr_bench_differs(struct ctr_bench *bench, const char *what, size_t len, const uint8_t *got)
{
    size_t at = 0;
    while (got && at < len && got[at] == bench->expected[at])
        at++;
    char iv[33];
    for (size_t i = 0; i < sizeof bench->iv; i++)
        snprintf(iv + 2 * i, 3, "%02x", bench->iv[i]);
    snprintf(bench->subject->failure, sizeof bench->subject->failure,
             "%s: %s, iv %s, offset %" PRIu64 ", length %zu, first at byte %zu", bench->subject->name, what, iv,
             bench->offset, len, at);
    return false;
}

static bool all_canary(const uint8_t *p, size_t len)
{
    static uint8_t canary[CTR_AFTER > CTR_BEFORE + 64 ? CTR_AFTER : CTR_BEFORE + 64];
    canary[0] = CANARY;
    if (canary[1] != CANARY)
        memset(canary, CANARY, sizeof canary);
    return memcmp(p, canary, len) == 0;
}

static bool compare(struct ctr_bench *bench, const char *what, const uint8_t *dst, size_t len)
{
    bench->subject->cases++;
    if (memcmp(dst, bench->expected, len) != 0)
        return ctr_bench_differs(bench, what, len, dst);
    if (!all_canary(bench->room, (size_t)(dst - bench->room)))
        return ctr_bench_differs(bench, "wrote before dst", len, dst);
    if (!all_canary(dst + len, CTR_AFTER))
        return ctr_bench_differs(bench, "wrote after dst", len, dst);
    return true;
}

bool ctr_bench_out_of_place(struct ctr_bench *bench, size_t dst_at, size_t src_at, size_t len)
{
    uint8_t *dst = bench->room + CTR_BEFORE + dst_at;
    uint8_t *src = bench->source + src_at;
    memcpy(src, bench->plain, len);
    memset(bench->room, CANARY, CTR_BEFORE + dst_at + len + CTR_AFTER);
    bench->subject->xor (bench->subject->state, bench->iv, bench->offset, dst, src, len);
    if (memcmp(src, bench->plain, len) != 0)
        return ctr_bench_differs(bench, "changed src", len, NULL);
    return compare(bench, "out of place", dst, len);
}

bool ctr_bench_in_place(struct ctr_bench *bench, size_t at, size_t len)
{
    uint8_t *dst = bench->room + CTR_BEFORE + at;
    memset(bench->room, CANARY, CTR_BEFORE + at);
    memcpy(dst, bench->plain, len);
    memset(dst + len, CANARY, CTR_AFTER);
    bench->subject->xor (bench->subject->state, bench->iv, bench->offset, dst, dst, len);
    return compare(bench, "in place", dst, len);
}
