/* The keystore in memory, shared by the files that read, check, write and create it.  docs/FORMAT.md has the layout. */
#ifndef SEALANE_ENVELOPE_KEYSTORE_FILE_H
#define SEALANE_ENVELOPE_KEYSTORE_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "envelope/kdf.h"
#include "envelope/keystore.h"
#include "envelope/text.h"

#define SL_KEYSTORE_FILE "keystore"
#define SL_KEYSTORE_KEK "kek"
#define SL_KEYSTORE_FORMAT "sealane keystore"
#define SL_KEYSTORE_TRAILER "hmac-sha256:" /* then 64 digits and a newline */
#define SL_CONTEXT_RESERVED "sealane:"     /* what the keys of our own context pairs begin with */

enum {
    SL_KEYSTORE_VERSION = 1,
    SL_KEYSTORE_SIZE_MAX = 1 << 20,
    SL_KEYSTORE_TRAILER_LEN = sizeof SL_KEYSTORE_TRAILER - 1 + 2 * SL_HASH_LEN + 1,
    SL_WRAPS_MAX = 4,
    SL_KEK_VERSION_MAX = 256, /* bytes with the terminating zero */
    SL_FIXED_PAIRS = 3,
    SL_ID_TEXT = 2 * SEALANE_KEY_ID_LEN + 1,
};

/* One wrapping of a data key.  Texts are borrowed from the parsed document (or from the creator). */
struct sl_wrap {
    const char *uri;         /* as stored: file:kek is relative to the keystore's directory */
    const char *kek_version; /* "" where the service has none */
    struct sealane_kms_pair context[SEALANE_KMS_CONTEXT_MAX]; /* sorted by key */
    size_t context_count;
    uint8_t *wrapped;
    size_t wrapped_len;
};

struct sl_record {
    uint8_t id[SEALANE_KEY_ID_LEN];
    enum sealane_key_purpose purpose;
    enum sealane_key_state state;
    uint64_t created_ms;
    size_t key_len;
    struct sl_wrap wraps[SL_WRAPS_MAX];
    size_t wrap_count;
    uint8_t mac[SL_HASH_LEN];
    uint8_t *key; /* secret memory; NULL until unwrapped */
};

_Static_assert(SEALANE_KEYSTORE_CONTEXT_MAX + SL_FIXED_PAIRS == SEALANE_KMS_CONTEXT_MAX, "all pairs fit a wrap");

struct sealane_keystore {
    json_t *document; /* owns the texts */
    uint8_t uuid[SEALANE_STORE_UUID_LEN];
    uint64_t generation;
    uint64_t created_ms;
    bool accepts_ctr;
    bool verified;
    bool allow_unlocked;
    struct sl_record *records;
    size_t record_count;
    size_t active; /* index of the one active envelope key */
};

/* Fills `keystore` from the JSON text.  KEYSTORE_DAMAGED if anything is missing, unknown, doubled, mistyped, out of
 * range or at odds with the rest; UNSUPPORTED for a newer version.  What it allocated, sealane_keystore_free() frees,
 * also on failure. */
SEALANE_CHECK enum sealane_error sl_keystore_parse(sealane_keystore *keystore, const char *text, size_t len);

/* *text: the whole file, trailer included, to free().  The active key must be there.  ARGUMENT if a text is no UTF-8.
 */
SEALANE_CHECK enum sealane_error sl_keystore_serialize(char **text, size_t *len, const sealane_keystore *keystore);

/* The check value of a record under its own data key, `record->key`. */
SEALANE_CHECK enum sealane_error sl_keystore_record_mac(uint8_t mac[SL_HASH_LEN], const sealane_keystore *keystore,
                                                        const struct sl_record *record);

/* The check value of the whole file's text up to the trailer, under the active key. */
SEALANE_CHECK enum sealane_error sl_keystore_file_mac(uint8_t mac[SL_HASH_LEN], const sealane_keystore *keystore,
                                                      const void *text, size_t len);

/* What failed_uri of the options is set to: `uri`, or nothing if that is too long. */
void sl_keystore_name_failed(char failed_uri[SEALANE_KMS_URI_MAX], const char *uri);

/* Sorts pairs by key; false if a key is there twice. */
bool sl_keystore_sort_context(struct sealane_kms_pair *pairs, size_t count);

/* The names that the file and the encryption context use; NULL for a value that has none. */
const char *sl_purpose_name(enum sealane_key_purpose purpose);
const char *sl_state_name(enum sealane_key_state state);

#endif
