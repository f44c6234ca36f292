/* Text for people and machines, the same in every locale. */
#ifndef SEALANE_CLI_TEXT_H
#define SEALANE_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* Prints text with control characters and bytes that are not UTF-8 as \xNN, so that a name can neither break a line nor
 * drive a terminal. */
void sl_cli_print_visible(FILE *file, const char *text);

/* The same into a new string, which the caller frees; NULL without memory. */
char *sl_cli_visible(const char *text);

bool sl_cli_is_utf8(const char *text);

enum { SL_CLI_BYTES_TEXT = 32, SL_CLI_TIME_TEXT = 32, SL_CLI_UUID_TEXT = 37 };

/* "17 bytes", "1.5 KiB", "4 GiB". */
void sl_cli_format_bytes(char text[SL_CLI_BYTES_TEXT], uint64_t bytes);

/* Milliseconds since 1970 as "2026-11-21T22:18:01.123Z"; beyond the year 9999 as "N ms after 1970". */
void sl_cli_format_time(char text[SL_CLI_TIME_TEXT], uint64_t ms);

/* Writes 2 * len hexadecimal digits and a zero. */
void sl_cli_format_hex(char *text, const uint8_t *bytes, size_t len);

void sl_cli_format_uuid(char text[SL_CLI_UUID_TEXT], const uint8_t bytes[16]);

/* Prints "Label      " as wide as all labels of the human forms. */
void sl_cli_print_label(const char *label);

/* New JSON values; NULL without memory, which json_object_set_new then reports as a failure. */
json_t *sl_cli_json_u64(uint64_t value);
json_t *sl_cli_json_text(const char *text);
json_t *sl_cli_json_hex(const uint8_t *bytes, size_t len);
json_t *sl_cli_json_uuid(const uint8_t bytes[16]);
json_t *sl_cli_json_time(uint64_t ms);

/* `value`, or NULL with `value` freed if adding something to it failed. */
json_t *sl_cli_json_whole(json_t *value, int failed);

/* Prints and frees `object`; returns the exit code.  `failed`: a value could not be added (no memory). */
int sl_cli_json_print(json_t *object, int failed);

#endif
