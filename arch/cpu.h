/* CPU features as kernels need them: what the CPU has and the operating system keeps across a context switch. */
#ifndef SEALANE_ARCH_CPU_H
#define SEALANE_ARCH_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sealane/cpu.h"

/* Bits of the word sl_cpu() returns; each row of a feature table sets one. */
enum {
    SL_CPU_SSSE3 = 1 << 0,
    SL_CPU_SSE41 = 1 << 1,
    SL_CPU_AES = 1 << 2, /* AES-NI, or ARMv8's AES instructions */
    SL_CPU_AVX2 = 1 << 3,
    SL_CPU_VAES = 1 << 4,
    SL_CPU_AVX512F = 1 << 5,
    SL_CPU_AVX512BW = 1 << 6,
    SL_CPU_AVX512VL = 1 << 7,
    SL_CPU_BMI2 = 1 << 8,

    /* Not a capability but a policy: 512-bit vectors do not lower this CPU's clock.  Intel before Rocket Lake and
     * Sapphire Rapids runs slower, and everything else on the core with it, for a while after each use of them. */
    SL_CPU_ZMM_AT_FULL_CLOCK = 1 << 31,
};

/* Feature `index` of those this architecture's kernels ask for: its name as in Linux's /proc/cpuinfo and its bit; NULL
 * beyond the last. */
const char *sl_cpu_feature(size_t index, uint32_t *bit);

/* The SL_CPU_ bits usable now.  Asks the CPU each time (microseconds): callers keep the answer. */
uint32_t sl_cpu(void);

/* x86-64 only, for tests: the policy bit for a vendor (CPUID leaf 0: EBX, EDX, ECX) and a signature (leaf 1: EAX). */
bool sl_cpu_x86_zmm_at_full_clock(const char vendor[12], uint32_t signature);

/* A probe of the AES units (include/sealane/cpu.h) with the bits it needs. */
struct sl_aes_probe {
    uint32_t needs;
    struct sealane_cpu_aes_probe probe;
};

/* Probe `index` of this architecture, narrowest first; NULL beyond the last. */
const struct sl_aes_probe *sl_aes_probe(size_t index);

#endif
