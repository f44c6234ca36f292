/* What must end a process, or change it for good, happens in a child. */
#ifndef SEALANE_TESTS_SUPPORT_CHILD_H
#define SEALANE_TESTS_SUPPORT_CHILD_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Runs `body` in a forked child with default signal actions and no core dumps, and returns the wait status.  A child
 * that returns exits with 0. */
int test_child(void (*body)(void *argument), void *argument);

bool test_child_passed(int status);
bool test_child_died_by(int status, int signal);

/* For a child: from here on the process locks what RLIMIT_MEMLOCK allows, as anybody's does, and that is `bytes`. */
void test_child_limit_locked_memory(rlim_t bytes);

/* cmocka's assertions belong to the parent; a child's failed check prints itself and exits with 1. */
#define CHILD_CHECK(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: child: %s\n", __FILE__, __LINE__, #condition);                                     \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

#endif
