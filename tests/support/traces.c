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

struct test_traces test_traces_of(const struct sl_kernel *kernel, const uint8_t key[32])
{
    static _Alignas(SL_SCHEDULE_ALIGN) uint64_t schedule[SL_SCHEDULE_MAX / 8];
    struct test_traces t = {0};
    uint64_t words[4];
    kernel->expand(schedule, key);
    memcpy(words, key, sizeof words);
    for (size_t i = 0; i + 1 < kernel->schedule_len / 8; i += 2) {
        bool is_key = (schedule[i] == words[0] && schedule[i + 1] == words[1]) ||
                      (schedule[i] == words[2] && schedule[i + 1] == words[3]);
        if (is_key || schedule[i] == 0 || schedule[i] == UINT64_MAX || schedule[i] == schedule[i + 1])
            continue;
        t.masked[t.count][0] = schedule[i] ^ mask;
        t.masked[t.count++][1] = schedule[i + 1] ^ mask;
    }
    sl_wipe(schedule, sizeof schedule);
    sl_wipe(words, sizeof words);
    return t;
}

static size_t count_in(const struct test_traces *traces, const volatile uint64_t *from, const volatile uint64_t *to)
{
    size_t found = 0;
    for (const volatile uint64_t *p = from; p + 1 < to; p++) {
        uint64_t a = p[0] ^ mask;
        for (size_t i = 0; i < traces->count; i++) {
            if (a == traces->masked[i][0] && (p[1] ^ mask) == traces->masked[i][1])
                found++;
        }
    }
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
