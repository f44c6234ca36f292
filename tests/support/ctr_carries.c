/* Where a counter goes wrong silently. */
#include <string.h>

#include "tests/support/ctr_bench.h"
#include "tests/support/reference.h"

enum {
    POSITIONS = 273, /* past 256 blocks, within which the low counter byte always wraps once */
    BLOCKS_AFTER = 70,
    LEN = (POSITIONS + BLOCKS_AFTER) * 16,
};

/* A random block whose low `bits` bits are all ones, moved back by `before` blocks: so block number before + 1 is the
 * first beyond the carry. */
static void block_before_carry(struct test_random *random, uint8_t block[16], unsigned bits, uint64_t before)
{
    test_random_fill(random, block, 16);
    /* Sometimes the carry goes on into the next byte too. */
    if (bits < 128 && test_random_next(random) % 4 == 0)
        block[15 - bits / 8] = 0xff;
    memset(block + 16 - bits / 8, 0xff, bits / 8);
    /* Subtracting n is adding the two's complement, whose upper 64 bits are all ones. */
    uint8_t below[16];
    memset(below, 0xff, sizeof below);
    for (int i = 0; i < 8; i++)
        below[15 - i] = (uint8_t)(-before >> 8 * i);
    if (before == 0)
        return;
    unsigned carry = 0;
    for (int i = 15; i >= 0; i--) {
        unsigned sum = (unsigned)block[i] + below[i] + carry;
        block[i] = (uint8_t)sum;
        carry = sum >> 8;
    }
}

static bool at_carry(struct ctr_bench *bench, unsigned bits, uint64_t position)
{
    uint8_t iv[16];
    size_t tail = test_random_below(&bench->random, 16);
    size_t len = (size_t)(position + test_random_below(&bench->random, BLOCKS_AFTER)) * 16 + tail;
    block_before_carry(&bench->random, iv, bits, position);
    if (bench->subject->blocks_only)
        iv[8] &= 0x7f; /* where the carry ends: within the low half */
    ctr_bench_aim(bench, iv, 0, len);
    if (!ctr_bench_out_of_place(bench, 0, 0, len) || !ctr_bench_in_place(bench, 0, len))
        return false;

    /* The last block is the last before the carry: a counter advanced too eagerly shows. */
    size_t exact = (size_t)(position + 1) * 16;
    ctr_bench_aim(bench, iv, 0, exact);
    if (!ctr_bench_in_place(bench, 0, exact))
        return false;

    if (bench->subject->blocks_only)
        return true;

    /* The same place reached by the offset, from a far smaller IV and from within a block. */
    uint64_t blocks = test_random_next(&bench->random) >> (4 + test_random_below(&bench->random, 56));
    uint64_t skip = test_random_below(&bench->random, 16);
    if (blocks > UINT64_MAX / 16 - LEN)
        blocks = UINT64_MAX / 16 - LEN;
    block_before_carry(&bench->random, iv, bits, position + blocks);
    len = len < 16 ? 16 : len - 16;
    ctr_bench_aim(bench, iv, blocks * 16 + skip, len);
    return ctr_bench_out_of_place(bench, 3, 1, len) && ctr_bench_in_place(bench, 5, len);
}

bool ctr_case_carries(struct ctr_subject *subject)
{
    static const unsigned bits[] = {8, 16, 32, 40, 64, 128};
    struct ctr_bench bench = ctr_bench_open(subject, "carries", LEN);
    bool good = true;
    for (size_t i = 0; good && i < sizeof bits / sizeof bits[0]; i++) {
        if (subject->blocks_only && bits[i] >= 64)
            break; /* the engine's affair */
        /* Reduced, each lane of the widest main loop (64 blocks) once, and samples beyond. */
        for (uint64_t position = 0; good && position < POSITIONS; position += test_reduced() && position > 64 ? 23 : 1)
            good = at_carry(&bench, bits[i], position);
    }
    ctr_bench_close(&bench);
    return good;
}

bool ctr_case_far(struct ctr_subject *subject)
{
    enum { FAR_MAX = 1100 };
    struct ctr_bench bench = ctr_bench_open(subject, "far", FAR_MAX);
    bool good = true;
    for (size_t len = 1; good && len <= FAR_MAX; len++) {
        uint8_t iv[16];
        test_random_fill(&bench.random, iv, sizeof iv);
        if (len % 3 == 0)
            memset(iv, 0xff, sizeof iv); /* the offset carries at once, through every byte */
        else if (len % 3 == 1)
            memset(iv + 8, 0xff, 8);
        ctr_bench_aim(&bench, iv, -(uint64_t)len, len); /* ends at 2^64 exactly */
        good = ctr_bench_out_of_place(&bench, 0, 0, len) && ctr_bench_in_place(&bench, 0, len);
        if (!good)
            break;
        uint64_t offset = -(uint64_t)len - test_random_below(&bench.random, 5000);
        ctr_bench_aim(&bench, iv, offset, len);
        good = ctr_bench_in_place(&bench, 1, len);
    }
    ctr_bench_close(&bench);
    return good;
}
