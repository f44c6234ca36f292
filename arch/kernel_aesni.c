#include "arch/cpu.h"
#include "arch/ctr_xmm.h"
#include "arch/x86_64.h"

static void ctr(const void *schedule, struct sl_counter counter, uint8_t *dst, const uint8_t *src, size_t len)
{
    xmm_ctr(schedule, _mm_set_epi64x((long long)counter.hi, (long long)counter.lo), dst, src, len);
}

const struct sl_kernel sl_kernel_aesni = {
    .name = "aesni",
    .needs = SL_CPU_AES | SL_CPU_SSSE3 | SL_CPU_SSE41,
    .schedule_len = SL_X86_SCHEDULE_LEN,
    .expand = sl_x86_expand,
    .ctr = ctr,
};
