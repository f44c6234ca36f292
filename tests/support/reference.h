/* AES-256-CTR by OpenSSL, with the 128-bit counter arithmetic done byte by byte here: what every kernel is compared
 * with. */
#ifndef SEALANE_TESTS_SUPPORT_REFERENCE_H
#define SEALANE_TESTS_SUPPORT_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/* block += blocks, modulo 2^128. */
void reference_counter_add(uint8_t block[16], uint64_t blocks);

/* out[i] = keystream[offset + i].  Ends the program if OpenSSL fails. */
void reference_keystream(const uint8_t key[32], const uint8_t iv[16], uint64_t offset, uint8_t *out, size_t len);

/* The same from single-block encryptions, so that OpenSSL's own counter is checked too. */
void reference_keystream_by_blocks(const uint8_t key[32], const uint8_t iv[16], uint8_t *out, size_t blocks);

/* a[i] ^= b[i] */
void reference_xor(uint8_t *a, const uint8_t *b, size_t len);

#endif
