#include "arch/kernel.h"

/* The build's macros SL_ARCH_<architecture> are 1 for the target and 0 otherwise; `any` is always built. */
#define SL_ARCH_any 1

#define PICK_0(id) NULL
#define PICK_1(id) &sl_kernel_##id
#define PICK_(built, id) PICK_##built(id)
#define PICK(built, id) PICK_(built, id)

#define KERNEL(id, name, architecture, flags) extern const struct sl_kernel sl_kernel_##id;
#include <kernels.def>
#undef KERNEL

const struct sl_kernel_row sl_kernels[] = {
#define KERNEL(id, name, architecture, flags) {name, #architecture, PICK(SL_ARCH_##architecture, id)},
#include <kernels.def>
#undef KERNEL
};

const size_t sl_kernel_count = sizeof sl_kernels / sizeof sl_kernels[0];
