#ifndef SEALANE_VERSION_H
#define SEALANE_VERSION_H

#include "sealane/export.h"

SEALANE_BEGIN

#define SEALANE_VERSION "0.1.0"

/* The version of the library that runs, such as "0.1.0"; SEALANE_VERSION is the one compiled against.  Static text. */
SEALANE_API const char *sealane_version(void);

SEALANE_END

#endif
