#include "arch/cpu.h"
#include "arch/ctr_xmm.h"
#include "arch/x86_64.h"

#define T(name) zmm_##name
#define VEC __m512i
#define LANES 4
#define WIDE 8
#define NARROW 4
#define KEYS_RESIDENT 1
#define ADVANCE(v, n) _mm512_add_epi64(v, _mm512_set_epi64(0, 4 * (n), 0, 4 * (n), 0, 4 * (n), 0, 4 * (n)))
#define BLOCK(v) _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(_mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f)))
#define START(s, k) _mm512_xor_si512(s, k(0))
#define ROUND(s, k, r) _mm512_aesenc_epi128(s, k(r))
#define FINISH(s, k, d) _mm512_aesenclast_epi128(s, _mm512_xor_si512(d, k(14)))
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)

#include "arch/ctr_template.h"

/* Out of line, so that short messages pay for no broadcast of round keys. */
static void __attribute__((noinline))
ctr_vectors(const void *schedule, __m128i first, uint8_t *dst, const uint8_t *src, size_t len)
{
    const __m128i *rk = schedule;
    zmm_keys keys;
    UNROLL
    for (int r = 0; r <= SL_AES_ROUNDS; r++)
        keys[r] = _mm512_broadcast_i32x4(_mm_load_si128(rk + r));
    __m512i c = _mm512_add_epi64(_mm512_broadcast_i32x4(first), _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
    size_t done = zmm_bulk(keys, &c, dst, src, len);
    if (done != len) {
        __mmask64 tail = _bzhi_u64(~(uint64_t)0, (unsigned)(len - done));
        __m512i s = zmm_one(keys, c, _mm512_maskz_loadu_epi8(tail, src + done));
        _mm512_mask_storeu_epi8(dst + done, tail, s);
    }
    _mm256_zeroupper();
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m128i first = xmm_counter(hi, lo);
    if (len <= 16)
        xmm_ctr(schedule, first, dst, src, len);
    else
        ctr_vectors(schedule, first, dst, src, len);
}

const struct sl_kernel sl_kernel_vaes_avx512 = {
    .name = "vaes-avx512",
    .needs = SL_CPU_AES | SL_CPU_SSSE3 | SL_CPU_SSE41 | SL_CPU_AVX2 | SL_CPU_VAES | SL_CPU_AVX512F | SL_CPU_AVX512BW |
             SL_CPU_AVX512VL | SL_CPU_BMI2,
    .schedule_len = SL_X86_SCHEDULE_LEN,
    .expand = sl_x86_expand,
    .ctr = ctr,
};
