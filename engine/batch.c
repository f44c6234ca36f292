/* Batches: checked as a whole, then each run of records given to the kernel that all its keys share. */
#include "engine/batch.h"

#define RARE(condition) __builtin_expect(condition, 0)

/* True if no offset + len is above 2^64. */
static bool offsets_are_valid(const struct sealane_record *records, size_t count)
{
    uint64_t last;
    for (const struct sealane_record *r = records; r != records + count; r++)
        if (r->len && __builtin_add_overflow(r->offset, r->len - 1, &last))
            return false;
    return true;
}

/* True if no record breaks a rule, as one pass can tell where outputs ascend, and inputs are outputs or keep away from
 * all of them; then *kernel is the one that all keys share.  False: look closer.
 *
 * About three cycles a record, where one of 16 bytes takes seven in all.  Branches are what there is least room for,
 * even those never taken: so faults are counted, each kind by itself, that none waits for another. */
static bool all_is_well(const struct sealane_record *records, size_t count, sl_records **kernel)
{
    const struct sealane_key *key = NULL;
    uintptr_t first = 0, end = 1; /* of outputs; from 1, so that NULL is out of order */
    uintptr_t in_first = UINTPTR_MAX, in_end = 0;
    uint64_t offsets = 0;
    size_t no_iv = 0, out_of_order = 0, too_long = 0;
    while (count && records->len == 0)
        records++, count--;
    if (count) {
        key = records->key;
        first = (uintptr_t)records->dst;
        if (!key)
            return false;
        *kernel = key->records;
    }
    for (const struct sealane_record *r = records; r != records + count; r++) {
        uintptr_t dst = (uintptr_t)r->dst, src = (uintptr_t)r->src;
        if (RARE(r->len == 0))
            continue;
        no_iv += (uintptr_t)r->iv < 1;
        offsets |= r->offset;
        out_of_order += dst < end;
        end = dst + r->len;
        too_long += end < dst;
        if (r->key != key) {
            key = r->key;
            if (RARE(!key) || RARE(key->records != *kernel))
                return false;
        }
        if (src != dst) {
            uintptr_t src_end = src + r->len;
            too_long += (src_end < src) | (src == 0);
            in_first = src < in_first ? src : in_first;
            in_end = src_end > in_end ? src_end : in_end;
        }
    }
    return no_iv + out_of_order + too_long == 0 && (in_end <= first || in_first >= end) &&
           (offsets == 0 || offsets_are_valid(records, count));
}

/* How many of the records from the first on have keys with that kernel.  Empty ones may have any. */
static size_t run_of(const struct sealane_record *records, size_t count, sl_records *kernel)
{
    size_t n = 0;
    while (n < count && records[n].len && records[n].key->records == kernel)
        n++;
    return n;
}

static void xor_one(const struct sealane_record *r)
{
    if (r->len)
        sealane_ctr_xor(r->key, r->iv, r->offset, r->dst, r->src, r->len);
}

/* A run with one kernel: that takes what it is made for, and leaves single records.  Asking costs a quarter of a record
 * of 64 bytes, so who has refused those is not asked again. */
static void xor_run(const struct sealane_record *records, size_t count, sl_records *kernel)
{
    const size_t schedule_at = offsetof(struct sealane_key, schedule);
    size_t vector_len = SL_RECORD_VECTOR_LEN;
    for (size_t i = 0; i < count;) {
        size_t done = 0, len = records[i].len;
        if (kernel && (len <= SEALANE_BLOCK_LEN || len == vector_len))
            done = kernel(records + i, count - i, schedule_at);
        if (done == 0) {
            if (len == vector_len && records[i].offset % SEALANE_BLOCK_LEN == 0)
                vector_len = 0;
            xor_one(&records[i]);
        }
        i += done ? done : 1;
    }
}

enum sealane_error sealane_ctr_batch(const struct sealane_record *records, size_t count)
{
    sl_records *kernel = NULL;
    if (count == 0)
        return SEALANE_OK; /* `records` may be NULL */
    if (all_is_well(records, count, &kernel)) {
        xor_run(records, count, kernel);
        return SEALANE_OK;
    }
    enum sealane_error error = sl_batch_check(records, count);
    if (error)
        return error;
    for (size_t i = 0; i < count;) {
        kernel = records[i].len ? records[i].key->records : NULL;
        size_t run = run_of(records + i, count - i, kernel);
        xor_run(records + i, run, kernel);
        i += run ? run : 1;
    }
    return SEALANE_OK;
}
