/* The keystore's file, whose text decides which key is used: whatever it holds, reading it ends well, and what is
 * accepted is written so that it reads back the same. */
#include <stdlib.h>
#include <string.h>

#include "envelope/keystore_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

/* Records and texts as the public interface shows them. */
static void touch(const sealane_keystore *keystore)
{
    struct sealane_keystore_info info;
    sealane_keystore_info(keystore, &info);
    require(!info.verified && info.record_count > 0);
    size_t texts = 0;
    for (size_t i = 0; i < info.record_count; i++) {
        struct sealane_key_record_info record;
        require(sealane_keystore_record(keystore, i, &record) == SEALANE_OK);
        texts += strlen(record.kms_uri) + record.key_len + record.wrapped_len;
        for (size_t j = 0; j < record.context_count; j++)
            texts += strlen(record.context[j].key) + strlen(record.context[j].value);
    }
    require(texts > 0);
    struct sealane_key_record_info none;
    require(sealane_keystore_record(keystore, info.record_count, &none) == SEALANE_E_ARGUMENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sealane_keystore *keystore = calloc(1, sizeof *keystore);
    char *text = malloc(size + 1); /* no zero behind it: a read past the end is seen */
    require(keystore && text);
    memcpy(text, data, size);
    enum sealane_error error = sl_keystore_parse(keystore, text, size);
    require(error == SEALANE_OK || error == SEALANE_E_KEYSTORE_DAMAGED || error == SEALANE_E_UNSUPPORTED);
    if (error == SEALANE_OK)
        touch(keystore);
    sealane_keystore_free(keystore);
    free(text);
    return 0;
}
