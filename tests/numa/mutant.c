/* Preloaded in the guest, makes the libraries place things wrongly, which the test must notice.  SEALANE_MUTANT says
 * how:
 *
 *   no-pinning  binding threads succeeds and does nothing
 *   node-0      threads and memory are bound to node 0, whichever was asked for
 *   plain       binding memory succeeds and does nothing
 *
 * What the test program itself binds stays as it is.  For the guest whose node 0 has the CPUs 0 and 1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

enum way { DO, SKIP, NODE_0 };

static bool mutant_is(const char *name)
{
    const char *mutant = getenv("SEALANE_MUTANT");
    return mutant && strcmp(mutant, name) == 0;
}

static bool of_the_program(const void *caller)
{
    Dl_info info;
    uintptr_t program = (uintptr_t)getauxval(AT_PHDR) & ~(uintptr_t)4095; /* its headers are in its first page */
    return dladdr(caller, &info) && (uintptr_t)info.dli_fbase == program;
}

/* hwloc has the thread that looks at the machine go from CPU to CPU, and back: the mutants are of the workers. */
static enum way threads(const void *caller, bool first_thread)
{
    if (of_the_program(caller) || first_thread)
        return DO;
    return mutant_is("no-pinning") ? SKIP : mutant_is("node-0") ? NODE_0 : DO;
}

static bool is_first(pid_t task)
{
    return (task ? task : gettid()) == getpid();
}

static enum way memory(const void *caller)
{
    if (of_the_program(caller))
        return DO;
    return mutant_is("plain") ? SKIP : mutant_is("node-0") ? NODE_0 : DO;
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

/* Each CPU asked for becomes one of node 0's, so that a mask of one stays one. */
static void to_node_0(cpu_set_t *to, const cpu_set_t *from, size_t size)
{
    CPU_ZERO(to);
    for (size_t cpu = 0; cpu < size * 8 && cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET_S(cpu, size, from))
            CPU_SET(cpu % 2, to);
}

int sched_setaffinity(pid_t task, size_t size, const cpu_set_t *cpus)
{
    int (*real)(pid_t, size_t, const cpu_set_t *);
    *(void **)&real = next("sched_setaffinity");
    cpu_set_t instead;
    switch (threads(__builtin_return_address(0), is_first(task))) {
    case SKIP:
        return 0;
    case NODE_0:
        to_node_0(&instead, cpus, size);
        return real(task, sizeof instead, &instead);
    default:
        return real(task, size, cpus);
    }
}

int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus)
{
    int (*real)(pthread_t, size_t, const cpu_set_t *);
    *(void **)&real = next("pthread_setaffinity_np");
    cpu_set_t instead;
    switch (threads(__builtin_return_address(0), pthread_equal(thread, pthread_self()) && is_first(0))) {
    case SKIP:
        return 0;
    case NODE_0:
        to_node_0(&instead, cpus, size);
        return real(thread, sizeof instead, &instead);
    default:
        return real(thread, size, cpus);
    }
}

int pthread_attr_setaffinity_np(pthread_attr_t *attributes, size_t size, const cpu_set_t *cpus)
{
    int (*real)(pthread_attr_t *, size_t, const cpu_set_t *);
    *(void **)&real = next("pthread_attr_setaffinity_np");
    cpu_set_t instead;
    switch (threads(__builtin_return_address(0), false)) {
    case SKIP:
        return 0;
    case NODE_0:
        to_node_0(&instead, cpus, size);
        return real(attributes, sizeof instead, &instead);
    default:
        return real(attributes, size, cpus);
    }
}

/* hwloc places memory by this call, since libc has no function for it. */
long syscall(long number, ...)
{
    long (*real)(long, ...);
    *(void **)&real = next("syscall");
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    const void *caller = __builtin_return_address(0);

    bool of_threads = number == SYS_sched_setaffinity;
    bool of_memory = number == SYS_mbind || number == SYS_set_mempolicy || number == SYS_migrate_pages;
    enum way way = of_threads ? threads(caller, is_first((pid_t)a[0])) : of_memory ? memory(caller) : DO;
    if (way == SKIP)
        return 0;
    cpu_set_t instead;
    unsigned long node_0 = 1;
    if (way == NODE_0 && of_threads) {
        to_node_0(&instead, (const cpu_set_t *)a[2], (size_t)a[1]);
        return real(number, a[0], sizeof instead, &instead);
    }
    int mask = number == SYS_mbind ? 3 : 1; /* which argument is the set of nodes */
    if (way == NODE_0 && a[mask]) {
        a[mask] = (long)&node_0;
        a[mask + 1] = 64;
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
