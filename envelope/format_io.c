#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "envelope/format_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"

enum { LOOK_BACK = 1024 * 1024 };

enum sealane_error sl_head_judge(const uint8_t page[SL_PAGE], size_t got)
{
    if (got < SL_MAGIC_LEN || memcmp(page, sl_file_magic, SL_MAGIC_LEN) != 0)
        return SEALANE_E_NOT_SEALED;
    return got < SL_PAGE ? SEALANE_E_TRUNCATED : SEALANE_OK;
}

enum sealane_error sl_head_read(int fd, uint8_t page[SL_PAGE], uint64_t *size)
{
    struct stat status;
    size_t got;
    if (fstat(fd, &status) != 0)
        return sealane_error_from_errno(errno);
    if (!S_ISREG(status.st_mode))
        return SEALANE_E_NOT_REGULAR;
    *size = (uint64_t)status.st_size;
    enum sealane_error error = sl_pread_full(fd, page, SL_PAGE, &got, 0);
    if (error == SEALANE_OK)
        error = sl_head_judge(page, got);
    if (error == SEALANE_OK && *size < 2 * SL_PAGE)
        error = SEALANE_E_TRUNCATED;
    return error;
}

/* Reads the last tail_len bytes and judges by them. */
static enum sealane_error judge(int fd, uint64_t size, uint8_t *tail, size_t tail_len, struct sl_commit *commit,
                                const uint8_t file_id[SL_FILE_ID_LEN], const struct sl_file_keys *keys)
{
    size_t got;
    enum sealane_error error = sl_pread_full(fd, tail, tail_len, &got, (int64_t)(size - tail_len));
    if (error != SEALANE_OK)
        return error;
    if (got < tail_len)
        return SEALANE_E_TRUNCATED;
    return sl_tail_judge(commit, size, tail, tail_len, file_id, keys);
}

/* The size less the superblock, at most `most`. */
static size_t tail_of(uint64_t size, size_t most)
{
    return size - SL_PAGE < most ? (size_t)(size - SL_PAGE) : most;
}

enum sealane_error sl_padding_judge(const uint8_t *tail_end, uint64_t length)
{
    size_t used = length % SL_PAGE;
    if (used == 0 || sl_all_zero(tail_end - (SL_PAGE - used), SL_PAGE - used))
        return SEALANE_OK;
    return SEALANE_E_DAMAGED;
}

enum sealane_error sl_tail_read(int fd, uint64_t size, struct sl_commit *commit, const uint8_t file_id[SL_FILE_ID_LEN],
                                const struct sl_file_keys *keys)
{
    uint8_t tail[SL_TAIL_LEN];
    size_t tail_len = tail_of(size, SL_TAIL_LEN);
    enum sealane_error error = judge(fd, size, tail, tail_len, commit, file_id, keys);
    if (error == SEALANE_OK)
        return sl_padding_judge(tail + tail_len - SL_PAGE, commit->length);
    if (error != SEALANE_E_DAMAGED && error != SEALANE_E_TRUNCATED)
        return error;
    /* Only the words of the message depend on this look: without memory the first judgement stands. */
    size_t more_len = tail_of(size, LOOK_BACK);
    uint8_t *more = malloc(more_len);
    if (more != NULL) {
        enum sealane_error better = judge(fd, size, more, more_len, commit, file_id, keys);
        if (better != SEALANE_OK)
            error = better;
        free(more);
    }
    return error;
}
