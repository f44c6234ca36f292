#include "arch/cpu.h"

#define VECTOR_LEN 32
#include "arch/portable_vector.h"

const struct sl_kernel sl_kernel_portable_avx2 = PORTABLE_KERNEL("portable-avx2", SL_CPU_AVX2, 0);
