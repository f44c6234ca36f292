#define VECTOR_LEN 16
#include "arch/portable_vector.h"

const struct sl_kernel sl_kernel_portable_neon = PORTABLE_KERNEL("portable-neon", 0, 0);
