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

#include "base/io.h"
#include "base/random.h"

enum {
    STEM_MAX = 96, /* bytes of the final name that are kept: fits the shortest limit in use (eCryptfs: 143) */
    SUFFIX_LEN = 8,
    PATH_BYTES = 160,
    ATTEMPTS = 16,
    WAIT_MS_MAX = 500, /* for an open(2) or rename(2) that another thread is in the middle of */
};

/* CLAIMED: somebody's slot, and nothing to remove: not made yet, or renamed already.  BUSY: its thread is about to
 * create or rename it, and it may or may not be there.  TAKEN: abandon_all has it, and the slot is never used again. */
enum state { FREE, CLAIMED, BUSY, ARMED, TAKEN };

/* Slots are reused and never freed, so that a handler may walk the list at any instant. */
struct sl_temporary {
    struct sl_temporary *next;
    _Atomic int state;
    _Atomic pid_t pid;
    _Atomic pid_t thread; /* that made it busy */
    int directory_fd;
    bool is_directory;
    /* What may be in a directory, NULL until it is known which directory that is: device and inode are set by then. */
    const char *const *_Atomic contents;
    dev_t device;
    ino_t inode;
    char path[PATH_BYTES]; /* in directory_fd: so that neither chdir nor a renamed parent matters */
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

/* What is created or renamed between this and the state that follows is not torn by another thread's abandon_all: that
 * raises the flag, waits until nobody is busy, and only then removes.  Here the order is busy, then a look at the flag:
 * one of the two sees the other. */
static bool enter(struct sl_temporary *t)
{
    int state = atomic_load(&t->state);
    atomic_store(&t->thread, this_thread());
    if (state == TAKEN || !atomic_compare_exchange_strong(&t->state, &state, BUSY))
        return false;
    return !atomic_load(&abandoned);
}

static void leave(struct sl_temporary *t, enum state next)
{
    int expected = BUSY;
    atomic_compare_exchange_strong(&t->state, &expected, (int)next);
}

static void set_place(struct sl_temporary *t, int directory_fd, bool is_directory)
{
    t->pid = getpid();
    t->directory_fd = directory_fd;
    t->is_directory = is_directory;
    atomic_store(&t->contents, NULL);
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

/* One try, in a slot whose path is chosen: opens a file, or makes a directory if fd is NULL.  On failure the slot is
 * free. */
static enum sealane_error make(struct sl_temporary *t, int *fd, bool *taken)
{
    *taken = false;
    if (!enter(t)) {
        leave(t, FREE);
        return SEALANE_E_IO;
    }
    int result;
    do {
        if (fd) {
            const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
            result = *fd = openat(t->directory_fd, t->path, flags, 0600);
        } else {
            result = mkdirat(t->directory_fd, t->path, 0700);
        }
    } while (result < 0 && errno == EINTR);
    int number = errno;
    leave(t, result < 0 ? FREE : ARMED);
    *taken = result < 0 && number == EEXIST;
    return result < 0 ? sealane_error_from_errno(number) : SEALANE_OK;
}

static enum sealane_error create(struct sl_temporary **temporary, int *fd, int directory_fd, const char *name)
{
    *temporary = NULL;
    bool taken = true;
    enum sealane_error error = SEALANE_OK;
    for (int attempt = 0; attempt < ATTEMPTS && taken; attempt++) {
        struct sl_temporary *t = claim();
        if (!t)
            return SEALANE_E_NO_MEMORY;
        error = choose_path(t->path, name);
        if (error) {
            atomic_store(&t->state, FREE);
            return error;
        }
        set_place(t, directory_fd, fd == NULL);
        error = make(t, fd, &taken);
        if (!error)
            *temporary = t;
    }
    return error;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A umask can only take rights away, and only the owner's are missed.  Nothing is changed where they are there: some
 * file systems have modes of their own and refuse. */
static enum sealane_error restore_file_mode(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || ((st.st_mode & 0600) != 0600 && fchmod(fd, 0600) != 0))
        return sealane_error_from_errno(errno);
    return SEALANE_OK;
}

enum sealane_error sl_temporary_file(struct sl_temporary **temporary, int *fd, int directory_fd, const char *name)
{
    *fd = -1;
    enum sealane_error error = create(temporary, fd, directory_fd, name);
    if (error)
        return error;
    error = restore_file_mode(*fd);
    if (error) {
        close(*fd);
        *fd = -1;
        sl_temporary_remove(*temporary);
        *temporary = NULL;
    }
    return error;
}

/* fchmod refuses descriptors of O_PATH, and no others can be had of a directory without rights. */
static enum sealane_error restore_directory_mode(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return chmod(path, 0700) == 0 ? SEALANE_OK : SEALANE_E_PERMISSION;
}

/* That it is ours and empty says that nothing is lost if it is not the one that was made: who may write in the parent
 * can have exchanged it, for one that is full of our keys, say. */
static enum sealane_error examine_made(const struct stat *st, int fd)
{
    if (st->st_uid != geteuid())
        return SEALANE_E_LAX_PERMISSIONS;
    enum sealane_error error = SEALANE_OK;
    if ((st->st_mode & 0700) != 0700)
        error = restore_directory_mode(fd);
    if (!error)
        error = sl_check_empty(fd);
    return error == SEALANE_E_EXISTS ? SEALANE_E_NOT_FOUND : error;
}

/* Opens the directory that was just made, and notes which one it is. */
static enum sealane_error open_made(struct sl_temporary *t, int *fd, const char *const *contents)
{
    struct stat st;
    int held = openat(t->directory_fd, t->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (held < 0)
        return errno == ENOTDIR || errno == ELOOP ? SEALANE_E_NOT_FOUND : sealane_error_from_errno(errno);
    enum sealane_error error = fstat(held, &st) == 0 ? examine_made(&st, held) : sealane_error_from_errno(errno);
    if (!error) {
        *fd = openat(held, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        error = *fd >= 0 ? SEALANE_OK : sealane_error_from_errno(errno);
    }
    close(held);
    if (error)
        return error;
    t->device = st.st_dev;
    t->inode = st.st_ino;
    atomic_store(&t->contents, contents);
    return SEALANE_OK;
}

enum sealane_error sl_temporary_directory(struct sl_temporary **temporary, int *fd, int directory_fd, const char *name,
                                          const char *const *contents)
{
    *fd = -1;
    enum sealane_error error = create(temporary, NULL, directory_fd, name);
    if (error)
        return error;
    error = open_made(*temporary, fd, contents);
    if (error) {
        sl_temporary_remove(*temporary);
        *temporary = NULL;
    }
    return error;
}

/* The directory itself, if it still has its temporary name; else -1.  Who may write in the parent can have put a link
 * or another directory there, at the latest once it has its final name. */
static int open_own(const struct sl_temporary *t)
{
    struct stat st;
    int fd = openat(t->directory_fd, t->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (fstat(fd, &st) == 0 && st.st_dev == t->device && st.st_ino == t->inode))
        return fd;
    close(fd);
    return -1;
}

static bool still_there(const struct sl_temporary *t)
{
    int fd = open_own(t);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Async-signal-safe.  Contents are removed in the very directory that was made, and only while it has its temporary
 * name: under the final one they are not ours to remove. */
static void remove_from_disk(const struct sl_temporary *t)
{
    const char *const *names = atomic_load(&t->contents);
    int fd = names ? open_own(t) : -1;
    if (fd >= 0) {
        for (; *names; names++)
            unlinkat(fd, *names, 0);
        close(fd);
    }
    unlinkat(t->directory_fd, t->path, t->is_directory ? AT_REMOVEDIR : 0);
}

const char *sl_temporary_name(const struct sl_temporary *temporary)
{
    return temporary->path;
}

/* Takes the name from our file, but not from one that somebody else has put there meanwhile.  There is no call that
 * compares and removes in one step: a file that comes between the two is lost. */
static void unlink_own(int directory_fd, const char *name, int fd)
{
    struct stat ours;
    struct stat there;
    if (fstat(fd, &ours) == 0 && fstatat(directory_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        same_file(&ours, &there))
        unlinkat(directory_fd, name, 0);
}

/* Network and FUSE file systems lack the flag; there a hard link refuses an existing name just as atomically. */
static enum sealane_error rename_to_new(int directory_fd, const char *from, const char *to, int fd)
{
    if (syscall(SYS_renameat2, directory_fd, from, directory_fd, to, RENAME_NOREPLACE) == 0)
        return SEALANE_OK;
    if (errno != EINVAL && errno != ENOSYS)
        return sealane_error_from_errno(errno);
    if (linkat(directory_fd, from, directory_fd, to, 0) != 0)
        return sealane_error_from_errno(errno);
    if (unlinkat(directory_fd, from, 0) != 0) {
        int number = errno;
        unlink_own(directory_fd, to, fd);
        return sealane_error_from_errno(number);
    }
    return SEALANE_OK;
}

enum sealane_error sl_temporary_publish(struct sl_temporary **temporary, int fd, const char *name, bool replace)
{
    struct sl_temporary *t = *temporary;
    int directory_fd = t->directory_fd;
    if (t->pid != getpid())
        return SEALANE_E_ARGUMENT;
    enum sealane_error error = sl_sync(fd);
    if (error)
        return error;
    if (!enter(t))
        error = SEALANE_E_IO;
    else if (!replace)
        error = rename_to_new(directory_fd, t->path, name, fd);
    else if (renameat(directory_fd, t->path, directory_fd, name) != 0)
        error = sealane_error_from_errno(errno);
    leave(t, error ? ARMED : CLAIMED);
    if (error)
        return error;
    error = sl_sync_if_possible(directory_fd);
    if (error) {
        if (!replace)
            unlink_own(directory_fd, name, fd);
        return error;
    }
    sl_temporary_forget(t);
    *temporary = NULL;
    return SEALANE_OK;
}

/* Back to where the caller's clean-up finds it; if even that fails, a whole directory stays under the name. */
static void take_back(struct sl_temporary *t, const char *name)
{
    bool back = enter(t) && renameat(t->directory_fd, name, t->directory_fd, t->path) == 0;
    leave(t, back ? ARMED : CLAIMED);
}

enum sealane_error sl_temporary_publish_directory(struct sl_temporary **temporary, const char *name)
{
    struct sl_temporary *t = *temporary;
    enum sealane_error error = SEALANE_OK;
    if (t->pid != getpid())
        return SEALANE_E_ARGUMENT;
    if (!enter(t))
        error = SEALANE_E_IO;
    else if (!still_there(t))
        error = SEALANE_E_NOT_FOUND;
    else if (renameat(t->directory_fd, t->path, t->directory_fd, name) != 0)
        /* A file, or a mount point, of that name. */
        error = errno == ENOTDIR || errno == EBUSY ? SEALANE_E_EXISTS : sealane_error_from_errno(errno);
    leave(t, error ? ARMED : CLAIMED);
    if (error)
        return error;
    error = sl_sync_if_possible(t->directory_fd);
    if (error) {
        take_back(t, name);
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
    if (temporary->pid == getpid() && atomic_load(&temporary->state) != CLAIMED)
        remove_from_disk(temporary);
    sl_temporary_forget(temporary);
}

void sl_temporary_forget(struct sl_temporary *temporary)
{
    if (!temporary)
        return;
    int state = atomic_load(&temporary->state);
    while ((state == ARMED || state == CLAIMED) && !atomic_compare_exchange_weak(&temporary->state, &state, FREE))
        continue;
}

/* Until no other thread is in the middle of creating or renaming.  This thread may be: the handler interrupted it, and
 * it will not go on. */
static void wait_for_others(struct sl_temporary *t)
{
    const struct timespec pause = {0, 1000000};
    pid_t self = this_thread();
    for (int ms = 0; ms < WAIT_MS_MAX && atomic_load(&t->state) == BUSY && atomic_load(&t->thread) != self; ms++)
        nanosleep(&pause, NULL);
}

/* From here on nobody else writes to the slot. */
static bool take(struct sl_temporary *t)
{
    int state = atomic_load(&t->state);
    while (state == BUSY || state == ARMED) {
        if (atomic_compare_exchange_weak(&t->state, &state, TAKEN))
            return true;
    }
    return state == TAKEN;
}

/* Three walks: a directory goes after the temporaries in it, and nothing while a rename of it is under way. */
void sl_temporary_abandon_all(void)
{
    int saved_errno = errno;
    atomic_store(&abandoned, 1);
    pid_t self = getpid();
    for (struct sl_temporary *t = atomic_load(&slots); t; t = t->next) {
        if (t->pid == self)
            wait_for_others(t);
    }
    for (int directories = 0; directories <= 1; directories++) {
        for (struct sl_temporary *t = atomic_load(&slots); t; t = t->next) {
            if (take(t) && t->pid == self && t->is_directory == (bool)directories)
                remove_from_disk(t);
        }
    }
    errno = saved_errno;
}
