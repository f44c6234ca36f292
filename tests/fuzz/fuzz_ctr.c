/* sealane_ctr_xor and streams at any offset, in any pieces, with and without tables of first rounds, against OpenSSL
 * from the start of the keystream. */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/subjects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 32 + 16 + 2 + 1 };

static void openssl_ctr(const uint8_t key[32], const uint8_t iv[16], uint8_t *text, size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int out_len;
    require(ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv) == 1);
    require(EVP_EncryptUpdate(ctx, text, &out_len, text, (int)len) == 1 && (size_t)out_len == len);
    EVP_CIPHER_CTX_free(ctx);
}

static uint8_t warming[65536];

/* Input: key (whose first byte also picks the engine, and whose second what is warmed up first), IV, offset into the
 * keystream (0 to 65535), share of the text that the first of two calls takes, text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    const uint8_t *key_bytes = data;
    const uint8_t *iv = data + 32;
    size_t offset = (size_t)data[48] | (size_t)data[49] << 8;
    size_t len = size - HEAD;
    size_t first = data[50] * len / 255;

    uint8_t *ours = malloc(len + 1);
    uint8_t *memory = malloc(len + 64); /* aligned to a block where the keystream is, and otherwise now and then */
    uint8_t *apart = memory + (data[1] & 8 ? offset % 16 : data[2] % 64);
    uint8_t *theirs = calloc(offset + len + 1, 1);
    require(ours && theirs && memory);
    memcpy(ours, data + HEAD, len);
    if (len)
        memcpy(theirs + offset, data + HEAD, len);

    sealane_key *key;
    require(sealane_key_create(engine_for(data[0]), &key, key_bytes) == SEALANE_OK);
    sealane_stream *stream = NULL;
    if (data[1] & 1)
        sealane_ctr_xor(key, iv, 0, warming, warming, sizeof warming);
    if (data[1] & 2)
        require(sealane_stream_create(key, &stream, iv) == SEALANE_OK);
    if (data[1] & 4 && stream) {
        sealane_stream_xor(stream, offset, warming, warming, sizeof warming / 2);
        sealane_stream_xor(stream, offset + first, warming, warming, sizeof warming / 2);
    }
    uint8_t *dst = data[1] & 16 ? apart : ours;
    if (stream) {
        sealane_stream_xor(stream, offset, dst, ours, first);
        sealane_stream_xor(stream, offset + first, dst + first, ours + first, len - first);
    } else {
        sealane_ctr_xor(key, iv, offset, dst, ours, first);
        sealane_ctr_xor(key, iv, offset + first, dst + first, ours + first, len - first);
    }
    openssl_ctr(key_bytes, iv, theirs, offset + len);
    require(memcmp(dst, theirs + offset, len) == 0);

    sealane_stream_free(stream);
    sealane_key_free(key);
    free(ours);
    free(memory);
    free(theirs);
    return 0;
}
