#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/temporary.h"
#include "base/wipe.h"
#include "envelope/keystore_file.h"

/* The directory in the making. */
struct site {
    char *parent_path; /* with a slash at its end */
    char *name;
    int parent_fd;
    int fd;
    struct sl_temporary *directory;
};

/* The texts that the one record's pairs point to. */
struct texts {
    char store[SL_ID_TEXT];
    char id[SL_ID_TEXT];
    char kms_uri[SEALANE_KMS_URI_MAX];
};

static enum sealane_error split_path(struct site *site, const char *directory)
{
    size_t len = strlen(directory);
    while (len > 1 && directory[len - 1] == '/')
        len--;
    char *path = strndup(directory, len);
    if (!path)
        return SEALANE_E_NO_MEMORY;
    char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    enum sealane_error error = SEALANE_OK;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        error = SEALANE_E_ARGUMENT;
    site->name = strdup(name);
    site->parent_path = slash ? strndup(path, (size_t)(name - path)) : strdup("./");
    if (!error && (!site->name || !site->parent_path))
        error = SEALANE_E_NO_MEMORY;
    free(path);
    return error;
}

/* Says early what the rename would say in the end. */
static enum sealane_error check_free(const struct site *site)
{
    int fd = openat(site->parent_fd, site->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT                      ? SEALANE_OK
               : errno == ENOTDIR || errno == ELOOP ? SEALANE_E_EXISTS
                                                    : sealane_error_from_errno(errno);
    enum sealane_error error = sl_check_empty(fd);
    close(fd);
    return error;
}

static enum sealane_error open_site(struct site *site, const char *directory)
{
    static const char *const contents[] = {SL_KEYSTORE_FILE, SL_KEYSTORE_KEK, NULL};
    enum sealane_error error = split_path(site, directory);
    if (error)
        return error;
    site->parent_fd = open(site->parent_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (site->parent_fd < 0)
        return sealane_error_from_errno(errno);
    error = check_free(site);
    if (!error) /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): close_site() frees the names */
        error = sl_temporary_directory(&site->directory, &site->fd, site->parent_fd, site->name, contents);
    return error;
}

static void close_site(struct site *site)
{
    sl_temporary_remove(site->directory);
    if (site->fd >= 0)
        close(site->fd);
    if (site->parent_fd >= 0)
        close(site->parent_fd);
    free(site->parent_path);
    free(site->name);
}

/* A path of the directory in the making, for the service, which knows paths only: through /proc the very directory that
 * we have open, whatever somebody who may write in the parent puts under its name.  Without /proc that name has to do:
 * in a parent that is ours alone, or sticky as /tmp is, nobody else can exchange it; in one without the sticky bit
 * somebody can have the key made elsewhere among our files, and the publication then fails. */
static enum sealane_error name_for_service(char **path, const struct site *site)
{
    struct stat ours;
    struct stat there;
    if (fstat(site->fd, &ours) != 0)
        return sealane_error_from_errno(errno);
    if (asprintf(path, "/proc/self/fd/%d", site->fd) < 0)
        return SEALANE_E_NO_MEMORY;
    if (stat(*path, &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
        return SEALANE_OK;
    free(*path);
    if (asprintf(path, "%s%s", site->parent_path, sl_temporary_name(site->directory)) < 0)
        return SEALANE_E_NO_MEMORY;
    return SEALANE_OK;
}

/* Opens the service, making the key for the default one.  `stored` is what the record will say. */
static enum sealane_error open_service(sealane_kms **kms, char stored[SEALANE_KMS_URI_MAX], const struct site *site,
                                       const struct sealane_keystore_options *options)
{
    *kms = NULL;
    struct sealane_kms_options kms_options = SEALANE_KMS_OPTIONS_INIT;
    kms_options.allow_unlocked_memory = options->allow_unlocked_memory;
    if (options->kms_uri) {
        enum sealane_error error = sealane_kms_resolve(stored, options->kms_uri, NULL);
        const char *named = error ? options->kms_uri : stored;
        if (!error)
            error = sealane_kms_open(kms, stored, &kms_options);
        if (error && options->failed_uri)
            sl_keystore_name_failed(options->failed_uri, named);
        return error;
    }
    snprintf(stored, SEALANE_KMS_URI_MAX, "file:%s", SL_KEYSTORE_KEK);
    char *base = NULL;
    enum sealane_error error = name_for_service(&base, site);
    if (error)
        return error;
    kms_options.base_directory = base;
    error = sealane_kms_create(stored, &kms_options);
    if (!error)
        error = sealane_kms_open(kms, stored, &kms_options);
    free(base);
    return error;
}

/* Our own pairs and the caller's.  Doubled and over-long ones are for the service's check. */
static enum sealane_error fill_context(struct sl_wrap *wrap, const struct texts *texts,
                                       const struct sealane_keystore_options *options)
{
    if (options->context_count > SEALANE_KEYSTORE_CONTEXT_MAX || (options->context_count > 0 && !options->context))
        return SEALANE_E_ARGUMENT;
    wrap->context[wrap->context_count++] = (struct sealane_kms_pair){SL_CONTEXT_RESERVED "store", texts->store};
    wrap->context[wrap->context_count++] = (struct sealane_kms_pair){SL_CONTEXT_RESERVED "key", texts->id};
    wrap->context[wrap->context_count++] =
        (struct sealane_kms_pair){SL_CONTEXT_RESERVED "purpose", sl_purpose_name(SEALANE_PURPOSE_ENVELOPE)};
    for (size_t i = 0; i < options->context_count; i++) {
        const struct sealane_kms_pair *pair = &options->context[i];
        if (!pair->key || !pair->value || strncmp(pair->key, SL_CONTEXT_RESERVED, strlen(SL_CONTEXT_RESERVED)) == 0)
            return SEALANE_E_ARGUMENT;
        wrap->context[wrap->context_count++] = *pair;
    }
    return sl_keystore_sort_context(wrap->context, wrap->context_count) ? SEALANE_OK : SEALANE_E_ARGUMENT;
}

static enum sealane_error fill_identity(sealane_keystore *keystore, struct texts *texts)
{
    struct sl_record *record = keystore->records;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < 0)
        return SEALANE_E_IO;
    keystore->generation = 1;
    keystore->created_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    keystore->accepts_ctr = true; /* the one suite that this version writes */
    record->purpose = SEALANE_PURPOSE_ENVELOPE;
    record->state = SEALANE_KEY_ACTIVE;
    record->created_ms = keystore->created_ms;
    record->key_len = SL_DATA_KEY_LEN;
    enum sealane_error error = sl_random(keystore->uuid, sizeof keystore->uuid);
    if (!error)
        error = sl_random(record->id, sizeof record->id);
    /* RFC 9562: version 4, of random bits. */
    keystore->uuid[6] = (uint8_t)((keystore->uuid[6] & 0x0f) | 0x40);
    keystore->uuid[8] = (uint8_t)((keystore->uuid[8] & 0x3f) | 0x80);
    sl_hex_encode(texts->store, keystore->uuid, sizeof keystore->uuid);
    sl_hex_encode(texts->id, record->id, sizeof record->id);
    return error;
}

/* Makes the data key, and has the service wrap it and open it again before anything depends on that.  record->key has
 * room for two keys: the second is what comes back. */
static enum sealane_error make_key(struct sl_record *record, sealane_kms *kms)
{
    struct sl_wrap *wrap = &record->wraps[0];
    uint8_t *again = record->key + SL_DATA_KEY_LEN;
    enum sealane_error error = sl_random(record->key, record->key_len);
    if (!error)
        error = sealane_kms_wrap(kms, wrap->wrapped, &wrap->wrapped_len, wrap->context, wrap->context_count,
                                 record->key, record->key_len);
    if (!error)
        error = sealane_kms_unwrap(kms, again, record->key_len, wrap->context, wrap->context_count, wrap->wrapped,
                                   wrap->wrapped_len);
    if (!error && !sl_equal(record->key, again, record->key_len))
        error = SEALANE_E_KEY_REFUSED;
    return error;
}

static enum sealane_error write_file(struct site *site, const char *text, size_t len)
{
    struct sl_temporary *temporary;
    int fd;
    enum sealane_error error = sl_temporary_file(&temporary, &fd, site->fd, SL_KEYSTORE_FILE);
    if (error)
        return error;
    error = sl_write_all(fd, text, len);
    if (!error)
        error = sl_temporary_publish(&temporary, fd, SL_KEYSTORE_FILE, false);
    sl_temporary_remove(temporary);
    close(fd);
    return error;
}

static enum sealane_error build(struct site *site, sealane_keystore *keystore, sealane_kms *kms)
{
    struct sl_record *record = keystore->records;
    enum sealane_error error = make_key(record, kms);
    if (!error)
        error = sl_keystore_record_mac(record->mac, keystore, record);
    char *text = NULL;
    size_t len = 0;
    if (!error)
        error = sl_keystore_serialize(&text, &len, keystore);
    if (!error)
        error = write_file(site, text, len);
    free(text);
    return error;
}

static enum sealane_error create(struct site *site, const char *directory,
                                 const struct sealane_keystore_options *options)
{
    uint8_t wrapped[SEALANE_KMS_WRAP_MAX];
    struct texts texts;
    struct sl_record record = {.wrap_count = 1};
    struct sl_wrap *wrap = &record.wraps[0];
    wrap->wrapped = wrapped;
    wrap->kek_version = "";
    wrap->uri = texts.kms_uri;
    sealane_keystore keystore = {.records = &record, .record_count = 1};
    keystore.allow_unlocked = options->allow_unlocked_memory != 0;

    enum sealane_error error = fill_identity(&keystore, &texts);
    if (!error)
        error = fill_context(wrap, &texts, options);
    if (!error)
        error = open_site(site, directory);
    sealane_kms *kms = NULL;
    if (!error)
        error = open_service(&kms, texts.kms_uri, site, options);
    void *keys = NULL;
    if (!error)
        error = sl_secret_alloc(&keys, 2 * SL_DATA_KEY_LEN, keystore.allow_unlocked);
    record.key = keys;
    if (!error)
        error = build(site, &keystore, kms);
    sl_secret_free(keys);
    sealane_kms_free(kms);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the caller's close_site() frees the names */
    return error ? error : sl_temporary_publish_directory(&site->directory, site->name);
}

enum sealane_error sealane_keystore_create(const char *directory, const struct sealane_keystore_options *options)
{
    const struct sealane_keystore_options defaults = SEALANE_KEYSTORE_OPTIONS_INIT;
    if (!options)
        options = &defaults;
    if (!directory || *directory == '\0' || options->size != sizeof *options)
        return SEALANE_E_ARGUMENT;
    if (options->failed_uri)
        *options->failed_uri = '\0';
    struct site site = {.parent_fd = -1, .fd = -1};
    enum sealane_error error = create(&site, directory, options);
    close_site(&site);
    return error;
}
