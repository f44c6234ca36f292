/* Outputs: whole under their name or not there, and no temporary left, whenever the process ends. */
#define _GNU_SOURCE
#include "tests/scratch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sealane/keystore.h"
#include "sealane/output.h"
#include "tests/support/child.h"
#include "tests/support/environment.h"

static sealane_output *begin(const char *path, int flags, const char *text)
{
    sealane_output *output;
    assert_error(sealane_output_create(&output, path, flags), OK);
    assert_int_equal(sl_write_all(sealane_output_fd(output), text, strlen(text)), SEALANE_OK);
    return output;
}

static void check_text(const char *path, const char *expected)
{
    char text[64];
    size_t len = read_file(path, text, sizeof text);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

static enum sealane_error try_create(const char *path, int flags)
{
    sealane_output *output;
    enum sealane_error error = sealane_output_create(&output, path, flags);
    assert_true((error == SEALANE_OK) == (output != NULL));
    sealane_output_free(output);
    return error;
}

static void appears_whole(void **state)
{
    (void)state;
    sealane_output *output = begin("out", 0, "new");
    assert_int_equal(access("out", F_OK), -1);
    assert_int_equal(entries_of("."), 1);
    assert_error(sealane_output_commit(output), OK);
    check_text("out", "new");
    assert_int_equal(mode_of("out"), 0600);
    assert_int_equal(entries_of("."), 1);
    assert_error(sealane_output_commit(output), ARGUMENT);
    sealane_output_free(output);
    check_text("out", "new");
    sealane_output_free(NULL);
}

static void vanishes_without_commit(void **state)
{
    (void)state;
    write_file("out", "old", 3, 0644);
    sealane_output_free(begin("new", 0, "new"));
    sealane_output_free(begin("out", SEALANE_OUTPUT_REPLACE, "new"));
    assert_int_equal(entries_of("."), 1);
    check_text("out", "old");
}

static void replaces_only_when_asked(void **state)
{
    (void)state;
    write_file("out", "old", 3, 0444);
    assert_error(try_create("out", 0), EXISTS);
    sealane_output *output = begin("out", SEALANE_OUTPUT_REPLACE, "new");
    check_text("out", "old");
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    check_text("out", "new");
    assert_int_equal(entries_of("."), 1);
}

/* The name appears between create and commit: neither the other's file nor ours is harmed. */
static void name_taken_meanwhile(void **state)
{
    (void)state;
    sealane_output *output = begin("out", 0, "ours");
    write_file("out", "theirs", 6, 0600);
    assert_error(sealane_output_commit(output), EXISTS);
    check_text("out", "theirs");
    sealane_output_free(output);
    check_text("out", "theirs");
    assert_int_equal(entries_of("."), 1);
}

/* The directory is held by its descriptor. */
static void current_directory_changes(void **state)
{
    (void)state;
    assert_int_equal(mkdir("a", 0700), 0);
    assert_int_equal(chdir("a"), 0);
    sealane_output *output = begin("out", 0, "new");
    sealane_output *dropped = begin("dropped", 0, "new");
    assert_int_equal(chdir(".."), 0);
    assert_int_equal(rename("a", "b"), 0);
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    sealane_output_free(dropped);
    check_text("b/out", "new");
    assert_int_equal(entries_of("b"), 1);
}

static void links(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(mkdir("sub", 0700), 0);
    write_file("sub/target", "old", 3, 0600);
    assert_int_equal(symlink("sub/target", "link"), 0);
    assert_int_equal(symlink("absent", "dangling"), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_error(try_create("link", 0), EXISTS);
    assert_error(try_create("dangling", 0), EXISTS);
    assert_error(try_create("dangling", SEALANE_OUTPUT_REPLACE), NOT_FOUND);
    assert_error(try_create("loop", SEALANE_OUTPUT_REPLACE), NOT_REGULAR);
    sealane_output *output = begin("link", SEALANE_OUTPUT_REPLACE, "new");
    assert_int_equal(entries_of("sub"), 2);
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    check_text("sub/target", "new");
    assert_int_equal(entries_of("sub"), 1);
}

static void refused_paths(void **state)
{
    (void)state;
    char name[300];
    assert_int_equal(mkdir("directory", 0700), 0);
    write_file("file", "x", 1, 0600);
    static const char *const directories[] = {"directory", "directory/", ".", "..", "/", "new/", "directory/."};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        assert_error(try_create(directories[i], SEALANE_OUTPUT_REPLACE), NOT_REGULAR);
        assert_error(try_create(directories[i], 0), NOT_REGULAR);
    }
    assert_error(try_create("", 0), ARGUMENT);
    assert_error(try_create(NULL, 0), ARGUMENT);
    assert_error(try_create("x", 2), ARGUMENT);
    assert_error(try_create("absent/file", 0), NOT_FOUND);
    assert_error(try_create("file/file", 0), NOT_REGULAR);
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    assert_error(try_create(name, 0), ARGUMENT);
    name[255] = '\0';
    sealane_output *output = begin(name, 0, "long");
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    check_text(name, "long");
    /* A cut within a character would be no UTF-8. */
    for (size_t i = 0; i + 2 < 255; i += 3)
        memcpy(name + i, "\xe2\x82\xac", 3);
    output = begin(name, 0, "wide");
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    assert_int_equal(entries_of("."), 4);
}

static void *read_fifo(void *text)
{
    return (void *)(intptr_t)read_file("fifo", text, 16);
}

static void devices_and_pipes(void **state)
{
    (void)state;
    char text[16];
    void *len;
    pthread_t reader;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_fifo, text), 0);
    sealane_output *output = begin("fifo", 0, "direct");
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    assert_int_equal(pthread_join(reader, &len), 0);
    assert_int_equal((intptr_t)len, 6);
    assert_memory_equal(text, "direct", 6);
    assert_int_equal(entries_of("."), 1);
    output = begin("/dev/null", SEALANE_OUTPUT_REPLACE, "nothing");
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    struct stat st;
    assert_int_equal(lstat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_error(sealane_output_create(&output, "/dev/full", 0), OK);
    assert_error(sl_write_all(sealane_output_fd(output), "x", 1), NO_SPACE);
    sealane_output_free(output);
}

static void limited(void *unused)
{
    (void)unused;
    sealane_output *output;
    signal(SIGXFSZ, SIG_IGN);
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4, 4}) == 0);
    CHILD_CHECK(sealane_output_create(&output, "out", 0) == SEALANE_OK);
    CHILD_CHECK(sl_write_all(sealane_output_fd(output), "12345", 5) == SEALANE_E_FILE_SIZE_LIMIT);
    sealane_output_free(output);
}

static void as_nobody(void *unused)
{
    (void)unused;
    sealane_output *output;
    CHILD_CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHILD_CHECK(sealane_output_create(&output, "locked/out", 0) == SEALANE_E_PERMISSION);
    CHILD_CHECK(sealane_keystore_create("locked/store", NULL) == SEALANE_E_PERMISSION);
}

static void no_room_no_right(void **state)
{
    (void)state;
    assert_true(test_child_passed(test_child(limited, NULL)));
    assert_int_equal(entries_of("."), 0);
    if (geteuid() != 0) {
        test_not_run("a directory that is not ours", "needs root");
        return;
    }
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(mkdir("locked", 0755), 0);
    assert_true(test_child_passed(test_child(as_nobody, NULL)));
    assert_int_equal(entries_of("locked"), 0);
}

static atomic_int abandoning;

static void abandon_and_die(int signal_number)
{
    atomic_store(&abandoning, 1);
    sealane_output_abandon_all();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void abandons(void *unused)
{
    (void)unused;
    sealane_output *outputs[100];
    char name[16];
    CHILD_CHECK(signal(SIGTERM, abandon_and_die) != SIG_ERR);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "out%d", i);
        CHILD_CHECK(sealane_output_create(&outputs[i], name, 0) == SEALANE_OK);
        CHILD_CHECK(i % 10 != 0 || sealane_output_commit(outputs[i]) == SEALANE_OK);
    }
    sealane_output_free(outputs[55]);
    CHILD_CHECK(chdir("/") == 0);
    raise(SIGTERM);
}

static void abandoned_on_a_signal(void **state)
{
    (void)state;
    assert_true(test_child_died_by(test_child(abandons, NULL), SIGTERM));
    assert_int_equal(entries_of("."), 10);
}

static void makes_none_after_abandoning(void *unused)
{
    (void)unused;
    sealane_output *output;
    sealane_output_abandon_all();
    CHILD_CHECK(sealane_output_create(&output, "out", 0) == SEALANE_E_IO && !output);
}

/* A forked child has its parent's handles, and must neither publish nor clean up its parent's files. */
static void child_of_a_fork(void *output)
{
    CHILD_CHECK(sealane_output_commit(output) == SEALANE_E_ARGUMENT);
    sealane_output_abandon_all();
    sealane_output_free(output);
}

static void forked(void **state)
{
    (void)state;
    sealane_output *output = begin("out", 0, "new");
    assert_true(test_child_passed(test_child(child_of_a_fork, output)));
    assert_true(test_child_passed(test_child(makes_none_after_abandoning, NULL)));
    assert_int_equal(access("out", F_OK), -1);
    assert_int_equal(entries_of("."), 1);
    assert_error(sealane_output_commit(output), OK);
    sealane_output_free(output);
    check_text("out", "new");
}

/* The library's calls of these come here first: a thread that is slow in the middle of one. */
enum slow { NEVER, MKDIR, RENAME };
static atomic_int slow;
static atomic_int in_the_middle;

static void linger(enum slow where)
{
    if (atomic_load(&slow) == (int)where) {
        atomic_store(&in_the_middle, 1);
        usleep(100000);
    }
}

int mkdirat(int directory_fd, const char *path, mode_t mode)
{
    linger(MKDIR);
    return (int)syscall(SYS_mkdirat, directory_fd, path, mode);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    linger(RENAME);
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

/* A handler that takes its time before the end: what the other thread still does, it does. */
static void abandon_and_die_late(int signal_number)
{
    sealane_output_abandon_all();
    usleep(300000);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void *create_store(void *error)
{
    *(enum sealane_error *)error = sealane_keystore_create("store", NULL);
    return NULL;
}

static void dies_beside_a_slow_thread(void *where)
{
    pthread_t thread;
    enum sealane_error error;
    CHILD_CHECK(signal(SIGTERM, abandon_and_die_late) != SIG_ERR);
    atomic_store(&slow, *(enum slow *)where);
    CHILD_CHECK(pthread_create(&thread, NULL, create_store, &error) == 0);
    while (!atomic_load(&in_the_middle))
        usleep(1000);
    raise(SIGTERM);
}

static void waits_for_other_threads(void **state)
{
    (void)state;
    sealane_keystore *keystore;
    enum slow where = MKDIR;
    assert_true(test_child_died_by(test_child(dies_beside_a_slow_thread, &where), SIGTERM));
    assert_int_equal(entries_of("."), 0);
    where = RENAME;
    assert_true(test_child_died_by(test_child(dies_beside_a_slow_thread, &where), SIGTERM));
    assert_int_equal(entries_of("."), 1);
    assert_error(sealane_keystore_open(&keystore, "store", NULL), OK);
    sealane_keystore_free(keystore);
}

/* Once a handler has begun to clean up, attempts fail in one way or another; before that, none may. */
static void expect_done_or_abandoned(enum sealane_error error)
{
    if (error && !atomic_load(&abandoning))
        _exit(3);
    while (error)
        pause();
}

/* Without end, outputs and keystores are made, published and dropped in the current directory. */
static void *churn(void *prefix)
{
    for (unsigned i = 0;; i++) {
        char name[32];
        sealane_output *output;
        snprintf(name, sizeof name, "%s%u", (const char *)prefix, i % 8);
        expect_done_or_abandoned(sealane_output_create(&output, name, SEALANE_OUTPUT_REPLACE));
        if (i % 2 == 0)
            expect_done_or_abandoned(sealane_output_commit(output));
        sealane_output_free(output);
        snprintf(name, sizeof name, "%sstore%u", (const char *)prefix, i);
        if (i % 4 == 0)
            expect_done_or_abandoned(sealane_keystore_create(name, NULL));
    }
    return NULL;
}

static void churn_on_two_threads(void *ready)
{
    pthread_t thread;
    static char first[] = "a";
    static char second[] = "b";
    CHILD_CHECK(signal(SIGTERM, abandon_and_die) != SIG_ERR);
    CHILD_CHECK(pthread_create(&thread, NULL, churn, first) == 0);
    CHILD_CHECK(write(*(int *)ready, "r", 1) == 1);
    churn(second);
}

/* No dot file: whatever is in the directory is a finished output or a whole keystore. */
static void check_no_temporaries(void)
{
    const struct dirent *entry;
    DIR *listing = opendir(".");
    assert_non_null(listing);
    while ((entry = readdir(listing))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (entry->d_name[0] == '.')
            fail_msg("left behind: %s", entry->d_name);
        if (strstr(entry->d_name, "store")) {
            sealane_keystore *keystore;
            assert_error(sealane_keystore_open(&keystore, entry->d_name, NULL), OK);
            sealane_keystore_free(keystore);
        }
    }
    assert_int_equal(closedir(listing), 0);
}

/* The signal comes at instants all over the work of two threads. */
static void killed_at_any_instant(void **state)
{
    (void)state;
    const int rounds = test_reduced() ? 40 : 200;
    struct test_random random = test_random_for("killed_at_any_instant");
    for (int round = 0; round < rounds; round++) {
        int ends[2];
        char byte;
        int status;
        assert_int_equal(pipe(ends), 0);
        fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            churn_on_two_threads(&ends[1]);
            _exit(4);
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        usleep((useconds_t)test_random_below(&random, 20000));
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        assert_int_equal(close(ends[0]) | close(ends[1]), 0);
        check_no_temporaries();
        scratch_leave(state);
        scratch_enter(state);
    }
    print_message("%d signals\n", rounds);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_enter, scratch_leave)
    const struct CMUnitTest tests[] = {
        CASE(appears_whole),
        CASE(vanishes_without_commit),
        CASE(replaces_only_when_asked),
        CASE(name_taken_meanwhile),
        CASE(current_directory_changes),
        CASE(links),
        CASE(refused_paths),
        CASE(devices_and_pipes),
        CASE(no_room_no_right),
        CASE(abandoned_on_a_signal),
        CASE(forked),
        CASE(waits_for_other_threads),
        CASE(killed_at_any_instant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
