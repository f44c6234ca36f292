/* The embedded key service: a key-encryption key in a private file.  docs/FORMAT.md has the layout. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/io.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/temporary.h"
#include "base/wipe.h"
#include "kms/provider.h"

enum {
    KEK_LEN = 32,
    MAGIC_LEN = 12,
    FILE_VERSION = 1,
    FILE_LEN = MAGIC_LEN + 4 + KEK_LEN,
    LABEL_LEN = 32,
    WRAP_OVERHEAD = 8, /* RFC 5649: one block of integrity; our keys need no padding */
};

static const uint8_t magic[MAGIC_LEN] = "sealane-kek";
static const uint8_t label[LABEL_LEN] = "sealane/1 kms file AES-256-KWP";

/* All that is secret, in one slot of secret memory. */
struct secrets {
    uint8_t file[FILE_LEN + 1]; /* one more, to see a file that is too long */
    uint8_t extracted[32];
    uint8_t wrapping_key[32];
    uint8_t key[SL_KMS_KEY_MAX + WRAP_OVERHEAD]; /* RFC 5649 unwraps into whole blocks */
};

static const uint8_t *kek_of(const struct secrets *secrets)
{
    return secrets->file + MAGIC_LEN + 4;
}

/* Appends the components of `path` to `out`, without `.` and empty ones.  `..` stays: after a symbolic link only the
 * kernel knows where it leads. */
static enum sealane_error append_path(char *out, size_t size, size_t *len, const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n > 0 && !(n == 1 && path[0] == '.')) {
            if (*len + 1 + n >= size)
                return SEALANE_E_ARGUMENT;
            out[(*len)++] = '/';
            memcpy(out + *len, path, n);
            *len += n;
        }
        path += n;
        path += *path == '/';
    }
    out[*len] = '\0';
    return SEALANE_OK;
}

static enum sealane_error append_current_directory(char *out, size_t size, size_t *len)
{
    char *current = getcwd(NULL, 0);
    if (!current)
        return sealane_error_from_errno(errno);
    enum sealane_error error = append_path(out, size, len, current);
    free(current);
    return error;
}

/* A path that ends in a slash, `.` or `..` names a directory. */
static bool ends_in_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    return *last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

static enum sealane_error file_resolve(char *resolved, size_t size, const char *rest, const char *base_directory)
{
    /* file://HOST/PATH names another machine (RFC 8089); file:///PATH is this one. */
    if (ends_in_directory(rest) || (rest[0] == '/' && rest[1] == '/' && rest[2] != '/'))
        return SEALANE_E_ARGUMENT;
    size_t len = 0;
    enum sealane_error error = SEALANE_OK;
    if (rest[0] != '/') {
        if (!base_directory || base_directory[0] != '/')
            error = append_current_directory(resolved, size, &len);
        if (!error && base_directory)
            error = append_path(resolved, size, &len, base_directory);
    }
    if (!error)
        error = append_path(resolved, size, &len, rest);
    return error;
}

static enum sealane_error write_kek(int directory_fd, const char *name, const struct secrets *secrets)
{
    struct sl_temporary *temporary;
    int fd;
    enum sealane_error error = sl_temporary_file(&temporary, &fd, directory_fd, name);
    if (error)
        return error;
    error = sl_write_all(fd, secrets->file, FILE_LEN);
    if (!error)
        error = sl_temporary_publish(&temporary, fd, name, false);
    sl_temporary_remove(temporary);
    close(fd);
    return error;
}

static enum sealane_error file_create(const char *path, bool allow_unlocked)
{
    char directory[SEALANE_KMS_URI_MAX];
    const char *name = strrchr(path, '/') + 1;
    size_t directory_len = (size_t)(name - path);
    memcpy(directory, path, directory_len);
    directory[directory_len] = '\0';

    void *p;
    enum sealane_error error = sl_secret_alloc(&p, sizeof(struct secrets), allow_unlocked);
    if (error)
        return error;
    struct secrets *secrets = p;
    memcpy(secrets->file, magic, MAGIC_LEN);
    sl_store_le32(secrets->file + MAGIC_LEN, FILE_VERSION);
    error = sl_random(secrets->file + MAGIC_LEN + 4, KEK_LEN);
    if (!error) {
        int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory_fd < 0) {
            error = sealane_error_from_errno(errno);
        } else {
            error = write_kek(directory_fd, name, secrets);
            close(directory_fd);
        }
    }
    sl_secret_free(secrets);
    return error;
}

/* Permissions before contents: a key that others could read or plant is not used, however well-formed. */
static enum sealane_error read_kek(struct secrets *secrets, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sealane_error_from_errno(errno);
    if (!S_ISREG(st.st_mode))
        return SEALANE_E_NOT_REGULAR;
    if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 077) != 0)
        return SEALANE_E_KEK_LAX_PERMISSIONS;
    size_t got;
    enum sealane_error error = sl_read_full(fd, secrets->file, FILE_LEN + 1, &got);
    if (error)
        return error;
    if (got < MAGIC_LEN + 4 || memcmp(secrets->file, magic, MAGIC_LEN) != 0)
        return SEALANE_E_KEK_INVALID;
    if (sl_load_le32(secrets->file + MAGIC_LEN) != FILE_VERSION)
        return SEALANE_E_UNSUPPORTED;
    return got == FILE_LEN ? SEALANE_OK : SEALANE_E_KEK_INVALID;
}

static enum sealane_error file_open(void **state, const char *path, bool allow_unlocked)
{
    *state = NULL;
    /* O_NONBLOCK: a FIFO of that name must not hold us up. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? SEALANE_E_KEK_MISSING : sealane_error_from_errno(errno);
    void *secrets;
    enum sealane_error error = sl_secret_alloc(&secrets, sizeof(struct secrets), allow_unlocked);
    if (!error) {
        error = read_kek(secrets, fd);
        if (error)
            sl_secret_free(secrets);
        else
            *state = secrets;
    }
    close(fd);
    return error;
}

static void file_close(void *state)
{
    sl_secret_free(state);
}

/* What OPENSSL_CONF or the machine's configuration says of providers and properties is about OpenSSL's default context;
 * a private one has OpenSSL's own provider and no other.  (Engines are of the process: OpenSSL 3 asks for them, and so
 * loads the configuration, whenever a digest or cipher begins.)  One for the process, never freed: making it and
 * fetching from it takes 1 to 2 ms.  NULL on failure, which must not reach OpenSSL: NULL is the default context. */
static OSSL_LIB_CTX *library(void)
{
    static OSSL_LIB_CTX *_Atomic shared;
    OSSL_LIB_CTX *context = atomic_load(&shared);
    if (context)
        return context;
    context = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *provider = context ? OSSL_PROVIDER_load(context, "default") : NULL;
    OSSL_LIB_CTX *first = NULL;
    if (provider && atomic_compare_exchange_strong(&shared, &first, context))
        return context;
    /* Nothing is kept of a failure, so that a later call may do better; or another thread was faster. */
    if (provider)
        OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(context);
    return first;
}

static bool hmac(OSSL_LIB_CTX *openssl, uint8_t mac[32], const void *key, size_t key_len, const uint8_t *data,
                 size_t len)
{
    size_t mac_len = 0;
    return EVP_Q_mac(openssl, "HMAC", NULL, "SHA256", NULL, key, key_len, data, len, mac, 32, &mac_len) &&
           mac_len == 32;
}

/* HKDF-SHA256 (RFC 5869) with an empty salt and info = label | canonical context, one block.  Written out over HMAC, as
 * OpenSSL 3.0's HKDF refuses more info than 2048 bytes and a context may have four times that. */
static enum sealane_error derive(OSSL_LIB_CTX *openssl, struct secrets *secrets, const struct sl_kms_context *context)
{
    static const uint8_t no_salt[32];
    uint8_t info[LABEL_LEN + SL_KMS_CANONICAL_MAX + 1];
    memcpy(info, label, LABEL_LEN);
    memcpy(info + LABEL_LEN, context->canonical, context->canonical_len);
    size_t info_len = LABEL_LEN + context->canonical_len;
    info[info_len] = 1; /* the block counter of HKDF-Expand */
    if (!hmac(openssl, secrets->extracted, no_salt, sizeof no_salt, kek_of(secrets), KEK_LEN) ||
        !hmac(openssl, secrets->wrapping_key, secrets->extracted, sizeof secrets->extracted, info, info_len + 1))
        return SEALANE_E_CRYPTO_LIBRARY;
    return SEALANE_OK;
}

/* AES-256-KWP of a whole input.  *out_len 0 on return of SEALANE_OK means that the integrity check refused it. */
static enum sealane_error kwp(OSSL_LIB_CTX *openssl, const uint8_t key[32], int encrypt, uint8_t *out, size_t *out_len,
                              const uint8_t *in, size_t in_len)
{
    *out_len = 0;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(openssl, "AES-256-WRAP-PAD", NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    enum sealane_error error = SEALANE_E_CRYPTO_LIBRARY;
    if (cipher && context) {
        EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
        if (EVP_CipherInit_ex2(context, cipher, key, NULL, encrypt, NULL) == 1) {
            int n = 0;
            int done = EVP_CipherUpdate(context, out, &n, in, (int)in_len);
            if (done == 1 && n > 0)
                *out_len = (size_t)n;
            if (!encrypt || *out_len > 0)
                error = SEALANE_OK;
        }
    }
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    return error;
}

static void forget_derived(struct secrets *secrets)
{
    sl_wipe(secrets->extracted, sizeof secrets->extracted);
    sl_wipe(secrets->wrapping_key, sizeof secrets->wrapping_key);
    sl_wipe(secrets->key, sizeof secrets->key);
}

static enum sealane_error file_wrap(void *state, uint8_t *wrapped, size_t *wrapped_len,
                                    const struct sl_kms_context *context, const uint8_t *key, size_t key_len)
{
    struct secrets *secrets = state;
    ERR_set_mark(); /* the thread's error queue is its owner's, not ours to fill */
    OSSL_LIB_CTX *openssl = library();
    enum sealane_error error = openssl ? derive(openssl, secrets, context) : SEALANE_E_CRYPTO_LIBRARY;
    if (!error)
        error = kwp(openssl, secrets->wrapping_key, 1, wrapped, wrapped_len, key, key_len);
    ERR_pop_to_mark();
    forget_derived(secrets);
    return error;
}

static enum sealane_error file_unwrap(void *state, uint8_t *key, size_t key_len, const struct sl_kms_context *context,
                                      const uint8_t *wrapped, size_t wrapped_len)
{
    struct secrets *secrets = state;
    if (wrapped_len != key_len + WRAP_OVERHEAD)
        return SEALANE_E_KEY_REFUSED;
    ERR_set_mark();
    OSSL_LIB_CTX *openssl = library();
    enum sealane_error error = openssl ? derive(openssl, secrets, context) : SEALANE_E_CRYPTO_LIBRARY;
    size_t got = 0;
    if (!error)
        error = kwp(openssl, secrets->wrapping_key, 0, secrets->key, &got, wrapped, wrapped_len);
    ERR_pop_to_mark();
    if (!error && got != key_len)
        error = SEALANE_E_KEY_REFUSED;
    if (!error)
        memcpy(key, secrets->key, key_len);
    forget_derived(secrets);
    return error;
}

const struct sl_kms_provider sl_kms_file = {
    .resolve = file_resolve,
    .create = file_create,
    .open = file_open,
    .close = file_close,
    .wrap = file_wrap,
    .unwrap = file_unwrap,
};
