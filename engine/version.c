#include "sealane/version.h"

const char *sealane_version(void)
{
    return SEALANE_VERSION;
}
