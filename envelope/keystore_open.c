#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/secret.h"
#include "base/wipe.h"
#include "envelope/keystore_file.h"

static enum sealane_error check_trust(const struct stat *st)
{
    bool ours = st->st_uid == geteuid() || st->st_uid == 0;
    return ours && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0 ? SEALANE_OK : SEALANE_E_LAX_PERMISSIONS;
}

/* With a slash at its end, open(2) would follow a symbolic link that O_NOFOLLOW is to refuse. */
static enum sealane_error open_directory(int *fd, const char *directory)
{
    *fd = -1;
    size_t len = strlen(directory);
    while (len > 1 && directory[len - 1] == '/')
        len--;
    char *path = strndup(directory, len);
    if (!path)
        return SEALANE_E_NO_MEMORY;
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum sealane_error error = *fd >= 0 ? SEALANE_OK : sealane_error_from_errno(errno);
    free(path);
    struct stat st;
    if (!error && fstat(*fd, &st) != 0)
        error = sealane_error_from_errno(errno);
    if (!error)
        error = check_trust(&st);
    if (error && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return error;
}

static enum sealane_error read_open_file(char **text, size_t *len, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sealane_error_from_errno(errno);
    if (!S_ISREG(st.st_mode))
        return SEALANE_E_NOT_REGULAR;
    enum sealane_error error = check_trust(&st);
    if (error)
        return error;
    if (st.st_size > SL_KEYSTORE_SIZE_MAX)
        return SEALANE_E_KEYSTORE_DAMAGED;
    /* It is replaced, never changed, so its size holds; a byte more shows if it does not. */
    size_t size = (size_t)st.st_size + 1;
    *text = malloc(size);
    if (!*text)
        return SEALANE_E_NO_MEMORY;
    error = sl_read_full(fd, *text, size, len);
    return !error && *len == size ? SEALANE_E_KEYSTORE_DAMAGED : error;
}

/* *text is to free(), also on failure. */
static enum sealane_error read_file(char **text, size_t *len, const char *directory)
{
    *text = NULL;
    int directory_fd;
    enum sealane_error error = open_directory(&directory_fd, directory);
    if (error)
        return error;
    int fd = openat(directory_fd, SL_KEYSTORE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        error = read_open_file(text, len, fd);
    else
        error = errno == ENOENT ? SEALANE_E_NO_KEYSTORE : sealane_error_from_errno(errno);
    if (fd >= 0)
        close(fd);
    close(directory_fd);
    return error;
}

/* Cuts the trailer off: *json_len bytes are what the MAC is over. */
static bool split_trailer(uint8_t mac[SL_HASH_LEN], size_t *json_len, const char *text, size_t len)
{
    if (len <= SL_KEYSTORE_TRAILER_LEN)
        return false;
    *json_len = len - SL_KEYSTORE_TRAILER_LEN;
    const char *trailer = text + *json_len;
    const size_t label_len = strlen(SL_KEYSTORE_TRAILER);
    return text[*json_len - 1] == '\n' && text[len - 1] == '\n' &&
           memcmp(trailer, SL_KEYSTORE_TRAILER, label_len) == 0 &&
           sl_hex_decode(mac, SL_HASH_LEN, trailer + label_len, 2 * SL_HASH_LEN);
}

/* The service of one wrap after the other, kept open while they name the same: one handle for most keystores. */
struct services {
    const char *directory;
    const char *pin; /* resolved; NULL for none */
    bool allow_unlocked;
    char *failed_uri; /* never NULL */
    sealane_kms *kms;
};

static enum sealane_error resolve(char resolved[SEALANE_KMS_URI_MAX], const struct services *services,
                                  const struct sl_wrap *wrap)
{
    struct sealane_kms_options options = SEALANE_KMS_OPTIONS_INIT;
    options.base_directory = services->directory;
    return sealane_kms_resolve(resolved, wrap->uri, &options);
}

static bool pin_allows(const struct services *services, const char *resolved)
{
    return !services->pin || strcmp(services->pin, resolved) == 0;
}

/* Asks nobody: every record must have a wrap that the pinned key made. */
static enum sealane_error check_pin(const struct services *services, const sealane_keystore *keystore)
{
    for (size_t i = 0; i < keystore->record_count; i++) {
        const struct sl_record *record = &keystore->records[i];
        bool found = false;
        for (size_t j = 0; j < record->wrap_count && !found; j++) {
            char resolved[SEALANE_KMS_URI_MAX];
            found = !resolve(resolved, services, &record->wraps[j]) && pin_allows(services, resolved);
        }
        if (!found)
            return SEALANE_E_KMS_MISMATCH;
    }
    return SEALANE_OK;
}

/* resolved: on failure the URI that it is about, or an empty text. */
static enum sealane_error unwrap(char resolved[SEALANE_KMS_URI_MAX], struct services *services,
                                 struct sl_record *record, const struct sl_wrap *wrap)
{
    enum sealane_error error = resolve(resolved, services, wrap);
    if (error) {
        sl_keystore_name_failed(resolved, wrap->uri);
        return error;
    }
    if (!pin_allows(services, resolved)) {
        *resolved = '\0'; /* it is the keystore that names it */
        return SEALANE_E_KMS_MISMATCH;
    }
    if (!services->kms || strcmp(sealane_kms_resolved(services->kms), resolved) != 0) {
        sealane_kms_free(services->kms);
        struct sealane_kms_options options = SEALANE_KMS_OPTIONS_INIT;
        options.allow_unlocked_memory = services->allow_unlocked;
        error = sealane_kms_open(&services->kms, resolved, &options);
        if (error)
            return error;
    }
    return sealane_kms_unwrap(services->kms, record->key, record->key_len, wrap->context, wrap->context_count,
                              wrap->wrapped, wrap->wrapped_len);
}

/* Any one wrap will do: while a rotation is under way there are two.  What the first failure says is reported. */
static enum sealane_error unwrap_record(struct services *services, const sealane_keystore *keystore,
                                        struct sl_record *record)
{
    void *key;
    enum sealane_error first = sl_secret_alloc(&key, record->key_len, services->allow_unlocked);
    if (first)
        return first;
    record->key = key;
    enum sealane_error error = SEALANE_E_KMS_MISMATCH;
    for (size_t i = 0; i < record->wrap_count && error; i++) {
        char uri[SEALANE_KMS_URI_MAX];
        error = unwrap(uri, services, record, &record->wraps[i]);
        if (error && (!first || first == SEALANE_E_KMS_MISMATCH)) {
            first = error;
            sl_keystore_name_failed(services->failed_uri, uri);
        }
    }
    if (error)
        return first;
    *services->failed_uri = '\0';
    uint8_t mac[SL_HASH_LEN];
    error = sl_keystore_record_mac(mac, keystore, record);
    if (!error && !sl_equal(mac, record->mac, sizeof mac))
        error = SEALANE_E_KEYSTORE_DAMAGED;
    sl_wipe(mac, sizeof mac); /* of a forged record, it is what the forger lacks */
    return error;
}

static enum sealane_error verify(sealane_keystore *keystore, struct services *services, const char *text, size_t len,
                                 const uint8_t mac[SL_HASH_LEN])
{
    enum sealane_error error = services->pin ? check_pin(services, keystore) : SEALANE_OK;
    for (size_t i = 0; i < keystore->record_count && !error; i++)
        error = unwrap_record(services, keystore, &keystore->records[i]);
    sealane_kms_free(services->kms);
    services->kms = NULL;
    if (error)
        return error;
    uint8_t expected[SL_HASH_LEN];
    error = sl_keystore_file_mac(expected, keystore, text, len);
    if (!error && !sl_equal(expected, mac, SL_HASH_LEN))
        error = SEALANE_E_KEYSTORE_DAMAGED;
    sl_wipe(expected, sizeof expected);
    keystore->verified = !error;
    return error;
}

/* services NULL: read without verifying. */
static enum sealane_error load(sealane_keystore **keystore, const char *directory, struct services *services)
{
    char *text;
    size_t len = 0;
    sealane_keystore *k = calloc(1, sizeof *k);
    if (!k)
        return SEALANE_E_NO_MEMORY;
    enum sealane_error error = read_file(&text, &len, directory);
    uint8_t mac[SL_HASH_LEN];
    size_t json_len = 0;
    if (!error && !split_trailer(mac, &json_len, text, len))
        error = SEALANE_E_KEYSTORE_DAMAGED;
    if (!error)
        error = sl_keystore_parse(k, text, json_len);
    if (!error && services) {
        k->allow_unlocked = services->allow_unlocked;
        error = verify(k, services, text, json_len, mac);
    }
    free(text);
    if (error) {
        sealane_keystore_free(k);
        return error;
    }
    *keystore = k;
    return SEALANE_OK;
}

enum sealane_error sealane_keystore_open(sealane_keystore **keystore, const char *directory,
                                         const struct sealane_keystore_options *options)
{
    *keystore = NULL;
    if (!directory || (options && options->size != sizeof *options))
        return SEALANE_E_ARGUMENT;
    char failed_uri[SEALANE_KMS_URI_MAX];
    struct services services = {
        .directory = directory,
        .allow_unlocked = options && options->allow_unlocked_memory,
        .failed_uri = options && options->failed_uri ? options->failed_uri : failed_uri,
    };
    *services.failed_uri = '\0';
    char pin[SEALANE_KMS_URI_MAX];
    if (options && options->kms_uri) {
        enum sealane_error error = sealane_kms_resolve(pin, options->kms_uri, NULL);
        if (error) {
            sl_keystore_name_failed(services.failed_uri, options->kms_uri);
            return error;
        }
        services.pin = pin;
    }
    return load(keystore, directory, &services);
}

enum sealane_error sealane_keystore_read(sealane_keystore **keystore, const char *directory)
{
    *keystore = NULL;
    return directory ? load(keystore, directory, NULL) : SEALANE_E_ARGUMENT;
}
