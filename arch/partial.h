/* The last 1 to 15 bytes of a message, without a buffer that would have to be wiped. */
#ifndef SEALANE_ARCH_PARTIAL_H
#define SEALANE_ARCH_PARTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/endian.h"

/* dst[0..n) = src[0..n) ^ the first n bytes of `keystream` (two little-endian halves); 1 <= n <= 15.  The loads of one
 * step overlap instead of looping, and every load is done before the first store, so dst == src is fine.  Always
 * inline: around a call the caller's vector registers, keys and states among them, would be saved on the stack. */
static inline __attribute__((always_inline)) void sl_xor_partial(uint8_t *dst, const uint8_t *src,
                                                                 const uint64_t keystream[2], size_t n)
{
    if (n >= 8) {
        uint64_t tail = n == 8 ? keystream[0] : keystream[0] >> 8 * (n - 8) | keystream[1] << 8 * (16 - n);
        uint64_t a = sl_load_le64(src) ^ keystream[0];
        uint64_t b = sl_load_le64(src + n - 8) ^ tail;
        sl_store_le64(dst, a);
        sl_store_le64(dst + n - 8, b);
    } else if (n >= 4) {
        uint32_t a = sl_load_le32(src) ^ (uint32_t)keystream[0];
        uint32_t b = sl_load_le32(src + n - 4) ^ (uint32_t)(keystream[0] >> 8 * (n - 4));
        sl_store_le32(dst, a);
        sl_store_le32(dst + n - 4, b);
    } else {
        size_t middle = n / 2;
        uint8_t a = src[0] ^ (uint8_t)keystream[0];
        uint8_t b = src[middle] ^ (uint8_t)(keystream[0] >> 8 * middle);
        uint8_t c = src[n - 1] ^ (uint8_t)(keystream[0] >> 8 * (n - 1));
        dst[0] = a;
        dst[middle] = b;
        dst[n - 1] = c;
    }
}

#endif
