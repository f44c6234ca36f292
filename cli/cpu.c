#define _POSIX_C_SOURCE 200809L
#include "sealane/cpu.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#include "cli/parse.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/session.h"
#include "cli/text.h"
#include "sealane/engine.h"
#include "sealane/topology.h"
#include "sealane/version.h"

enum { KERNELS_MAX = 64, FEATURES_MAX = 64 };

struct machine {
    char name[128];
    struct sealane_cpu_feature feature[FEATURES_MAX];
    size_t feature_count;
    struct sealane_kernel_info kernel[KERNELS_MAX];
    size_t kernel_count;
    sealane_topology *topology; /* NULL: unknown */
    struct sealane_topology_info info;
    struct rlimit lockable;
};

static const struct {
    const char *word; /* of the JSON form */
    const char *text;
} states[] = {
    [SEALANE_KERNEL_READY] = {"ready", "ready"},
    [SEALANE_KERNEL_OTHER_ARCH] = {"other-architecture", "not built for this architecture"},
    [SEALANE_KERNEL_UNSUPPORTED] = {"unsupported", "CPU or system lacks its instructions"},
    [SEALANE_KERNEL_WRONG] = {"wrong-answer", "wrong answer in self-test; not used"},
};

static const char *cache_type(char type)
{
    return type == 'd' ? "data" : type == 'i' ? "instruction" : "unified";
}

static json_t *kernels_json(const struct machine *m)
{
    int failed = 0;
    json_t *kernels = json_array();
    for (size_t i = 0; i < m->kernel_count; i++) {
        json_t *k = json_object();
        failed |= json_object_set_new(k, "name", json_string(m->kernel[i].name));
        failed |= json_object_set_new(k, "architecture", json_string(m->kernel[i].architecture));
        failed |= json_object_set_new(k, "state", json_string(states[m->kernel[i].state].word));
        failed |= json_object_set_new(k, "chosen", json_boolean(m->kernel[i].chosen));
        failed |= json_object_set_new(k, "avoided", json_boolean(m->kernel[i].avoided));
        failed |= json_array_append_new(kernels, k);
    }
    return sl_cli_json_whole(kernels, failed);
}

static json_t *caches_json(const struct machine *m)
{
    int failed = 0;
    json_t *caches = json_array();
    struct sealane_topology_cache cache;
    for (unsigned i = 0; i < m->info.caches && !sealane_topology_cache(m->topology, i, &cache); i++) {
        json_t *c = json_object();
        failed |= json_object_set_new(c, "level", json_integer(cache.level));
        failed |= json_object_set_new(c, "type", json_string(cache_type(cache.type)));
        failed |= json_object_set_new(c, "bytes", sl_cli_json_u64(cache.size));
        failed |= json_object_set_new(c, "count", json_integer(cache.count));
        failed |= json_array_append_new(caches, c);
    }
    return sl_cli_json_whole(caches, failed);
}

static json_t *nodes_json(const struct machine *m)
{
    int failed = 0;
    json_t *nodes = json_array();
    struct sealane_topology_node node;
    for (unsigned i = 0; i < m->info.nodes && !sealane_topology_node(m->topology, i, &node); i++) {
        json_t *n = json_object();
        failed |= json_object_set_new(n, "index", json_integer(node.os_index));
        failed |= json_object_set_new(n, "memory_bytes", sl_cli_json_u64(node.memory));
        failed |= json_object_set_new(n, "processors", json_integer(node.processors));
        failed |= json_array_append_new(nodes, n);
    }
    return sl_cli_json_whole(nodes, failed);
}

static json_t *workers_json(const struct machine *m)
{
    int failed = 0;
    json_t *o = json_object();
    json_t *plan = json_array();
    struct sealane_topology_worker worker;
    failed |= json_object_set_new(o, "default", json_integer(m->info.workers));
    failed |=
        json_object_set_new(o, "quota_cpus", m->info.quota == UINT_MAX ? json_null() : json_integer(m->info.quota));
    failed |= json_object_set_new(o, "plan", plan);
    for (unsigned i = 0; i < m->info.processors && !sealane_topology_worker(m->topology, i, &worker); i++) {
        json_t *w = json_object();
        failed |= json_object_set_new(w, "cpu", json_integer(worker.cpu));
        failed |= json_object_set_new(w, "core", json_integer(worker.core));
        failed |=
            json_object_set_new(w, "node", worker.node == SEALANE_NO_NODE ? json_null() : json_integer(worker.node));
        failed |= json_object_set_new(w, "sibling", json_boolean(worker.sibling));
        failed |= json_array_append_new(plan, w);
    }
    return sl_cli_json_whole(o, failed);
}

static int print_json(const struct machine *m)
{
    int failed = 0;
    json_t *o = json_object();
    json_t *features = json_object();
    for (size_t i = 0; i < m->feature_count; i++)
        failed |= json_object_set_new(features, m->feature[i].name, json_boolean(m->feature[i].present));
    failed |= json_object_set_new(o, "version", json_string(sealane_version()));
    failed |= json_object_set_new(o, "cpu", sl_cli_json_text(m->name));
    failed |= json_object_set_new(o, "features", features);
    const bool known = m->topology != NULL;
    failed |= json_object_set_new(o, "cores", known ? json_integer(m->info.cores) : json_null());
    failed |= json_object_set_new(o, "processors", known ? json_integer(m->info.processors) : json_null());
    failed |= json_object_set_new(o, "caches", known ? caches_json(m) : json_null());
    failed |= json_object_set_new(o, "nodes", known ? nodes_json(m) : json_null());
    failed |= json_object_set_new(o, "workers", known ? workers_json(m) : json_null());
    failed |= json_object_set_new(o, "lockable_memory_bytes",
                                  m->lockable.rlim_cur == RLIM_INFINITY ? json_null()
                                                                        : sl_cli_json_u64(m->lockable.rlim_cur));
    failed |= json_object_set_new(o, "kernels", kernels_json(m));
    return sl_cli_json_print(o, failed);
}

static void print_features(const struct machine *m, const char *label, int present)
{
    size_t count = 0;
    for (size_t i = 0; i < m->feature_count; i++) {
        if (!m->feature[i].present != !present)
            continue;
        if (count++ == 0)
            sl_cli_print_label(label);
        else
            printf(" ");
        printf("%s", m->feature[i].name);
    }
    if (count > 0)
        printf("\n");
}

/* The next default worker of a node from *index on. */
static bool next_worker(const struct machine *m, int node, unsigned *index, unsigned *cpu)
{
    struct sealane_topology_worker worker;
    while (*index < m->info.workers && !sealane_topology_worker(m->topology, (*index)++, &worker)) {
        *cpu = worker.cpu;
        if (worker.node == node)
            return true;
    }
    return false;
}

static void print_workers_of(const struct machine *m, int node, const char *name)
{
    unsigned index = 0, cpu;
    bool more = next_worker(m, node, &index, &cpu);
    if (!more)
        return;
    sl_cli_print_label("");
    for (const char *before = name; more; before = ", ") {
        unsigned first = cpu, last = cpu;
        while ((more = next_worker(m, node, &index, &cpu)) && cpu == last + 1)
            last = cpu;
        if (last > first)
            printf("%s%u-%u", before, first, last);
        else
            printf("%s%u", before, first);
    }
    printf("\n");
}

static void print_workers(const struct machine *m)
{
    char name[64];
    struct sealane_topology_node node;
    sl_cli_print_label("Workers");
    printf("%u for long files, one per core", m->info.workers);
    if (m->info.workers < m->info.cores)
        printf(" as far as this cgroup's CPU quota reaches");
    else if (m->info.processors > m->info.cores)
        printf(": hardware threads of one core share its AES units");
    printf("\n");
    for (unsigned i = 0; i < m->info.nodes && !sealane_topology_node(m->topology, i, &node); i++) {
        snprintf(name, sizeof name, "node %u: CPU ", node.os_index);
        print_workers_of(m, (int)node.os_index, name);
    }
    print_workers_of(m, SEALANE_NO_NODE, "without a node: CPU ");
}

static void print_topology(const struct machine *m)
{
    char text[SL_CLI_BYTES_TEXT];
    struct sealane_topology_cache cache;
    struct sealane_topology_node node;
    if (!m->topology) {
        sl_cli_print_label("Topology");
        printf("unknown\n");
        return;
    }
    sl_cli_print_label("Cores");
    printf("%u, with %u hardware thread%s, usable by this process\n", m->info.cores, m->info.processors,
           m->info.processors == 1 ? "" : "s");
    if (m->info.caches == 0) {
        sl_cli_print_label("Caches");
        printf("unknown\n");
    }
    for (unsigned i = 0; i < m->info.caches && !sealane_topology_cache(m->topology, i, &cache); i++) {
        sl_cli_print_label(i == 0 ? "Caches" : "");
        sl_cli_format_bytes(text, cache.size);
        printf("L%u %-12s %8s x %u\n", cache.level, cache_type(cache.type), text, cache.count);
    }
    for (unsigned i = 0; i < m->info.nodes && !sealane_topology_node(m->topology, i, &node); i++) {
        sl_cli_print_label(i == 0 ? "NUMA nodes" : "");
        sl_cli_format_bytes(text, node.memory);
        printf("node %u: %s, %u usable hardware thread%s\n", node.os_index, text, node.processors,
               node.processors == 1 ? "" : "s");
    }
    print_workers(m);
}

static const char *kernel_text(const struct sealane_kernel_info *kernel)
{
    if (kernel->chosen)
        return "chosen";
    if (kernel->avoided && kernel->state == SEALANE_KERNEL_READY)
        return "ready; avoided, as 512-bit vectors lower this CPU's clock";
    return states[kernel->state].text;
}

static int print_text(const struct machine *m)
{
    char text[SL_CLI_BYTES_TEXT];
    sl_cli_print_label("Version");
    printf("%s\n", sealane_version());
    sl_cli_print_label("CPU");
    sl_cli_print_visible(stdout, m->name);
    printf("\n");
    print_features(m, "Features", 1);
    print_features(m, "  lacking", 0);
    print_topology(m);
    sl_cli_print_label("Lockable");
    if (m->lockable.rlim_cur == RLIM_INFINITY) {
        printf("memory for keys without limit\n");
    } else {
        sl_cli_format_bytes(text, m->lockable.rlim_cur);
        printf("%s of memory for keys (RLIMIT_MEMLOCK)\n", text);
    }
    printf("\n%-16s %-14s %s\n", "Kernel", "Architecture", "State");
    for (size_t i = 0; i < m->kernel_count; i++)
        printf("%-16s %-14s %s\n", m->kernel[i].name, m->kernel[i].architecture, kernel_text(&m->kernel[i]));
    return 0;
}

int sl_cli_run_cpu(const struct sl_cli_arguments *a)
{
    struct machine m = {0};
    sealane_engine *engine;
    int exit_code = sl_cli_open_engine(&engine, a);
    if (exit_code != 0)
        return exit_code;
    m.kernel_count = sealane_engine_kernels(engine, m.kernel, KERNELS_MAX);
    sealane_engine_free(engine);
    m.feature_count = sealane_cpu_features(m.feature, FEATURES_MAX);
    if (m.kernel_count > KERNELS_MAX)
        m.kernel_count = KERNELS_MAX;
    if (m.feature_count > FEATURES_MAX)
        m.feature_count = FEATURES_MAX;
    sealane_cpu_name(m.name, sizeof m.name);
    if (getrlimit(RLIMIT_MEMLOCK, &m.lockable) != 0)
        return sl_cli_fail(SEALANE_E_IO, "RLIMIT_MEMLOCK");
    enum sealane_error error = sealane_topology_create(&m.topology);
    if (error == SEALANE_E_NO_MEMORY)
        return sl_cli_fail(error, NULL);
    if (error)
        sl_cli_warn("the topology is unknown: the system does not tell it, or the environment (HWLOC_XMLFILE, "
                    "HWLOC_SYNTHETIC) has hwloc describe another machine",
                    NULL);
    else
        sealane_topology_info(m.topology, &m.info);
    exit_code = sl_cli_given(a, SL_CLI_JSON) ? print_json(&m) : print_text(&m);
    sealane_topology_free(m.topology);
    return exit_code;
}
