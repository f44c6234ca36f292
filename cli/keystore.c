#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/parse.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/session.h"
#include "cli/text.h"
#include "sealane/keystore.h"

static const char own_keys[] = "sealane:";
_Static_assert(SEALANE_KEYSTORE_CONTEXT_MAX == 13, "a message says so");

/* Splits the --context arguments in place. */
static int parse_context(const struct sl_cli_arguments *a, struct sealane_kms_pair *pairs)
{
    if (a->context_count > SEALANE_KEYSTORE_CONTEXT_MAX)
        return sl_cli_usage_error(a->command, "--context is given too often: 13 pairs are the most", NULL);
    for (size_t i = 0; i < a->context_count; i++) {
        if (!sl_cli_is_utf8(a->context[i]))
            return sl_cli_usage_error(a->command, "--context must be UTF-8, not %s", a->context[i]);
        if (strncmp(a->context[i], own_keys, strlen(own_keys)) == 0)
            return sl_cli_usage_error(a->command, "--context keys that begin with sealane: are the keystore's own: %s",
                                      a->context[i]);
        char *equals = strchr(a->context[i], '=');
        if (!equals || equals == a->context[i])
            return sl_cli_usage_error(a->command, "--context needs KEY=VALUE, not %s", a->context[i]);
        *equals = '\0';
        pairs[i] = (struct sealane_kms_pair){a->context[i], equals + 1};
        if (strlen(pairs[i].key) >= SEALANE_KMS_CONTEXT_TEXT_MAX ||
            strlen(pairs[i].value) >= SEALANE_KMS_CONTEXT_TEXT_MAX)
            return sl_cli_usage_error(a->command, "--context takes at most 255 bytes each: %s", pairs[i].key);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(pairs[j].key, pairs[i].key) == 0)
                return sl_cli_usage_error(a->command, "--context has this key twice: %s", pairs[i].key);
        }
    }
    return 0;
}

int sl_cli_run_keystore_create(const struct sl_cli_arguments *a)
{
    struct sealane_kms_pair pairs[SEALANE_KMS_CONTEXT_MAX];
    int exit_code = parse_context(a, pairs);
    if (exit_code == 0)
        exit_code = sl_cli_check_kms(a, a->value[SL_CLI_KMS], true);
    if (exit_code != 0)
        return exit_code;
    struct sealane_keystore_options options = SEALANE_KEYSTORE_OPTIONS_INIT;
    options.kms_uri = a->value[SL_CLI_KMS];
    options.context = pairs;
    options.context_count = a->context_count;
    options.allow_unlocked_memory = sl_cli_given(a, SL_CLI_UNLOCKED);
    char failed_uri[SEALANE_KMS_URI_MAX];
    options.failed_uri = failed_uri;
    enum sealane_error error = sealane_keystore_create(a->word[0], &options);
    if (error == SEALANE_E_ARGUMENT && !*failed_uri) /* the others have been checked */
        return sl_cli_usage_error(a->command, "DIR must be the name of a directory that can be made, not %s",
                                  a->word[0]);
    if (error)
        return sl_cli_fail(error, *failed_uri ? failed_uri : a->word[0]);
    sl_cli_warn_if_unlockable(a);
    if (!options.kms_uri)
        sl_cli_note("%s/kek is the key-encryption key: beside the data it is for trials only; use --kms for the rest",
                    a->word[0]);
    return 0;
}

static const char *purpose_name(enum sealane_key_purpose purpose)
{
    return purpose == SEALANE_PURPOSE_ENVELOPE ? "envelope" : "unknown";
}

static const char *state_name(enum sealane_key_state state)
{
    switch (state) {
    case SEALANE_KEY_ACTIVE:
        return "active";
    case SEALANE_KEY_DECRYPT_ONLY:
        return "decrypt-only";
    }
    return "unknown";
}

/* The record's key written out, or as it stands there if that cannot be. */
static void resolve(char resolved[SEALANE_KMS_URI_MAX], const char *directory,
                    const struct sealane_key_record_info *record)
{
    struct sealane_kms_options options = SEALANE_KMS_OPTIONS_INIT;
    options.base_directory = directory;
    if (sealane_kms_resolve(resolved, record->kms_uri, &options))
        snprintf(resolved, SEALANE_KMS_URI_MAX, "%s", record->kms_uri);
}

static json_t *record_json(const struct sealane_key_record_info *record, const char *directory)
{
    char resolved[SEALANE_KMS_URI_MAX];
    resolve(resolved, directory, record);
    int failed = 0;
    json_t *o = json_object();
    failed |= json_object_set_new(o, "id", sl_cli_json_hex(record->id, sizeof record->id));
    failed |= json_object_set_new(o, "purpose", json_string(purpose_name(record->purpose)));
    failed |= json_object_set_new(o, "state", json_string(state_name(record->state)));
    failed |= json_object_set_new(o, "created", sl_cli_json_time(record->created_ms));
    failed |= json_object_set_new(o, "created_ms", sl_cli_json_u64(record->created_ms));
    failed |= json_object_set_new(o, "key_bytes", sl_cli_json_u64(record->key_len));
    failed |= json_object_set_new(o, "wrapped_bytes", sl_cli_json_u64(record->wrapped_len));
    failed |= json_object_set_new(o, "kms", sl_cli_json_text(record->kms_uri));
    failed |= json_object_set_new(o, "kms_resolved", sl_cli_json_text(resolved));
    json_t *context = json_array();
    for (size_t i = 0; i < record->context_count; i++) {
        json_t *pair = json_object();
        failed |= json_object_set_new(pair, "key", sl_cli_json_text(record->context[i].key));
        failed |= json_object_set_new(pair, "value", sl_cli_json_text(record->context[i].value));
        failed |= json_array_append_new(context, pair);
    }
    failed |= json_object_set_new(o, "context", context);
    return sl_cli_json_whole(o, failed);
}

static int print_json(const sealane_keystore *keystore, const struct sealane_keystore_info *info, const char *directory)
{
    json_t *o = json_object();
    int failed = json_object_set_new(o, "uuid", sl_cli_json_uuid(info->uuid));
    failed |= json_object_set_new(o, "verified", json_boolean(info->verified));
    failed |= json_object_set_new(o, "generation", sl_cli_json_u64(info->generation));
    failed |= json_object_set_new(o, "created", sl_cli_json_time(info->created_ms));
    failed |= json_object_set_new(o, "created_ms", sl_cli_json_u64(info->created_ms));
    failed |= json_object_set_new(o, "accepts_ctr", json_boolean(info->accepts_ctr));
    json_t *keys = json_array();
    for (size_t i = 0; i < info->record_count; i++) {
        struct sealane_key_record_info record;
        failed |= sealane_keystore_record(keystore, i, &record)
                      ? 1
                      : json_array_append_new(keys, record_json(&record, directory));
    }
    failed |= json_object_set_new(o, "data_keys", keys);
    return sl_cli_json_print(o, failed);
}

static void print_record(const struct sealane_key_record_info *record, const char *directory)
{
    char resolved[SEALANE_KMS_URI_MAX];
    resolve(resolved, directory, record);
    char id[2 * sizeof record->id + 1], time[SL_CLI_TIME_TEXT];
    sl_cli_format_hex(id, record->id, sizeof record->id);
    sl_cli_format_time(time, record->created_ms);
    printf("\n");
    sl_cli_print_label("Data key");
    printf("%s\n", id);
    sl_cli_print_label("  Purpose");
    printf("%s, %s\n", purpose_name(record->purpose), state_name(record->state));
    sl_cli_print_label("  Created");
    printf("%s\n", time);
    sl_cli_print_label("  Length");
    printf("%zu bytes, %zu wrapped\n", record->key_len, record->wrapped_len);
    sl_cli_print_label("  Service");
    sl_cli_print_visible(stdout, record->kms_uri);
    if (strcmp(resolved, record->kms_uri) != 0) {
        printf(" (");
        sl_cli_print_visible(stdout, resolved);
        printf(")");
    }
    printf("\n");
    for (size_t i = 0; i < record->context_count; i++) {
        sl_cli_print_label(i == 0 ? "  Context" : "");
        sl_cli_print_visible(stdout, record->context[i].key);
        printf("=");
        sl_cli_print_visible(stdout, record->context[i].value);
        printf("\n");
    }
}

static int print_keystore(const sealane_keystore *keystore, const struct sl_cli_arguments *a)
{
    struct sealane_keystore_info info;
    sealane_keystore_info(keystore, &info);
    if (sl_cli_given(a, SL_CLI_JSON))
        return print_json(keystore, &info, a->word[0]);
    char uuid[SL_CLI_UUID_TEXT], time[SL_CLI_TIME_TEXT];
    sl_cli_format_uuid(uuid, info.uuid);
    sl_cli_format_time(time, info.created_ms);
    sl_cli_print_label("Keystore");
    printf("%s\n", uuid);
    sl_cli_print_label("State");
    printf("%s\n", info.verified ? "verified" : "not verified");
    sl_cli_print_label("Generation");
    printf("%" PRIu64 "\n", info.generation);
    sl_cli_print_label("Created");
    printf("%s\n", time);
    sl_cli_print_label("Policy");
    printf("%s\n", info.accepts_ctr ? "accepts files without tags (suite ctr)" : "accepts only files with tags");
    sl_cli_print_label("Data keys");
    printf("%zu\n", info.record_count);
    for (size_t i = 0; i < info.record_count; i++) {
        struct sealane_key_record_info record;
        enum sealane_error error = sealane_keystore_record(keystore, i, &record);
        if (error)
            return sl_cli_fail(error, a->word[0]);
        print_record(&record, a->word[0]);
    }
    return 0;
}

int sl_cli_run_keystore_show(const struct sl_cli_arguments *a)
{
    sealane_keystore *keystore;
    enum sealane_error error = sealane_keystore_read(&keystore, a->word[0]);
    if (error)
        return sl_cli_fail(error, a->word[0]);
    int exit_code = print_keystore(keystore, a);
    sealane_keystore_free(keystore);
    return exit_code;
}

int sl_cli_run_keystore_verify(const struct sl_cli_arguments *a)
{
    sealane_keystore *keystore;
    int exit_code = sl_cli_open_keystore(&keystore, a->word[0], a);
    if (exit_code != 0)
        return exit_code;
    sl_cli_warn_unlocked();
    exit_code = print_keystore(keystore, a);
    sealane_keystore_free(keystore);
    return exit_code;
}
