/* OpenSSL's EVP behind the engine's interface.
 *
 * A context per call costs five times as much as the encryption of a small record; a context that several threads use
 * at once gives wrong bytes.  So a key has one context, and the engine lets one call at a time into it: a second thread
 * is served by the engine's own kernel instead of waiting. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "sealane/backends.h"

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

static enum sealane_error key_prepare(void **key, const uint8_t bytes[32])
{
    ERR_set_mark(); /* the thread's error queue is its owner's, not ours to fill */
    OSSL_LIB_CTX *openssl = library();
    EVP_CIPHER *cipher = openssl ? EVP_CIPHER_fetch(openssl, "AES-256-CTR", NULL) : NULL;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int good = cipher && context && EVP_EncryptInit_ex2(context, cipher, bytes, NULL, NULL) == 1;
    EVP_CIPHER_free(cipher); /* the context holds its own reference */
    ERR_pop_to_mark();
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
    if (len > SEALANE_BACKEND_LEN_MAX)
        return SEALANE_E_CRYPTO_LIBRARY;
    ERR_set_mark();
    bool done = EVP_EncryptInit_ex2(context, NULL, NULL, counter_block, NULL) == 1 &&
                EVP_EncryptUpdate(context, dst, &written, src, (int)len) == 1 && (size_t)written == len;
    ERR_pop_to_mark();
    return done ? SEALANE_OK : SEALANE_E_CRYPTO_LIBRARY;
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
