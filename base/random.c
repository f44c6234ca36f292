#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/wipe.h"

enum sealane_error sl_random(void *out, size_t len)
{
    uint8_t *p = out;
    size_t done = 0;
    while (done < len) {
        ssize_t n = getrandom(p + done, len - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            sl_wipe(out, len);
            return SEALANE_E_RANDOM;
        }
        done += (size_t)n;
    }
    return SEALANE_OK;
}
