/* AES on bit planes, for any WORD: uint64_t, or a vector of it.  Plane m, the WORD q[m], holds bit m of the state bytes
 * of several blocks; where in it a byte's bit lies is the layout's own affair.
 *
 * Fixsliced (Adomnicai and Peyrin, "Fixslicing AES-like Ciphers", TCHES 2021): ShiftRows is left out.  With m of them
 * left out, the byte of row r and column c lies where that of column c + m r would be, and MixColumns takes the byte
 * one row below from m columns to the right.  After four it is as if there had been none.
 *
 * The includer defines WORD and ROTATE(x, rows, columns): what lies in row r and column c becomes what was in row
 * r + rows and column c + columns, modulo 4. */
#include "arch/each.h"

enum { PLANES = 8 };

/* Exchanges the bits of *a at mask << shift with those of *b at mask. */
static ALWAYS_INLINE void swap_bits(WORD *a, WORD *b, uint64_t mask, int shift)
{
    WORD t = (*a >> shift ^ *b) & mask;
    *b ^= t;
    *a ^= t << shift;
}

/* Transposes the 8 x 8 bit matrix that byte k of the eight WORDs forms, for each k; its own inverse. */
static ALWAYS_INLINE void transpose(WORD q[PLANES])
{
    for (int i = 0; i < PLANES; i += 2)
        swap_bits(&q[i], &q[i + 1], 0x5555555555555555, 1);
    for (int i = 0; i < PLANES; i += 4) {
        swap_bits(&q[i], &q[i + 2], 0x3333333333333333, 2);
        swap_bits(&q[i + 1], &q[i + 3], 0x3333333333333333, 2);
    }
    for (int i = 0; i < 4; i++)
        swap_bits(&q[i], &q[i + 4], 0x0f0f0f0f0f0f0f0f, 4);
}

/* The forward S-box without its constant 0x63, which the round keys have instead.  The circuit of Boyar and Peralta, "A
 * new combinational logic minimization technique with applications to cryptology" (SEA 2010), with their names: x0 and
 * s0 are the most significant bits. */
static ALWAYS_INLINE void sub_bytes(WORD q[PLANES])
{
    WORD x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1], x7 = q[0];

    WORD y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2;
    WORD y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8;
    WORD t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0, y11 = y20 ^ y9;
    WORD y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8, y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;

    WORD t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2;
    WORD t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
    WORD t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
    WORD t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
    WORD t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
    WORD t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24;
    WORD t34 = t23 ^ t33, t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36;
    WORD t39 = t29 & t38, t40 = t25 ^ t39, t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37,
         t45 = t42 ^ t41;

    WORD z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7;
    WORD z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4;
    WORD z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;

    WORD t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12, t51 = z2 ^ z5;
    WORD t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53;
    WORD t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58;
    WORD t64 = z4 ^ t59, t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65, s3 = t53 ^ t66;

    q[7] = t59 ^ t63;
    q[6] = t64 ^ s3;
    q[5] = t55 ^ t67;
    q[4] = s3;
    q[3] = t51 ^ t66;
    q[2] = t47 ^ t65;
    q[1] = t56 ^ t62;
    q[0] = t48 ^ t60;
}

/* Row r becomes 2 (a[r] ^ a[r+1]) ^ a[r+1] ^ a[r+2] ^ a[r+3], with m times ShiftRows left out.  m is a constant.  From
 * the highest bit down each sum is needed just twice: few are live at a time. */
#define MIX_COLUMNS(q, m)                                                                                              \
    do {                                                                                                               \
        WORD below = ROTATE(q[7], 1, m), sum = q[7] ^ below;                                                           \
        const WORD highest = sum;                                                                                      \
        for (int i = 7; i > 0; i--) {                                                                                  \
            WORD next_below = ROTATE(q[i - 1], 1, m), next_sum = q[i - 1] ^ next_below;                                \
            q[i] = below ^ ROTATE(sum, 2, 2 * (m)) ^ next_sum;                                                         \
            below = next_below;                                                                                        \
            sum = next_sum;                                                                                            \
        }                                                                                                              \
        q[0] = below ^ ROTATE(sum, 2, 2 * (m)) ^ highest;                                                              \
        q[1] ^= highest; /* x^8 = x^4 + x^3 + x + 1 */                                                                 \
        q[3] ^= highest;                                                                                               \
        q[4] ^= highest;                                                                                               \
    } while (0)
