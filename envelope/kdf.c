#include "envelope/kdf.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/wipe.h"

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

/* OpenSSL's parameters are not const though it only reads these. */
static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
    union {
        const void *in;
        void *out;
    } bytes = {data};
    return OSSL_PARAM_construct_octet_string(name, bytes.out, len);
}

static enum sealane_error derive(uint8_t out[SL_HASH_LEN], int mode, const void *salt, size_t salt_len, const void *key,
                                 size_t key_len, const void *info, size_t info_len)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[6];
    size_t n = 0;
    params[n++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    params[n++] = octets(OSSL_KDF_PARAM_KEY, key, key_len);
    if (salt_len > 0)
        params[n++] = octets(OSSL_KDF_PARAM_SALT, salt, salt_len);
    if (info_len > 0)
        params[n++] = octets(OSSL_KDF_PARAM_INFO, info, info_len);
    params[n] = OSSL_PARAM_construct_end();

    ERR_set_mark(); /* the thread's error queue is its owner's, not ours to fill */
    OSSL_LIB_CTX *openssl = library();
    EVP_KDF *kdf = openssl ? EVP_KDF_fetch(openssl, "HKDF", NULL) : NULL;
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int done = context && info_len <= SL_HKDF_INFO_MAX && EVP_KDF_derive(context, out, SL_HASH_LEN, params) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    ERR_pop_to_mark();
    if (!done) {
        sl_wipe(out, SL_HASH_LEN);
        return SEALANE_E_CRYPTO_LIBRARY;
    }
    return SEALANE_OK;
}

enum sealane_error sl_hkdf_extract(uint8_t prk[SL_HASH_LEN], const void *salt, size_t salt_len, const void *key,
                                   size_t key_len)
{
    return derive(prk, EVP_KDF_HKDF_MODE_EXTRACT_ONLY, salt, salt_len, key, key_len, NULL, 0);
}

enum sealane_error sl_hkdf_expand(uint8_t out[SL_HASH_LEN], const uint8_t prk[SL_HASH_LEN], const void *info,
                                  size_t info_len)
{
    return derive(out, EVP_KDF_HKDF_MODE_EXPAND_ONLY, NULL, 0, prk, SL_HASH_LEN, info, info_len);
}

enum sealane_error sl_hkdf(uint8_t out[SL_HASH_LEN], const void *salt, size_t salt_len, const void *key, size_t key_len,
                           const void *info, size_t info_len)
{
    return derive(out, EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, salt, salt_len, key, key_len, info, info_len);
}

enum sealane_error sl_hmac(uint8_t mac[SL_HASH_LEN], const uint8_t key[SL_HASH_LEN], const void *data, size_t len)
{
    size_t mac_len = 0;
    ERR_set_mark();
    OSSL_LIB_CTX *openssl = library();
    bool done = openssl && EVP_Q_mac(openssl, "HMAC", NULL, "SHA256", NULL, key, SL_HASH_LEN, data, len, mac,
                                     SL_HASH_LEN, &mac_len) != NULL;
    ERR_pop_to_mark();
    if (!done || mac_len != SL_HASH_LEN) {
        sl_wipe(mac, SL_HASH_LEN);
        return SEALANE_E_CRYPTO_LIBRARY;
    }
    return SEALANE_OK;
}
