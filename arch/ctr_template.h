/* AES-256-CTR with AES instructions, written once.  Include after defining:
 *
 *   | macro          | meaning                                                                              |
 *   |----------------|--------------------------------------------------------------------------------------|
 *   | T(name)        | the instance's name for a function                                                   |
 *   | VEC            | the vector type                                                                      |
 *   | LANES          | blocks a VEC holds: 1, 2 or 4                                                        |
 *   | WIDE           | vectors in flight in the main loop; with the keys at most the register file          |
 *   | KEYS_IN_VECTORS| 1: round keys stay in registers over the whole call; 0: loaded from memory at each use |
 *   | LOAD_KEY(p)    | a VEC with the 16 bytes at p, 16-byte aligned, in every lane                         |
 *   | COUNTER(c)     | a VEC whose lanes count up from struct sl_counter c, in the instance's own form      |
 *   | ADVANCE(v, n)  | that VEC n vectors (a constant) further; no lane's low half wraps                    |
 *   | BLOCK(v)       | its big-endian counter blocks                                                        |
 *   | START(s, k)    | what comes before round 1; k is a function-like macro from round number to key       |
 *   | ROUND(s, k, r) | round r of 1 to 13                                                                   |
 *   | FINISH(s, k, d)| round 14, XORed with data d                                                          |
 *   | LOAD(p)        | unaligned load                                                                       |
 *   | STORE(p, v)    | unaligned store                                                                      |
 *
 * x86 instructions add the round key last (AESENC), ARM's add it first (AESE): START, ROUND and FINISH hide that.  The
 * instance gets T(bulk): whole vectors only; what remains, less than one VEC, is for a narrower instance or a masked tail. */

#include "arch/kernel.h"

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define ALWAYS_INLINE inline __attribute__((always_inline))
