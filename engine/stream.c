#include <string.h>

#include "base/secret.h"
#include "engine/internal.h"

enum sealane_error sealane_stream_create(const sealane_key *key, sealane_stream **stream,
                                         const uint8_t iv[SEALANE_BLOCK_LEN])
{
    void *memory;
    *stream = NULL;
    enum sealane_error error = sl_secret_alloc(&memory, sizeof **stream, key->engine->allow_unlocked);
    if (error)
        return error;
    struct sealane_stream *s = memory;
    s->key = key;
    memcpy(s->iv, iv, sizeof s->iv);
    *stream = s;
    return SEALANE_OK;
}

void sealane_stream_xor(const sealane_stream *stream, uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    sealane_ctr_xor(stream->key, stream->iv, offset, dst, src, len);
}

void sealane_stream_free(sealane_stream *stream)
{
    sl_secret_free(stream);
}
