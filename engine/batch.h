/* Between the parts of sealane_ctr_batch(). */
#ifndef SEALANE_ENGINE_BATCH_H
#define SEALANE_ENGINE_BATCH_H

#include "engine/internal.h"

/* ARGUMENT for any breach of what include/sealane/engine.h asks of records, NO_MEMORY if that cannot be told. */
SEALANE_CHECK enum sealane_error sl_batch_check(const struct sealane_record *records, size_t count);

#endif
