#define _GNU_SOURCE
#include "cli/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/guard.h"
#include "cli/report.h"

static bool is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

static enum sealane_error open_input(struct sl_cli_transfer *t)
{
    t->in_fd = is_standard(t->in_path) ? STDIN_FILENO : open(t->in_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (t->in_fd < 0 || fstat(t->in_fd, &t->in_stat) != 0)
        return sealane_error_from_errno(errno);
    return S_ISDIR(t->in_stat.st_mode) ? SEALANE_E_NOT_REGULAR : SEALANE_OK;
}

/* A socket or terminal may well be standard input and output at once; a file by its name may not, nor may a file's
 * data. */
static bool is_same_file(const struct sl_cli_transfer *t, const struct stat *out)
{
    if (S_ISBLK(out->st_mode) && S_ISBLK(t->in_stat.st_mode))
        return out->st_rdev == t->in_stat.st_rdev; /* a device may have several nodes */
    if (out->st_dev != t->in_stat.st_dev || out->st_ino != t->in_stat.st_ino)
        return false;
    return !is_standard(t->in_path) || !is_standard(t->out_path) || S_ISREG(out->st_mode);
}

static enum sealane_error check_output(const struct sl_cli_transfer *t)
{
    struct stat out;
    if (is_standard(t->out_path)) {
        if (t->ciphertext && isatty(STDOUT_FILENO))
            return SEALANE_E_TERMINAL;
        if (fstat(STDOUT_FILENO, &out) != 0)
            return sealane_error_from_errno(errno);
        return is_same_file(t, &out) ? SEALANE_E_SAME_FILE : SEALANE_OK;
    }
    if (stat(t->out_path, &out) != 0) {
        /* A link that leads nowhere occupies the name as well. */
        if (errno != ENOENT || lstat(t->out_path, &out) != 0)
            return errno == ENOENT ? SEALANE_OK : sealane_error_from_errno(errno);
        return t->force ? SEALANE_OK : SEALANE_E_EXISTS;
    }
    if (is_same_file(t, &out))
        return SEALANE_E_SAME_FILE;
    if (S_ISDIR(out.st_mode))
        return SEALANE_E_NOT_REGULAR;
    return S_ISREG(out.st_mode) && !t->force ? SEALANE_E_EXISTS : SEALANE_OK;
}

int sl_cli_transfer_begin(struct sl_cli_transfer *t, const struct sl_cli_arguments *a, bool ciphertext)
{
    const char *in_path = a->word[0];
    const char *out_path = a->word[1];
    int guarded = is_standard(out_path) ? 0 : sl_cli_guard_output(a, out_path);
    if (guarded != 0)
        return guarded;
    *t = (struct sl_cli_transfer){
        .in_path = in_path,
        .out_path = out_path,
        .in_name = is_standard(in_path) ? "standard input" : in_path,
        .out_name = is_standard(out_path) ? "standard output" : out_path,
        .ciphertext = ciphertext,
        .force = sl_cli_given(a, SL_CLI_FORCE),
        .in_fd = -1,
    };
    enum sealane_error error = open_input(t);
    const char *name = t->in_name;
    if (!error) {
        error = check_output(t);
        name = t->out_name;
    }
    if (!error)
        return 0;
    int exit_code = sl_cli_fail(error, name);
    sl_cli_transfer_close(t);
    return exit_code;
}

int sl_cli_transfer_open_output(struct sl_cli_transfer *t)
{
    if (is_standard(t->out_path))
        return 0;
    enum sealane_error error = sealane_output_create(&t->output, t->out_path, t->force ? SEALANE_OUTPUT_REPLACE : 0);
    if (!error && t->ciphertext && isatty(sealane_output_fd(t->output)))
        error = SEALANE_E_TERMINAL;
    return error ? sl_cli_fail(error, t->out_name) : 0;
}

int sl_cli_transfer_out_fd(const struct sl_cli_transfer *t)
{
    return t->output ? sealane_output_fd(t->output) : STDOUT_FILENO;
}

int sl_cli_transfer_fail(const struct sl_cli_transfer *t, enum sealane_error error)
{
    switch (error) {
    case SEALANE_E_NO_SPACE:
    case SEALANE_E_FILE_SIZE_LIMIT:
    case SEALANE_E_WRITE_FAILED:
    case SEALANE_E_BROKEN_PIPE:
        return sl_cli_fail(error, t->out_name);
    case SEALANE_E_IO: /* neither reading nor writing: the clock, say */
        return sl_cli_fail(error, NULL);
    default:
        return sl_cli_fail(error, t->in_name);
    }
}

/* There is no way to read it but to set it; no other thread of this program creates files. */
static mode_t current_umask(void)
{
    mode_t mask = umask(077);
    (void)umask(mask);
    return mask;
}

int sl_cli_transfer_commit(struct sl_cli_transfer *t)
{
    if (!t->output)
        return 0;
    int fd = sealane_output_fd(t->output);
    struct stat out;
    if (fstat(fd, &out) != 0)
        return sl_cli_fail(sealane_error_from_errno(errno), t->out_name);
    if (S_ISREG(t->in_stat.st_mode) && S_ISREG(out.st_mode)) {
        /* Set-id bits stay behind: the new file belongs to whoever runs this. */
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, t->in_stat.st_mtim};
        mode_t mode = t->in_stat.st_mode & 0777;
        /* Ciphertext is no more private than what it came from; plaintext is for those whom its maker would let read.
         */
        if (!t->ciphertext)
            mode &= ~current_umask();
        if (fchmod(fd, mode) != 0 || futimens(fd, times) != 0)
            sl_cli_warn("%s: this file system does not keep the mode or the modification time", t->out_name);
    }
    enum sealane_error error = sealane_output_commit(t->output);
    return error ? sl_cli_fail(error, t->out_name) : 0;
}

void sl_cli_transfer_close(struct sl_cli_transfer *t)
{
    sealane_output_free(t->output);
    t->output = NULL;
    if (t->in_fd > STDERR_FILENO)
        (void)close(t->in_fd); /* only read from */
    t->in_fd = -1;
}
