#define _GNU_SOURCE
#include "engine/pool/machine.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hwloc/linux.h>

static enum sealane_error load(hwloc_topology_t machine)
{
    if (hwloc_topology_set_cache_types_filter(machine, HWLOC_TYPE_FILTER_KEEP_ALL) != 0 ||
        hwloc_topology_set_icache_types_filter(machine, HWLOC_TYPE_FILTER_KEEP_ALL) != 0)
        return SEALANE_E_IO;
#if HWLOC_API_VERSION >= 0x00020500
    /* Or else it binds the calling thread to each CPU in turn to ask it for details that nobody needs here: with that,
     * it takes ten times as long. */
    if (hwloc_topology_set_flags(machine, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING) != 0)
        return SEALANE_E_IO;
#endif
    errno = 0;
    if (hwloc_topology_load(machine) != 0)
        return errno == ENOMEM ? SEALANE_E_NO_MEMORY : SEALANE_E_IO;
    /* HWLOC_SYNTHETIC, HWLOC_XMLFILE and HWLOC_FSROOT describe another machine, unless HWLOC_THISSYSTEM vouches. */
    return hwloc_topology_is_thissystem(machine) ? SEALANE_OK : SEALANE_E_IO;
}

/* hwloc has a lock of its own, which a child of a fork would find held for ever if another thread was within. */
static pthread_mutex_t in_hwloc = PTHREAD_MUTEX_INITIALIZER;
static bool forks_wait;

static void before_fork(void)
{
    pthread_mutex_lock(&in_hwloc);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&in_hwloc);
}

static void have_forks_wait(void)
{
    forks_wait = pthread_atfork(before_fork, after_fork, after_fork) == 0;
}

enum sealane_error sl_machine_load(hwloc_topology_t *machine)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    hwloc_topology_t h;
    enum sealane_error error = SEALANE_E_NO_MEMORY;
    *machine = NULL;
    /* Without sysfs hwloc complains on standard error, and then makes up what it can. */
    if (access("/sys/devices/system/cpu", F_OK) != 0)
        return SEALANE_E_IO;
    if (pthread_once(&once, have_forks_wait) != 0 || !forks_wait)
        return SEALANE_E_NO_MEMORY;
    pthread_mutex_lock(&in_hwloc);
    if (hwloc_topology_init(&h) == 0) {
        error = load(h);
        if (error)
            hwloc_topology_destroy(h);
        else
            *machine = h;
    }
    pthread_mutex_unlock(&in_hwloc);
    return error;
}

void sl_machine_unload(hwloc_topology_t machine)
{
    pthread_mutex_lock(&in_hwloc);
    hwloc_topology_destroy(machine);
    pthread_mutex_unlock(&in_hwloc);
}

enum sealane_error sl_machine_usable(hwloc_topology_t machine, hwloc_bitmap_t usable)
{
    int failed;
    if (hwloc_get_cpubind(machine, usable, HWLOC_CPUBIND_PROCESS) != 0)
        failed = hwloc_bitmap_copy(usable, hwloc_topology_get_allowed_cpuset(machine));
    else
        failed = hwloc_bitmap_and(usable, usable, hwloc_topology_get_allowed_cpuset(machine));
    if (failed)
        return SEALANE_E_NO_MEMORY;
    return hwloc_bitmap_iszero(usable) ? SEALANE_E_IO : SEALANE_OK;
}

enum sealane_error sl_machine_local(hwloc_topology_t machine, hwloc_obj_t node, hwloc_bitmap_t local)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/cpumap", node->os_index);
    if (hwloc_topology_is_thissystem(machine) && hwloc_linux_read_path_as_cpumask(path, local) == 0)
        return SEALANE_OK;
    return hwloc_bitmap_copy(local, node->cpuset) ? SEALANE_E_NO_MEMORY : SEALANE_OK;
}

/* CPUs that "QUOTA PERIOD" (microseconds, cpu.max) allows. */
static unsigned parse_quota(const char *text)
{
    long long quota, period;
    if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
        return UINT_MAX; /* "max 100000" */
    long long cpus = quota / period + (quota % period != 0);
    return cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;
}

static unsigned read_quota(const char *directory)
{
    char path[PATH_MAX], text[128] = "";
    snprintf(path, sizeof path, "%.4000s/cpu.max", directory);
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT_MAX;
    if (!fgets(text, sizeof text, file))
        text[0] = '\0';
    fclose(file);
    return parse_quota(text);
}

/* hwloc does not look at quotas.  A limit holds for all cgroups below, so the smallest on the way up counts; within a
 * container the cgroup's own root is mounted where the host's is. */
unsigned sl_machine_quota(void)
{
    static const char mount[] = "/sys/fs/cgroup";
    char line[PATH_MAX], directory[PATH_MAX];
    unsigned least = read_quota(mount);
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(directory, sizeof directory, "%s%.4000s", mount, line + 3);
        while (strlen(directory) > sizeof mount) {
            unsigned quota = read_quota(directory);
            least = quota < least ? quota : least;
            *strrchr(directory, '/') = '\0';
        }
    }
    if (file)
        fclose(file);
    return least;
}
