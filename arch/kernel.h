/* What a kernel is, and the table of them. */
#ifndef SEALANE_ARCH_KERNEL_H
#define SEALANE_ARCH_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sealane/record.h"

enum {
    SL_AES_ROUNDS = 14,
    SL_SCHEDULE_ALIGN = 64,
    SL_FACE_RUN = 16 * 256,            /* bytes that one table serves in order */
    SL_FACE_FETCH = 768,               /* bytes: of 768 to 3072 the best, random pieces of 4 KiB */
    SL_FACE_TABLE_LEN = 16 * 256 + 64, /* bytes: the first vector again at the end */
    SL_STEPS_MIN = 4,                  /* records: a column has at least */
    SL_RECORD_VECTOR_LEN = 64,         /* bytes: of records that kernels take besides those of up to one block */
    SL_SCHEDULE_MAX = 1920,            /* bytes; the bitsliced schedules are the largest */
};

struct sl_face;

struct sl_kernel {
    const char *name;
    uint32_t needs;   /* SL_CPU_ bits without which it cannot run */
    uint32_t prefers; /* SL_CPU_ bits without which another kernel is chosen, unless this one is forced */
    size_t schedule_len;

    /* Expands 32 key bytes into schedule_len bytes at an address aligned to SL_SCHEDULE_ALIGN.  Constant time, no
     * tables. */
    void (*expand)(void *schedule, const uint8_t key[32]);

    /* XORs the keystream that starts with counter block (counter_hi, counter_lo) into dst: any len, the last block may
     * be partial.  dst == src or disjoint, any alignment.  The caller has seen to it that counter_lo does not wrap
     * within the call (it may reach 2^64 just after the last block), so no kernel handles carries.  Constant time;
     * wipes what buffers it has.
     *
     * Six arguments in six registers: as a struct the two halves of the counter were stored one by one and read back as
     * one vector, which stalls for longer than a block takes to encrypt. */
    void (*ctr)(const void *schedule, uint64_t counter_hi, uint64_t counter_lo, uint8_t *dst, const uint8_t *src,
                size_t len);

    /* The same for dst != src with stores that leave the caches alone, if dst is aligned to a block; else as `ctr`.
     * Other threads see them as they do plain ones.  NULL: the kernel has no such path. */
    void (*ctr_nt)(const void *schedule, uint64_t counter_hi, uint64_t counter_lo, uint8_t *dst, const uint8_t *src,
                   size_t len);
    int nt_gains; /* non-zero: beyond the caches it beats all other paths */

    /* For batches of tiny records: encrypts the first ones of `records` that it has a faster way for than one `ctr`
     * each, and returns how many those were; 0: the first is none of them.  NULL: the kernel has no such way.  Each
     * record is valid, none overlaps another's output, and the schedule lies `schedule_at` bytes after its key.
     * Constant time. */
    size_t (*records)(const struct sealane_record *records, size_t count, size_t schedule_at);

    /* For batches that are columns: records of one length at offset 0, each iv_step bytes from the one before in its
     * iv, `step` in its dst and src; their keys are all one if the first two are.  `in_steps` tells whether they lie
     * so, that is whether records 1 and on follow from the first in all but their keys, these too if the first two are
     * the same; count is at least SL_STEPS_MIN.  `column` is as `records` above: it does the first ones that it has a
     * way for, of whole groups.  Both or none are NULL. */
    bool (*in_steps)(const struct sealane_record *records, size_t count, size_t iv_step, size_t step);
    size_t (*column)(const struct sealane_record *records, size_t count, size_t iv_step, size_t step,
                     size_t schedule_at);

    /* `expand` for `count` keys of 32 bytes each; NULL: the kernel gains nothing by that. */
    void (*expand_many)(void *const *schedules, const uint8_t *keys, size_t count);

    /* By a table that skips one round, for any counter block, and by one that skips two, for counter blocks whose bytes
     * 0, 5 and 10 are those it was made for.  NULL: the kernel has none. */
    const struct sl_face *by_key;
    const struct sl_face *by_nonce;
};

/* CTR from a table of states after the first rounds (docs/KERNELS.md). */
struct sl_face {
    /* Bytes of a call from which it beats `ctr` of the kernel where all calls are as long, and does not lose where
     * lengths are random up to twice that and more (medians of interleaved rounds on warm buffers, Zen 5): borders of
     * runs, which are where a random counter has them, cost mispredicted jumps.  by_nonce through a stream, which pays
     * for holding its table.  armv8 has aesni's, unmeasured. */
    size_t gains_from;
    /* Fills SL_FACE_TABLE_LEN bytes, aligned to SL_SCHEDULE_ALIGN. */
    void (*make)(const void *schedule, uint8_t *table, uint64_t counter_hi, uint64_t counter_lo);
    /* As `ctr` above. */
    void (*ctr)(const void *schedule, const uint8_t *table, uint64_t counter_hi, uint64_t counter_lo, uint8_t *dst,
                const uint8_t *src, size_t len);
};

struct sl_kernel_row {
    const char *name;
    const char *architecture;
    const struct sl_kernel *kernel; /* NULL: for another architecture */
};

/* kernels.def, best first. */
extern const struct sl_kernel_row sl_kernels[];
extern const size_t sl_kernel_count;

#endif
