/* Sealing and unsealing whole files and streams: round trips, ranges, what ciphertext must not show, failing outputs.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/syscall.h>
#include <time.h>

#include "tests/sealing.h"

/* ---- Round trips ---- */

static void test_round_trips(void **state)
{
    (void)state;
    static const size_t ring = (size_t)SL_RING_BUFFERS * SL_RING_LEN;
    const size_t centres[] = {0,
                              16,
                              SL_PAGE,
                              2 * SL_PAGE,
                              4 * SL_PAGE,
                              65536,
                              SL_RING_LEN - 3 * SL_PAGE,
                              SL_RING_LEN - 2 * SL_PAGE,
                              SL_RING_LEN - SL_PAGE,
                              SL_RING_LEN,
                              SL_RING_LEN + SL_PAGE,
                              2 * SL_RING_LEN,
                              ring - SL_PAGE,
                              ring,
                              2 * ring + 12345};
    size_t cases = 0;
    uint8_t *plain = random_bytes(3 * ring);
    for (size_t i = 0; i < sizeof centres / sizeof centres[0]; i++) {
        for (int delta = -1; delta <= 1; delta++) {
            if (centres[i] == 0 && delta < 0)
                continue;
            size_t len = centres[i] + (size_t)delta;
            uint8_t *sealed[2];
            size_t sealed_len[2];
            assert_int_equal(through_files(do_seal, NULL, plain, len, &sealed[0], &sealed_len[0]), SEALANE_OK);
            assert_int_equal(through_pipes(do_seal, NULL, plain, len, &sealed[1], &sealed_len[1]), SEALANE_OK);
            for (int j = 0; j < 2; j++) {
                uint8_t *back;
                size_t back_len;
                assert_int_equal(sealed_len[j], 2 * SL_PAGE + (len + SL_PAGE - 1) / SL_PAGE * SL_PAGE);
                assert_int_equal(through_files(do_unseal, NULL, sealed[j], sealed_len[j], &back, &back_len),
                                 SEALANE_OK);
                assert_int_equal(back_len, len);
                assert_memory_equal(back, plain, len);
                free(back);
                assert_int_equal(through_pipes(do_unseal, NULL, sealed[j], sealed_len[j], &back, &back_len),
                                 SEALANE_OK);
                assert_int_equal(back_len, len);
                assert_memory_equal(back, plain, len);
                free(back);
                free(sealed[j]);
                cases += 2;
            }
        }
    }
    free(plain);
    printf("%zu round trips\n", cases);
}

/* Standard input and output are shared with other programs, and any of them may have made them non-blocking. */
static void test_nonblocking(void **state)
{
    (void)state;
    const size_t len = 2 * SL_RING_LEN + 5;
    uint8_t *plain = random_bytes(len);
    uint8_t *sealed;
    uint8_t *back;
    size_t sealed_len;
    size_t back_len;
    pipe_flags |= O_NONBLOCK;
    assert_int_equal(through_pipes(do_seal, NULL, plain, len, &sealed, &sealed_len), SEALANE_OK);
    assert_int_equal(through_pipes(do_unseal, NULL, sealed, sealed_len, &back, &back_len), SEALANE_OK);
    pipe_flags &= ~O_NONBLOCK;
    assert_int_equal(back_len, len);
    assert_memory_equal(back, plain, len);
    free(back);
    free(sealed);
    free(plain);
}

static void check_range(const uint8_t *sealed, size_t sealed_len, const uint8_t *plain, size_t len, uint64_t offset,
                        uint64_t count)
{
    struct sealane_unseal_options options = SEALANE_UNSEAL_OPTIONS_INIT;
    options.offset = offset;
    options.length = count;
    for (int pipes = 0; pipes < 2; pipes++) {
        uint8_t *out;
        size_t out_len;
        enum sealane_error error = pipes ? through_pipes(do_unseal, &options, sealed, sealed_len, &out, &out_len)
                                         : through_files(do_unseal, &options, sealed, sealed_len, &out, &out_len);
        if (offset > len) {
            assert_int_equal(error, SEALANE_E_RANGE);
            assert_int_equal(out_len, 0);
        } else {
            size_t expected = count > len - offset ? len - (size_t)offset : (size_t)count;
            assert_int_equal(error, SEALANE_OK);
            assert_int_equal(out_len, expected);
            assert_memory_equal(out, plain + offset, expected);
        }
        free(out);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    const size_t len = 3 * SL_RING_LEN + 777;
    const uint64_t marks[] = {0,           1,      15,      16,  17,      SL_PAGE - 1, SL_PAGE, SL_RING_LEN - 16384,
                              SL_RING_LEN, 300001, len - 1, len, len + 1, UINT64_MAX};
    const uint64_t counts[] = {0, 1, 16, 4097, 300000, len, UINT64_MAX};
    uint8_t *plain = random_bytes(len);
    size_t sealed_len;
    uint8_t *sealed = sealed_of(plain, len, &sealed_len);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        for (size_t j = 0; j < sizeof counts / sizeof counts[0]; j++)
            check_range(sealed, sealed_len, plain, len, marks[i], counts[j]);
    }
    free(sealed);
    sealed = sealed_of(plain, 0, &sealed_len);
    check_range(sealed, sealed_len, plain, 0, 0, 0);
    check_range(sealed, sealed_len, plain, 0, 0, UINT64_MAX);
    check_range(sealed, sealed_len, plain, 0, 1, 0);
    free(sealed);
    free(plain);
}

/* Sealing starts where the descriptor stands; unsealing a regular file does not depend on it. */
static void test_positions(void **state)
{
    (void)state;
    uint8_t *plain = random_bytes(10000);
    int in = file_of(plain, 10000);
    int out = file_of(NULL, 0);
    int back = file_of(NULL, 0);
    size_t len;
    assert_int_equal(lseek(in, 123, SEEK_SET), 123);
    assert_int_equal(sealane_seal(keystore, engine, in, out, NULL), SEALANE_OK);
    assert_int_equal(sealane_unseal(keystore, engine, out, back, NULL), SEALANE_OK); /* stands at its end */
    uint8_t *bytes = bytes_of(back, &len);
    assert_int_equal(len, 10000 - 123);
    assert_memory_equal(bytes, plain + 123, len);
    free(bytes);
    free(plain);
    close(in);
    close(out);
    close(back);
}

/* Writing would run over what is still to be read: refused, whichever way the descriptors came, and nothing is lost. */
static void test_one_file(void **state)
{
    (void)state;
    char path[64];
    const size_t len = 3 * SL_RING_LEN;
    uint8_t *plain = random_bytes(len);
    size_t sealed_len;
    uint8_t *sealed = sealed_of(plain, len, &sealed_len);
    for (int unseal = 0; unseal < 2; unseal++) {
        transfer *run = unseal ? do_unseal : do_seal;
        const uint8_t *before = unseal ? sealed : plain;
        size_t before_len = unseal ? sealed_len : len;
        size_t after_len;
        int in = file_of(before, before_len);
        snprintf(path, sizeof path, "/proc/self/fd/%d", in);
        int out = open(path, O_RDWR | O_CLOEXEC);
        assert_true(out >= 0);
        assert_int_equal(run(in, out, NULL), SEALANE_E_SAME_FILE);
        assert_int_equal(run(in, in, NULL), SEALANE_E_SAME_FILE);
        assert_int_equal(lseek(in, 0, SEEK_CUR), 0);
        assert_int_equal(lseek(out, 0, SEEK_CUR), 0);
        uint8_t *after = bytes_of(out, &after_len);
        assert_int_equal(after_len, before_len);
        assert_memory_equal(after, before, before_len);
        free(after);
        close(in);
        close(out);
    }
    free(sealed);
    free(plain);
}

/* ---- What must not be seen in the ciphertext ---- */

static size_t zeros_in(const uint8_t *bytes, size_t len)
{
    size_t zeros = 0;
    for (size_t i = 0; i < len; i++)
        zeros += bytes[i] == 0;
    return zeros;
}

static void test_ciphertext(void **state)
{
    (void)state;
    const size_t len = 1 << 16;
    uint8_t *plain = calloc(1, len);
    assert_non_null(plain);
    size_t sealed_len;
    uint8_t *one = sealed_of(plain, len, &sealed_len);
    uint8_t *two = sealed_of(plain, len, &sealed_len);
    const uint8_t *stream = one + SL_PAGE;
    assert_memory_not_equal(one + 64, two + 64, 32); /* file ids */
    assert_memory_not_equal(one + 96, two + 96, 32); /* salts */
    /* 65536 random bytes hold 256 zeros, standard deviation 16: 512 is 16 deviations away. */
    assert_true(zeros_in(stream, len) < 512);
    for (size_t i = 0; i < len; i++)
        two[SL_PAGE + i] ^= stream[i];
    assert_true(zeros_in(two + SL_PAGE, len) < 512);
    /* Equal to itself at no distance: a keystream with a period would be. */
    for (size_t period = 1; period <= 4096; period++) {
        size_t same = 0;
        for (size_t i = 0; i + period < 8192; i++)
            same += stream[i] == stream[i + period];
        assert_true(same < 256); /* about 32 of 8192 by chance at the shortest, fewer further on */
    }
    /* No two blocks of 16 bytes alike: sorted by brute force over a sample. */
    for (size_t i = 0; i < len; i += 16 * 61) {
        for (size_t j = 0; j < len; j += 16)
            assert_true(i == j || memcmp(stream + i, stream + j, 16) != 0);
    }
    free(one);
    free(two);
    free(plain);
}

/* ---- Progress and inspection ---- */

struct progress {
    uint64_t done;
    uint64_t total;
    unsigned calls;
};

static void on_progress(void *context, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    assert_true(done >= progress->done);
    progress->done = done;
    progress->total = total;
    progress->calls++;
}

static void test_progress(void **state)
{
    (void)state;
    const size_t len = 3 * SL_RING_LEN;
    struct progress progress = {0};
    struct sealane_seal_options seal = SEALANE_SEAL_OPTIONS_INIT;
    struct sealane_unseal_options unseal = SEALANE_UNSEAL_OPTIONS_INIT;
    uint8_t *plain = random_bytes(len);
    uint8_t *sealed;
    uint8_t *out;
    size_t sealed_len;
    size_t out_len;
    seal.progress = unseal.progress = on_progress;
    seal.progress_context = unseal.progress_context = &progress;
    assert_int_equal(through_files(do_seal, &seal, plain, len, &sealed, &sealed_len), SEALANE_OK);
    assert_int_equal(progress.done, len);
    assert_int_equal(progress.total, len);
    assert_true(progress.calls >= 3);
    unseal.offset = 1000;
    progress = (struct progress){0};
    assert_int_equal(through_files(do_unseal, &unseal, sealed, sealed_len, &out, &out_len), SEALANE_OK);
    assert_int_equal(progress.done, len - 1000);
    assert_int_equal(progress.total, len - 1000);
    free(out);
    progress = (struct progress){0};
    assert_int_equal(through_pipes(do_unseal, &unseal, sealed, sealed_len, &out, &out_len), SEALANE_OK);
    assert_int_equal(progress.done, len - 1000);
    assert_true(progress.total == UINT64_MAX);
    free(out);
    free(sealed);
    free(plain);
}

/* ---- Forks ---- */

struct fork_report {
    pid_t parent;
    int report; /* a pipe: one byte, the error, from each process that gets there */
    bool unseal;
};

static void fork_once(void *context, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    struct fork_report *fork_report = context;
    if (fork_report->parent == 0) {
        fork_report->parent = getpid();
        if (fork() == 0)
            alarm(20); /* a child that hangs is one that fails to report */
    }
}

/* A progress function forks, and both processes return from it.  Each writes its error to the pipe. */
static void transfer_and_fork(void *argument)
{
    struct fork_report *fork_report = argument;
    const size_t len = 40 * SL_RING_LEN;
    struct sealane_seal_options seal = SEALANE_SEAL_OPTIONS_INIT;
    struct sealane_unseal_options unseal = SEALANE_UNSEAL_OPTIONS_INIT;
    uint8_t *plain = calloc(1, len);
    int in = memfd_create("in", 0);
    int sealed = memfd_create("sealed", 0);
    int out = memfd_create("out", 0);
    CHILD_CHECK(plain != NULL && in >= 0 && sealed >= 0 && out >= 0);
    CHILD_CHECK(sl_write_all(in, plain, len) == SEALANE_OK && lseek(in, 0, SEEK_SET) == 0);
    free(plain);
    seal.progress = fork_report->unseal ? NULL : fork_once;
    unseal.progress = fork_once;
    seal.progress_context = unseal.progress_context = fork_report;
    enum sealane_error error = sealane_seal(keystore, engine, in, sealed, &seal);
    if (fork_report->unseal)
        error = sealane_unseal(keystore, engine, sealed, out, &unseal);
    uint8_t said[2] = {getpid() == fork_report->parent, (uint8_t)error};
    CHILD_CHECK(write(fork_report->report, said, 2) == 2);
    if (getpid() != fork_report->parent)
        _exit(0);
    /* What the parent wrote is whole: the child took no part in it. */
    struct stat status;
    CHILD_CHECK(fstat(fork_report->unseal ? out : sealed, &status) == 0);
    CHILD_CHECK((size_t)status.st_size == len + (fork_report->unseal ? 0 : 2 * SL_PAGE));
}

static void test_forking_progress(void **state)
{
    (void)state;
    for (int unseal = 0; unseal < 2; unseal++) {
        int ends[2];
        uint8_t said[6];
        size_t got;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        struct fork_report fork_report = {.report = ends[1], .unseal = unseal};
        assert_true(test_child_passed(test_child(transfer_and_fork, &fork_report)));
        close(ends[1]);
        assert_int_equal(sl_read_full(ends[0], said, sizeof said, &got), SEALANE_OK); /* until both have ended */
        close(ends[0]);
        assert_int_equal(got, 4);
        const uint8_t *parent = said[0] ? said : said + 2;
        const uint8_t *child = said[0] ? said + 2 : said;
        assert_int_equal(parent[0], 1);
        assert_int_equal(parent[1], SEALANE_OK);
        assert_int_equal(child[0], 0);
        assert_int_equal(child[1], SEALANE_E_ARGUMENT);
    }
}

/* ---- Outputs that fail ---- */

static void seal_into_limit(void *argument)
{
    (void)argument;
    struct rlimit limit = {1 << 20, 1 << 20};
    const size_t len = 4 << 20;
    uint8_t *plain = calloc(1, len);
    int in = memfd_create("in", 0);
    int out = memfd_create("out", 0);
    CHILD_CHECK(plain != NULL && in >= 0 && out >= 0);
    CHILD_CHECK(sl_write_all(in, plain, len) == SEALANE_OK && lseek(in, 0, SEEK_SET) == 0);
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    /* SIGXFSZ has its default action here: the writer's thread must not let it end the process. */
    CHILD_CHECK(sealane_seal(keystore, engine, in, out, NULL) == SEALANE_E_FILE_SIZE_LIMIT);
    free(plain);
}

static void seal_into_closed_pipe(void *argument)
{
    int ends[2];
    int unseal = *(int *)argument;
    const size_t len = 4 << 20;
    uint8_t *plain = calloc(1, len);
    int in = memfd_create("in", 0);
    int sealed = memfd_create("sealed", 0);
    CHILD_CHECK(plain != NULL && in >= 0 && sealed >= 0 && pipe(ends) == 0 && close(ends[0]) == 0);
    CHILD_CHECK(sl_write_all(in, plain, len) == SEALANE_OK && lseek(in, 0, SEEK_SET) == 0);
    if (unseal) {
        CHILD_CHECK(sealane_seal(keystore, engine, in, sealed, NULL) == SEALANE_OK);
        CHILD_CHECK(sealane_unseal(keystore, engine, sealed, ends[1], NULL) == SEALANE_E_BROKEN_PIPE);
    } else {
        CHILD_CHECK(sealane_seal(keystore, engine, in, ends[1], NULL) == SEALANE_E_BROKEN_PIPE);
    }
    free(plain);
}

static void test_failing_outputs(void **state)
{
    (void)state;
    int no = 0;
    int yes = 1;
    assert_true(test_child_passed(test_child(seal_into_limit, NULL)));
    assert_true(test_child_passed(test_child(seal_into_closed_pipe, &no)));
    assert_true(test_child_passed(test_child(seal_into_closed_pipe, &yes)));
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) {
        test_not_run("a full disk", "no /dev/full here");
        return;
    }
    uint8_t *plain = random_bytes(1000);
    int in = file_of(plain, 1000);
    assert_int_equal(sealane_seal(keystore, engine, in, full, NULL), SEALANE_E_NO_SPACE);
    close(in);
    close(full);
    free(plain);
}

/* A failed read must not be taken for the end: a directory's descriptor gives one. */
static void test_failing_input(void **state)
{
    (void)state;
    int in = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int out = file_of(NULL, 0);
    assert_true(in >= 0);
    assert_int_not_equal(sealane_seal(keystore, engine, in, out, NULL), SEALANE_OK);
    assert_int_not_equal(sealane_unseal(keystore, engine, in, out, NULL), SEALANE_OK);
    assert_int_equal(lseek(out, 0, SEEK_END), 0);
    close(in);
    close(out);
}

/* ---- A clock that is wrong ---- */

static bool before_1970;

/* Stands in for the C library's own. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (syscall(SYS_clock_gettime, clock, now) != 0)
        return -1;
    if (before_1970 && clock == CLOCK_REALTIME)
        now->tv_sec = -1;
    return 0;
}

static void test_clock_before_1970(void **state)
{
    (void)state;
    int in = file_of((const uint8_t *)"data", 4);
    int out = file_of(NULL, 0);
    before_1970 = true;
    enum sealane_error error = sealane_seal(keystore, engine, in, out, NULL);
    before_1970 = false;
    assert_int_equal(error, SEALANE_E_IO);
    assert_int_equal(lseek(out, 0, SEEK_END), 0);
    assert_int_equal(sealane_seal(keystore, engine, in, out, NULL), SEALANE_OK);
    close(in);
    close(out);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* the feeding threads; children have the default action again */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_nonblocking),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_one_file),
        cmocka_unit_test(test_ciphertext),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_forking_progress),
        cmocka_unit_test(test_failing_outputs),
        cmocka_unit_test(test_failing_input),
        cmocka_unit_test(test_clock_before_1970),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
