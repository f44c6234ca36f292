/* Architectures without kernels of their own: the portable one serves. */
#include "arch/cpu.h"

const char *sl_cpu_feature(size_t index, uint32_t *bit)
{
    (void)index;
    *bit = 0;
    return NULL;
}

uint32_t sl_cpu(void)
{
    return 0;
}

const struct sl_aes_probe *sl_aes_probe(size_t index)
{
    (void)index;
    return NULL;
}
