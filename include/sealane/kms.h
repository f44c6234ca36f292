/* Key services: something that holds a key-encryption key (KEK) and wraps data keys with it.
 *
 * A service is named by a URI.  `file:PATH` is the embedded one: 32 random bytes in a 0600 file, data keys wrapped by
 * AES-256-KWP (NIST SP 800-38F, RFC 5649) under a key that HKDF-SHA256 (RFC 5869) derives from the KEK and the
 * encryption context, so that a wrap opens under its own context only. */
#ifndef SEALANE_KMS_H
#define SEALANE_KMS_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"
#include "sealane/export.h"

SEALANE_BEGIN

typedef struct sealane_kms sealane_kms;

enum {
    SEALANE_KMS_URI_MAX = 2048,        /* bytes of a URI with its terminating zero */
    SEALANE_KMS_WRAP_MAX = 6144,       /* bytes of a wrapped key: AWS KMS's limit, the largest of all services */
    SEALANE_KMS_CONTEXT_MAX = 16,      /* pairs of an encryption context */
    SEALANE_KMS_CONTEXT_TEXT_MAX = 256 /* bytes of one context key or value, terminating zero included */
};

/* The encryption context: additional authenticated data in pairs.  Not secret; services log it.  Text without zeros. */
struct sealane_kms_pair {
    const char *key;
    const char *value;
};

struct sealane_kms_options {
    size_t size;                /* sizeof(struct sealane_kms_options) */
    const char *base_directory; /* what a relative path in a URI is relative to; NULL: the current directory */
    int allow_unlocked_memory;  /* non-zero: key-encryption keys may lie in memory that could not be locked */
};

#define SEALANE_KMS_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(struct sealane_kms_options), NULL, 0                                                                    \
    }

/* The key that `uri` names, written out as sealane_kms_resolved() will say it: an absolute file:PATH.  `.` and doubled
 * slashes are dropped, symbolic links and `..` are left.  Asks no service and opens nothing.  Errors: KMS_SCHEME,
 * ARGUMENT (no path, too long, or file://HOST). */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_kms_resolve(char resolved[SEALANE_KMS_URI_MAX], const char *uri,
                                                                 const struct sealane_kms_options *options);

/* Makes a new key-encryption key where `uri` says.  For file: the file appears whole with mode 0600, durable, or not at
 * all; EXISTS if there is one.  Other errors: KMS_SCHEME, ARGUMENT, PERMISSION, NO_SPACE, WRITE_FAILED, IO, RANDOM,
 * MEMORY_LOCK. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_kms_create(const char *uri,
                                                                const struct sealane_kms_options *options);

/* Opens the service and, for file:, reads the key-encryption key.  The file must belong to the caller or root and be
 * accessible to nobody else.  Errors: KMS_SCHEME, ARGUMENT, KEK_MISSING, KEK_INVALID, UNSUPPORTED (a newer version of
 * that file), NOT_REGULAR (a symbolic link, say), KEK_LAX_PERMISSIONS, PERMISSION, READ_FAILED, IO, MEMORY_LOCK. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_kms_open(sealane_kms **kms, const char *uri,
                                                              const struct sealane_kms_options *options);

/* Wipes what it holds; NULL is fine. */
SEALANE_API void sealane_kms_free(sealane_kms *kms);

/* The key this handle really uses, never an alias: an absolute file:PATH, a key's ARN.  Valid until the handle is
 * freed. */
SEALANE_API const char *sealane_kms_resolved(const sealane_kms *kms);

/* Wraps key_len bytes (16, 24 or 32) under the context.  *wrapped_len is set.  Errors: ARGUMENT, CRYPTO_LIBRARY,
 * MEMORY_LOCK.  One handle: one thread at a time. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_kms_wrap(sealane_kms *kms, uint8_t wrapped[SEALANE_KMS_WRAP_MAX],
                                                              size_t *wrapped_len,
                                                              const struct sealane_kms_pair *context,
                                                              size_t context_count, const uint8_t *key, size_t key_len);

/* Opens a wrap: exactly key_len bytes must come out.  KEY_REFUSED if the KEK, the context or the length is another one
 * or the wrap is damaged; `key` is wiped then.  `key` should lie in memory the caller locked. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_kms_unwrap(sealane_kms *kms, uint8_t *key, size_t key_len,
                                                                const struct sealane_kms_pair *context,
                                                                size_t context_count, const uint8_t *wrapped,
                                                                size_t wrapped_len);

SEALANE_END

#endif
