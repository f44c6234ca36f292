#include <assert.h>

#include "base/secret.h"
#include "engine/internal.h"

enum { KEYS_AT_ONCE = 64 };

static size_t key_len(const sealane_engine *engine)
{
    return sizeof(struct sealane_key) + engine->kernel->schedule_len;
}

/* All but the schedule. */
static struct sealane_key *bind(const sealane_engine *engine, void *memory, const uint8_t *bytes)
{
    struct sealane_key *k = memory;
    k->kernel = engine->kernel;
    k->engine = engine;
    k->warmth = &k->own_warmth;
    k->backend = sl_backend_key_create(engine, bytes);
    const struct sealane_thresholds *from = &engine->from;
    k->direct_below = k->backend ? 0 : from->key_table < from->non_temporal ? from->key_table : from->non_temporal;
    k->records = k->backend ? NULL : k->kernel->records;
    return k;
}

enum sealane_error sealane_key_create(const sealane_engine *engine, sealane_key **key,
                                      const uint8_t bytes[SEALANE_KEY_LEN])
{
    void *memory;
    *key = NULL;
    enum sealane_error error = sl_secret_alloc(&memory, key_len(engine), engine->allow_unlocked);
    if (error)
        return error;
    struct sealane_key *k = bind(engine, memory, bytes);
    k->kernel->expand(k->schedule, bytes);
    *key = k;
    return SEALANE_OK;
}

/* At most KEYS_AT_ONCE; `coming` more will follow. */
static enum sealane_error create_some(const sealane_engine *engine, sealane_key **keys, const uint8_t *bytes,
                                      size_t count, size_t coming)
{
    void *memory[KEYS_AT_ONCE];
    enum sealane_error error = sl_secret_alloc_many(memory, count, coming, key_len(engine), engine->allow_unlocked);
    if (error)
        return error;
    for (size_t i = 0; i < count; i++) {
        keys[i] = bind(engine, memory[i], bytes + i * SEALANE_KEY_LEN);
        memory[i] = keys[i]->schedule;
    }
    if (engine->kernel->expand_many) {
        engine->kernel->expand_many(memory, bytes, count);
        return SEALANE_OK;
    }
    for (size_t i = 0; i < count; i++)
        engine->kernel->expand(memory[i], bytes + i * SEALANE_KEY_LEN);
    return SEALANE_OK;
}

enum sealane_error sealane_keys_create(const sealane_engine *engine, sealane_key **keys, const uint8_t *bytes,
                                       size_t count)
{
    enum sealane_error error = SEALANE_OK;
    size_t done = 0;
    for (size_t i = 0; i < count; i++)
        keys[i] = NULL;
    while (done < count && !error) {
        size_t n = count - done < KEYS_AT_ONCE ? count - done : KEYS_AT_ONCE;
        error = create_some(engine, keys + done, bytes + done * SEALANE_KEY_LEN, n, count - done - n);
        done += error ? 0 : n;
    }
    for (size_t i = 0; error && i < done; i++) {
        sealane_key_free(keys[i]);
        keys[i] = NULL;
    }
    return error;
}

void sealane_key_free(sealane_key *key)
{
    if (!key)
        return;
    assert(sl_secret_is_slot(key)); /* a key freed twice: its members are gone */
    sl_backend_key_free(key->engine, key->backend);
    sl_key_table_free(key);
    sl_secret_free(key);
}
