/* The portable kernel with a policy that no CPU satisfies: right, but to be avoided unless it is forced. */
#include "arch/kernel.h"

extern const struct sl_kernel sl_kernel_portable;
extern const struct sl_kernel sl_kernel_shy;

static void expand(void *schedule, const uint8_t key[32])
{
    sl_kernel_portable.expand(schedule, key);
}

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    sl_kernel_portable.ctr(schedule, hi, lo, dst, src, len);
}

const struct sl_kernel sl_kernel_shy = {
    .name = "shy",
    .prefers = 1U << 30,
    .schedule_len = SL_SCHEDULE_MAX,
    .expand = expand,
    .ctr = ctr,
};
