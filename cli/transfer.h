/* IN and OUT of a command that makes one file from another, with the rules of overwriting. */
#ifndef SEALANE_CLI_TRANSFER_H
#define SEALANE_CLI_TRANSFER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "cli/parse.h"
#include "sealane/error.h"
#include "sealane/output.h"

struct sl_cli_transfer {
    const char *in_path; /* "-": standard input */
    const char *out_path;
    const char *in_name; /* for messages */
    const char *out_name;
    bool ciphertext; /* goes out, so not to a terminal */
    bool force;
    int in_fd;
    struct stat in_stat;
    sealane_output *output; /* NULL for standard output */
};

/* Opens IN and checks, without touching it, that OUT may be written: never over a key or into a keystore, where a slip
 * would cost all data.  Returns 0 or the exit code of what it reported; then nothing is to be closed. */
int sl_cli_transfer_begin(struct sl_cli_transfer *transfer, const struct sl_cli_arguments *arguments, bool ciphertext);

/* Opens OUT.  Same returns; sl_cli_transfer_close is still to be called. */
int sl_cli_transfer_open_output(struct sl_cli_transfer *transfer);

int sl_cli_transfer_out_fd(const struct sl_cli_transfer *transfer);

/* Reports what sealing or unsealing returned, naming the file that it concerns; returns the exit code. */
int sl_cli_transfer_fail(const struct sl_cli_transfer *transfer, enum sealane_error error);

/* Gives OUT the modification time and mode of IN, plaintext no more than the umask allows, and puts it under its name.
 * Same returns. */
int sl_cli_transfer_commit(struct sl_cli_transfer *transfer);

/* Without a commit before, removes what was written. */
void sl_cli_transfer_close(struct sl_cli_transfer *transfer);

#endif
