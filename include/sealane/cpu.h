/* What this CPU can do, and instruction sequences of known length with which to measure how fast it does it. */
#ifndef SEALANE_CPU_H
#define SEALANE_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/export.h"

SEALANE_BEGIN

/* The CPU's own name, such as "AMD EPYC 9654"; "unknown" where the system does not tell.  Writes at most `capacity`
 * bytes with the terminating zero.  Any thread. */
SEALANE_API void sealane_cpu_name(char *name, size_t capacity);

struct sealane_cpu_feature {
    const char *name; /* as in Linux's /proc/cpuinfo, such as "vaes" */
    int present;      /* 1 if the CPU has it and the system saves the registers it needs */
};

/* The features kernels ask for.  Fills at most `capacity` entries and returns how many there are. */
SEALANE_API size_t sealane_cpu_features(struct sealane_cpu_feature *features, size_t capacity);

/* AES round instructions, all independent enough to run at the unit's full rate.  `run` executes `rounds_per_call`
 * instructions, each one AES round on width_bits / 128 blocks. */
struct sealane_cpu_aes_probe {
    unsigned width_bits; /* 128, 256 or 512 */
    uint64_t rounds_per_call;
    void (*run)(void);
};

/* The probes this CPU can run, widest last.  Fills at most `capacity` and returns how many there are (0 without AES).
 */
SEALANE_API size_t sealane_cpu_aes_probes(struct sealane_cpu_aes_probe *probes, size_t capacity);

/* Runs a chain of dependent additions that takes exactly 1 core cycle each, at least `cycles` of them, and returns how
 * many: timing it gives the core's clock, whatever the time-stamp counter does. */
SEALANE_API uint64_t sealane_cpu_spin(uint64_t cycles);

SEALANE_END

#endif
