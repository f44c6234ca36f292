#include "tests/support/traces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"
#include "tests/support/environment.h"

/* Vector registers spilt by this file's own code would be traces too: words, one at a time, and masked at once. */
static const uint64_t mask = 0x5a17c3e89b604df2;

bool test_traces_can_be_sought(void)
{
    if (TEST_SANITIZED || test_emulated() || test_reduced()) {
        test_not_run("search for traces of keys", "not under sanitizers and emulators");
        return false;
    }
    return true;
}

static bool is_piece(const struct test_piece *piece, const volatile uint64_t *at, size_t words)
{
    for (size_t i = 0; i < piece->words; i++) {
        if (i == words || (at[i] ^ mask) != piece->masked[i])
            return false;
    }
    return true;
}

/* Whether one of the pieces begins at `at`, where there are so many words. */
static bool is_there(const struct test_traces *traces, const volatile uint64_t *at, size_t words)
{
    for (size_t i = 0; i < traces->count; i++) {
        if (is_piece(&traces->pieces[i], at, words))
            return true;
    }
    return false;
}

static void add(struct test_traces *traces, const volatile uint64_t *at, size_t words)
{
    if (is_there(traces, at, words))
        return;
    if (traces->count == sizeof traces->pieces / sizeof traces->pieces[0]) {
        fprintf(stderr, "more kinds of schedule than this search has room for\n");
        exit(2);
    }
    struct test_piece *piece = &traces->pieces[traces->count++];
    piece->words = words;
    for (size_t i = 0; i < words; i++)
        piece->masked[i] = at[i] ^ mask;
}

void test_traces_add(struct test_traces *traces, const struct sl_kernel *kernel, const uint8_t key[32])
{
    static _Alignas(SL_SCHEDULE_ALIGN) uint64_t schedule[SL_SCHEDULE_MAX / 8];
    uint64_t words[4];
    /* A plane of a round key has a whole byte for each of its bits: one alone is not rare enough. */
    size_t step = kernel->schedule_len == 16 * (SL_AES_ROUNDS + 1) ? 2 : 8;
    kernel->expand(schedule, key);
    memcpy(words, key, sizeof words);
    for (size_t i = 0; i + step <= kernel->schedule_len / 8; i += step) {
        uint64_t a = schedule[i], b = schedule[i + 1];
        bool is_key = (a == words[0] && b == words[1]) || (a == words[2] && b == words[3]);
        if (step > 2 || !(is_key || a == 0 || a == UINT64_MAX || a == b))
            add(traces, schedule + i, step);
    }
    sl_wipe(schedule, sizeof schedule);
    sl_wipe(words, sizeof words);
}

void test_traces_add_table(struct test_traces *traces, const struct sl_kernel *kernel, const struct sl_face *face,
                           const uint8_t key[32], uint64_t counter_hi, uint64_t counter_lo)
{
    static _Alignas(SL_SCHEDULE_ALIGN) uint64_t schedule[SL_SCHEDULE_MAX / 8];
    static _Alignas(SL_SCHEDULE_ALIGN) uint64_t table[SL_FACE_TABLE_LEN / 8];
    kernel->expand(schedule, key);
    face->make(schedule, (uint8_t *)table, counter_hi, counter_lo);
    for (size_t i = 0; i < sizeof table / 8; i += 2) {
        /* An entry of a round-1 table has 12 bytes of zeros: words that other memory may hold by chance are left out.
         */
        if (table[i] >> 16 != 0)
            add(traces, table + i, 2);
    }
    sl_wipe(schedule, sizeof schedule);
    sl_wipe(table, sizeof table);
}

static size_t count_in(const struct test_traces *traces, const volatile uint64_t *from, const volatile uint64_t *to)
{
    size_t found = 0;
    for (const volatile uint64_t *p = from; p + 1 < to; p++)
        found += is_there(traces, p, (size_t)(to - p));
    return found;
}

size_t test_traces_count(const struct test_traces *traces)
{
    FILE *f = fopen("/proc/self/maps", "re");
    char line[512];
    size_t found = 0;
    if (!f) {
        perror("/proc/self/maps");
        exit(2);
    }
    while (fgets(line, sizeof line, f)) {
        uintptr_t start, end;
        char rights[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, rights) == 3 && memcmp(rights, "rw", 2) == 0)
            found += count_in(traces, (const volatile uint64_t *)start, (const volatile uint64_t *)end);
    }
    fclose(f);
    return found;
}
