#include "arch/cpu.h"
#include "arch/ctr_xmm.h"
#include "arch/records_xmm.h"
#include "arch/x86_64.h"

static void ctr(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    xmm_ctr(schedule, xmm_counter(hi, lo), dst, src, len);
}

static void make_key_table(const void *schedule, uint8_t *table, uint64_t hi, uint64_t lo)
{
    xmm_make_table(schedule, table, 1, hi, lo);
}

static void make_nonce_table(const void *schedule, uint8_t *table, uint64_t hi, uint64_t lo)
{
    xmm_make_table(schedule, table, 2, hi, lo);
}

static void ctr_by_key(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,
                       const uint8_t *src, size_t len)
{
    size_t done = xmm_bulk_from_table(schedule, table, 1, hi, lo, dst, src, len);
    if (done != len)
        ctr(schedule, hi, lo + done / 16, dst + done, src + done, len - done);
}

static void ctr_by_nonce(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,
                         const uint8_t *src, size_t len)
{
    size_t done = xmm_bulk_from_table(schedule, table, 2, hi, lo, dst, src, len);
    if (done != len)
        ctr(schedule, hi, lo + done / 16, dst + done, src + done, len - done);
}

static const struct sl_face by_key = {256, SIZE_MAX, make_key_table, ctr_by_key};
static const struct sl_face by_nonce = {2048, SIZE_MAX, make_nonce_table, ctr_by_nonce};

const struct sl_kernel sl_kernel_aesni = {
    .name = "aesni",
    .needs = SL_CPU_AES | SL_CPU_SSSE3 | SL_CPU_SSE41,
    .schedule_len = SL_X86_SCHEDULE_LEN,
    .expand = sl_x86_expand,
    .ctr = ctr,
    .records = xmm_records,
    .expand_many = sl_x86_expand_many,
    .by_key = &by_key,
    .by_nonce = &by_nonce,
};
