/* AES-256-CTR with AES instructions, written once.  Include after defining:
 *
 *   | macro           | meaning                                                                                  |
 *   |-----------------|------------------------------------------------------------------------------------------|
 *   | T(name)         | the instance's name for a function                                                       |
 *   | VEC             | the vector type                                                                          |
 *   | LANES           | blocks in a VEC: 1, 2 or 4                                                               |
 *   | WIDE            | vectors in flight in the main loop: enough to hide the latency, at most 16               |
 *   | NARROW          | vectors in flight in what remains of it; a divisor of nothing, merely smaller than WIDE  |
 *   | KEYS_RESIDENT   | 1: the register file holds all round keys beside the WIDE states; 0: they are loaded     |
 *   |                 | again for each round                                                                     |
 *   | LOAD_KEY(p)     | a VEC with the 16 bytes at p, 16-byte aligned, in every lane                             |
 *   | ADVANCE(v, n)   | a counter VEC n vectors further, n a constant; no lane's low half wraps                  |
 *   | BLOCK(v)        | the big-endian counter blocks of a counter VEC, whose form is the instance's own         |
 *   | START(s, k)     | what comes before round 1; k(r) is round key r                                           |
 *   | ROUND(s, k, r)  | round r, 1 to 13                                                                         |
 *   | FINISH(s, k, d) | round 14, XORed with data d                                                              |
 *   | LOAD(p)         | unaligned load                                                                           |
 *   | STORE(p, v)     | unaligned store                                                                          |
 *
 * x86 adds the round key at the end of a round (AESENC), ARM at its beginning (AESE); START, ROUND and FINISH hide
 * that.  The last round key goes into the data first, off the critical path: FINISH costs no XOR after round 14.
 *
 * The instance gets type T(keys), T(bulk)() for whole vectors, and T(one)() for a vector in registers.  What then
 * remains, less than a VEC, is for a narrower instance or for a masked tail. */

#include <stddef.h>
#include <stdint.h>

#include "arch/kernel.h"

#ifndef UNROLL
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define ALWAYS_INLINE inline __attribute__((always_inline))
#endif

enum { T(VEC_LEN) = 16 * LANES };

#if KEYS_RESIDENT
typedef VEC T(keys)[SL_AES_ROUNDS + 1];
#define KEY(r) keys[r]
#else
typedef uint8_t T(keys)[SL_AES_ROUNDS + 1][16];
#define KEY(r) LOAD_KEY(keys[r])
#endif

/* One vector in registers: for what is not a whole vector in memory. */
static ALWAYS_INLINE VEC T(one)(const T(keys) keys, VEC counter, VEC data)
{
    VEC s = START(BLOCK(counter), KEY);
    UNROLL
    for (int r = 1; r < SL_AES_ROUNDS; r++)
        s = ROUND(s, KEY, r);
    return FINISH(s, KEY, data);
}

/* n vectors, a constant: one after another in program order, side by side in the pipeline. */
static ALWAYS_INLINE void T(group)(const T(keys) keys, VEC counter, int n, uint8_t *dst, const uint8_t *src)
{
    VEC s[WIDE];
    UNROLL
    for (int i = 0; i < n; i++)
        s[i] = START(BLOCK(ADVANCE(counter, i)), KEY);
    UNROLL
    for (int r = 1; r < SL_AES_ROUNDS; r++) {
        UNROLL
        for (int i = 0; i < n; i++)
            s[i] = ROUND(s[i], KEY, r);
    }
    UNROLL
    for (int i = 0; i < n; i++)
        STORE(dst + i * T(VEC_LEN), FINISH(s[i], KEY, LOAD(src + i * T(VEC_LEN))));
}

/* Takes the whole vectors of len bytes; returns how many bytes those were and moves *counter past them. */
static ALWAYS_INLINE size_t T(bulk)(const T(keys) keys, VEC *counter, uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t done = 0;
    VEC c = *counter;
    for (; len - done >= WIDE * T(VEC_LEN); done += WIDE * T(VEC_LEN)) {
#if !KEYS_RESIDENT
        /* Without this the compiler hoists the loads out of the loop and spills them to the stack. */
        __asm__ volatile("" : "+r"(keys));
#endif
        T(group)(keys, c, WIDE, dst + done, src + done);
        c = ADVANCE(c, WIDE);
    }
    for (; len - done >= NARROW * T(VEC_LEN); done += NARROW * T(VEC_LEN)) {
        T(group)(keys, c, NARROW, dst + done, src + done);
        c = ADVANCE(c, NARROW);
    }
    for (; len - done >= T(VEC_LEN); done += T(VEC_LEN)) {
        T(group)(keys, c, 1, dst + done, src + done);
        c = ADVANCE(c, 1);
    }
    *counter = c;
    return done;
}

#undef KEY
