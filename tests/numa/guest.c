#define _GNU_SOURCE
#include "tests/numa/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096 };

static size_t placements;
static size_t wrong;

/* ---- Findings ---- */

static void say(const char *how, const char *format, va_list arguments)
{
    printf("  %-6s ", how);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
}

bool placed(bool right, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(right ? "placed" : "WRONG", format, arguments);
    va_end(arguments);
    placements++;
    wrong += !right;
    return right;
}

bool must(bool right, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(right ? "ok" : "WRONG", format, arguments);
    va_end(arguments);
    wrong += !right;
    return right;
}

int findings(void)
{
    printf("%zu placements checked, %zu findings wrong\n", placements, wrong);
    return wrong ? 1 : placements ? 0 : 2;
}

void broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("GUEST", format, arguments);
    va_end(arguments);
    exit(2);
}

/* ---- The system's files ---- */

static bool read_file(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t len = 0;
    ssize_t got = 0;
    while (len + 1 < room && (got = read(fd, text + len, room - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = 0;
    close(fd);
    return got >= 0;
}

void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
        broken("%s: cannot write %s: %s", path, text, strerror(errno));
}

static uint64_t parse_list(const char *text)
{
    uint64_t set = 0;
    while (*text >= '0' && *text <= '9') {
        char *end;
        unsigned long first = strtoul(text, &end, 10);
        unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
        for (unsigned long i = first; i <= last && i < 64; i++)
            set |= (uint64_t)1 << i;
        text = *end == ',' ? end + 1 : end;
    }
    return set;
}

uint64_t read_list(const char *path)
{
    char text[256];
    if (!read_file(path, text, sizeof text))
        broken("%s: %s", path, strerror(errno));
    return parse_list(text);
}

const char *show_list(uint64_t set)
{
    static char buffers[4][256];
    static unsigned turn;
    char *text = buffers[turn++ % 4];
    size_t len = 0;
    text[0] = 0;
    for (unsigned i = 0; i < 64; i++)
        if (set >> i & 1)
            len += (size_t)snprintf(text + len, sizeof buffers[0] - len, "%s%u", len ? "," : "", i);
    return len ? text : "none";
}

/* The line of a status file that begins with `name`. */
static bool status_list(pid_t task, const char *name, uint64_t *set)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)task);
    if (!read_file(path, text, sizeof text))
        return false;
    const char *line = strstr(text, name);
    if (!line)
        return false;
    *set = parse_list(line + strlen(name));
    return true;
}

void guest_look(struct guest *guest)
{
    *guest = (struct guest){0};
    if (!status_list(gettid(), "Cpus_allowed_list:\t", &guest->usable) ||
        !status_list(gettid(), "Mems_allowed_list:\t", &guest->nodes))
        broken("/proc/self/task tells nothing");
    guest->usable &= read_list("/sys/devices/system/cpu/online");
    guest->nodes &= read_list("/sys/devices/system/node/has_memory");
    uint64_t online = read_list("/sys/devices/system/node/online");
    char path[128];
    for (unsigned node = 0; node < NODES_MAX; node++) {
        if (!(online >> node & 1))
            continue;
        snprintf(path, sizeof path, "/sys/devices/system/node/node%u/cpulist", node);
        guest->cpus_of_node[node] = read_list(path);
    }
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (!(guest->usable >> cpu & 1))
            continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
        uint64_t siblings = read_list(path) & guest->usable;
        guest->firsts |= siblings & (~siblings + 1);
    }
    if (!guest->firsts)
        broken("no CPU is usable");
}

int guest_node_of(const struct guest *guest, unsigned cpu)
{
    for (int node = 0; node < NODES_MAX; node++)
        if (guest->cpus_of_node[node] >> cpu & 1)
            return guest->nodes >> node & 1 ? node : -1;
    return -1;
}

/* ---- Threads ---- */

static pid_t mine[TASKS_MAX];
static _Atomic size_t mine_count;

void task_mine(void)
{
    size_t at = mine_count++;
    if (at >= TASKS_MAX)
        broken("too many threads");
    mine[at] = gettid();
}

size_t tasks_of_pool(pid_t tasks[TASKS_MAX])
{
    DIR *all = opendir("/proc/self/task");
    if (!all)
        broken("/proc/self/task: %s", strerror(errno));
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(all)) && count < TASKS_MAX;) {
        pid_t task = (pid_t)atoi(entry->d_name);
        bool known = task <= 0;
        for (size_t i = 0; i < mine_count && !known; i++)
            known = mine[i] == task;
        if (!known)
            tasks[count++] = task;
    }
    closedir(all);
    return count;
}

uint64_t task_cpus(pid_t task)
{
    uint64_t set = 0;
    return status_list(task, "Cpus_allowed_list:\t", &set) ? set : 0;
}

int task_running(pid_t task, unsigned *cpu)
{
    char path[64], text[1024], state;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)task);
    if (!read_file(path, text, sizeof text))
        return 0;
    const char *at = strrchr(text, ')'); /* behind the name, which may hold anything */
    if (!at || sscanf(at + 1, " %c", &state) != 1 || state != 'R')
        return 0;
    for (int field = 2; field < 39 && at; field++) /* the 39th is the processor: proc(5) */
        at = strchr(at + 1, ' ');
    return at && sscanf(at, " %u", cpu) == 1;
}

struct bound_call {
    unsigned cpu;
    void (*run)(void *);
    void *context;
};

static void *bound(void *context)
{
    const struct bound_call *call = context;
    uint64_t set = (uint64_t)1 << call->cpu;
    if (syscall(SYS_sched_setaffinity, 0, sizeof set, &set) != 0)
        broken("cannot bind a thread to CPU %u: %s", call->cpu, strerror(errno));
    call->run(call->context);
    return NULL;
}

void on_cpu(unsigned cpu, void (*run)(void *), void *context)
{
    pthread_t thread;
    struct bound_call call = {cpu, run, context};
    int error = pthread_create(&thread, NULL, bound, &call);
    if (error || (error = pthread_join(thread, NULL)))
        broken("no thread for CPU %u: %s", cpu, strerror(error));
}

/* ---- Pages ---- */

void pages_look(struct pages *pages, const void *memory, size_t len)
{
    enum { TURN = 512 };
    void *address[TURN];
    int where[TURN];
    const char *first = memory;
    *pages = (struct pages){.all = (len + PAGE - 1) / PAGE};
    for (size_t done = 0; done < pages->all;) {
        size_t count = pages->all - done < TURN ? pages->all - done : TURN;
        for (size_t i = 0; i < count; i++)
            address[i] = (void *)(uintptr_t)(first + (done + i) * PAGE);
        if (syscall(SYS_move_pages, 0, count, address, NULL, where, 0) != 0)
            broken("move_pages: %s", strerror(errno));
        for (size_t i = 0; i < count; i++) {
            if (where[i] >= 0 && where[i] < NODES_MAX)
                pages->on[where[i]]++;
            else
                pages->nowhere++;
        }
        done += count;
    }
}

void pages_bind(void *memory, size_t len, unsigned node)
{
    unsigned long nodes = 1UL << node;
    if (syscall(SYS_mbind, memory, len, MPOL_BIND, &nodes, sizeof nodes * 8, 0) != 0)
        broken("mbind to node %u: %s", node, strerror(errno));
}
