/* The portable kernel with ways for columns, of which one is wrong: in records of more than a block with other keys
 * than the first one's the last bit is, and no call of another kind shows that.  It must not get past the self-test. */
#include "arch/kernel.h"
#include "base/endian.h"

extern const struct sl_kernel sl_kernel_portable;
extern const struct sl_kernel sl_kernel_crooked;

static void expand(void *schedule, const uint8_t key[32])
{
    sl_kernel_portable.expand(schedule, key);
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    sl_kernel_portable.ctr(schedule, hi, lo, dst, src, len);
}

static size_t records(const struct sealane_record *r, size_t count, size_t schedule_at)
{
    (void)r, (void)count, (void)schedule_at;
    return 0;
}

static bool in_steps(const struct sealane_record *r, size_t count, size_t iv_step, size_t step)
{
    bool good = true;
    for (size_t i = 1; i < count; i++)
        good = good && r[i].iv == r[0].iv + i * iv_step && r[i].dst == r[0].dst + i * step &&
               r[i].src == r[0].src + i * step && r[i].len == r[0].len && r[i].offset == r[0].offset &&
               (r[0].key != r[1].key || r[i].key == r[0].key);
    return good;
}

static size_t column(const struct sealane_record *r, size_t count, size_t iv_step, size_t step, size_t schedule_at)
{
    (void)iv_step, (void)step;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *schedule = (const uint8_t *)r[i].key + schedule_at;
        uint64_t hi = sl_load_be64(r[i].iv), lo = sl_load_be64(r[i].iv + 8);
        size_t n = 0;
        for (; n < r[i].len; n += 16, hi += ++lo == 0)
            ctr(schedule, hi, lo, r[i].dst + n, r[i].src + n, r[i].len - n < 16 ? r[i].len - n : 16);
        if (r[i].len > 16 && r[i].key != r[0].key)
            r[i].dst[r[i].len - 1] ^= 0x80;
    }
    return count;
}

const struct sl_kernel sl_kernel_crooked = {
    .name = "crooked",
    .schedule_len = SL_SCHEDULE_MAX,
    .expand = expand,
    .ctr = ctr,
    .records = records,
    .in_steps = in_steps,
    .column = column,
};
