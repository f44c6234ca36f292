#include "tests/fuzz/subjects.h"

#include <stdlib.h>
#include <string.h>

enum { ENGINES_MAX = 48, TWO_TABLES = 2 * 4160 };

void require(int truth)
{
    if (!truth)
        abort();
}

const sealane_engine *engine_for(uint8_t choice)
{
    static const size_t table_bytes[] = {SEALANE_TABLE_BYTES, 0, TWO_TABLES, SEALANE_TABLE_BYTES};
    static sealane_engine *engines[ENGINES_MAX];
    static size_t count;
    if (count == 0) {
        struct sealane_kernel_info info[16];
        require(sealane_engine_create(&engines[0], NULL) == SEALANE_OK);
        size_t rows = sealane_engine_kernels(engines[0], info, 16);
        require(rows <= 16);
        count = 1;
        for (size_t i = 0; i < rows; i++) {
            for (size_t t = 0; t < 4 && info[i].state == SEALANE_KERNEL_READY; t++) {
                struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
                options.kernel = info[i].name;
                options.table_bytes = table_bytes[t];
                if (t == 3)
                    options.thresholds = (struct sealane_thresholds){1, 1, 300};
                require(count < ENGINES_MAX && sealane_engine_create(&engines[count++], &options) == SEALANE_OK);
            }
        }
    }
    return engines[choice % count];
}

uint8_t take_byte(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

uint16_t take_u16(struct input *in)
{
    uint16_t low = take_byte(in);
    return (uint16_t)(low | take_byte(in) << 8);
}

void take(struct input *in, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = take_byte(in);
}

void bring_near_carry(uint8_t iv[16], uint8_t choice, uint8_t blocks)
{
    static const uint8_t carries[] = {0, 1, 2, 4, 5, 8, 16}; /* bytes of the counter that are all ones before it */
    size_t ones = carries[choice % sizeof carries];
    if (ones == 0)
        return;
    memset(iv + 16 - ones, 0xff, ones);
    iv[15] = (uint8_t)(0 - blocks);
}
