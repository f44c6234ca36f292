#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/random.h"
#include "base/secret.h"
#include "envelope/cipher.h"
#include "envelope/descriptors.h"
#include "envelope/format.h"
#include "envelope/keystore.h"
#include "envelope/parallel.h"
#include "envelope/pipeline.h"
#include "sealane/file.h"

struct sealing {
    const struct sealane_seal_options *options;
    struct sl_pipeline *pipeline;
    struct sl_file_keys *keys;
    struct sl_cipher cipher;
    struct sl_superblock superblock;
    int in_fd;
    int out_fd;
    uint64_t total; /* expected plaintext bytes, UINT64_MAX if unknown */
    off_t in_size;  /* at the beginning, if `total` is known */
    uint64_t done;
};

static enum sealane_error new_superblock(struct sl_superblock *sb, const uint8_t store_uuid[SEALANE_STORE_UUID_LEN],
                                         const uint8_t key_id[SEALANE_KEY_ID_LEN])
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < 0)
        return SEALANE_E_IO;
    memset(sb, 0, sizeof *sb);
    sb->version = SL_FORMAT_VERSION;
    sb->suite = SEALANE_SUITE_CTR;
    sb->chunk_log2 = SL_CHUNK_LOG2;
    sb->created_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    memcpy(sb->key_id, key_id, SEALANE_KEY_ID_LEN);
    memcpy(sb->store_uuid, store_uuid, SEALANE_STORE_UUID_LEN);
    enum sealane_error error = sl_random(sb->file_id, SL_FILE_ID_LEN);
    return error != SEALANE_OK ? error : sl_random(sb->salt, SL_SALT_LEN);
}

static void look_at_input(struct sealing *s)
{
    struct stat status;
    s->total = UINT64_MAX;
    if (fstat(s->in_fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    off_t position = lseek(s->in_fd, 0, SEEK_CUR);
    if (position >= 0 && position <= status.st_size)
        s->total = (uint64_t)(status.st_size - position);
    s->in_size = status.st_size;
    (void)posix_fadvise(s->in_fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice only */
}

/* At the end of what there is to read.  Files of some systems are shorter than they say from the start: not these. */
static bool shrank(const struct sealing *s, uint64_t done)
{
    struct stat status;
    return s->total != UINT64_MAX && done < s->total && fstat(s->in_fd, &status) == 0 && status.st_size < s->in_size;
}

static bool is_sealed(const uint8_t *bytes, size_t len)
{
    return len >= SL_MAGIC_LEN && memcmp(bytes, sl_file_magic, SL_MAGIC_LEN) == 0;
}

/* The padding and the commit record: behind the data in its buffer, or in the next one if they do not fit. */
static enum sealane_error finish(struct sealing *s, uint8_t *buffer, size_t used)
{
    size_t padding = (SL_PAGE - used % SL_PAGE) % SL_PAGE;
    memset(buffer + used, 0, padding);
    used += padding;
    if (SL_RING_LEN - used < SL_PAGE) {
        sl_pipeline_submit(s->pipeline, 0, used);
        used = 0;
        enum sealane_error error = sl_pipeline_buffer(s->pipeline, &buffer);
        if (error != SEALANE_OK)
            return error;
    }
    struct sl_commit commit = {.sequence = 1, .state = SL_COMMIT_SEALED, .segment_offset = 0, .length = s->done};
    enum sealane_error error = sl_commit_store(buffer + used, &commit, s->superblock.file_id, s->keys);
    if (error == SEALANE_OK)
        sl_pipeline_submit(s->pipeline, 0, used + SL_PAGE);
    return error;
}

static void tell(void *context, uint64_t done)
{
    const struct sealing *s = context;
    if (s->options->progress != NULL)
        s->options->progress(s->options->progress_context, s->done + done, s->total);
}

/* What is known to be left of a long file, but for an end that may have grown. */
static enum sealane_error transfer_in_parallel(struct sealing *s)
{
    uint64_t left = s->total == UINT64_MAX || s->total < s->done ? 0 : s->total - s->done;
    uint64_t len = sl_parallel_share(s->options->pool, s->in_fd, s->out_fd, s->total, left);
    off_t in_at = lseek(s->in_fd, 0, SEEK_CUR);
    if (len == 0 || in_at < 0 || len > (uint64_t)INT64_MAX - 4 * SL_PAGE - s->done - (uint64_t)in_at)
        return SEALANE_OK;
    enum sealane_error error = sl_pipeline_skip(s->pipeline, 0);
    off_t out_at = error == SEALANE_OK ? lseek(s->out_fd, 0, SEEK_CUR) : -1;
    if (error == SEALANE_OK && out_at < 0)
        error = SEALANE_E_IO;
    if (error == SEALANE_OK && len > (uint64_t)INT64_MAX - (uint64_t)out_at)
        error = SEALANE_E_FILE_SIZE_LIMIT;
    const struct sl_parallel job = {
        .pool = s->options->pool,
        .stream = s->cipher.stream,
        .stream_at = s->done,
        .in_fd = s->in_fd,
        .out_fd = s->out_fd,
        .in_at = in_at,
        .out_at = out_at,
        .len = len,
        .progress = tell,
        .progress_context = s,
    };
    bool begun = true;
    if (error == SEALANE_OK)
        error = sl_parallel_run(&job, &begun);
    if (!begun)
        return SEALANE_OK;
    if (error == SEALANE_OK && lseek(s->in_fd, (off_t)len, SEEK_CUR) < 0)
        error = SEALANE_E_IO;
    if (error == SEALANE_OK)
        error = sl_pipeline_skip(s->pipeline, len);
    if (error == SEALANE_E_TRUNCATED) /* which is a sealed file's */
        error = shrank(s, s->done) ? SEALANE_E_INPUT_SHRANK : SEALANE_E_READ_FAILED;
    s->done += len;
    return error;
}

static enum sealane_error transfer(struct sealing *s)
{
    size_t before = SL_PAGE; /* the superblock takes the first page of the first buffer */
    for (;;) {
        uint8_t *buffer;
        size_t got;
        enum sealane_error error = sl_pipeline_buffer(s->pipeline, &buffer);
        if (error == SEALANE_OK)
            error = sl_read_full(s->in_fd, buffer + before, SL_RING_LEN - before, &got);
        if (error != SEALANE_OK)
            return error;
        if (before != 0) {
            if (!s->options->reseal && is_sealed(buffer + before, got))
                return SEALANE_E_ALREADY_SEALED;
            error = sl_superblock_store(buffer, &s->superblock, s->keys);
            if (error != SEALANE_OK)
                return error;
        }
        /* One more block than the largest file holds would still be far from the counter's wrap. */
        if (got > (uint64_t)INT64_MAX - 3 * SL_PAGE - s->done)
            return SEALANE_E_FILE_SIZE_LIMIT;
        sealane_stream_xor(s->cipher.stream, s->done, buffer + before, buffer + before, got);
        s->done += got;
        tell(s, 0);
        if (got < SL_RING_LEN - before)
            return shrank(s, s->done) ? SEALANE_E_INPUT_SHRANK : finish(s, buffer, before + got);
        sl_pipeline_submit(s->pipeline, 0, SL_RING_LEN);
        if (before != 0) {
            error = transfer_in_parallel(s);
            if (error != SEALANE_OK)
                return error;
        }
        before = 0;
    }
}

static enum sealane_error seal_with_keys(struct sealing *s, const sealane_engine *engine)
{
    enum sealane_error error = sl_cipher_open(&s->cipher, engine, s->keys->ctr);
    if (error != SEALANE_OK)
        return error;
    look_at_input(s);
    error = sl_pipeline_start(&s->pipeline, s->out_fd);
    if (error == SEALANE_OK)
        error = sl_pipeline_end(s->pipeline, transfer(s));
    sl_cipher_close(&s->cipher);
    return error;
}

enum sealane_error sealane_seal(const sealane_keystore *keystore, const sealane_engine *engine, int in_fd, int out_fd,
                                const struct sealane_seal_options *options)
{
    static const struct sealane_seal_options defaults = SEALANE_SEAL_OPTIONS_INIT;
    struct sl_data_key data_key;
    if (options == NULL)
        options = &defaults;
    if (keystore == NULL || engine == NULL || options->size != sizeof *options)
        return SEALANE_E_ARGUMENT;
    if (options->suite != SEALANE_SUITE_CTR)
        return SEALANE_E_SUITE_UNAVAILABLE;
    enum sealane_error error = sl_descriptors_check(in_fd, out_fd);
    if (error == SEALANE_OK)
        error = sl_keystore_active_key(keystore, &data_key);
    if (error != SEALANE_OK)
        return error;
    if (!sl_keystore_accepts_ctr(keystore))
        return SEALANE_E_SUITE_REFUSED;
    struct sealing s = {.options = options, .in_fd = in_fd, .out_fd = out_fd};
    error = new_superblock(&s.superblock, sl_keystore_uuid(keystore), data_key.id);
    if (error == SEALANE_OK)
        error = sl_file_keys_derive(&s.keys, &s.superblock, data_key.bytes, sl_keystore_allows_unlocked(keystore));
    if (error == SEALANE_OK)
        error = seal_with_keys(&s, engine);
    sl_secret_free(s.keys);
    return error;
}
