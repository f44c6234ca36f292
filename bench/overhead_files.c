/* Makes the files: values into blocks of LZ4, blocks into bodies, bodies into every set's file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/overhead.h"

enum { METHOD_LZ4 = 0x82, WRITE_CHUNK = 1 << 20 };

/* 00 01 .. 1f, and what ClickHouse writes as this key's fingerprint. */
const uint8_t overhead_key[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                  16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const uint8_t header_start[23] = {'E',  'N',  'C',  2,    0,    2,    0,    0xc4, 0xfa, 0x3b, 0x11, 0x1f,
                                         0x84, 0x11, 0x17, 0x5d, 0x95, 0x65, 0x37, 0x60, 0xcc, 0xe2, 0x56};

/* One column's body while it grows: every block is at most LZ4_compressBound(OVERHEAD_BLOCK) long. */
struct body {
    uint8_t *bytes;
    size_t len, capacity;
    uint8_t raw[OVERHEAD_BLOCK];
    size_t raw_len;
};

void overhead_file_name(char *name, size_t capacity, const char *directory, size_t copy, size_t column)
{
    snprintf(name, capacity, "%s/overhead-%zu-%02zu", directory, copy, column);
}

static void put_le32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static enum bench_status flush_block(struct body *body, enum overhead_type type, struct overhead_marks *marks)
{
    uint8_t *head = body->bytes + body->len;
    size_t room = body->capacity - body->len;
    int len;

    if (body->raw_len == 0)
        return BENCH_OK;
    if (marks->count == OVERHEAD_MAX_BLOCKS || room < OVERHEAD_BLOCK_HEAD + LZ4_COMPRESSBOUND(OVERHEAD_BLOCK)) {
        bench_error("overhead: a generated column has more blocks than there is room for");
        return BENCH_FAILED;
    }
    len = LZ4_compress_default((const char *)body->raw, (char *)head + OVERHEAD_BLOCK_HEAD, (int)body->raw_len,
                               (int)(room - OVERHEAD_BLOCK_HEAD));
    if (len <= 0) {
        bench_error("overhead: LZ4 could not compress a block");
        return BENCH_FAILED;
    }
    head[0] = METHOD_LZ4;
    put_le32(head + 1, (uint32_t)len + OVERHEAD_BLOCK_HEAD);
    put_le32(head + 5, (uint32_t)body->raw_len);
    marks->offset[marks->count] = (uint32_t)body->len;
    marks->sum[marks->count] = overhead_sum(type, body->raw, body->raw_len);
    marks->count++;
    body->len += OVERHEAD_BLOCK_HEAD + (size_t)len;
    body->raw_len = 0;
    return BENCH_OK;
}

static enum bench_status make_body(struct body *body, const struct overhead_table *table, size_t column,
                                   struct overhead_data *data)
{
    const struct overhead_column *kind = &overhead_columns[column];
    struct overhead_marks *marks = &data->marks[column];
    uint8_t value[OVERHEAD_VALUE_MAX];

    body->len = body->raw_len = 0;
    marks->count = 0;
    for (uint32_t row = 0; row < OVERHEAD_ROWS; row++) {
        size_t len = kind->value(table, row, value);

        if (body->raw_len + len > sizeof body->raw && flush_block(body, kind->type, marks) != BENCH_OK)
            return BENCH_FAILED;
        memcpy(body->raw + body->raw_len, value, len);
        body->raw_len += len;
        data->plaintext_bytes += len;
    }
    if (flush_block(body, kind->type, marks) != BENCH_OK)
        return BENCH_FAILED;
    data->reads += (body->len + OVERHEAD_READ - 1) / OVERHEAD_READ;
    return BENCH_OK;
}

static enum bench_status write_whole(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len < WRITE_CHUNK ? len : WRITE_CHUNK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            bench_error("overhead: writing the generated columns: %s", n < 0 ? strerror(errno) : "nothing was written");
            return BENCH_FAILED;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return BENCH_OK;
}

static enum bench_status write_file(const char *name, const uint8_t *header, const uint8_t *bytes, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum bench_status status;

    if (fd < 0) {
        bench_error("overhead: creating a generated column: %s", strerror(errno));
        return BENCH_FAILED;
    }
    status = header == NULL ? BENCH_OK : write_whole(fd, header, OVERHEAD_HEADER);
    if (status == BENCH_OK)
        status = write_whole(fd, bytes, len);
    if (close(fd) != 0 && status == BENCH_OK) {
        bench_error("overhead: closing a generated column: %s", strerror(errno));
        status = BENCH_FAILED;
    }
    return status;
}

/* Another IV for each file and set; the bytes of a benchmark's data are no secret, so a generator may choose them. */
static void make_header(uint8_t header[OVERHEAD_HEADER], size_t copy, size_t column)
{
    memset(header, 0, OVERHEAD_HEADER);
    memcpy(header, header_start, sizeof header_start);
    bench_fill(header + sizeof header_start, 16, 1000 * copy + column + 1);
}

static enum bench_status write_column(const struct body *body, uint8_t *scratch, size_t column, const char *directory,
                                      const enum overhead_body *bodies, size_t copies)
{
    for (size_t copy = 0; copy < copies; copy++) {
        char name[OVERHEAD_PATH];
        uint8_t header[OVERHEAD_HEADER];
        const uint8_t *bytes = body->bytes;

        overhead_file_name(name, sizeof name, directory, copy, column);
        make_header(header, copy, column);
        if (bodies[copy] == OVERHEAD_ENCRYPTED) {
            if (overhead_evp_decrypt(header + sizeof header_start, 0, scratch, body->bytes, body->len) != BENCH_OK)
                return BENCH_FAILED;
            bytes = scratch;
        }
        if (write_file(name, bodies[copy] == OVERHEAD_PLAIN ? NULL : header, bytes, body->len) != BENCH_OK)
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

static enum bench_status sync_files(const char *directory, size_t copies)
{
    for (size_t i = 0; i < copies * OVERHEAD_COLUMNS; i++) {
        char name[OVERHEAD_PATH];
        int fd, result;

        overhead_file_name(name, sizeof name, directory, i / OVERHEAD_COLUMNS, i % OVERHEAD_COLUMNS);
        fd = open(name, O_RDONLY | O_CLOEXEC);
        result = fd < 0 ? -1 : fdatasync(fd);
        if (result != 0)
            bench_error("overhead: bringing the generated columns to the disk: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        if (result != 0)
            return BENCH_FAILED;
    }
    return BENCH_OK;
}

enum bench_status overhead_files_create(struct overhead_data *data, const char *directory,
                                        const enum overhead_body *bodies, size_t copies)
{
    struct overhead_table *table = overhead_table_create();
    struct body *body = malloc(sizeof *body);
    size_t capacity = (size_t)OVERHEAD_ROWS * 64;
    uint8_t *bytes = malloc(capacity);
    uint8_t *scratch = malloc(capacity);
    enum bench_status status = BENCH_OK;

    memset(data, 0, sizeof *data);
    if (table == NULL || body == NULL || bytes == NULL || scratch == NULL) {
        bench_error("overhead: out of memory for the generated columns");
        status = BENCH_FAILED;
    }
    for (size_t column = 0; column < OVERHEAD_COLUMNS && status == BENCH_OK; column++) {
        body->bytes = bytes;
        body->capacity = capacity;
        status = make_body(body, table, column, data);
        if (status == BENCH_OK)
            status = write_column(body, scratch, column, directory, bodies, copies);
        data->compressed_bytes += body->len;
    }
    if (status == BENCH_OK)
        status = sync_files(directory, copies);
    free(scratch);
    free(bytes);
    free(body);
    overhead_table_free(table);
    return status;
}
