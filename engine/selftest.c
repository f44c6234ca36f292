/* Every kernel reproduces known answers on this machine before it may serve: a compiler can get a kernel wrong, and
 * has. */
#include <stdalign.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/selftest_vectors.h"

/* FNV-1a: notices any wrong byte, defends against nobody. */
static uint64_t fingerprint(const uint8_t *p, size_t len)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3;
    return h;
}

bool sl_selftest(const struct sl_kernel *kernel)
{
    alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[SL_SCHEDULE_MAX];
    uint8_t key[SEALANE_KEY_LEN];
    uint8_t buffer[SELFTEST_LEN_MAX];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 7 + 1);
    kernel->expand(schedule, key);
    bool good = true;
    for (size_t i = 0; i < sizeof selftest_vectors / sizeof selftest_vectors[0]; i++) {
        const struct selftest_vector *v = &selftest_vectors[i];
        for (size_t j = 0; j < v->len; j++)
            buffer[j] = (uint8_t)(j * 13 + 5);
        sl_ctr(kernel, schedule, v->iv, v->offset, buffer, buffer, v->len);
        good = good && fingerprint(buffer, v->len) == v->fingerprint;
    }
    return good;
}
