/* Writes the manual page or a shell's completions from the tables: docgen man|bash|zsh|fish VERSION. */
#include <stdio.h>
#include <string.h>

#include "cli/table.h"

static uint32_t options_of(const struct sl_cli_command *c)
{
    return c->required | c->optional | UINT32_C(1) << SL_CLI_HELP;
}

/* The first command of each group stands for it. */
static int begins_group(size_t i)
{
    return *sl_cli_commands[i].group && (i == 0 || strcmp(sl_cli_commands[i - 1].group, sl_cli_commands[i].group) != 0);
}

/* ---- roff ---- */

static void roff(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '-')
            fputs("\\-", stdout);
        else if (*at == '\\')
            fputs("\\e", stdout);
        else if (*at == '\'' || (*at == '.' && at == text))
            printf("\\&%c", *at);
        else
            putchar(*at);
    }
}

static void roff_option(const struct sl_cli_option *o, const char *help)
{
    printf(".TP\n");
    if (o->short_name)
        printf("\\fB\\-%c\\fR, ", o->short_name);
    printf("\\fB\\-\\-");
    roff(o->name);
    printf("\\fR%s\\fI%s\\fR\n", *o->argument ? " " : "", o->argument);
    roff(help);
    printf("\n");
}

static void write_man(const char *version)
{
    printf(".TH SEALANE 1 \"\" \"sealane %s\" \"User Commands\"\n", version);
    printf(".SH NAME\nsealane \\- encrypt data at rest with AES\\-256\\-CTR\n");
    printf(".SH SYNOPSIS\n.B sealane\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n");
    printf(".SH DESCRIPTION\nSeals files under data keys that a key service wraps, and opens them again, whole or in "
           "part.\n"
           "Options may stand anywhere; \\fB\\-\\-\\fR ends them; \\fB\\-\\fR is standard input or output.\n");
    printf(".SH COMMANDS\n");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        const struct sl_cli_command *c = &sl_cli_commands[i];
        printf(".SS \"sealane %s%s%s", c->group, *c->group ? " " : "", c->name);
        for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
            if (c->required >> id & 1)
                printf(" \\-\\-%s %s", sl_cli_options[id].name, sl_cli_options[id].argument);
        }
        printf("%s%s%s\"\n", c->optional ? " [OPTION]..." : "", *c->arguments ? " " : "", c->arguments);
        roff(c->description);
        printf("\n");
        for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
            if ((c->required | c->optional) >> id & 1)
                roff_option(&sl_cli_options[id], sl_cli_option_help(c, id));
        }
    }
    printf(".SH COMMON OPTIONS\n");
    roff_option(&sl_cli_options[SL_CLI_HELP], sl_cli_options[SL_CLI_HELP].help);
    roff_option(&sl_cli_options[SL_CLI_VERSION], sl_cli_options[SL_CLI_VERSION].help);
    printf(".SH EXIT STATUS\n"
           ".TP\n0\ndone\n"
           ".TP\n1\nfailed: input or output, a name that exists, a full disk, permissions, a missing key\\-encryption "
           "key\n"
           ".TP\n2\nusage\n"
           ".TP\n3\nnot a sealed file, damaged, cut or forged\n"
           ".TP\n4\nnot the file's keystore or data key, or the key was refused\n"
           ".TP\n5\nkey service unreachable\n"
           ".PP\nSIGINT, SIGTERM and SIGHUP remove what is unfinished and end the program by that signal.\n");
    printf(".SH SECURITY\n"
           "Keys lie in locked memory, which \\fBulimit \\-l\\fR limits. The program writes no core dump, and no "
           "debugger of the\n"
           "same user can attach to it. Secrets are never taken from arguments or the environment.\n");
}

/* ---- Shells ---- */

static void bash_options(uint32_t options)
{
    for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
        if (!(options >> id & 1))
            continue;
        printf(" --%s", sl_cli_options[id].name);
        if (sl_cli_options[id].short_name)
            printf(" -%c", sl_cli_options[id].short_name);
    }
}

static void bash_option_arguments(void)
{
    printf("    case $previous in\n");
    for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
        const struct sl_cli_option *o = &sl_cli_options[id];
        if (!*o->argument)
            continue;
        printf("    ");
        if (o->short_name)
            printf("-%c|", o->short_name);
        printf("--%s) ", o->name);
        if (o->completion == SL_CLI_WORDS)
            printf("COMPREPLY=($(compgen -W '%s' -- \"$current\"))", o->words);
        else if (o->completion == SL_CLI_DIRECTORIES)
            printf("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\")");
        else if (o->completion == SL_CLI_FILES)
            printf("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\")");
        else
            printf("COMPREPLY=()");
        printf("; return;;\n");
    }
    printf("    esac\n");
}

static void bash_commands(void)
{
    printf("    case $command in\n    ''|help) words='");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        const struct sl_cli_command *c = &sl_cli_commands[i];
        if (!*c->group || begins_group(i))
            printf("%s ", *c->group ? c->group : c->name);
    }
    printf("--help --version';;\n");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        const struct sl_cli_command *c = &sl_cli_commands[i];
        if (begins_group(i)) {
            printf("    %s|'help %s') words='", c->group, c->group);
            for (size_t j = i; j < SL_CLI_COMMANDS && strcmp(sl_cli_commands[j].group, c->group) == 0; j++)
                printf("%s ", sl_cli_commands[j].name);
            printf("--help';;\n");
        }
        if (strcmp(c->name, "help") == 0)
            continue;
        printf("    '%s%s%s') words='", c->group, *c->group ? " " : "", c->name);
        bash_options(options_of(c));
        printf("';;\n");
    }
    printf("    *) words='--help';;\n    esac\n");
}

/* The command is what the line has before the cursor in words that are neither options nor options' arguments, at most
 * two. */
static void write_bash(void)
{
    printf("_sealane()\n{\n    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local command='' words='' word skip='' i\n");
    bash_option_arguments();
    printf("    for ((i = 1; i < COMP_CWORD; i++)); do\n        word=${COMP_WORDS[i]}\n"
           "        if [[ $skip ]]; then skip=''; continue; fi\n        case $word in\n        ");
    const char *bar = "";
    for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
        const struct sl_cli_option *o = &sl_cli_options[id];
        if (!*o->argument)
            continue;
        if (o->short_name)
            printf("%s-%c|--%s", bar, o->short_name, o->name);
        else
            printf("%s--%s", bar, o->name);
        bar = "|";
    }
    printf(") skip=1;;\n        -*) ;;\n        *)\n            case $command in\n            '') command=$word;;\n    "
           "        ");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        if (begins_group(i))
            printf("%s|", sl_cli_commands[i].group);
    }
    printf("help) command=\"$command $word\";;\n            esac;;\n        esac\n    done\n");
    bash_commands();
    printf("    if [[ $words && $current == -* || $command == '' || $command == help*");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        if (begins_group(i))
            printf(" || $command == %s", sl_cli_commands[i].group);
    }
    printf(" ]]; then\n        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n    else\n"
           "        compopt -o filenames\n        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n    fi\n}\n"
           "complete -F _sealane sealane\n");
}

/* Text inside single quotes and zsh's [..] and :..:. */
static void zsh_text(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'')
            fputs("'\\''", stdout);
        else if (*at == '[' || *at == ']')
            continue;
        else if (*at == ':')
            fputs("\\:", stdout);
        else
            putchar(*at);
    }
}

static void zsh_option(const struct sl_cli_option *o, const char *help, const char *name_prefix, const char *name,
                       int repeatable)
{
    printf("        '%s%s%s%s[", repeatable ? "*" : "", name_prefix, name,
           !*o->argument    ? ""
           : name_prefix[1] ? "="
                            : "+");
    zsh_text(help);
    printf("]");
    if (*o->argument) {
        printf(":%s:", o->argument);
        if (o->completion == SL_CLI_WORDS)
            printf("(%s)", o->words);
        else if (o->completion == SL_CLI_DIRECTORIES)
            printf("_files -/");
        else if (o->completion == SL_CLI_FILES)
            printf("_files");
    }
    printf("' \\\n");
}

static void write_zsh(void)
{
    printf("#compdef sealane\n_sealane()\n{\n    local -a commands\n    local command=$words[2]\n");
    printf("    if (( CURRENT == 2 )); then\n        commands=(\n");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        const struct sl_cli_command *c = &sl_cli_commands[i];
        if (*c->group && !begins_group(i))
            continue;
        printf("        '%s:", *c->group ? c->group : c->name);
        zsh_text(*c->group ? "commands of this group" : c->summary);
        printf("'\n");
    }
    printf("        )\n        _describe command commands\n        return\n    fi\n    case $command in\n");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        if (!begins_group(i))
            continue;
        printf("    %s)\n        if (( CURRENT == 3 )); then\n            commands=(\n", sl_cli_commands[i].group);
        for (size_t j = i; j < SL_CLI_COMMANDS && strcmp(sl_cli_commands[j].group, sl_cli_commands[i].group) == 0;
             j++) {
            printf("            '%s:", sl_cli_commands[j].name);
            zsh_text(sl_cli_commands[j].summary);
            printf("'\n");
        }
        printf("            )\n            _describe command commands\n            return\n        fi\n"
               "        command=\"$command $words[3]\"\n        shift words; (( CURRENT-- ));;\n");
    }
    printf("    esac\n    shift words; (( CURRENT-- ))\n    case $command in\n");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        const struct sl_cli_command *c = &sl_cli_commands[i];
        printf("    '%s%s%s') _arguments -s -S \\\n", c->group, *c->group ? " " : "", c->name);
        for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
            const struct sl_cli_option *o = &sl_cli_options[id];
            const char letter[2] = {o->short_name, '\0'};
            if (!(options_of(c) >> id & 1))
                continue;
            if (o->short_name)
                zsh_option(o, sl_cli_option_help(c, id), "-", letter, 0);
            zsh_option(o, sl_cli_option_help(c, id), "--", o->name, id == SL_CLI_CONTEXT);
        }
        printf("        '*:argument:_files';;\n");
    }
    printf("    esac\n}\n_sealane \"$@\"\n");
}

/* Text inside single quotes. */
static void fish_text(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'' || *at == '\\')
            putchar('\\');
        putchar(*at);
    }
}

static void write_fish(void)
{
    printf("complete -c sealane -f\n");
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        const struct sl_cli_command *c = &sl_cli_commands[i];
        if (!*c->group || begins_group(i)) {
            printf("complete -c sealane -n __fish_use_subcommand -a %s -d '", *c->group ? c->group : c->name);
            fish_text(*c->group ? "commands of this group" : c->summary);
            printf("'\n");
        }
        char condition[160];
        snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", *c->group ? c->group : c->name);
        if (*c->group) {
            printf("complete -c sealane -n '%s; and not __fish_seen_subcommand_from", condition);
            for (size_t j = 0; j < SL_CLI_COMMANDS; j++) {
                if (strcmp(sl_cli_commands[j].group, c->group) == 0)
                    printf(" %s", sl_cli_commands[j].name);
            }
            printf("' -a %s -d '", c->name);
            fish_text(c->summary);
            printf("'\n");
            size_t len = strlen(condition);
            snprintf(condition + len, sizeof condition - len, "; and __fish_seen_subcommand_from %s", c->name);
        }
        if (c->most > 0 && strcmp(c->name, "help") != 0)
            printf("complete -c sealane -n '%s' -F\n", condition);
        for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
            const struct sl_cli_option *o = &sl_cli_options[id];
            if (!(options_of(c) >> id & 1))
                continue;
            printf("complete -c sealane -n '%s' -l %s", condition, o->name);
            if (o->short_name)
                printf(" -s %c", o->short_name);
            if (o->completion == SL_CLI_WORDS)
                printf(" -x -a '%s'", o->words);
            else if (o->completion == SL_CLI_DIRECTORIES)
                printf(" -x -a '(__fish_complete_directories)'");
            else if (*o->argument)
                printf(o->completion == SL_CLI_FILES ? " -r" : " -x");
            printf(" -d '");
            fish_text(sl_cli_option_help(c, id));
            printf("'\n");
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "man") == 0)
        write_man(argv[2]);
    else if (strcmp(argv[1], "bash") == 0)
        write_bash();
    else if (strcmp(argv[1], "zsh") == 0)
        write_zsh();
    else if (strcmp(argv[1], "fish") == 0)
        write_fish();
    else
        return 2;
    return ferror(stdout) | fclose(stdout) ? 1 : 0;
}
