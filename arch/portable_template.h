/* Bitsliced AES-256-CTR for any WORD (arch/bitslice.h): no look-ups, no branch or address that depends on key or data.
 * The includer defines besides:
 *
 *   | KEY_PLANE            | type of a plane of a round key in memory                                           |
 *   | FROM_KEY_PLANE(k)    | the WORD of it                                                                     |
 *   | key_planes(k, bytes) | PLANES of them for 16 bytes                                                        |
 *   | counters(q, hi, lo)  | the group of counter blocks that begins with (hi, lo), to be transposed; in each,  |
 *   |                      | bytes are where ShiftRows twice brings them                                        |
 *   | KEYSTREAM(q)         | the transposed planes to bytes in the order of the blocks                          |
 *   | LOAD(p), STORE(p, w) | WORDs of such bytes in memory, unaligned                                           |
 *
 * It gets PORTABLE_KERNEL. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arch/bitslice.h"
#include "arch/kernel.h"
#include "arch/portable.h"
#include "base/endian.h"

enum {
    GROUP_LEN = PLANES * sizeof(WORD), /* bytes of blocks done at a time */
    BLOCKS = GROUP_LEN / 16,
    RUN = 256, /* blocks that differ in the last byte only */
    /* Bytes, more than any function here has: crypt() with 16 registers keeps `rest`, a dozen WORDs of a round and, at
     * the end, GROUP_LEN bytes.  tests/test_kernel_stack.c sees when it is too little. */
    STACK_LEN = 1024 + 32 * sizeof(WORD),
};

_Static_assert(RUN % BLOCKS == 0 && RUN * 16 < SL_FACE_TABLE_LEN, "a table holds whole groups");

/* The planes of round r are laid out with 2 + r times ShiftRows left out, modulo 4: after the fourteenth, none. */
struct schedule {
    KEY_PLANE round_key[SL_AES_ROUNDS + 1][PLANES];
};

_Static_assert(sizeof(struct schedule) <= SL_SCHEDULE_MAX, "the largest schedule");

#define NOINLINE __attribute__((noinline))

/* Registers run out, and states stay on the stack.  So what works on states is never inlined into what calls this
 * afterwards, to overwrite the same part of the stack.  No call of a library's function: the dynamic linker, if it has
 * to find that first, saves all vector registers on the stack. */
static NOINLINE __attribute__((no_stack_protector)) void wipe_stack(void)
{
    typedef WORD word_anywhere __attribute__((aligned(1), may_alias));
    uint8_t below[STACK_LEN], *at = below;
    HIDE(at); /* else clang aligns the array to a vector */
    for (size_t i = 0; i < STACK_LEN; i += sizeof(WORD))
        *(volatile word_anywhere *)(at + i) = (WORD){0};
}

static ALWAYS_INLINE void add_round_key(const struct schedule *s, WORD q[PLANES], int r)
{
    for (int i = 0; i < PLANES; i++)
        q[i] ^= FROM_KEY_PLANE(s->round_key[r][i]);
}

static ALWAYS_INLINE void rounds(const struct schedule *s, WORD q[PLANES], int first, int last)
{
    for (int r = first; r <= last; r++) {
        sub_bytes(q);
        switch (r % 4) {
        case 0:
            MIX_COLUMNS(q, 2);
            break;
        case 1:
            MIX_COLUMNS(q, 3);
            break;
        case 2:
            MIX_COLUMNS(q, 0);
            break;
        default:
            MIX_COLUMNS(q, 1);
        }
        add_round_key(s, q, r);
    }
}

/* The states of a group after `skip` rounds. */
static ALWAYS_INLINE void first_rounds(const struct schedule *s, WORD q[PLANES], int skip, uint64_t hi, uint64_t lo)
{
    counters(q, hi, lo);
    transpose(q);
    add_round_key(s, q, 0);
    rounds(s, q, 1, skip);
}

static ALWAYS_INLINE void last_rounds(const struct schedule *s, WORD q[PLANES], int skipped)
{
    rounds(s, q, skipped + 1, SL_AES_ROUNDS - 1);
    sub_bytes(q);
    add_round_key(s, q, SL_AES_ROUNDS);
    transpose(q);
    KEYSTREAM(q);
}

static ALWAYS_INLINE void xor_group(const WORD q[PLANES], uint8_t *dst, const uint8_t *src)
{
    for (size_t i = 0; i < PLANES; i++)
        STORE(dst + sizeof(WORD) * i, LOAD(src + sizeof(WORD) * i) ^ q[i]);
}

/* Of a group's keystream the len bytes from `at` on. */
static ALWAYS_INLINE void xor_part(const WORD q[PLANES], size_t at, uint8_t *dst, const uint8_t *src, size_t len)
{
    uint8_t bytes[GROUP_LEN];
    size_t i = 0;
    for (size_t j = 0; j < PLANES; j++)
        STORE(bytes + sizeof(WORD) * j, q[j]);
    for (; len - i >= 8; i += 8)
        sl_store_le64(dst + i, sl_load_le64(src + i) ^ sl_load_le64(bytes + at + i));
    for (; i < len; i++)
        dst[i] = src[i] ^ bytes[at + i];
}

/* With a table of states after round `skip` (docs/KERNELS.md), bitsliced as they are needed: groups then begin where
 * the table's do, the first perhaps before (hi, lo), in the same run.  Without: NULL and 0. */
static NOINLINE void crypt(const struct schedule *s, const uint8_t *table, int skip, uint64_t hi, uint64_t lo,
                           uint8_t *dst, const uint8_t *src, size_t len)
{
    WORD q[PLANES], rest[PLANES];
    size_t at = table ? lo % BLOCKS * 16 : 0;
    lo -= at / 16;
    for (size_t done = 0; done < len; lo += BLOCKS) {
        const uint8_t *entry = table ? table + lo % RUN * 16 : NULL;
        if (!table || done == 0 || lo % RUN == 0) {
            first_rounds(s, q, skip, hi, lo);
            for (size_t i = 0; table && i < PLANES; i++)
                rest[i] = q[i] ^ LOAD(entry + sizeof(WORD) * i);
        } else {
            for (size_t i = 0; i < PLANES; i++)
                q[i] = rest[i] ^ LOAD(entry + sizeof(WORD) * i);
        }
        last_rounds(s, q, skip);
        size_t n = GROUP_LEN - at < len - done ? GROUP_LEN - at : len - done;
        if (n == GROUP_LEN)
            xor_group(q, dst + done, src + done);
        else
            xor_part(q, at, dst + done, src + done, n);
        done += n;
        at = 0;
    }
}

static NOINLINE void fill_table(const struct schedule *s, uint8_t *table, int skip, uint64_t hi, uint64_t lo)
{
    WORD q[PLANES];
    for (size_t block = 0; block < RUN; block += BLOCKS) {
        first_rounds(s, q, skip, hi, lo - lo % RUN + block);
        for (size_t i = 0; i < PLANES; i++)
            STORE(table + block * 16 + sizeof(WORD) * i, q[i]);
    }
    memcpy(table + RUN * 16, table, SL_FACE_TABLE_LEN - RUN * 16);
}

/* The S-box's constant goes into the round keys: MixColumns maps a state that has it in each byte to itself. */
static NOINLINE void fill_schedule(struct schedule *s, const uint8_t key[32])
{
    uint8_t round_keys[SL_AES_ROUNDS + 1][16];
    sl_portable_round_keys(round_keys, key);
    for (int r = 0; r <= SL_AES_ROUNDS; r++) {
        uint8_t moved[16];
        for (int p = 0; p < 16; p++)
            moved[p] = round_keys[r][(p - 4 * (2 + r) * (p % 4)) & 15] ^ (r ? 0x63 : 0);
        key_planes(s->round_key[r], moved);
    }
}

static void expand(void *schedule, const uint8_t key[32])
{
    fill_schedule(schedule, key);
    wipe_stack();
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    crypt(schedule, NULL, 0, hi, lo, dst, src, len);
    wipe_stack();
}

#define DEFINE_TABLE(name, skip)                                                                                       \
    static void make_##name(const void *schedule, uint8_t *table, uint64_t hi, uint64_t lo)                            \
    {                                                                                                                  \
        fill_table(schedule, table, skip, hi, lo);                                                                     \
        wipe_stack();                                                                                                  \
    }                                                                                                                  \
    static void ctr_##name(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,         \
                           const uint8_t *src, size_t len)                                                             \
    {                                                                                                                  \
        crypt(schedule, table, skip, hi, lo, dst, src, len);                                                           \
        wipe_stack();                                                                                                  \
    }

DEFINE_TABLE(by_key, 1)
DEFINE_TABLE(by_nonce, 2)

/* Where it begins to gain: a call that begins within a group has one group more than without a table. */
static const struct sl_face by_key = {16 * GROUP_LEN, make_by_key, ctr_by_key};
static const struct sl_face by_nonce = {8 * GROUP_LEN, make_by_nonce, ctr_by_nonce};

#define PORTABLE_KERNEL(kernel_name, cpu, policy)                                                                      \
    {                                                                                                                  \
        .name = (kernel_name), .needs = (cpu), .prefers = (policy), .schedule_len = sizeof(struct schedule),           \
        .expand = expand, .ctr = ctr, .by_key = &by_key, .by_nonce = &by_nonce                                         \
    }
