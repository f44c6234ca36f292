#define _POSIX_C_SOURCE 200809L
#include "envelope/keystore.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "envelope/keystore_file.h"

void sealane_keystore_free(sealane_keystore *keystore)
{
    if (!keystore)
        return;
    for (size_t i = 0; i < keystore->record_count; i++) {
        struct sl_record *record = &keystore->records[i];
        for (size_t j = 0; j < record->wrap_count; j++)
            free(record->wraps[j].wrapped);
        sl_secret_free(record->key);
    }
    free(keystore->records);
    json_decref(keystore->document);
    free(keystore);
}

void sl_keystore_name_failed(char failed_uri[SEALANE_KMS_URI_MAX], const char *uri)
{
    size_t len = strnlen(uri, SEALANE_KMS_URI_MAX);
    if (len == SEALANE_KMS_URI_MAX)
        len = 0;
    memcpy(failed_uri, uri, len);
    failed_uri[len] = '\0';
}

void sealane_keystore_info(const sealane_keystore *keystore, struct sealane_keystore_info *info)
{
    *info = (struct sealane_keystore_info){
        .generation = keystore->generation,
        .created_ms = keystore->created_ms,
        .record_count = keystore->record_count,
        .verified = keystore->verified,
        .accepts_ctr = keystore->accepts_ctr,
    };
    memcpy(info->uuid, keystore->uuid, sizeof info->uuid);
}

enum sealane_error sealane_keystore_record(const sealane_keystore *keystore, size_t index,
                                           struct sealane_key_record_info *info)
{
    if (index >= keystore->record_count)
        return SEALANE_E_ARGUMENT;
    const struct sl_record *record = &keystore->records[index];
    const struct sl_wrap *wrap = &record->wraps[0];
    *info = (struct sealane_key_record_info){
        .purpose = record->purpose,
        .state = record->state,
        .created_ms = record->created_ms,
        .key_len = record->key_len,
        .wrapped_len = wrap->wrapped_len,
        .kms_uri = wrap->uri,
        .context = wrap->context,
        .context_count = wrap->context_count,
    };
    memcpy(info->id, record->id, sizeof info->id);
    return SEALANE_OK;
}

static void give(struct sl_data_key *key, const struct sl_record *record)
{
    key->id = record->id;
    key->bytes = record->key;
}

enum sealane_error sl_keystore_active_key(const sealane_keystore *keystore, struct sl_data_key *key)
{
    if (!keystore->verified)
        return SEALANE_E_ARGUMENT;
    give(key, &keystore->records[keystore->active]);
    return SEALANE_OK;
}

enum sealane_error sl_keystore_find_key(const sealane_keystore *keystore, struct sl_data_key *key,
                                        const uint8_t id[SEALANE_KEY_ID_LEN])
{
    if (!keystore->verified)
        return SEALANE_E_ARGUMENT;
    for (size_t i = 0; i < keystore->record_count; i++) {
        const struct sl_record *record = &keystore->records[i];
        if (record->purpose == SEALANE_PURPOSE_ENVELOPE && memcmp(record->id, id, sizeof record->id) == 0) {
            give(key, record);
            return SEALANE_OK;
        }
    }
    return SEALANE_E_NO_SUCH_KEY;
}

const uint8_t *sl_keystore_uuid(const sealane_keystore *keystore)
{
    return keystore->uuid;
}

bool sl_keystore_accepts_ctr(const sealane_keystore *keystore)
{
    return keystore->accepts_ctr;
}

bool sl_keystore_allows_unlocked(const sealane_keystore *keystore)
{
    return keystore->allow_unlocked;
}
