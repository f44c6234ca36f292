/* What no command may overwrite, --force or not: all data sealed under it would be lost. */
#ifndef SEALANE_CLI_GUARD_H
#define SEALANE_CLI_GUARD_H

#include "cli/parse.h"

/* 0, or the exit code of what it reported: OUT lies in the keystore that the arguments name, or exists and is a
 * key-encryption key, or the very file that this keystore's records name, or lies in another keystore.  All links are
 * followed.  A keystore that cannot be read is for the command itself to report. */
int sl_cli_guard_output(const struct sl_cli_arguments *arguments, const char *out_path);

#endif
