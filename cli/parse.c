#include "cli/parse.h"

#include <string.h>

#include "cli/report.h"

bool sl_cli_parse_bytes(uint64_t *bytes, const char *text)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (at == text)
        return false;
    if (*at) {
        static const char units[] = "KMGT";
        const char *unit = strchr(units, *at);
        if (!unit || at[1])
            return false;
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
    }
    *bytes = value;
    return true;
}

size_t sl_cli_find_command(const struct sl_cli_command **command, const char **group, char *const *word, size_t count)
{
    *command = NULL;
    *group = NULL;
    if (count == 0)
        return 0;
    for (size_t i = 0; i < SL_CLI_COMMANDS; i++) {
        const struct sl_cli_command *c = &sl_cli_commands[i];
        if (*c->group && strcmp(c->group, word[0]) == 0) {
            *group = c->group;
            if (count > 1 && strcmp(c->name, word[1]) == 0) {
                *command = c;
                return 2;
            }
        } else if (!*c->group && strcmp(c->name, word[0]) == 0) {
            *command = c;
            return 1;
        }
    }
    return *group ? 1 : 0;
}

static bool find_long(size_t *id, const char *name, size_t len)
{
    for (size_t i = 0; i < SL_CLI_OPTIONS; i++) {
        if (strlen(sl_cli_options[i].name) == len && memcmp(sl_cli_options[i].name, name, len) == 0) {
            *id = i;
            return true;
        }
    }
    return false;
}

static bool find_short(size_t *id, char letter)
{
    for (size_t i = 0; i < SL_CLI_OPTIONS; i++) {
        if (sl_cli_options[i].short_name && sl_cli_options[i].short_name == letter) {
            *id = i;
            return true;
        }
    }
    return false;
}

static bool usage(const char *format, const char *text)
{
    (void)sl_cli_usage_error(NULL, format, text);
    return false;
}

static bool keep(struct sl_cli_arguments *a, size_t id, char *value)
{
    a->given |= UINT32_C(1) << id;
    if (!value)
        return true;
    if (!*value)
        return usage("option --%s needs an argument that is not empty", sl_cli_options[id].name);
    if (id == SL_CLI_CONTEXT) {
        if (a->context_count == SEALANE_KMS_CONTEXT_MAX)
            return usage("option --%s is given too often", sl_cli_options[id].name);
        a->context[a->context_count++] = value;
        return true;
    }
    if (a->value[id])
        return usage("option --%s is given twice", sl_cli_options[id].name);
    a->value[id] = value;
    return true;
}

/* The option at argv[*at]; moves *at to the last word it used. */
static bool parse_option(struct sl_cli_arguments *a, int argc, char **argv, int *at)
{
    char *word = argv[*at];
    char *value = NULL;
    size_t id;
    if (word[1] == '-') {
        char *equals = strchr(word, '=');
        size_t len = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        if (!find_long(&id, word + 2, len))
            return usage("unknown option %s", word);
        value = equals ? equals + 1 : NULL;
    } else {
        if (!find_short(&id, word[1]))
            return usage("unknown option %s", word);
        value = word[2] ? word + 2 : NULL;
    }
    const struct sl_cli_option *option = &sl_cli_options[id];
    if (!*option->argument && value)
        return usage("option --%s takes no argument", option->name);
    if (*option->argument && !value) {
        if (*at + 1 >= argc)
            return usage("option --%s needs an argument", option->name);
        value = argv[++*at];
    }
    return keep(a, id, value);
}

static bool check_options(const struct sl_cli_arguments *a)
{
    const struct sl_cli_command *c = a->command;
    uint32_t strange = a->given & ~(c->required | c->optional | UINT32_C(1) << SL_CLI_HELP);
    uint32_t missing = c->required & ~a->given;
    for (size_t id = 0; id < SL_CLI_OPTIONS; id++) {
        if (strange >> id & 1) {
            (void)sl_cli_usage_error(c, "this command takes no option --%s", sl_cli_options[id].name);
            return false;
        }
        if (missing >> id & 1) {
            (void)sl_cli_usage_error(c, "option --%s is missing", sl_cli_options[id].name);
            return false;
        }
    }
    return true;
}

static bool check_words(const struct sl_cli_arguments *a)
{
    const struct sl_cli_command *c = a->command;
    if (a->word_count < c->least) {
        (void)sl_cli_usage_error(c, "too few arguments: this command needs %s", c->arguments);
        return false;
    }
    if (a->word_count > c->most) {
        (void)sl_cli_usage_error(c, "too many arguments: %s", a->word[c->most]);
        return false;
    }
    return true;
}

bool sl_cli_parse(struct sl_cli_arguments *a, int argc, char **argv)
{
    *a = (struct sl_cli_arguments){0};
    size_t words = 0;
    bool options_ended = false;
    for (int at = 1; at < argc; at++) {
        char *word = argv[at];
        if (word[0] == '\0')
            return usage("an argument is empty", NULL);
        if (options_ended || word[0] != '-' || word[1] == '\0')
            argv[words++] = word; /* never ahead of `at` */
        else if (strcmp(word, "--") == 0)
            options_ended = true;
        else if (!parse_option(a, argc, argv, &at))
            return false;
    }
    if (sl_cli_given(a, SL_CLI_VERSION))
        return true;
    if (words == 0)
        return sl_cli_given(a, SL_CLI_HELP) || usage("a command is missing", NULL);
    size_t used = sl_cli_find_command(&a->command, &a->group, argv, words);
    if (used == 0)
        return usage("unknown command %s", argv[0]);
    a->word = argv + used;
    a->word_count = words - used;
    if (!a->command && a->word_count > 0)
        return usage("unknown command %s", a->word[0]);
    if (sl_cli_given(a, SL_CLI_HELP))
        return true;
    if (!a->command)
        return usage("a command is missing after %s", argv[0]);
    return check_options(a) && check_words(a);
}
