/* The keystore: a private directory with one file of wrapped data keys.  docs/FORMAT.md has the layout.
 *
 * The directory is trusted for integrity: it and its files must belong to the caller or root and be writable by nobody
 * else, which every open checks.  Who can write it chooses the key. */
#ifndef SEALANE_KEYSTORE_H
#define SEALANE_KEYSTORE_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"
#include "sealane/export.h"
#include "sealane/kms.h"

SEALANE_BEGIN

typedef struct sealane_keystore sealane_keystore;

enum {
    SEALANE_KEY_ID_LEN = 16,
    SEALANE_STORE_UUID_LEN = 16,
    SEALANE_KEYSTORE_CONTEXT_MAX = SEALANE_KMS_CONTEXT_MAX - 3 /* pairs of the caller's; the rest are the keystore's */
};

struct sealane_keystore_options {
    size_t size;         /* sizeof(struct sealane_keystore_options) */
    const char *kms_uri; /* create: the key service (NULL: a new KEK in DIRECTORY/kek).  open: pins it (NULL: no pin) */
    const struct sealane_kms_pair *context; /* create: pairs added to the encryption context, in UTF-8, keys
                                               that begin with "sealane:" being the keystore's own; open: not used */
    size_t context_count;
    int allow_unlocked_memory;
    char *failed_uri; /* out, SEALANE_KMS_URI_MAX bytes, or NULL: set by every call that takes these options, to the URI
                         that a failure is about, written out where it could be; empty if it is about no key service */
};

#define SEALANE_KEYSTORE_OPTIONS_INIT                                                                                  \
    {                                                                                                                  \
        sizeof(struct sealane_keystore_options), NULL, NULL, 0, 0, NULL                                                \
    }

/* Creates `directory` (0700) with one active data key, wrapped and unwrapped once to prove the service.  The directory
 * appears whole and durable or not at all; an existing one is accepted only if it is empty (else EXISTS).  Errors also
 * from sealane_kms_open and the file system. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_keystore_create(const char *directory,
                                                                     const struct sealane_keystore_options *options);

/* Opens for use: checks trust, asks the key service for every data key, verifies every record and the whole.  Errors:
 * NOT_FOUND, NO_KEYSTORE (a directory without one), NOT_REGULAR, LAX_PERMISSIONS, KEYSTORE_DAMAGED, UNSUPPORTED,
 * KMS_MISMATCH (before the service is asked), those of sealane_kms_open and sealane_kms_unwrap.  *keystore is NULL on
 * failure.  An open keystore is immutable: any thread. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_keystore_open(sealane_keystore **keystore, const char *directory,
                                                                   const struct sealane_keystore_options *options);

/* Reads it without asking the key service: nothing in it is verified, and it can neither seal nor unseal. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_keystore_read(sealane_keystore **keystore, const char *directory);

/* Wipes the data keys and frees; NULL is fine. */
SEALANE_API void sealane_keystore_free(sealane_keystore *keystore);

enum sealane_key_purpose { SEALANE_PURPOSE_ENVELOPE = 1 };
enum sealane_key_state { SEALANE_KEY_ACTIVE = 1, SEALANE_KEY_DECRYPT_ONLY = 2 };

struct sealane_keystore_info {
    uint8_t uuid[SEALANE_STORE_UUID_LEN];
    uint64_t generation; /* 1 at creation; grows by one with every change */
    uint64_t created_ms; /* UTC, milliseconds since 1970 */
    size_t record_count;
    int verified;    /* 1 if opened through the key service */
    int accepts_ctr; /* 1 if its policy accepts files without tags (suite 1) */
};

struct sealane_key_record_info {
    uint8_t id[SEALANE_KEY_ID_LEN];
    enum sealane_key_purpose purpose;
    enum sealane_key_state state;
    uint64_t created_ms;
    size_t key_len;      /* bytes of the data key */
    size_t wrapped_len;  /* bytes of its wrap */
    const char *kms_uri; /* as stored; valid until the keystore is freed, as are the pairs */
    const struct sealane_kms_pair *context;
    size_t context_count;
};

SEALANE_API void sealane_keystore_info(const sealane_keystore *keystore, struct sealane_keystore_info *info);

/* Record `index` of info.record_count; SEALANE_E_ARGUMENT beyond. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_keystore_record(const sealane_keystore *keystore, size_t index,
                                                                     struct sealane_key_record_info *info);

SEALANE_END

#endif
