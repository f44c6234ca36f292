/* Binary values as text.  Each value has one spelling, and decoding accepts no other, so that a changed byte is always
 * a changed value. */
#ifndef SEALANE_ENVELOPE_TEXT_H
#define SEALANE_ENVELOPE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lower-case hexadecimal with a terminating zero: 2 * len + 1 bytes of text. */
void sl_hex_encode(char *text, const uint8_t *data, size_t len);

/* Decodes exactly len bytes from text_len digits; false if the text is anything else. */
bool sl_hex_decode(uint8_t *data, size_t len, const char *text, size_t text_len);

/* Bytes of text for len bytes, terminating zero included. */
#define SL_BASE64_SIZE(len) (((size_t)(len) + 2) / 3 * 4 + 1)

/* RFC 4648 section 4 with padding; SL_BASE64_SIZE(len) bytes of text.  len is at most 2^30. */
void sl_base64_encode(char *text, const uint8_t *data, size_t len);

/* *data: a buffer to free(), of *len bytes, 1 to max_len; false and NULL if the text is not canonical base64 of that
 * many, or memory ran out. */
bool sl_base64_decode(uint8_t **data, size_t *len, size_t max_len, const char *text);

#endif
