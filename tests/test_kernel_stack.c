/* What kernels leave on the stack: no round key and no state.  A compiler that runs out of vector registers, or that
 * has to keep them around a call, puts them there, where nothing wipes them.  Bitsliced kernels always run out, and
 * overwrite that part of the stack: there must be nothing left that depends on the key at all. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, pthread_attr_setstack */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/kernel.h"
#include "base/endian.h"
#include "tests/support/environment.h"

enum {
    STACK_LEN = 1 << 20,
    RECORDS = 64,
    DATA_LEN = 65536 + 1024,
    BLOCKS = DATA_LEN / 16, /* counter blocks that are sought, of each key */
};

/* What sealane_key is to a kernel's `records`: an address that the schedule lies behind. */
struct holder {
    _Alignas(SL_SCHEDULE_ALIGN) uint8_t before[SL_SCHEDULE_ALIGN];
    uint8_t schedule[SL_SCHEDULE_MAX];
};

static struct {
    const struct sl_kernel *kernel;
    struct holder holders[RECORDS];
    uint8_t keys[RECORDS][32];
    uint8_t ivs[RECORDS][16];
    struct sealane_record records[RECORDS];
    _Alignas(SL_SCHEDULE_ALIGN) uint8_t by_key[SL_FACE_TABLE_LEN];
    _Alignas(SL_SCHEDULE_ALIGN) uint8_t by_nonce[SL_FACE_TABLE_LEN];
    _Alignas(64) uint8_t data[DATA_LEN];
    _Alignas(64) uint8_t other[16 + DATA_LEN];
    size_t len, done;
} job;

static const size_t lens[] = {1,   7,    15,   16,   17,   60,    64,    100,   255,         256,     383,
                              384, 1000, 4096, 5000, 8192, 16384, 16399, 65536, 65536 + 383, DATA_LEN};

static void run_ctr(void)
{
    job.kernel->ctr(job.holders[0].schedule, sl_load_be64(job.ivs[0]), sl_load_be64(job.ivs[0] + 8), job.data, job.data,
                    job.len);
}

static void run_nt(void)
{
    job.kernel->ctr_nt(job.holders[0].schedule, sl_load_be64(job.ivs[0]), sl_load_be64(job.ivs[0] + 8), job.other + 16,
                       job.data, job.len);
}

static void run_by_key(void)
{
    job.kernel->by_key->ctr(job.holders[0].schedule, job.by_key, sl_load_be64(job.ivs[0]), sl_load_be64(job.ivs[0] + 8),
                            job.data, job.data, job.len);
}

static void run_by_nonce(void)
{
    job.kernel->by_nonce->ctr(job.holders[0].schedule, job.by_nonce, sl_load_be64(job.ivs[0]),
                              sl_load_be64(job.ivs[0] + 8), job.data, job.data, job.len);
}

static void run_make(void)
{
    uint64_t hi = sl_load_be64(job.ivs[0]), lo = sl_load_be64(job.ivs[0] + 8);
    job.kernel->by_key->make(job.holders[0].schedule, job.by_key, hi, lo);
    job.kernel->by_nonce->make(job.holders[0].schedule, job.by_nonce, hi, lo);
}

static void run_expand(void)
{
    for (size_t i = 0; i < RECORDS; i++)
        job.kernel->expand(job.holders[i].schedule, job.keys[i]);
}

static void run_expand_many(void)
{
    void *schedules[RECORDS];
    for (size_t i = 0; i < RECORDS; i++)
        schedules[i] = job.holders[i].schedule;
    job.kernel->expand_many(schedules, job.keys[0], RECORDS);
}

static void run_records(void)
{
    for (size_t i = 0; i < RECORDS;) {
        size_t done = job.kernel->records(job.records + i, RECORDS - i, sizeof job.holders[0].before);
        i += done ? done : 1;
    }
}

/* Records in equal steps, which job.records are. */
static void run_column(void)
{
    const struct sealane_record *r = job.records;
    size_t iv_step = (size_t)(r[1].iv - r[0].iv), step = (size_t)(r[1].dst - r[0].dst);
    job.done = job.kernel->column(r, RECORDS, iv_step, step, sizeof job.holders[0].before);
}

/* Has the compiler believe that all of an array is read and written, so that it stays one. */
#define KEEP(array) __asm__ volatile("" : : "r"(array) : "memory")

static uint8_t *depth; /* what the call may have written lies below */

/* The thread's end writes to the part of the stack next to its start: the call goes deeper. */
static void *on_own_stack(void *run)
{
    uint8_t deep[16384];
    void (*call)(void);
    memcpy(&call, run, sizeof call);
    depth = deep;
    KEEP(deep);
    call();
    KEEP(deep);
    return NULL;
}

/* A stack of zeros, so that all that is found there comes from this call and from the thread's start.  It is the same
 * memory each time: addresses on it do not differ. */
static const uint8_t *stack_of(void (*call)(void))
{
    static uint8_t *stack;
    pthread_attr_t attributes;
    pthread_t thread;
    if (!stack)
        stack = mmap(NULL, STACK_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(stack, MAP_FAILED);
    assert_int_equal(madvise(stack, STACK_LEN, MADV_DONTNEED), 0);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_LEN), 0);
    assert_int_equal(pthread_create(&thread, &attributes, on_own_stack, &call), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    return stack;
}

/* A set of 16-byte pieces, by their first half. */
enum { SLOTS = 1 << 16 };
static uint64_t pieces[SLOTS][2];

static uint64_t *slot_of(uint64_t a, uint64_t b)
{
    size_t i = (size_t)(a * 0x9e3779b97f4a7c15 >> 40) % SLOTS;
    while ((pieces[i][0] | pieces[i][1]) != 0 && (pieces[i][0] != a || pieces[i][1] != b))
        i = (i + 1) % SLOTS;
    return pieces[i];
}

static void seek(const uint8_t piece[16])
{
    uint64_t words[2];
    memcpy(words, piece, sizeof words);
    memcpy(slot_of(words[0], words[1]), words, sizeof words);
}

static void seek_states(const uint8_t *schedule, const uint8_t *iv, size_t blocks)
{
    for (size_t b = 0; b < blocks; b++) {
        uint8_t state[16];
        memcpy(state, iv, 8);
        sl_store_be64(state + 8, sl_load_be64(iv + 8) + b);
        for (size_t i = 0; i < 16; i++)
            state[i] ^= schedule[i];
        seek(state);
    }
}

/* The round keys of all keys, and what XORing the first of them to a counter block gives. */
static void seek_secrets(size_t keys, size_t blocks)
{
    memset(pieces, 0, sizeof pieces);
    for (size_t k = 0; k < keys; k++) {
        const uint8_t *schedule = job.holders[k].schedule;
        for (size_t r = 0; r <= SL_AES_ROUNDS; r++)
            seek(schedule + 16 * r);
        seek_states(schedule, job.ivs[k], blocks);
    }
}

static size_t found_on(const uint8_t *stack)
{
    size_t found = 0;
    for (size_t at = 0; at + 16 <= STACK_LEN; at += 8) {
        uint64_t words[2];
        memcpy(words, stack + at, sizeof words);
        if ((words[0] | words[1]) == 0)
            continue;
        const uint64_t *slot = slot_of(words[0], words[1]);
        found += (slot[0] | slot[1]) != 0;
    }
    return found;
}

/* All that comes from keys changes; addresses stay. */
static void exchange_keys(void)
{
    for (size_t i = 0; i < sizeof job.keys; i++)
        ((uint8_t *)job.keys)[i] ^= (uint8_t)(1 + i % 255);
    run_expand();
    if (job.kernel->by_key && job.kernel->by_nonce)
        run_make();
}

static size_t left_by(const char *what, const char *detail, void (*call)(void))
{
    size_t found = found_on(stack_of(call));
    if (found)
        printf("  %s, %s, %s, %zu bytes: %zu secrets on the stack\n", job.kernel->name, what, detail, job.len, found);
    return found;
}

static size_t left_by_lengths(void)
{
    size_t found = 0;
    seek_secrets(1, BLOCKS);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        job.len = lens[i];
        found += left_by("ctr", "one message", run_ctr);
        if (job.kernel->ctr_nt)
            found += left_by("ctr past the caches", "one message", run_nt);
        if (job.kernel->by_key)
            found += left_by("ctr by key", "one message", run_by_key);
        if (job.kernel->by_nonce)
            found += left_by("ctr by nonce", "one message", run_by_nonce);
    }
    return found;
}

/* Of each form that kernels treat apart: side by side and not, with one key and with many. */
static size_t left_by_columns(void)
{
    static const size_t sizes[] = {16, 7, 1, 12, 64, 17, 63, 65, 128, 129, 192, 193, 256, 257};
    size_t found = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t form = 0; form < 4; form++) {
            size_t len = sizes[s], step = len + (form / 2 ? 16 : 0);
            seek_secrets(RECORDS, 260);
            for (size_t i = 0; i < RECORDS; i++) {
                uint8_t *data = job.data + step * i;
                job.records[i] =
                    (struct sealane_record){(void *)&job.holders[form % 2 ? i : 0], job.ivs[i], 0, data, data, len};
                if (form % 2 == 0)
                    seek_states(job.holders[0].schedule, job.ivs[i], 260);
                for (size_t at = 0; at + 16 <= len; at += 16)
                    seek(data + at);
            }
            job.len = len;
            found += left_by("column", form % 2 ? "own keys" : "one key", run_column);
            assert_int_equal(job.done, len <= (form % 2 ? 64 : 256) ? RECORDS : 0);
        }
    }
    return found;
}

/* Each length of batches, at offset 0, at another, and mixed; with one key and with many. */
static size_t left_by_records(void)
{
    static const size_t sizes[] = {16, 7, 1, 12, 64, 17, 40};
    static const char *const details[] = {"one key", "one key, offsets", "own keys", "own keys, offsets"};
    size_t found = 0;
    seek_secrets(RECORDS, 260);
    for (size_t s = 0; s <= sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t form = 0; form < 4; form++) {
            for (size_t i = 0; i < RECORDS; i++) {
                size_t len = s < sizeof sizes / sizeof sizes[0] ? sizes[s] : i / 4 % 2 ? 64 - 9 * (i % 4) : 16 - i % 3;
                uint64_t offset = form % 2 && i % 2 ? 4096 : 0;
                const void *key = &job.holders[form < 2 ? 0 : i];
                uint8_t *data = job.data + 64 * i;
                job.records[i] = (struct sealane_record){key, job.ivs[form < 2 ? 0 : i], offset, data, data, len};
                job.len = len;
            }
            found += left_by("records", details[form], run_records);
        }
    }
    return found;
}

static void prepare(const struct sl_kernel *kernel)
{
    struct test_random random = test_random_for(kernel->name);
    job.kernel = kernel;
    test_random_fill(&random, job.keys, sizeof job.keys);
    test_random_fill(&random, job.ivs, sizeof job.ivs);
    test_random_fill(&random, job.data, sizeof job.data); /* sought too: no small numbers, which are everywhere */
    for (size_t i = 0; i < RECORDS; i++)
        job.ivs[i][8] &= 0x7f; /* no wrap, which a bare kernel does not take */
    run_expand();
    if (kernel->by_key && kernel->by_nonce)
        run_make();
}

/* How many bytes of the stack depend on the key after `call`: with two keys all else is the same. */
static size_t differences(const char *what, void (*call)(void))
{
    static uint8_t other[STACK_LEN];
    size_t found = 0;
    memset(job.data, 0, sizeof job.data);
    const uint8_t *stack = stack_of(call);
    memcpy(other, stack, sizeof other);
    exchange_keys();
    memset(job.data, 0, sizeof job.data);
    stack_of(call);
    for (size_t i = 0; i < (size_t)(depth - stack); i++)
        found += other[i] != stack[i];
    if (found)
        printf("  %s, %s, %zu bytes: %zu bytes of the stack depend on the key\n", job.kernel->name, what, job.len,
               found);
    return found;
}

static size_t differences_by_lengths(void)
{
    size_t found = differences("expand", run_expand);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        job.len = lens[i];
        found += differences("ctr", run_ctr);
        if (job.kernel->by_key)
            found += differences("ctr by key", run_by_key);
        if (job.kernel->by_nonce)
            found += differences("ctr by nonce", run_by_nonce);
    }
    job.len = 0;
    if (job.kernel->by_key && job.kernel->by_nonce)
        found += differences("table", run_make);
    return found;
}

static void kernels_leave_no_secrets(void **state)
{
    (void)state;
    size_t found = 0;
    if (TEST_SANITIZED || test_emulated() || test_reduced()) {
        test_not_run("search of stacks", "not under sanitizers, emulators and coverage, whose code is another");
        skip();
    }
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (!kernel || (kernel->needs & sl_cpu()) != kernel->needs) {
            test_not_run(sl_kernels[i].name, "this CPU or system lacks what it needs");
            continue;
        }
        prepare(kernel);
        if (kernel->schedule_len != 16 * (SL_AES_ROUNDS + 1)) {
            found += differences_by_lengths();
            continue;
        }
        found += left_by_lengths();
        found += left_by_records();
        if (kernel->column)
            found += left_by_columns();
        seek_secrets(RECORDS, 260);
        job.len = 0;
        found += left_by("table", "both", run_make);
        found += left_by("expand", "all", run_expand);
        if (kernel->expand_many)
            found += left_by("expand_many", "all", run_expand_many);
    }
    assert_int_equal(found, 0);
}

static void leave_one_bit(void)
{
    uint8_t left = job.keys[0][0] & 1;
    KEEP(&left);
}

/* The search itself: a key and a state that were left on purpose are found, and so is a bit of a key. */
static void leave_some(void)
{
    uint8_t left[64];
    for (size_t i = 0; i < 16; i++) {
        left[i] = job.holders[3].schedule[16 * 14 + i];
        left[32 + i] = job.holders[5].schedule[i] ^ job.ivs[5][i];
    }
    KEEP(left);
}

static void search_finds_what_is_left(void **state)
{
    (void)state;
    if (TEST_SANITIZED) {
        test_not_run("search of stacks", "not under sanitizers");
        skip();
    }
    prepare(sl_kernels[sl_kernel_count - 1].kernel);
    seek_secrets(RECORDS, 260);
    assert_true(found_on(stack_of(leave_some)) >= 2);
    assert_true(differences("planted", leave_one_bit) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_leave_no_secrets),
        cmocka_unit_test(search_finds_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
