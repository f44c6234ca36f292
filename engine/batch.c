/* Batches: checked as a whole, then each run of records given to the kernel that all its keys share. */
#include "engine/batch.h"

#define RARE(condition) __builtin_expect(condition, 0)

/* What one pass over the records finds. */
struct survey {
    bool breach;        /* a null, or an offset too far */
    bool in_order;      /* outputs ascend without overlapping, and inputs are outputs or keep away from all of them */
    bool one_kernel;    /* for all keys */
    sl_records *kernel; /* the one */
};

/* Two to three cycles a record, where one of 16 bytes takes eight in all: hence one pass, branches that are never
 * taken, and no more than says that all is well.  Where addresses are not in order, sl_batch_check_overlaps() says. */
static struct survey survey(const struct sealane_record *records, size_t count)
{
    uintptr_t first = 0, end = 1; /* of outputs; from 1, so that NULL is out of order */
    uintptr_t in_first = UINTPTR_MAX, in_end = 0;
    struct survey s = {.in_order = true, .one_kernel = true};
    static const char no_key; /* not NULL, which would then count as seen */
    const struct sealane_key *key = (const void *)&no_key;
    for (const struct sealane_record *r = records; r != records + count; r++) {
        uint64_t last;
        uintptr_t dst = (uintptr_t)r->dst, src = (uintptr_t)r->src;
        if (RARE(r->len == 0))
            continue;
        s.breach |= !r->iv;
        if (r->key != key) {
            if (RARE(!r->key)) {
                s.breach = true;
                return s;
            }
            if (RARE(key == (const void *)&no_key)) {
                s.kernel = r->key->records;
                first = dst;
            }
            key = r->key;
            s.one_kernel &= key->records == s.kernel;
        }
        if (r->offset != 0)
            s.breach |= __builtin_add_overflow(r->offset, r->len - 1, &last);
        if (RARE(dst < end))
            s.in_order = false;
        if (RARE(__builtin_add_overflow(dst, r->len, &end)))
            s.in_order = false;
        if (src != dst) {
            uintptr_t src_end = src + r->len;
            s.breach |= !src;
            s.in_order &= src_end > src;
            in_first = src < in_first ? src : in_first;
            in_end = src_end > in_end ? src_end : in_end;
        }
    }
    s.in_order &= in_end <= first || in_first >= end;
    return s;
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

/* Other lengths no kernel takes, as they gain nothing. */
static bool may_gain(size_t len)
{
    return len <= SEALANE_BLOCK_LEN || len == SL_RECORD_VECTOR_LEN;
}

/* A run with one kernel: that takes what it is made for, and leaves single records. */
static void xor_run(const struct sealane_record *records, size_t count, sl_records *kernel)
{
    const size_t schedule_at = offsetof(struct sealane_key, schedule);
    for (size_t i = 0; i < count;) {
        size_t done = kernel && may_gain(records[i].len) ? kernel(records + i, count - i, schedule_at) : 0;
        if (done == 0)
            xor_one(&records[i]);
        i += done ? done : 1;
    }
}

enum sealane_error sealane_ctr_batch(const struct sealane_record *records, size_t count)
{
    struct survey s = survey(records, count);
    enum sealane_error error = s.breach ? SEALANE_E_ARGUMENT : SEALANE_OK;
    if (!error && !s.in_order)
        error = sl_batch_check_overlaps(records, count);
    if (error)
        return error;
    if (s.one_kernel) {
        xor_run(records, count, s.kernel);
        return SEALANE_OK;
    }
    for (size_t i = 0; i < count;) {
        sl_records *kernel = records[i].len ? records[i].key->records : NULL;
        size_t run = run_of(records + i, count - i, kernel);
        xor_run(records + i, run, kernel);
        i += run ? run : 1;
    }
    return SEALANE_OK;
}
