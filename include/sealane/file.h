/* Sealed files (format B of docs/FORMAT.md): a superblock, data under AES-256-CTR, a commit record. */
#ifndef SEALANE_FILE_H
#define SEALANE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/engine.h"
#include "sealane/error.h"
#include "sealane/export.h"
#include "sealane/keystore.h"
#include "sealane/pool.h"

SEALANE_BEGIN

enum sealane_suite {
    SEALANE_SUITE_CTR = 1 /* AES-256-CTR; superblock and commit record authenticated, the data itself not */
};

/* Called now and then, from the calling thread, with the plaintext bytes done so far and the total (UINT64_MAX if
 * unknown).  It may fork, but should the child return from it, sealing or unsealing ends there with ARGUMENT or FORKED
 * before another byte is read, encrypted or written; the parent goes on. */
typedef void sealane_progress(void *context, uint64_t done, uint64_t total);

/* bytes of plaintext: below, a pool is not used: one thread that reads and encrypts and one that writes are through
 * before workers have been started. */
enum { SEALANE_FILE_POOL_LEN = 16 << 20 };

/* Whether a pool would be used for `len` bytes of plaintext between these: SEALANE_FILE_POOL_LEN or more, and both
 * regular files, the output not opened to append.  Others are read and written in order. */
SEALANE_API int sealane_file_uses_pool(int in_fd, int out_fd, uint64_t len);

struct sealane_seal_options {
    size_t size; /* sizeof(struct sealane_seal_options) */
    enum sealane_suite suite;
    int reseal;                 /* non-zero: seal even what is sealed already */
    sealane_progress *progress; /* NULL: none */
    void *progress_context;
    sealane_pool *pool; /* where sealane_file_uses_pool(); takes room for one request, or two; NULL: none */
};

#define SEALANE_SEAL_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(struct sealane_seal_options), SEALANE_SUITE_CTR, 0, NULL, NULL, NULL                                    \
    }

/* Reads in_fd from its current position to its end and writes a sealed file to out_fd from its own on, in order but for
 * what a pool does: both may be pipes.  A file id, a salt and so every key of the output are new.  Memory is bounded
 * whatever the length: 2 MiB, and 256 KiB for each of a pool's workers; one extra thread, which takes no
 * signals, writes what this one reads and encrypts: a closed pipe or a size limit is an error here, never a signal.
 * Both descriptors on one regular file or block device are refused, SAME_FILE, before anything is read or written.  On
 * failure out_fd holds an incomplete file that no reader accepts: discard it.  Errors: SAME_FILE, ALREADY_SEALED,
 * SUITE_UNAVAILABLE, SUITE_REFUSED (the keystore's policy would not let it be read), ARGUMENT (keystore not verified),
 * READ_FAILED, INPUT_SHRANK (a regular file, before its end was read; one that grows is sealed as far as that was
 * read), WRITE_FAILED, BROKEN_PIPE, IO (a descriptor that is none, the clock), NO_SPACE, FILE_SIZE_LIMIT, RANDOM,
 * MEMORY_LOCK, NO_MEMORY, THREAD, CRYPTO_LIBRARY, and with a pool FORKED, POOL_FULL.  Does not sync, close or truncate.
 * Different calls on different threads are independent.
 */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_seal(const sealane_keystore *keystore,
                                                          const sealane_engine *engine, int in_fd, int out_fd,
                                                          const struct sealane_seal_options *options);

struct sealane_unseal_options {
    size_t size;     /* sizeof(struct sealane_unseal_options) */
    uint64_t offset; /* first plaintext byte */
    uint64_t length; /* how many; UINT64_MAX: to the end.  What lies beyond the end is cut off silently */
    sealane_progress *progress;
    void *progress_context;
    sealane_pool *pool; /* as for sealing */
};

#define SEALANE_UNSEAL_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(struct sealane_unseal_options), 0, UINT64_MAX, NULL, NULL, NULL                                         \
    }

/* Writes the plaintext range to out_fd.  A regular in_fd, whatever its position, is checked whole (superblock, commit
 * record, length, padding) before the first byte comes out, and only the range is read; from a pipe the commit record
 * comes last, so an error may follow output: discard it then,
 * as after any error; what a pool wrote may have holes.  Both descriptors on one regular file or block device are
 * refused, SAME_FILE, before anything is read or written.  Errors: SAME_FILE, NOT_SEALED, TRUNCATED, TRAILING_DATA,
 * DAMAGED, UNSUPPORTED, NO_SUCH_KEY, OTHER_STORE, SUITE_REFUSED, RANGE, and as sealane_seal. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_unseal(const sealane_keystore *keystore,
                                                            const sealane_engine *engine, int in_fd, int out_fd,
                                                            const struct sealane_unseal_options *options);

struct sealane_file_info {
    uint16_t version;
    uint16_t suite;
    uint32_t chunk_len; /* bytes */
    uint32_t tag_len;   /* bytes; 0 for suite 1 */
    uint32_t flags;
    uint64_t created_ms; /* UTC, milliseconds since 1970 */
    uint8_t key_id[SEALANE_KEY_ID_LEN];
    uint8_t store_uuid[SEALANE_STORE_UUID_LEN];
    uint8_t file_id[32];
    uint64_t plaintext_len; /* bytes, as the commit record says */
    uint64_t sequence;      /* of the commit record */
    int sealed;             /* 1: state sealed, 0: state open */
};

/* Reads superblock and commit record of a regular file without any key: nothing is verified but the structure.  Errors:
 * NOT_SEALED, TRUNCATED, TRAILING_DATA, DAMAGED, UNSUPPORTED, NOT_REGULAR, IO. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_file_inspect(int fd, struct sealane_file_info *info);

SEALANE_END

#endif
