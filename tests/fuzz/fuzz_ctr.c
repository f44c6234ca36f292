/* sealane_ctr_xor at any offset, in any pieces, against OpenSSL from the start of the keystream. */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sealane/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 32 + 16 + 2 + 1 };

static void require(int truth)
{
    if (!truth)
        abort();
}

static void openssl_ctr(const uint8_t key[32], const uint8_t iv[16], uint8_t *text, size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int out_len;
    require(ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv) == 1);
    require(EVP_EncryptUpdate(ctx, text, &out_len, text, (int)len) == 1 && (size_t)out_len == len);
    EVP_CIPHER_CTX_free(ctx);
}

/* Input: key, IV, offset into the keystream (0 to 65535), length of the first piece, text.  The kernel is the table's
 * entry number (first byte of the key), if it runs here. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    const uint8_t *key_bytes = data;
    const uint8_t *iv = data + 32;
    size_t offset = (size_t)data[48] | (size_t)data[49] << 8;
    size_t len = size - HEAD;
    size_t first = len ? data[50] * len / 255 : 0;

    struct sealane_kernel_info info[16];
    sealane_engine *engine;
    require(sealane_engine_create(&engine, NULL) == SEALANE_OK);
    size_t count = sealane_engine_kernels(engine, info, 16);
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = info[data[0] % count].name;
    if (info[data[0] % count].state == SEALANE_KERNEL_READY) {
        sealane_engine_free(engine);
        require(sealane_engine_create(&engine, &options) == SEALANE_OK);
    }

    uint8_t *ours = malloc(len + 1);
    uint8_t *theirs = calloc(offset + len + 1, 1);
    require(ours && theirs);
    memcpy(ours, data + HEAD, len);
    if (len)
        memcpy(theirs + offset, data + HEAD, len);

    sealane_key *key;
    require(sealane_key_create(engine, &key, key_bytes) == SEALANE_OK);
    sealane_ctr_xor(key, iv, offset, ours, ours, first);
    sealane_ctr_xor(key, iv, offset + first, ours + first, ours + first, len - first);
    openssl_ctr(key_bytes, iv, theirs, offset + len);
    require(memcmp(ours, theirs + offset, len) == 0);

    sealane_key_free(key);
    sealane_engine_free(engine);
    free(ours);
    free(theirs);
    return 0;
}
