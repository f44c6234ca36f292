/* The pool on a machine that changes: fewer CPUs, quotas, forks. */
#define _GNU_SOURCE
#include "tests/pooling.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/pool/machine.h"
#include "tests/support/child.h"

POOLING_SANITIZER_OPTIONS

static void invented_machine(void *argument)
{
    sealane_pool *pool = argument, *other = pool;
    (void)argument;
    CHILD_CHECK(sealane_pool_create(&pool, NULL) == SEALANE_OK);
    setenv("HWLOC_SYNTHETIC", "node:4 core:16 pu:2", 1);
    CHILD_CHECK(sealane_pool_create(&other, NULL) == SEALANE_E_IO);
    CHILD_CHECK(!other);
    CHILD_CHECK(sealane_pool_resize(pool, 1) == SEALANE_E_IO);
    CHILD_CHECK(works(pool, &keyed));
    sealane_pool_free(pool);
}

static void an_invented_machine_is_refused(void **state)
{
    (void)state;
    assert_true(test_child_passed(test_child(invented_machine, NULL)));
}

/* ---- Fewer CPUs ---- */

static unsigned usable_cpus(cpu_set_t *set)
{
    assert_int_equal(sched_getaffinity(0, sizeof *set, set), 0);
    return (unsigned)CPU_COUNT(set);
}

/* As taskset(1) with -a does: each thread of the process. */
static bool allow(const cpu_set_t *set)
{
    bool good = true;
    DIR *threads = opendir("/proc/self/task");
    for (const struct dirent *entry; threads && (entry = readdir(threads));)
        if (entry->d_name[0] != '.')
            good = sched_setaffinity((pid_t)strtol(entry->d_name, NULL, 10), sizeof *set, set) == 0 && good;
    if (threads)
        closedir(threads);
    return threads && good;
}

static void fewer_cpus(void *argument)
{
    cpu_set_t all, one;
    sealane_pool *pool;
    struct sealane_worker_info info;
    (void)argument;
    CHILD_CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CHILD_CHECK(sealane_pool_create(
                    &pool, &(struct sealane_pool_options){sizeof(struct sealane_pool_options), 2, 16}) == SEALANE_OK);
    CHILD_CHECK(sealane_pool_worker(pool, 1, &info) == SEALANE_OK && info.pinned);
    const unsigned left = info.plan.cpu;
    CPU_ZERO(&one);
    CPU_SET(left, &one);
    CHILD_CHECK(allow(&one));
    for (unsigned i = 0; i < 3; i++) {
        CHILD_CHECK(works(pool, &keyed));
        CHILD_CHECK(sealane_pool_worker(pool, 0, &info) == SEALANE_OK && !info.pinned);
        CHILD_CHECK(sealane_pool_worker(pool, 1, &info) == SEALANE_OK && info.pinned);
    }
    CHILD_CHECK(sealane_pool_resize(pool, 2) == SEALANE_E_ARGUMENT);
    CHILD_CHECK(sealane_pool_resize(pool, 0) == SEALANE_OK);
    CHILD_CHECK(sealane_pool_workers(pool) == 1);
    CHILD_CHECK(sealane_pool_worker(pool, 0, &info) == SEALANE_OK && info.pinned && info.plan.cpu == left);
    CHILD_CHECK(works(pool, &keyed));
    /* A mask that has the CPU and others pins nobody. */
    CHILD_CHECK(allow(&all));
    CHILD_CHECK(sealane_pool_worker(pool, 0, &info) == SEALANE_OK && !info.pinned);
    CHILD_CHECK(sealane_pool_resize(pool, 2) == SEALANE_OK);
    for (unsigned i = 0; i < 2; i++)
        CHILD_CHECK(sealane_pool_worker(pool, i, &info) == SEALANE_OK && info.pinned);
    CHILD_CHECK(works(pool, &keyed));
    sealane_pool_free(pool);
}

static void work_goes_on_with_fewer_cpus(void **state)
{
    (void)state;
    cpu_set_t usable;
    if (usable_cpus(&usable) < 2) {
        print_message("skipped: this process may use one CPU only, so there cannot be fewer\n");
        skip();
    }
    assert_true(test_child_passed(test_child(fewer_cpus, NULL)));
}

/* ---- The CPU quota ---- */

static const char cgroups[] = "/sys/fs/cgroup";

static void write_quota(const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%s/cpu.max", cgroups);
    FILE *file = fopen(path, "w");
    CHILD_CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

enum { NOT_ALLOWED = 99 };

static void read_quotas(void *argument)
{
    static const struct {
        const char *text;
        unsigned cpus;
    } cases[] = {{"max 100000\n", UINT_MAX}, {"100000 100000\n", 1}, {"100001 100000\n", 2}, {"1000 100000\n", 1},
                 {"350000 100000\n", 4},     {"50000 25000\n", 2},   {"", UINT_MAX},         {"-1 100000\n", UINT_MAX},
                 {"100000 0\n", UINT_MAX},   {"what\n", UINT_MAX}};
    (void)argument;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", cgroups, "tmpfs", 0, NULL) != 0)
        _exit(NOT_ALLOWED);
    CHILD_CHECK(sl_machine_quota() == UINT_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_quota(cases[i].text);
        if (sl_machine_quota() != cases[i].cpus)
            fprintf(stderr, "\"%s\": %u\n", cases[i].text, sl_machine_quota());
        CHILD_CHECK(sl_machine_quota() == cases[i].cpus);
    }
}

static void quotas_are_rounded_up(void **state)
{
    (void)state;
    int status = test_child(read_quotas, NULL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
        print_message("skipped: this process may not mount a cgroup file system of its own\n");
        skip();
    }
    assert_true(test_child_passed(status));
}

/* ---- Children ---- */

struct parent {
    sealane_pool *pool;
    sealane_ticket done, flying;
    struct gate *gate;
};

static void in_a_child(void *argument)
{
    static uint8_t data[2 << 20];
    const struct parent *p = argument;
    sealane_ticket ticket = 99;
    struct sealane_worker_info info;
    for (size_t len = 1; len <= sizeof data; len = len * 2) {
        struct sealane_record record = {keyed.key, keyed.iv, 0, data, data, len};
        CHILD_CHECK(sealane_pool_submit(p->pool, &record, &ticket) == SEALANE_E_FORKED && ticket == 0);
        CHILD_CHECK(sealane_pool_ctr_xor(p->pool, keyed.key, keyed.iv, 0, data, data, len) == SEALANE_E_FORKED);
    }
    CHILD_CHECK(sl_pool_submit(p->pool, task_gate, p->gate, NULL, 1, &ticket) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_wait(p->pool, p->flying) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_wait(p->pool, p->done) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_wait(p->pool, 0) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_cancel(p->pool, p->flying) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_resize(p->pool, 1) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_worker(p->pool, 0, &info) == SEALANE_E_FORKED);
    CHILD_CHECK(sealane_pool_workers(p->pool) == 0);
    static const uint8_t zeros[sizeof data];
    CHILD_CHECK(memcmp(data, zeros, sizeof data) == 0);
    if (TEST_THREAD_SANITIZED)
        return; /* it confuses the child's threads with the parent's */
    sealane_pool *own;
    CHILD_CHECK(sealane_pool_create(&own, NULL) == SEALANE_OK);
    CHILD_CHECK(works(own, &keyed));
    CHILD_CHECK(sealane_pool_wait(own, p->flying) == SEALANE_E_ARGUMENT);
    sealane_pool_free(p->pool);
    CHILD_CHECK(works(own, &keyed));
    /* A grandchild has neither. */
    pid_t pid = fork();
    CHILD_CHECK(pid >= 0);
    if (pid == 0) {
        CHILD_CHECK(sealane_pool_wait(own, 1) == SEALANE_E_FORKED);
        sealane_pool_free(own);
        _exit(0);
    }
    int status;
    CHILD_CHECK(waitpid(pid, &status, 0) == pid && test_child_passed(status));
    CHILD_CHECK(works(own, &keyed));
    sealane_pool_free(own);
}

static void children_are_told(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("children of a process with a pool", "the emulator crashes when a child starts a thread");
        skip();
    }
    static uint8_t data[2 << 20];
    struct held held = HELD_NONE;
    sealane_pool *pool = make_pool(0, 16);
    if (TEST_THREAD_SANITIZED)
        test_not_run("a child's own pool", "ThreadSanitizer does not know threads of children");
    hold_workers(pool, &held);
    struct parent p = {.pool = pool, .gate = &held.gate};
    struct sealane_record record = {keyed.key, keyed.iv, 0, data, data, sizeof data};
    assert_int_equal(sealane_pool_submit(pool, &record, &p.flying), SEALANE_OK);
    record.len = 0;
    assert_int_equal(sealane_pool_submit(pool, &record, &p.done), SEALANE_OK);
    assert_true(test_child_passed(test_child(in_a_child, &p)));
    /* Nothing of it is noticed here. */
    release_workers(pool, &held);
    assert_int_equal(sealane_pool_wait(pool, p.flying), SEALANE_OK);
    assert_true(works(pool, &keyed));
    sealane_pool_free(pool);
}

static void fork_at_any_time_child(void *argument)
{
    sealane_ticket ticket;
    static uint8_t data[2 << 20];
    struct sealane_record record = {keyed.key, keyed.iv, 0, data, data, sizeof data};
    CHILD_CHECK(sealane_pool_submit(argument, &record, &ticket) == SEALANE_E_FORKED);
    sealane_pool_free(argument);
}

/* While others hold any of the locks. */
static void forks_at_any_time(void **state)
{
    (void)state;
    struct load load = {.keyed = &keyed, .pool = make_pool(0, 16)};
    assert_int_equal(pthread_create(&load.thread, NULL, keep_working, &load), 0);
    for (unsigned i = 0; i < (test_reduced() ? 20u : 150u); i++)
        assert_true(test_child_passed(test_child(fork_at_any_time_child, load.pool)));
    atomic_store(&load.end, true);
    assert_int_equal(pthread_join(load.thread, NULL), 0);
    assert_true(load.good);
    sealane_pool_free(load.pool);
}

static void look_in_child(void *argument)
{
    sealane_topology *topology;
    (void)argument;
    alarm(10);
    CHILD_CHECK(sealane_topology_create(&topology) == SEALANE_E_IO);
}

static void *keep_looking(void *argument)
{
    const _Atomic bool *stop = argument;
    sealane_topology *topology;
    while (!atomic_load(stop))
        if (sealane_topology_create(&topology) != SEALANE_E_IO)
            return NULL;
    return argument;
}

/* An invented machine makes looks short, and so most of them be within hwloc's own lock. */
static void fork_while_others_look(void *argument)
{
    _Atomic bool stop = false;
    pthread_t thread;
    void *good;
    (void)argument;
    setenv("HWLOC_SYNTHETIC", "core:1 pu:1", 1);
    CHILD_CHECK(pthread_create(&thread, NULL, keep_looking, &stop) == 0);
    for (unsigned i = 0; i < (test_reduced() ? 100u : 1000u); i++)
        CHILD_CHECK(test_child_passed(test_child(look_in_child, NULL)));
    atomic_store(&stop, true);
    CHILD_CHECK(pthread_join(thread, &good) == 0 && good);
}

static void forks_while_others_look_at_the_machine(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("forks while other threads look at the machine", "emulators cannot start threads in a child");
        return;
    }
    assert_true(test_child_passed(test_child(fork_while_others_look, NULL)));
}

/* Starting another program is no fork of this one. */
static void spawning_changes_nothing(void **state)
{
    (void)state;
    extern char **environ;
    sealane_pool *pool = make_pool(0, 16);
    pid_t pid;
    char name[] = "true";
    char *arguments[] = {name, NULL};
    assert_int_equal(posix_spawnp(&pid, name, NULL, NULL, arguments, environ), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(works(pool, &keyed));
    sealane_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invented_machine_is_refused),
        cmocka_unit_test(work_goes_on_with_fewer_cpus),
        cmocka_unit_test(quotas_are_rounded_up),
        cmocka_unit_test(children_are_told),
        cmocka_unit_test(forks_at_any_time),
        cmocka_unit_test(forks_while_others_look_at_the_machine),
        cmocka_unit_test(spawning_changes_nothing),
    };
    return cmocka_run_group_tests(tests, pooling_set_up, pooling_tear_down);
}
