#include <immintrin.h>

#include "arch/each.h"
#include "arch/kernel.h"
#include "arch/x86_64.h"

enum { AT_ONCE = 4 }; /* keys: more do not fit 16 registers */

/* w0, w0^w1, w0^w1^w2, ...: the running XOR of FIPS 197, section 5.2. */
static inline __m128i prefix_xor(__m128i w)
{
    w = _mm_xor_si128(w, _mm_slli_si128(w, 4));
    return _mm_xor_si128(w, _mm_slli_si128(w, 8));
}

/* SubBytes by AESENCLAST: with one word in all four columns ShiftRows changes nothing.  Twice as fast as
 * AESKEYGENASSIST, which is microcode on many CPUs. */
static inline __m128i next_even(__m128i two_back, __m128i last, uint32_t rcon)
{
    const __m128i rotate_last_word = _mm_set1_epi32(0x0c0f0e0d);
    __m128i sub = _mm_aesenclast_si128(_mm_shuffle_epi8(last, rotate_last_word), _mm_set1_epi32((int)rcon));
    return _mm_xor_si128(prefix_xor(two_back), sub);
}

static inline __m128i next_odd(__m128i two_back, __m128i last)
{
    __m128i sub = _mm_aesenclast_si128(_mm_shuffle_epi32(last, 0xff), _mm_setzero_si128());
    return _mm_xor_si128(prefix_xor(two_back), sub);
}

/* `n`, a constant, at a time. */
static ALWAYS_INLINE void expand(void *const *schedules, const uint8_t *keys, int n)
{
    __m128i even[16], odd[16]; /* all that EACH can name */
#define X(k)                                                                                                           \
    even[k] = _mm_loadu_si128((const __m128i *)(keys + 32 * (k)));                                                     \
    odd[k] = _mm_loadu_si128((const __m128i *)(keys + 32 * (k) + 16));                                                 \
    _mm_store_si128((__m128i *)schedules[k], even[k]);                                                                 \
    _mm_store_si128((__m128i *)schedules[k] + 1, odd[k]);
    EACH(n, X);
#undef X
    uint32_t rcon = 1;
    for (int r = 2; r < SL_AES_ROUNDS; r += 2, rcon <<= 1) {
#define X(k)                                                                                                           \
    even[k] = next_even(even[k], odd[k], rcon);                                                                        \
    _mm_store_si128((__m128i *)schedules[k] + r, even[k]);
        EACH(n, X);
#undef X
#define X(k)                                                                                                           \
    odd[k] = next_odd(odd[k], even[k]);                                                                                \
    _mm_store_si128((__m128i *)schedules[k] + r + 1, odd[k]);
        EACH(n, X);
#undef X
    }
#define X(k) _mm_store_si128((__m128i *)schedules[k] + SL_AES_ROUNDS, next_even(even[k], odd[k], rcon));
    EACH(n, X);
#undef X
}

void sl_x86_expand(void *schedule, const uint8_t key[32])
{
    expand(&schedule, key, 1);
}

void sl_x86_expand_many(void *const *schedules, const uint8_t *keys, size_t count)
{
    size_t k = 0;
    for (; count - k >= AT_ONCE; k += AT_ONCE)
        expand(schedules + k, keys + 32 * k, AT_ONCE);
    for (; k < count; k++)
        expand(schedules + k, keys + 32 * k, 1);
}
