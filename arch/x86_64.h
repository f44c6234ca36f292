/* What the x86-64 kernels share. */
#ifndef SEALANE_ARCH_X86_64_H
#define SEALANE_ARCH_X86_64_H

#include <stdint.h>

enum { SL_X86_SCHEDULE_LEN = 15 * 16 };

/* The 15 round keys in order, 16 bytes each, without table look-ups.  Needs AES-NI and SSE4.1. */
void sl_x86_expand(void *schedule, const uint8_t key[32]);

#endif
