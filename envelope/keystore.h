/* What the file formats need of an open keystore. */
#ifndef SEALANE_ENVELOPE_KEYSTORE_H
#define SEALANE_ENVELOPE_KEYSTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "sealane/keystore.h"

enum { SL_DATA_KEY_LEN = 32 };

/* A data key of purpose envelope.  Both point into the keystore (the bytes into its secret memory) and live as long. */
struct sl_data_key {
    const uint8_t *id;    /* SEALANE_KEY_ID_LEN bytes */
    const uint8_t *bytes; /* SL_DATA_KEY_LEN bytes; only HKDF may see them */
};

/* The key that seals.  ARGUMENT if the keystore was not verified (sealane_keystore_read). */
SEALANE_CHECK enum sealane_error sl_keystore_active_key(const sealane_keystore *keystore, struct sl_data_key *key);

/* The key of that id, active or not.  NO_SUCH_KEY; ARGUMENT if the keystore was not verified. */
SEALANE_CHECK enum sealane_error sl_keystore_find_key(const sealane_keystore *keystore, struct sl_data_key *key,
                                                      const uint8_t id[SEALANE_KEY_ID_LEN]);

/* SEALANE_STORE_UUID_LEN bytes, as long as the keystore lives. */
const uint8_t *sl_keystore_uuid(const sealane_keystore *keystore);

/* True if its authenticated policy accepts files without tags (suite 1). */
bool sl_keystore_accepts_ctr(const sealane_keystore *keystore);

/* Whether the keys it holds, and so those derived from them, may lie in unlocked memory. */
bool sl_keystore_allows_unlocked(const sealane_keystore *keystore);

#endif
