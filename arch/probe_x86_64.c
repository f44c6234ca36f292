/* Independent AES instructions, for measuring the units' rate. */
#include <immintrin.h>

#include "arch/cpu.h"

enum {
    CHAINS = 12, /* times a throughput of 2 a cycle hides a latency of 6; the sixteen old registers hold no more with
                    the key */
    TURNS = 256,
};

#define PROBE(name, isa, vec, set, enc)                                                                                \
    __attribute__((target(isa))) static void name(void)                                                                \
    {                                                                                                                  \
        vec s[CHAINS], k = set(0x5a);                                                                                  \
        _Pragma("GCC unroll 16") for (int j = 0; j < CHAINS; j++) s[j] = set((char)j);                                 \
        for (int i = 0; i < TURNS; i++) {                                                                              \
            _Pragma("GCC unroll 16") for (int j = 0; j < CHAINS; j++)                                                  \
            {                                                                                                          \
                s[j] = enc(s[j], k);                                                                                   \
                __asm__ volatile("" : "+x"(s[j]));                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }

PROBE(probe_128, "aes,sse4.1", __m128i, _mm_set1_epi8, _mm_aesenc_si128)
PROBE(probe_256, "vaes,avx2", __m256i, _mm256_set1_epi8, _mm256_aesenc_epi128)
PROBE(probe_512, "vaes,avx512f,avx512bw", __m512i, _mm512_set1_epi8, _mm512_aesenc_epi128)

static const struct sl_aes_probe probes[] = {
    {SL_CPU_AES | SL_CPU_SSE41, {128, CHAINS *TURNS, probe_128}},
    {SL_CPU_VAES | SL_CPU_AVX2, {256, CHAINS *TURNS, probe_256}},
    {SL_CPU_VAES | SL_CPU_AVX512F | SL_CPU_AVX512BW, {512, CHAINS *TURNS, probe_512}},
};

const struct sl_aes_probe *sl_aes_probe(size_t index)
{
    return index < sizeof probes / sizeof probes[0] ? &probes[index] : NULL;
}
