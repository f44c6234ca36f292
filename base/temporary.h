/* Temporary files and directories that vanish unless they are published, also when a signal ends the process.
 *
 * Each is named `.NAME.sealane-XXXXXXXX` beside the NAME it is to become, and is registered before it exists, so that
 * sl_temporary_abandon_all(), called from a signal handler, finds it.  A name belongs to the process that made it: in a
 * forked child every call leaves the parent's files alone. */
#ifndef SEALANE_BASE_TEMPORARY_H
#define SEALANE_BASE_TEMPORARY_H

#include <stdbool.h>

#include "sealane/error.h"

struct sl_temporary;

/* Creates a file (0600 whatever the umask, open for reading and writing, close-on-exec) in the directory that
 * `directory_fd` has open; *fd is the caller's to close.  directory_fd must stay open until the temporary is removed or
 * published.  On failure *temporary is NULL and *fd is -1.  One thread at a time per temporary. */
SEALANE_CHECK enum sealane_error sl_temporary_file(struct sl_temporary **temporary, int *fd, int directory_fd,
                                                   const char *name);

/* Creates a directory (0700) in the same way; *fd has it open.  What has one of the names `contents` (a list ended by
 * NULL, never freed) in it is removed with it, wherever it came from, as are other temporaries in it.  Somebody else
 * who may write in the directory that it lies in can hinder all this, but not direct it to other files: what now has
 * the name and is not what was made here is neither filled, published nor emptied (NOT_FOUND; LAX_PERMISSIONS if it is
 * another user's). */
SEALANE_CHECK enum sealane_error sl_temporary_directory(struct sl_temporary **temporary, int *fd, int directory_fd,
                                                        const char *name, const char *const *contents);

/* Its name in its directory. */
const char *sl_temporary_name(const struct sl_temporary *temporary);

/* Makes the file durable, gives it its final name in the same directory, and makes that durable.  Without `replace`
 * a name that exists is EXISTS.  In a child of the process that made it: ARGUMENT.  On success *temporary is NULL.  On
 * failure nothing new has the name, unless a file was replaced and only the last step, the directory's fsync, failed;
 * the temporary is still to be removed. */
SEALANE_CHECK enum sealane_error sl_temporary_publish(struct sl_temporary **temporary, int fd, const char *name,
                                                      bool replace);

/* The same for a directory whose contents are durable; an empty directory of that name is replaced. EXISTS otherwise.
 */
SEALANE_CHECK enum sealane_error sl_temporary_publish_directory(struct sl_temporary **temporary, const char *name);

/* Removes it from the disk, if it is there, and forgets it.  NULL is fine. */
void sl_temporary_remove(struct sl_temporary *temporary);

/* Forgets it: the file stays.  NULL is fine. */
void sl_temporary_forget(struct sl_temporary *temporary);

/* Removes all that this process has made, whichever thread is doing what.  Async-signal-safe.  The process must end
 * soon: from here on making a temporary fails. */
void sl_temporary_abandon_all(void);

#endif
