/* The sealed file's layout (format B of docs/FORMAT.md) and its keys.  Pages of 4096 bytes, little endian:
 * superblock, data, zeros to a page boundary, commit record. */
#ifndef SEALANE_ENVELOPE_FORMAT_H
#define SEALANE_ENVELOPE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"
#include "sealane/file.h"

enum {
    SL_PAGE = 4096,
    SL_MAGIC_LEN = 8,
    SL_FORMAT_VERSION = 1,
    SL_FILE_ID_LEN = 32,
    SL_SALT_LEN = 32,
    SL_MAC_LEN = 32,
    SL_CHUNK_LOG2 = 16,
    SL_COMMIT_SEALED = 2 /* 1 is open: a file still being appended to */
};

/* The first 8 bytes of every sealed file. */
extern const uint8_t sl_file_magic[SL_MAGIC_LEN];

struct sl_superblock {
    uint16_t version;
    uint16_t suite;
    uint8_t chunk_log2;
    uint8_t tag_len;
    uint32_t flags;
    uint64_t created_ms;
    uint8_t key_id[SEALANE_KEY_ID_LEN];
    uint8_t store_uuid[SEALANE_STORE_UUID_LEN];
    uint8_t file_id[SL_FILE_ID_LEN];
    uint8_t salt[SL_SALT_LEN];
};

struct sl_commit {
    uint64_t sequence;
    uint32_t state;
    uint64_t segment_offset; /* of the last segment's header; 0: the superblock is it */
    uint64_t length;         /* plaintext bytes */
};

/* One file's keys.  Lies in secret memory. */
struct sl_file_keys {
    uint8_t header[32];
    uint8_t commit[32];
    uint8_t ctr[SEALANE_KEY_LEN];
};

/* Derives the keys of `sb`'s file and of its segment 0 from a 32-byte data key.  *keys is NULL on failure; free it with
 * sl_secret_free.  Errors: MEMORY_LOCK, NO_MEMORY, CRYPTO_LIBRARY. */
SEALANE_CHECK enum sealane_error sl_file_keys_derive(struct sl_file_keys **keys, const struct sl_superblock *sb,
                                                     const uint8_t data_key[32], bool allow_unlocked);

/* Fills the page, its HMAC last. */
SEALANE_CHECK enum sealane_error sl_superblock_store(uint8_t page[SL_PAGE], const struct sl_superblock *sb,
                                                     const struct sl_file_keys *keys);

/* Reads the fields.  NOT_SEALED without the magic; UNSUPPORTED for a version, suite or critical flag that this version
 * does not know.  Nothing else is checked: see the next two. */
SEALANE_CHECK enum sealane_error sl_superblock_load(struct sl_superblock *sb, const uint8_t page[SL_PAGE]);

/* True if the fields not checked by loading have values that this version writes and reserved bytes are zero. */
bool sl_superblock_regular(const struct sl_superblock *sb, const uint8_t page[SL_PAGE]);

/* DAMAGED if the HMAC is wrong; UNSUPPORTED if it is right but the page is not regular. */
SEALANE_CHECK enum sealane_error sl_superblock_verify(const struct sl_superblock *sb, const uint8_t page[SL_PAGE],
                                                      const struct sl_file_keys *keys);

SEALANE_CHECK enum sealane_error sl_commit_store(uint8_t page[SL_PAGE], const struct sl_commit *commit,
                                                 const uint8_t file_id[SL_FILE_ID_LEN],
                                                 const struct sl_file_keys *keys);

/* Reads and verifies.  DAMAGED if the page is no commit record or its HMAC is wrong; UNSUPPORTED if the HMAC is right
 * but the record is not that of a file written in one go.  keys NULL: the HMAC is not looked at, and what it would have
 * made UNSUPPORTED is DAMAGED. */
SEALANE_CHECK enum sealane_error sl_commit_load(struct sl_commit *commit, const uint8_t page[SL_PAGE],
                                                const uint8_t file_id[SL_FILE_ID_LEN], const struct sl_file_keys *keys);

/* Bytes of the sealed file of `length` plaintext bytes.  True if that exceeds INT64_MAX, the largest file. */
bool sl_sealed_size(uint64_t *size, uint64_t length);

/* Judges a file of `size` bytes by its last `tail_len` bytes (at most size - 4096: the superblock is not among them).
 * OK: the last page is the commit record and the size is what it says.  Else TRAILING_DATA if an earlier page in
 * the tail is that, DAMAGED if the last page was a commit record once, TRUNCATED otherwise; UNSUPPORTED.  A MAC
 * decides; with keys NULL, the structure alone. */
SEALANE_CHECK enum sealane_error sl_tail_judge(struct sl_commit *commit, uint64_t size, const uint8_t *tail,
                                               size_t tail_len, const uint8_t file_id[SL_FILE_ID_LEN],
                                               const struct sl_file_keys *keys);

/* True if all len bytes are zero. */
bool sl_all_zero(const uint8_t *bytes, size_t len);

#endif
