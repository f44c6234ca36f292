#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "kms/provider.h"

static int by_key(const void *a, const void *b)
{
    const struct sealane_kms_pair *x = a;
    const struct sealane_kms_pair *y = b;
    return strcmp(x->key, y->key); /* compares as unsigned char, whatever the locale */
}

static void append(struct sl_kms_context *context, const char *text)
{
    size_t len = strlen(text);
    sl_store_le32(context->canonical + context->canonical_len, (uint32_t)len);
    memcpy(context->canonical + context->canonical_len + 4, text, len);
    context->canonical_len += 4 + len;
}

static bool fits(const char *text)
{
    return text && strnlen(text, SEALANE_KMS_CONTEXT_TEXT_MAX) < SEALANE_KMS_CONTEXT_TEXT_MAX;
}

enum sealane_error sl_kms_context(struct sl_kms_context *context, const struct sealane_kms_pair *pairs, size_t count)
{
    context->count = 0;
    context->canonical_len = 0;
    if (count > SEALANE_KMS_CONTEXT_MAX || (count > 0 && !pairs))
        return SEALANE_E_ARGUMENT;
    for (size_t i = 0; i < count; i++) {
        if (!fits(pairs[i].key) || pairs[i].key[0] == '\0' || !fits(pairs[i].value))
            return SEALANE_E_ARGUMENT;
        context->pairs[i] = pairs[i];
    }
    if (count > 0)
        qsort(context->pairs, count, sizeof context->pairs[0], by_key);
    context->count = count;
    sl_store_le32(context->canonical, (uint32_t)count);
    context->canonical_len = 4;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(context->pairs[i - 1].key, context->pairs[i].key) == 0)
            return SEALANE_E_ARGUMENT;
        append(context, context->pairs[i].key);
        append(context, context->pairs[i].value);
    }
    return SEALANE_OK;
}
