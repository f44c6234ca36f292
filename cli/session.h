/* What seal and unseal need besides their files: a verified keystore and an engine, as the options say. */
#ifndef SEALANE_CLI_SESSION_H
#define SEALANE_CLI_SESSION_H

#include <stdbool.h>

#include "cli/parse.h"
#include "sealane/engine.h"
#include "sealane/keystore.h"
#include "sealane/pool.h"

struct sl_cli_session {
    sealane_engine *engine;
    sealane_keystore *keystore;
};

/* Returns 0, or the exit code of what it reported; then nothing is to be closed. */
int sl_cli_session_open(struct sl_cli_session *session, const struct sl_cli_arguments *arguments);
void sl_cli_session_close(struct sl_cli_session *session);

/* The parts alone; same returns. */
int sl_cli_open_engine(sealane_engine **engine, const struct sl_cli_arguments *arguments);
int sl_cli_open_keystore(sealane_keystore **keystore, const char *directory, const struct sl_cli_arguments *arguments);

/* *threads: what --threads says, 0 without it.  Same returns. */
int sl_cli_check_threads(uint64_t *threads, const struct sl_cli_arguments *arguments);

/* *pool: of so many threads, for that much plaintext (UINT64_MAX: unknown); NULL where a pool would not be used, or
 * cannot be had and nobody asked for it.  Same returns. */
int sl_cli_open_pool(sealane_pool **pool, uint64_t threads, int in_fd, int out_fd, uint64_t len);

/* The URI of a key service (NULL is fine) as an argument: 0, or the exit code of what it reported.  `stored`: a
 * keystore will have to name the key, which takes UTF-8. */
int sl_cli_check_kms(const struct sl_cli_arguments *arguments, const char *uri, bool stored);

/* Warns if keys lie in memory that could not be locked. */
void sl_cli_warn_unlocked(void);

/* The same where the library has freed the keys already: tries with a key of no value whether memory can be locked. */
void sl_cli_warn_if_unlockable(const struct sl_cli_arguments *arguments);

#endif
