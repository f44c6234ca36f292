/* One segment's cipher: AES-256-CTR from counter block 0. */
#ifndef SEALANE_ENVELOPE_CIPHER_H
#define SEALANE_ENVELOPE_CIPHER_H

#include "sealane/engine.h"

struct sl_cipher {
    sealane_key *key;
    sealane_stream *stream;
};

/* Both are NULL on failure.  Errors: those of sealane_key_create. */
SEALANE_CHECK static inline enum sealane_error sl_cipher_open(struct sl_cipher *cipher, const sealane_engine *engine,
                                                              const uint8_t key[SEALANE_KEY_LEN])
{
    static const uint8_t zero[SEALANE_BLOCK_LEN];
    cipher->stream = NULL;
    enum sealane_error error = sealane_key_create(engine, &cipher->key, key);
    if (error != SEALANE_OK)
        return error;
    error = sealane_stream_create(cipher->key, &cipher->stream, zero);
    if (error != SEALANE_OK) {
        sealane_key_free(cipher->key);
        cipher->key = NULL;
    }
    return error;
}

static inline void sl_cipher_close(struct sl_cipher *cipher)
{
    sealane_stream_free(cipher->stream);
    sealane_key_free(cipher->key);
}

#endif
