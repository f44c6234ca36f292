/* Secret memory: locked, between guard pages, left out of core dumps, wiped when freed.
 *
 * One arena for the process.  It grows by chunks of a few pages, so that it fits an RLIMIT_MEMLOCK of 64 KiB; slots
 * are whole cache lines, an odd number of them, so that equal slots spread over all L1 sets.  All calls: any thread.
 * After fork the child holds private copies, locked again by an atfork handler; chunks of memfd_secret(2) are not
 * inherited, and a child must not touch what lay in them. */
#ifndef SEALANE_BASE_SECRET_H
#define SEALANE_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "sealane/error.h"

enum { SL_SECRET_ALIGN = 64 };

/* *out: len zeroed bytes, 64-byte aligned; NULL on failure.  If the memory cannot be locked: SEALANE_E_MEMORY_LOCK, or,
 * with allow_unlocked, an unlocked chunk, which sl_secret_unlocked() then reports.  len must not be 0. */
SEALANE_CHECK enum sealane_error sl_secret_alloc(void **out, size_t len, bool allow_unlocked);

/* The same `count` times, all or none, out[k] being NULL on failure: side by side as far as they go, and fast.  Where
 * the arena must grow, it does so with room for `coming` more, which the caller is about to ask for. */
SEALANE_CHECK enum sealane_error sl_secret_alloc_many(void **out, size_t count, size_t coming, size_t len,
                                                      bool allow_unlocked);

/* Wipes and frees; NULL is fine. */
void sl_secret_free(void *p);

/* True if a slot starts there: for assertions. */
bool sl_secret_is_slot(const void *p);

/* True if any living chunk could not be locked, in this process or again after a fork. */
bool sl_secret_unlocked(void);

/* From now on new chunks come from memfd_secret(2) where the kernel has it.  For programs that own their process. */
void sl_secret_use_memfd(void);

#endif
