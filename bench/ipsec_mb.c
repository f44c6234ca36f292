#include "bench/ipsec_mb.h"

IMB_MGR *ipsec_mb_open(const struct bench_row *row)
{
    IMB_ARCH arch;
    IMB_MGR *manager = alloc_mb_mgr(0);
    if (manager)
        init_mb_mgr_auto(manager, &arch);
    if (manager && imb_get_errno(manager) == 0)
        return manager;
    bench_error("%s: ipsec-mb cannot set up a manager", row->full_name);
    if (manager)
        free_mb_mgr(manager);
    return NULL;
}

void ipsec_mb_expand(IMB_MGR *manager, struct ipsec_mb_key *expanded, const uint8_t key[IPSEC_MB_KEY_LEN])
{
    IMB_AES_KEYEXP_256(manager, key, expanded->encrypt, expanded->decrypt);
}
