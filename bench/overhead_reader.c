/* The ways to read a column file.  All of them read 128 KiB at a time, find LZ4 blocks in what they read and decompress
 * them; they differ in what lies between pread and LZ4.
 *
 * A block that straddles two reads is put together in a buffer of its own, as ClickHouse's CompressedReadBuffer does.
 * All buffers are allocated once and kept: ClickHouse allocates them for each open file, from an allocator that keeps
 * them too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/overhead.h"

enum { BLOCK_MAX = OVERHEAD_BLOCK_HEAD + LZ4_COMPRESSBOUND(OVERHEAD_BLOCK), PAGE = 4096 };

struct overhead_reader {
    enum overhead_way way;
    const sealane_key *key;
    int fd;
    int header_pending; /* the next bytes read are the header's */
    uint64_t raw;       /* where in the file the next pread starts */
    uint64_t offset;    /* where in the body the next fill starts */
    uint8_t iv[16];
    uint8_t *inner, *encrypted, *working; /* the three buffers; a reader in place has the last only */
    size_t inner_at, inner_len;
    const uint8_t *data; /* what of the working buffer is not yet taken */
    size_t len;
    uint8_t *straddling; /* a block of two reads */
    uint8_t *block;      /* decompressed */
};

static int copies(enum overhead_way way)
{
    return way == OVERHEAD_WAY_CLICKHOUSE || way == OVERHEAD_WAY_COPIES_ONLY;
}

struct overhead_reader *overhead_reader_create(enum overhead_way way, const sealane_key *key)
{
    struct overhead_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL)
        return NULL;
    reader->way = way;
    reader->key = key;
    reader->fd = -1;
    reader->working = aligned_alloc(PAGE, OVERHEAD_READ);
    reader->straddling = aligned_alloc(PAGE, 2 * OVERHEAD_BLOCK);
    reader->block = aligned_alloc(PAGE, OVERHEAD_BLOCK);
    if (copies(way)) {
        reader->inner = aligned_alloc(PAGE, OVERHEAD_READ);
        reader->encrypted = aligned_alloc(PAGE, OVERHEAD_READ);
    }
    if (reader->working == NULL || reader->straddling == NULL || reader->block == NULL ||
        (copies(way) && (reader->inner == NULL || reader->encrypted == NULL))) {
        overhead_reader_free(reader);
        return NULL;
    }
    return reader;
}

void overhead_reader_free(struct overhead_reader *reader)
{
    if (reader == NULL)
        return;
    overhead_reader_close(reader);
    free(reader->inner);
    free(reader->encrypted);
    free(reader->working);
    free(reader->straddling);
    free(reader->block);
    free(reader);
}

/* Fills the buffer unless the file ends; *len says how far. */
static enum bench_status read_fully(struct overhead_reader *reader, uint8_t *buffer, size_t capacity, size_t *len)
{
    *len = 0;
    while (*len < capacity) {
        ssize_t n = pread(reader->fd, buffer + *len, capacity - *len, (off_t)reader->raw);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            bench_error("overhead: reading a generated column: %s", strerror(errno));
            return BENCH_FAILED;
        }
        if (n == 0)
            break;
        *len += (size_t)n;
        reader->raw += (uint64_t)n;
    }
    return BENCH_OK;
}

static enum bench_status take_header(struct overhead_reader *reader, const uint8_t *header, size_t len)
{
    static const uint8_t start[7] = {'E', 'N', 'C', 2, 0, 2, 0};

    if (len < OVERHEAD_HEADER || memcmp(header, start, sizeof start) != 0) {
        bench_error("overhead: a generated column has no header");
        return BENCH_FAILED;
    }
    memcpy(reader->iv, header + 23, sizeof reader->iv);
    reader->header_pending = 0;
    return BENCH_OK;
}

enum bench_status overhead_reader_open(struct overhead_reader *reader, const char *name, uint64_t offset)
{
    int framed = reader->way != OVERHEAD_WAY_PLAIN;

    overhead_reader_close(reader);
    reader->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0) {
        bench_error("overhead: opening a generated column: %s", strerror(errno));
        return BENCH_FAILED;
    }
    reader->raw = 0;
    reader->offset = offset;
    reader->inner_at = reader->inner_len = 0;
    reader->len = 0;
    reader->header_pending = framed;
    if (offset == 0)
        return BENCH_OK; /* a header comes with the first 128 KiB */
    if (framed) {
        uint8_t header[OVERHEAD_HEADER];
        size_t len;

        if (read_fully(reader, header, sizeof header, &len) != BENCH_OK || take_header(reader, header, len) != BENCH_OK)
            return BENCH_FAILED;
    }
    reader->raw = offset + (framed ? OVERHEAD_HEADER : 0);
    return BENCH_OK;
}

void overhead_reader_close(struct overhead_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

/* One 128 KiB read into the buffer it is used from. */
static enum bench_status fill_in_place(struct overhead_reader *reader)
{
    uint8_t *data = reader->working;
    size_t len;

    if (read_fully(reader, data, OVERHEAD_READ, &len) != BENCH_OK)
        return BENCH_FAILED;
    if (reader->header_pending) {
        if (take_header(reader, data, len) != BENCH_OK)
            return BENCH_FAILED;
        data += OVERHEAD_HEADER;
        len -= OVERHEAD_HEADER;
    }
    reader->data = data;
    reader->len = len;
    if (reader->way == OVERHEAD_WAY_SEALANE)
        sealane_ctr_xor(reader->key, reader->iv, reader->offset, data, data, len);
    else if (reader->way == OVERHEAD_WAY_EVP_IN_PLACE && len > 0 &&
             overhead_evp_decrypt(reader->iv, reader->offset, data, data, len) != BENCH_OK)
        return BENCH_FAILED;
    reader->offset += len;
    return BENCH_OK;
}

/* ReadBufferFromEncryptedFile::nextImpl: the inner reader's buffer, copied into the encrypted buffer until that is full
 * (with the header taken off, every fill spans two reads), decrypted into the working buffer. */
static enum bench_status fill_by_copies(struct overhead_reader *reader)
{
    size_t len = 0;

    while (len < OVERHEAD_READ) {
        size_t n;

        if (reader->inner_at == reader->inner_len) {
            reader->inner_at = 0;
            if (read_fully(reader, reader->inner, OVERHEAD_READ, &reader->inner_len) != BENCH_OK)
                return BENCH_FAILED;
            if (reader->inner_len == 0)
                break;
            if (reader->header_pending) {
                if (take_header(reader, reader->inner, reader->inner_len) != BENCH_OK)
                    return BENCH_FAILED;
                reader->inner_at = OVERHEAD_HEADER;
            }
        }
        n = reader->inner_len - reader->inner_at;
        if (n > OVERHEAD_READ - len)
            n = OVERHEAD_READ - len;
        memcpy(reader->encrypted + len, reader->inner + reader->inner_at, n);
        reader->inner_at += n;
        len += n;
    }
    if (reader->way == OVERHEAD_WAY_COPIES_ONLY)
        memcpy(reader->working, reader->encrypted, len);
    else if (len > 0 &&
             overhead_evp_decrypt(reader->iv, reader->offset, reader->working, reader->encrypted, len) != BENCH_OK)
        return BENCH_FAILED;
    reader->data = reader->working;
    reader->len = len;
    reader->offset += len;
    return BENCH_OK;
}

static enum bench_status fill(struct overhead_reader *reader)
{
    return copies(reader->way) ? fill_by_copies(reader) : fill_in_place(reader);
}

/* Takes len bytes in one piece: from the working buffer if they lie there whole. */
static enum bench_status take(struct overhead_reader *reader, uint8_t *spare, size_t len, const uint8_t **bytes,
                              size_t *taken)
{
    if (reader->len == 0 && fill(reader) != BENCH_OK)
        return BENCH_FAILED;
    *bytes = reader->data;
    *taken = len;
    if (reader->len >= len) {
        reader->data += len;
        reader->len -= len;
        return BENCH_OK;
    }
    *bytes = spare;
    *taken = 0;
    while (*taken < len && reader->len > 0) {
        size_t n = reader->len < len - *taken ? reader->len : len - *taken;

        memcpy(spare + *taken, reader->data, n);
        reader->data += n;
        reader->len -= n;
        *taken += n;
        if (reader->len == 0 && *taken < len && fill(reader) != BENCH_OK)
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

static uint32_t get_le32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

enum bench_status overhead_reader_block(struct overhead_reader *reader, const uint8_t **data, size_t *len)
{
    uint8_t spare[OVERHEAD_BLOCK_HEAD];
    const uint8_t *bytes;
    size_t taken, compressed_len, plain_len;

    *len = 0;
    if (take(reader, spare, sizeof spare, &bytes, &taken) != BENCH_OK)
        return BENCH_FAILED;
    if (taken == 0)
        return BENCH_OK;
    if (taken < sizeof spare)
        goto damaged;
    compressed_len = get_le32(bytes + 1);
    plain_len = get_le32(bytes + 5);
    if (compressed_len <= OVERHEAD_BLOCK_HEAD || compressed_len > BLOCK_MAX || plain_len > OVERHEAD_BLOCK)
        goto damaged;
    compressed_len -= OVERHEAD_BLOCK_HEAD;
    if (take(reader, reader->straddling, compressed_len, &bytes, &taken) != BENCH_OK)
        return BENCH_FAILED;
    if (taken < compressed_len || LZ4_decompress_safe((const char *)bytes, (char *)reader->block, (int)compressed_len,
                                                      OVERHEAD_BLOCK) != (int)plain_len)
        goto damaged;
    *data = reader->block;
    *len = plain_len;
    return BENCH_OK;

damaged:
    bench_error("overhead: a generated column reads back damaged");
    return BENCH_FAILED;
}
