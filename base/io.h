/* Whole reads and writes: short transfers, EINTR and non-blocking descriptors are handled here and
 * nowhere else. */
#ifndef SEALANE_BASE_IO_H
#define SEALANE_BASE_IO_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"

/* Writes all len bytes at the descriptor's position.  Errors: those of sealane_error_from_errno, WRITE_FAILED for its
 * IO.  What was written before a failure stays written. */
SEALANE_CHECK enum sealane_error sl_write_all(int fd, const void *data, size_t len);

/* Reads up to len bytes, stopping early only at the end of the file: *got < len means that it was reached.  *got is set
 * on failure too.  Errors: those of sealane_error_from_errno, READ_FAILED for its IO. */
SEALANE_CHECK enum sealane_error sl_read_full(int fd, void *data, size_t len, size_t *got);

/* The same at a given offset (bytes from the start, at most INT64_MAX), leaving the position alone. */
SEALANE_CHECK enum sealane_error sl_pread_full(int fd, void *data, size_t len, size_t *got, int64_t offset);

/* Writes all len bytes at a given offset (bytes from the start, at most INT64_MAX), leaving the position alone.  Errors
 * as sl_write_all. */
SEALANE_CHECK enum sealane_error sl_pwrite_all(int fd, const void *data, size_t len, int64_t offset);

/* fsync.  A failure is final: the kernel may have dropped the pages, and a second call may wrongly succeed.  That
 * goes for EINTR too (IO): a signal without SA_RESTART during an fsync on a network or FUSE file system. */
SEALANE_CHECK enum sealane_error sl_sync(int fd);

/* The same where there may be nothing to sync: directories of file systems that lack it, pipes and devices say EINVAL
 * and are believed. */
SEALANE_CHECK enum sealane_error sl_sync_if_possible(int fd);

/* EXISTS if the directory that directory_fd has open (O_PATH will do) has entries.  One that cannot be read is
 * PERMISSION. */
SEALANE_CHECK enum sealane_error sl_check_empty(int directory_fd);

#endif
