/* What the fuzz targets of the engine share: engines to choose from, input bytes, counters near their carries. */
#ifndef SEALANE_TESTS_FUZZ_SUBJECTS_H
#define SEALANE_TESTS_FUZZ_SUBJECTS_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/engine.h"

/* Aborts, for the fuzzer to report, unless `truth`. */
void require(int truth);

/* One of the engines kept here: each kernel that runs on this machine with tables, without, with memory for one table
 * of each kind, so that streams take it from each other, and with all paths from short lengths on.  Kept since each
 * proves itself when it is created, which takes longer than an input. */
const sealane_engine *engine_for(uint8_t choice);

/* What is left of an input; past its end everything is 0. */
struct input {
    const uint8_t *data;
    size_t len;
};

uint8_t take_byte(struct input *in);
uint16_t take_u16(struct input *in);
void take(struct input *in, uint8_t *out, size_t len);

/* Changes the IV so that `blocks` after it, at most 255, the counter carries out of its lowest 8, 16, 32, 40, 64 or 128
 * bits, depending on `choice`; or leaves it. */
void bring_near_carry(uint8_t iv[16], uint8_t choice, uint8_t blocks);

#endif
