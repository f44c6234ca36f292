#include <errno.h>
#include <stdio.h>

#include "cli/help.h"
#include "cli/parse.h"
#include "cli/process.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run.h"

static int (*const run[SL_CLI_COMMANDS])(const struct sl_cli_arguments *) = {
#define COMMAND(id, group, name, arguments, least, most, required, optional, summary, description) sl_cli_run_##id,
#include "cli/commands.def"
#undef COMMAND
};

static int run_command(int argc, char **argv)
{
    struct sl_cli_arguments arguments;
    if (!sl_cli_parse(&arguments, argc, argv))
        return sealane_error_exit_code(SEALANE_E_ARGUMENT);
    if (sl_cli_given(&arguments, SL_CLI_VERSION))
        sl_cli_version();
    else if (sl_cli_given(&arguments, SL_CLI_HELP))
        sl_cli_help(arguments.command, arguments.group);
    else
        return run[arguments.command - sl_cli_commands](&arguments);
    return 0;
}

int main(int argc, char **argv)
{
    if (!sl_cli_process_init())
        return sl_cli_fail(SEALANE_E_IO, "preparing the process");
    int exit_code = run_command(argc, argv);
    sl_cli_progress_clear();
    /* What a full disk or a broken file system says may come only now. */
    errno = 0;
    if (ferror(stdout) | fclose(stdout)) {
        enum sealane_error error = sealane_error_from_errno(errno);
        if (exit_code == 0)
            exit_code = sl_cli_fail(error == SEALANE_E_IO ? SEALANE_E_WRITE_FAILED : error, "standard output");
    }
    return exit_code;
}
