/* Intel's Multi-Buffer Crypto for IPsec behind the engine's interface.
 *
 * A manager keeps state between calls (its error number at least) and belongs to whoever calls it.  One per thread
 * would need thread-local storage and a destructor inside a library; one per key needs the engine's rule of one call at
 * a time, which costs nothing here, since a second thread is served by the engine's own kernel.  The cipher-burst
 * interface completes its jobs before it returns, so nothing of a call outlives it. */
#define _GNU_SOURCE
#include <intel-ipsec-mb.h>
#include <string.h>
#include <sys/mman.h>

#include "sealane/backends.h"

enum { ROUND_KEY_BYTES = 15 * 16 };

/* The first bytes of a locked page of its own. */
struct mb_key {
    _Alignas(64) uint8_t encrypt[ROUND_KEY_BYTES];
    _Alignas(64) uint8_t decrypt[ROUND_KEY_BYTES]; /* the expansion makes both; CTR uses the first alone */
    IMB_MGR *manager;
};

static struct mb_key *page_new(void)
{
    void *page = mmap(NULL, sizeof(struct mb_key), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (mlock(page, sizeof(struct mb_key)) != 0 || madvise(page, sizeof(struct mb_key), MADV_DONTDUMP) != 0) {
        munmap(page, sizeof(struct mb_key));
        return NULL;
    }
    return page;
}

static void key_free(void *key)
{
    struct mb_key *k = key;
    if (k->manager)
        free_mb_mgr(k->manager);
    explicit_bzero(k, sizeof *k);
    munmap(k, sizeof *k);
}

static enum sealane_error key_prepare(void **key, const uint8_t bytes[32])
{
    struct mb_key *k = page_new();
    if (!k)
        return SEALANE_E_MEMORY_LOCK;
    k->manager = alloc_mb_mgr(0);
    IMB_ARCH used = IMB_ARCH_NONE;
    if (k->manager)
        init_mb_mgr_auto(k->manager, &used);
    if (!k->manager || used == IMB_ARCH_NONE || imb_get_errno(k->manager) != 0) {
        key_free(k);
        return SEALANE_E_BACKEND_FAILED;
    }
    IMB_AES_KEYEXP_256(k->manager, bytes, k->encrypt, k->decrypt);
    *key = k;
    return SEALANE_OK;
}

/* The checked form: it looks at the job before it touches a byte, so that src is intact after an error. */
static enum sealane_error ctr(void *key, const uint8_t counter_block[16], uint8_t *dst, const uint8_t *src, size_t len)
{
    struct mb_key *k = key;
    IMB_JOB job;
    memset(&job, 0, sizeof job);
    job.enc_keys = k->encrypt;
    job.dec_keys = k->decrypt;
    job.src = src;
    job.dst = dst;
    job.msg_len_to_cipher_in_bytes = len;
    job.iv = counter_block;
    job.iv_len_in_bytes = 16;
    uint32_t done = IMB_SUBMIT_CIPHER_BURST(k->manager, &job, 1, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_256_BYTES);
    return done == 1 && job.status == IMB_STATUS_COMPLETED ? SEALANE_OK : SEALANE_E_BACKEND_FAILED;
}

const struct sealane_backend *sealane_backend_ipsec_mb(void)
{
    static const struct sealane_backend backend = {
        .name = "ipsec-mb",
        .counter_bits = 32,
        .thread_rule = SEALANE_THREADS_ONE,
        .key_prepare = key_prepare,
        .ctr = ctr,
        .key_free = key_free,
    };
    return &backend;
}
