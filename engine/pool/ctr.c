#include "engine/internal.h"
#include "engine/pool/pool.h"

static enum sealane_error run_ctr(void *context, uint64_t from, size_t len)
{
    const struct sealane_record *r = context;
    sl_ctr_part(r->key, r->iv, r->offset + from, r->dst + from, r->src + from, len, r->len);
    return SEALANE_OK;
}

/* Neither the keystream nor the memory may end before it does. */
static inline bool is_valid(const struct sealane_record *r)
{
    uint64_t last;
    uintptr_t last_byte;
    uintptr_t dst = (uintptr_t)r->dst, src = (uintptr_t)r->src;
    if (r->len == 0)
        return true;
    return r->key && r->iv && dst && src && r->len <= SIZE_MAX / 2 &&
           !__builtin_add_overflow(r->offset, r->len - 1, &last) &&
           !__builtin_add_overflow(dst, r->len - 1, &last_byte) &&
           !__builtin_add_overflow(src, r->len - 1, &last_byte) &&
           (dst == src || !sl_overlap(dst, r->len, src, r->len));
}

/* True: the record is dealt with, *error says how.  False: it is one for the workers. */
static inline bool is_direct(sealane_pool *pool, const struct sealane_record *r, enum sealane_error *error)
{
    *error = sl_pool_forked(pool) ? SEALANE_E_FORKED : is_valid(r) ? SEALANE_OK : SEALANE_E_ARGUMENT;
    if (*error || r->len == 0)
        return true;
    if (r->len >= SEALANE_POOL_DIRECT_LEN)
        return false;
    if (sl_pool_conflicts(pool, r))
        *error = SEALANE_E_BUSY;
    else if (!sl_ctr_direct(r->key, r->key->direct_below, r->iv, r->offset, r->dst, r->src, r->len))
        sl_ctr_by_key(r->key, r->iv, r->offset, r->dst, r->src, r->len);
    return true;
}

enum sealane_error sealane_pool_submit(sealane_pool *pool, const struct sealane_record *record, sealane_ticket *ticket)
{
    enum sealane_error error;
    *ticket = 0;
    if (!is_direct(pool, record, &error))
        return sl_pool_submit(pool, run_ctr, NULL, record, record->len, ticket);
    if (!error)
        *ticket = SL_TICKET_DONE;
    return error;
}

enum sealane_error sealane_pool_ctr_xor(sealane_pool *pool, const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN],
                                        uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    const struct sealane_record record = {key, iv, offset, dst, src, len};
    enum sealane_error error;
    return is_direct(pool, &record, &error) ? error : sl_pool_call(pool, run_ctr, NULL, &record, len);
}
