#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Linux transfers at most 0x7ffff000 bytes a call; some file systems refuse more than INT_MAX instead of cutting it. */
static const size_t TRANSFER_MAX = (size_t)1 << 30;

static size_t at_most(size_t len)
{
    return len < TRANSFER_MAX ? len : TRANSFER_MAX;
}

/* After a call that failed: true if it is to be tried again.  A descriptor that somebody made non-blocking (standard
 * input and output are shared with whoever started us) is waited for. */
static bool again(int fd, short events)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN)
        return false;
    struct pollfd wait = {.fd = fd, .events = events};
    return poll(&wait, 1, -1) > 0 || errno == EINTR;
}

/* Who copies from one descriptor to another wants to know which of them failed. */
static enum sealane_error in_direction(enum sealane_error error, enum sealane_error direction)
{
    return error == SEALANE_E_IO ? direction : error;
}

enum sealane_error sl_write_all(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, at_most(len));
        if (n < 0 && again(fd, POLLOUT))
            continue;
        if (n < 0)
            return in_direction(sealane_error_from_errno(errno), SEALANE_E_WRITE_FAILED);
        /* A write that takes nothing and names no error would make this loop endless. */
        if (n == 0)
            return SEALANE_E_WRITE_FAILED;
        at += n;
        len -= (size_t)n;
    }
    return SEALANE_OK;
}

enum sealane_error sl_read_full(int fd, void *data, size_t len, size_t *got)
{
    uint8_t *at = data;
    *got = 0;
    while (*got < len) {
        ssize_t n = read(fd, at + *got, at_most(len - *got));
        if (n < 0 && again(fd, POLLIN))
            continue;
        if (n < 0)
            return in_direction(sealane_error_from_errno(errno), SEALANE_E_READ_FAILED);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return SEALANE_OK;
}

enum sealane_error sl_pread_full(int fd, void *data, size_t len, size_t *got, int64_t offset)
{
    uint8_t *at = data;
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(fd, at + *got, at_most(len - *got), (off_t)(offset + (int64_t)*got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return in_direction(sealane_error_from_errno(errno), SEALANE_E_READ_FAILED);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return SEALANE_OK;
}

enum sealane_error sl_pwrite_all(int fd, const void *data, size_t len, int64_t offset)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, at_most(len), (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return in_direction(sealane_error_from_errno(errno), SEALANE_E_WRITE_FAILED);
        if (n == 0)
            return SEALANE_E_WRITE_FAILED;
        at += n;
        len -= (size_t)n;
        offset += n;
    }
    return SEALANE_OK;
}

/* Not even EINTR is tried again: Linux marks a write-back error as reported when an fsync looks at it, also where that
 * fsync then returns the EINTR of its own writing (network and FUSE file systems) in its place. */
enum sealane_error sl_sync(int fd)
{
    return fsync(fd) == 0 ? SEALANE_OK : sealane_error_from_errno(errno);
}

enum sealane_error sl_sync_if_possible(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL ? SEALANE_OK : sealane_error_from_errno(errno);
}

enum sealane_error sl_check_empty(int directory_fd)
{
    /* A description of its own: the position of a shared one would move. */
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return sealane_error_from_errno(errno);
    DIR *listing = fdopendir(fd);
    if (!listing) {
        int number = errno;
        close(fd);
        return sealane_error_from_errno(number);
    }
    enum sealane_error error = SEALANE_OK;
    const struct dirent *entry;
    errno = 0;
    while (!error && (entry = readdir(listing))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            error = SEALANE_E_EXISTS;
    }
    if (!error && errno != 0)
        error = sealane_error_from_errno(errno);
    closedir(listing);
    return error;
}
