#ifndef SEALANE_BASE_RANDOM_H
#define SEALANE_BASE_RANDOM_H

#include <stddef.h>

#include "sealane/error.h"

/* Fills out with len bytes from getrandom(2), waiting for the system's generator to be seeded.
 * SEALANE_E_RANDOM if the system has none; out is then wiped. */
SEALANE_CHECK enum sealane_error sl_random(void *out, size_t len);

#endif
