#include "arch/cpu.h"
#include "arch/ctr_xmm.h"
#include "arch/records_xmm.h"
#include "arch/x86_64.h"

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (len <= 16)
        xmm_short(schedule, xmm_counter(hi, lo), dst, src, len);
    else
        xmm_plain(schedule, xmm_counter(hi, lo), dst, src, len);
}

static const struct sl_face by_key = {1024, xmm_make_key_table, xmm_ctr_by_key};
static const struct sl_face by_nonce = {1024, xmm_make_nonce_table, xmm_ctr_by_nonce};

const struct sl_kernel sl_kernel_aesni = {
    .name = "aesni",
    .needs = SL_CPU_AES | SL_CPU_SSSE3 | SL_CPU_SSE41,
    .schedule_len = SL_X86_SCHEDULE_LEN,
    .expand = sl_x86_expand,
    .ctr = ctr,
    .ctr_nt = xmm_ctr_nt,
    .records = xmm_records,
    .expand_many = sl_x86_expand_many,
    .by_key = &by_key,
    .by_nonce = &by_nonce,
};
