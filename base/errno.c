#include <errno.h>

#include "sealane/error.h"

enum sealane_error sealane_error_from_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return SEALANE_E_NO_SPACE;
    case EFBIG:
        return SEALANE_E_FILE_SIZE_LIMIT;
    case EACCES:
    case EPERM:
    case EROFS:
    case ETXTBSY:
        return SEALANE_E_PERMISSION;
    case ENOENT:
        return SEALANE_E_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return SEALANE_E_EXISTS;
    case ENOMEM:
        return SEALANE_E_NO_MEMORY;
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
        return SEALANE_E_NOT_REGULAR;
    case EPIPE:
        return SEALANE_E_BROKEN_PIPE;
    case ENAMETOOLONG:
        return SEALANE_E_ARGUMENT;
    default:
        return SEALANE_E_IO;
    }
}
