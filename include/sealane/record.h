/* One record of a batch: sealane_ctr_batch() in sealane/engine.h. */
#ifndef SEALANE_RECORD_H
#define SEALANE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/export.h"

SEALANE_BEGIN

/* What sealane_ctr_xor() takes, with the same meaning.  With len 0 nothing else is looked at.  No output may overlap
 * the records themselves or an IV. */
struct sealane_record {
    const struct sealane_key *key;
    const uint8_t *iv; /* 16 bytes; records may share one */
    uint64_t offset;   /* bytes into the keystream; offset + len <= 2^64 */
    uint8_t *dst;      /* len bytes; dst == src, or disjoint */
    const uint8_t *src;
    size_t len;
};

SEALANE_END

#endif
