/* The suite `overhead`: what encryption at rest costs a column store, without the column store.
 *
 * 22 generated columns in 22 files of LZ4 blocks are read by reads of 128 KiB, decompressed and summed (case `decode`),
 * or one block is looked up in a file that is opened for it (case `lookup`).  The same work is done on plain files, the
 * way ClickHouse's encrypted disk does it, and in place with this library. */
#ifndef BENCH_OVERHEAD_H
#define BENCH_OVERHEAD_H

#include <stddef.h>
#include <stdint.h>

#include "bench/bench.h"
#include "sealane/engine.h"

enum {
    OVERHEAD_COLUMNS = 22,
    OVERHEAD_ROWS = 3 << 18,
    OVERHEAD_BLOCK = 65536,  /* most plaintext bytes in one LZ4 block: ClickHouse's min_compress_block_size */
    OVERHEAD_READ = 131072,  /* bytes of one pread: ClickHouse's buffer for local files */
    OVERHEAD_HEADER = 64,    /* an encrypted file's header */
    OVERHEAD_BLOCK_HEAD = 9, /* before each LZ4 block: method, size with this head, plaintext size (both LE) */
    OVERHEAD_LOOKUPS = 512,  /* of one iteration of `lookup` */
    OVERHEAD_MAX_BLOCKS = 1024,
    OVERHEAD_PATH = 4096 /* bytes of a file name with its directory */
};

/* ---- Columns ---- */

enum overhead_type { OVERHEAD_U8, OVERHEAD_U16, OVERHEAD_U32, OVERHEAD_U64, OVERHEAD_F64, OVERHEAD_STRING };

struct overhead_table; /* what the values of one row have in common, such as its visitor */

/* Writes the value of `row` to `out` and returns its length, at most OVERHEAD_VALUE_MAX.  A string is one length byte
 * and that many bytes (ClickHouse's encoding of strings below 128 bytes). */
enum { OVERHEAD_VALUE_MAX = 128 };
typedef size_t overhead_value(const struct overhead_table *table, uint32_t row, uint8_t *out);

struct overhead_column {
    const char *name;
    enum overhead_type type;
    overhead_value *value;
};

extern const struct overhead_column overhead_columns[OVERHEAD_COLUMNS];

/* NULL without memory.  The same rows every time, on every machine. */
struct overhead_table *overhead_table_create(void);
void overhead_table_free(struct overhead_table *table);

/* What a query does with a decoded block: the sum of its values modulo 2^64 (of strings: lengths and first bytes; of
 * floats: the bits of the block's sum). */
uint64_t overhead_sum(enum overhead_type type, const uint8_t *data, size_t len);

/* ---- Files ---- */

enum overhead_body {
    OVERHEAD_PLAIN,    /* LZ4 blocks and nothing else */
    OVERHEAD_FRAMED,   /* a header, then the plain bytes: what is left of an encrypted file without the cipher */
    OVERHEAD_ENCRYPTED /* ClickHouse's format, version 2, AES_256_CTR */
};

/* One column's blocks, the way ClickHouse keeps its marks in memory. */
struct overhead_marks {
    size_t count;
    uint32_t offset[OVERHEAD_MAX_BLOCKS]; /* of the block's head, from the start of the body */
    uint64_t sum[OVERHEAD_MAX_BLOCKS];    /* as generated, before it was compressed */
};

struct overhead_data {
    struct overhead_marks marks[OVERHEAD_COLUMNS];
    uint64_t plaintext_bytes;
    uint64_t compressed_bytes;
    uint64_t reads; /* buffers of OVERHEAD_READ bytes that a pass over all columns fills */
};

/* The key of every generated file; its fingerprint in ClickHouse's format is known, and it keeps nothing secret. */
extern const uint8_t overhead_key[32];

/* Writes `copies` sets of all columns to `directory`, set k with the body `bodies[k]`, and brings them to the disk so
 * that no write-back runs beside the measurement.  Says itself what fails. */
enum bench_status overhead_files_create(struct overhead_data *data, const char *directory,
                                        const enum overhead_body *bodies, size_t copies);

/* The name of set `copy`'s file of `column`. */
void overhead_file_name(char *name, size_t capacity, const char *directory, size_t copy, size_t column);

/* ---- Readers ---- */

enum overhead_way {
    OVERHEAD_WAY_PLAIN,
    OVERHEAD_WAY_CLICKHOUSE,   /* three buffers, a new EVP context for each */
    OVERHEAD_WAY_COPIES_ONLY,  /* the same with a memcpy where the cipher was */
    OVERHEAD_WAY_EVP_IN_PLACE, /* the same without the copies */
    OVERHEAD_WAY_SEALANE       /* in place, with this library */
};

struct overhead_reader;

/* `key` is for OVERHEAD_WAY_SEALANE, which borrows it; else NULL.  NULL without memory. */
struct overhead_reader *overhead_reader_create(enum overhead_way way, const sealane_key *key);
void overhead_reader_free(struct overhead_reader *reader);

/* Opens a file, checks its header if it has one, and stands at `offset` of its body. */
enum bench_status overhead_reader_open(struct overhead_reader *reader, const char *name, uint64_t offset);
void overhead_reader_close(struct overhead_reader *reader);

/* Decompresses the next block.  *len is 0 at the end of the file.  *data is valid until the next call. */
enum bench_status overhead_reader_block(struct overhead_reader *reader, const uint8_t **data, size_t *len);

/* ---- ClickHouse's use of OpenSSL ---- */

/* Decrypts len bytes at `offset` of the body, the way ClickHouse does: everything anew in every call. */
enum bench_status overhead_evp_decrypt(const uint8_t iv[16], uint64_t offset, uint8_t *dst, const uint8_t *src,
                                       size_t len);

/* The same without any bytes: what such a call costs before it decrypts. */
enum bench_status overhead_evp_setup(const uint8_t iv[16]);

/* ---- Statistics ---- */

/* An estimate and a distribution-free interval for it. */
struct overhead_estimate {
    double median, low, high;
};

/* The median of `values`, and the order statistics that enclose the median of their distribution with at least 99 %
 * confidence (binomial; the extremes where there are too few values).  Sorts `values`. */
struct overhead_estimate overhead_estimate(double *values, size_t count);

enum bench_status overhead_report(const struct bench_options *options, const struct bench_result *results, size_t count,
                                  FILE *out);

/* What the report says about the data. */
const struct overhead_data *overhead_shared_data(void);

#endif
