/* Fixed-endian loads and stores, any alignment.  Compilers reduce each to one instruction. */
#ifndef SEALANE_BASE_ENDIAN_H
#define SEALANE_BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SL_LE(bits, v) (v)
#define SL_BE(bits, v) __builtin_bswap##bits(v)
#else
#define SL_LE(bits, v) __builtin_bswap##bits(v)
#define SL_BE(bits, v) (v)
#endif

/* gcc 12 leaves a store out of line between AVX-512 code now and then. */
#define SL_ALWAYS_INLINE inline __attribute__((always_inline))

#define SL_DEFINE_ENDIAN(bits)                                                                                         \
    static SL_ALWAYS_INLINE uint##bits##_t sl_load_le##bits(const void *p)                                             \
    {                                                                                                                  \
        uint##bits##_t v;                                                                                              \
        memcpy(&v, p, sizeof v);                                                                                       \
        return SL_LE(bits, v);                                                                                         \
    }                                                                                                                  \
    static SL_ALWAYS_INLINE uint##bits##_t sl_load_be##bits(const void *p)                                             \
    {                                                                                                                  \
        uint##bits##_t v;                                                                                              \
        memcpy(&v, p, sizeof v);                                                                                       \
        return SL_BE(bits, v);                                                                                         \
    }                                                                                                                  \
    static SL_ALWAYS_INLINE void sl_store_le##bits(void *p, uint##bits##_t v)                                          \
    {                                                                                                                  \
        v = SL_LE(bits, v);                                                                                            \
        memcpy(p, &v, sizeof v);                                                                                       \
    }                                                                                                                  \
    static SL_ALWAYS_INLINE void sl_store_be##bits(void *p, uint##bits##_t v)                                          \
    {                                                                                                                  \
        v = SL_BE(bits, v);                                                                                            \
        memcpy(p, &v, sizeof v);                                                                                       \
    }

SL_DEFINE_ENDIAN(16)
SL_DEFINE_ENDIAN(32)
SL_DEFINE_ENDIAN(64)

#undef SL_DEFINE_ENDIAN

#endif
