#include <string.h>

#include "envelope/format_io.h"
#include "sealane/file.h"

enum sealane_error sealane_file_inspect(int fd, struct sealane_file_info *info)
{
    uint8_t page[SL_PAGE];
    uint64_t size;
    struct sl_superblock sb;
    struct sl_commit commit;
    if (info == NULL)
        return SEALANE_E_ARGUMENT;
    memset(info, 0, sizeof *info);
    enum sealane_error error = sl_head_read(fd, page, &size);
    if (error == SEALANE_OK)
        error = sl_superblock_load(&sb, page);
    if (error == SEALANE_OK && !sl_superblock_regular(&sb, page))
        error = SEALANE_E_DAMAGED;
    if (error == SEALANE_OK)
        error = sl_tail_read(fd, size, &commit, sb.file_id, NULL);
    if (error != SEALANE_OK)
        return error;
    info->version = sb.version;
    info->suite = sb.suite;
    info->chunk_len = (uint32_t)1 << sb.chunk_log2;
    info->tag_len = sb.tag_len;
    info->flags = sb.flags;
    info->created_ms = sb.created_ms;
    memcpy(info->key_id, sb.key_id, sizeof info->key_id);
    memcpy(info->store_uuid, sb.store_uuid, sizeof info->store_uuid);
    memcpy(info->file_id, sb.file_id, sizeof info->file_id);
    info->plaintext_len = commit.length;
    info->sequence = commit.sequence;
    info->sealed = commit.state == SL_COMMIT_SEALED;
    return SEALANE_OK;
}
