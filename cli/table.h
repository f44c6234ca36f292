/* Commands and options as data: what commands.def and options.def say. */
#ifndef SEALANE_CLI_TABLE_H
#define SEALANE_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum sl_cli_option_id {
#define OPTION(id, short_name, name, argument, completion, help) SL_CLI_##id,
#include "cli/options.def"
#undef OPTION
    SL_CLI_OPTIONS
};

enum sl_cli_command_id {
#define COMMAND(id, group, name, arguments, least, most, required, optional, summary, description) SL_CLI_COMMAND_##id,
#include "cli/commands.def"
#undef COMMAND
    SL_CLI_COMMANDS
};

enum sl_cli_completion { SL_CLI_NOTHING, SL_CLI_FILES, SL_CLI_DIRECTORIES, SL_CLI_WORDS };

struct sl_cli_option {
    char short_name; /* 0: none */
    const char *name;
    const char *argument; /* "" for a flag */
    enum sl_cli_completion completion;
    const char *words; /* for SL_CLI_WORDS, separated by spaces */
    const char *help;
};

struct sl_cli_command {
    const char *group; /* "" if none */
    const char *name;
    const char *arguments;
    size_t least;
    size_t most;
    uint32_t required; /* bit 1 << id per option */
    uint32_t optional;
    const char *summary;
    const char *description;
};

extern const struct sl_cli_option sl_cli_options[SL_CLI_OPTIONS];
/* Why a command takes that option: the option's help, or what helps.def says instead. */
const char *sl_cli_option_help(const struct sl_cli_command *command, size_t id);

extern const struct sl_cli_command sl_cli_commands[SL_CLI_COMMANDS];

#endif
