/* A program of somebody else's, valid C99 and C++11: encrypts and checks a known answer (SP 800-38A, F.5.5, blocks 1
 * and 2). */
#include <stdio.h>
#include <string.h>

#ifdef WITH_OPENSSL
#include <sealane/backends.h>
#endif
#include <sealane/engine.h>
#include <sealane/version.h>

static const uint8_t key_bytes[32] = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
                                      0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
                                      0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
static const uint8_t iv[16] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                               0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
static const uint8_t plaintext[32] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e,
                                      0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03,
                                      0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51};
static const uint8_t ciphertext[32] = {0x60, 0x1e, 0xc3, 0x13, 0x77, 0x57, 0x89, 0xa5, 0xb7, 0xa7, 0xf5,
                                       0x04, 0xbb, 0xf3, 0xd2, 0x28, 0xf4, 0x43, 0xe3, 0xca, 0x4d, 0x62,
                                       0xb5, 0x9a, 0xca, 0x84, 0xe9, 0x90, 0xca, 0xca, 0xf5, 0xc5};

int main(void)
{
    sealane_engine *engine;
    sealane_key *key;
    uint8_t out[32];
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
#ifdef WITH_OPENSSL
    options.backend = sealane_backend_openssl();
#endif
    enum sealane_error error = sealane_engine_create(&engine, &options);
    if (!error)
        error = sealane_key_create(engine, &key, key_bytes);
    if (error) {
        fprintf(stderr, "%s [%s]\n", sealane_error_message(error), sealane_error_name(error));
        return 1;
    }
    /* The second half first: any offset is as good as any other. */
    sealane_ctr_xor(key, iv, 7, out + 7, plaintext + 7, sizeof out - 7);
    sealane_ctr_xor(key, iv, 0, out, plaintext, 7);
    sealane_key_free(key);
    sealane_engine_free(engine);
    if (memcmp(out, ciphertext, sizeof out) != 0) {
        fputs("wrong answer\n", stderr);
        return 1;
    }
    printf("right answer from libsealane %s\n", sealane_version());
    return 0;
}
