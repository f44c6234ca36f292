#include "arch/cpu.h"
#include "arch/ctr_xmm.h"
#include "arch/records_xmm.h"
#include "arch/x86_64.h"

static ALWAYS_INLINE void ymm_tail(uint8_t *dst, const uint8_t *src, __m256i keystream, size_t n)
{
    __m128i s = _mm256_castsi256_si128(keystream);
    if (n >= 16) {
        _mm_storeu_si128((__m128i *)dst, _mm_loadu_si128((const __m128i *)src) ^ s);
        s = _mm256_extracti128_si256(keystream, 1);
        dst += 16;
        src += 16;
        n -= 16;
    }
    if (n)
        xmm_tail(dst, src, s, n);
}

#define T(name) ymm_##name
#define VEC __m256i
#define LANES 2
/* clang 14 takes some states a round ahead of others and then needs registers for several round keys. */
#ifdef __clang__
#define WIDE 9
#define WIDE_COUNTING 8
#else
#define WIDE 12
#define WIDE_COUNTING 11
#endif
#define KEYS_RESIDENT 0
#define LOAD_KEY(p) _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(p)))
#define NEXT(v) _mm256_add_epi64(v, _mm256_set_epi64x(0, 2, 0, 2))
#define COUNTER(hi, lo) _mm256_add_epi64(SAME(hi, lo), _mm256_set_epi64x(0, 1, 0, 0))
#define SAME(hi, lo) _mm256_broadcastsi128_si256(xmm_counter(hi, lo))
#define BLEND(a, b, n) _mm256_blend_epi32(a, b, 0xf0)
#define FROM_TABLE(t, c, k) _mm256_aesenc_epi128(_mm256_xor_si256(t, c), k)
#define OPAQUE(v) __asm__("" : "+x"(v))
#define BLOCK(v)                                                                                                       \
    _mm256_shuffle_epi8(                                                                                               \
        v, _mm256_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f))
#define START(s, k0) _mm256_xor_si256(s, k0)
#define ROUND(s, k) _mm256_aesenc_epi128(s, k)
#define FIRST_KEY 1
#define FINISH(s, k13, k14, d) _mm256_aesenclast_epi128(s, _mm256_xor_si256(d, k14))
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define STORE_NT(p, v) _mm256_stream_si256((__m256i *)(p), v)
#define FENCE() _mm_sfence()
#define PREFETCH(p) SL_X86_PREFETCH(p)
#define TAIL(dst, src, v, n) ymm_tail(dst, src, v, n)

#include "arch/ctr_template.h"

/* Out of line: a single block needs no 256-bit register, nor what comes with them. */
static void __attribute__((noinline))
ctr_vectors(const void *schedule, __m128i first, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m256i c = _mm256_add_epi64(_mm256_broadcastsi128_si256(first), _mm256_set_epi64x(0, 1, 0, 0));
    ymm_plain(schedule, c, dst, src, len);
    _mm256_zeroupper();
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m128i first = xmm_counter(hi, lo);
    if (len <= 16)
        xmm_short(schedule, first, dst, src, len);
    else
        ctr_vectors(schedule, first, dst, src, len);
}

static const struct sl_face by_key = {4096, ymm_make_key_table, ymm_ctr_by_key};
static const struct sl_face by_nonce = {4096, ymm_make_nonce_table, ymm_ctr_by_nonce};

const struct sl_kernel sl_kernel_vaes_avx2 = {
    .name = "vaes-avx2",
    .needs = SL_CPU_AES | SL_CPU_SSSE3 | SL_CPU_SSE41 | SL_CPU_AVX2 | SL_CPU_VAES,
    .schedule_len = SL_X86_SCHEDULE_LEN,
    .expand = sl_x86_expand,
    .ctr = ctr,
    .ctr_nt = ymm_ctr_nt,
    .records = xmm_records,
    .expand_many = sl_x86_expand_many,
    .by_key = &by_key,
    .by_nonce = &by_nonce,
};
