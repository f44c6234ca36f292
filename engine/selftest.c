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

/* apart: into another buffer, where each block of the keystream is aligned. */
static bool gives_known_answers(const struct sl_path *path, bool one_nonce, bool apart)
{
    uint8_t buffer[SELFTEST_LEN_MAX] = {0};
    alignas(SEALANE_BLOCK_LEN) uint8_t other[SEALANE_BLOCK_LEN + SELFTEST_LEN_MAX] = {0};
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
        uint8_t *dst = apart ? other + v->offset % SEALANE_BLOCK_LEN : buffer;
        sl_ctr(&p, v->iv, v->offset, dst, buffer, v->len);
        good = good && fingerprint(dst, v->len) == v->fingerprint;
    }
    return good;
}

enum { RECORDS = 23 }; /* more than any kernel takes at a time, and ends of every kind */

static size_t record_len(size_t i, int round)
{
    static const size_t mixed[] = {16, 16, 16, 16, 16, 16, 16, 16, 7,  16, 1, 15,
                                   64, 64, 64, 64, 64, 16, 64, 3,  16, 16, 16};
    return round < 2 ? 16 : round < 4 ? 64 : mixed[i];
}

/* By `ctr`, which has given its known answers, one by one. */
static bool records_agree(const struct sl_kernel *kernel, const uint8_t *schedules[2])
{
    uint8_t expected[RECORDS][SL_RECORD_VECTOR_LEN] = {{0}}, got[RECORDS][SL_RECORD_VECTOR_LEN] = {{0}};
    uint8_t ivs[RECORDS][SEALANE_BLOCK_LEN];
    struct sealane_record records[RECORDS];
    bool good = true;
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < RECORDS; i++) {
            for (size_t j = 0; j < SEALANE_BLOCK_LEN; j++)
                ivs[i][j] = (uint8_t)(i * 31 + j * 5 + (i % 3 ? 0 : 0xf0));
            const uint8_t *schedule = schedules[round % 2 && i % 3 == 1]; /* own keys in the odd rounds */
            uint64_t offset = round == 5 ? (uint64_t)i << 36 : 0;
            size_t len = record_len(i, round);
            records[i] = (struct sealane_record){(const void *)schedule, ivs[i], offset, got[i], got[i], len};
            struct sl_counter c = sl_counter_at(ivs[i], offset / SEALANE_BLOCK_LEN);
            kernel->ctr(schedule, c.hi, c.lo, expected[i], expected[i], len);
        }
        for (size_t i = 0; i < RECORDS && good;) {
            size_t done = kernel->records(records + i, RECORDS - i, 0);
            good = done <= RECORDS - i;
            if (done == 0)
                memcpy(got[i], expected[i], sizeof got[i]);
            i += done ? done : 1;
        }
    }
    return good && memcmp(expected, got, sizeof got) == 0;
}

enum {
    COLUMN = 37, /* more than twice what any kernel takes at a time, and some over */
    COLUMN_LEN_MAX = 256,
    COLUMN_GAP = 8,
};

struct column_case {
    size_t len;
    size_t gap; /* between data, and between IVs */
    bool own_keys;
};

/* The records as they are, but not with any member of any but the first changed. */
static bool steps_are_seen(const struct sl_kernel *kernel, struct sealane_record *records, size_t iv_step, size_t step,
                           bool own_keys)
{
    bool good = kernel->in_steps(records, COLUMN, iv_step, step);
    for (size_t i = 1; i < COLUMN; i++) {
        uint8_t *bytes = (uint8_t *)&records[i];
        size_t from = own_keys || i == 1 ? offsetof(struct sealane_record, iv) : 0; /* then any key is right */
        for (size_t at = from + i % 8; at < sizeof *records; at += 8) {
            bytes[at] ^= (uint8_t)(1 << at / 8);
            good = good && !kernel->in_steps(records, COLUMN, iv_step, step);
            bytes[at] ^= (uint8_t)(1 << at / 8);
        }
    }
    return good;
}

/* By `ctr`, which has given its known answers, one by one.  The counter's carry may go all the way. */
static bool column_agrees(const struct sl_kernel *kernel, const uint8_t *schedules[2], const struct column_case *c)
{
    uint8_t expected[COLUMN * (COLUMN_LEN_MAX + COLUMN_GAP)] = {0}, got[sizeof expected] = {0};
    uint8_t ivs[COLUMN * (SEALANE_BLOCK_LEN + COLUMN_GAP)];
    struct sealane_record records[COLUMN];
    const size_t step = c->len + c->gap, iv_step = SEALANE_BLOCK_LEN + c->gap;
    for (size_t i = 0; i < sizeof ivs; i++)
        ivs[i] = (uint8_t)(i % iv_step == 15 ? 0xf0 + i / iv_step : i / iv_step % 3 ? i * 29 : 0xff);
    for (size_t i = 0; i < COLUMN; i++) {
        const uint8_t *schedule = schedules[c->own_keys && i % 3 == 0], *iv = ivs + i * iv_step;
        uint8_t *at = expected + i * step, *data = got + i * step;
        records[i] = (struct sealane_record){(const void *)schedule, iv, 0, data, data, c->len};
        struct sl_path path = {.kernel = kernel, .schedule = schedule, .table_from = SIZE_MAX, .nt_from = SIZE_MAX};
        sl_ctr(&path, iv, 0, at, at, c->len);
    }
    bool good = c->len != SEALANE_BLOCK_LEN || steps_are_seen(kernel, records, iv_step, step, c->own_keys);
    size_t done = kernel->column(records, COLUMN, iv_step, step, 0);
    good = good && done <= COLUMN;
    if (good)
        memset(expected + done * step, 0, sizeof expected - done * step); /* left as they were */
    return good && memcmp(expected, got, sizeof got) == 0;
}

/* Lengths of each form that kernels treat apart, side by side and not. */
static bool columns_agree(const struct sl_kernel *kernel, const uint8_t *schedules[2])
{
    static const struct column_case cases[] = {
        {16, 0, false},  {16, 8, false},  {7, 0, false},   {16, 0, true},   {16, 8, true},   {9, 0, true},
        {64, 0, false},  {64, 8, true},   {33, 0, false},  {50, 0, true},   {100, 8, false}, {128, 0, false},
        {150, 0, false}, {192, 0, false}, {201, 8, false}, {256, 0, false},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] && good; i++)
        good = column_agrees(kernel, schedules, &cases[i]);
    return good;
}

/* What batches use, against what calls one by one use. */
static bool batches_agree(const struct sl_kernel *kernel, const uint8_t *schedule)
{
    enum { KEYS = 9 };
    alignas(SL_SCHEDULE_ALIGN) uint8_t one[SL_SCHEDULE_MAX], many[KEYS][SL_SCHEDULE_MAX];
    uint8_t keys[KEYS][SEALANE_KEY_LEN];
    void *places[KEYS];
    bool good = true;
    for (size_t k = 0; k < KEYS; k++) {
        places[k] = many[k];
        for (size_t i = 0; i < SEALANE_KEY_LEN; i++)
            keys[k][i] = (uint8_t)(i * 7 + 2 + k * 37);
    }
    if (kernel->expand_many)
        kernel->expand_many(places, keys[0], KEYS);
    for (size_t k = 0; k < KEYS; k++) {
        kernel->expand(one, keys[k]);
        good = good && (!kernel->expand_many || memcmp(one, many[k], kernel->schedule_len) == 0);
    }
    const uint8_t *schedules[2] = {schedule, one};
    return good && (!kernel->records || records_agree(kernel, schedules)) &&
           (!kernel->column || columns_agree(kernel, schedules));
}

bool sl_selftest(const struct sl_kernel *kernel)
{
    alignas(SL_SCHEDULE_ALIGN) uint8_t schedule[SL_SCHEDULE_MAX];
    alignas(SL_SCHEDULE_ALIGN) uint8_t key_table[SL_FACE_TABLE_LEN];
    uint8_t key[SEALANE_KEY_LEN];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 7 + 1);
    kernel->expand(schedule, key);
    /* Every answer by every path, those too short to gain as well. */
    struct sl_path path = {.kernel = kernel, .schedule = schedule, .table_from = 0, .nt_from = SIZE_MAX};
    bool good = gives_known_answers(&path, false, false);
    if (kernel->by_key) {
        kernel->by_key->make(schedule, key_table, 0, 0);
        path.face = kernel->by_key;
        path.table = key_table;
        good = good && gives_known_answers(&path, false, false);
    }
    if (kernel->by_nonce) {
        path.face = kernel->by_nonce;
        path.table = NULL;
        good = good && gives_known_answers(&path, true, false);
    }
    if (kernel->ctr_nt) {
        path.nt_from = 0;
        path.table = NULL;
        good = good && gives_known_answers(&path, false, true);
    }
    if (kernel->records || kernel->column || kernel->expand_many)
        good = good && batches_agree(kernel, schedule);
    return good;
}
