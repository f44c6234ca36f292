#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/parse.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/text.h"
#include "sealane/file.h"

static const char *suite_name(uint16_t suite)
{
    return suite == SEALANE_SUITE_CTR ? "ctr" : "unknown";
}

static int print_json(const struct sealane_file_info *info)
{
    json_t *o = json_object();
    int failed = json_object_set_new(o, "format", json_string("sealane"));
    failed |= json_object_set_new(o, "version", json_integer(info->version));
    failed |= json_object_set_new(o, "verified", json_false());
    failed |= json_object_set_new(o, "suite", json_integer(info->suite));
    failed |= json_object_set_new(o, "suite_name", json_string(suite_name(info->suite)));
    failed |= json_object_set_new(o, "state", json_string(info->sealed ? "sealed" : "open"));
    failed |= json_object_set_new(o, "plaintext_bytes", sl_cli_json_u64(info->plaintext_len));
    failed |= json_object_set_new(o, "chunk_bytes", sl_cli_json_u64(info->chunk_len));
    failed |= json_object_set_new(o, "tag_bytes", sl_cli_json_u64(info->tag_len));
    failed |= json_object_set_new(o, "flags", sl_cli_json_u64(info->flags));
    failed |= json_object_set_new(o, "sequence", sl_cli_json_u64(info->sequence));
    failed |= json_object_set_new(o, "created", sl_cli_json_time(info->created_ms));
    failed |= json_object_set_new(o, "created_ms", sl_cli_json_u64(info->created_ms));
    failed |= json_object_set_new(o, "data_key", sl_cli_json_hex(info->key_id, sizeof info->key_id));
    failed |= json_object_set_new(o, "keystore", sl_cli_json_uuid(info->store_uuid));
    failed |= json_object_set_new(o, "file_id", sl_cli_json_hex(info->file_id, sizeof info->file_id));
    return sl_cli_json_print(o, failed);
}

static int print_text(const struct sealane_file_info *info)
{
    char bytes[SL_CLI_BYTES_TEXT], time[SL_CLI_TIME_TEXT], uuid[SL_CLI_UUID_TEXT], hex[2 * sizeof info->file_id + 1];
    sl_cli_print_label("Format");
    printf("sealane, version %u\n", info->version);
    sl_cli_print_label("Verified");
    printf("no: only the structure was checked\n");
    sl_cli_print_label("State");
    printf("%s, sequence %" PRIu64 "\n", info->sealed ? "sealed" : "open", info->sequence);
    sl_cli_print_label("Suite");
    printf("%u, %s%s\n", info->suite, suite_name(info->suite), info->tag_len == 0 ? ": the data carries no tags" : "");
    sl_cli_print_label("Plaintext");
    sl_cli_format_bytes(bytes, info->plaintext_len);
    printf("%" PRIu64 " bytes", info->plaintext_len);
    printf(info->plaintext_len >= 1024 ? " (%s)\n" : "\n", bytes);
    sl_cli_print_label("Chunk");
    sl_cli_format_bytes(bytes, info->chunk_len);
    printf("%s, tag %" PRIu32 " bytes\n", bytes, info->tag_len);
    sl_cli_print_label("Flags");
    printf("0x%08" PRIx32 "\n", info->flags);
    sl_cli_print_label("Created");
    sl_cli_format_time(time, info->created_ms);
    printf("%s\n", time);
    sl_cli_print_label("Data key");
    sl_cli_format_hex(hex, info->key_id, sizeof info->key_id);
    printf("%s\n", hex);
    sl_cli_print_label("Keystore");
    sl_cli_format_uuid(uuid, info->store_uuid);
    printf("%s\n", uuid);
    sl_cli_print_label("File id");
    sl_cli_format_hex(hex, info->file_id, sizeof info->file_id);
    printf("%s\n", hex);
    return 0;
}

int sl_cli_run_inspect(const struct sl_cli_arguments *a)
{
    bool standard = strcmp(a->word[0], "-") == 0;
    const char *name = standard ? "standard input" : a->word[0];
    /* Opening a FIFO would wait for a writer only to refuse it. */
    int fd = standard ? STDIN_FILENO : open(a->word[0], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return sl_cli_fail(sealane_error_from_errno(errno), name);
    struct sealane_file_info info;
    enum sealane_error error = sealane_file_inspect(fd, &info);
    if (!standard)
        (void)close(fd); /* only read from */
    if (error)
        return sl_cli_fail(error, name);
    return sl_cli_given(a, SL_CLI_JSON) ? print_json(&info) : print_text(&info);
}
