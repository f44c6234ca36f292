/* Arithmetic that says when it does not fit: each returns true on overflow and leaves *out unspecified. */
#ifndef SEALANE_BASE_CHECKED_H
#define SEALANE_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool sl_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    return __builtin_add_overflow(a, b, out);
}

/* Rounds up to a multiple of `unit`, a power of two. */
static inline bool sl_round_up_u64(uint64_t *out, uint64_t v, uint64_t unit)
{
    if (__builtin_add_overflow(v, unit - 1, out))
        return true;
    *out &= ~(unit - 1);
    return false;
}

#endif
