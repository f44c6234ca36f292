/* A copy whose stores go past the caches: the most that a memory's bandwidth lets a thread do. */
#ifndef BENCH_COPY_NT_H
#define BENCH_COPY_NT_H

#include <stddef.h>
#include <stdint.h>

/* 0 where there is none, as on ARM. */
int bench_can_copy_nt(void);

/* dst is aligned to 64 bytes, len a multiple of 256. */
void bench_copy_nt(uint8_t *dst, const uint8_t *src, size_t len);

#endif
