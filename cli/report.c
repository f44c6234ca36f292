#include "cli/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/text.h"

/* `format` has at most one %s, where text goes, made visible. */
static void print_filled(const char *format, const char *text)
{
    const char *mark = text ? strstr(format, "%s") : NULL;
    if (!mark) {
        fputs(format, stderr);
        return;
    }
    fwrite(format, 1, (size_t)(mark - format), stderr);
    sl_cli_print_visible(stderr, text);
    fputs(mark + 2, stderr);
}

static void begin_line(const char *kind)
{
    sl_cli_progress_clear();
    fputs("sealane: ", stderr);
    fputs(kind, stderr);
}

/* Of this process or machine: no file is to blame. */
static bool concerns_no_file(enum sealane_error error)
{
    return error == SEALANE_E_MEMORY_LOCK || error == SEALANE_E_NO_MEMORY || error == SEALANE_E_THREAD ||
           error == SEALANE_E_RANDOM || error == SEALANE_E_CRYPTO_LIBRARY;
}

int sl_cli_fail(enum sealane_error error, const char *file)
{
    begin_line("");
    if (file && !concerns_no_file(error)) {
        sl_cli_print_visible(stderr, file);
        fputs(": ", stderr);
    }
    fprintf(stderr, "%s [%s]\n", sealane_error_message(error), sealane_error_name(error));
    return sealane_error_exit_code(error);
}

int sl_cli_usage_error(const struct sl_cli_command *command, const char *format, const char *text)
{
    begin_line("");
    print_filled(format, text);
    fputs("; see 'sealane ", stderr);
    if (command)
        fprintf(stderr, "%s%s%s ", command->group, *command->group ? " " : "", command->name);
    fprintf(stderr, "--help' [%s]\n", sealane_error_name(SEALANE_E_ARGUMENT));
    return sealane_error_exit_code(SEALANE_E_ARGUMENT);
}

void sl_cli_warn(const char *format, const char *text)
{
    begin_line("warning: ");
    print_filled(format, text);
    fputc('\n', stderr);
}

void sl_cli_note(const char *format, const char *text)
{
    begin_line("note: ");
    print_filled(format, text);
    fputc('\n', stderr);
}
