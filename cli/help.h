/* What --help, --version and `help` print on standard output. */
#ifndef SEALANE_CLI_HELP_H
#define SEALANE_CLI_HELP_H

#include "cli/table.h"

/* command NULL: all commands, or those of `group` if that is not NULL. */
void sl_cli_help(const struct sl_cli_command *command, const char *group);

void sl_cli_version(void);

#endif
