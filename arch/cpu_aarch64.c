#include <sys/auxv.h>

#include "arch/cpu.h"

#ifndef HWCAP_AES
#define HWCAP_AES (1UL << 3)
#endif

const char *sl_cpu_feature(size_t index, uint32_t *bit)
{
    *bit = SL_CPU_AES;
    return index == 0 ? "aes" : NULL;
}

uint32_t sl_cpu(void)
{
    return getauxval(AT_HWCAP) & HWCAP_AES ? SL_CPU_AES : 0;
}
