/* Batches on the pool: a slice is a group of records, as many of them as have a slice's bytes on average. */
#include "engine/batch.h"
#include "engine/pool/pool.h"

enum { LOOKED_AT = 64 }; /* records */
static const uint64_t LEN_MAX = SEALANE_POOL_DIRECT_LEN;

struct batch {
    const struct sealane_record *records;
    size_t count;
    size_t group; /* records of a slice */
};

static enum sealane_error run_group(void *context, uint64_t from, size_t len)
{
    const struct batch *b = context;
    const size_t first = (size_t)(from / SL_POOL_SLICE_LEN) * b->group;
    const size_t left = b->count - first;
    (void)len;
    sl_batch_xor(b->records + first, left < b->group ? left : b->group);
    return SEALANE_OK;
}

/* The records' bytes, about: of some all over the batch, as to go through all takes longer than to encrypt short ones.
 */
static uint64_t bytes_about(const struct sealane_record *records, size_t count)
{
    const size_t looked_at = count < LOOKED_AT ? count : LOOKED_AT;
    uint64_t bytes = 0;
    for (size_t i = 0; i < looked_at; i++) {
        /* Not in equal steps, which records of several kinds in turn could match: Fibonacci hashing. */
        const uint32_t place = (uint32_t)((i + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
        const size_t at =
            count <= LOOKED_AT ? i : (size_t)((uint64_t)place * (count < UINT32_MAX ? count : UINT32_MAX) >> 32);
        const uint64_t len = records[at].len;
        bytes += len < LEN_MAX ? len : LEN_MAX;
    }
    return looked_at ? bytes / looked_at * count : 0;
}

static bool any_conflicts(sealane_pool *pool, const struct sealane_record *records, size_t count)
{
    return atomic_load_explicit(&pool->active_count, memory_order_relaxed) != 0 &&
           sl_pool_is_in_flight(pool, records, count);
}

enum sealane_error sealane_pool_ctr_batch(sealane_pool *pool, const struct sealane_record *records, size_t count)
{
    if (sl_pool_forked(pool))
        return SEALANE_E_FORKED;
    const uint64_t bytes = bytes_about(records, count);
    const bool direct = bytes < SEALANE_POOL_DIRECT_LEN || bytes / SEALANE_POOL_RECORD_LEN < count;
    if (direct && !any_conflicts(pool, records, count))
        return sealane_ctr_batch(records, count);
    enum sealane_error error = sl_batch_check(records, count);
    if (!error && (direct || any_conflicts(pool, records, count)))
        error = SEALANE_E_BUSY;
    if (error)
        return error;
    const size_t group = (size_t)(count / (bytes / SL_POOL_SLICE_LEN)) + 1;
    struct batch b = {records, count, group};
    return sl_pool_call(pool, run_group, &b, NULL, ((uint64_t)count + group - 1) / group * SL_POOL_SLICE_LEN);
}
