/* Records of up to 16 bytes on 128-bit vectors, each with its own key: for struct sl_kernel's `records`.  Eight at a
 * time, which hides the latency of AES; the round keys are operands in memory, so no key needs to be put together with
 * others in a wider vector.  Include after ctr_xmm.h. */
#include "base/endian.h"
#include "sealane/record.h"

enum { XMM_RECORDS = 8 };

static ALWAYS_INLINE int record_is_tiny(const struct sealane_record *r)
{
    return (r->len - 1 < 16) & (r->offset % 16 == 0);
}

/* Whether `n` records, a constant, are tiny. */
static ALWAYS_INLINE int records_are_tiny(const struct sealane_record *r, int n)
{
#define X(i)                                                                                                           \
    if (r[i].len - 1 >= 16 || r[i].offset % 16 != 0)                                                                   \
        return 0;
    EACH(n, X);
#undef X
    return 1;
}

/* Not out of line, rare as it is: around a call the vector registers, with keys and states, would be saved on the
 * stack. */
static ALWAYS_INLINE __m128i record_block_at(const uint8_t *iv, uint64_t blocks)
{
    uint64_t hi = sl_load_be64(iv), lo = sl_load_be64(iv + 8);
    hi += __builtin_add_overflow(lo, blocks, &lo);
    return xmm_counter(__builtin_bswap64(lo), __builtin_bswap64(hi));
}

/* The record's first counter block as AES sees it.  The counter's carry may go all the way. */
static ALWAYS_INLINE __m128i record_block(const struct sealane_record *r)
{
    if (__builtin_expect(r->offset != 0, 0))
        return record_block_at(r->iv, r->offset / 16);
    return _mm_loadu_si128((const __m128i *)r->iv);
}

/* Less than a block. */
static ALWAYS_INLINE void short_block(uint8_t *dst, const uint8_t *src, size_t len, __m128i keystream)
{
    uint64_t halves[2] = {(uint64_t)_mm_cvtsi128_si64(keystream), (uint64_t)_mm_extract_epi64(keystream, 1)};
    sl_xor_partial(dst, src, halves, len);
}

static ALWAYS_INLINE void record_finish(const struct sealane_record *r, __m128i keystream)
{
    if (__builtin_expect(r->len == 16, 1)) {
        _mm_storeu_si128((__m128i *)r->dst, _mm_xor_si128(keystream, _mm_loadu_si128((const __m128i *)r->src)));
        return;
    }
    short_block(r->dst, r->src, r->len, keystream);
}

/* n tiny records, a constant.  All counter blocks come before the first key: what the compiler has to put on the stack
 * while it makes them, for want of registers, is no secret. */
static ALWAYS_INLINE void xmm_tiny(const struct sealane_record *r, int n, size_t schedule_at)
{
    const uint8_t *schedule[16]; /* all that EACH can name, as clang warns of indices in branches never taken */
    __m128i s[16];
#define X(i)                                                                                                           \
    schedule[i] = (const uint8_t *)r[i].key + schedule_at;                                                             \
    s[i] = record_block(&r[i]);
    EACH(n, X);
#undef X
#define X(i) s[i] = _mm_xor_si128(s[i], _mm_load_si128((const __m128i *)schedule[i]));
    EACH(n, X);
#undef X
#define X(i) s[i] = _mm_aesenc_si128(s[i], _mm_load_si128((const __m128i *)schedule[i] + round));
    for (int round = 1; round < SL_AES_ROUNDS; round++)
        EACH(n, X);
#undef X
#define X(i)                                                                                                           \
    record_finish(&r[i], _mm_aesenclast_si128(s[i], _mm_load_si128((const __m128i *)schedule[i] + SL_AES_ROUNDS)));
    EACH(n, X);
#undef X
}

/* As struct sl_kernel's `records`. */
static size_t __attribute__((unused))
xmm_records(const struct sealane_record *records, size_t count, size_t schedule_at)
{
    size_t i = 0;
    for (; count - i >= XMM_RECORDS && records_are_tiny(records + i, XMM_RECORDS); i += XMM_RECORDS)
        xmm_tiny(records + i, XMM_RECORDS, schedule_at);
    for (; i < count && record_is_tiny(records + i); i++)
        xmm_tiny(records + i, 1, schedule_at);
    return i;
}
