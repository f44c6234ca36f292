#define _GNU_SOURCE
#include "sealane/kms.h"

#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"
#include "kms/provider.h"

struct sealane_kms {
    const struct sl_kms_provider *provider;
    void *state;
    char resolved[SEALANE_KMS_URI_MAX];
};

/* What follows the colon: the providers know no schemes, those stand in the table alone. */
static const char *name_in(const char *resolved)
{
    return strchr(resolved, ':') + 1;
}

static const struct row {
    const char *scheme;
    const struct sl_kms_provider *provider;
} rows[] = {
#define PROVIDER(scheme, id) {scheme, &sl_kms_##id},
#include "kms/providers.def"
#undef PROVIDER
};

/* Splits the URI: the service, and what follows the colon. */
static enum sealane_error find(const struct sl_kms_provider **provider, const char **rest, const char *uri)
{
    *provider = NULL;
    if (!uri || strnlen(uri, SEALANE_KMS_URI_MAX) == SEALANE_KMS_URI_MAX)
        return SEALANE_E_ARGUMENT;
    const char *colon = strchr(uri, ':');
    if (!colon)
        return SEALANE_E_KMS_SCHEME;
    size_t len = (size_t)(colon - uri);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strlen(rows[i].scheme) == len && memcmp(rows[i].scheme, uri, len) == 0) {
            *provider = rows[i].provider;
            *rest = colon + 1;
            return SEALANE_OK;
        }
    }
    return SEALANE_E_KMS_SCHEME;
}

static enum sealane_error resolve(const struct sl_kms_provider **provider, char resolved[SEALANE_KMS_URI_MAX],
                                  const char *uri, const struct sealane_kms_options *options)
{
    if (options && options->size != sizeof *options)
        return SEALANE_E_ARGUMENT;
    const char *rest;
    enum sealane_error error = find(provider, &rest, uri);
    if (error)
        return error;
    size_t prefix_len = (size_t)(rest - uri);
    memcpy(resolved, uri, prefix_len);
    return (*provider)->resolve(resolved + prefix_len, SEALANE_KMS_URI_MAX - prefix_len, rest,
                                options ? options->base_directory : NULL);
}

enum sealane_error sealane_kms_resolve(char resolved[SEALANE_KMS_URI_MAX], const char *uri,
                                       const struct sealane_kms_options *options)
{
    const struct sl_kms_provider *provider;
    return resolve(&provider, resolved, uri, options);
}

enum sealane_error sealane_kms_create(const char *uri, const struct sealane_kms_options *options)
{
    const struct sl_kms_provider *provider;
    char resolved[SEALANE_KMS_URI_MAX];
    enum sealane_error error = resolve(&provider, resolved, uri, options);
    if (error)
        return error;
    return provider->create(name_in(resolved), options && options->allow_unlocked_memory);
}

enum sealane_error sealane_kms_open(sealane_kms **kms, const char *uri, const struct sealane_kms_options *options)
{
    *kms = NULL;
    sealane_kms *k = calloc(1, sizeof *k);
    if (!k)
        return SEALANE_E_NO_MEMORY;
    enum sealane_error error = resolve(&k->provider, k->resolved, uri, options);
    if (!error)
        error = k->provider->open(&k->state, name_in(k->resolved), options && options->allow_unlocked_memory);
    if (error) {
        free(k);
        return error;
    }
    *kms = k;
    return SEALANE_OK;
}

void sealane_kms_free(sealane_kms *kms)
{
    if (!kms)
        return;
    kms->provider->close(kms->state);
    free(kms);
}

const char *sealane_kms_resolved(const sealane_kms *kms)
{
    return kms->resolved;
}

static bool is_key_len(size_t len)
{
    return len == 16 || len == 24 || len == 32;
}

enum sealane_error sealane_kms_wrap(sealane_kms *kms, uint8_t wrapped[SEALANE_KMS_WRAP_MAX], size_t *wrapped_len,
                                    const struct sealane_kms_pair *context, size_t context_count, const uint8_t *key,
                                    size_t key_len)
{
    *wrapped_len = 0;
    struct sl_kms_context checked;
    enum sealane_error error = sl_kms_context(&checked, context, context_count);
    if (error)
        return error;
    if (!is_key_len(key_len))
        return SEALANE_E_ARGUMENT;
    return kms->provider->wrap(kms->state, wrapped, wrapped_len, &checked, key, key_len);
}

enum sealane_error sealane_kms_unwrap(sealane_kms *kms, uint8_t *key, size_t key_len,
                                      const struct sealane_kms_pair *context, size_t context_count,
                                      const uint8_t *wrapped, size_t wrapped_len)
{
    struct sl_kms_context checked;
    enum sealane_error error = sl_kms_context(&checked, context, context_count);
    if (!error && !is_key_len(key_len))
        error = SEALANE_E_ARGUMENT;
    if (!error && (wrapped_len == 0 || wrapped_len > SEALANE_KMS_WRAP_MAX))
        error = SEALANE_E_KEY_REFUSED;
    if (!error)
        error = kms->provider->unwrap(kms->state, key, key_len, &checked, wrapped, wrapped_len);
    if (error)
        sl_wipe(key, key_len);
    return error;
}
