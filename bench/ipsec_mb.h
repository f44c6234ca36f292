/* What the rows with Intel's ipsec-mb share.  It counts in 32 bits: give it IVs whose last 32 bits do not wrap. */
#ifndef BENCH_IPSEC_MB_H
#define BENCH_IPSEC_MB_H

#include <intel-ipsec-mb.h>

#include "bench/bench.h"

enum { IPSEC_MB_KEY_LEN = 32, IPSEC_MB_IV_LEN = 16 };

/* 15 round keys each way, where the library asks for 16-byte alignment. */
struct ipsec_mb_key {
    _Alignas(64) uint32_t encrypt[16 * 4];
    _Alignas(64) uint32_t decrypt[16 * 4];
};

/* A manager with the best code for this CPU, for free_mb_mgr(); NULL: bench_error() has said why. */
IMB_MGR *ipsec_mb_open(const struct bench_row *row);

void ipsec_mb_expand(IMB_MGR *manager, struct ipsec_mb_key *expanded, const uint8_t key[IPSEC_MB_KEY_LEN]);

/* All of a CTR job but IV, data and length; borrows the key.  For the burst calls such a job serves again and again:
 * what they return in it, they set anew.  (IMB_GET_NEXT_JOB gives another one each time.) */
static inline void ipsec_mb_fill(IMB_JOB *job, const struct ipsec_mb_key *key)
{
    job->enc_keys = key->encrypt;
    job->dec_keys = key->decrypt;
    job->key_len_in_bytes = IMB_KEY_256_BYTES;
    job->iv_len_in_bytes = IPSEC_MB_IV_LEN;
    job->cipher_start_src_offset_in_bytes = 0;
    job->cipher_mode = IMB_CIPHER_CNTR;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->hash_alg = IMB_AUTH_NULL;
    job->chain_order = IMB_ORDER_CIPHER_HASH;
}

/* `count` CTR jobs, done when it returns; without argument checks, as the library's fastest way is.  0: it failed. */
static inline int ipsec_mb_burst(IMB_MGR *manager, IMB_JOB *jobs, uint32_t count)
{
    return IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager, jobs, count, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_256_BYTES) ==
           count;
}

#endif
