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
    if (TEST_SANITIZED || getenv("QEMU_LD_PREFIX") || test_reduced()) {
        test_not_run("search for traces of keys", "not under sanitizers and emulators");
        return false;
    }
    return true;
}

static bool is_there(const struct test_traces *traces, uint64_t masked_a, uint64_t masked_b)
{
    for (size_t i = 0; i < traces->count; i++) {
        if (traces->masked[i][0] == masked_a && traces->masked[i][1] == masked_b)
            return true;
    }
    return false;
}

static void add(struct test_traces *traces, uint64_t a, uint64_t b)
{
    if (traces->count == sizeof traces->masked / sizeof traces->masked[0]) {
        fprintf(stderr, "more kinds of schedule than this search has room for\n");
        exit(2);
    }
    traces->masked[traces->count][0] = a ^ mask;
    traces->masked[traces->count++][1] = b ^ mask;
}

void test_traces_add(struct test_traces *traces, const struct sl_kernel *kernel, const uint8_t key[32])
{
    static _Alignas(SL_SCHEDULE_ALIGN) uint64_t schedule[SL_SCHEDULE_MAX / 8];
    uint64_t words[4];
    kernel->expand(schedule, key);
    memcpy(words, key, sizeof words);
    for (size_t i = 0; i + 1 < kernel->schedule_len / 8; i += 2) {
        uint64_t a = schedule[i], b = schedule[i + 1];
        bool is_key = (a == words[0] && b == words[1]) || (a == words[2] && b == words[3]);
        if (is_key || a == 0 || a == UINT64_MAX || a == b || is_there(traces, a ^ mask, b ^ mask))
            continue;
        add(traces, a, b);
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
        uint64_t a = table[i], b = table[i + 1];
        /* An entry of a round-1 table has 12 bytes of zeros: words that other memory may hold by chance are left out.
         */
        if (a >> 16 != 0 && !is_there(traces, a ^ mask, b ^ mask))
            add(traces, a, b);
    }
    sl_wipe(schedule, sizeof schedule);
    sl_wipe(table, sizeof table);
}

static size_t count_in(const struct test_traces *traces, const volatile uint64_t *from, const volatile uint64_t *to)
{
    size_t found = 0;
    for (const volatile uint64_t *p = from; p + 1 < to; p++)
        found += is_there(traces, p[0] ^ mask, p[1] ^ mask);
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
