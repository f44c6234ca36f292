/* A kernel from the real template that breaks its word in the way that PLANT names: tools/selfcheck.sh compiles it with
 * a real kernel's flags, for each PLANT_, and expects tools/check-taint.py and tools/check-loops.py to notice.  With
 * PLANT_NOTHING they have to find nothing. */
#include "arch/ctr_xmm.h"

enum plant {
    PLANT_NOTHING,
    PLANT_BRANCH,
    PLANT_INDEX,
    PLANT_SPILL,
    PLANT_VECTOR_MASK,
    PLANT_STORE_MASK,
    PLANT_CALLEE,
    PLANT_DIVISION,
    PLANT_SHIFT,
    PLANT_INDIRECT,
    PLANT_UNKNOWN,
    PLANT_STACK_IN_LOOP,
    PLANT_LONGER_LOOP,
};

static volatile unsigned sink;
static const uint8_t table[256] = {1, 2, 3};

static void __attribute__((noinline)) callee(uint64_t secret)
{
    if (secret & 64)
        sink = 3;
}

static void even(void)
{
    sink = 4;
}

static void odd(void)
{
    sink = 5;
}

static void (*const functions[2])(void) = {even, odd};

/* What a kernel must not do with a secret. */
static ALWAYS_INLINE void misuse(__m128i vector, uint8_t *dst)
{
    uint64_t secret = (uint64_t)_mm_cvtsi128_si64(vector);
    switch (PLANT) {
    case PLANT_BRANCH:
        if (secret & 1)
            sink = 1;
        break;
    case PLANT_INDEX:
        sink = table[secret & 255];
        break;
    case PLANT_SPILL: {
        volatile uint64_t slot = secret;
        if (slot & 4)
            sink = 2;
        break;
    }
    case PLANT_VECTOR_MASK:
        if (_mm512_cmpeq_epi8_mask(_mm512_castsi128_si512(vector), _mm512_setzero_si512()) & 1)
            sink = 6;
        break;
    case PLANT_STORE_MASK:
        _mm_mask_storeu_epi64(dst, (__mmask8)secret, vector);
        break;
    case PLANT_CALLEE:
        callee(secret);
        break;
    case PLANT_DIVISION:
        sink = (unsigned)(1000000007 / (secret | 1));
        break;
    case PLANT_SHIFT:
        sink = 1u << (secret & 31);
        break;
    case PLANT_INDIRECT:
        functions[secret & 1]();
        break;
    case PLANT_UNKNOWN:
        __asm__ volatile("xgetbv" : : "c"(0) : "rax", "rdx");
        break;
    default:
        break;
    }
}

/* A bulk loop: one block at a time. */
static ALWAYS_INLINE void blocks(const __m128i *key, uint8_t *dst, size_t n)
{
    volatile __m128i slot;
    for (size_t i = 0; i < n; i++) {
        __m128i s = _mm_loadu_si128((const __m128i *)dst + i);
        s = _mm_aesenc_si128(_mm_aesenc_si128(s, key[1]), key[2]);
        if (PLANT == PLANT_STACK_IN_LOOP) {
            slot = s;
            s = slot;
        }
        if (PLANT == PLANT_LONGER_LOOP)
            s = _mm_xor_si128(s, _mm_slli_epi64(s, 1));
        _mm_storeu_si128((__m128i *)dst + i, s);
    }
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    __m128i counter = xmm_counter(hi, lo);
    xmm_ctr(schedule, counter, dst, src, len);
    blocks(schedule, dst, len / 16);
    misuse(xmm_one(schedule, counter, counter), dst);
}

const struct sl_kernel sl_kernel_planted = {
    .name = "planted",
    .schedule_len = 240,
    .ctr = ctr,
};
