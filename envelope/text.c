#include "envelope/text.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

void sl_hex_encode(char *text, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sl_hex_decode(uint8_t *data, size_t len, const char *text, size_t text_len)
{
    if (text_len != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = digit(text[2 * i]);
        int low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        data[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void sl_base64_encode(char *text, const uint8_t *data, size_t len)
{
    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
}

/* OpenSSL's decoder forgives white space and stray bits in the last digit: encoding again shows whether it did. */
bool sl_base64_decode(uint8_t **data, size_t *len, size_t max_len, const char *text)
{
    *data = NULL;
    size_t text_len = strlen(text);
    if (text_len == 0 || text_len % 4 != 0 || text_len >= SL_BASE64_SIZE(max_len))
        return false;
    size_t padding = (size_t)(text[text_len - 1] == '=') + (size_t)(text[text_len - 2] == '=');
    uint8_t *out = malloc(text_len / 4 * 3);
    char *again = malloc(text_len + 1);
    bool good =
        out && again && EVP_DecodeBlock(out, (const unsigned char *)text, (int)text_len) == (int)(text_len / 4 * 3);
    if (good) {
        *len = text_len / 4 * 3 - padding;
        sl_base64_encode(again, out, *len);
        good = *len <= max_len && strcmp(again, text) == 0;
    }
    free(again);
    if (!good) {
        free(out);
        return false;
    }
    *data = out;
    return true;
}
