/* Outputs and what happens to their names meanwhile, at the library's own steps. */
#define _GNU_SOURCE
#include "tests/scratch.h"

#include <errno.h>
#include <glob.h>
#include <sys/syscall.h>

#include "sealane/output.h"
#include "tests/support/child.h"

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

/* A directory that cannot be made durable, and what somebody does at that moment. */
static void (*at_directory_sync)(void);

int fsync(int fd)
{
    struct stat st;
    if (!at_directory_sync || fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))
        return (int)syscall(SYS_fsync, fd);
    at_directory_sync();
    errno = EIO;
    return -1;
}

static void nothing(void)
{
}

static void take_the_name(void)
{
    assert_int_equal(unlink("out"), 0);
    write_file("out", "theirs", 6, 0600);
}

static char temporary[64];

static void take_both_names(void)
{
    take_the_name();
    write_file(temporary, "theirs", 6, 0600);
}

static void commit_without_a_durable_directory(void (*at_sync)(void))
{
    glob_t found;
    sealane_output *output = begin("out", 0, "ours");
    assert_int_equal(glob(".out.sealane-*", GLOB_PERIOD, NULL, &found), 0);
    snprintf(temporary, sizeof temporary, "%s", found.gl_pathv[0]);
    globfree(&found);
    at_directory_sync = at_sync;
    enum sealane_error error = sealane_output_commit(output);
    at_directory_sync = NULL;
    assert_error(error, IO);
    sealane_output_free(output);
}

static void directory_not_durable(void **state)
{
    (void)state;
    commit_without_a_durable_directory(nothing);
    assert_int_equal(entries_of("."), 0);
    commit_without_a_durable_directory(take_the_name);
    check_text("out", "theirs");
    assert_int_equal(entries_of("."), 1);
    assert_int_equal(unlink("out"), 0);
    commit_without_a_durable_directory(take_both_names);
    check_text("out", "theirs");
    check_text(temporary, "theirs");
}

static void all_rights_taken(void *unused)
{
    (void)unused;
    sealane_output *output;
    umask(0777);
    CHILD_CHECK(sealane_output_create(&output, "out", 0) == SEALANE_OK);
    CHILD_CHECK(sealane_output_commit(output) == SEALANE_OK);
    sealane_output_free(output);
}

static void any_umask(void **state)
{
    (void)state;
    assert_true(test_child_passed(test_child(all_rights_taken, NULL)));
    assert_int_equal(mode_of("out"), 0600);
}

/* Whoever reads a link by himself, not through the kernel, which may refuse to follow somebody else's, is shown one
 * that leads to a place that the kernel was never asked about. */
static void (*at_link)(void);

static void retarget(void)
{
    assert_int_equal(unlink("link"), 0);
    assert_int_equal(symlink("private/file", "link"), 0);
}

/* The kernel's name for a file that is gone can be another file's. */
static void exchange_target(void)
{
    assert_int_equal(unlink("allowed/file"), 0);
    write_file("allowed/file (deleted)", "old", 3, 0600);
}

static void lose_target(void)
{
    assert_int_equal(unlink("allowed/file"), 0);
}

static void before_link_is_read(void)
{
    void (*now)(void) = at_link;
    at_link = NULL;
    if (now)
        now();
}

char *realpath(const char *restrict path, char *restrict resolved)
{
    before_link_is_read();
    return resolved ? NULL : canonicalize_file_name(path);
}

ssize_t readlink(const char *restrict path, char *restrict out, size_t size)
{
    before_link_is_read();
    return syscall(SYS_readlinkat, AT_FDCWD, path, out, size);
}

static void link_changes_in_between(void **state)
{
    (void)state;
    sealane_output *output;
    assert_int_equal(mkdir("allowed", 0700) | mkdir("private", 0700), 0);
    write_file("allowed/file", "old", 3, 0600);
    write_file("private/file", "old", 3, 0600);
    assert_int_equal(symlink("allowed/file", "link"), 0);
    at_link = retarget;
    assert_error(sealane_output_create(&output, "link", SEALANE_OUTPUT_REPLACE), OK);
    assert_null(at_link);
    assert_int_equal(entries_of("private"), 1);
    assert_int_equal(entries_of("allowed"), 2);
    sealane_output_free(output);
    assert_int_equal(unlink("link"), 0);
    assert_int_equal(symlink("allowed/file", "link"), 0);
    at_link = exchange_target;
    assert_error(sealane_output_create(&output, "link", SEALANE_OUTPUT_REPLACE), NOT_FOUND);
    assert_int_equal(entries_of("allowed"), 1);
    assert_int_equal(rename("allowed/file (deleted)", "allowed/file"), 0);
    at_link = lose_target;
    assert_error(sealane_output_create(&output, "link", SEALANE_OUTPUT_REPLACE), NOT_FOUND);
    assert_null(at_link);
    assert_int_equal(entries_of("allowed"), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_enter, scratch_leave)
    const struct CMUnitTest tests[] = {
        CASE(directory_not_durable),
        CASE(any_umask),
        CASE(link_changes_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
