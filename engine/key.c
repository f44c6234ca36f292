#include "base/secret.h"
#include "engine/internal.h"

enum sealane_error sealane_key_create(const sealane_engine *engine, sealane_key **key,
                                      const uint8_t bytes[SEALANE_KEY_LEN])
{
    void *memory;
    *key = NULL;
    enum sealane_error error =
        sl_secret_alloc(&memory, sizeof **key + engine->kernel->schedule_len, engine->allow_unlocked);
    if (error)
        return error;
    struct sealane_key *k = memory;
    k->kernel = engine->kernel;
    k->engine = engine;
    k->kernel->expand(k->schedule, bytes);
    k->warmth = &k->own_warmth;
    k->table_from = k->kernel->by_key && engine->tables ? k->kernel->by_key->gains_from : SIZE_MAX;
    k->backend = sl_backend_key_create(engine, bytes);
    *key = k;
    return SEALANE_OK;
}

void sealane_key_free(sealane_key *key)
{
    if (!key)
        return;
    sl_backend_key_free(key->engine, key->backend);
    sl_key_table_free(key);
    sl_secret_free(key);
}
