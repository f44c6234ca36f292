/* Other libraries' AES-256-CTR as backends of an engine (include/sealane/engine.h).
 *
 * Each is a small static library of its own, libsealane-backend-openssl.a and libsealane-backend-ipsec-mb.a, built
 * where the other library is found, so that libsealane-core itself needs neither.  Link the one you pass. */
#ifndef SEALANE_BACKENDS_H
#define SEALANE_BACKENDS_H

#include "sealane/engine.h"

SEALANE_BEGIN

/* OpenSSL's EVP "AES-256-CTR" from the default library context: whatever provider and code path that gives.  It counts
 * in 128 bits.  A key keeps one context, expanded beforehand, and a call sets the IV alone: so one call at a time for a
 * key.  The key's copy in that context lies in OpenSSL's own heap and is wiped by OpenSSL when freed, but not locked.
 * Static, never NULL; any thread. */
const struct sealane_backend *sealane_backend_openssl(void);

/* Intel's Multi-Buffer Crypto for IPsec, cipher-burst interface.  It counts in 32 bits.  A manager must not be used by
 * two threads at once, so each key has its own (some 200 KiB) and takes one call at a time.  The expanded key lies in a
 * locked page of its own that is not dumped and is wiped when freed; where it cannot be locked the backend refuses the
 * key, and the engine serves it.  Static, never NULL; any thread. */
const struct sealane_backend *sealane_backend_ipsec_mb(void);

SEALANE_END

#endif
