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

static bool gives_known_answers(const struct sl_path *path, bool one_nonce)
{
    uint8_t buffer[SELFTEST_LEN_MAX];
    alignas(SL_SCHEDULE_ALIGN) uint8_t nonce_table[SL_FACE_TABLE_LEN];
    struct sl_path p = *path;
    bool good = true;
    for (size_t i = 0; i < sizeof selftest_vectors / sizeof selftest_vectors[0]; i++) {
        const struct selftest_vector *v = &selftest_vectors[i];
        struct sl_counter first = sl_counter_at(v->iv, v->offset / SEALANE_BLOCK_LEN);
        struct sl_counter last = sl_counter_at(v->iv, (v->offset + v->len) / SEALANE_BLOCK_LEN);
        if (one_nonce) {
            if (first.lo >> 40 != last.lo >> 40)
                continue;
            p.face->make(p.schedule, nonce_table, first.hi, first.lo);
            p.table = nonce_table;
        }
        for (size_t j = 0; j < v->len; j++)
            buffer[j] = (uint8_t)(j * 13 + 5);
        sl_ctr(&p, v->iv, v->offset, buffer, buffer, v->len);
        good = good && fingerprint(buffer, v->len) == v->fingerprint;
    }
    return good;
}

bool sl_selftest(const struct sl_kernel *kernel)
{
    alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[SL_SCHEDULE_MAX];
    alignas(SL_SCHEDULE_ALIGN) uint8_t key_table[SL_FACE_TABLE_LEN];
    uint8_t key[SEALANE_KEY_LEN];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 7 + 1);
    kernel->expand(schedule, key);
    struct sl_path path = {kernel, schedule, NULL, NULL};
    bool good = gives_known_answers(&path, false);
    struct sl_face face;
    if (kernel->by_key) {
        face = *kernel->by_key;
        face.gains_from = 0; /* every answer by the table, those too short to gain as well */
        face.make(schedule, key_table, 0, 0);
        path = (struct sl_path){kernel, schedule, &face, key_table};
        good = good && gives_known_answers(&path, false);
    }
    if (kernel->by_nonce) {
        face = *kernel->by_nonce;
        face.gains_from = 0;
        path = (struct sl_path){kernel, schedule, &face, NULL};
        good = good && gives_known_answers(&path, true);
    }
    return good;
}
