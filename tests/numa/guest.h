/* What the guest's kernel itself says of its CPUs, nodes, threads and pages, without hwloc, through which the pool
 * looks. CPUs and nodes are bits of a uint64_t: the guests are small. */
#ifndef SEALANE_TESTS_NUMA_GUEST_H
#define SEALANE_TESTS_NUMA_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CPUS_MAX = 64, NODES_MAX = 64, TASKS_MAX = 256, HUGE_PAGE = 2 << 20, MIB = 1 << 20 };

struct guest {
    uint64_t usable;                  /* CPUs */
    uint64_t firsts;                  /* the first usable CPU of each core */
    uint64_t nodes;                   /* from which this process may have memory */
    uint64_t cpus_of_node[NODES_MAX]; /* of those online, whether usable or not */
};

/* Looks anew at what the calling thread may use. */
void guest_look(struct guest *guest);

/* The node that has the CPU, if this process may have memory from it; otherwise -1. */
int guest_node_of(const struct guest *guest, unsigned cpu);

/* The system's list files: "0-1,3". */
uint64_t read_list(const char *path);
const char *show_list(uint64_t set); /* in one of four static buffers */
void write_file(const char *path, const char *text);

/* ---- Threads ---- */

/* Threads that are none of the pool's, the calling one among them, are known by task_mine(). */
void task_mine(void);
size_t tasks_of_pool(pid_t tasks[TASKS_MAX]);
uint64_t task_cpus(pid_t task);              /* on which it may run; 0: it has ended */
int task_running(pid_t task, unsigned *cpu); /* 1: it runs, and where; 0: it does not, or has ended */

/* Calls `run` on a thread that is bound to `cpu`, and waits for it. */
void on_cpu(unsigned cpu, void (*run)(void *), void *context);

/* ---- Pages ---- */

struct pages {
    size_t all;
    size_t nowhere;
    size_t on[NODES_MAX];
};
void pages_look(struct pages *pages, const void *memory, size_t len);

/* Binds the memory's pages, not yet touched, to a node. */
void pages_bind(void *memory, size_t len, unsigned node);

/* ---- Findings ---- */

/* A placement that was looked at.  Prints it with `placed` or `WRONG`, and counts it. */
bool placed(bool right, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Anything else that must hold. */
bool must(bool right, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints the totals.  0: all right.  1: something is wrong.  2: no placement was checked. */
int findings(void);
/* The guest is not as it should be: exits 2. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
