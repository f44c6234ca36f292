/* What must hold of the two descriptors of a transfer before anything is read or written. */
#ifndef SEALANE_ENVELOPE_DESCRIPTORS_H
#define SEALANE_ENVELOPE_DESCRIPTORS_H

#include "sealane/error.h"

/* SAME_FILE if writing out_fd would overwrite what in_fd has still to give: one regular file, or one block device,
 * whatever its nodes and however each was opened.  Pipes, sockets and character devices may well be both.  Errors also
 * from fstat(2). */
SEALANE_CHECK enum sealane_error sl_descriptors_check(int in_fd, int out_fd);

#endif
