#include <cpuid.h>
#include <string.h>

#include "arch/cpu.h"

enum { XCR0_SSE_AVX = 0x06, XCR0_SSE_AVX_AVX512 = 0xe6 };
enum { OSXSAVE = 1 << 27 };
enum output { EBX, ECX, EDX };

/* xcr0: the register state the system must save.  A CPU may have AVX-512 under a system or a hypervisor that does not
 * save its registers, and using it then corrupts them. */
static const struct feature {
    uint32_t bit;
    const char *name;
    uint32_t leaf;
    enum output output;
    unsigned shift;
    uint32_t xcr0;
} features[] = {
    {SL_CPU_SSSE3, "ssse3", 1, ECX, 9, 0},
    {SL_CPU_SSE41, "sse4_1", 1, ECX, 19, 0},
    {SL_CPU_AES, "aes", 1, ECX, 25, 0},
    {SL_CPU_AVX2, "avx2", 7, EBX, 5, XCR0_SSE_AVX},
    {SL_CPU_VAES, "vaes", 7, ECX, 9, XCR0_SSE_AVX},
    {SL_CPU_AVX512F, "avx512f", 7, EBX, 16, XCR0_SSE_AVX_AVX512},
    {SL_CPU_AVX512BW, "avx512bw", 7, EBX, 30, XCR0_SSE_AVX_AVX512},
    {SL_CPU_AVX512VL, "avx512vl", 7, EBX, 31, XCR0_SSE_AVX_AVX512},
    {SL_CPU_BMI2, "bmi2", 7, EBX, 8, 0},
};

const char *sl_cpu_feature(size_t index, uint32_t *bit)
{
    if (index >= sizeof features / sizeof features[0])
        return NULL;
    *bit = features[index].bit;
    return features[index].name;
}

static uint32_t saved_state(void)
{
    uint32_t eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax;
}

/* The Intel CPUs with VAES and AVX-512 that lower their clock for 512-bit vectors: Ice Lake (server 6a, 6c; client 7d,
 * 7e) and Tiger Lake (8c, 8d).  Older ones with AVX-512 have no VAES. */
bool sl_cpu_x86_zmm_at_full_clock(const char vendor[12], uint32_t signature)
{
    static const uint8_t slowed[] = {0x6a, 0x6c, 0x7d, 0x7e, 0x8c, 0x8d};
    uint32_t family = signature >> 8 & 0xf;
    uint32_t model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);
    bool intel = memcmp(vendor, "GenuineIntel", 12) == 0;
    bool found = false;
    for (size_t i = 0; i < sizeof slowed; i++)
        found = found || slowed[i] == model;
    return !(intel && family == 6 && found);
}

static uint32_t policy(void)
{
    uint32_t eax, id[3], signature, ignored;
    if (!__get_cpuid(0, &eax, &id[0], &id[2], &id[1]) || !__get_cpuid(1, &signature, &ignored, &ignored, &ignored))
        return 0;
    return sl_cpu_x86_zmm_at_full_clock((const char *)id, signature) ? SL_CPU_ZMM_AT_FULL_CLOCK : 0;
}

uint32_t sl_cpu(void)
{
    uint32_t xcr0 = saved_state();
    uint32_t have = policy();
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        const struct feature *f = &features[i];
        uint32_t eax, out[3];
        if (!__get_cpuid_count(f->leaf, 0, &eax, &out[EBX], &out[ECX], &out[EDX]))
            continue;
        if ((out[f->output] >> f->shift & 1) != 0 && (xcr0 & f->xcr0) == f->xcr0)
            have |= f->bit;
    }
    return have;
}
