/* OpenSSL's EVP behind the engine's interface.
 *
 * A context per call costs five times as much as the encryption of a small record; a context that several threads use
 * at once gives wrong bytes.  So a key has one context, and the engine lets one call at a time into it: a second thread
 * is served by the engine's own kernel instead of waiting. */
#include <openssl/evp.h>

#include "sealane/backends.h"

static enum sealane_error key_prepare(void **key, const uint8_t bytes[32])
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int good = cipher && context && EVP_EncryptInit_ex2(context, cipher, bytes, NULL, NULL) == 1;
    EVP_CIPHER_free(cipher); /* the context holds its own reference */
    if (!good) {
        EVP_CIPHER_CTX_free(context);
        return SEALANE_E_CRYPTO_LIBRARY;
    }
    *key = context;
    return SEALANE_OK;
}

/* One update per call: if it fails it has not begun, so that src is intact as the interface asks. */
static enum sealane_error ctr(void *key, const uint8_t counter_block[16], uint8_t *dst, const uint8_t *src, size_t len)
{
    EVP_CIPHER_CTX *context = key;
    int written;
    if (len > SEALANE_BACKEND_LEN_MAX || EVP_EncryptInit_ex2(context, NULL, NULL, counter_block, NULL) != 1 ||
        EVP_EncryptUpdate(context, dst, &written, src, (int)len) != 1 || (size_t)written != len)
        return SEALANE_E_CRYPTO_LIBRARY;
    return SEALANE_OK;
}

static void key_free(void *key)
{
    EVP_CIPHER_CTX_free(key);
}

const struct sealane_backend *sealane_backend_openssl(void)
{
    static const struct sealane_backend backend = {
        .name = "openssl",
        .counter_bits = 128,
        .thread_rule = SEALANE_THREADS_ONE,
        .key_prepare = key_prepare,
        .ctr = ctr,
        .key_free = key_free,
    };
    return &backend;
}
