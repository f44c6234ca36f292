/* Buffers between unreadable pages: one byte too far on either side ends the program. */
#ifndef SEALANE_TESTS_SUPPORT_GUARDED_H
#define SEALANE_TESTS_SUPPORT_GUARDED_H

#include <stddef.h>
#include <stdint.h>

struct test_guarded {
    uint8_t *start; /* page-aligned; PROT_NONE pages before it and after its len bytes */
    size_t len;     /* a whole number of pages */
    size_t guard_len;
};

/* At least `len` bytes.  Ends the program on failure. */
struct test_guarded test_guarded_map(size_t len);
void test_guarded_unmap(struct test_guarded *guarded);

/* `len` bytes that end at the guard. */
uint8_t *test_guarded_tail(const struct test_guarded *guarded, size_t len);

#endif
