#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/parse.h"
#include "cli/report.h"
#include "cli/run.h"
#include "sealane/version.h"

enum { WIDTH = 79, OPTION_COLUMN = 28, COMMAND_COLUMN = 20 };

/* Words of `text` wrapped between `indent` and WIDTH, the cursor standing at `column`. */
static void print_wrapped(const char *text, int indent, int column)
{
    while (*text) {
        int len = (int)strcspn(text, " ");
        if (column > indent && column + 1 + len > WIDTH) {
            printf("\n");
            column = 0;
        }
        if (column < indent)
            column += printf("%*s", indent - column, "");
        else if (column > indent)
            column += printf(" ");
        column += printf("%.*s", len, text);
        text += len;
        text += strspn(text, " ");
    }
    printf("\n");
}

static void print_option(const struct sl_cli_option *option, const char *help)
{
    int column = option->short_name ? printf("  -%c, ", option->short_name) : printf("      ");
    column += printf("--%s%s%s", option->name, *option->argument ? " " : "", option->argument);
    if (column >= OPTION_COLUMN) {
        printf("\n");
        column = 0;
    }
    column += printf("%*s", OPTION_COLUMN - column, "");
    print_wrapped(help, OPTION_COLUMN, column);
}

static void print_command(const struct sl_cli_command *c)
{
    int column = printf("  %s%s%s", c->group, *c->group ? " " : "", c->name);
    column += printf("%*s", COMMAND_COLUMN - column, "");
    print_wrapped(c->summary, COMMAND_COLUMN, column);
}

static void print_usage(const struct sl_cli_command *c)
{
    printf("Usage: sealane %s%s%s", c->group, *c->group ? " " : "", c->name);
    for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
        if (c->required >> id & 1)
            printf(" --%s %s", sl_cli_options[id].name, sl_cli_options[id].argument);
    }
    printf("%s%s%s\n\n", c->optional ? " [OPTION]..." : "", *c->arguments ? " " : "", c->arguments);
}

void sl_cli_help(const struct sl_cli_command *command, const char *group)
{
    if (command) {
        print_usage(command);
        print_wrapped(command->description, 0, 0);
        printf("\nOptions:\n");
        for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
            if ((command->required | command->optional | UINT32_C(1) << SL_CLI_HELP) >> id & 1)
                print_option(&sl_cli_options[id], sl_cli_option_help(command, id));
        }
        return;
    }
    printf("Usage: sealane %s%sCOMMAND [OPTION]... [ARGUMENT]...\n\n", group ? group : "", group ? " " : "");
    if (!group)
        printf("Encrypts data at rest with AES-256-CTR under data keys that a key service wraps.\n\n");
    printf("Commands:\n");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        if (!group || strcmp(sl_cli_commands[i].group, group) == 0)
            print_command(&sl_cli_commands[i]);
    }
    printf("\nOptions:\n");
    print_option(&sl_cli_options[SL_CLI_HELP], sl_cli_options[SL_CLI_HELP].help);
    if (!group)
        print_option(&sl_cli_options[SL_CLI_VERSION], sl_cli_options[SL_CLI_VERSION].help);
    printf("\nExit codes: 0 done; 1 failed; 2 usage; 3 not a sealed file, damaged, cut or forged;\n"
           "4 not the file's keystore or data key, or the key was refused; 5 key service unreachable.\n");
}

void sl_cli_version(void)
{
    printf("sealane %s\n", sealane_version());
}

int sl_cli_run_help(const struct sl_cli_arguments *a)
{
    const struct sl_cli_command *command;
    const char *group;
    size_t used = sl_cli_find_command(&command, &group, a->word, a->word_count);
    if (used != a->word_count)
        return sl_cli_usage_error(NULL, "unknown command %s", a->word[used]);
    sl_cli_help(command, group);
    return 0;
}
