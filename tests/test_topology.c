/* Caches, NUMA nodes and usable processors against what Linux itself tells: sched_getaffinity and sysfs. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sealane/topology.h"

static unsigned affinity_count(void)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return (unsigned)CPU_COUNT(&set);
}

/* The first line of a sysfs file, "" if there is none. */
__attribute__((format(printf, 3, 4))) static void read_line(char *line, int size, const char *format, ...)
{
    char path[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    line[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(line, size, file))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    fclose(file);
}

static void processors_are_the_affinity_mask(void **state)
{
    (void)state;
    sealane_topology *t;
    assert_int_equal(sealane_topology_create(&t), SEALANE_OK);
    struct sealane_topology_info info;
    sealane_topology_info(t, &info);
    assert_int_equal(info.processors, affinity_count());
    assert_in_range(info.cores, 1, info.processors);
    sealane_topology_free(t);
}

enum { OTHER_THREADS = 99 };

static unsigned thread_count(void)
{
    unsigned count = 0;
    DIR *threads = opendir("/proc/self/task");
    for (const struct dirent *entry; threads && (entry = readdir(threads));)
        count += entry->d_name[0] != '.';
    if (threads)
        closedir(threads);
    return count;
}

/* In a child that may use one processor only: 0 if the topology says so. */
static int look_from_one_processor(void)
{
    if (thread_count() > 1)
        return OTHER_THREADS;
    cpu_set_t set, one;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 10;
    int last = -1;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &set))
            last = i;
    }
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        return 11;
    sealane_topology *t;
    if (sealane_topology_create(&t))
        return 12;
    struct sealane_topology_info info;
    sealane_topology_info(t, &info);
    unsigned local = 0;
    for (unsigned i = 0; i < info.nodes; i++) {
        struct sealane_topology_node node;
        if (sealane_topology_node(t, i, &node))
            return 13;
        local += node.processors;
    }
    unsigned shared_caches = 0;
    for (unsigned i = 0; i < info.caches; i++) {
        struct sealane_topology_cache cache;
        if (sealane_topology_cache(t, i, &cache))
            return 14;
        shared_caches += cache.count > 1;
    }
    sealane_topology_free(t);
    return info.processors != 1 ? 15 : info.cores != 1 ? 16 : local != 1 ? 17 : shared_caches != 0 ? 18 : 0;
}

static int in_child(int (*function)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(function());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_narrower_mask_is_respected(void **state)
{
    (void)state;
    if (affinity_count() < 2) {
        print_message("skipped: this process may use one processor only, so the mask cannot be narrowed\n");
        skip();
    }
    int outcome = in_child(look_from_one_processor);
    if (outcome == OTHER_THREADS) {
        print_message("skipped: an emulator's or a sanitizer's own thread keeps the wider mask\n");
        skip();
    }
    assert_int_equal(outcome, 0);
}

static enum sealane_error look(void)
{
    sealane_topology *t;
    enum sealane_error error = sealane_topology_create(&t);
    if (error && t)
        _exit(100);
    sealane_topology_free(t);
    return error;
}

static int look_at_synthetic(void)
{
    setenv("HWLOC_SYNTHETIC", "node:4 core:16 pu:2", 1);
    return (int)look();
}

static int look_at_foreign_root(void)
{
    setenv("HWLOC_FSROOT", "/proc/self/fdinfo", 1);
    return (int)look();
}

static void an_invented_machine_is_refused(void **state)
{
    (void)state;
    assert_int_equal(in_child(look_at_synthetic), SEALANE_E_IO);
    assert_int_equal(in_child(look_at_foreign_root), SEALANE_E_IO);
}

static void nodes_are_those_of_sysfs(void **state)
{
    (void)state;
    char line[256];
    read_line(line, sizeof line, "/sys/devices/system/node/has_memory");
    if (!*line) {
        print_message("skipped: this system has no /sys/devices/system/node/has_memory\n");
        skip();
    }
    unsigned with_memory = 0;
    for (const char *at = line; *at;) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        with_memory += (unsigned)(last - first + 1);
        at = *end == ',' ? end + 1 : end;
    }
    sealane_topology *t;
    assert_int_equal(sealane_topology_create(&t), SEALANE_OK);
    struct sealane_topology_info info;
    sealane_topology_info(t, &info);
    assert_int_equal(info.nodes, with_memory);
    for (unsigned i = 0; i < info.nodes; i++) {
        struct sealane_topology_node node;
        assert_int_equal(sealane_topology_node(t, i, &node), SEALANE_OK);
        unsigned long kib = 0;
        read_line(line, sizeof line, "/sys/devices/system/node/node%u/meminfo", node.os_index);
        assert_int_equal(sscanf(line, "Node %*u MemTotal: %lu kB", &kib), 1);
        assert_true(node.memory / 1024 == kib);
    }
    sealane_topology_free(t);
}

/* Every cache that sysfs gives to a usable processor is there, with its size. */
static void caches_are_those_of_sysfs(void **state)
{
    (void)state;
    sealane_topology *t;
    assert_int_equal(sealane_topology_create(&t), SEALANE_OK);
    struct sealane_topology_info info;
    sealane_topology_info(t, &info);
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    unsigned looked_at = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        for (unsigned index = 0; CPU_ISSET(cpu, &set) && index < 8; index++) {
#define CACHE "/sys/devices/system/cpu/cpu%u/cache/index%u/"
            char level[32], type[32], size[32];
            read_line(level, sizeof level, CACHE "level", cpu, index);
            read_line(type, sizeof type, CACHE "type", cpu, index);
            read_line(size, sizeof size, CACHE "size", cpu, index);
#undef CACHE
            if (!*level || !*size)
                continue;
            unsigned matches = 0;
            for (unsigned i = 0; i < info.caches; i++) {
                struct sealane_topology_cache cache;
                assert_int_equal(sealane_topology_cache(t, i, &cache), SEALANE_OK);
                matches += cache.level == strtoul(level, NULL, 10) && cache.size / 1024 == strtoul(size, NULL, 10) &&
                           cache.type == (*type == 'D'   ? 'd'
                                          : *type == 'I' ? 'i'
                                                         : 'u') &&
                           cache.count > 0;
            }
            assert_int_equal(matches, 1);
            looked_at++;
        }
    }
    sealane_topology_free(t);
    print_message("%u caches of sysfs compared\n", looked_at);
    if (looked_at == 0)
        skip();
}

static void beyond_the_end_is_an_argument_error(void **state)
{
    (void)state;
    sealane_topology *t;
    assert_int_equal(sealane_topology_create(&t), SEALANE_OK);
    struct sealane_topology_info info;
    sealane_topology_info(t, &info);
    struct sealane_topology_cache cache;
    struct sealane_topology_node node;
    assert_int_equal(sealane_topology_cache(t, info.caches, &cache), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_topology_node(t, info.nodes, &node), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_topology_node(t, UINT32_MAX, &node), SEALANE_E_ARGUMENT);
    sealane_topology_free(t);
    sealane_topology_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors_are_the_affinity_mask), cmocka_unit_test(a_narrower_mask_is_respected),
        cmocka_unit_test(an_invented_machine_is_refused),   cmocka_unit_test(nodes_are_those_of_sysfs),
        cmocka_unit_test(caches_are_those_of_sysfs),        cmocka_unit_test(beyond_the_end_is_an_argument_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
