/* What the x86-64 kernels share. */
#ifndef SEALANE_ARCH_X86_64_H
#define SEALANE_ARCH_X86_64_H

#include <stddef.h>
#include <stdint.h>

/* Not the intrinsic: clang 14 moves loads of round keys across that one, and then spills states. */
#define SL_X86_PREFETCH(p) __asm__ volatile("prefetcht0 %0" : : "m"(*(const char *)(p)))

enum { SL_X86_SCHEDULE_LEN = 15 * 16 };

/* The 15 round keys in order, 16 bytes each, without table look-ups.  Needs AES-NI and SSE4.1. */
void sl_x86_expand(void *schedule, const uint8_t key[32]);

/* The same for `count` keys of 32 bytes each, several at a time: one alone waits for each round key in turn. */
void sl_x86_expand_many(void *const *schedules, const uint8_t *keys, size_t count);

#endif
