/* What must not be left to the optimiser or to timing: wiping, and comparing secrets. */
#ifndef SEALANE_BASE_WIPE_H
#define SEALANE_BASE_WIPE_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroes len bytes; never optimised away.  len 0 is fine with any p. */
void sl_wipe(void *p, size_t len);

/* True if the len bytes are the same; time depends on len alone. */
bool sl_equal(const void *a, const void *b, size_t len);

#endif
