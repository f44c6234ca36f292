#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "base/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/errno.h"
#include "base/io.h"
#include "base/random.h"

enum {
    STEM_MAX = 96, /* bytes of the final name that are kept: fits the shortest limit in use (eCryptfs: 143) */
    SUFFIX_LEN = 8,
    PATH_BYTES = 160,
    ATTEMPTS = 16,
    WAIT_MS_MAX = 200, /* for an open(2) that another thread is in the middle of */
};

enum state { FREE, CLAIMED, CREATING, ARMED };

/* Slots are reused and never freed, so that a handler may walk the list at any instant. */
struct sl_temporary {
    struct sl_temporary *next;
    _Atomic int state;
    pid_t pid;
    pid_t thread;
    int directory_fd;
    bool is_directory;
    char path[PATH_BYTES]; /* below directory_fd: so that neither chdir nor a renamed parent matters */
};

static struct sl_temporary *_Atomic slots;
static _Atomic int abandoned;

static pid_t this_thread(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static struct sl_temporary *claim(void)
{
    for (struct sl_temporary *t = atomic_load(&slots); t; t = t->next) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&t->state, &expected, CLAIMED))
            return t;
    }
    struct sl_temporary *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    atomic_init(&t->state, CLAIMED);
    t->next = atomic_load(&slots);
    while (!atomic_compare_exchange_weak(&slots, &t->next, t))
        continue;
    return t;
}

/* After this the caller creates the file, and then arms the slot.  The order of the two steps against abandon_all's
 * (raise the flag, then walk) makes one of the two sides see the other. */
static enum sealane_error announce(struct sl_temporary *t, int directory_fd, bool is_directory)
{
    t->pid = getpid();
    t->thread = this_thread();
    t->directory_fd = directory_fd;
    t->is_directory = is_directory;
    atomic_store(&t->state, CREATING);
    if (atomic_load(&abandoned)) {
        atomic_store(&t->state, FREE);
        return SEALANE_E_IO;
    }
    return SEALANE_OK;
}

static enum sealane_error choose_path(char path[PATH_BYTES], const char *name)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz012345";
    size_t stem = strnlen(name, STEM_MAX + 1);
    if (stem > STEM_MAX) {
        stem = STEM_MAX;
        /* Not in the middle of a UTF-8 sequence: some file systems refuse such names. */
        while (stem > 0 && ((unsigned char)name[stem] & 0xc0) == 0x80)
            stem--;
    }
    uint8_t random[SUFFIX_LEN];
    enum sealane_error error = sl_random(random, sizeof random);
    if (error)
        return error;
    char suffix[SUFFIX_LEN + 1] = {0};
    for (size_t i = 0; i < SUFFIX_LEN; i++)
        suffix[i] = alphabet[random[i] % 32];
    int len = snprintf(path, PATH_BYTES, ".%.*s.sealane-%s", (int)stem, name, suffix);
    return len > 0 && len < PATH_BYTES ? SEALANE_OK : SEALANE_E_ARGUMENT;
}

static enum sealane_error create(struct sl_temporary **temporary, int *fd, int directory_fd, const char *name)
{
    *temporary = NULL;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct sl_temporary *t = claim();
        if (!t)
            return SEALANE_E_NO_MEMORY;
        enum sealane_error error = choose_path(t->path, name);
        if (error) {
            atomic_store(&t->state, FREE);
            return error;
        }
        error = announce(t, directory_fd, fd == NULL);
        if (error)
            return error;
        int result;
        do {
            if (fd) {
                const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
                result = *fd = openat(directory_fd, t->path, flags, 0600);
            } else {
                result = mkdirat(directory_fd, t->path, 0700);
            }
        } while (result < 0 && errno == EINTR);
        if (result >= 0) {
            atomic_store(&t->state, ARMED);
            *temporary = t;
            return SEALANE_OK;
        }
        int number = errno;
        atomic_store(&t->state, FREE);
        if (number != EEXIST)
            return sl_errno_error(number);
    }
    return SEALANE_E_EXISTS;
}

enum sealane_error sl_temporary_file(struct sl_temporary **temporary, int *fd, int directory_fd, const char *name)
{
    return create(temporary, fd, directory_fd, name);
}

enum sealane_error sl_temporary_directory(struct sl_temporary **temporary, int directory_fd, const char *name)
{
    return create(temporary, NULL, directory_fd, name);
}

enum sealane_error sl_temporary_inside(struct sl_temporary **temporary, const struct sl_temporary *directory,
                                       const char *name)
{
    *temporary = NULL;
    struct sl_temporary *t = claim();
    if (!t)
        return SEALANE_E_NO_MEMORY;
    int len = snprintf(t->path, sizeof t->path, "%s/%s", directory->path, name);
    if (len < 0 || (size_t)len >= sizeof t->path) {
        atomic_store(&t->state, FREE);
        return SEALANE_E_ARGUMENT;
    }
    enum sealane_error error = announce(t, directory->directory_fd, false);
    if (error)
        return error;
    atomic_store(&t->state, ARMED);
    *temporary = t;
    return SEALANE_OK;
}

const char *sl_temporary_name(const struct sl_temporary *temporary)
{
    return temporary->path;
}

/* Network and FUSE file systems lack the flag; there a hard link refuses an existing name just as atomically. */
static enum sealane_error rename_to_new(int directory_fd, const char *from, const char *to)
{
    if (syscall(SYS_renameat2, directory_fd, from, directory_fd, to, RENAME_NOREPLACE) == 0)
        return SEALANE_OK;
    if (errno != EINVAL && errno != ENOSYS)
        return sl_errno_error(errno);
    if (linkat(directory_fd, from, directory_fd, to, 0) != 0)
        return sl_errno_error(errno);
    if (unlinkat(directory_fd, from, 0) != 0) {
        int number = errno;
        unlinkat(directory_fd, to, 0);
        return sl_errno_error(number);
    }
    return SEALANE_OK;
}

enum sealane_error sl_temporary_publish(struct sl_temporary **temporary, int fd, const char *name, bool replace)
{
    struct sl_temporary *t = *temporary;
    int directory_fd = t->directory_fd;
    enum sealane_error error = sl_sync(fd);
    if (error)
        return error;
    if (replace && renameat(directory_fd, t->path, directory_fd, name) != 0)
        return sl_errno_error(errno);
    if (!replace)
        error = rename_to_new(directory_fd, t->path, name);
    if (error)
        return error;
    error = sl_sync_if_possible(directory_fd);
    if (error) {
        if (!replace)
            unlinkat(directory_fd, name, 0);
        return error;
    }
    sl_temporary_forget(t);
    *temporary = NULL;
    return SEALANE_OK;
}

enum sealane_error sl_temporary_publish_directory(struct sl_temporary **temporary, const char *name)
{
    struct sl_temporary *t = *temporary;
    if (renameat(t->directory_fd, t->path, t->directory_fd, name) != 0) {
        /* A file, or a mount point, of that name. */
        if (errno == ENOTDIR || errno == EBUSY)
            return SEALANE_E_EXISTS;
        return sl_errno_error(errno);
    }
    enum sealane_error error = sl_sync_if_possible(t->directory_fd);
    if (error) {
        /* Back to where the caller's clean-up finds it; if even that fails, a whole directory stays under the name. */
        (void)!renameat(t->directory_fd, name, t->directory_fd, t->path);
        return error;
    }
    sl_temporary_forget(t);
    *temporary = NULL;
    return SEALANE_OK;
}

void sl_temporary_remove(struct sl_temporary *temporary)
{
    if (!temporary)
        return;
    if (temporary->pid == getpid())
        unlinkat(temporary->directory_fd, temporary->path, temporary->is_directory ? AT_REMOVEDIR : 0);
    sl_temporary_forget(temporary);
}

void sl_temporary_forget(struct sl_temporary *temporary)
{
    if (temporary)
        atomic_store(&temporary->state, FREE);
}

/* Another thread may be between announcing a name and creating the file: it is given the time to finish. */
static void wait_until_created(struct sl_temporary *t)
{
    const struct timespec pause = {0, 1000000};
    for (int ms = 0; ms < WAIT_MS_MAX && atomic_load(&t->state) == CREATING && t->thread != this_thread(); ms++)
        nanosleep(&pause, NULL);
}

void sl_temporary_abandon_all(void)
{
    int saved_errno = errno;
    atomic_store(&abandoned, 1);
    pid_t self = getpid();
    for (int directories = 0; directories <= 1; directories++) {
        for (struct sl_temporary *t = atomic_load(&slots); t; t = t->next) {
            int state = atomic_load(&t->state);
            if ((state != CREATING && state != ARMED) || t->pid != self || t->is_directory != directories)
                continue;
            wait_until_created(t);
            unlinkat(t->directory_fd, t->path, directories ? AT_REMOVEDIR : 0);
        }
    }
    errno = saved_errno;
}
