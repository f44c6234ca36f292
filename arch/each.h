/* Loops over vector registers: written out, as compilers do not always keep an array of vectors in registers. */
#ifndef SEALANE_ARCH_EACH_H
#define SEALANE_ARCH_EACH_H

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Without it the compiler hoists the loads of round keys out of a loop and spills them to the stack. */
#define HIDE(pointer) __asm__ volatile("" : "+r"(pointer))

/* The same for loads of one state's round keys: clang finishes some states first, and hoards the keys of others. */
#define IN_STEP(pointer, state) __asm__ volatile("" : "+r"(pointer), "+v"(state))

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

/* X(0) ... X(11) as the cases of a switch. */
#define EACH_CASE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#endif
