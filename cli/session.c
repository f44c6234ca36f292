#include "cli/session.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/report.h"
#include "cli/text.h"
#include "sealane/file.h"
#include "sealane/memory.h"

int sl_cli_open_engine(sealane_engine **engine, const struct sl_cli_arguments *a)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = a->value[SL_CLI_KERNEL];
    options.allow_unlocked_memory = sl_cli_given(a, SL_CLI_UNLOCKED);
    enum sealane_error error = sealane_engine_create(engine, &options);
    return error ? sl_cli_fail(error, options.kernel) : 0;
}

int sl_cli_check_threads(uint64_t *threads, const struct sl_cli_arguments *a)
{
    sealane_topology *topology;
    struct sealane_topology_info info;
    const char *value = a->value[SL_CLI_THREADS];
    char text[96];
    *threads = 0;
    if (!value)
        return 0;
    /* A thousand threads are not "1K". */
    if (strspn(value, "0123456789") != strlen(value) || !sl_cli_parse_bytes(threads, value) || *threads == 0)
        return sl_cli_usage_error(a->command, "--threads needs a number from 1 on, not %s", value);
    if (*threads == 1)
        return 0;
    if (sealane_topology_create(&topology))
        return sl_cli_fail(SEALANE_E_IO, "--threads: the system does not tell which processors there are");
    sealane_topology_info(topology, &info);
    sealane_topology_free(topology);
    if (*threads <= info.processors)
        return 0;
    snprintf(text, sizeof text, "%.32s: this process may use at most %u", value, info.processors);
    return sl_cli_usage_error(a->command, "--threads %s", text);
}

int sl_cli_open_pool(sealane_pool **pool, uint64_t threads, int in_fd, int out_fd, uint64_t len)
{
    struct sealane_pool_options options = SEALANE_POOL_OPTIONS_INIT;
    *pool = NULL;
    if (threads == 1 || !sealane_file_uses_pool(in_fd, out_fd, len))
        return 0;
    options.threads = (unsigned)threads;
    enum sealane_error error = sealane_pool_create(pool, &options);
    if (error && threads == 0)
        return 0; /* nobody asked for one: without, long files take longer */
    if (!error && sealane_pool_workers(*pool) == 1) {
        sealane_pool_free(*pool);
        *pool = NULL;
    }
    return error ? sl_cli_fail(error, NULL) : 0;
}

int sl_cli_check_kms(const struct sl_cli_arguments *a, const char *uri, bool stored)
{
    char resolved[SEALANE_KMS_URI_MAX];
    if (!uri)
        return 0;
    const bool is_option = a->value[SL_CLI_KMS] == uri;
    enum sealane_error error = sealane_kms_resolve(resolved, uri, NULL);
    if (error == SEALANE_E_ARGUMENT)
        return sl_cli_usage_error(
            a->command, is_option ? "--kms needs a URI such as file:PATH, not %s" : "URI must be file:PATH, not %s",
            uri);
    if (error)
        return sl_cli_fail(error, uri);
    if (stored && !sl_cli_is_utf8(resolved))
        return sl_cli_usage_error(a->command, "a keystore cannot name a key whose path is not UTF-8: %s", resolved);
    return 0;
}

int sl_cli_open_keystore(sealane_keystore **keystore, const char *directory, const struct sl_cli_arguments *a)
{
    int exit_code = sl_cli_check_kms(a, a->value[SL_CLI_KMS], false);
    if (exit_code != 0)
        return exit_code;
    struct sealane_keystore_options options = SEALANE_KEYSTORE_OPTIONS_INIT;
    options.kms_uri = a->value[SL_CLI_KMS];
    options.allow_unlocked_memory = sl_cli_given(a, SL_CLI_UNLOCKED);
    char failed_uri[SEALANE_KMS_URI_MAX];
    options.failed_uri = failed_uri;
    enum sealane_error error = sealane_keystore_open(keystore, directory, &options);
    return error ? sl_cli_fail(error, *failed_uri ? failed_uri : directory) : 0;
}

void sl_cli_warn_unlocked(void)
{
    if (sealane_memory_unlocked())
        sl_cli_warn(
            "keys lie in memory that could not be locked and may be swapped out; raise RLIMIT_MEMLOCK (ulimit -l)",
            NULL);
}

void sl_cli_warn_if_unlockable(const struct sl_cli_arguments *a)
{
    static const uint8_t worthless[SEALANE_KEY_LEN];
    if (!sl_cli_given(a, SL_CLI_UNLOCKED))
        return;
    sealane_engine *engine;
    if (sl_cli_open_engine(&engine, a) != 0)
        return;
    sealane_key *key;
    if (!sealane_key_create(engine, &key, worthless))
        sl_cli_warn_unlocked();
    sealane_key_free(key);
    sealane_engine_free(engine);
}

int sl_cli_session_open(struct sl_cli_session *session, const struct sl_cli_arguments *a)
{
    *session = (struct sl_cli_session){NULL, NULL};
    int exit_code = sl_cli_open_engine(&session->engine, a);
    if (exit_code == 0)
        exit_code = sl_cli_open_keystore(&session->keystore, a->value[SL_CLI_KEYSTORE], a);
    if (exit_code != 0)
        sl_cli_session_close(session);
    return exit_code;
}

void sl_cli_session_close(struct sl_cli_session *session)
{
    sealane_keystore_free(session->keystore);
    sealane_engine_free(session->engine);
    *session = (struct sl_cli_session){NULL, NULL};
}
