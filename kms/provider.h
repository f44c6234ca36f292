/* What a key service is to the rest: a struct of functions.  One file and one row of providers.def per service. */
#ifndef SEALANE_KMS_PROVIDER_H
#define SEALANE_KMS_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sealane/kms.h"

enum {
    SL_KMS_KEY_MAX = 32, /* bytes of a data key */
    /* A count, then two length-prefixed texts a pair. */
    SL_KMS_CANONICAL_MAX = 4 + SEALANE_KMS_CONTEXT_MAX * 2 * (4 + SEALANE_KMS_CONTEXT_TEXT_MAX - 1),
};

/* An encryption context, checked: keys are unique and sorted by their bytes.  `canonical` is u32 count, then for each
 * pair u32 length and bytes of the key, u32 length and bytes of the value; little endian. */
struct sl_kms_context {
    struct sealane_kms_pair pairs[SEALANE_KMS_CONTEXT_MAX];
    size_t count;
    uint8_t canonical[SL_KMS_CANONICAL_MAX];
    size_t canonical_len;
};

/* ARGUMENT: too many pairs, a missing, empty or doubled key, a missing value, text too long.  The texts stay the
 * caller's. */
SEALANE_CHECK enum sealane_error sl_kms_context(struct sl_kms_context *context, const struct sealane_kms_pair *pairs,
                                                size_t count);

/* The service.  Every function may be called from any thread, but for one handle's state from one thread at a time.
 * Errors classify: what a retry may cure is never KEY_REFUSED, and KEY_REFUSED is never returned for an unreachable
 * service. */
struct sl_kms_provider {
    /* From what follows the colon of a URI to the same for the very key it names, zero-terminated, less than `size`
     * bytes with the zero.  Must ask no service and open nothing.  Errors: ARGUMENT. */
    enum sealane_error (*resolve)(char *resolved, size_t size, const char *rest, const char *base_directory);

    /* Makes the key that `resolved` (as resolve wrote it) names, whole and durable or not at all; never replaces one
     * (EXISTS). */
    enum sealane_error (*create)(const char *resolved, bool allow_unlocked);

    /* Gets ready to wrap and unwrap.  *state is the service's own, secrets in sl_secret_alloc() memory; NULL on
     * failure. */
    enum sealane_error (*open)(void **state, const char *resolved, bool allow_unlocked);

    /* Wipes and frees; never called with NULL. */
    void (*close)(void *state);

    /* Wraps key_len bytes (16, 24 or 32, checked) under the context, which an unwrap must then be given again.  Writes
     * at most SEALANE_KMS_WRAP_MAX bytes and sets *wrapped_len. */
    enum sealane_error (*wrap)(void *state, uint8_t *wrapped, size_t *wrapped_len, const struct sl_kms_context *context,
                               const uint8_t *key, size_t key_len);

    /* Writes exactly key_len bytes or fails; the caller wipes `key` on failure.  wrapped_len is 1 to
     * SEALANE_KMS_WRAP_MAX. */
    enum sealane_error (*unwrap)(void *state, uint8_t *key, size_t key_len, const struct sl_kms_context *context,
                                 const uint8_t *wrapped, size_t wrapped_len);
};

#define PROVIDER(scheme, id) extern const struct sl_kms_provider sl_kms_##id;
#include "kms/providers.def"
#undef PROVIDER

#endif
