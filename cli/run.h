/* The commands.  Each returns the exit code, having reported what went wrong. */
#ifndef SEALANE_CLI_RUN_H
#define SEALANE_CLI_RUN_H

#include "cli/parse.h"

#define COMMAND(id, group, name, arguments, least, most, required, optional, summary, description)                     \
    int sl_cli_run_##id(const struct sl_cli_arguments *arguments_given);
#include "cli/commands.def"
#undef COMMAND

#endif
