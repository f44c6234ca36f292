/* Between the parts of sealane_ctr_batch(). */
#ifndef SEALANE_ENGINE_BATCH_H
#define SEALANE_ENGINE_BATCH_H

#include "engine/internal.h"

/* ARGUMENT for a breach of what include/sealane/engine.h asks of the records' memory: looks at every pair there is. */
SEALANE_CHECK enum sealane_error sl_batch_check_overlaps(const struct sealane_record *records, size_t count);

#endif
