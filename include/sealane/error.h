/* Errors.  Every call that can fail returns one; 0 is success.  Names, messages and exit codes come from one table. */
#ifndef SEALANE_ERROR_H
#define SEALANE_ERROR_H

#include "sealane/export.h"

SEALANE_BEGIN

enum sealane_error {
    SEALANE_OK = 0,
#define ERROR(value, name, exit_code, message) SEALANE_E_##name = value,
#include "sealane/errors.def"
#undef ERROR
    SEALANE_E_LAST_ /* not an error: keeps the list free of a trailing comma */
};

/* The name without its prefix ("DAMAGED"), "OK" for success, "UNKNOWN" for a value not in the table.
 * Static text in English, whatever the locale.  Any thread. */
SEALANE_API const char *sealane_error_name(enum sealane_error error);

/* One line, no full stop: what is wrong and what to do.  Static text.  Any thread. */
SEALANE_API const char *sealane_error_message(enum sealane_error error);

/* The exit code the `sealane` program ends with: 0 to 5. */
SEALANE_API int sealane_error_exit_code(enum sealane_error error);

/* The error that a failed file-system call stands for, given its errno; never SEALANE_OK.  NO_SPACE, FILE_SIZE_LIMIT,
 * PERMISSION, NOT_FOUND, EXISTS, NO_MEMORY, NOT_REGULAR, ARGUMENT (a name too long), BROKEN_PIPE, else IO.  Any thread.
 */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_error_from_errno(int number);

SEALANE_END

#endif
