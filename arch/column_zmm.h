/* Records in equal steps on 512-bit vectors: struct sl_kernel's `column`.  Include after records_zmm.h.
 *
 * No address is loaded, and nothing is asked about single records.  Side by side, four blocks are one load and one
 * store instead of four; putting a vector together from four places takes as long as its AES. */

/* What all of a column is at: iv, dst and src move on together. */
struct column {
    const uint8_t *iv;
    uint8_t *dst;
    const uint8_t *src;
    size_t iv_step;
    size_t step;
    size_t len;
};

static ALWAYS_INLINE void column_move(struct column *at, size_t n)
{
    at->iv += n * at->iv_step;
    at->dst += n * at->step;
    at->src += n * at->step;
}

/* What is known of tiny records, a constant: their data are blocks side by side, and so are their IVs; their data are
 * blocks; nothing. */
enum shape { DENSE, BLOCKS, SHORT };

/* Four blocks that are `step` bytes apart. */
static ALWAYS_INLINE __m512i load_four(const uint8_t *p, size_t step, enum shape shape)
{
    if (shape == DENSE)
        return LOAD(p);
    return four_lanes(load_block(p), load_block(p + step), load_block(p + 2 * step), load_block(p + 3 * step));
}

/* Round 14 of four records, their data and where they go. */
static ALWAYS_INLINE void finish_four(const struct column *at, size_t from, enum shape shape, __m512i s, __m512i key)
{
    uint8_t *dst = at->dst + from * at->step;
    const uint8_t *src = at->src + from * at->step;
    const size_t step = at->step;
    if (shape == SHORT) {
        s = _mm512_aesenclast_epi128(s, key);
        short_block(dst, src, at->len, _mm512_castsi512_si128(s));
        short_block(dst + step, src + step, at->len, _mm512_extracti32x4_epi32(s, 1));
        short_block(dst + 2 * step, src + 2 * step, at->len, _mm512_extracti32x4_epi32(s, 2));
        short_block(dst + 3 * step, src + 3 * step, at->len, _mm512_extracti32x4_epi32(s, 3));
        return;
    }
    s = _mm512_aesenclast_epi128(s, _mm512_xor_si512(key, load_four(src, step, shape)));
    if (shape == DENSE) {
        STORE(dst, s);
        return;
    }
    _mm_storeu_si128((__m128i *)dst, _mm512_castsi512_si128(s));
    _mm_storeu_si128((__m128i *)(dst + step), _mm512_extracti32x4_epi32(s, 1));
    _mm_storeu_si128((__m128i *)(dst + 2 * step), _mm512_extracti32x4_epi32(s, 2));
    _mm_storeu_si128((__m128i *)(dst + 3 * step), _mm512_extracti32x4_epi32(s, 3));
}

/* n vectors, a constant, of four blocks each, with one key. */
static ALWAYS_INLINE void group_of_blocks(const __m512i key[SL_AES_ROUNDS + 1], struct column *at, int n,
                                          enum shape shape)
{
    __m512i s[16];
#define X(i) s[i] = START(load_four(at->iv + 4 * (i)*at->iv_step, at->iv_step, shape), key[0]);
    EACH(n, X);
#undef X
#define X(r) zmm_round(s, n, key[(r) + 1]);
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
#define X(i) finish_four(at, 4 * (i), shape, s[i], key[SL_AES_ROUNDS]);
    EACH(n, X);
#undef X
    column_move(at, 4 * (size_t)n);
}

/* Sixteen at a time: a quarter faster than four, of which too few overlap. */
static ALWAYS_INLINE size_t column_of_blocks(const struct sealane_record *r, size_t count, struct column at,
                                             size_t schedule_at, enum shape shape)
{
    __m512i key[SL_AES_ROUNDS + 1];
    size_t i = 0;
    load_keys(key, r, schedule_at);
    const int n = shape == SHORT ? 2 : 4;
    for (; count - i >= (size_t)n * 4; i += (size_t)n * 4)
        group_of_blocks(key, &at, n, shape);
    return i;
}

/* Four round keys of each of four keys, from byte `from` of their schedules on; `last`, a constant: there are three. */
static ALWAYS_INLINE void four_round_keys(__m512i out[4], const struct sealane_record *r, size_t schedule_at, int from,
                                          int last)
{
    const __mmask8 mask = last ? 0x3f : 0xff;
    const uint8_t *k[4];
#define X(i) k[i] = (const uint8_t *)r[i].key + schedule_at + from;
    EACH(4, X);
#undef X
    transpose_keys(out, _mm512_maskz_loadu_epi64(mask, k[0]), _mm512_maskz_loadu_epi64(mask, k[1]),
                   _mm512_maskz_loadu_epi64(mask, k[2]), _mm512_maskz_loadu_epi64(mask, k[3]));
}

/* n vectors of four blocks, n 1 or 2, each block with its own key. */
static ALWAYS_INLINE void group_of_own_blocks(const struct sealane_record *r, size_t schedule_at, struct column *at,
                                              int n, enum shape shape)
{
    __m512i s[16], k[16][4];
#define KEYS(i) four_round_keys(k[i], r + 4 * (i), schedule_at, 64 * quarter, quarter == 3);
#define X(i) s[i] = load_four(at->iv + 4 * (i)*at->iv_step, at->iv_step, shape);
    EACH(n, X);
#undef X
#define X(i)                                                                                                           \
    s[i] = START(s[i], k[i][0]);                                                                                       \
    s[i] = ROUND(ROUND(ROUND(s[i], k[i][1]), k[i][2]), k[i][3]);
    {
        enum { quarter = 0 };
        EACH(n, KEYS);
        EACH(n, X);
    }
#undef X
#define X(i) s[i] = ROUND(ROUND(ROUND(ROUND(s[i], k[i][0]), k[i][1]), k[i][2]), k[i][3]);
    {
        enum { quarter = 1 };
        EACH(n, KEYS);
        EACH(n, X);
    }
    {
        enum { quarter = 2 };
        EACH(n, KEYS);
        EACH(n, X);
    }
#undef X
#define X(i)                                                                                                           \
    s[i] = ROUND(ROUND(s[i], k[i][0]), k[i][1]);                                                                       \
    finish_four(at, 4 * (i), shape, s[i], k[i][2]);
    {
        enum { quarter = 3 };
        EACH(n, KEYS);
        EACH(n, X);
    }
#undef X
#undef KEYS
    column_move(at, 4 * (size_t)n);
}

static ALWAYS_INLINE size_t column_of_own_blocks(const struct sealane_record *r, size_t count, struct column at,
                                                 size_t schedule_at, enum shape shape)
{
    size_t i = 0;
    const int n = shape == DENSE ? 2 : 1;
    for (; count - i >= (size_t)n * 4; i += (size_t)n * 4)
        group_of_own_blocks(r + i, schedule_at, &at, n, shape);
    return i;
}

#define KEY(i, round) (key ? key[round] : LOAD_KEY(schedule[(i) / vectors] + 16 * (round)))

/* One round, a constant, of `all` vectors.  Not a loop's variable: at -O2 gcc keeps that loop, and the keys in memory.
 */
static ALWAYS_INLINE void column_round(const __m512i *key, const uint8_t **schedule, __m512i *s, int all, int vectors,
                                       int round)
{
#define X(i)                                                                                                           \
    if (!key && (i) % vectors == 0)                                                                                    \
        IN_STEP(schedule[(i) / vectors], s[i]);                                                                        \
    s[i] = ROUND(s[i], KEY(i, round));
    EACH(all, X);
#undef X
}

/* n records of `vectors` each, constants, the last of them of any length if not `whole`; round keys in registers, or
 * NULL and loaded, each record's own.  What is less than a vector is loaded before anything is stored: a load waits for
 * a masked store to what lies within 64 bytes of it, as the next record may. */
static ALWAYS_INLINE void column_vectors(const __m512i *key, const struct sealane_record *r, size_t schedule_at,
                                         struct column *at, int n, int vectors, int whole)
{
    const __mmask64 mask = _bzhi_u64(~(uint64_t)0, (unsigned)at->len - 64 * ((unsigned)vectors - 1));
    __m512i s[16], tail[16];
    const uint8_t *schedule[16];
#define AT(member, i) (at->member + (i) / vectors * at->step + (i) % vectors * 64)
#define IS_TAIL(i) (!whole && (i) % vectors == vectors - 1)
    if (!key) {
#define X(i) schedule[i] = (const uint8_t *)r[i].key + schedule_at;
        EACH(n, X);
#undef X
    }
#define X(i)                                                                                                           \
    if (IS_TAIL(i))                                                                                                    \
        tail[i] = _mm512_maskz_loadu_epi8(mask, AT(src, i));                                                           \
    s[i] = START(vector_of_blocks(load_block(at->iv + (i) / vectors * at->iv_step), (i) % vectors), KEY(i, 0));
    EACH(n * vectors, X);
#undef X
#define X(r) column_round(key, schedule, s, n *vectors, vectors, (r) + 1);
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
#define X(i)                                                                                                           \
    if (IS_TAIL(i))                                                                                                    \
        _mm512_mask_storeu_epi8(AT(dst, i), mask, FINISH(s[i], s[i], KEY(i, SL_AES_ROUNDS), tail[i]));                 \
    else                                                                                                               \
        STORE(AT(dst, i), FINISH(s[i], s[i], KEY(i, SL_AES_ROUNDS), LOAD(AT(src, i))));
    EACH(n * vectors, X);
#undef X
#undef IS_TAIL
#undef AT
#undef KEY
    column_move(at, (size_t)n);
}

/* n at a time.  The keys are those of the caller's column, or NULL. */
static ALWAYS_INLINE size_t column_of(const __m512i *key, const struct sealane_record *r, size_t count,
                                      struct column at, size_t schedule_at, int n, int vectors, int whole)
{
    size_t i = 0;
    for (; count - i >= (size_t)n; i += (size_t)n)
        column_vectors(key, r + i, schedule_at, &at, n, vectors, whole);
    return i;
}

/* The same with one key, in registers. */
static ALWAYS_INLINE size_t column_of_vectors(const struct sealane_record *r, size_t count, struct column at,
                                              size_t schedule_at, int n, int vectors, int whole)
{
    __m512i key[SL_AES_ROUNDS + 1];
    load_keys(key, r, schedule_at);
    return column_of(key, r, count, at, schedule_at, n, vectors, whole);
}

/* Each way is a function of its own: together, their keys would be loaded once, and spilled between them. */
#define WAY(name, body)                                                                                                \
    static size_t __attribute__((noinline))                                                                            \
    column_##name(const struct sealane_record *r, size_t count, const struct column *at, size_t schedule_at)           \
    {                                                                                                                  \
        size_t done = body;                                                                                            \
        _mm256_zeroupper();                                                                                            \
        return done;                                                                                                   \
    }
WAY(dense, column_of_blocks(r, count, *at, schedule_at, DENSE))
WAY(blocks, column_of_blocks(r, count, *at, schedule_at, BLOCKS))
WAY(short, column_of_blocks(r, count, *at, schedule_at, SHORT))
WAY(own_dense, column_of_own_blocks(r, count, *at, schedule_at, DENSE))
WAY(own_blocks, column_of_own_blocks(r, count, *at, schedule_at, BLOCKS))
WAY(own_short, column_of_own_blocks(r, count, *at, schedule_at, SHORT))
WAY(vector, column_of_vectors(r, count, *at, schedule_at, 8, 1, 1))
WAY(to_64, column_of_vectors(r, count, *at, schedule_at, 4, 1, 0))
WAY(to_128, column_of_vectors(r, count, *at, schedule_at, 4, 2, 0))
WAY(to_192, column_of_vectors(r, count, *at, schedule_at, 2, 3, 0))
WAY(to_256, column_of_vectors(r, count, *at, schedule_at, 2, 4, 0))
WAY(own_vector, column_of(NULL, r, count, *at, schedule_at, 4, 1, 1))
WAY(own_to_64, column_of(NULL, r, count, *at, schedule_at, 4, 1, 0))
#undef WAY

static size_t column(const struct sealane_record *r, size_t count, size_t iv_step, size_t step, size_t schedule_at)
{
    const struct column at = {r->iv, r->dst, r->src, iv_step, step, r->len};
    const int own = r[0].key != r[1].key;
    if (r->len < 16)
        return own ? column_own_short(r, count, &at, schedule_at) : column_short(r, count, &at, schedule_at);
    if (r->len == 16 && iv_step == 16 && step == 16)
        return own ? column_own_dense(r, count, &at, schedule_at) : column_dense(r, count, &at, schedule_at);
    if (r->len == 16)
        return own ? column_own_blocks(r, count, &at, schedule_at) : column_blocks(r, count, &at, schedule_at);
    if (r->len == 64)
        return own ? column_own_vector(r, count, &at, schedule_at) : column_vector(r, count, &at, schedule_at);
    if (r->len < 64)
        return own ? column_own_to_64(r, count, &at, schedule_at) : column_to_64(r, count, &at, schedule_at);
    if (own)
        return 0; /* longer ones share nothing: as fast one by one, as are long ones with one key */
    if (r->len <= 128)
        return column_to_128(r, count, &at, schedule_at);
    if (r->len <= 192)
        return column_to_192(r, count, &at, schedule_at);
    if (r->len <= 256)
        return column_to_256(r, count, &at, schedule_at);
    return 0;
}
