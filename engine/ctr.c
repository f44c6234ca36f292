#include <string.h>

#include "arch/partial.h"
#include "base/wipe.h"
#include "engine/internal.h"

/* Bytes `skip` to skip + len of one block, skip not 0.  Whole words go to and fro, since a load of bytes that were
 * stored in two pieces, as memcpy would have it, takes longer than the block. */
static void xor_within_block(const struct sl_path *path, struct sl_counter counter, size_t skip, uint8_t *dst,
                             const uint8_t *src, size_t len)
{
    uint8_t block[SEALANE_BLOCK_LEN] = {0};
    path->kernel->ctr(path->schedule, counter.hi, counter.lo, block, block, sizeof block);
    uint64_t low = sl_load_le64(block), high = sl_load_le64(block + 8), keystream[2];
    keystream[0] = skip < 8 ? low >> 8 * skip | high << (64 - 8 * skip) : high >> (8 * skip - 64);
    keystream[1] = skip < 8 ? high >> 8 * skip : 0;
    sl_xor_partial(dst, src, keystream, len);
    sl_wipe(block, sizeof block);
}

void sl_ctr_split(const struct sl_path *path, struct sl_counter counter, size_t skip, uint8_t *dst, const uint8_t *src,
                  size_t len)
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
        sl_ctr_whole(path, counter, dst, src, n);
        dst += n;
        src += n;
        len -= n;
        counter = (struct sl_counter){.hi = counter.hi + 1, .lo = 0};
    }
    if (len)
        sl_ctr_whole(path, counter, dst, src, len);
}

/* What few calls need, apart: its frame would cost the others a fortieth of the time of 4 KiB. */
static void __attribute__((noinline)) by_key_rarely(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN],
                                                    uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    const struct sl_path path = sl_key_path_warming(key, len);
    sl_ctr(&path, iv, offset, dst, src, len);
}

/* Apart, so that what it keeps on the stack costs short calls nothing. */
void __attribute__((noinline)) sl_ctr_by_key(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN],
                                             uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (key->backend) {
        sl_backend_ctr(key, iv, offset, dst, src, len);
        return;
    }
    const struct sl_counter counter = sl_counter_at(iv, offset / SEALANE_BLOCK_LEN);
    const struct sl_path path = sl_key_path(key, len);
    if (__builtin_expect(
            sl_ctr_must_split(counter, offset % SEALANE_BLOCK_LEN, len) || (len >= path.table_from && !path.table), 0))
        by_key_rarely(key, iv, offset, dst, src, len);
    else
        sl_ctr_whole(&path, counter, dst, src, len);
}

void sl_ctr_part(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset, uint8_t *dst,
                 const uint8_t *src, size_t len, size_t whole_len)
{
    if (key->backend) {
        sl_backend_ctr(key, iv, offset, dst, src, len);
        return;
    }
    struct sl_path path = sl_key_path_warming(key, len);
    path.nt_from = whole_len >= path.nt_from ? 0 : SIZE_MAX;
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
