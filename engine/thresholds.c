/* Which path a call takes, by its length: the caller's word, else what was measured and what the system says. */
#define _GNU_SOURCE /* sched_getcpu */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/internal.h"

enum { CACHE_INDEX_MAX = 9, TEXT_MAX = 1024 };

/* A file of the CPU's cache `index`, as text; false if there is none. */
static bool read_cache_file(const char *root, int cpu, int index, const char *name, char text[TEXT_MAX])
{
    char path[256];
    size_t got = 0;
    int n = snprintf(path, sizeof path, "%s/cpu%d/cache/index%d/%s", root, cpu, index, name);
    int fd = n > 0 && (size_t)n < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    bool read = sl_read_full(fd, text, TEXT_MAX - 1, &got) == SEALANE_OK;
    close(fd);
    text[got] = '\0';
    return read && got > 0;
}

/* "32768K"; 0: not that. */
static size_t bytes_of(const char *text)
{
    char *end;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    unsigned shift = n == 0 ? 0 : *end == 'K' ? 10 : *end == 'M' ? 20 : 0;
    return n > SIZE_MAX >> shift ? 0 : (size_t)n << shift;
}

/* How many CPUs "0-3,8,10-11" names; 0: not that. */
static size_t cpus_in(const char *list)
{
    size_t count = 0;
    while (*list >= '0' && *list <= '9') {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (last < first || last - first > 1 << 20)
            return 0;
        count += last - first + 1;
        list = *end == ',' ? end + 1 : end;
    }
    return count;
}

size_t sl_cache_share(const char *root)
{
    char text[TEXT_MAX];
    int cpu = sched_getcpu();
    for (int index = CACHE_INDEX_MAX; cpu >= 0 && index >= 0; index--) { /* the last level comes last */
        if (!read_cache_file(root, cpu, index, "size", text))
            continue;
        size_t size = bytes_of(text);
        size_t sharers = read_cache_file(root, cpu, index, "shared_cpu_list", text) ? cpus_in(text) : 0;
        if (size == 0 || sharers == 0)
            break;
        return size / (sharers < SL_CACHE_SHARERS ? sharers : SL_CACHE_SHARERS);
    }
    return SL_CACHE_SHARE_UNKNOWN;
}

static size_t either(size_t asked, bool possible, size_t measured)
{
    return !possible ? SIZE_MAX : asked != 0 ? asked : measured;
}

void sl_thresholds_set(struct sealane_engine *engine, const struct sealane_thresholds *asked)
{
    const struct sl_kernel *k = engine->kernel;
    bool tables = engine->tables != NULL;
    engine->from = (struct sealane_thresholds){
        .key_table = either(asked->key_table, tables && k->by_key, k->by_key ? k->by_key->gains_from : 0),
        .stream_table = either(asked->stream_table, tables && k->by_nonce, k->by_nonce ? k->by_nonce->gains_from : 0),
        .non_temporal = either(asked->non_temporal, k->ctr_nt != NULL, SIZE_MAX),
    };
    /* Measured (Zen 5, a share of 16 MiB, source and destination each of len bytes): at half the share both ways were
     * equal, at three quarters stores past the caches had won. */
    if (k->ctr_nt && k->nt_gains && asked->non_temporal == 0)
        engine->from.non_temporal = sl_cache_share(SL_CPU_DIRECTORY) / 4 * 3;
}

void sealane_engine_thresholds(const sealane_engine *engine, struct sealane_thresholds *from)
{
    *from = engine->from;
}
