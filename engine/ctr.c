#include <string.h>

#include "base/wipe.h"
#include "engine/internal.h"

/* By length, for the ends that splitting cuts off, too. */
static inline void run(const struct sl_path *path, struct sl_counter counter, uint8_t *dst, const uint8_t *src,
                       size_t len)
{
    if (len >= path->nt_from && dst != src)
        path->kernel->ctr_nt(path->schedule, counter.hi, counter.lo, dst, src, len);
    else if (path->table && len >= path->table_from)
        path->face->ctr(path->schedule, path->table, counter.hi, counter.lo, dst, src, len);
    else
        path->kernel->ctr(path->schedule, counter.hi, counter.lo, dst, src, len);
}

/* The keystream of one block, from byte `skip` on. */
static void xor_within_block(const struct sl_path *path, struct sl_counter counter, size_t skip, uint8_t *dst,
                             const uint8_t *src, size_t len)
{
    uint8_t block[SEALANE_BLOCK_LEN] = {0};
    memcpy(block + skip, src, len);
    run(path, counter, block, block, skip + len);
    memcpy(dst, block + skip, len);
    sl_wipe(block, sizeof block);
}

/* The general case: kernels get whole starting blocks and a low half that does not wrap. */
static void __attribute__((noinline))
split(const struct sl_path *path, struct sl_counter counter, size_t skip, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (len == 0)
        return; /* the pointers may be NULL, which memcpy may not see */
    if (skip) {
        size_t n = SEALANE_BLOCK_LEN - skip < len ? SEALANE_BLOCK_LEN - skip : len;
        xor_within_block(path, counter, skip, dst, src, n);
        dst += n;
        src += n;
        len -= n;
        counter.hi += __builtin_add_overflow(counter.lo, (uint64_t)1, &counter.lo);
    }
    uint64_t blocks_to_wrap = -counter.lo; /* 0 stands for 2^64: no call is that long */
    if (blocks_to_wrap != 0 && (len + (uint64_t)15) / SEALANE_BLOCK_LEN > blocks_to_wrap) {
        size_t n = (size_t)blocks_to_wrap * SEALANE_BLOCK_LEN;
        run(path, counter, dst, src, n);
        dst += n;
        src += n;
        len -= n;
        counter = (struct sl_counter){.hi = counter.hi + 1, .lo = 0};
    }
    if (len)
        run(path, counter, dst, src, len);
}

void sl_ctr(const struct sl_path *path, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
            const uint8_t *src, size_t len)
{
    struct sl_counter counter = sl_counter_at(iv, offset / SEALANE_BLOCK_LEN);
    size_t skip = offset % SEALANE_BLOCK_LEN;
    uint64_t end;
    /* One more block than needed at most: then the split finds nothing to do. */
    if (__builtin_expect(skip != 0 || __builtin_add_overflow(counter.lo, len / SEALANE_BLOCK_LEN + 1, &end), 0))
        split(path, counter, skip, dst, src, len);
    else
        run(path, counter, dst, src, len);
}

/* Apart, so that what it keeps on the stack costs short calls nothing. */
void __attribute__((noinline)) sl_ctr_by_key(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN],
                                             uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (key->backend) {
        sl_backend_ctr(key, iv, offset, dst, src, len);
        return;
    }
    struct sl_path path = sl_key_path(key, len);
    sl_ctr(&path, iv, offset, dst, src, len);
}

void sealane_ctr_xor(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                     const uint8_t *src, size_t len)
{
    sl_assert_valid(offset, dst, src, len);
    if (!sl_ctr_direct(key, key->direct_below, iv, offset, dst, src, len))
        sl_ctr_by_key(key, iv, offset, dst, src, len);
}

void sealane_ctr_xorv(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset,
                      const struct sealane_iovec *pieces, size_t count)
{
    bool wrapped = false; /* then the keystream has ended, and would start again */
    for (size_t i = 0; i < count; i++) {
        assert(!wrapped || pieces[i].len == 0);
        sealane_ctr_xor(key, iv, offset, pieces[i].dst, pieces[i].src, pieces[i].len);
        wrapped = __builtin_add_overflow(offset, pieces[i].len, &offset) || wrapped;
    }
    (void)wrapped;
}
