/* The portable kernel with one bit of the last byte wrong, and only where the last group of eight blocks is not full
 * and more than eight blocks came: the kind of mistake a tail has.  It must not get past the self-test. */
#include "arch/kernel.h"

extern const struct sl_kernel sl_kernel_portable;
extern const struct sl_kernel sl_kernel_wrong;

static void expand(void *schedule, const uint8_t key[32])
{
    sl_kernel_portable.expand(schedule, key);
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    sl_kernel_portable.ctr(schedule, hi, lo, dst, src, len);
    if (len > 8 * 16 && len % (8 * 16) != 0)
        dst[len - 1] ^= 0x40;
}

const struct sl_kernel sl_kernel_wrong = {
    .name = "wrong",
    .needs = 0,
    .schedule_len = SL_SCHEDULE_MAX,
    .expand = expand,
    .ctr = ctr,
};
