/* The lowest layer: bytes, sums, comparison, errors, random bytes, whole reads and writes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

#include "base/checked.h"
#include "base/endian.h"
#include "base/io.h"
#include "base/random.h"
#include "base/wipe.h"
#include "sealane/version.h"
#include "tests/support/child.h"
#include "tests/support/environment.h"

static void byte_order(void **state)
{
    (void)state;
    uint8_t room[24], canary[24];
    static const uint8_t bytes[8] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    memset(canary, 0xc3, sizeof canary);
    for (size_t at = 0; at < 8; at++) { /* any alignment */
        memcpy(room + at, bytes, 8);
        assert_int_equal(sl_load_be16(room + at), 0x0123);
        assert_int_equal(sl_load_le16(room + at), 0x2301);
        assert_int_equal(sl_load_be32(room + at), 0x01234567);
        assert_int_equal(sl_load_le32(room + at), 0x67452301);
        assert_true(sl_load_be64(room + at) == 0x0123456789abcdef);
        assert_true(sl_load_le64(room + at) == 0xefcdab8967452301);
        memset(room, 0xc3, sizeof room);
        sl_store_be64(room + at, 0x0123456789abcdef);
        assert_memory_equal(room + at, bytes, 8);
        assert_memory_equal(room + at + 8, canary, 8);
        memset(room, 0xc3, sizeof room);
        sl_store_le32(room + at, 0x67452301);
        assert_memory_equal(room + at, bytes, 4);
        assert_memory_equal(room + at + 4, canary, 8);
        sl_store_le64(room + at, 0xefcdab8967452301);
        assert_memory_equal(room + at, bytes, 8);
        memset(room, 0xc3, sizeof room);
        sl_store_be32(room + at, 0x01234567);
        sl_store_le16(room + at + 4, 0xab89);
        sl_store_be16(room + at + 6, 0xcdef);
        assert_memory_equal(room + at, bytes, 8);
    }
}

static void sums_that_do_not_fit(void **state)
{
    (void)state;
    uint64_t v;
    assert_false(sl_add_u64(&v, UINT64_MAX - 1, 1));
    assert_true(v == UINT64_MAX);
    assert_true(sl_add_u64(&v, UINT64_MAX, 1));
    assert_true(sl_add_u64(&v, (uint64_t)1 << 63, (uint64_t)1 << 63));
    assert_false(sl_round_up_u64(&v, 0, 4096));
    assert_true(v == 0);
    assert_false(sl_round_up_u64(&v, 1, 4096));
    assert_true(v == 4096);
    assert_false(sl_round_up_u64(&v, 4096, 4096));
    assert_true(v == 4096);
    assert_false(sl_round_up_u64(&v, UINT64_MAX - 4095, 4096));
    assert_true(v == UINT64_MAX - 4095);
    assert_true(sl_round_up_u64(&v, UINT64_MAX - 4094, 4096));
    assert_true(sl_round_up_u64(&v, UINT64_MAX, 2));
}

static void comparing_and_wiping(void **state)
{
    (void)state;
    struct test_random random = test_random_for("compare");
    uint8_t a[100], b[100];
    test_random_fill(&random, a, sizeof a);
    memcpy(b, a, sizeof a);
    assert_true(sl_equal(a, b, sizeof a));
    assert_true(sl_equal(a, b + 1, 0));
    for (size_t i = 0; i < sizeof a; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            b[i] ^= (uint8_t)(1 << bit);
            assert_false(sl_equal(a, b, sizeof a));
            assert_true(sl_equal(a, b, i));
            b[i] ^= (uint8_t)(1 << bit);
        }
    }
    b[3] ^= 0x80, b[7] ^= 0x80; /* differences do not cancel */
    assert_false(sl_equal(a, b, sizeof a));
    memset(a, 0xc3, sizeof a);
    sl_wipe(a + 10, 50);
    for (size_t i = 0; i < sizeof a; i++)
        assert_int_equal(a[i], i >= 10 && i < 60 ? 0 : 0xc3);
    sl_wipe(NULL, 0);
}

static const struct {
    enum sealane_error error;
    const char *name;
} errors[] = {
    {SEALANE_OK, "OK"},
#define ERROR(value, name, exit_code, message) {SEALANE_E_##name, #name},
#include "sealane/errors.def"
#undef ERROR
};

static void error_table(void **state)
{
    (void)state;
    size_t count = sizeof errors / sizeof errors[0];
    for (size_t i = 0; i < count; i++) {
        const char *message = sealane_error_message(errors[i].error);
        int code = sealane_error_exit_code(errors[i].error);
        assert_string_equal(sealane_error_name(errors[i].error), errors[i].name);
        assert_true(strlen(message) > 0 && message[strlen(message) - 1] != '.' && !strchr(message, '\n'));
        assert_true(errors[i].error == SEALANE_OK ? code == 0 : code >= 1 && code <= 5);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(errors[i].error, errors[j].error);
    }
    /* What programs and formats count on stays: values are ABI, exit codes are documented. */
    assert_int_equal(SEALANE_E_MEMORY_LOCK, 12);
    assert_non_null(strstr(sealane_error_message(SEALANE_E_MEMORY_LOCK), "RLIMIT_MEMLOCK"));
    assert_int_equal(sealane_error_exit_code(SEALANE_E_MEMORY_LOCK), 1);
    assert_int_equal(sealane_error_exit_code(SEALANE_E_ARGUMENT), 2);
    assert_int_equal(sealane_error_exit_code(SEALANE_E_DAMAGED), 3);
    assert_int_equal(sealane_error_exit_code(SEALANE_E_NO_SUCH_KEY), 4);
    assert_string_equal(sealane_error_name((enum sealane_error)30000), "UNKNOWN");
    assert_int_equal(sealane_error_exit_code((enum sealane_error)30000), 1);
}

static void system_error_numbers(void **state)
{
    (void)state;
    assert_int_equal(sealane_error_from_errno(ENOSPC), SEALANE_E_NO_SPACE);
    assert_int_equal(sealane_error_from_errno(EDQUOT), SEALANE_E_NO_SPACE);
    assert_int_equal(sealane_error_from_errno(EFBIG), SEALANE_E_FILE_SIZE_LIMIT);
    assert_int_equal(sealane_error_from_errno(EROFS), SEALANE_E_PERMISSION);
    assert_int_equal(sealane_error_from_errno(EACCES), SEALANE_E_PERMISSION);
    assert_int_equal(sealane_error_from_errno(ENOENT), SEALANE_E_NOT_FOUND);
    assert_int_equal(sealane_error_from_errno(EEXIST), SEALANE_E_EXISTS);
    assert_int_equal(sealane_error_from_errno(ENOMEM), SEALANE_E_NO_MEMORY);
    assert_int_equal(sealane_error_from_errno(EPIPE), SEALANE_E_BROKEN_PIPE);
    assert_int_equal(sealane_error_from_errno(EIO), SEALANE_E_IO);
    for (int i = 0; i < 200; i++) /* a failed call is never success, even with errno 0 */
        assert_int_not_equal(sealane_error_from_errno(i), SEALANE_OK);
}

static void random_bytes(void **state)
{
    (void)state;
    enum { LEN = 5000 };
    static uint8_t a[LEN + 16], b[LEN];
    static bool seen[256];
    size_t values = 0;
    memset(a, 0xc3, sizeof a);
    assert_int_equal(sl_random(a, LEN), SEALANE_OK);
    assert_int_equal(sl_random(b, LEN), SEALANE_OK);
    assert_memory_not_equal(a, b, 32);
    for (size_t i = 0; i + 32 <= LEN; i += 32) /* every part is filled: 16 equal bytes have a chance of 2^-128 */
        assert_memory_not_equal(a + i, "\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3", 16);
    for (size_t i = 0; i < LEN; i++) {
        values += !seen[a[i]];
        seen[a[i]] = true;
    }
    assert_int_equal(values, 256); /* one missing in 5000 bytes: 256 * (255/256)^5000, less than 1e-6 */
    for (size_t i = LEN; i < sizeof a; i++)
        assert_int_equal(a[i], 0xc3);
    assert_int_equal(sl_random(NULL, 0), SEALANE_OK);
}

static void versions_agree(void **state)
{
    (void)state;
    assert_string_equal(sealane_version(), SEALANE_VERSION);
}

/* ---- Whole reads and writes ---- */

enum { TRANSFER = 300000 };

static uint8_t sent[TRANSFER], received[TRANSFER + 100];

static void ignore_signal(int number)
{
    (void)number;
}

/* Interrupts the main thread again and again, and moves bytes in small pieces on the other end. */
struct peer {
    pthread_t thread;
    pthread_t interrupted;
    int fd;
    bool writes;
    bool failed;
};

static void *slow_peer(void *argument)
{
    struct peer *p = argument;
    for (size_t at = 0; at < TRANSFER;) {
        size_t part = TRANSFER - at < 7001 ? TRANSFER - at : 7001;
        ssize_t n = p->writes ? write(p->fd, sent + at, part) : read(p->fd, received + at, part);
        if (n <= 0 && errno != EINTR) {
            p->failed = true;
            break;
        }
        at += n > 0 ? (size_t)n : 0;
        if (at / 7001 % 8 == 0) {
            pthread_kill(p->interrupted, SIGUSR1);
            nanosleep(&(struct timespec){0, 200000}, NULL);
        }
    }
    close(p->fd);
    return NULL;
}

static void start_peer(struct peer *peer, int fd, bool writes)
{
    struct sigaction action = {.sa_handler = ignore_signal}; /* no SA_RESTART: calls do return EINTR */
    sigset_t mask, old;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    *peer = (struct peer){.interrupted = pthread_self(), .fd = fd, .writes = writes};
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &mask, &old), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, slow_peer, peer), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

static void short_and_interrupted_transfers(void **state)
{
    (void)state;
    struct test_random random = test_random_for("transfers");
    int ends[2];
    struct peer peer;
    size_t got;
    test_random_fill(&random, sent, sizeof sent);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    start_peer(&peer, ends[1], false);
    assert_int_equal(sl_write_all(ends[0], sent, TRANSFER), SEALANE_OK);
    assert_int_equal(pthread_join(peer.thread, NULL), 0);
    assert_false(peer.failed);
    assert_memory_equal(sent, received, TRANSFER);
    close(ends[0]);

    memset(received, 0, sizeof received);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    start_peer(&peer, ends[1], true);
    assert_int_equal(sl_read_full(ends[0], received, sizeof received, &got), SEALANE_OK);
    assert_int_equal(pthread_join(peer.thread, NULL), 0);
    assert_int_equal(got, TRANSFER); /* the end came before the buffer was full */
    assert_memory_equal(sent, received, TRANSFER);
    close(ends[0]);
}

static void reads_at_offsets(void **state)
{
    (void)state;
    char name[] = "/tmp/sealane-test-XXXXXX";
    int fd = mkstemp(name);
    size_t got = 99;
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(sl_write_all(fd, "0123456789", 10), SEALANE_OK);
    assert_int_equal(sl_sync(fd), SEALANE_OK);
    memset(received, 0xc3, 32);
    assert_int_equal(sl_pread_full(fd, received, 4, &got, 3), SEALANE_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(received, "3456\xc3", 5);
    assert_int_equal(sl_pread_full(fd, received, 20, &got, 6), SEALANE_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(received, "6789\xc3", 5);
    assert_int_equal(sl_pread_full(fd, received, 20, &got, 1000), SEALANE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 10); /* the position did not move */
    assert_int_equal(sl_pread_full(-1, received, 1, &got, 0), SEALANE_E_READ_FAILED);
    assert_int_equal(got, 0);
    assert_int_equal(sl_read_full(-1, received, 1, &got), SEALANE_E_READ_FAILED);
    assert_int_equal(sl_write_all(-1, "x", 1), SEALANE_E_WRITE_FAILED);
    assert_int_equal(sl_sync(-1), SEALANE_E_IO);
    close(fd);
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        assert_int_equal(sl_write_all(fd, "x", 1), SEALANE_E_NO_SPACE);
    else
        test_not_run("writing to a full device", "no /dev/full here");
    close(fd);
}

static int syncs_to_interrupt;
static int syncs;

int fsync(int fd)
{
    syncs++;
    if (syncs_to_interrupt-- > 0) {
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static void a_failed_sync_is_final(void **state)
{
    (void)state;
    char name[] = "/tmp/sealane-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    enum sealane_error (*const calls[])(int) = {sl_sync, sl_sync_if_possible};
    for (size_t i = 0; i < 2; i++) {
        syncs = 0;
        syncs_to_interrupt = 1;
        assert_int_equal(calls[i](fd), SEALANE_E_IO);
        assert_int_equal(syncs, 1);
        assert_int_equal(calls[i](fd), SEALANE_OK);
    }
    close(fd);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(sl_sync_if_possible(ends[1]), SEALANE_OK);
    close(ends[0]);
    close(ends[1]);
}

static void write_too_much(void *unused)
{
    (void)unused;
    char name[] = "/tmp/sealane-test-XXXXXX";
    int fd = mkstemp(name);
    CHILD_CHECK(fd >= 0 && unlink(name) == 0);
    signal(SIGXFSZ, SIG_IGN);
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000}) == 0);
    CHILD_CHECK(sl_write_all(fd, sent, 1000) == SEALANE_OK);
    CHILD_CHECK(sl_write_all(fd, sent, 1) == SEALANE_E_FILE_SIZE_LIMIT);
}

static void a_file_size_limit(void **state)
{
    (void)state;
    assert_true(test_child_passed(test_child(write_too_much, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_order),
        cmocka_unit_test(sums_that_do_not_fit),
        cmocka_unit_test(comparing_and_wiping),
        cmocka_unit_test(error_table),
        cmocka_unit_test(system_error_numbers),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(versions_agree),
        cmocka_unit_test(short_and_interrupted_transfers),
        cmocka_unit_test(reads_at_offsets),
        cmocka_unit_test(a_file_size_limit),
        cmocka_unit_test(a_failed_sync_is_final),
    };
    test_seed();
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
