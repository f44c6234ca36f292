/* What the bitsliced kernels share. */
#ifndef SEALANE_ARCH_PORTABLE_H
#define SEALANE_ARCH_PORTABLE_H

#include <stdint.h>

#include "arch/kernel.h"

/* The round keys as FIPS 197, section 5.2, has them.  Constant time; the caller wipes them. */
void sl_portable_round_keys(uint8_t round_keys[SL_AES_ROUNDS + 1][16], const uint8_t key[32]);

#endif
