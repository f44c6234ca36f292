#define _GNU_SOURCE
#include "tests/support/guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct test_guarded test_guarded_map(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct test_guarded g = {.len = (len + page - 1) / page * page, .guard_len = page};
    uint8_t *map = mmap(NULL, g.len + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, g.len, PROT_READ | PROT_WRITE) != 0) {
        perror("guarded buffer");
        exit(2);
    }
    g.start = map + page;
    return g;
}

void test_guarded_unmap(struct test_guarded *guarded)
{
    if (munmap(guarded->start - guarded->guard_len, guarded->len + 2 * guarded->guard_len) != 0) {
        perror("munmap");
        exit(2);
    }
    guarded->start = NULL;
}

uint8_t *test_guarded_tail(const struct test_guarded *guarded, size_t len)
{
    return guarded->start + guarded->len - len;
}
