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
 * all of them; then *kernel is the one that all keys share, or NULL if too many records are beyond its ways: to find
 * the others among them would cost more mispredicted branches than it gains.  False: look closer.
 *
 * About three cycles a record: a compare and a branch never taken are one operation, cheaper than counting faults. */
static bool all_is_well(const struct sealane_record *records, size_t count, sl_records **kernel)
{
    const struct sealane_key *key = NULL;
    uintptr_t first = 0, end = 1; /* of outputs; from 1, so that NULL is out of order */
    uintptr_t in_first = UINTPTR_MAX, in_end = 0;
    uint64_t offsets = 0;
    size_t beyond = 0;
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
        uintptr_t dst = (uintptr_t)r->dst, src = (uintptr_t)r->src, len = r->len;
        if (RARE(len == 0))
            continue;
        if (RARE(dst < end) || RARE(__builtin_add_overflow(dst, len, &end)) || RARE(!r->iv))
            return false;
        offsets |= r->offset;
        beyond += len > SL_RECORD_VECTOR_LEN;
        if (r->key != key) {
            key = r->key;
            if (RARE(!key) || RARE(key->records != *kernel))
                return false;
        }
        if (src != dst) {
            uintptr_t src_end;
            if (RARE(src == 0) || RARE(__builtin_add_overflow(src, len, &src_end)))
                return false;
            in_first = src < in_first ? src : in_first;
            in_end = src_end > in_end ? src_end : in_end;
        }
    }
    if (beyond > count / 8)
        *kernel = NULL;
    return (in_end <= first || in_first >= end) && (offsets == 0 || offsets_are_valid(records, count));
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
    if (r->len && !sl_ctr_direct(r->key, r->key->direct_below, r->iv, r->offset, r->dst, r->src, r->len))
        sl_ctr_by_key(r->key, r->iv, r->offset, r->dst, r->src, r->len);
}

/* Whether a kernel may take this record together with the next three: one alone is as fast without it. */
static inline bool is_one_of_four(const struct sealane_record *r, size_t count)
{
    const size_t max = SL_RECORD_VECTOR_LEN;
    return count >= 4 && r[0].len - 1 < max && r[1].len - 1 < max && r[2].len - 1 < max && r[3].len - 1 < max;
}

/* A run with one kernel: that takes what it is made for, and leaves single records. */
static void xor_run(const struct sealane_record *records, size_t count, sl_records *kernel)
{
    const size_t schedule_at = offsetof(struct sealane_key, schedule);
    for (size_t i = 0; i < count;) {
        size_t done = 0;
        if (kernel && is_one_of_four(records + i, count - i))
            done = kernel(records + i, count - i, schedule_at);
        if (done == 0)
            xor_one(&records[i]);
        i += done ? done : 1;
    }
}

/* The kernel's ways for columns end before the last few; for other lengths it has none. */
static void xor_column(const struct sealane_record *records, size_t count, const struct sl_column *column)
{
    const struct sealane_key *key = records->key;
    size_t done =
        key->kernel->column(records, count, column->iv_step, column->step, offsetof(struct sealane_key, schedule));
    xor_run(records + done, count - done, key->records);
}

void sl_batch_xor(const struct sealane_record *records, size_t count)
{
    for (size_t i = 0; i < count;) {
        sl_records *kernel = records[i].len ? records[i].key->records : NULL;
        size_t run = run_of(records + i, count - i, kernel);
        xor_run(records + i, run, kernel);
        i += run ? run : 1;
    }
}

enum sealane_error sl_batch_check(const struct sealane_record *records, size_t count)
{
    sl_records *kernel = NULL;
    return count == 0 || all_is_well(records, count, &kernel) ? SEALANE_OK : sl_batch_check_sorted(records, count);
}

enum sealane_error sealane_ctr_batch(const struct sealane_record *records, size_t count)
{
    struct sl_column column;
    sl_records *kernel = NULL;
    if (count == 0)
        return SEALANE_OK; /* `records` may be NULL */
    if (sl_is_column(&column, records, count)) {
        xor_column(records, count, &column);
        return SEALANE_OK;
    }
    if (all_is_well(records, count, &kernel)) {
        xor_run(records, count, kernel);
        return SEALANE_OK;
    }
    enum sealane_error error = sl_batch_check_sorted(records, count);
    if (!error)
        sl_batch_xor(records, count);
    return error;
}
