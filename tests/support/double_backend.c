#include "tests/support/double_backend.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/reference.h"

struct double_backend_plan double_backend_plan;
struct double_backend_counts double_backend_counts;

struct double_key {
    uint8_t bytes[32];
    atomic_int inside;
};

void double_backend_reset(struct double_backend_plan plan)
{
    double_backend_plan = plan;
    atomic_store(&double_backend_counts.calls, 0);
    atomic_store(&double_backend_counts.failed, 0);
    atomic_store(&double_backend_counts.wrapped, 0);
    atomic_store(&double_backend_counts.concurrent, 0);
    atomic_store(&double_backend_counts.longest, 0);
    atomic_store(&double_backend_counts.bytes, 0);
    atomic_store(&double_backend_counts.keys, 0);
}

static enum sealane_error key_prepare(void **key, const uint8_t bytes[32])
{
    if (double_backend_plan.fail_prepare)
        return SEALANE_E_BACKEND_FAILED;
    struct double_key *k = calloc(1, sizeof *k);
    if (!k)
        return SEALANE_E_NO_MEMORY;
    memcpy(k->bytes, bytes, 32);
    atomic_fetch_add(&double_backend_counts.keys, 1);
    *key = k;
    return SEALANE_OK;
}

static int wraps(const uint8_t block[16], size_t len)
{
    unsigned bits = double_backend_plan.counter_bits;
    if (bits >= 128 || len == 0)
        return 0;
    uint8_t last[16];
    memcpy(last, block, 16);
    reference_counter_add(last, (len - 1) / 16);
    return memcmp(last, block, 16 - bits / 8) != 0;
}

static enum sealane_error ctr(void *key, const uint8_t counter_block[16], uint8_t *dst, const uint8_t *src, size_t len)
{
    struct double_key *k = key;
    uint64_t call = atomic_fetch_add(&double_backend_counts.calls, 1);
    if (atomic_fetch_add(&k->inside, 1) != 0)
        atomic_fetch_add(&double_backend_counts.concurrent, 1);
    if (wraps(counter_block, len))
        atomic_fetch_add(&double_backend_counts.wrapped, 1);
    uint64_t longest = atomic_load(&double_backend_counts.longest);
    while (len > longest && !atomic_compare_exchange_weak(&double_backend_counts.longest, &longest, len))
        ;
    atomic_fetch_add(&double_backend_counts.bytes, len);
    enum sealane_error error = SEALANE_OK;
    if (!double_backend_plan.idle && double_backend_plan.fail_every && call % double_backend_plan.fail_every == 0) {
        if (dst != src && double_backend_plan.spoil_dst)
            memset(dst, 0xee, len);
        atomic_fetch_add(&double_backend_counts.failed, 1);
        error = SEALANE_E_BACKEND_FAILED;
    } else if (!double_backend_plan.idle) {
        uint8_t part[4096];
        for (size_t at = 0; at < len; at += sizeof part) {
            size_t n = len - at < sizeof part ? len - at : sizeof part;
            reference_keystream(k->bytes, counter_block, at, part, n);
            for (size_t i = 0; i < n; i++)
                dst[at + i] = src[at + i] ^ part[i];
        }
    }
    atomic_fetch_sub(&k->inside, 1);
    return error;
}

static void key_free(void *key)
{
    atomic_fetch_sub(&double_backend_counts.keys, 1);
    free(key);
}

struct sealane_backend double_backend(enum sealane_thread_rule rule)
{
    return (struct sealane_backend){.name = "double",
                                    .counter_bits = double_backend_plan.counter_bits,
                                    .thread_rule = rule,
                                    .key_prepare = key_prepare,
                                    .ctr = ctr,
                                    .key_free = key_free};
}
