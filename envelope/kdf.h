/* HKDF-SHA256 (RFC 5869) and HMAC-SHA256 (RFC 2104) over OpenSSL.  Any thread.  Each fails with CRYPTO_LIBRARY only,
 * and then leaves its output zeroed.  Outputs are keys: they belong in memory from sl_secret_alloc(). */
#ifndef SEALANE_ENVELOPE_KDF_H
#define SEALANE_ENVELOPE_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"

enum {
    SL_HASH_LEN = 32,      /* bytes of a SHA-256 value: pseudo-random keys, subkeys, MACs */
    SL_HKDF_INFO_MAX = 256 /* OpenSSL 3.0 bounds all info together; ours is fixed-width and far below */
};

/* HKDF-Extract: prk = HMAC(salt, key). */
SEALANE_CHECK enum sealane_error sl_hkdf_extract(uint8_t prk[SL_HASH_LEN], const void *salt, size_t salt_len,
                                                 const void *key, size_t key_len);

/* HKDF-Expand to one block. info_len is at most SL_HKDF_INFO_MAX. */
SEALANE_CHECK enum sealane_error sl_hkdf_expand(uint8_t out[SL_HASH_LEN], const uint8_t prk[SL_HASH_LEN],
                                                const void *info, size_t info_len);

/* Both at once, to one block. */
SEALANE_CHECK enum sealane_error sl_hkdf(uint8_t out[SL_HASH_LEN], const void *salt, size_t salt_len, const void *key,
                                         size_t key_len, const void *info, size_t info_len);

/* HMAC-SHA256 of len bytes under a 32-byte key.  Compare MACs with sl_equal(). */
SEALANE_CHECK enum sealane_error sl_hmac(uint8_t mac[SL_HASH_LEN], const uint8_t key[SL_HASH_LEN], const void *data,
                                         size_t len);

#endif
