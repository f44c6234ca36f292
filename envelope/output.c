#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sealane/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/temporary.h"

struct sealane_output {
    int fd;
    int directory_fd;               /* -1 if the file is written directly */
    struct sl_temporary *temporary; /* NULL if it is written directly, and once it is published */
    bool replace;
    bool committed;
    char *name; /* within the directory */
};

/* Devices, FIFOs and the like.  EINTR: a signal that came while we waited for a FIFO's reader. */
static enum sealane_error open_directly(sealane_output *output, const char *path)
{
    do {
        output->fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    } while (output->fd < 0 && errno == EINTR);
    if (output->fd < 0)
        return sealane_error_from_errno(errno);
    struct stat st;
    if (fstat(output->fd, &st) != 0)
        return sealane_error_from_errno(errno);
    /* Replaced by a file since we looked: never write into that. */
    return S_ISREG(st.st_mode) ? SEALANE_E_EXISTS : SEALANE_OK;
}

/* Splits `path`, opens its directory and makes the temporary there. */
static enum sealane_error open_beside(sealane_output *output, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return SEALANE_E_NOT_REGULAR;
    output->name = strdup(name);
    char *directory = slash ? strndup(path, (size_t)(name - path)) : strdup(".");
    if (!output->name || !directory) {
        free(directory);
        return SEALANE_E_NO_MEMORY;
    }
    output->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum sealane_error error = output->directory_fd >= 0 ? SEALANE_OK : sealane_error_from_errno(errno);
    free(directory);
    if (!error)
        error = sl_temporary_file(&output->temporary, &output->fd, output->directory_fd, output->name);
    return error;
}

/* Replaces what a link leads to: the file that `held` has open.  Where it lies is for the kernel to say, which has
 * followed the link and may have refused to (fs.protected_symlinks); the link itself may lead elsewhere by now. Without
 * /proc nobody says it, and links are refused. */
static enum sealane_error open_beside_target(sealane_output *output, int held, const struct stat *st)
{
    char path[32];
    char target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    ssize_t len = readlink(path, target, sizeof target);
    if (len < 0)
        return errno == ENOENT ? SEALANE_E_NOT_REGULAR : sealane_error_from_errno(errno);
    if ((size_t)len == sizeof target)
        return SEALANE_E_ARGUMENT;
    target[len] = '\0';
    enum sealane_error error = open_beside(output, target);
    if (error)
        return error;
    /* A file that was removed or moved meanwhile has a name that is another's, or nobody's. */
    struct stat there;
    if (fstatat(output->directory_fd, output->name, &there, AT_SYMLINK_NOFOLLOW) != 0)
        return sealane_error_from_errno(errno);
    return there.st_dev == st->st_dev && there.st_ino == st->st_ino ? SEALANE_OK : SEALANE_E_NOT_FOUND;
}

static enum sealane_error choose_existing(sealane_output *output, const char *path, int held)
{
    struct stat st;
    struct stat name;
    if (fstat(held, &st) != 0)
        return sealane_error_from_errno(errno);
    if (S_ISDIR(st.st_mode))
        return SEALANE_E_NOT_REGULAR;
    if (!S_ISREG(st.st_mode))
        return open_directly(output, path);
    if (!output->replace)
        return SEALANE_E_EXISTS;
    if (lstat(path, &name) != 0)
        return sealane_error_from_errno(errno);
    /* If it is a link only from now on, it is the link that is replaced: a rename follows none. */
    return S_ISLNK(name.st_mode) ? open_beside_target(output, held, &st) : open_beside(output, path);
}

static enum sealane_error choose(sealane_output *output, const char *path)
{
    int held = open(path, O_PATH | O_CLOEXEC);
    if (held >= 0) {
        enum sealane_error error = choose_existing(output, path, held);
        close(held);
        return error;
    }
    struct stat st;
    if (errno != ENOENT)
        return sealane_error_from_errno(errno);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
        return output->replace ? SEALANE_E_NOT_FOUND : SEALANE_E_EXISTS;
    return open_beside(output, path);
}

enum sealane_error sealane_output_create(sealane_output **output, const char *path, int flags)
{
    *output = NULL;
    if (!path || *path == '\0' || (flags & ~SEALANE_OUTPUT_REPLACE) != 0)
        return SEALANE_E_ARGUMENT;
    sealane_output *o = calloc(1, sizeof *o);
    if (!o)
        return SEALANE_E_NO_MEMORY;
    o->fd = -1;
    o->directory_fd = -1;
    o->replace = (flags & SEALANE_OUTPUT_REPLACE) != 0;
    enum sealane_error error = choose(o, path);
    if (error) {
        sealane_output_free(o);
        return error;
    }
    *output = o;
    return SEALANE_OK;
}

int sealane_output_fd(const sealane_output *output)
{
    return output->fd;
}

enum sealane_error sealane_output_commit(sealane_output *output)
{
    if (output->committed)
        return SEALANE_E_ARGUMENT;
    enum sealane_error error = output->temporary
                                   ? sl_temporary_publish(&output->temporary, output->fd, output->name, output->replace)
                                   : sl_sync_if_possible(output->fd);
    output->committed = !error;
    return error;
}

void sealane_output_free(sealane_output *output)
{
    if (!output)
        return;
    sl_temporary_remove(output->temporary);
    if (output->fd >= 0)
        close(output->fd);
    if (output->directory_fd >= 0)
        close(output->directory_fd);
    free(output->name);
    free(output);
}

void sealane_output_abandon_all(void)
{
    sl_temporary_abandon_all();
}
