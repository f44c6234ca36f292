#include "envelope/kdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/wipe.h"

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

    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int done = context && info_len <= SL_HKDF_INFO_MAX && EVP_KDF_derive(context, out, SL_HASH_LEN, params) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
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
    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, SL_HASH_LEN, data, len, mac, SL_HASH_LEN, &mac_len) ||
        mac_len != SL_HASH_LEN) {
        sl_wipe(mac, SL_HASH_LEN);
        return SEALANE_E_CRYPTO_LIBRARY;
    }
    return SEALANE_OK;
}
