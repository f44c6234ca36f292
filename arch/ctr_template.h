/* AES-256-CTR with AES instructions, written once.  Include after defining:
 *
 *   | macro           | meaning                                                                                  |
 *   |-----------------|------------------------------------------------------------------------------------------|
 *   | T(name)         | the instance's name for a function                                                       |
 *   | VEC             | the vector type                                                                          |
 *   | LANES           | blocks in a VEC: 1, 2 or 4                                                               |
 *   | WIDE            | vectors in flight in the main loop: enough to hide the latency, at most 16               |
 *   | NARROW          | vectors in flight in what the main loop leaves                                           |
 *   | KEYS_RESIDENT   | 1: the register file holds all round keys beside WIDE states; 0: each is loaded at use   |
 *   | LOAD_KEY(p)     | a VEC with the 16 bytes at p, 16-byte aligned, in every lane                             |
 *   | NEXT(v)         | a counter VEC one vector further; no lane's low half wraps                               |
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
 * The instance gets T(bulk)() for whole vectors, and T(one)() for a vector in registers.  What then remains, less than
 * a VEC, is for a narrower instance or for a masked tail. */

#include <stddef.h>
#include <stdint.h>

#include "arch/kernel.h"

#ifndef ALWAYS_INLINE
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Without it the compiler hoists the loads of round keys out of a loop and spills them to the stack. */
#define HIDE(pointer) __asm__ volatile("" : "+r"(pointer))

/* X(0) ... X(n - 1) for a constant n of at most 16, written out: clang 14 turns an unrolled loop over an array of
 * vectors into memory traffic, at a third of the speed, and gcc does so now and then. */
#define EACH(n, X)                                                                                                     \
    do {                                                                                                               \
        EACH_4(n, X, 0)                                                                                                \
        EACH_4(n, X, 4)                                                                                                \
        EACH_4(n, X, 8)                                                                                                \
        EACH_4(n, X, 12)                                                                                               \
    } while (0)
#define EACH_4(n, X, i) EACH_1(n, X, i) EACH_1(n, X, i + 1) EACH_1(n, X, i + 2) EACH_1(n, X, i + 3)
#define EACH_1(n, X, i)                                                                                                \
    if ((i) < (n)) {                                                                                                   \
        X(i)                                                                                                           \
    }
#endif

enum { T(VEC_LEN) = 16 * LANES };

/* Round keys: `resident` in registers, or NULL (a constant in each inlined call) and loaded from the schedule at each
 * use. */
#define KEY(r) (resident ? resident[r] : LOAD_KEY((const uint8_t *)schedule + 16 * (r)))

static ALWAYS_INLINE void T(round)(VEC *s, int n, VEC key)
{
#define X(i) s[i] = ROUND(s[i], key);
    EACH(n, X);
#undef X
}

/* One vector in registers: for what is not a whole vector in memory. */
static ALWAYS_INLINE VEC T(one)(const void *schedule, VEC counter, VEC data)
{
    const VEC *const resident = NULL;
    VEC s = START(BLOCK(counter), KEY(0));
#define X(i) T(round)(&s, 1, KEY(i + FIRST_KEY));
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
    return FINISH(s, KEY(13), KEY(14), data);
}

/* n vectors, a constant: one after another in program order, side by side in the pipeline.  Returns the counter after
 * them.  Counting step by step needs one constant; gcc would rather use one for each vector, and spill round keys. */
static ALWAYS_INLINE VEC T(group)(const void *schedule, const VEC *resident, VEC counter, int n, uint8_t *dst,
                                  const uint8_t *src)
{
    VEC s[16]; /* all that EACH can name: clang warns of indices in branches that are never taken */
#define X(i)                                                                                                           \
    s[i] = START(BLOCK(counter), KEY(0));                                                                              \
    counter = NEXT(counter);                                                                                           \
    OPAQUE(counter);
    EACH(n, X);
#undef X
#define X(i) T(round)(s, n, KEY(i + FIRST_KEY));
    EACH(SL_AES_ROUNDS - 1, X);
#undef X
#define X(i) STORE(dst + T(VEC_LEN) * (i), FINISH(s[i], KEY(13), KEY(14), LOAD(src + T(VEC_LEN) * (i))));
    EACH(n, X);
#undef X
    return counter;
}

/* The main loop, with keys of its own: shared with the other loops they would be spilled around them. */
static ALWAYS_INLINE size_t T(wide)(const void *schedule, VEC *counter, uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t done = 0;
    VEC c = *counter;
#if KEYS_RESIDENT
    VEC resident[SL_AES_ROUNDS + 1];
#define X(r)                                                                                                           \
    resident[r] = LOAD_KEY((const uint8_t *)schedule + 16 * (r));                                                      \
    OPAQUE(resident[r]);
    EACH(SL_AES_ROUNDS + 1, X);
#undef X
#else
    const VEC *const resident = NULL;
#endif
    do {
        HIDE(schedule);
        c = T(group)(schedule, resident, c, WIDE, dst + done, src + done);
        done += WIDE * T(VEC_LEN);
    } while (len - done >= WIDE * T(VEC_LEN));
    *counter = c;
    return done;
}

/* Takes the whole vectors of len bytes; returns how many bytes those were and moves *counter past them. */
static ALWAYS_INLINE size_t T(bulk)(const void *schedule, VEC *counter, uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t done = 0;
    if (len >= WIDE * T(VEC_LEN))
        done = T(wide)(schedule, counter, dst, src, len);
    VEC c = *counter;
    for (; len - done >= NARROW * T(VEC_LEN); done += NARROW * T(VEC_LEN)) {
        HIDE(schedule);
        c = T(group)(schedule, NULL, c, NARROW, dst + done, src + done);
    }
    for (; len - done >= T(VEC_LEN); done += T(VEC_LEN)) {
        HIDE(schedule);
        c = T(group)(schedule, NULL, c, 1, dst + done, src + done);
    }
    *counter = c;
    return done;
}

#undef KEY
