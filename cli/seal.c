#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "cli/parse.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/session.h"
#include "cli/transfer.h"
#include "sealane/file.h"

/* The plaintext from the descriptor's position on; UINT64_MAX: unknown. */
static uint64_t plaintext_left(const struct sl_cli_transfer *t)
{
    const off_t position = lseek(t->in_fd, 0, SEEK_CUR);
    const bool known = S_ISREG(t->in_stat.st_mode) && position >= 0 && position <= t->in_stat.st_size;
    return known ? (uint64_t)(t->in_stat.st_size - position) : UINT64_MAX;
}

/* What unsealing will write, or a little more: the file also has a head and a tail. */
static uint64_t range_len(const struct sl_cli_transfer *t, const struct sealane_unseal_options *options)
{
    const uint64_t size = S_ISREG(t->in_stat.st_mode) ? (uint64_t)t->in_stat.st_size : UINT64_MAX;
    if (size == UINT64_MAX || options->offset >= size)
        return UINT64_MAX;
    return size - options->offset < options->length ? size - options->offset : options->length;
}

/* True once, if workers that nobody asked for took the last threads there were.  The one that writes is started before
 * anything is read or written. */
static bool goes_on_without_pool(enum sealane_error error, uint64_t threads, sealane_pool **pool, sealane_pool **used)
{
    if (error != SEALANE_E_THREAD || threads != 0 || !*pool)
        return false;
    sealane_pool_free(*pool);
    *pool = *used = NULL;
    return true;
}

/* Names that later versions will know are told apart from misspellings. */
static int check_choice(const struct sl_cli_arguments *a, enum sl_cli_option_id id, const char *known,
                        const char *planned)
{
    const char *value = a->value[id];
    if (!value || strcmp(value, known) == 0)
        return 0;
    if (strcmp(value, planned) == 0)
        return sl_cli_fail(SEALANE_E_SUITE_UNAVAILABLE, value);
    return sl_cli_usage_error(a->command, id == SL_CLI_SUITE ? "unknown suite %s" : "unknown format %s", value);
}

int sl_cli_run_seal(const struct sl_cli_arguments *a)
{
    int exit_code = check_choice(a, SL_CLI_SUITE, "ctr", "authenticated");
    if (exit_code == 0)
        exit_code = check_choice(a, SL_CLI_FORMAT, "sealane", "clickhouse");
    uint64_t threads;
    if (exit_code == 0)
        exit_code = sl_cli_check_threads(&threads, a);
    if (exit_code != 0)
        return exit_code;

    struct sl_cli_transfer t;
    exit_code = sl_cli_transfer_begin(&t, a, true);
    if (exit_code != 0)
        return exit_code;
    struct sl_cli_session session;
    sealane_pool *pool = NULL;
    exit_code = sl_cli_session_open(&session, a);
    if (exit_code == 0) {
        exit_code = sl_cli_transfer_open_output(&t);
        const int out_fd = exit_code == 0 ? sl_cli_transfer_out_fd(&t) : -1;
        if (exit_code == 0)
            exit_code = sl_cli_open_pool(&pool, threads, t.in_fd, out_fd, plaintext_left(&t));
        if (exit_code == 0) {
            struct sealane_seal_options options = SEALANE_SEAL_OPTIONS_INIT;
            options.reseal = t.force;
            options.progress = sl_cli_progress;
            options.pool = pool;
            sl_cli_progress_begin(true);
            enum sealane_error error;
            do
                error = sealane_seal(session.keystore, session.engine, t.in_fd, out_fd, &options);
            while (goes_on_without_pool(error, threads, &pool, &options.pool));
            exit_code = error ? sl_cli_transfer_fail(&t, error) : sl_cli_transfer_commit(&t);
            /* Only now: what fails says one line. */
            if (exit_code == 0) {
                sl_cli_warn_unlocked();
                if (!a->value[SL_CLI_SUITE])
                    sl_cli_warn("the data carries no tags, so a change to it cannot be noticed; --suite ctr says that "
                                "you want this",
                                NULL);
            }
        }
        sl_cli_session_close(&session);
    }
    sealane_pool_free(pool);
    sl_cli_transfer_close(&t);
    return exit_code;
}

static int parse_range(const struct sl_cli_arguments *a, struct sealane_unseal_options *options)
{
    const char *offset = a->value[SL_CLI_OFFSET];
    const char *length = a->value[SL_CLI_LENGTH];
    if (offset && !sl_cli_parse_bytes(&options->offset, offset))
        return sl_cli_usage_error(a->command, "--offset needs a number of bytes, such as 4096 or 4K, not %s", offset);
    if (length && !sl_cli_parse_bytes(&options->length, length))
        return sl_cli_usage_error(a->command, "--length needs a number of bytes, such as 4096 or 4K, not %s", length);
    return 0;
}

int sl_cli_run_unseal(const struct sl_cli_arguments *a)
{
    struct sealane_unseal_options options = SEALANE_UNSEAL_OPTIONS_INIT;
    int exit_code = parse_range(a, &options);
    uint64_t threads;
    if (exit_code == 0)
        exit_code = sl_cli_check_threads(&threads, a);
    if (exit_code != 0)
        return exit_code;

    struct sl_cli_transfer t;
    exit_code = sl_cli_transfer_begin(&t, a, false);
    if (exit_code != 0)
        return exit_code;
    struct sl_cli_session session;
    sealane_pool *pool = NULL;
    exit_code = sl_cli_session_open(&session, a);
    if (exit_code == 0) {
        exit_code = sl_cli_transfer_open_output(&t);
        const int out_fd = exit_code == 0 ? sl_cli_transfer_out_fd(&t) : -1;
        if (exit_code == 0)
            exit_code = sl_cli_open_pool(&pool, threads, t.in_fd, out_fd, range_len(&t, &options));
        if (exit_code == 0) {
            options.progress = sl_cli_progress;
            options.pool = pool;
            sl_cli_progress_begin(!isatty(out_fd));
            enum sealane_error error;
            do
                error = sealane_unseal(session.keystore, session.engine, t.in_fd, out_fd, &options);
            while (goes_on_without_pool(error, threads, &pool, &options.pool));
            exit_code = error ? sl_cli_transfer_fail(&t, error) : sl_cli_transfer_commit(&t);
            if (exit_code == 0)
                sl_cli_warn_unlocked();
        }
        sl_cli_session_close(&session);
    }
    sealane_pool_free(pool);
    sl_cli_transfer_close(&t);
    return exit_code;
}
