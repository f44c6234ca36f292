/* The query: sums of decoded values.  Loads go through memcpy, which the compiler turns into plain (vector) loads. */
#include <string.h>

#include "bench/overhead.h"

#define SUM_INTEGERS(width)                                                                                            \
    static uint64_t sum_u##width(const uint8_t *data, size_t len)                                                      \
    {                                                                                                                  \
        uint64_t sum = 0;                                                                                              \
                                                                                                                       \
        for (size_t i = 0; i + sizeof(uint##width##_t) <= len; i += sizeof(uint##width##_t)) {                         \
            uint##width##_t value;                                                                                     \
            memcpy(&value, data + i, sizeof value);                                                                    \
            sum += value;                                                                                              \
        }                                                                                                              \
        return sum;                                                                                                    \
    }

SUM_INTEGERS(8)
SUM_INTEGERS(16)
SUM_INTEGERS(32)
SUM_INTEGERS(64)

/* Four partial sums in a fixed order: one chain of additions would measure the adder's latency. */
static uint64_t sum_f64(const uint8_t *data, size_t len)
{
    double part[4] = {0, 0, 0, 0};
    double sum;
    uint64_t bits;

    for (size_t i = 0; i + sizeof part <= len; i += sizeof part) {
        double value[4];
        memcpy(value, data + i, sizeof value);
        for (size_t k = 0; k < 4; k++)
            part[k] += value[k];
    }
    sum = (part[0] + part[1]) + (part[2] + part[3]);
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}

/* Blocks end between strings: a length that leads beyond the end is damage, which the changed sum tells. */
static uint64_t sum_strings(const uint8_t *data, size_t len)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i += 1u + data[i])
        sum += data[i] + (data[i] > 0 && i + 1 < len ? (uint64_t)data[i + 1] << 32 : 0);
    return sum;
}

uint64_t overhead_sum(enum overhead_type type, const uint8_t *data, size_t len)
{
    switch (type) {
    case OVERHEAD_U8:
        return sum_u8(data, len);
    case OVERHEAD_U16:
        return sum_u16(data, len);
    case OVERHEAD_U32:
        return sum_u32(data, len);
    case OVERHEAD_U64:
        return sum_u64(data, len);
    case OVERHEAD_F64:
        return sum_f64(data, len);
    case OVERHEAD_STRING:
        return sum_strings(data, len);
    }
    return 0;
}
