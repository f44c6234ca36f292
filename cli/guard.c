#define _GNU_SOURCE
#include "cli/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"
#include "sealane/keystore.h"

static const char file_scheme[] = "file:";

/* What a key-encryption key's file begins with (docs/FORMAT.md), the terminating zero included. */
static const char kek_magic[12] = "sealane-kek";

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The directory that OUT lies in, all links followed, with a slash at its end; to free(), NULL if out of memory. */
static char *parent_of(const char *out_path)
{
    char *path = realpath(out_path, NULL);
    if (!path)
        path = strdup(out_path);
    char *slash = path ? strrchr(path, '/') : NULL;
    if (slash) {
        slash[1] = '\0';
        return path;
    }
    free(path);
    return strdup("./");
}

static enum sealane_error check_contents(bool *is_kek, const char *out_path)
{
    char head[sizeof kek_magic];
    ssize_t got;
    *is_kek = false;
    int fd = open(out_path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return sealane_error_from_errno(errno);
    do
        got = read(fd, head, sizeof head);
    while (got < 0 && errno == EINTR);
    enum sealane_error error = got < 0 ? sealane_error_from_errno(errno) : SEALANE_OK;
    (void)close(fd); /* only read from */
    *is_kek = got == sizeof head && memcmp(head, kek_magic, sizeof head) == 0;
    return error;
}

/* Whether one of the keystore's wraps was made by the key in this very file. */
static bool is_kek_of(const struct stat *out, const char *directory)
{
    struct sealane_keystore_info info;
    struct sealane_key_record_info record;
    sealane_keystore *keystore;
    if (sealane_keystore_read(&keystore, directory))
        return false;
    sealane_keystore_info(keystore, &info);
    struct sealane_kms_options options = SEALANE_KMS_OPTIONS_INIT;
    options.base_directory = directory;
    bool found = false;
    for (size_t i = 0; i < info.record_count && !found; i++) {
        char uri[SEALANE_KMS_URI_MAX];
        struct stat kek;
        found = !sealane_keystore_record(keystore, i, &record) && !sealane_kms_resolve(uri, record.kms_uri, &options) &&
                strncmp(uri, file_scheme, strlen(file_scheme)) == 0 && stat(uri + strlen(file_scheme), &kek) == 0 &&
                is_same(&kek, out);
    }
    sealane_keystore_free(keystore);
    return found;
}

static bool is_keystore(const char *directory)
{
    sealane_keystore *keystore;
    if (sealane_keystore_read(&keystore, directory))
        return false;
    sealane_keystore_free(keystore);
    return true;
}

int sl_cli_guard_output(const struct sl_cli_arguments *a, const char *out_path)
{
    const char *directory = a->value[SL_CLI_KEYSTORE];
    char *parent_path = parent_of(out_path);
    if (!parent_path)
        return sl_cli_fail(SEALANE_E_NO_MEMORY, NULL);
    struct stat parent, store, out;
    bool in_keystore = stat(parent_path, &parent) == 0 && stat(directory, &store) == 0 && is_same(&parent, &store);
    bool exists = !in_keystore && stat(out_path, &out) == 0 && S_ISREG(out.st_mode);
    in_keystore = in_keystore || (exists && is_keystore(parent_path));
    free(parent_path);
    if (in_keystore)
        return sl_cli_usage_error(a->command, "OUT must not lie in a keystore: %s", out_path);
    /* Without --force it will be refused for being there. */
    if (!exists || !sl_cli_given(a, SL_CLI_FORCE))
        return 0;
    bool is_kek;
    enum sealane_error error = check_contents(&is_kek, out_path);
    if (error)
        return sl_cli_fail(error, out_path);
    if (is_kek || is_kek_of(&out, directory))
        return sl_cli_usage_error(a->command, "OUT must not be a key-encryption key: %s", out_path);
    return 0;
}
