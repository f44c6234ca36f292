/* A kernel around a real one, which breaks its word in the way that PLANT names: tools/selfcheck.sh compiles it with
 * a real kernel's flags, for each PLANT_, and expects tools/check-taint.py and tools/check-loops.py to notice.  With
 * PLANT_NOTHING they have to find nothing. */
#ifdef __x86_64__
#include "arch/kernel_aesni.c"
typedef __m128i vec;
#define SECRET_OF(schedule, hi, lo) xmm_one(schedule, xmm_counter(hi, lo), xmm_counter(hi, lo))
#define LOW_HALF(v) (uint64_t) _mm_cvtsi128_si64(v)
#define LOAD_BLOCK(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE_BLOCK(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define AES_ROUND(s, k) _mm_aesenc_si128(s, k)
#define LONGER(s) _mm_xor_si128(s, _mm_slli_epi64(s, 1))
#else
#include "arch/kernel_armv8.c"
typedef uint8x16_t vec;
#define SECRET_OF(schedule, hi, lo) neon_one(schedule, counter_vector(hi, lo), counter_vector(hi, lo))
#define LOW_HALF(v) vgetq_lane_u64(vreinterpretq_u64_u8(v), 0)
#define LOAD_BLOCK(p) vld1q_u8((const uint8_t *)(p))
#define STORE_BLOCK(p, v) vst1q_u8((uint8_t *)(p), v)
#define AES_ROUND(s, k) vaesmcq_u8(vaeseq_u8(s, k))
#define LONGER(s) veorq_u8(s, vrev64q_u8(s))
#endif

enum plant {
    PLANT_NOTHING,
    PLANT_BRANCH,
    PLANT_INDEX,
    PLANT_SPILL,
    PLANT_STACK_ARRAY,
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
static ALWAYS_INLINE void misuse(vec vector, uint8_t *dst)
{
    uint64_t secret = LOW_HALF(vector);
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
    case PLANT_STACK_ARRAY: {
        volatile uint64_t words[8];
        words[sink & 7] = secret;
        if (words[6] & 4)
            sink = 7;
        break;
    }
#ifdef __AVX512VL__
    case PLANT_VECTOR_MASK:
        if (_mm512_cmpeq_epi8_mask(_mm512_castsi128_si512(vector), _mm512_setzero_si512()) & 1)
            sink = 6;
        break;
    case PLANT_STORE_MASK:
        _mm_mask_storeu_epi64(dst, (__mmask8)secret, vector);
        break;
#endif
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
#ifdef __x86_64__
        __asm__ volatile("xgetbv" : : "c"(0) : "rax", "rdx");
#else
        __asm__ volatile("mrs x0, cntvct_el0" : : : "x0");
#endif
        break;
    default:
        break;
    }
}

/* A bulk loop: one block at a time. */
static ALWAYS_INLINE void blocks(const uint8_t *schedule, uint8_t *dst, size_t n)
{
    volatile vec slot;
    for (size_t i = 0; i < n; i++) {
        vec s = LOAD_BLOCK(dst + 16 * i);
        s = AES_ROUND(AES_ROUND(s, LOAD_BLOCK(schedule)), LOAD_BLOCK(schedule + 16));
        if (PLANT == PLANT_STACK_IN_LOOP) {
            slot = s;
            s = slot;
        }
        if (PLANT == PLANT_LONGER_LOOP)
            s = LONGER(s);
        STORE_BLOCK(dst + 16 * i, s);
    }
}

static void planted(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    ctr(schedule, hi, lo, dst, src, len);
    blocks(schedule, dst, len / 16);
    misuse(SECRET_OF(schedule, hi, lo), dst);
}

const struct sl_kernel sl_kernel_planted = {
    .name = "planted",
    .schedule_len = 240,
    .ctr = planted,
};
