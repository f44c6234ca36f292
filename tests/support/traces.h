/* Looks through all writable memory of this process for pieces of a key schedule, or of a table made from it. */
#ifndef SEALANE_TESTS_SUPPORT_TRACES_H
#define SEALANE_TESTS_SUPPORT_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/kernel.h"

/* Pieces of 16 bytes, of bitsliced schedules 64, kept masked so that the search does not find its own copy. */
struct test_traces {
    size_t count;
    struct test_piece {
        size_t words;
        uint64_t masked[8];
    } pieces[4 * SL_SCHEDULE_MAX / 16 + 2 * SL_FACE_TABLE_LEN / 16];
};

/* False, with a message, where memory cannot be searched (a sanitizer's shadow is too large, an emulator's maps
 * differ). */
bool test_traces_can_be_sought(void);

/* Adds the pieces of kernel's schedule for this key, without those that are the key itself, repeat within themselves or
 * are there already.  Kernels differ in layout, and one may pass through another's: so search for several. */
void test_traces_add(struct test_traces *traces, const struct sl_kernel *kernel, const uint8_t key[32]);

/* Adds the entries of a table that the kernel makes for this key and counter block, without zeros and repetitions. */
void test_traces_add_table(struct test_traces *traces, const struct sl_kernel *kernel, const struct sl_face *face,
                           const uint8_t key[32], uint64_t counter_hi, uint64_t counter_lo);

/* In how many places some piece lies. */
size_t test_traces_count(const struct test_traces *traces);

#endif
