#include "tests/support/reference.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(int good)
{
    if (!good) {
        fprintf(stderr, "the reference (OpenSSL) failed\n");
        exit(2);
    }
}

void reference_counter_add(uint8_t block[16], uint64_t blocks)
{
    unsigned carry = 0;
    for (int i = 15; i >= 0; i--) {
        unsigned sum = block[i] + (unsigned)(blocks & 0xff) + carry;
        block[i] = (uint8_t)sum;
        carry = sum >> 8;
        blocks >>= 8;
    }
}

static void encrypt(EVP_CIPHER_CTX *context, uint8_t *out, const uint8_t *in, size_t len)
{
    while (len > 0) {
        int part = len < 1 << 30 ? (int)len : 1 << 30;
        int got;
        require(EVP_EncryptUpdate(context, out, &got, in, part) == 1 && got == part);
        out += part;
        in += part;
        len -= (size_t)part;
    }
}

void reference_keystream(const uint8_t key[32], const uint8_t iv[16], uint64_t offset, uint8_t *out, size_t len)
{
    uint8_t counter[16];
    uint8_t skipped[16] = {0};
    memcpy(counter, iv, sizeof counter);
    reference_counter_add(counter, offset / 16);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    require(context && EVP_EncryptInit_ex2(context, EVP_aes_256_ctr(), key, counter, NULL) == 1);
    encrypt(context, skipped, skipped, offset % 16);
    if (len > 0)
        memset(out, 0, len);
    encrypt(context, out, out, len);
    EVP_CIPHER_CTX_free(context);
}

void reference_keystream_by_blocks(const uint8_t key[32], const uint8_t iv[16], uint8_t *out, size_t blocks)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    require(context && EVP_EncryptInit_ex2(context, EVP_aes_256_ecb(), key, NULL, NULL) == 1);
    require(EVP_CIPHER_CTX_set_padding(context, 0) == 1);
    for (size_t i = 0; i < blocks; i++) {
        uint8_t counter[16];
        memcpy(counter, iv, sizeof counter);
        reference_counter_add(counter, i);
        encrypt(context, out + 16 * i, counter, sizeof counter);
    }
    EVP_CIPHER_CTX_free(context);
}

void reference_xor(uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        a[i] ^= b[i];
}
