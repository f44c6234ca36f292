#include <assert.h>
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
    s->warmth = &s->own_warmth;
    s->table_from = key->backend ? SIZE_MAX : key->engine->from.stream_table;
    s->direct_below = key->direct_below < s->table_from ? key->direct_below : s->table_from;
    *stream = s;
    return SEALANE_OK;
}

/* Blocks until byte 10 of the counter block changes, which a nonce table does not survive. */
static uint64_t blocks_to_carry(struct sl_counter counter)
{
    return ((uint64_t)1 << 40) - (counter.lo & (((uint64_t)1 << 40) - 1));
}

static void __attribute__((noinline))
xor_by_nonce(const sealane_stream *stream, uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    const struct sealane_key *key = stream->key;
    while (len) {
        struct sl_counter counter = sl_counter_at(stream->iv, offset / SEALANE_BLOCK_LEN);
        uint64_t blocks = blocks_to_carry(counter);
        uint64_t to_carry = blocks * SEALANE_BLOCK_LEN - offset % SEALANE_BLOCK_LEN; /* 2^44 at most */
        size_t n = to_carry < len ? (size_t)to_carry : len;
        struct sl_slot *slot = sl_stream_table_acquire(stream, counter, n);
        if (slot) {
            struct sl_path path = {.kernel = key->kernel,
                                   .schedule = key->schedule,
                                   .face = key->kernel->by_nonce,
                                   .table = slot->table,
                                   .table_from = stream->table_from,
                                   .nt_from = key->engine->from.non_temporal};
            sl_ctr(&path, stream->iv, offset, dst, src, n);
            sl_stream_table_release(slot);
        } else {
            sl_ctr_by_key(key, stream->iv, offset, dst, src, n);
        }
        offset += n;
        dst += n;
        src += n;
        len -= n;
    }
}

void sealane_stream_xor(const sealane_stream *stream, uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    const struct sealane_key *key = stream->key;
    sl_assert_valid(offset, dst, src, len);
    if (sl_ctr_direct(key, stream->direct_below, stream->iv, offset, dst, src, len))
        return;
    if (len < stream->table_from)
        sl_ctr_by_key(key, stream->iv, offset, dst, src, len);
    else
        xor_by_nonce(stream, offset, dst, src, len);
}

void sealane_stream_free(sealane_stream *stream)
{
    if (!stream)
        return;
    assert(sl_secret_is_slot(stream));
    sl_stream_tables_free(stream);
    sl_secret_free(stream);
}
