/* Records on 512-bit vectors, four at a time: of up to 16 bytes in one, or of up to 64 in one each.  Include after the
 * instance zmm of ctr_template.h and after records_xmm.h. */

static ALWAYS_INLINE int share_key(const struct sealane_record *r, const struct sealane_key *key)
{
    return r[0].key == key && r[1].key == key && r[2].key == key && r[3].key == key;
}

/* Four whole blocks at offset 0: the checks that the general way makes for each cost a third of the time. */
static ALWAYS_INLINE int four_blocks(const struct sealane_record *r)
{
#define X(i)                                                                                                           \
    if (r[i].len != 16 || r[i].offset != 0)                                                                            \
        return 0;
    EACH(4, X);
#undef X
    return 1;
}

static ALWAYS_INLINE void load_keys(__m512i key[SL_AES_ROUNDS + 1], const struct sealane_record *r, size_t schedule_at)
{
    const uint8_t *schedule = (const uint8_t *)r->key + schedule_at;
#define X(i)                                                                                                           \
    key[i] = LOAD_KEY(schedule + 16 * (i));                                                                            \
    OPAQUE(key[i]);
    EACH(SL_AES_ROUNDS + 1, X);
#undef X
}

static ALWAYS_INLINE __m128i load_block(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static ALWAYS_INLINE void xor_block(const struct sealane_record *r, __m128i keystream)
{
    _mm_storeu_si128((__m128i *)r->dst, _mm_xor_si128(keystream, load_block(r->src)));
}

static ALWAYS_INLINE __m512i four_lanes(__m128i a, __m128i b, __m128i c, __m128i d)
{
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

static ALWAYS_INLINE __m512i zmm_keystream(const __m512i key[SL_AES_ROUNDS + 1], __m512i block)
{
    __m512i s = START(block, key[0]);
#define X(i) s = ROUND(s, key[(i) + 1]);
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
    return _mm512_aesenclast_epi128(s, key[SL_AES_ROUNDS]);
}

/* The counter blocks of four tiny records; `whole`, a constant: of four_blocks(). */
static ALWAYS_INLINE __m512i blocks_of(const struct sealane_record *r, int whole)
{
    if (whole)
        return four_lanes(load_block(r[0].iv), load_block(r[1].iv), load_block(r[2].iv), load_block(r[3].iv));
    return four_lanes(record_block(&r[0]), record_block(&r[1]), record_block(&r[2]), record_block(&r[3]));
}

/* A keystream's lanes meet their data on the way out: no data has to be put together. */
static ALWAYS_INLINE void xor_lanes(const struct sealane_record *r, __m512i keystream, int whole)
{
    void (*const finish)(const struct sealane_record *, __m128i) = whole ? xor_block : record_finish;
    finish(&r[0], _mm512_castsi512_si128(keystream));
    finish(&r[1], _mm512_extracti32x4_epi32(keystream, 1));
    finish(&r[2], _mm512_extracti32x4_epi32(keystream, 2));
    finish(&r[3], _mm512_extracti32x4_epi32(keystream, 3));
}

/* Fours as long as the key stays; returns how many records.  Out of order they overlap, so that one four at a time
 * suffices. */
static size_t __attribute__((noinline)) zmm_one_key(const struct sealane_record *r, size_t count, size_t schedule_at)
{
    __m512i key[SL_AES_ROUNDS + 1];
    size_t i = 0;
    load_keys(key, r, schedule_at);
    for (; count - i >= 4 && share_key(r + i, r->key); i += 4) {
        if (__builtin_expect(four_blocks(r + i), 1))
            xor_lanes(r + i, zmm_keystream(key, blocks_of(r + i, 1)), 1);
        else if (records_are_tiny(r + i, 4))
            xor_lanes(r + i, zmm_keystream(key, blocks_of(r + i, 0)), 0);
        else
            break;
    }
    return i;
}

/* Four round keys of each of four keys, turned into four vectors with one round key of all: a 4 x 4 transposition,
 * faster than putting each vector together from its lanes, and than one record at a time in a narrow vector. */
static ALWAYS_INLINE void transpose_keys(__m512i out[4], __m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab01 = _mm512_shuffle_i32x4(a, b, 0x44), ab23 = _mm512_shuffle_i32x4(a, b, 0xee);
    __m512i cd01 = _mm512_shuffle_i32x4(c, d, 0x44), cd23 = _mm512_shuffle_i32x4(c, d, 0xee);
    out[0] = _mm512_shuffle_i32x4(ab01, cd01, 0x88);
    out[1] = _mm512_shuffle_i32x4(ab01, cd01, 0xdd);
    out[2] = _mm512_shuffle_i32x4(ab23, cd23, 0x88);
    out[3] = _mm512_shuffle_i32x4(ab23, cd23, 0xdd);
}

/* The keystreams of four tiny records, each with its own key. */
static ALWAYS_INLINE __m512i zmm_own_keys(const struct sealane_record *r, __m512i block, size_t schedule_at)
{
    const uint8_t *a = (const uint8_t *)r[0].key + schedule_at, *b = (const uint8_t *)r[1].key + schedule_at;
    const uint8_t *c = (const uint8_t *)r[2].key + schedule_at, *d = (const uint8_t *)r[3].key + schedule_at;
    const __mmask8 last = 0x3f; /* the schedule ends with its 15th round key */
    __m512i k[4];
    transpose_keys(k, LOAD(a), LOAD(b), LOAD(c), LOAD(d));
    __m512i s = START(block, k[0]);
    s = ROUND(ROUND(ROUND(s, k[1]), k[2]), k[3]);
    transpose_keys(k, LOAD(a + 64), LOAD(b + 64), LOAD(c + 64), LOAD(d + 64));
    s = ROUND(ROUND(ROUND(ROUND(s, k[0]), k[1]), k[2]), k[3]);
    transpose_keys(k, LOAD(a + 128), LOAD(b + 128), LOAD(c + 128), LOAD(d + 128));
    s = ROUND(ROUND(ROUND(ROUND(s, k[0]), k[1]), k[2]), k[3]);
    transpose_keys(k, _mm512_maskz_loadu_epi64(last, a + 192), _mm512_maskz_loadu_epi64(last, b + 192),
                   _mm512_maskz_loadu_epi64(last, c + 192), _mm512_maskz_loadu_epi64(last, d + 192));
    s = ROUND(ROUND(s, k[0]), k[1]);
    return _mm512_aesenclast_epi128(s, k[2]);
}

/* Four tiny records. */
static ALWAYS_INLINE void zmm_tiny(const struct sealane_record *r, size_t schedule_at)
{
    if (__builtin_expect(four_blocks(r), 1))
        xor_lanes(r, zmm_own_keys(r, blocks_of(r, 1), schedule_at), 1);
    else
        xor_lanes(r, zmm_own_keys(r, blocks_of(r, 0), schedule_at), 0);
}

/* The counter blocks of vector v of a message whose first one is `block`.  A carry into the high half is arithmetic
 * like the rest: no branch looks at an IV. */
static ALWAYS_INLINE __m512i vector_of_blocks(__m128i block, int v)
{
    const __m512i first = BLOCK(_mm512_broadcast_i32x4(block));
    __m512i counter = _mm512_add_epi64(first, _mm512_set_epi64(0, 4 * v + 3, 0, 4 * v + 2, 0, 4 * v + 1, 0, 4 * v));
    __m512i carry = _mm512_srli_epi64(_mm512_andnot_si512(counter, first), 63); /* the top bit fell */
    return BLOCK(_mm512_add_epi64(counter, _mm512_unpacklo_epi64(_mm512_setzero_si512(), carry)));
}

static ALWAYS_INLINE int record_is_small(const struct sealane_record *r)
{
    return r->len - 1 < 64 && r->offset % 16 == 0;
}

static ALWAYS_INLINE int records_are_small(const struct sealane_record *r)
{
    return record_is_small(&r[0]) && record_is_small(&r[1]) && record_is_small(&r[2]) && record_is_small(&r[3]);
}

static ALWAYS_INLINE int are_vectors(const struct sealane_record *r)
{
    return ((r[0].len ^ 64) | (r[1].len ^ 64) | (r[2].len ^ 64) | (r[3].len ^ 64)) == 0;
}

/* Four small records, a vector each, `whole` (a constant) or less; keys from memory, since each may have its own: that
 * is as fast as keys in registers.  What is less than a vector is loaded before anything is stored: a load waits for a
 * masked store to what lies within 64 bytes of it, as the next record may. */
static ALWAYS_INLINE void zmm_small(const struct sealane_record *r, size_t schedule_at, int whole)
{
    const uint8_t *schedule[16];
    __m512i s[16], data[16];
#define MASK(i) _bzhi_u64(~(uint64_t)0, (unsigned)r[i].len)
#define X(i)                                                                                                           \
    schedule[i] = (const uint8_t *)r[i].key + schedule_at;                                                             \
    if (!whole)                                                                                                        \
        data[i] = _mm512_maskz_loadu_epi8(MASK(i), r[i].src);                                                          \
    s[i] = START(vector_of_blocks(record_block(&r[i]), 0), LOAD_KEY(schedule[i]));
    EACH(4, X);
#undef X
#define X(i)                                                                                                           \
    IN_STEP(schedule[i], s[i]);                                                                                        \
    s[i] = ROUND(s[i], LOAD_KEY(schedule[i] + 16 * round));
    for (int round = 1; round < SL_AES_ROUNDS; round++)
        EACH(4, X);
#undef X
#define X(i)                                                                                                           \
    {                                                                                                                  \
        __m512i last = LOAD_KEY(schedule[i] + 16 * SL_AES_ROUNDS);                                                     \
        if (whole)                                                                                                     \
            STORE(r[i].dst, FINISH(s[i], last, last, LOAD(r[i].src)));                                                 \
        else                                                                                                           \
            _mm512_mask_storeu_epi8(r[i].dst, MASK(i), FINISH(s[i], last, last, data[i]));                             \
    }
    EACH(4, X);
#undef X
#undef MASK
}

/* Runs of fours, each kind a function of its own: what one needs is not kept for the others. */
static size_t __attribute__((noinline)) run_tiny(const struct sealane_record *r, size_t count, size_t schedule_at)
{
    size_t i = 0;
    for (; count - i >= 4 && records_are_tiny(r + i, 4) && !share_key(r + i, r[i].key); i += 4)
        zmm_tiny(r + i, schedule_at);
    return i;
}

static size_t __attribute__((noinline)) run_vectors(const struct sealane_record *r, size_t count, size_t schedule_at)
{
    size_t i = 0;
    for (; count - i >= 4 && are_vectors(r + i) && records_are_small(r + i); i += 4)
        zmm_small(r + i, schedule_at, 1);
    return i;
}

static size_t __attribute__((noinline)) run_small(const struct sealane_record *r, size_t count, size_t schedule_at)
{
    size_t i = 0;
    for (; count - i >= 4 && records_are_small(r + i) && !records_are_tiny(r + i, 4); i += 4)
        zmm_small(r + i, schedule_at, 0);
    return i;
}

static size_t records(const struct sealane_record *records, size_t count, size_t schedule_at)
{
    size_t i = 0, done = 1;
    for (; done != 0 && count - i >= 4; i += done) {
        const struct sealane_record *r = records + i;
        size_t left = count - i;
        if (record_is_tiny(r) && share_key(r, r->key) && (done = zmm_one_key(r, left, schedule_at)) != 0)
            continue;
        if ((done = run_tiny(r, left, schedule_at)) == 0 && (done = run_vectors(r, left, schedule_at)) == 0)
            done = run_small(r, left, schedule_at);
    }
    _mm256_zeroupper();
    return i;
}
