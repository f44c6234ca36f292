/* From the system's error numbers to ours. */
#ifndef SEALANE_BASE_ERRNO_H
#define SEALANE_BASE_ERRNO_H

#include "sealane/error.h"

/* The error that a failed file-system call stands for, given its errno; never SEALANE_OK.  NO_SPACE, FILE_SIZE_LIMIT,
 * PERMISSION, NOT_FOUND, EXISTS, NO_MEMORY, NOT_REGULAR, ARGUMENT (a name too long), else IO. */
SEALANE_CHECK enum sealane_error sl_errno_error(int number);

#endif
