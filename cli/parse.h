/* The command line: options anywhere, `--name value` and `--name=value`, `--` ends options. */
#ifndef SEALANE_CLI_PARSE_H
#define SEALANE_CLI_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/table.h"
#include "sealane/kms.h"

struct sl_cli_arguments {
    const struct sl_cli_command *command; /* NULL: none was named (then --help was), or --version was given */
    const char *group;                    /* with --help, a group that was named without a command of it; or NULL */
    char *const *word;                    /* the command's own arguments */
    size_t word_count;
    uint32_t given;                         /* bit 1 << id per option */
    const char *value[SL_CLI_OPTIONS];      /* NULL where not given */
    char *context[SEALANE_KMS_CONTEXT_MAX]; /* each KEY=VALUE */
    size_t context_count;
};

/* Reorders argv.  Strings stay where they are.  False: a usage error was reported. */
bool sl_cli_parse(struct sl_cli_arguments *arguments, int argc, char **argv);

/* A decimal number of bytes with an optional K, M, G or T for powers of 1024.  False if it is none or beyond 2^64 - 1.
 */
bool sl_cli_parse_bytes(uint64_t *bytes, const char *text);

/* Finds a command, or only a group (*command NULL), by `count` words; returns how many of them name it, 0 if none. */
size_t sl_cli_find_command(const struct sl_cli_command **command, const char **group, char *const *word, size_t count);

static inline bool sl_cli_given(const struct sl_cli_arguments *arguments, enum sl_cli_option_id id)
{
    return (arguments->given >> id & 1) != 0;
}

#endif
