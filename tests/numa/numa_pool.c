/* numa_pool CASE: checks one thing of the worker pool in a guest of several NUMA nodes; see tools/numa-guest.sh.  Exit
 * codes: 0 all right; 1 something is wrong; 2 nothing was checked, or the guest is not as it should be. */
#include <stdio.h>
#include <string.h>

#include "tests/numa/cases.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"workers", case_workers}, {"memory", case_memory}, {"full", case_full},       {"slices", case_slices},
        {"cpuset", case_cpuset},   {"shrink", case_shrink}, {"offline", case_offline},
    };
    for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) != 0)
            continue;
        task_mine();
        cases[i].run();
        return findings();
    }
    fputs("usage: numa_pool workers|memory|full|slices|cpuset|shrink|offline\n", stderr);
    return 2;
}
