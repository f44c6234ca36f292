#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "envelope/descriptors.h"

#include <errno.h>
#include <sys/stat.h>

enum sealane_error sl_descriptors_check(int in_fd, int out_fd)
{
    struct stat in;
    struct stat out;
    if (fstat(in_fd, &in) != 0 || fstat(out_fd, &out) != 0)
        return sealane_error_from_errno(errno);
    if (S_ISBLK(in.st_mode) && S_ISBLK(out.st_mode))
        return in.st_rdev == out.st_rdev ? SEALANE_E_SAME_FILE : SEALANE_OK;
    if (S_ISREG(in.st_mode) && S_ISREG(out.st_mode) && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
        return SEALANE_E_SAME_FILE;
    return SEALANE_OK;
}
