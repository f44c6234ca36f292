#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "base/secret.h"
#include "envelope/keystore_file.h"

/* Counts while `at` is NULL, writes otherwise. */
struct writer {
    uint8_t *at;
    size_t len;
};

static void put(struct writer *w, const void *data, size_t len)
{
    if (w->at && len > 0)
        memcpy(w->at + w->len, data, len);
    w->len += len;
}

static void put_u32(struct writer *w, uint32_t v)
{
    uint8_t bytes[4];
    sl_store_le32(bytes, v);
    put(w, bytes, sizeof bytes);
}

static void put_u64(struct writer *w, uint64_t v)
{
    uint8_t bytes[8];
    sl_store_le64(bytes, v);
    put(w, bytes, sizeof bytes);
}

static void put_sized(struct writer *w, const void *data, size_t len)
{
    put_u32(w, (uint32_t)len);
    put(w, data, len);
}

static void put_text(struct writer *w, const char *text)
{
    put_sized(w, text, strlen(text));
}

static void put_record(struct writer *w, const sealane_keystore *keystore, const struct sl_record *record)
{
    put(w, keystore->uuid, sizeof keystore->uuid);
    put(w, record->id, sizeof record->id);
    put_u32(w, record->purpose);
    put_u32(w, record->state);
    put_u64(w, record->created_ms);
    put_u32(w, (uint32_t)record->key_len);
    put_u32(w, (uint32_t)record->wrap_count);
    for (size_t i = 0; i < record->wrap_count; i++) {
        const struct sl_wrap *wrap = &record->wraps[i];
        put_text(w, wrap->uri);
        put_text(w, wrap->kek_version);
        put_u32(w, (uint32_t)wrap->context_count);
        for (size_t j = 0; j < wrap->context_count; j++) {
            put_text(w, wrap->context[j].key);
            put_text(w, wrap->context[j].value);
        }
        put_sized(w, wrap->wrapped, wrap->wrapped_len);
    }
}

/* HMAC under HKDF(data key, salt = store UUID, info = label). */
static enum sealane_error labelled_mac(uint8_t mac[SL_HASH_LEN], const sealane_keystore *keystore,
                                       const struct sl_record *record, const char *label, const void *data, size_t len)
{
    void *mac_key;
    enum sealane_error error = sl_secret_alloc(&mac_key, SL_HASH_LEN, keystore->allow_unlocked);
    if (error)
        return error;
    error = sl_hkdf(mac_key, keystore->uuid, sizeof keystore->uuid, record->key, record->key_len, label, strlen(label));
    if (!error)
        error = sl_hmac(mac, mac_key, data, len);
    sl_secret_free(mac_key);
    return error;
}

enum sealane_error sl_keystore_record_mac(uint8_t mac[SL_HASH_LEN], const sealane_keystore *keystore,
                                          const struct sl_record *record)
{
    struct writer w = {NULL, 0};
    put_record(&w, keystore, record);
    uint8_t *message = malloc(w.len);
    if (!message)
        return SEALANE_E_NO_MEMORY;
    w = (struct writer){message, 0};
    put_record(&w, keystore, record);
    enum sealane_error error = labelled_mac(mac, keystore, record, "sealane/1 record", message, w.len);
    free(message);
    return error;
}

enum sealane_error sl_keystore_file_mac(uint8_t mac[SL_HASH_LEN], const sealane_keystore *keystore, const void *text,
                                        size_t len)
{
    const struct sl_record *active = &keystore->records[keystore->active];
    return labelled_mac(mac, keystore, active, "sealane/1 keystore", text, len);
}
