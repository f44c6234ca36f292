/* A directory of its own for each test, and files in it.  For tests that are about files. */
#ifndef SEALANE_TESTS_SCRATCH_H
#define SEALANE_TESTS_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "sealane/error.h"

#define assert_error(call, name) assert_string_equal(sealane_error_name(call), #name)

static char scratch[] = "/tmp/sealane-test-XXXXXX";

/* A cmocka set-up: the new directory is also the current one. */
static inline int scratch_enter(void **state)
{
    (void)state;
    strcpy(scratch, "/tmp/sealane-test-XXXXXX");
    umask(022);
    return mkdtemp(scratch) && chdir(scratch) == 0 ? 0 : -1;
}

static inline int scratch_leave(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    return chdir("/") == 0 ? system(command) : -1;
}

static inline void write_file(const char *path, const void *data, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(sl_write_all(fd, data, len), SEALANE_OK);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

/* Reads at most `size` bytes; returns how many there were. */
static inline size_t read_file(const char *path, void *data, size_t size)
{
    size_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(sl_read_full(fd, data, size, &got), SEALANE_OK);
    assert_int_equal(close(fd), 0);
    return got;
}

static inline size_t entries_of(const char *path)
{
    size_t count = 0;
    const struct dirent *entry;
    DIR *listing = opendir(path);
    assert_non_null(listing);
    while ((entry = readdir(listing)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    assert_int_equal(closedir(listing), 0);
    return count;
}

static inline mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

#endif
