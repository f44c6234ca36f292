#include <stdlib.h>
#include <string.h>

#include "envelope/keystore_file.h"

static const struct {
    enum sealane_key_purpose value;
    const char *name;
} purposes[] = {{SEALANE_PURPOSE_ENVELOPE, "envelope"}};

static const struct {
    enum sealane_key_state value;
    const char *name;
} states[] = {{SEALANE_KEY_ACTIVE, "active"}, {SEALANE_KEY_DECRYPT_ONLY, "decrypt-only"}};

const char *sl_purpose_name(enum sealane_key_purpose purpose)
{
    for (size_t i = 0; i < sizeof purposes / sizeof purposes[0]; i++) {
        if (purposes[i].value == purpose)
            return purposes[i].name;
    }
    return NULL;
}

const char *sl_state_name(enum sealane_key_state state)
{
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (states[i].value == state)
            return states[i].name;
    }
    return NULL;
}

static int by_key(const void *a, const void *b)
{
    const struct sealane_kms_pair *x = a;
    const struct sealane_kms_pair *y = b;
    return strcmp(x->key, y->key);
}

bool sl_keystore_sort_context(struct sealane_kms_pair *pairs, size_t count)
{
    if (count > 0)
        qsort(pairs, count, sizeof pairs[0], by_key);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(pairs[i - 1].key, pairs[i].key) == 0)
            return false;
    }
    return true;
}

/* The member's text if it is one of less than `size` bytes, else NULL.  The parser refuses zeros within texts. */
static const char *text_of(const json_t *object, const char *member, size_t size)
{
    const json_t *value = json_object_get(object, member);
    return json_is_string(value) && json_string_length(value) < size ? json_string_value(value) : NULL;
}

static bool bytes_of(const json_t *object, const char *member, uint8_t *out, size_t len)
{
    const char *text = text_of(object, member, 2 * len + 1);
    return text && sl_hex_decode(out, len, text, strlen(text));
}

static bool number_of(const json_t *object, const char *member, uint64_t *out)
{
    const json_t *value = json_object_get(object, member);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* The parser refuses doubled members, so that the right number of them and each one found means no unknown ones. */
static bool has_members(const json_t *value, size_t count)
{
    return json_is_object(value) && json_object_size(value) == count;
}

static bool parse_context(struct sl_wrap *wrap, json_t *object)
{
    if (!json_is_object(object) || json_object_size(object) > SEALANE_KMS_CONTEXT_MAX)
        return false;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (key[0] == '\0' || strlen(key) >= SEALANE_KMS_CONTEXT_TEXT_MAX || !json_is_string(value) ||
            json_string_length(value) >= SEALANE_KMS_CONTEXT_TEXT_MAX)
            return false;
        wrap->context[wrap->context_count++] = (struct sealane_kms_pair){key, json_string_value(value)};
    }
    return sl_keystore_sort_context(wrap->context, wrap->context_count);
}

/* Our own pairs say the same as the record; a wrap moved between records or stores is refused before any service sees
 * it. */
static bool context_matches(const struct sl_wrap *wrap, const sealane_keystore *keystore,
                            const struct sl_record *record)
{
    char store[SL_ID_TEXT];
    char id[SL_ID_TEXT];
    sl_hex_encode(store, keystore->uuid, sizeof keystore->uuid);
    sl_hex_encode(id, record->id, sizeof record->id);
    size_t found = 0;
    for (size_t i = 0; i < wrap->context_count; i++) {
        const char *key = wrap->context[i].key;
        const char *value = wrap->context[i].value;
        if (strncmp(key, SL_CONTEXT_RESERVED, strlen(SL_CONTEXT_RESERVED)) != 0)
            continue;
        const char *name = key + strlen(SL_CONTEXT_RESERVED);
        bool right = (strcmp(name, "store") == 0 && strcmp(value, store) == 0) ||
                     (strcmp(name, "key") == 0 && strcmp(value, id) == 0) ||
                     (strcmp(name, "purpose") == 0 && strcmp(value, sl_purpose_name(record->purpose)) == 0);
        if (!right)
            return false;
        found++;
    }
    return found == SL_FIXED_PAIRS;
}

static bool parse_wrap(struct sl_wrap *wrap, const json_t *object)
{
    if (!has_members(object, 4))
        return false;
    wrap->uri = text_of(object, "kms", SEALANE_KMS_URI_MAX);
    wrap->kek_version = text_of(object, "kek_version", SL_KEK_VERSION_MAX);
    const char *wrapped = text_of(object, "wrapped", SL_BASE64_SIZE(SEALANE_KMS_WRAP_MAX));
    return wrap->uri && wrap->kek_version && wrapped &&
           sl_base64_decode(&wrap->wrapped, &wrap->wrapped_len, SEALANE_KMS_WRAP_MAX, wrapped) &&
           parse_context(wrap, json_object_get(object, "context"));
}

/* A name that is not in its table is that of a newer version. */
static enum sealane_error parse_names(struct sl_record *record, const json_t *object)
{
    const char *purpose = text_of(object, "purpose", 64);
    const char *state = text_of(object, "state", 64);
    if (!purpose || !state)
        return SEALANE_E_KEYSTORE_DAMAGED;
    for (size_t i = 0; i < sizeof purposes / sizeof purposes[0]; i++) {
        if (strcmp(purposes[i].name, purpose) == 0)
            record->purpose = purposes[i].value;
    }
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(states[i].name, state) == 0)
            record->state = states[i].value;
    }
    return record->purpose && record->state ? SEALANE_OK : SEALANE_E_UNSUPPORTED;
}

static enum sealane_error parse_record(sealane_keystore *keystore, struct sl_record *record, const json_t *object)
{
    uint64_t key_len;
    const json_t *wraps = json_object_get(object, "wraps");
    if (!has_members(object, 7) || !bytes_of(object, "id", record->id, sizeof record->id) ||
        !number_of(object, "created_ms", &record->created_ms) || !number_of(object, "key_len", &key_len) ||
        !bytes_of(object, "mac", record->mac, sizeof record->mac) || !json_is_array(wraps))
        return SEALANE_E_KEYSTORE_DAMAGED;
    enum sealane_error error = parse_names(record, object);
    if (error)
        return error;
    record->key_len = SL_DATA_KEY_LEN;
    size_t wrap_count = json_array_size(wraps);
    if (key_len != SL_DATA_KEY_LEN || wrap_count < 1 || wrap_count > SL_WRAPS_MAX)
        return SEALANE_E_KEYSTORE_DAMAGED;
    for (size_t i = 0; i < wrap_count; i++) {
        struct sl_wrap *wrap = &record->wraps[record->wrap_count++];
        if (!parse_wrap(wrap, json_array_get(wraps, i)) || !context_matches(wrap, keystore, record))
            return SEALANE_E_KEYSTORE_DAMAGED;
    }
    return SEALANE_OK;
}

static enum sealane_error parse_records(sealane_keystore *keystore, const json_t *array)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count == 0)
        return SEALANE_E_KEYSTORE_DAMAGED;
    keystore->records = calloc(count, sizeof keystore->records[0]);
    if (!keystore->records)
        return SEALANE_E_NO_MEMORY;
    size_t active = 0;
    for (size_t i = 0; i < count; i++) {
        struct sl_record *record = &keystore->records[keystore->record_count++];
        enum sealane_error error = parse_record(keystore, record, json_array_get(array, i));
        if (error)
            return error;
        for (size_t j = 0; j < i; j++) {
            if (memcmp(keystore->records[j].id, record->id, sizeof record->id) == 0)
                return SEALANE_E_KEYSTORE_DAMAGED;
        }
        if (record->state == SEALANE_KEY_ACTIVE) {
            keystore->active = i;
            active++;
        }
    }
    return active == 1 ? SEALANE_OK : SEALANE_E_KEYSTORE_DAMAGED;
}

static enum sealane_error parse_policy(sealane_keystore *keystore, const json_t *policy)
{
    const json_t *accept = json_object_get(policy, "accept");
    if (!has_members(policy, 1) || !json_is_array(accept))
        return SEALANE_E_KEYSTORE_DAMAGED;
    for (size_t i = 0; i < json_array_size(accept); i++) {
        const json_t *name = json_array_get(accept, i);
        if (!json_is_string(name))
            return SEALANE_E_KEYSTORE_DAMAGED;
        if (strcmp(json_string_value(name), "ctr") != 0)
            return SEALANE_E_UNSUPPORTED;
        if (keystore->accepts_ctr)
            return SEALANE_E_KEYSTORE_DAMAGED;
        keystore->accepts_ctr = true;
    }
    return SEALANE_OK;
}

enum sealane_error sl_keystore_parse(sealane_keystore *keystore, const char *text, size_t len)
{
    json_error_t where;
    keystore->document = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    const json_t *document = keystore->document;
    if (!document)
        return json_error_code(&where) == json_error_out_of_memory ? SEALANE_E_NO_MEMORY : SEALANE_E_KEYSTORE_DAMAGED;
    const char *format = text_of(document, "format", 64);
    uint64_t version;
    if (!format || strcmp(format, SL_KEYSTORE_FORMAT) != 0 || !number_of(document, "version", &version) || version == 0)
        return SEALANE_E_KEYSTORE_DAMAGED;
    if (version > SL_KEYSTORE_VERSION)
        return SEALANE_E_UNSUPPORTED;
    if (!has_members(document, 7) || !bytes_of(document, "store", keystore->uuid, sizeof keystore->uuid) ||
        !number_of(document, "generation", &keystore->generation) || keystore->generation == 0 ||
        !number_of(document, "created_ms", &keystore->created_ms))
        return SEALANE_E_KEYSTORE_DAMAGED;
    enum sealane_error error = parse_policy(keystore, json_object_get(document, "policy"));
    if (error)
        return error;
    return parse_records(keystore, json_object_get(document, "records"));
}
