/* AES-256-CTR bitsliced over 64-bit words: four blocks at a time, no tables, no branch or address that depends on key
 * or data, any architecture and byte order.
 *
 * Plane m holds bit m of every state byte of four blocks; the byte in row r and column c of block b is at bit 16 r + 4
 * c + b. So ShiftRows turns each 16-bit lane, MixColumns turns whole words, and SubBytes is a circuit of ANDs and XORs.
 */
#include "arch/kernel.h"
#include "arch/partial.h"
#include "base/wipe.h"

enum { BLOCKS = 4, PLANES = 8 };

typedef uint64_t word;

struct schedule {
    word round_key[SL_AES_ROUNDS + 1][PLANES];
};

_Static_assert(sizeof(struct schedule) <= SL_SCHEDULE_MAX, "the largest schedule");

/* Exchanges the bits of *a at mask << shift with those of *b at mask. */
static inline void swap_bits(word *a, word *b, word mask, int shift)
{
    word t = (*a >> shift ^ *b) & mask;
    *b ^= t;
    *a ^= t << shift;
}

/* Transposes the 8 x 8 bit matrix that byte k of the eight words forms, for each k; its own inverse. */
static inline void transpose(word q[PLANES])
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

/* The four bytes of x to the even bytes of a word. */
static inline word spread(uint32_t x)
{
    word w = x;
    w = (w | w << 16) & 0x0000ffff0000ffff;
    return (w | w << 8) & 0x00ff00ff00ff00ff;
}

static inline uint32_t gather(word w)
{
    w &= 0x00ff00ff00ff00ff;
    w = (w | w >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(w | w >> 16);
}

/* Block b, as two little-endian halves of its bytes, to where transpose() expects it. */
static inline void place_block(word q[PLANES], int b, uint64_t low, uint64_t high)
{
    q[b] = spread((uint32_t)low) | spread((uint32_t)high) << 8;
    q[b + 4] = spread((uint32_t)(low >> 32)) | spread((uint32_t)(high >> 32)) << 8;
}

static inline void take_block(const word q[PLANES], int b, uint64_t half[2])
{
    half[0] = gather(q[b]) | (uint64_t)gather(q[b + 4]) << 32;
    half[1] = gather(q[b] >> 8) | (uint64_t)gather(q[b + 4] >> 8) << 32;
}

/* The forward S-box by the circuit of Boyar and Peralta, "A new combinational logic minimization technique with
 * applications to cryptology" (SEA 2010), with their names: x0 and s0 are the most significant bits. */
static inline void sub_bytes(word q[PLANES])
{
    word x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1], x7 = q[0];

    word y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2;
    word y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8;
    word t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0, y11 = y20 ^ y9;
    word y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8, y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;

    word t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2;
    word t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
    word t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
    word t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
    word t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
    word t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24;
    word t34 = t23 ^ t33, t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36;
    word t39 = t29 & t38, t40 = t25 ^ t39, t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37,
         t45 = t42 ^ t41;

    word z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7;
    word z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4;
    word z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;

    word t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12, t51 = z2 ^ z5;
    word t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53;
    word t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58;
    word t64 = z4 ^ t59, t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65, s3 = t53 ^ t66;

    q[7] = t59 ^ t63;
    q[6] = ~(t64 ^ s3);
    q[5] = ~(t55 ^ t67);
    q[4] = s3;
    q[3] = t51 ^ t66;
    q[2] = t47 ^ t65;
    q[1] = ~(t56 ^ t62);
    q[0] = ~(t48 ^ t60);
}

/* Row r moves r columns to the left: its lane turns right by 4 r. */
static inline void shift_rows(word q[PLANES])
{
    for (int i = 0; i < PLANES; i++) {
        word x = q[i];
        q[i] = (x & 0x000000000000ffff) | (x & 0x00000000fff00000) >> 4 | (x & 0x00000000000f0000) << 12 |
               (x & 0x0000ff0000000000) >> 8 | (x & 0x000000ff00000000) << 8 | (x & 0xf000000000000000) >> 12 |
               (x & 0x0fff000000000000) << 4;
    }
}

static inline word rotate_rows(word x, int rows)
{
    return x >> 16 * rows | x << (64 - 16 * rows);
}

/* Row r becomes 2 (a[r] ^ a[r+1]) ^ a[r+1] ^ a[r+2] ^ a[r+3]. */
static inline void mix_columns(word q[PLANES])
{
    word next[PLANES], sum[PLANES];
    for (int i = 0; i < PLANES; i++) {
        next[i] = rotate_rows(q[i], 1);
        sum[i] = q[i] ^ next[i];
    }
    for (int i = 0; i < PLANES; i++)
        q[i] = next[i] ^ rotate_rows(sum[i], 2) ^ (i ? sum[i - 1] : sum[7]);
    q[1] ^= sum[7]; /* x^8 = x^4 + x^3 + x + 1 */
    q[3] ^= sum[7];
    q[4] ^= sum[7];
}

static inline void add_round_key(word q[PLANES], const word key[PLANES])
{
    for (int i = 0; i < PLANES; i++)
        q[i] ^= key[i];
}

/* Keystream of four counter blocks, ready for take_block(). */
static void four_blocks(const struct schedule *s, uint64_t hi, uint64_t lo, word q[PLANES])
{
    for (int b = 0; b < BLOCKS; b++)
        place_block(q, b, __builtin_bswap64(hi), __builtin_bswap64(lo + (uint64_t)b));
    transpose(q);
    add_round_key(q, s->round_key[0]);
    for (int r = 1; r < SL_AES_ROUNDS; r++) {
        sub_bytes(q);
        shift_rows(q);
        mix_columns(q);
        add_round_key(q, s->round_key[r]);
    }
    sub_bytes(q);
    shift_rows(q);
    add_round_key(q, s->round_key[SL_AES_ROUNDS]);
    transpose(q);
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    word q[PLANES];
    uint64_t keystream[2];
    for (size_t done = 0; done < len; lo += BLOCKS) {
        four_blocks(schedule, hi, lo, q);
        for (int b = 0; b < BLOCKS && done < len; b++) {
            take_block(q, b, keystream);
            if (len - done < 16) {
                sl_xor_partial(dst + done, src + done, keystream, len - done);
                done = len;
                break;
            }
            uint64_t low = sl_load_le64(src + done) ^ keystream[0];
            uint64_t high = sl_load_le64(src + done + 8) ^ keystream[1];
            sl_store_le64(dst + done, low);
            sl_store_le64(dst + done + 8, high);
            done += 16;
        }
    }
    sl_wipe(q, sizeof q);
    sl_wipe(keystream, sizeof keystream);
}

static uint32_t sub_word(uint32_t w)
{
    word q[PLANES] = {spread(w)};
    transpose(q);
    sub_bytes(q);
    transpose(q);
    w = gather(q[0]);
    sl_wipe(q, sizeof q);
    return w;
}

/* FIPS 197, section 5.2, on little-endian words: RotWord turns to the right. */
static void expand(void *schedule, const uint8_t key[32])
{
    struct schedule *s = schedule;
    uint32_t w[4 * (SL_AES_ROUNDS + 1)];
    uint32_t rcon = 1;
    for (int i = 0; i < 8; i++)
        w[i] = sl_load_le32(key + 4 * i);
    for (int i = 8; i < 4 * (SL_AES_ROUNDS + 1); i++) {
        uint32_t t = w[i - 1];
        if (i % 8 == 0) {
            t = sub_word(t >> 8 | t << 24) ^ rcon;
            rcon <<= 1;
        } else if (i % 8 == 4) {
            t = sub_word(t);
        }
        w[i] = w[i - 8] ^ t;
    }
    for (int r = 0; r <= SL_AES_ROUNDS; r++) {
        for (int b = 0; b < BLOCKS; b++)
            place_block(s->round_key[r], b, w[4 * r] | (uint64_t)w[4 * r + 1] << 32,
                        w[4 * r + 2] | (uint64_t)w[4 * r + 3] << 32);
        transpose(s->round_key[r]);
    }
    sl_wipe(w, sizeof w);
}

const struct sl_kernel sl_kernel_portable = {
    .name = "portable",
    .needs = 0,
    .schedule_len = sizeof(struct schedule),
    .expand = expand,
    .ctr = ctr,
};
