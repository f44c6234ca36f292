#define _GNU_SOURCE
#include "base/wipe.h"

#include <stdint.h>
#include <string.h>

void sl_wipe(void *p, size_t len)
{
    if (len == 0)
        return;
#if SEALANE_HAVE_EXPLICIT_BZERO
    explicit_bzero(p, len);
#else
    memset(p, 0, len);
    __asm__ volatile("" : : "r"(p) : "memory");
#endif
}

bool sl_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (uint8_t)(x[i] ^ y[i]);
    return difference == 0;
}
