/* AES-256-CTR with AES instructions, written once.  Include after defining:
 *
 *   | macro           | meaning                                                                                  |
 *   |-----------------|------------------------------------------------------------------------------------------|
 *   | T(name)         | the instance's name for a function                                                       |
 *   | VEC             | the vector type                                                                          |
 *   | LANES           | blocks in a VEC: 1, 2 or 4                                                               |
 *   | WIDE            | vectors in flight in the main loop: enough to hide the latency, at most 16               |
 *   | WIDE_COUNTING   | the same where a counter, its step and BLOCK's mask need registers, too: none is spilt   |
 *   | NARROW          | vectors in flight in what the main loop leaves                                           |
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
 *
 * AESENC adds the round key at the end of a round, AESE at its beginning: START, FIRST_KEY and FINISH hide that.  The
 * last round key goes into the data first, off the critical path, so that no XOR follows round 14.
 *
 * The instance gets T(bulk)() for whole vectors, T(one)() for a vector in registers, and what struct sl_face asks for.
 * What then remains, less than a VEC, is for a narrower instance or for a masked tail; the kernel's ctr(), which knows
 * them all, is defined after the template. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arch/each.h"
#include "arch/kernel.h"

enum { T(VEC_LEN) = 16 * LANES };

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len);

/* Round keys: `resident` in registers, or NULL (a constant in each inlined call) and loaded from the schedule at each
 * use. */
#define KEY(r) (resident ? resident[r] : LOAD_KEY((const uint8_t *)schedule + 16 * (r)))

/* Where the states of a group come from: counter blocks, with table NULL, or a table of states after round `skip`. */
struct T(source) {
    VEC counter;
    const uint8_t *table; /* the next vector's first entry */
    VEC rest;             /* C: what XORed to an entry completes the state */
};

static ALWAYS_INLINE void T(round)(VEC *s, int n, VEC key)
{
#define X(i) s[i] = ROUND(s[i], key);
    EACH(n, X);
#undef X
}

/* What is left of n states after round `first` - 1, XORed into the data. */
static ALWAYS_INLINE void T(last_rounds)(const void *schedule, const VEC *resident, VEC *s, int n, int first,
                                         uint8_t *dst, const uint8_t *src)
{
#define X(r)                                                                                                           \
    if ((r) + 1 >= first)                                                                                              \
        T(round)(s, n, KEY((r) + FIRST_KEY));
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
#define X(i) STORE(dst + T(VEC_LEN) * (i), FINISH(s[i], KEY(13), KEY(14), LOAD(src + T(VEC_LEN) * (i))));
    EACH(n, X);
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

/* n vectors, a constant: one after another in program order, side by side in the pipeline.  Moves the source on.
 * Counting step by step needs one constant; gcc would rather use one for each vector, and spill round keys. */
static ALWAYS_INLINE void T(group)(const void *schedule, const VEC *resident, struct T(source) * from, int skip, int n,
                                   uint8_t *dst, const uint8_t *src)
{
    VEC s[16]; /* all that EACH can name: clang warns of indices in branches that are never taken */
    if (skip) {
#define X(i) s[i] = FROM_TABLE(LOAD(from->table + T(VEC_LEN) * (i)), from->rest, KEY(skip + FIRST_KEY));
        EACH(n, X);
#undef X
        from->table += n * T(VEC_LEN);
        T(last_rounds)(schedule, resident, s, n, skip + 2, dst, src);
        return;
    }
#define X(i)                                                                                                           \
    s[i] = START(BLOCK(from->counter), KEY(0));                                                                        \
    from->counter = NEXT(from->counter);                                                                               \
    OPAQUE(from->counter);
    EACH(n, X);
#undef X
    T(last_rounds)(schedule, resident, s, n, 1, dst, src);
}

/* Whole vectors of len bytes, all from one source.  The main loop has keys of its own: shared with the other loops they
 * would be spilled around them. */
static ALWAYS_INLINE size_t T(run)(const void *schedule, struct T(source) * from, int skip, uint8_t *dst,
                                   const uint8_t *src, size_t len)
{
    const int wide = skip ? WIDE : WIDE_COUNTING; /* NOLINT(bugprone-branch-clone): the same for some */
    size_t done = 0;
    if (len >= (size_t)wide * T(VEC_LEN)) {
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
            HIDE(schedule);
            T(group)(schedule, resident, from, skip, wide, dst + done, src + done);
            done += (size_t)wide * T(VEC_LEN);
        } while (len - done >= (size_t)wide * T(VEC_LEN));
    }
    for (; len - done >= NARROW * T(VEC_LEN); done += NARROW * T(VEC_LEN)) {
        HIDE(schedule);
        T(group)(schedule, NULL, from, skip, NARROW, dst + done, src + done);
    }
    for (; len - done >= T(VEC_LEN); done += T(VEC_LEN)) {
        HIDE(schedule);
        T(group)(schedule, NULL, from, skip, 1, dst + done, src + done);
    }
    return done;
}

/* Takes the whole vectors of len bytes; returns how many bytes those were and moves *counter past them. */
static ALWAYS_INLINE size_t T(bulk)(const void *schedule, VEC *counter, uint8_t *dst, const uint8_t *src, size_t len)
{
    struct T(source) from = {.counter = *counter};
    size_t done = T(run)(schedule, &from, 0, dst, src, len);
    *counter = from.counter;
    return done;
}

/* What completes the table's entries for the 256 blocks that (hi, lo) is one of. */
static ALWAYS_INLINE VEC T(rest)(const void *schedule, const uint8_t *table, int skip, uint64_t hi, uint64_t lo)
{
    return T(state)(schedule, SAME(hi, lo - lo % 256), skip) ^ LOAD_KEY(table);
}

/* Fills a table for bulk_from_table() with the states of the 256 blocks that (hi, lo) is one of.  For skip 2 it serves
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

/* The same by a table of states after round `skip` (docs/KERNELS.md).  256 blocks share one C, and a vector that
 * reaches into the next 256 takes each lane's own: behind the table's last entry its first ones are repeated.  Returns
 * how many bytes were done, whole vectors. */
static ALWAYS_INLINE size_t T(bulk_from_table)(const void *schedule, const uint8_t *table, int skip, uint64_t hi,
                                               uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t done = 0;
    struct T(source) from;
    len -= len % T(VEC_LEN);
    from.rest = T(rest)(schedule, table, skip, hi, lo);
    while (done < len) {
        size_t low = lo % 256;
        size_t run = (256 - low) / LANES * T(VEC_LEN);
        if (run > len - done)
            run = len - done;
        from.table = table + 16 * low;
        T(run)(schedule, &from, skip, dst + done, src + done, run);
        done += run;
        lo += run / 16;
        if (done == len)
            break;
        VEC next = T(rest)(schedule, table, skip, hi, lo + LANES);
        if (LANES > 1 && lo % 256 != 0) {
            from.table = table + 16 * (lo % 256);
            from.rest = BLEND(from.rest, next, 256 - lo % 256);
            T(run)(schedule, &from, skip, dst + done, src + done, T(VEC_LEN));
            done += T(VEC_LEN);
            lo += LANES;
        }
        from.rest = next;
    }
    return done;
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

static inline void T(ctr_by_key)(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,
                                 const uint8_t *src, size_t len)
{
    size_t done = T(bulk_from_table)(schedule, table, 1, hi, lo, dst, src, len);
    if (done != len)
        ctr(schedule, hi, lo + done / 16, dst + done, src + done, len - done);
}

static inline void T(ctr_by_nonce)(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,
                                   const uint8_t *src, size_t len)
{
    size_t done = T(bulk_from_table)(schedule, table, 2, hi, lo, dst, src, len);
    if (done != len)
        ctr(schedule, hi, lo + done / 16, dst + done, src + done, len - done);
}

#undef KEY
