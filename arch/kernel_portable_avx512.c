#include "arch/cpu.h"

#define VECTOR_LEN 64
#include "arch/portable_vector.h"

const struct sl_kernel sl_kernel_portable_avx512 =
    PORTABLE_KERNEL("portable-avx512", SL_CPU_AVX512F | SL_CPU_AVX512BW, SL_CPU_ZMM_AT_FULL_CLOCK);
