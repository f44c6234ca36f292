#include "cli/table.h"

#define NOTHING SL_CLI_NOTHING, ""
#define FILES SL_CLI_FILES, ""
#define DIRECTORIES SL_CLI_DIRECTORIES, ""
#define WORDS(words) SL_CLI_WORDS, words

const struct sl_cli_option sl_cli_options[SL_CLI_OPTIONS] = {
#define OPTION(id, short_name, name, argument, completion, help) {short_name, name, argument, completion, help},
#include "cli/options.def"
#undef OPTION
};

#define O(id) (UINT32_C(1) << SL_CLI_##id)

const struct sl_cli_command sl_cli_commands[SL_CLI_COMMANDS] = {
#define COMMAND(id, group, name, arguments, least, most, required, optional, summary, description)                     \
    {group, name, arguments, least, most, required, optional, summary, description},
#include "cli/commands.def"
#undef COMMAND
};

_Static_assert(SL_CLI_OPTIONS <= 32, "options are bits of a uint32_t");

static const char *const helps[SL_CLI_COMMANDS][SL_CLI_OPTIONS] = {
#define HELP(command, option, help) [SL_CLI_COMMAND_##command][SL_CLI_##option] = help,
#include "cli/helps.def"
#undef HELP
};

const char *sl_cli_option_help(const struct sl_cli_command *command, size_t id)
{
    const char *own = helps[command - sl_cli_commands][id];
    return own ? own : sl_cli_options[id].help;
}
