/* A file that appears whole and durable under its name, or not at all. */
#ifndef SEALANE_OUTPUT_H
#define SEALANE_OUTPUT_H

#include "sealane/error.h"
#include "sealane/export.h"

SEALANE_BEGIN

typedef struct sealane_output sealane_output;

enum { SEALANE_OUTPUT_REPLACE = 1 }; /* an existing file of that name is replaced */

/* Opens a temporary file (mode 0600) in the directory of `path`.  If `path` exists and is no regular file (a device, a
 * FIFO), it is opened itself and written directly.  A symbolic link is followed: its target is replaced and the link
 * stays, as with cp(1); a dangling one is EXISTS without SEALANE_OUTPUT_REPLACE, NOT_FOUND with it.  The kernel's rules
 * for links (fs.protected_symlinks) hold; without /proc links are refused (NOT_REGULAR).  Errors: EXISTS without
 * SEALANE_OUTPUT_REPLACE, NOT_FOUND (also a link's target that vanishes meanwhile), PERMISSION (also a directory that
 * can be written but not read: without opening it, it cannot be made durable), IO, NOT_REGULAR (a directory), ARGUMENT
 * (an empty or over-long path).  One handle: one thread. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_output_create(sealane_output **output, const char *path,
                                                                   int flags);

/* The descriptor to write to; it belongs to the handle. */
SEALANE_API int sealane_output_fd(const sealane_output *output);

/* fsync, rename to the final name (or link, which refuses a name that has appeared meanwhile: EXISTS), fsync of the
 * directory.  After an error nothing new is under the name, unless a file was replaced and only the last
 * step, the directory's fsync, failed.  In a forked child of the process that made it: ARGUMENT, and nothing is done.
 * The handle is still to be freed. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_output_commit(sealane_output *output);

/* Frees; without a successful commit the temporary is removed.  NULL is fine. */
SEALANE_API void sealane_output_free(sealane_output *output);

/* Removes every temporary this process has made (also keystore directories in the making).  Async-signal-safe: for a
 * handler that then ends the process; from here on the process can make no new ones (IO). */
SEALANE_API void sealane_output_abandon_all(void);

SEALANE_END

#endif
