#include "arch/cpu.h"
#include "arch/ctr_xmm.h"
#include "arch/records_xmm.h"
#include "arch/x86_64.h"

static ALWAYS_INLINE void zmm_tail(uint8_t *dst, const uint8_t *src, __m512i keystream, size_t n)
{
    __mmask64 tail = _bzhi_u64(~(uint64_t)0, (unsigned)n);
    _mm512_mask_storeu_epi8(dst, tail, _mm512_maskz_loadu_epi8(tail, src) ^ keystream);
}

#define T(name) zmm_##name
#define VEC __m512i
#define LANES 4
#define WIDE 12
#define WIDE_COUNTING 12
#define KEYS_RESIDENT 1
#define LOAD_KEY(p) _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)(p)))
#define NEXT(v) _mm512_add_epi64(v, _mm512_set_epi64(0, 4, 0, 4, 0, 4, 0, 4))
#define COUNTER(hi, lo) _mm512_add_epi64(SAME(hi, lo), _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0))
#define SAME(hi, lo) _mm512_broadcast_i32x4(xmm_counter(hi, lo))
#define BLEND(a, b, n) _mm512_mask_blend_epi64((__mmask8)(0xff << 2 * (n)), a, b)
#define FROM_TABLE(t, c, k) _mm512_aesenc_epi128(_mm512_xor_si512(t, c), k)
#define OPAQUE(v) __asm__("" : "+v"(v))
#define BLOCK(v) _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(_mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f)))
#define START(s, k0) _mm512_xor_si512(s, k0)
#define ROUND(s, k) _mm512_aesenc_epi128(s, k)
#define FIRST_KEY 1
#define FINISH(s, k13, k14, d) _mm512_aesenclast_epi128(s, _mm512_xor_si512(d, k14))
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define STORE_NT(p, v) _mm512_stream_si512((__m512i *)(p), v)
#define FENCE() _mm_sfence()
#define PREFETCH(p) SL_X86_PREFETCH(p)
#define TAIL(dst, src, v, n) zmm_tail(dst, src, v, n)

#include "arch/ctr_template.h"
#include "arch/records_zmm.h"

#define STEP_LEN 64
#include "arch/column_zmm.h"
#include "arch/steps.h"

#define YMM_KEY(r) _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)((const uint8_t *)schedule + 16 * (r))))

/* Up to two blocks: 32 bytes take a seventh less than in a part of a 512-bit register. */
static void __attribute__((noinline))
ctr_pair(const void *schedule, __m128i first, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m256i s = _mm256_add_epi64(_mm256_broadcastsi128_si256(first), _mm256_set_epi64x(0, 1, 0, 0));
    s = _mm256_shuffle_epi8(s, _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f)));
    s ^= YMM_KEY(0);
#define X(r) s = _mm256_aesenc_epi128(s, YMM_KEY((r) + 1));
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
    s = _mm256_aesenclast_epi128(s, YMM_KEY(SL_AES_ROUNDS));
    if (len == 32) {
        _mm256_storeu_si256((__m256i *)dst, _mm256_loadu_si256((const __m256i *)src) ^ s);
    } else {
        __mmask32 tail = _bzhi_u32(~(uint32_t)0, (unsigned)len);
        _mm256_mask_storeu_epi8(dst, tail, _mm256_maskz_loadu_epi8(tail, src) ^ s);
    }
    _mm256_zeroupper();
}

/* Out of line: a single block needs no 512-bit register, nor what comes with them. */
static void __attribute__((noinline))
ctr_vectors(const void *schedule, __m128i first, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m512i c = _mm512_add_epi64(_mm512_broadcast_i32x4(first), _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
    zmm_plain(schedule, c, dst, src, len);
    _mm256_zeroupper();
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m128i first = xmm_counter(hi, lo);
    if (len <= 16)
        xmm_short(schedule, first, dst, src, len);
    else if (len <= 32)
        ctr_pair(schedule, first, dst, src, len);
    else
        ctr_vectors(schedule, first, dst, src, len);
}

static const struct sl_face by_key = {4096, zmm_make_key_table, zmm_ctr_by_key};
static const struct sl_face by_nonce = {4096, zmm_make_nonce_table, zmm_ctr_by_nonce};

const struct sl_kernel sl_kernel_vaes_avx512 = {
    .name = "vaes-avx512",
    .needs = SL_CPU_AES | SL_CPU_SSSE3 | SL_CPU_SSE41 | SL_CPU_AVX2 | SL_CPU_VAES | SL_CPU_AVX512F | SL_CPU_AVX512BW |
             SL_CPU_AVX512VL | SL_CPU_BMI2,
    .prefers = SL_CPU_ZMM_AT_FULL_CLOCK,
    .schedule_len = SL_X86_SCHEDULE_LEN,
    .expand = sl_x86_expand,
    .ctr = ctr,
    .ctr_nt = zmm_ctr_nt,
    .nt_gains = 1,
    .records = records,
    .in_steps = in_steps,
    .column = column,
    .expand_many = sl_x86_expand_many,
    .by_key = &by_key,
    .by_nonce = &by_nonce,
};
