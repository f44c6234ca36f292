/* Secret memory of memfd_secret(2) that cannot be moved to its place. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/secret.h"
#include "tests/support/child.h"
#include "tests/support/environment.h"

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

static void touch(void *p)
{
    *(volatile uint8_t *)p = *(volatile uint8_t *)p;
}

/* mremap(2) to a fixed place may fail after it has unmapped what was there; here somebody else's mapping is in the hole
 * by the time we look. */
enum { LEN = 16384 }; /* a chunk, on systems whose pages divide it */

static bool mremap_fails;
static uint8_t *in_the_hole;

void *mremap(void *from, size_t from_len, size_t len, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    if (!mremap_fails)
        return (void *)syscall(SYS_mremap, from, from_len, len, flags, to); /* NOLINT(performance-no-int-to-ptr) */
    mremap_fails = false;
    in_the_hole = mmap(to, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    in_the_hole[0] = 1;
    errno = ENOMEM;
    return MAP_FAILED;
}

static void no_room_to_move(void *unused)
{
    (void)unused;
    uint8_t *p;
    sl_secret_use_memfd();
    mremap_fails = true;
    CHILD_CHECK(sl_secret_alloc((void **)&p, LEN - SL_SECRET_ALIGN, true) == SEALANE_OK);
    CHILD_CHECK(!mremap_fails && in_the_hole != MAP_FAILED);
    memset(p, 0xa5, LEN - SL_SECRET_ALIGN);
    CHILD_CHECK(p + LEN <= in_the_hole || in_the_hole + LEN <= p);
    CHILD_CHECK(test_child_died_by(test_child(touch, p - 1), SIGSEGV));
    CHILD_CHECK(test_child_died_by(test_child(touch, p + LEN), SIGSEGV));
    sl_secret_free(p);
    CHILD_CHECK(in_the_hole[0] == 1);
    touch(in_the_hole + LEN - 1);
}

static void a_failed_move_harms_nobody(void **state)
{
    (void)state;
    if (!memfd_secret_works())
        skip();
    assert_true(test_child_passed(test_child(no_room_to_move, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_move_harms_nobody),
    };
    return cmocka_run_group_tests_name("secret memory that cannot be moved", tests, NULL, NULL);
}
