#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/io.h"
#include "base/secret.h"
#include "envelope/cipher.h"
#include "envelope/descriptors.h"
#include "envelope/format_io.h"
#include "envelope/keystore.h"
#include "envelope/parallel.h"
#include "envelope/pipeline.h"
#include "sealane/file.h"

/* How much of a pipe's end is kept back until it is known to be the end: the last data page and the commit record, and
 * two pages more to tell appended bytes from missing ones. */
enum { KEEP_BACK = 4 * SL_PAGE };

struct unsealing {
    const struct sealane_unseal_options *options;
    const sealane_keystore *keystore;
    struct sl_pipeline *pipeline;
    struct sl_file_keys *keys;
    struct sl_cipher cipher;
    struct sl_superblock superblock;
    struct sl_commit commit;
    int in_fd;
    int out_fd;
    uint64_t from; /* plaintext range, end excluded */
    uint64_t to;
    uint64_t total; /* bytes of the range, UINT64_MAX while unknown */
    uint64_t done;
};

/* Everything that page 0 alone can tell, in the order of the errors' usefulness: what the page says is believed only
 * after its MAC, but which key it names must be asked before. */
static enum sealane_error check_superblock(struct unsealing *u, const uint8_t page[SL_PAGE])
{
    struct sl_data_key data_key;
    enum sealane_error error = sl_superblock_load(&u->superblock, page);
    if (error != SEALANE_OK)
        return error;
    if (memcmp(u->superblock.store_uuid, sl_keystore_uuid(u->keystore), SEALANE_STORE_UUID_LEN) != 0)
        return SEALANE_E_OTHER_STORE;
    error = sl_keystore_find_key(u->keystore, &data_key, u->superblock.key_id);
    if (error == SEALANE_OK)
        error = sl_file_keys_derive(&u->keys, &u->superblock, data_key.bytes, sl_keystore_allows_unlocked(u->keystore));
    if (error == SEALANE_OK)
        error = sl_superblock_verify(&u->superblock, page, u->keys);
    if (error == SEALANE_OK && !sl_keystore_accepts_ctr(u->keystore))
        error = SEALANE_E_SUITE_REFUSED;
    return error;
}

static void tell(void *context, uint64_t done)
{
    const struct unsealing *u = context;
    if (u->options->progress != NULL)
        u->options->progress(u->options->progress_context, u->done + done, u->total);
}

/* Decrypts and queues what of the current buffer, whose first byte is plaintext byte `at`, lies in the range. */
static void emit(struct unsealing *u, uint8_t *buffer, uint64_t at, size_t len)
{
    uint64_t start = u->from > at ? u->from - at : 0;
    uint64_t end = u->to > at ? u->to - at : 0;
    if (end > len)
        end = len;
    if (start >= end)
        return;
    size_t n = (size_t)(end - start);
    sealane_stream_xor(u->cipher.stream, at + start, buffer + start, buffer + start, n);
    sl_pipeline_submit(u->pipeline, (size_t)start, n);
    u->done += n;
    tell(u, 0);
}

/* ---- Regular files ---- */

/* The first part of a long range; *at is moved past it. */
static enum sealane_error transfer_in_parallel(struct unsealing *u, uint64_t *at)
{
    uint64_t len = sl_parallel_share(u->options->pool, u->in_fd, u->out_fd, u->to - *at, u->to - *at);
    off_t out_at = lseek(u->out_fd, 0, SEEK_CUR);
    if (len == 0 || out_at < 0 || len > (uint64_t)INT64_MAX - (uint64_t)out_at)
        return SEALANE_OK;
    const struct sl_parallel job = {
        .pool = u->options->pool,
        .stream = u->cipher.stream,
        .stream_at = *at,
        .in_fd = u->in_fd,
        .out_fd = u->out_fd,
        .in_at = (int64_t)(SL_PAGE + *at),
        .out_at = out_at,
        .len = len,
        .progress = tell,
        .progress_context = u,
    };
    bool begun;
    enum sealane_error error = sl_parallel_run(&job, &begun);
    if (!begun)
        return SEALANE_OK;
    if (error == SEALANE_OK)
        error = sl_pipeline_skip(u->pipeline, len);
    *at += len;
    u->done += len;
    return error;
}

static enum sealane_error transfer_file(struct unsealing *u)
{
    uint64_t at = u->from;
    enum sealane_error error = transfer_in_parallel(u, &at);
    if (error != SEALANE_OK)
        return error;
    u->from = at;
    /* Whole pages, so that both sides of the copy out of the page cache are aligned. */
    at -= at % SL_PAGE;
    while (at < u->to) {
        uint8_t *buffer;
        size_t got;
        size_t want = u->to - at < SL_RING_LEN ? (size_t)(u->to - at) : SL_RING_LEN;
        error = sl_pipeline_buffer(u->pipeline, &buffer);
        if (error == SEALANE_OK)
            error = sl_pread_full(u->in_fd, buffer, want, &got, (int64_t)(SL_PAGE + at));
        if (error != SEALANE_OK)
            return error;
        if (got < want)
            return SEALANE_E_TRUNCATED; /* it shrank since its size was checked */
        emit(u, buffer, at, got);
        at += got;
    }
    return SEALANE_OK;
}

static enum sealane_error unseal_file(struct unsealing *u, const sealane_engine *engine)
{
    uint8_t page[SL_PAGE];
    uint64_t size;
    enum sealane_error error = sl_head_read(u->in_fd, page, &size);
    if (error == SEALANE_OK)
        error = check_superblock(u, page);
    if (error == SEALANE_OK)
        error = sl_tail_read(u->in_fd, size, &u->commit, u->superblock.file_id, u->keys);
    if (error != SEALANE_OK)
        return error;
    if (u->from > u->commit.length)
        return SEALANE_E_RANGE;
    if (u->to > u->commit.length)
        u->to = u->commit.length;
    u->total = u->to - u->from;
    (void)posix_fadvise(u->in_fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice only */
    error = sl_cipher_open(&u->cipher, engine, u->keys->ctr);
    if (error == SEALANE_OK)
        error = sl_pipeline_start(&u->pipeline, u->out_fd);
    return error != SEALANE_OK ? error : sl_pipeline_end(u->pipeline, transfer_file(u));
}

/* ---- Pipes ---- */

/* The last `have` bytes of the stream are in the buffer; `at` bytes of data came before them. */
static enum sealane_error finish_stream(struct unsealing *u, uint8_t *buffer, uint64_t at, size_t have)
{
    if (have < SL_PAGE)
        return SEALANE_E_TRUNCATED;
    size_t tail_len = have < KEEP_BACK ? have : KEEP_BACK;
    enum sealane_error error = sl_tail_judge(&u->commit, SL_PAGE + at + have, buffer + have - tail_len, tail_len,
                                             u->superblock.file_id, u->keys);
    if (error == SEALANE_OK)
        error = sl_padding_judge(buffer + have - SL_PAGE, u->commit.length);
    if (error != SEALANE_OK)
        return error;
    if (u->from > u->commit.length)
        return SEALANE_E_RANGE;
    /* The size fits the length, so the data ends within the two pages before the end, and those are in the buffer. */
    emit(u, buffer, at, (size_t)(u->commit.length - at));
    return SEALANE_OK;
}

static enum sealane_error transfer_stream(struct unsealing *u)
{
    uint8_t kept[KEEP_BACK];
    size_t kept_len = 0;
    uint64_t at = 0; /* data bytes before the buffer */
    for (;;) {
        uint8_t *buffer;
        size_t got;
        enum sealane_error error = sl_pipeline_buffer(u->pipeline, &buffer);
        if (error != SEALANE_OK)
            return error;
        memcpy(buffer, kept, kept_len);
        error = sl_read_full(u->in_fd, buffer + kept_len, SL_RING_LEN - kept_len, &got);
        if (error != SEALANE_OK)
            return error;
        if (got < SL_RING_LEN - kept_len)
            return finish_stream(u, buffer, at, kept_len + got);
        if (at > (uint64_t)INT64_MAX - 2 * SL_RING_LEN)
            return SEALANE_E_TRAILING_DATA; /* no file is that long */
        memcpy(kept, buffer + SL_RING_LEN - KEEP_BACK, KEEP_BACK);
        kept_len = KEEP_BACK;
        emit(u, buffer, at, SL_RING_LEN - KEEP_BACK);
        at += SL_RING_LEN - KEEP_BACK;
    }
}

static enum sealane_error unseal_stream(struct unsealing *u, const sealane_engine *engine)
{
    uint8_t page[SL_PAGE];
    size_t got;
    enum sealane_error error = sl_read_full(u->in_fd, page, SL_PAGE, &got);
    if (error == SEALANE_OK)
        error = sl_head_judge(page, got);
    if (error == SEALANE_OK)
        error = check_superblock(u, page);
    if (error == SEALANE_OK)
        error = sl_cipher_open(&u->cipher, engine, u->keys->ctr);
    if (error == SEALANE_OK)
        error = sl_pipeline_start(&u->pipeline, u->out_fd);
    return error != SEALANE_OK ? error : sl_pipeline_end(u->pipeline, transfer_stream(u));
}

enum sealane_error sealane_unseal(const sealane_keystore *keystore, const sealane_engine *engine, int in_fd, int out_fd,
                                  const struct sealane_unseal_options *options)
{
    static const struct sealane_unseal_options defaults = SEALANE_UNSEAL_OPTIONS_INIT;
    struct sealane_keystore_info store;
    struct stat status;
    if (options == NULL)
        options = &defaults;
    if (keystore == NULL || engine == NULL || options->size != sizeof *options)
        return SEALANE_E_ARGUMENT;
    sealane_keystore_info(keystore, &store);
    if (!store.verified)
        return SEALANE_E_ARGUMENT;
    enum sealane_error error = sl_descriptors_check(in_fd, out_fd);
    if (error != SEALANE_OK)
        return error;
    if (fstat(in_fd, &status) != 0)
        return sealane_error_from_errno(errno);
    struct unsealing u = {.options = options,
                          .keystore = keystore,
                          .in_fd = in_fd,
                          .out_fd = out_fd,
                          .from = options->offset,
                          .total = UINT64_MAX};
    if (sl_add_u64(&u.to, options->offset, options->length))
        u.to = UINT64_MAX;
    error = S_ISREG(status.st_mode) ? unseal_file(&u, engine) : unseal_stream(&u, engine);
    sl_cipher_close(&u.cipher);
    sl_secret_free(u.keys);
    return error;
}
