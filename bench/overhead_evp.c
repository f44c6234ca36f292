/* ClickHouse's use of OpenSSL, for the rows that stand for it: what src/IO/FileEncryptionCommon.cpp does in one call of
 * Encryptor::decrypt, step by step. */
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "bench/overhead.h"

static void add_to_counter(uint8_t counter[16], uint64_t blocks)
{
    for (int i = 15; i >= 0 && blocks > 0; i--) {
        blocks += counter[i];
        counter[i] = (uint8_t)blocks;
        blocks >>= 8;
    }
}

static EVP_CIPHER_CTX *new_context(const uint8_t iv[16])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

    if (context == NULL)
        return NULL;
    /* Two calls, as there: first the cipher, which OpenSSL 3 fetches anew, then key and IV. */
    if (EVP_DecryptInit_ex(context, EVP_aes_256_ctr(), NULL, NULL, NULL) != 1 ||
        EVP_DecryptInit_ex(context, NULL, NULL, overhead_key, iv) != 1) {
        EVP_CIPHER_CTX_free(context);
        return NULL;
    }
    return context;
}

/* The first bytes of a read that starts inside a counter block, through a padded block of their own. */
static int decrypt_start(EVP_CIPHER_CTX *context, size_t skip, uint8_t *dst, const uint8_t *src, size_t len)
{
    uint8_t block[16] = {0};
    uint8_t out[16];
    int out_len = 0;

    memcpy(block + skip, src, len);
    if (EVP_DecryptUpdate(context, out, &out_len, block, (int)(skip + len)) != 1 || out_len != (int)(skip + len))
        return 0;
    memcpy(dst, out + skip, len);
    return 1;
}

static int decrypt(EVP_CIPHER_CTX *context, size_t skip, uint8_t *dst, const uint8_t *src, size_t len)
{
    uint8_t rest[16];
    size_t start = skip == 0 ? 0 : 16 - skip < len ? 16 - skip : len;
    int out_len = 0;

    if (start > 0 && !decrypt_start(context, skip, dst, src, start))
        return 0;
    if (len > start && (len - start > INT_MAX ||
                        EVP_DecryptUpdate(context, dst + start, &out_len, src + start, (int)(len - start)) != 1 ||
                        (size_t)out_len != len - start))
        return 0;
    return EVP_DecryptFinal_ex(context, rest, &out_len) == 1;
}

enum bench_status overhead_evp_decrypt(const uint8_t iv[16], uint64_t offset, uint8_t *dst, const uint8_t *src,
                                       size_t len)
{
    uint8_t counter[16];
    EVP_CIPHER_CTX *context;
    int done;

    memcpy(counter, iv, sizeof counter);
    add_to_counter(counter, offset / 16);
    context = new_context(counter);
    done = context != NULL && decrypt(context, offset % 16, dst, src, len);
    EVP_CIPHER_CTX_free(context);
    if (!done)
        bench_error("overhead: OpenSSL failed to decrypt with AES-256-CTR");
    return done ? BENCH_OK : BENCH_FAILED;
}

enum bench_status overhead_evp_setup(const uint8_t iv[16])
{
    return overhead_evp_decrypt(iv, 0, NULL, NULL, 0);
}
