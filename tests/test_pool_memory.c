/* Memory by node: where it lies, what is beside it, what is refused. */
#define _GNU_SOURCE
#include "tests/pooling.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sealane/topology.h"
#include "tests/support/child.h"

static void it_is_zero_aligned_and_all_there(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("memory of a node", "the emulator places no memory");
        skip();
    }
    static const size_t lens[] = {1, 4096, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 3};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        uint8_t *memory;
        assert_int_equal(sealane_node_alloc(&memory, lens[i], SEALANE_INTERLEAVED), SEALANE_OK);
        assert_int_equal((uintptr_t)memory % (2 * MIB), 0);
        for (size_t k = 0; k < lens[i]; k++)
            if (memory[k] != 0)
                fail();
        memset(memory, 0xff, lens[i]);
        sealane_node_free(memory, lens[i]);
    }
    sealane_node_free(NULL, 100);
}

static void touch(void *argument)
{
    *(volatile uint8_t *)argument = 1;
}

/* No huge page can reach from one buffer to another: what lies next to either end is nobody's. */
static void nothing_lies_beside_it(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("memory of a node", "the emulator places no memory");
        skip();
    }
    const size_t len = 3 * MIB, whole = 4 * MIB;
    uint8_t *memory[4];
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sealane_node_alloc(&memory[i], len, SEALANE_INTERLEAVED), SEALANE_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(test_child_passed(test_child(touch, memory[i] + len - 1)));
        assert_true(test_child_died_by(test_child(touch, memory[i] - 1), SIGSEGV));
        assert_true(test_child_died_by(test_child(touch, memory[i] + whole), SIGSEGV));
    }
    /* Freed whole, with what was beside it. */
    for (unsigned i = 0; i < 4; i++) {
        sealane_node_free(memory[i], len);
        assert_int_equal(msync(memory[i], whole, MS_ASYNC), -1); /* not mapped */
        assert_int_equal(errno, ENOMEM);
    }
}

/* All that was reserved is given back: address space does not run out. */
static void nothing_is_left_behind(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("memory of a node", "the emulator places no memory");
        skip();
    }
    unsigned long before = 0, after = 0;
    for (unsigned round = 0; round < 300; round++) {
        uint8_t *memory;
        FILE *file = fopen("/proc/self/statm", "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%lu", round < 100 ? &before : &after), 1);
        fclose(file);
        assert_int_equal(sealane_node_alloc(&memory, 64 * MIB, SEALANE_INTERLEAVED), SEALANE_OK);
        memory[0] = 1;
        sealane_node_free(memory, 64 * MIB);
    }
    assert_in_range(after, 0, before + 64 * MIB / 4096);
}

static void pages_lie_on_the_node(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("memory of a node", "the emulator places no memory");
        skip();
    }
    sealane_topology *topology;
    struct sealane_topology_info info;
    assert_int_equal(sealane_topology_create(&topology), SEALANE_OK);
    sealane_topology_info(topology, &info);
    unsigned placed = 0;
    for (unsigned n = 0; n < info.nodes; n++) {
        struct sealane_topology_node node;
        assert_int_equal(sealane_topology_node(topology, n, &node), SEALANE_OK);
        if (node.memory == 0)
            continue;
        uint8_t *memory;
        const size_t len = 4 * MIB;
        assert_int_equal(sealane_node_alloc(&memory, len, (int)node.os_index), SEALANE_OK);
        memset(memory, 1, len);
        for (size_t at = 0; at < len; at += 4096) {
            void *page = memory + at;
            int where = -1;
            if (syscall(SYS_move_pages, 0, 1UL, &page, NULL, &where, 0) != 0)
                continue;
            assert_int_equal(where, node.os_index);
            placed++;
        }
        sealane_node_free(memory, len);
    }
    sealane_topology_free(topology);
    if (placed == 0) {
        print_message("skipped: this system does not tell where pages lie\n");
        skip();
    }
    print_message("%u pages looked at\n", placed);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    uint8_t *memory = (uint8_t *)state;
    assert_int_equal(sealane_node_alloc(&memory, 0, 0), SEALANE_E_ARGUMENT);
    assert_null(memory);
    static const int nodes[] = {-2, INT32_MIN, INT32_MAX, 1000000};
    for (unsigned i = 0; i < 4; i++) {
        memory = (uint8_t *)state;
        assert_int_equal(sealane_node_alloc(&memory, 4096, nodes[i]), SEALANE_E_ARGUMENT);
        assert_null(memory);
    }
    static const size_t lens[] = {SIZE_MAX, SIZE_MAX - 2 * MIB, SIZE_MAX / 2, SIZE_MAX / 2 - 4 * MIB, SIZE_MAX / 4};
    for (unsigned i = 0; i < 5; i++) {
        memory = (uint8_t *)state;
        assert_int_equal(sealane_node_alloc(&memory, lens[i], SEALANE_INTERLEAVED), SEALANE_E_NO_MEMORY);
        assert_null(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_zero_aligned_and_all_there), cmocka_unit_test(nothing_lies_beside_it),
        cmocka_unit_test(nothing_is_left_behind),           cmocka_unit_test(pages_lie_on_the_node),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
