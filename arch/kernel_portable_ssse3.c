#include "arch/cpu.h"

#define VECTOR_LEN 16
#include "arch/portable_vector.h"

const struct sl_kernel sl_kernel_portable_ssse3 = PORTABLE_KERNEL("portable-ssse3", SL_CPU_SSSE3, 0);
