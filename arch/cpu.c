#include "arch/cpu.h"

#include <stdio.h>
#include <string.h>

size_t sealane_cpu_features(struct sealane_cpu_feature *features, size_t capacity)
{
    uint32_t have = sl_cpu();
    uint32_t bit;
    const char *name;
    size_t count = 0;
    for (; (name = sl_cpu_feature(count, &bit)) != NULL; count++) {
        if (count < capacity)
            features[count] = (struct sealane_cpu_feature){name, (have & bit) != 0};
    }
    return count;
}

size_t sealane_cpu_aes_probes(struct sealane_cpu_aes_probe *probes, size_t capacity)
{
    uint32_t have = sl_cpu();
    const struct sl_aes_probe *p;
    size_t count = 0;
    for (size_t i = 0; (p = sl_aes_probe(i)) != NULL; i++) {
        if ((have & p->needs) != p->needs)
            continue;
        if (count < capacity)
            probes[count] = p->probe;
        count++;
    }
    return count;
}

/* "model name" is x86's, "CPU part" the nearest thing on ARM. */
static void name_from_cpuinfo(char *name, size_t capacity)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (f && fgets(line, sizeof line, f)) {
        const char *value = strchr(line, ':');
        if (!value || (strncmp(line, "model name", 10) != 0 && strncmp(line, "CPU part", 8) != 0))
            continue;
        value += strspn(value, ": \t");
        int len = (int)strcspn(value, "\n");
        if (len > 0)
            snprintf(name, capacity, "%s%.*s", line[0] == 'C' ? "ARM part " : "", len, value);
        break;
    }
    if (f)
        fclose(f);
}

void sealane_cpu_name(char *name, size_t capacity)
{
    if (capacity == 0)
        return;
    snprintf(name, capacity, "unknown");
    name_from_cpuinfo(name, capacity);
}

uint64_t sealane_cpu_spin(uint64_t cycles)
{
    enum { CHAIN = 32 };
    uint64_t turns = cycles / CHAIN + 1;
    uint64_t x = 1;
    /* x += x depends on itself and is no constant addition that a renamer could fold away.  The loop's own counter runs
     * beside the chain, which alone decides the time. */
    for (uint64_t i = 0; i < turns; i++) {
#define ONE                                                                                                            \
    x += x;                                                                                                            \
    __asm__ volatile("" : "+r"(x));
#define FOUR ONE ONE ONE ONE
        FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR
#undef FOUR
#undef ONE
    }
    return turns * CHAIN;
}
