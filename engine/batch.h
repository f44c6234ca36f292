/* Between the parts of sealane_ctr_batch(), and for the pool's batches. */
#ifndef SEALANE_ENGINE_BATCH_H
#define SEALANE_ENGINE_BATCH_H

#include "engine/internal.h"

/* ARGUMENT for any breach of what include/sealane/engine.h asks of records, NO_MEMORY if that cannot be told. */
SEALANE_CHECK enum sealane_error sl_batch_check(const struct sealane_record *records, size_t count);

/* What sealane_ctr_batch() does with records that were found to break no rule; any part of them. */
void sl_batch_xor(const struct sealane_record *records, size_t count);

/* sl_batch_check() for records in any order. */
SEALANE_CHECK enum sealane_error sl_batch_check_sorted(const struct sealane_record *records, size_t count);

enum { SL_COLUMN_MIN = 8 }; /* records: with fewer, finding out costs more than it gains */

struct sl_column {
    size_t iv_step; /* bytes from one record to the next */
    size_t step;    /* of dst and of src */
};

/* True if the records lie in equal steps, break no rule, and their keys have one kernel without a backend, which has
 * ways for columns.  False: look closer. */
bool sl_is_column(struct sl_column *column, const struct sealane_record *records, size_t count);

#endif
