/* ctr_template.h for 128-bit x86 vectors: the whole of the AES-NI kernel, the last blocks of the wider ones. */
#include <immintrin.h>

#include "arch/each.h"
#include "arch/partial.h"
#include "arch/x86_64.h"

static inline __m128i xmm_counter(uint64_t hi, uint64_t lo)
{
    return _mm_insert_epi64(_mm_cvtsi64_si128((long long)lo), (long long)hi, 1);
}

/* 1 to 15 bytes. */
static ALWAYS_INLINE void xmm_tail(uint8_t *dst, const uint8_t *src, __m128i s, size_t n)
{
    uint64_t keystream[2] = {(uint64_t)_mm_cvtsi128_si64(s), (uint64_t)_mm_extract_epi64(s, 1)};
    sl_xor_partial(dst, src, keystream, n);
}

#define T(name) xmm_##name
#define VEC __m128i
#define LANES 1
#define WIDE 12
#define WIDE_COUNTING 11
#define KEYS_RESIDENT 0
#define LOAD_KEY(p) _mm_load_si128((const __m128i *)(p))
#define NEXT(v) _mm_add_epi64(v, _mm_set_epi64x(0, 1))
#define COUNTER(hi, lo) xmm_counter(hi, lo)
#define SAME(hi, lo) xmm_counter(hi, lo)
#define BLEND(a, b, n) (a)
#define FROM_TABLE(t, c, k) _mm_aesenc_si128(_mm_xor_si128(t, c), k)
#define OPAQUE(v) __asm__("" : "+x"(v))
#define BLOCK(v) _mm_shuffle_epi8(v, _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f))
#define START(s, k0) _mm_xor_si128(s, k0)
#define ROUND(s, k) _mm_aesenc_si128(s, k)
#define FIRST_KEY 1
#define FINISH(s, k13, k14, d) _mm_aesenclast_si128(s, _mm_xor_si128(d, k14))
#define LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define STORE_NT(p, v) _mm_stream_si128((__m128i *)(p), v)
#define FENCE() _mm_sfence()
#define PREFETCH(p) SL_X86_PREFETCH(p)
#define TAIL(dst, src, v, n) xmm_tail(dst, src, v, n)

#include "arch/ctr_template.h"

/* At most one block. */
static ALWAYS_INLINE void xmm_short(const void *schedule, __m128i counter, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m128i s = xmm_one(schedule, counter, _mm_setzero_si128());
    if (len == 16)
        _mm_storeu_si128((__m128i *)dst, _mm_loadu_si128((const __m128i *)src) ^ s);
    else if (len)
        xmm_tail(dst, src, s, len);
}

#undef T
#undef VEC
#undef LANES
#undef WIDE
#undef WIDE_COUNTING
#undef KEYS_RESIDENT
#undef LOAD_KEY
#undef NEXT
#undef COUNTER
#undef SAME
#undef BLEND
#undef FROM_TABLE
#undef OPAQUE
#undef BLOCK
#undef START
#undef ROUND
#undef FIRST_KEY
#undef FINISH
#undef LOAD
#undef STORE
#undef STORE_NT
#undef FENCE
#undef PREFETCH
#undef TAIL
