#include <arm_neon.h>

#include "arch/cpu.h"
#include "arch/each.h"
#include "arch/partial.h"

enum { SCHEDULE_LEN = 15 * 16 };

/* SubWord by AESE: with one word in all four columns ShiftRows changes nothing. */
static inline uint32_t sub_word(uint32_t w)
{
    uint8x16_t s = vaeseq_u8(vreinterpretq_u8_u32(vdupq_n_u32(w)), vdupq_n_u8(0));
    return vgetq_lane_u32(vreinterpretq_u32_u8(s), 0);
}

/* FIPS 197, section 5.2, on little-endian words: RotWord turns to the right. */
static void expand(void *schedule, const uint8_t key[32])
{
    uint8_t *out = schedule;
    uint32_t rcon = 1;
    memcpy(out, key, 32);
    for (int i = 32; i < SCHEDULE_LEN; i += 4) {
        uint32_t t = sl_load_le32(out + i - 4);
        if (i % 32 == 0) {
            t = sub_word(t >> 8 | t << 24) ^ rcon;
            rcon <<= 1;
        } else if (i % 32 == 16) {
            t = sub_word(t);
        }
        sl_store_le32(out + i, sl_load_le32(out + i - 32) ^ t);
    }
}

static inline uint8x16_t counter_vector(uint64_t hi, uint64_t lo)
{
    return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(lo), vcreate_u64(hi)));
}

static inline uint8x16_t next(uint8x16_t v)
{
    return vreinterpretq_u8_u64(vaddq_u64(vreinterpretq_u64_u8(v), vcombine_u64(vcreate_u64(1), vcreate_u64(0))));
}

/* All 16 bytes reversed. */
static inline uint8x16_t block(uint8x16_t v)
{
    v = vrev64q_u8(v);
    return vextq_u8(v, v, 8);
}

/* 1 to 15 bytes. */
static ALWAYS_INLINE void tail(uint8_t *dst, const uint8_t *src, uint8x16_t keystream, size_t n)
{
    uint64x2_t s = vreinterpretq_u64_u8(keystream);
    uint64_t words[2] = {vgetq_lane_u64(s, 0), vgetq_lane_u64(s, 1)};
    sl_xor_partial(dst, src, words, n);
}

#define T(name) neon_##name
#define VEC uint8x16_t
#define LANES 1
#define WIDE 8
#define WIDE_COUNTING 8
#define KEYS_RESIDENT 1
#define LOAD_KEY(p) vld1q_u8(p)
#define NEXT(v) next(v)
#define COUNTER(hi, lo) counter_vector(hi, lo)
#define SAME(hi, lo) counter_vector(hi, lo)
#define BLEND(a, b, n) (a)
#define FROM_TABLE(t, c, k) vaesmcq_u8(vaeseq_u8(t, (c) ^ (k)))
#define OPAQUE(v) __asm__("" : "+w"(v))
#define BLOCK(v) block(v)
#define START(s, k0) (s)
#define ROUND(s, k) vaesmcq_u8(vaeseq_u8(s, k))
#define FIRST_KEY 0
#define FINISH(s, k13, k14, d) veorq_u8(vaeseq_u8(s, k13), veorq_u8(d, k14))
#define LOAD(p) vld1q_u8(p)
#define STORE(p, v) vst1q_u8(p, v)
#define STORE_NT(p, v) STORE(p, v)
#define FENCE() ((void)0)
#define PREFETCH(p) ((void)(p))
#define TAIL(dst, src, v, n) tail(dst, src, v, n)

#include "arch/ctr_template.h"

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (len)
        neon_plain(schedule, counter_vector(hi, lo), dst, src, len);
}

static const struct sl_face by_key = {1024, neon_make_key_table, neon_ctr_by_key};
static const struct sl_face by_nonce = {1024, neon_make_nonce_table, neon_ctr_by_nonce};

const struct sl_kernel sl_kernel_armv8 = {
    .name = "armv8",
    .needs = SL_CPU_AES,
    .schedule_len = SCHEDULE_LEN,
    .expand = expand,
    .ctr = ctr,
    .by_key = &by_key,
    .by_nonce = &by_nonce,
};
