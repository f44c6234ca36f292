/* AES-256-CTR with AES instructions, written once.  Include after defining:
 *
 *   | macro           | meaning                                                                                  |
 *   |-----------------|------------------------------------------------------------------------------------------|
 *   | T(name)         | the instance's name for a function                                                       |
 *   | VEC             | the vector type                                                                          |
 *   | LANES           | blocks in a VEC: 1, 2 or 4                                                               |
 *   | WIDE            | vectors in flight in the main loop: enough to hide the latency, at most 12               |
 *   | WIDE_COUNTING   | the same where a counter, its step and BLOCK's mask need registers, too: none is spilt   |
 *   | KEYS_RESIDENT   | 1: the register file holds all round keys beside WIDE states; 0: each is loaded at use   |
 *   | LOAD_KEY(p)     | a VEC with the 16 bytes at p, 16-byte aligned, in every lane                             |
 *   | NEXT(v)         | a counter VEC one vector further; no lane's low half wraps                               |
 *   | COUNTER(hi, lo) | a counter VEC whose lanes count up from that counter block                               |
 *   | SAME(hi, lo)    | one with that counter block in every lane                                                |
 *   | BLEND(a, b, n)  | the first n lanes of a, the others of b; 0 < n < LANES                                   |
 *   | FROM_TABLE(t, c, k) | the next round, with key k, of t ^ c                                                 |
 *   | OPAQUE(v)       | an empty asm that hides from the compiler where v came from                              |
 *   | BLOCK(v)        | the big-endian counter blocks of a counter VEC, whose form is the instance's own         |
 *   | START(s, k0)    | what comes before round 1                                                                |
 *   | ROUND(s, k)     | one of the rounds 1 to 13, with the keys FIRST_KEY, FIRST_KEY + 1, ...                   |
 *   | FIRST_KEY       | 1 where a round adds its key at the end (x86), 0 where at the beginning (ARM)            |
 *   | FINISH(s, k13, k14, d) | round 14, XORed with data d                                                       |
 *   | LOAD(p)         | unaligned load                                                                           |
 *   | STORE(p, v)     | unaligned store                                                                          |
 *   | STORE_NT(p, v)  | aligned store past the caches                                                            |
 *   | FENCE()         | orders such stores before all that follow                                                |
 *   | PREFETCH(p)     | fetches the cache line at p, which need not be the caller's, ahead of its use            |
 *   | TAIL(dst, src, v, n) | dst = src ^ v for n bytes, less than a VEC and at least one                         |
 *
 * AESENC adds the round key at the end of a round, AESE at its beginning: START, FIRST_KEY and FINISH hide that.  The
 * last round key goes into the data first, off the critical path, so that no XOR follows round 14.
 *
 * The instance gets T(plain)() for any length, T(one)() for a vector in registers, and what struct sl_face asks for. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arch/each.h"
#include "arch/kernel.h"

enum { T(VEC_LEN) = 16 * LANES };

#ifndef CTR_DECLARED /* a wide kernel has two instances */
#define CTR_DECLARED
static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len);
#endif

_Static_assert(WIDE <= 12 && WIDE_COUNTING <= WIDE, "EACH_CASE writes out so many");

/* Round keys: `resident` in registers, or NULL (a constant in each inlined call) and loaded from the schedule at each
 * use. */
#define KEY(r) (resident ? resident[r] : LOAD_KEY((const uint8_t *)schedule + 16 * (r)))

/* Where the states of a group come from: counter blocks, with table NULL, or a table of states after round `skip`. */
struct T(source) {
    VEC counter;
    const uint8_t *table; /* the next vector's first entry */
    VEC rest;             /* C: what XORed to an entry completes the state */
    VEC last_rest;        /* the same for the last vector, which may reach beyond the 256 blocks */
    size_t ahead;         /* bytes: the data so much further on is fetched meanwhile */
};

static ALWAYS_INLINE void T(round)(VEC *s, int n, VEC key)
{
#define X(i) s[i] = ROUND(s[i], key);
    EACH(n, X);
#undef X
}

/* What is left of n states after round `first` - 1, but for round 14. */
static ALWAYS_INLINE void T(middle_rounds)(const void *schedule, const VEC *resident, VEC *s, int n, int first)
{
#define X(r)                                                                                                           \
    if ((r) + 1 >= first)                                                                                              \
        T(round)(s, n, KEY((r) + FIRST_KEY));
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
}

/* Counter blocks as they are after `skip` rounds, but for the key that ARM adds with the next one. */
static ALWAYS_INLINE VEC T(state)(const void *schedule, VEC counter, int skip)
{
    const VEC *const resident = NULL;
    VEC s = START(BLOCK(counter), KEY(0));
#define X(i) T(round)(&s, 1, KEY((i) + FIRST_KEY));
    EACH(skip, X);
#undef X
    return s;
}

/* One vector in registers: for what is not a whole vector in memory. */
static ALWAYS_INLINE VEC T(one)(const void *schedule, VEC counter, VEC data)
{
    const VEC *const resident = NULL;
    VEC s = T(state)(schedule, counter, SL_AES_ROUNDS - 1);
    return FINISH(s, KEY(13), KEY(14), data);
}

/* The states of n vectors, a constant, after round 13; of the last one by last_rest.  Moves the source on.  Counting
 * step by step needs one constant; gcc would rather use one for each vector, and spill round keys. */
static ALWAYS_INLINE void T(group)(const void *schedule, const VEC *resident, struct T(source) * from, int skip, int n,
                                   VEC last_rest, VEC *s)
{
    if (skip) {
#define X(i)                                                                                                           \
    s[i] = FROM_TABLE(LOAD(from->table + T(VEC_LEN) * (i)), (i) == n - 1 ? last_rest : from->rest,                     \
                      KEY(skip + FIRST_KEY));
        EACH(n, X);
#undef X
        from->table += n * T(VEC_LEN);
        T(middle_rounds)(schedule, resident, s, n, skip + 2);
        return;
    }
#define X(i)                                                                                                           \
    s[i] = START(BLOCK(from->counter), KEY(0));                                                                        \
    from->counter = NEXT(from->counter);                                                                               \
    OPAQUE(from->counter);
    EACH(n, X);
#undef X
    T(middle_rounds)(schedule, resident, s, n, 1);
}

static ALWAYS_INLINE void T(fetch)(const uint8_t *p, int n)
{
#define X(i)                                                                                                           \
    if (T(VEC_LEN) * (i) % 64 == 0)                                                                                    \
        PREFETCH(p + T(VEC_LEN) * (i));
    EACH(n, X);
#undef X
}

/* Round 14, XORed into n vectors of data; nt: past the caches, to aligned dst. */
static ALWAYS_INLINE void T(finish)(const void *schedule, const VEC *resident, const VEC *s, int n, int nt,
                                    uint8_t *dst, const uint8_t *src)
{
#define X(i)                                                                                                           \
    if (nt)                                                                                                            \
        STORE_NT(dst + T(VEC_LEN) * (i), FINISH(s[i], KEY(13), KEY(14), LOAD(src + T(VEC_LEN) * (i))));                \
    else                                                                                                               \
        STORE(dst + T(VEC_LEN) * (i), FINISH(s[i], KEY(13), KEY(14), LOAD(src + T(VEC_LEN) * (i))));
    EACH(n, X);
#undef X
}

/* The last n vectors of a run, the last of which may be a partial one: all but that are done, its keystream is
 * returned. So whatever the length, what is left after the main loop is one group, with one latency. */
static ALWAYS_INLINE VEC T(last_group)(const void *schedule, struct T(source) * from, int skip, int n, uint8_t *dst,
                                       const uint8_t *src)
{
    const VEC *const resident = NULL;
    VEC s[16]; /* all that EACH can name: clang warns of indices in branches that are never taken */
    if (skip)
        T(fetch)(src + from->ahead, n);
    T(group)(schedule, resident, from, skip, n, from->last_rest, s);
    T(finish)(schedule, resident, s, n - 1, 0, dst, src);
    return FINISH(s[n - 1], KEY(13), KEY(14), (VEC){0});
}

/* Any length but 0, all from one source.  The main loop has keys of its own: shared with the groups they would be
 * spilled around them.  It leaves 1 to `wide` vectors. */
static ALWAYS_INLINE void T(run)(const void *schedule, struct T(source) * from, int skip, int nt, uint8_t *dst,
                                 const uint8_t *src, size_t len)
{
    const int wide = skip ? WIDE : WIDE_COUNTING; /* NOLINT(bugprone-branch-clone): the same for some */
    if (len > (size_t)wide * T(VEC_LEN)) {
#if KEYS_RESIDENT
        VEC resident[SL_AES_ROUNDS + 1];
#define X(r)                                                                                                           \
    if ((r) >= (skip ? skip + FIRST_KEY : 0)) {                                                                        \
        resident[r] = LOAD_KEY((const uint8_t *)schedule + 16 * (r));                                                  \
        OPAQUE(resident[r]);                                                                                           \
    }
        EACH(SL_AES_ROUNDS + 1, X);
#undef X
#else
        const VEC *const resident = NULL;
#endif
        do {
            VEC s[16];
            HIDE(schedule);
            if (skip)
                T(fetch)(src + from->ahead, wide);
            T(group)(schedule, resident, from, skip, wide, from->rest, s);
            T(finish)(schedule, resident, s, wide, nt, dst, src);
            dst += wide * T(VEC_LEN);
            src += wide * T(VEC_LEN);
            len -= (size_t)wide * T(VEC_LEN);
        } while (len > (size_t)wide * T(VEC_LEN));
    }
    HIDE(schedule);
    /* Four whole vectors, 256 bytes for vaes-avx512: a twentieth faster than by what follows.  With 16 registers gcc
     * would prepare for both, and spill states. */
    if (KEYS_RESIDENT && len == 4 * T(VEC_LEN)) {
        VEC s[16];
        HIDE(schedule);
        if (skip)
            T(fetch)(src + from->ahead, 4);
        T(group)(schedule, NULL, from, skip, 4, from->last_rest, s);
        T(finish)(schedule, NULL, s, 4, 0, dst, src);
        return;
    }
    VEC last;
    size_t before = (len - 1) / T(VEC_LEN); /* vectors before the last one */
    switch (before) {
#define X(i)                                                                                                           \
    case i:                                                                                                            \
        if ((i) >= wide)                                                                                               \
            __builtin_unreachable();                                                                                   \
        last = T(last_group)(schedule, from, skip, (i) + 1, dst, src);                                                 \
        break;
        EACH_CASE(X)
#undef X
    default:
        __builtin_unreachable();
    }
    dst += before * T(VEC_LEN);
    src += before * T(VEC_LEN);
    len -= before * T(VEC_LEN);
    if (len == T(VEC_LEN))
        STORE(dst, LOAD(src) ^ last);
    else
        TAIL(dst, src, last, len);
}

/* Any length but 0, by counter blocks. */
static ALWAYS_INLINE void T(plain)(const void *schedule, VEC counter, uint8_t *dst, const uint8_t *src, size_t len)
{
    struct T(source) from = {.counter = counter};
    T(run)(schedule, &from, 0, 0, dst, src, len);
}

/* What completes the table's entries for the 256 blocks that (hi, lo) is one of. */
static ALWAYS_INLINE VEC T(rest)(const void *schedule, const uint8_t *table, int skip, uint64_t hi, uint64_t lo)
{
    return T(state)(schedule, SAME(hi, lo - lo % 256), skip) ^ LOAD_KEY(table);
}

/* Fills a table for T(from_table)() with the states of the 256 blocks that (hi, lo) is one of.  For skip 2 it serves
 * all with the same nonce, for skip 1 all: what else the states depend on, T(rest)() takes away again. */
static ALWAYS_INLINE void T(make_table)(const void *schedule, uint8_t *table, int skip, uint64_t hi, uint64_t lo)
{
    VEC counter = COUNTER(hi, lo - lo % 256);
    for (int i = 0; i < 256; i += LANES) {
        STORE(table + 16 * i, T(state)(schedule, counter, skip));
        counter = NEXT(counter);
    }
    memcpy(table + 16 * 256, table, SL_FACE_TABLE_LEN - 16 * 256);
}

/* From counter block (hi, lo) to the end of its 256 blocks, or of len, not 0, by a table of states after round `skip`
 * (docs/KERNELS.md).  256 blocks share one C; a last vector of theirs that reaches into the next 256 takes each lane's
 * own: behind the table's last entry its first ones are repeated.  Returns how many bytes were done. */
static ALWAYS_INLINE size_t T(run_from_table)(const void *schedule, const uint8_t *table, int skip, uint64_t hi,
                                              uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t left = 256 - lo % 256; /* blocks */
    size_t n = (left + LANES - 1) / LANES * T(VEC_LEN);
    struct T(source) from = {.table = table + 16 * (lo % 256), .rest = T(rest)(schedule, table, skip, hi, lo)};
    from.last_rest = from.rest;
    if (LANES > 1 && left % LANES != 0 && len > 16 * left)
        from.last_rest = BLEND(from.rest, T(rest)(schedule, table, skip, hi, lo + left), left % LANES);
    if (n > len)
        n = len;
    /* Loads of entries between those of data hide from the hardware's prefetcher that data comes in order.  Where no
     * run follows, fetching within this one makes pieces of 4 KiB at random in 64 MiB a fifth faster. */
    from.ahead = len - n > SL_FACE_RUN ? SL_FACE_RUN : SL_FACE_FETCH;
    T(run)(schedule, &from, skip, 0, dst, src, n);
    return n;
}

/* The functions of struct sl_face, for skip 1 and 2. */
static inline void T(make_key_table)(const void *schedule, uint8_t *table, uint64_t hi, uint64_t lo)
{
    T(make_table)(schedule, table, 1, hi, lo);
}

static inline void T(make_nonce_table)(const void *schedule, uint8_t *table, uint64_t hi, uint64_t lo)
{
    T(make_table)(schedule, table, 2, hi, lo);
}

/* Runs are out of line: else compilers carry what all of them share through the groups, where it costs registers. */
#define CTR_FROM_TABLE(name, skip)                                                                                     \
    static __attribute__((noinline, unused)) size_t T(run_##name)(const void *schedule, const uint8_t *table,          \
                                                                  uint64_t hi, uint64_t lo, uint8_t *dst,              \
                                                                  const uint8_t *src, size_t len)                      \
    {                                                                                                                  \
        return T(run_from_table)(schedule, table, skip, hi, lo, dst, src, len);                                        \
    }                                                                                                                  \
    static inline void T(ctr_##name)(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo,             \
                                     uint8_t *dst, const uint8_t *src, size_t len)                                     \
    {                                                                                                                  \
        while (len) {                                                                                                  \
            size_t n = T(run_##name)(schedule, table, hi, lo, dst, src, len);                                          \
            dst += n;                                                                                                  \
            src += n;                                                                                                  \
            len -= n;                                                                                                  \
            lo += n / 16;                                                                                              \
        }                                                                                                              \
    }
CTR_FROM_TABLE(by_key, 1)
CTR_FROM_TABLE(by_nonce, 2)
#undef CTR_FROM_TABLE

/* For struct sl_kernel: past the caches, but for the ends, from where dst is aligned to a cache line. */
static inline void T(ctr_nt)(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src,
                             size_t len)
{
    size_t done = -(uintptr_t)dst % 64;
    if (done % 16 != 0 || len <= done) { /* no block ends on a line */
        ctr(schedule, hi, lo, dst, src, len);
        return;
    }
    if (done != 0)
        ctr(schedule, hi, lo, dst, src, done);
    struct T(source) from = {.counter = COUNTER(hi, lo + done / 16)};
    T(run)(schedule, &from, 0, 1, dst + done, src + done, len - done);
    FENCE();
}

#undef KEY
