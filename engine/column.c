/* Columns: batches whose records lie in equal steps, as fixed-size values of an array do.  Such a batch is checked by
 * its first two records, its number and one comparison of the rest, in a third of the time that looking at each takes;
 * and its kernel need not look at each again. */
#include "engine/batch.h"

/* False if count pieces of len bytes, `step` apart and ascending, would reach beyond the top of the address space;
 * *end is behind the last one. */
static bool ends_at(uintptr_t *end, const void *first, size_t step, size_t count, size_t len)
{
    size_t all;
    return step <= SIZE_MAX / 2 && !__builtin_mul_overflow(step, count - 1, &all) &&
           !__builtin_add_overflow(all, len, &all) && !__builtin_add_overflow((uintptr_t)first, all, end);
}

static bool keys_share_kernel(const struct sealane_record *records, size_t count, sl_records *kernel)
{
    size_t others = 0;
    for (const struct sealane_record *r = records; r != records + count; r++) {
        if (__builtin_expect(!r->key, 0))
            return false;
        others += r->key->records != kernel;
    }
    return others == 0;
}

bool sl_is_column(struct sl_column *column, const struct sealane_record *r, size_t count)
{
    uintptr_t ivs_end, dst_end, src_end;
    if (count < SL_COLUMN_MIN || !r[0].key || r[0].len == 0 || r[0].offset != 0 || !r[0].iv || !r[0].dst || !r[0].src)
        return false;
    const struct sl_kernel *kernel = r[0].key->kernel;
    column->iv_step = (uintptr_t)r[1].iv - (uintptr_t)r[0].iv;
    column->step = (uintptr_t)r[1].dst - (uintptr_t)r[0].dst;
    if (column->step < r[0].len || !r[0].key->records || !kernel->in_steps ||
        !ends_at(&ivs_end, r[0].iv, column->iv_step, count, SEALANE_BLOCK_LEN) ||
        !ends_at(&dst_end, r[0].dst, column->step, count, r[0].len) ||
        !ends_at(&src_end, r[0].src, column->step, count, r[0].len))
        return false;
    if (r[0].src != r[0].dst && src_end > (uintptr_t)r[0].dst && (uintptr_t)r[0].src < dst_end)
        return false;
    const struct sealane_record *last = r + count - 1; /* most others are found out by it */
    if (last->dst != r[0].dst + (count - 1) * column->step || last->len != r[0].len)
        return false;
    return kernel->in_steps(r, count, column->iv_step, column->step) &&
           (r[0].key == r[1].key || keys_share_kernel(r, count, r[0].key->records));
}
