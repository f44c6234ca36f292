/* Run under valgrind: key bytes are marked undefined, so a branch or an address that depends on them is reported. Every
 * kernel that runs here is called directly, with its tables of first rounds, then the whole path through an engine.
 * With the argument `leak` it commits the crime itself, a table look-up by a key byte: the check must notice. */
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "arch/cpu.h"
#include "arch/kernel.h"
#include "sealane/engine.h"

enum { LEN_MAX = 2100 };

static const size_t lengths[] = {0, 1, 15, 16, 17, 64, 65, 127, 128, 129, 255, 256, 1000, 1039, LEN_MAX};

static void undefined_key(uint8_t key[32])
{
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)(i * 11 + 3);
    VALGRIND_MAKE_MEM_UNDEFINED(key, 32);
}

/* A table is made of the key, so undefined; its index, the counter, is not. */
static void check_face(const struct sl_face *face, const void *schedule)
{
    alignas(SL_SCHEDULE_ALIGN) static uint8_t table[SL_FACE_TABLE_LEN];
    static uint8_t text[LEN_MAX];
    face->make(schedule, table, 1, 2);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        face->ctr(schedule, table, 1, 199 + i, text, text, lengths[i]);
}

/* What sealane_key is to a kernel's `records`: an address that the schedule lies behind. */
struct holder {
    alignas(SL_SCHEDULE_ALIGN) uint8_t before[SL_SCHEDULE_ALIGN];
    uint8_t schedule[SL_SCHEDULE_MAX];
};

enum { MANY = 13, RECORDS = 40 };

/* Batches as a kernel gets them: lengths that it takes together and others, one key and many, with and without an
 * offset. */
static void fill_records(struct sealane_record *records, const void *const *keys, size_t key_count, uint8_t *text)
{
    static const uint8_t ivs[2][16] = {{1, 2, 3},
                                       {9, 8, 7, 6, 5, 4, 3, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}};
    static const size_t lens[] = {16, 16, 16, 16, 7, 16, 1, 12, 64, 64, 64, 64, 3, 64, 100, 16, 16};
    for (size_t i = 0; i < RECORDS; i++) {
        size_t len = lens[i % (sizeof lens / sizeof lens[0])];
        uint64_t offset = i % 5 == 4 ? 4096 : 0;
        uint8_t *data = text + 128 * i;
        records[i] = (struct sealane_record){keys[i / 8 % key_count], ivs[i % 2], offset, data, data, len};
    }
}

static void check_many(const struct sl_kernel *kernel)
{
    static struct holder holders[MANY];
    static uint8_t bytes[MANY * 32], text[RECORDS * 128];
    struct sealane_record records[RECORDS];
    void *schedules[MANY];
    const void *keys[MANY];
    for (size_t i = 0; i < MANY; i++) {
        undefined_key(bytes + 32 * i);
        schedules[i] = holders[i].schedule;
        keys[i] = &holders[i];
    }
    kernel->expand_many(schedules, bytes, MANY);
    for (size_t key_count = 1; kernel->records && key_count <= MANY; key_count += MANY - 1) {
        fill_records(records, keys, key_count, text);
        for (size_t i = 0; i < RECORDS;) {
            size_t done = kernel->records(records + i, RECORDS - i, sizeof holders[0].before);
            i += done ? done : 1;
        }
    }
    printf("constant time: kernel %s, many keys%s\n", kernel->name, kernel->records ? " and records" : "");
}

static void check_kernel(const struct sl_kernel *kernel)
{
    alignas(SL_SCHEDULE_ALIGN) static uint8_t schedule[SL_SCHEDULE_MAX];
    alignas(64) static uint8_t text[LEN_MAX], other[16 + LEN_MAX];
    uint8_t key[32];
    undefined_key(key);
    kernel->expand(schedule, key);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        kernel->ctr(schedule, 1, 2, text, text, lengths[i]);
        if (kernel->ctr_nt)
            kernel->ctr_nt(schedule, 1, 2, other + 16, text, lengths[i]);
    }
    if (kernel->by_key)
        check_face(kernel->by_key, schedule);
    if (kernel->by_nonce)
        check_face(kernel->by_nonce, schedule);
    if (kernel->expand_many)
        check_many(kernel);
    printf("constant time: kernel %s\n", kernel->name);
}

static int check_engine(void)
{
    enum { WARM = 65536 }; /* bytes of one call after which key and stream have their tables */
    static uint8_t text[WARM];
    static const uint8_t iv[16] = {0xff};
    uint8_t bytes[32];
    sealane_stream *stream;
    sealane_engine *engine;
    sealane_key *key;
    if (sealane_engine_create(&engine, NULL) != SEALANE_OK) {
        puts("no engine");
        return 1;
    }
    undefined_key(bytes);
    if (sealane_key_create(engine, &key, bytes) != SEALANE_OK) {
        puts("no key");
        return 1;
    }
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        sealane_ctr_xor(key, iv, i * 7, text, text, lengths[i]);
    if (sealane_stream_create(key, &stream, iv) != SEALANE_OK) {
        puts("no stream");
        return 1;
    }
    sealane_ctr_xor(key, iv, 0, text, text, WARM);
    sealane_stream_xor(stream, 0, text, text, WARM);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        sealane_ctr_xor(key, iv, i * 7, text, text, lengths[i]);
        sealane_stream_xor(stream, i * 999, text, text, lengths[i]);
    }
    sealane_stream_free(stream);
    sealane_key_free(key);
    sealane_engine_free(engine);
    puts("constant time: an engine's key, from creation to wiping");
    return 0;
}

static int check_batches(void)
{
    static uint8_t bytes[MANY * 32], text[RECORDS * 128];
    struct sealane_record records[RECORDS];
    sealane_engine *engine;
    sealane_key *keys[MANY];
    if (sealane_engine_create(&engine, NULL) != SEALANE_OK) {
        puts("no engine");
        return 1;
    }
    for (size_t i = 0; i < MANY; i++)
        undefined_key(bytes + 32 * i);
    if (sealane_keys_create(engine, keys, bytes, MANY) != SEALANE_OK) {
        puts("no keys");
        return 1;
    }
    for (size_t key_count = 1; key_count <= MANY; key_count += MANY - 1) {
        fill_records(records, (const void *const *)keys, key_count, text);
        if (sealane_ctr_batch(records, RECORDS) != SEALANE_OK) {
            puts("no batch");
            return 1;
        }
    }
    for (size_t i = 0; i < MANY; i++)
        sealane_key_free(keys[i]);
    sealane_engine_free(engine);
    puts("constant time: an engine's batches of many keys");
    return 0;
}

static void leak(void)
{
    static volatile uint8_t table[256], sink;
    uint8_t key[32];
    undefined_key(key);
    /* Kept: valgrind drops a load whose value nobody uses, and with it the report. */
    sink = table[key[0]];
    (void)sink;
}

int main(int argc, char **argv)
{
    if (!RUNNING_ON_VALGRIND) {
        puts("to be run under valgrind");
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "leak") == 0) {
        leak();
        return 0;
    }
    uint32_t cpu = sl_cpu();
    size_t checked = 0;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (kernel && (kernel->needs & cpu) == kernel->needs) {
            check_kernel(kernel);
            checked++;
        } else {
            printf("not checked: kernel %s, which valgrind's CPU does not run\n", sl_kernels[i].name);
        }
    }
    return checked == 0 || check_engine() != 0 || check_batches() != 0;
}
