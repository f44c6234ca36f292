/* Secret memory: what it promises is looked at from outside, in /proc and by dying children. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/secret.h"
#include "tests/support/child.h"
#include "tests/support/environment.h"

/* The VmFlags (proc(5): "lo" locked, "dd" not dumped) of the mapping that holds `p`, with a space on both sides of
 * each; "" if the system does not tell. */
static void vm_flags(const void *p, char flags[256])
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    bool here = false;
    flags[0] = 0;
    while (f && fgets(line, sizeof line, f)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = (uintptr_t)p >= start && (uintptr_t)p < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, 256, " %s", strtok(line + 9, "\n"));
    }
    if (f)
        fclose(f);
}

static bool has_flag(const void *p, const char *flag)
{
    char flags[256], wanted[8];
    vm_flags(p, flags);
    size_t len = strlen(flags);
    if (len > 0 && len < sizeof flags - 1 && flags[len - 1] != ' ')
        strcat(flags, " ");
    snprintf(wanted, sizeof wanted, " %s ", flag);
    return strstr(flags, wanted) != NULL;
}

/* Sanitizers turn mlock(2) into nothing, qemu-user does that to madvise(2): a page of our own on which it is not seen
 * says so. */
static bool can_be_seen(const char *flag)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    bool seen = mlock(page, 4096) == 0 && madvise(page, 4096, MADV_DONTDUMP) == 0 && has_flag(page, flag);
    munmap(page, 4096);
    return seen;
}

static bool locks_are_visible(void)
{
    bool visible = can_be_seen("lo");
    if (!visible)
        test_not_run("locking", "mlock(2) has no visible effect here (sanitizer or emulator)");
    return visible;
}

static bool not_dumped(const void *p)
{
    if (has_flag(p, "dd"))
        return true;
    if (can_be_seen("dd"))
        return false;
    test_not_run("keeping out of core dumps", "madvise(2) has no visible effect here (emulator)");
    return true;
}

/* Locked if that is still allowed: at 64 KiB the tests that are not about locks need more. */
static uint8_t *allocate(size_t len)
{
    void *p;
    assert_int_equal(sl_secret_alloc(&p, len, true), SEALANE_OK);
    assert_non_null(p);
    return p;
}

static void slots_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    enum { SLOTS = 300 };
    static const size_t lengths[] = {1, 63, 64, 65, 240, 256, 1024, 1025, 4096, 20000};
    struct test_random random = test_random_for("slots");
    static struct {
        uint8_t *p;
        size_t len;
    } slots[SLOTS];
    for (size_t turn = 0; turn < 3000; turn++) {
        size_t i = test_random_below(&random, SLOTS);
        if (slots[i].p) {
            for (size_t j = 0; j < slots[i].len; j++) /* nobody else wrote here */
                assert_int_equal(slots[i].p[j], (uint8_t)(i + 1));
            sl_secret_free(slots[i].p);
            slots[i].p = NULL;
            continue;
        }
        slots[i].len = lengths[test_random_below(&random, turn % 50 == 0 ? 10 : 8)];
        slots[i].p = allocate(slots[i].len);
        assert_int_equal((uintptr_t)slots[i].p % SL_SECRET_ALIGN, 0);
        for (size_t j = 0; j < slots[i].len; j++)
            assert_int_equal(slots[i].p[j], 0);
        memset(slots[i].p, (int)(i + 1) & 0xff, slots[i].len);
    }
    for (size_t i = 0; i < SLOTS; i++)
        sl_secret_free(slots[i].p);
    sl_secret_free(NULL);
}

static void freed_slots_are_wiped(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 64, 65, 240, 1088, 3000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        /* Slots before and after keep the chunk mapped, so the freed one can still be looked at. */
        uint8_t *before = allocate(64), *p = allocate(lengths[i]), *after = allocate(64);
        memset(before, 0xc3, 64);
        memset(after, 0xc3, 64);
        memset(p, 0xa5, lengths[i]);
        assert_true(labs(p - before) < 16384 && labs(p - after) < 16384);
        sl_secret_free(p);
        for (size_t j = 0; j < lengths[i]; j++)
            assert_int_equal(((volatile uint8_t *)p)[j], 0);
        for (size_t j = 0; j < 64; j++) {
            assert_int_equal(before[j], 0xc3);
            assert_int_equal(after[j], 0xc3);
        }
        uint8_t *again = allocate(lengths[i]);
        assert_ptr_equal(again, p); /* first fit: what was looked at is what the next one gets */
        sl_secret_free(again);
        sl_secret_free(before);
        sl_secret_free(after);
    }
}

static void bad_lengths_are_refused(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, SIZE_MAX, SIZE_MAX - 63, (size_t)64 << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        void *p = &p;
        assert_int_equal(sl_secret_alloc(&p, lengths[i], true), SEALANE_E_ARGUMENT);
        assert_null(p);
    }
}

/* With a 2 KiB stride all schedules would lie in two cache sets and drive each other out. */
static void slots_spread_over_cache_sets(void **state)
{
    (void)state;
    enum { SLOTS = 64, SETS = 64, LINE = 64 };
    static const size_t lengths[] = {256, 512, 1024, 2048};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t *slots[SLOTS];
        size_t taken[SETS] = {0};
        size_t most = 0;
        for (size_t j = 0; j < SLOTS; j++) {
            slots[j] = allocate(lengths[i]);
            size_t set = (uintptr_t)slots[j] / LINE % SETS;
            taken[set]++;
            most = taken[set] > most ? taken[set] : most;
        }
        for (size_t j = 0; j < SLOTS; j++)
            sl_secret_free(slots[j]);
        printf("  %zu-byte slots: at most %zu of %d start in one cache set\n", lengths[i], most, SLOTS);
        /* An even number of lines would put LINE * SLOTS / 4096 of them and more into one: 4, 8, 16, 32. */
        assert_true(lengths[i] == 256 ? most < 4 : most < lengths[i] / LINE);
    }
}

/* ---- Guards, double frees ---- */

static void touch(void *p)
{
    *(volatile uint8_t *)p = *(volatile uint8_t *)p;
}

/* The first address from p on, in steps of one page, that no mapping of ours makes readable, in one direction. */
static uint8_t *edge(uint8_t *p, int direction)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/self/maps", "re");
    char line[512];
    uint8_t *found = NULL;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2 && (uintptr_t)p >= start && (uintptr_t)p < end)
            found = (uint8_t *)(direction > 0 ? end : start - 1);
    }
    fclose(f);
    assert_non_null(found);
    assert_true(labs(found - p) < (long)(64 * page));
    return found;
}

static void guards_fault(void **state)
{
    (void)state;
    uint8_t *p = allocate(1000);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_true(test_child_passed(test_child(touch, p)));
    assert_true(test_child_died_by(test_child(touch, edge(p, 1)), SIGSEGV));
    assert_true(test_child_died_by(test_child(touch, edge(p, 1) + page - 1), SIGSEGV));
    assert_true(test_child_died_by(test_child(touch, edge(p, -1)), SIGSEGV));
    assert_true(test_child_died_by(test_child(touch, edge(p, -1) - page + 1), SIGSEGV));
    sl_secret_free(p);
}

static void free_twice(void *p)
{
    sl_secret_free(p);
    sl_secret_free(p);
}

static void free_inside(void *p)
{
    sl_secret_free((uint8_t *)p + 64);
}

static void free_unaligned(void *p)
{
    sl_secret_free((uint8_t *)p + 1);
}

static void free_foreign(void *p)
{
    (void)p;
    static _Alignas(64) uint8_t foreign[64];
    sl_secret_free(foreign);
}

static void wrong_frees_abort(void **state)
{
    (void)state;
    uint8_t *keep = allocate(64), *p = allocate(200);
    assert_true(test_child_died_by(test_child(free_twice, p), SIGABRT));
    assert_true(test_child_died_by(test_child(free_inside, p), SIGABRT));
    assert_true(test_child_died_by(test_child(free_unaligned, p), SIGABRT));
    assert_true(test_child_died_by(test_child(free_foreign, p), SIGABRT));
    sl_secret_free(keep);
    /* The chunk's last slot: it is gone with the first free. */
    assert_true(test_child_died_by(test_child(free_twice, p), SIGABRT));
    sl_secret_free(p);
}

/* ---- Locks and dumps ---- */

static void is_locked_and_not_dumped(void **state)
{
    (void)state;
    if (!locks_are_visible())
        skip();
    uint8_t *small = allocate(100), *large = allocate(30000);
    assert_true(has_flag(small, "lo") && has_flag(large, "lo"));
    assert_true(not_dumped(small) && not_dumped(large));
    assert_true(has_flag(large + 29999, "lo") && not_dumped(large + 29999));
    assert_false(sl_secret_unlocked());
    sl_secret_free(small);
    sl_secret_free(large);
}

static void check_relocked(void *p)
{
    CHILD_CHECK(has_flag(p, "lo"));
    CHILD_CHECK(not_dumped(p));
    CHILD_CHECK(!sl_secret_unlocked());
    CHILD_CHECK(memcmp(p, "inherited", 10) == 0); /* a private copy */
    memcpy(p, "overwrite", 10);
    void *more;
    CHILD_CHECK(sl_secret_alloc(&more, 20000, false) == SEALANE_OK && has_flag(more, "lo"));
    sl_secret_free(more);
    sl_secret_free(p);
}

static void forked_child_relocks(void **state)
{
    (void)state;
    if (!locks_are_visible())
        skip();
    uint8_t *p = allocate(64);
    memcpy(p, "inherited", 10);
    assert_true(test_child_passed(test_child(check_relocked, p)));
    assert_string_equal((char *)p, "inherited"); /* what the child wrote and wiped was its own */
    sl_secret_free(p);
}

static void few_keys_fit_64_kib(void *unused)
{
    (void)unused;
    test_child_limit_locked_memory(65536);
    void *slots[100];
    for (size_t i = 0; i < 100; i++) {
        CHILD_CHECK(sl_secret_alloc(&slots[i], 384, false) == SEALANE_OK);
        CHILD_CHECK(has_flag(slots[i], "lo"));
    }
    /* What does not fit is refused by name, and what was there stays usable. */
    void *too_much = slots;
    CHILD_CHECK(sl_secret_alloc(&too_much, 65536, false) == SEALANE_E_MEMORY_LOCK);
    CHILD_CHECK(too_much == NULL);
    CHILD_CHECK(!sl_secret_unlocked());
    for (size_t i = 0; i < 100; i++)
        sl_secret_free(slots[i]);
    CHILD_CHECK(sl_secret_alloc(&slots[0], 384, false) == SEALANE_OK);
}

static void thousands_fit_8_mib(void *unused)
{
    (void)unused;
    enum { SLOTS = 15000 };
    test_child_limit_locked_memory(8 << 20);
    static void *slots[SLOTS];
    for (size_t i = 0; i < SLOTS; i++)
        CHILD_CHECK(sl_secret_alloc(&slots[i], 320, false) == SEALANE_OK);
    CHILD_CHECK(!sl_secret_unlocked());
    size_t more = 0;
    void *p;
    enum sealane_error error;
    while ((error = sl_secret_alloc(&p, 320, false)) == SEALANE_OK)
        CHILD_CHECK(more++ < 30000); /* 8 MiB cannot hold them */
    CHILD_CHECK(error == SEALANE_E_MEMORY_LOCK);
    for (size_t i = 0; i < SLOTS; i++)
        sl_secret_free(slots[i]);
}

static void nothing_lockable(void *unused)
{
    (void)unused;
    test_child_limit_locked_memory(0);
    void *p = &p;
    CHILD_CHECK(sl_secret_alloc(&p, 64, false) == SEALANE_E_MEMORY_LOCK);
    CHILD_CHECK(p == NULL && !sl_secret_unlocked());
    CHILD_CHECK(sl_secret_alloc(&p, 64, true) == SEALANE_OK);
    CHILD_CHECK(p && sl_secret_unlocked() && !has_flag(p, "lo"));
    CHILD_CHECK(not_dumped(p)); /* not locked is no reason to be dumped */
    /* One who insists on a lock does not get a slot in that chunk. */
    void *insisted;
    CHILD_CHECK(sl_secret_alloc(&insisted, 64, false) == SEALANE_E_MEMORY_LOCK);
    sl_secret_free(p);
    CHILD_CHECK(!sl_secret_unlocked());
}

static void lock_limits(void **state)
{
    (void)state;
    if (!locks_are_visible())
        skip();
    assert_true(test_child_passed(test_child(few_keys_fit_64_kib, NULL)));
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (limit.rlim_max >= 8 << 20)
        assert_true(test_child_passed(test_child(thousands_fit_8_mib, NULL)));
    else
        test_not_run("8 MiB of lockable memory", "RLIMIT_MEMLOCK is lower here");
    assert_true(test_child_passed(test_child(nothing_lockable, NULL)));
}

static void grandchild_without_limit(void *p)
{
    CHILD_CHECK(!has_flag(p, "lo"));
    CHILD_CHECK(sl_secret_unlocked()); /* lost across the fork, and said */
    CHILD_CHECK(memcmp(p, "inherited", 10) == 0);
}

static void lock_lost_in_a_fork(void *unused)
{
    (void)unused;
    void *p;
    CHILD_CHECK(sl_secret_alloc(&p, 64, false) == SEALANE_OK);
    memcpy(p, "inherited", 10);
    test_child_limit_locked_memory(0); /* what is locked stays locked here; the child starts without locks */
    CHILD_CHECK(has_flag(p, "lo") && !sl_secret_unlocked());
    CHILD_CHECK(test_child_passed(test_child(grandchild_without_limit, p)));
    CHILD_CHECK(has_flag(p, "lo") && !sl_secret_unlocked());
}

static void a_lost_lock_is_reported(void **state)
{
    (void)state;
    if (!locks_are_visible())
        skip();
    assert_true(test_child_passed(test_child(lock_lost_in_a_fork, NULL)));
}

/* ---- memfd_secret(2) ---- */

static bool memfd_secret_works(void)
{
#ifdef SYS_memfd_secret
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    test_not_run("memfd_secret(2)", strerror(errno));
#else
    test_not_run("memfd_secret(2)", "unknown to the C library's headers");
#endif
    return false;
}

static void read_in_vain(void *p)
{
    /* Through the kernel's own view of this process: what is not in the direct map cannot be read that way. */
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    uint8_t byte;
    CHILD_CHECK(fd >= 0);
    CHILD_CHECK(pread(fd, &byte, 1, (off_t)(uintptr_t)p) < 0);
    close(fd);
}

static void hidden_memory(void *unused)
{
    (void)unused;
    void *ordinary, *p;
    CHILD_CHECK(sl_secret_alloc(&ordinary, 64, false) == SEALANE_OK);
    sl_secret_use_memfd();
    CHILD_CHECK(sl_secret_alloc(&p, 30000, false) == SEALANE_OK);
    CHILD_CHECK((uintptr_t)p % SL_SECRET_ALIGN == 0 && ((uint8_t *)p)[29999] == 0);
    memset(p, 0xa5, 30000);
    read_in_vain(p);
    CHILD_CHECK(has_flag(p, "dc")); /* MADV_DONTFORK */
    CHILD_CHECK(test_child_died_by(test_child(touch, p), SIGSEGV));
    CHILD_CHECK(test_child_passed(test_child(touch, ordinary)));
    CHILD_CHECK(((uint8_t *)p)[123] == 0xa5); /* no child wiped the shared page */
    sl_secret_free(p);
    CHILD_CHECK(sl_secret_alloc(&p, 64, false) == SEALANE_OK);
    sl_secret_free(p);
    sl_secret_free(ordinary);
}

static void hidden_and_nothing_lockable(void *unused)
{
    (void)unused;
    test_child_limit_locked_memory(0);
    sl_secret_use_memfd();
    void *p;
    CHILD_CHECK(sl_secret_alloc(&p, 64, false) == SEALANE_E_MEMORY_LOCK);
    CHILD_CHECK(sl_secret_alloc(&p, 64, true) == SEALANE_OK && sl_secret_unlocked());
    memset(p, 0xa5, 64);
    sl_secret_free(p);
}

static void memory_hidden_from_the_kernel(void **state)
{
    (void)state;
    if (!memfd_secret_works() || !locks_are_visible())
        skip();
    assert_true(test_child_passed(test_child(hidden_memory, NULL)));
    assert_true(test_child_passed(test_child(hidden_and_nothing_lockable, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_aligned_zeroed_and_apart),
        cmocka_unit_test(freed_slots_are_wiped),
        cmocka_unit_test(bad_lengths_are_refused),
        cmocka_unit_test(slots_spread_over_cache_sets),
        cmocka_unit_test(guards_fault),
        cmocka_unit_test(wrong_frees_abort),
        cmocka_unit_test(is_locked_and_not_dumped),
        cmocka_unit_test(forked_child_relocks),
        cmocka_unit_test(lock_limits),
        cmocka_unit_test(a_lost_lock_is_reported),
        cmocka_unit_test(memory_hidden_from_the_kernel),
    };
    test_seed();
    return cmocka_run_group_tests_name("secret memory", tests, NULL, NULL);
}
