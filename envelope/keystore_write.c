#include <stdlib.h>
#include <string.h>

#include "envelope/keystore_file.h"

/* All functions here steal what they are given, as jansson's _new ones do; a NULL value (no memory, or no UTF-8) makes
 * the whole NULL. */
static json_t *with(json_t *object, const char *member, json_t *value)
{
    if (json_object_set_new(object, member, value) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *appended(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *hex(const uint8_t *data, size_t len)
{
    char text[2 * SL_HASH_LEN + 1];
    sl_hex_encode(text, data, len);
    return json_string(text);
}

static json_t *wrap_json(const struct sl_wrap *wrap)
{
    char base64[SL_BASE64_SIZE(SEALANE_KMS_WRAP_MAX)];
    sl_base64_encode(base64, wrap->wrapped, wrap->wrapped_len);
    json_t *context = json_object();
    for (size_t i = 0; i < wrap->context_count; i++)
        context = with(context, wrap->context[i].key, json_string(wrap->context[i].value));
    json_t *object = with(json_object(), "kms", json_string(wrap->uri));
    object = with(object, "kek_version", json_string(wrap->kek_version));
    object = with(object, "context", context);
    return with(object, "wrapped", json_string(base64));
}

static json_t *record_json(const struct sl_record *record)
{
    json_t *wraps = json_array();
    for (size_t i = 0; i < record->wrap_count; i++)
        wraps = appended(wraps, wrap_json(&record->wraps[i]));
    json_t *object = with(json_object(), "id", hex(record->id, sizeof record->id));
    object = with(object, "purpose", json_string(sl_purpose_name(record->purpose)));
    object = with(object, "state", json_string(sl_state_name(record->state)));
    object = with(object, "created_ms", json_integer((json_int_t)record->created_ms));
    object = with(object, "key_len", json_integer((json_int_t)record->key_len));
    object = with(object, "wraps", wraps);
    return with(object, "mac", hex(record->mac, sizeof record->mac));
}

static json_t *document_json(const sealane_keystore *keystore)
{
    json_t *accept = json_array();
    if (keystore->accepts_ctr)
        accept = appended(accept, json_string("ctr"));
    json_t *records = json_array();
    for (size_t i = 0; i < keystore->record_count; i++)
        records = appended(records, record_json(&keystore->records[i]));
    json_t *object = with(json_object(), "format", json_string(SL_KEYSTORE_FORMAT));
    object = with(object, "version", json_integer(SL_KEYSTORE_VERSION));
    object = with(object, "store", hex(keystore->uuid, sizeof keystore->uuid));
    object = with(object, "generation", json_integer((json_int_t)keystore->generation));
    object = with(object, "created_ms", json_integer((json_int_t)keystore->created_ms));
    object = with(object, "policy", with(json_object(), "accept", accept));
    return with(object, "records", records);
}

enum sealane_error sl_keystore_serialize(char **text, size_t *len, const sealane_keystore *keystore)
{
    *text = NULL;
    json_t *document = document_json(keystore);
    if (!document)
        return SEALANE_E_ARGUMENT;
    const size_t flags = JSON_INDENT(2);
    size_t json_len = json_dumpb(document, NULL, 0, flags);
    char *out = malloc(json_len + 1 + SL_KEYSTORE_TRAILER_LEN + 1);
    if (json_len == 0 || !out || json_dumpb(document, out, json_len, flags) != json_len) {
        json_decref(document);
        free(out);
        return SEALANE_E_NO_MEMORY;
    }
    json_decref(document);
    out[json_len++] = '\n';

    uint8_t mac[SL_HASH_LEN];
    enum sealane_error error = sl_keystore_file_mac(mac, keystore, out, json_len);
    if (!error && json_len + SL_KEYSTORE_TRAILER_LEN > SL_KEYSTORE_SIZE_MAX)
        error = SEALANE_E_ARGUMENT;
    if (error) {
        free(out);
        return error;
    }
    char *at = out + json_len;
    memcpy(at, SL_KEYSTORE_TRAILER, strlen(SL_KEYSTORE_TRAILER));
    at += strlen(SL_KEYSTORE_TRAILER);
    sl_hex_encode(at, mac, sizeof mac);
    at[2 * sizeof mac] = '\n';
    *text = out;
    *len = json_len + SL_KEYSTORE_TRAILER_LEN;
    return SEALANE_OK;
}
