/* The kernel for every architecture: bitsliced over 64-bit words, four blocks at a time.  The bit of the byte in row r
 * and column c of block b is at bit 16 r + 4 c + b of a plane: rows turn with the word, columns within its quarters. */
#include <stdint.h>

typedef uint64_t word;

#define WORD word
#define KEY_PLANE word
#define FROM_KEY_PLANE(k) (k)
#define LOAD(p) sl_load_le64(p)
#define STORE(p, w) sl_store_le64(p, w)
#define KEYSTREAM(q) in_order(q)
#define ROTATE(w, rows, columns) rotate(w, rows, (columns) % 4)

static inline __attribute__((always_inline)) word rotate(word w, int rows, int columns)
{
    const word stay = UINT64_C(0x0001000100010001) * (UINT64_C(0xffff) >> 4 * columns);
    word turned = w >> 16 * rows | w << (64 - 16 * rows);
    return columns ? (turned >> 4 * columns & stay) | (turned << (16 - 4 * columns) & ~stay) : turned;
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
static inline void place_block(word q[8], int b, uint64_t low, uint64_t high)
{
    q[b] = spread((uint32_t)low) | spread((uint32_t)high) << 8;
    q[b + 4] = spread((uint32_t)(low >> 32)) | spread((uint32_t)(high >> 32)) << 8;
}

/* ShiftRows twice exchanges the halves' bytes of odd rows. */
static inline void counters(word q[8], uint64_t hi, uint64_t lo)
{
    uint64_t low = __builtin_bswap64(hi);
    for (int b = 0; b < 4; b++) {
        uint64_t high = __builtin_bswap64(lo + (uint64_t)b);
        uint64_t exchanged = (low ^ high) & 0xff00ff00ff00ff00;
        place_block(q, b, low ^ exchanged, high ^ exchanged);
    }
}

static inline void in_order(word q[8])
{
    word k[8];
    for (int b = 0; b < 4; b++) {
        k[2 * b] = gather(q[b]) | (uint64_t)gather(q[b + 4]) << 32;
        k[2 * b + 1] = gather(q[b] >> 8) | (uint64_t)gather(q[b + 4] >> 8) << 32;
    }
    for (int i = 0; i < 8; i++)
        q[i] = k[i];
}

static void key_planes(word planes[8], const uint8_t key[16]);

#include "arch/portable_template.h"

static void key_planes(word planes[PLANES], const uint8_t key[16])
{
    for (int b = 0; b < BLOCKS; b++)
        place_block(planes, b, sl_load_le64(key), sl_load_le64(key + 8));
    transpose(planes);
}

static NOINLINE uint32_t sub_word(uint32_t w)
{
    word q[PLANES] = {spread(w)};
    transpose(q);
    sub_bytes(q);
    transpose(q);
    return gather(q[0]) ^ 0x63636363;
}

/* FIPS 197, section 5.2, on little-endian words: RotWord turns to the right. */
void sl_portable_round_keys(uint8_t round_keys[SL_AES_ROUNDS + 1][16], const uint8_t key[32])
{
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
    for (int i = 0; i < 4 * (SL_AES_ROUNDS + 1); i++)
        sl_store_le32(round_keys[i / 4] + 4 * (i % 4), w[i]);
}

const struct sl_kernel sl_kernel_portable = PORTABLE_KERNEL("portable", 0, 0);
