/* What a program that owns its process may ask of the secret memory. */
#ifndef SEALANE_MEMORY_H
#define SEALANE_MEMORY_H

#include "sealane/export.h"

SEALANE_BEGIN

/* From now on, secrets go to memfd_secret(2) memory where the kernel offers it: memory that even the kernel's direct
 * map does not show.  It is not inherited by a forked child, which must not use keys or engines made before the fork:
 * so this is for programs, never for a library inside someone else's process.  Any thread; call it before the first
 * key. */
SEALANE_API void sealane_memory_hide(void);

/* 1 if some secret lies in memory that could not be locked (allowed by an option, or lost across a fork). */
SEALANE_API int sealane_memory_unlocked(void);

SEALANE_END

#endif
