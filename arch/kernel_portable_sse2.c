#include "arch/cpu.h"

#define VECTOR_LEN 16
#include "arch/portable_vector.h"

const struct sl_kernel sl_kernel_portable_sse2 = PORTABLE_KERNEL("portable-sse2", 0, 0);
