/* What the program says on standard error: one line each, in English, with control characters made visible. */
#ifndef SEALANE_CLI_REPORT_H
#define SEALANE_CLI_REPORT_H

#include "cli/table.h"
#include "sealane/error.h"

/* Prints `sealane: FILE: message [NAME]` (file NULL, or an error that is of no file, such as
 * NO_MEMORY: without) and returns the error's exit code. */
int sl_cli_fail(enum sealane_error error, const char *file);

/* Prints `sealane: MESSAGE; see 'sealane COMMAND --help' [ARGUMENT]` and returns 2.  command NULL: none is known.
 * The format knows one %s, for `text`; NULL if it has none. */
int sl_cli_usage_error(const struct sl_cli_command *command, const char *format, const char *text);

/* Prints `sealane: warning: ...`; the format as above. */
void sl_cli_warn(const char *format, const char *text);

/* Prints `sealane: note: ...`; the format as above. */
void sl_cli_note(const char *format, const char *text);

#endif
