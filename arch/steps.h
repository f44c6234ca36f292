/* Whether records lie in equal steps: struct sl_kernel's `in_steps`.  Include after defining STEP_LEN, the bytes of the
 * widest vector register.
 *
 * Three vectors hold STEP_LEN / 16 records, and are compared with what they have to be.  With 64 bytes that takes a
 * cycle a record, a third of what looking at one member after another does. */
#include <stdbool.h>
#include <string.h>

#include "arch/kernel.h"

typedef uint64_t step_words __attribute__((vector_size(STEP_LEN), aligned(8), may_alias));

enum {
    STEP_MEMBERS = 6, /* of a record, eight bytes each */
    STEP_VECTORS = 3,
    STEP_LANES = STEP_LEN / 8,
    STEP_RECORDS = STEP_VECTORS * STEP_LANES / STEP_MEMBERS,
};

_Static_assert(sizeof(struct sealane_record) == 8 * STEP_MEMBERS, "six members of eight bytes");
_Static_assert((int)STEP_RECORDS <= (int)SL_STEPS_MIN, "the last vectors begin at the first record or behind it");

/* The vector that begins with word `v` * STEP_LANES of an endless repetition of six, which are there three times. */
static inline step_words step_repeated(const uint64_t words[3 * STEP_MEMBERS], int v)
{
    return *(const step_words *)(words + v * STEP_LANES % STEP_MEMBERS);
}

static bool __attribute__((noinline))
in_steps(const struct sealane_record *records, size_t count, size_t iv_step, size_t step)
{
    static const uint64_t nth[4 * STEP_MEMBERS] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1,
                                                   2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3};
    static const uint64_t is_key[3 * STEP_MEMBERS] = {~(uint64_t)0, 0, 0, 0, 0, 0, ~(uint64_t)0, 0, 0, 0, 0, 0,
                                                      ~(uint64_t)0, 0, 0, 0, 0, 0};
    const uint64_t steps[3 * STEP_MEMBERS] = {0,    iv_step, 0, step, step,    0, 0,    iv_step, 0,
                                              step, step,    0, 0,    iv_step, 0, step, step,    0};
    const uint64_t own_keys = records[0].key == records[1].key ? 0 : ~(uint64_t)0;
    uint64_t first[3 * STEP_MEMBERS], different = 0;
    step_words expected[STEP_VECTORS], by[STEP_VECTORS], wrong[STEP_VECTORS] = {0};
    for (int i = 0; i < 3; i++)
        memcpy(first + i * STEP_MEMBERS, records, sizeof *records);
    for (int v = 0; v < STEP_VECTORS; v++) {
        by[v] = step_repeated(steps, v);
        expected[v] = step_repeated(first, v) + by[v] * *(const step_words *)(nth + v * STEP_LANES);
    }
    size_t i = 0;
    for (; count - i >= STEP_RECORDS; i += STEP_RECORDS) {
        const step_words *found = (const step_words *)(records + i);
        for (int v = 0; v < STEP_VECTORS; v++) {
            wrong[v] |= expected[v] ^ found[v];
            expected[v] += STEP_RECORDS * by[v];
        }
    }
    for (int v = 0; v < STEP_VECTORS; v++) { /* the last ones, perhaps again */
        const step_words *found = (const step_words *)(records + count - STEP_RECORDS);
        wrong[v] |= (expected[v] + (count - STEP_RECORDS - i) * by[v]) ^ found[v];
        wrong[v] &= ~(step_repeated(is_key, v) & own_keys);
    }
    wrong[0] |= wrong[1] | wrong[2];
    for (int lane = 0; lane < STEP_LANES; lane++)
        different |= wrong[0][lane];
    return different == 0;
}
