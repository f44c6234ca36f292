#define _POSIX_C_SOURCE 200809L
#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/report.h"

/* Length of the well-formed UTF-8 character at s that is safe to print, 0 if there is none (RFC 3629, without C0, C1,
 * DEL). */
static size_t visible_character(const uint8_t *s)
{
    if (s[0] >= 0x20 && s[0] < 0x7f)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf && s[1] >> 6 == 2)
        return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : 2;
    if (s[0] >> 4 == 0xe && s[1] >> 6 == 2 && s[2] >> 6 == 2) {
        int overlong = s[0] == 0xe0 && s[1] < 0xa0;
        int surrogate = s[0] == 0xed && s[1] >= 0xa0;
        /* U+2028..202E and U+2066..2069 break lines or turn the direction of what follows. */
        int breaks = s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae;
        int turns = s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9;
        return overlong || surrogate || breaks || turns ? 0 : 3;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4 && s[1] >> 6 == 2 && s[2] >> 6 == 2 && s[3] >> 6 == 2)
        return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90) ? 0 : 4;
    return 0;
}

char *sl_cli_visible(const char *text)
{
    size_t len = strlen(text);
    char *out = len < SIZE_MAX / 4 ? malloc(4 * len + 1) : NULL;
    if (!out)
        return NULL;
    char *to = out;
    for (const char *at = text; *at;) {
        size_t whole = visible_character((const uint8_t *)at);
        if (whole) {
            memcpy(to, at, whole);
            to += whole;
            at += whole;
        } else {
            memcpy(to, "\\x", 2);
            sl_cli_format_hex(to + 2, (const uint8_t *)at, 1);
            to += 4;
            at++;
        }
    }
    *to = '\0';
    return out;
}

void sl_cli_print_visible(FILE *file, const char *text)
{
    char *visible = sl_cli_visible(text);
    fputs(visible ? visible : "?", file);
    free(visible);
}

void sl_cli_format_bytes(char text[SL_CLI_BYTES_TEXT], uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024) {
        snprintf(text, SL_CLI_BYTES_TEXT, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
        return;
    }
    size_t unit = 0;
    while (unit < sizeof units - 2 && bytes >> (10 * (unit + 2)) != 0)
        unit++;
    uint64_t one = UINT64_C(1) << (10 * (unit + 1));
    uint64_t whole = bytes / one;
    unsigned tenth = (unsigned)(bytes % one / (one / 10 + 1)); /* rounded down, never to 10 */
    if (tenth == 0 || whole >= 100)
        snprintf(text, SL_CLI_BYTES_TEXT, "%" PRIu64 " %ciB", whole, units[unit]);
    else
        snprintf(text, SL_CLI_BYTES_TEXT, "%" PRIu64 ".%u %ciB", whole, tenth, units[unit]);
}

void sl_cli_format_time(char text[SL_CLI_TIME_TEXT], uint64_t ms)
{
    const uint64_t year_10000 = UINT64_C(253402300800);
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms / 1000 >= year_10000 || (uint64_t)seconds != ms / 1000 || !gmtime_r(&seconds, &tm)) {
        snprintf(text, SL_CLI_TIME_TEXT, "%" PRIu64 " ms", ms);
        return;
    }
    snprintf(text, SL_CLI_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (tm.tm_year + 1900U) % 10000,
             (tm.tm_mon + 1U) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
             (unsigned)tm.tm_sec % 100, (unsigned)(ms % 1000));
}

void sl_cli_format_hex(char *text, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * len] = '\0';
}

void sl_cli_format_uuid(char text[SL_CLI_UUID_TEXT], const uint8_t bytes[16])
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        sl_cli_format_hex(text, bytes, groups[g]);
        text += 2 * groups[g];
        bytes += groups[g];
        *text++ = '-';
    }
    text[-1] = '\0';
}

void sl_cli_print_label(const char *label)
{
    printf("%-12s ", label);
}

json_t *sl_cli_json_u64(uint64_t value)
{
    /* JSON has one kind of number, jansson's integers end at 2^63 - 1; beyond, only a forged file gets us here. */
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

bool sl_cli_is_utf8(const char *text)
{
    json_t *value = json_string(text); /* which looks closely */
    json_decref(value);
    return value != NULL;
}

json_t *sl_cli_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char *visible = sl_cli_visible(text); /* not UTF-8, which JSON must be */
    value = visible ? json_string(visible) : NULL;
    free(visible);
    return value;
}

json_t *sl_cli_json_hex(const uint8_t *bytes, size_t len)
{
    char text[2 * 64 + 1];
    if (len > 64)
        return NULL;
    sl_cli_format_hex(text, bytes, len);
    return json_string(text);
}

json_t *sl_cli_json_uuid(const uint8_t bytes[16])
{
    char text[SL_CLI_UUID_TEXT];
    sl_cli_format_uuid(text, bytes);
    return json_string(text);
}

json_t *sl_cli_json_time(uint64_t ms)
{
    char text[SL_CLI_TIME_TEXT];
    sl_cli_format_time(text, ms);
    return json_string(text);
}

json_t *sl_cli_json_whole(json_t *value, int failed)
{
    if (!failed)
        return value;
    json_decref(value);
    return NULL;
}

int sl_cli_json_print(json_t *object, int failed)
{
    int exit_code = 0;
    if (failed || !object)
        exit_code = sl_cli_fail(SEALANE_E_NO_MEMORY, NULL);
    else if (json_dumpf(object, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF)
        exit_code = sl_cli_fail(SEALANE_E_WRITE_FAILED, "standard output");
    json_decref(object);
    return exit_code;
}
