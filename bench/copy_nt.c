#include "bench/copy_nt.h"

#ifdef __x86_64__

/* As many stores at a time as cache lines stay in order. */
static void copy_512(uint8_t *dst, const uint8_t *src, size_t len)
{
    for (; len; dst += 256, src += 256, len -= 256)
        __asm__ volatile("vmovdqu64 (%0), %%zmm0\n\t"
                         "vmovdqu64 64(%0), %%zmm1\n\t"
                         "vmovdqu64 128(%0), %%zmm2\n\t"
                         "vmovdqu64 192(%0), %%zmm3\n\t"
                         "vmovntdq %%zmm0, (%1)\n\t"
                         "vmovntdq %%zmm1, 64(%1)\n\t"
                         "vmovntdq %%zmm2, 128(%1)\n\t"
                         "vmovntdq %%zmm3, 192(%1)"
                         :
                         : "r"(src), "r"(dst)
                         : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
    __asm__ volatile("sfence\n\tvzeroupper" : : : "memory");
}

static void copy_128(uint8_t *dst, const uint8_t *src, size_t len)
{
    for (; len; dst += 64, src += 64, len -= 64)
        __asm__ volatile("movdqu (%0), %%xmm0\n\t"
                         "movdqu 16(%0), %%xmm1\n\t"
                         "movdqu 32(%0), %%xmm2\n\t"
                         "movdqu 48(%0), %%xmm3\n\t"
                         "movntdq %%xmm0, (%1)\n\t"
                         "movntdq %%xmm1, 16(%1)\n\t"
                         "movntdq %%xmm2, 32(%1)\n\t"
                         "movntdq %%xmm3, 48(%1)"
                         :
                         : "r"(src), "r"(dst)
                         : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
    __asm__ volatile("sfence" : : : "memory");
}

int bench_can_copy_nt(void)
{
    return 1;
}

void bench_copy_nt(uint8_t *dst, const uint8_t *src, size_t len)
{
    if (__builtin_cpu_supports("avx512f"))
        copy_512(dst, src, len);
    else
        copy_128(dst, src, len);
}

#else

int bench_can_copy_nt(void)
{
    return 0;
}

void bench_copy_nt(uint8_t *dst, const uint8_t *src, size_t len)
{
    (void)dst, (void)src, (void)len;
}

#endif
