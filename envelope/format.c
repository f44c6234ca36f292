#include "envelope/format.h"

#include <string.h>

#include "base/checked.h"
#include "base/endian.h"
#include "base/secret.h"
#include "base/wipe.h"
#include "envelope/kdf.h"

/* A first byte above 0x7f, CR LF, control-Z and LF show a transfer that took the file for text. */
const uint8_t sl_file_magic[SL_MAGIC_LEN] = {0x89, 'S', 'E', 'A', '\r', '\n', 0x1a, '\n'};
static const uint8_t commit_magic[SL_MAGIC_LEN] = {0x89, 'S', 'E', 'C', '\r', '\n', 0x1a, '\n'};

enum {
    MAC_AT = SL_PAGE - SL_MAC_LEN,

    SB_VERSION = 8,
    SB_SUITE = 10,
    SB_CHUNK = 12,
    SB_TAG_LEN = 13,
    SB_ZERO_16 = 14,
    SB_FLAGS = 16,
    SB_ZERO_32 = 20,
    SB_CREATED = 24,
    SB_KEY_ID = 32,
    SB_STORE = 48,
    SB_FILE_ID = 64,
    SB_SALT = 96,
    SB_WRAPS = 128, /* room for two embedded wraps, then zeros */

    CR_SEQUENCE = 8,
    CR_STATE = 16,
    CR_ZERO_32 = 20,
    CR_SEGMENT = 24,
    CR_LENGTH = 32,
    CR_ZEROS = 40,

    LABEL_LEN = 24,
    INFO_LEN = LABEL_LEN + 2 + SEALANE_STORE_UUID_LEN + SL_FILE_ID_LEN + 8
};

/* A reader refuses a flag of this half that it does not know, and ignores the others. */
static const uint32_t CRITICAL_FLAGS = 0x0000ffff;

bool sl_all_zero(const uint8_t *bytes, size_t len)
{
    /* Every byte equals the one after it, and the first is zero: memcmp is the fast loop. */
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* ---- Keys ---- */

/* Label (zero-padded) | suite | store UUID | file id | segment index. */
static void make_info(uint8_t info[INFO_LEN], const char *label, const struct sl_superblock *sb, uint64_t segment)
{
    memset(info, 0, INFO_LEN);
    memcpy(info, label, strlen(label));
    sl_store_le16(info + LABEL_LEN, sb->suite);
    memcpy(info + LABEL_LEN + 2, sb->store_uuid, SEALANE_STORE_UUID_LEN);
    memcpy(info + LABEL_LEN + 18, sb->file_id, SL_FILE_ID_LEN);
    sl_store_le64(info + LABEL_LEN + 50, segment);
}

static enum sealane_error expand(uint8_t out[32], const uint8_t prk[32], const char *label,
                                 const struct sl_superblock *sb)
{
    uint8_t info[INFO_LEN];
    make_info(info, label, sb, 0);
    return sl_hkdf_expand(out, prk, info, sizeof info);
}

struct intermediate {
    uint8_t root[32];
    uint8_t segment[32];
    uint8_t segment_root[32];
};

static enum sealane_error derive(struct sl_file_keys *keys, struct intermediate *work, const struct sl_superblock *sb,
                                 const uint8_t data_key[32])
{
    static const uint8_t ctr_label[LABEL_LEN] = "sealane/1 ctr";
    enum sealane_error error = sl_hkdf_extract(work->root, sb->file_id, SL_FILE_ID_LEN, data_key, 32);
    if (error == SEALANE_OK)
        error = expand(keys->header, work->root, "sealane/1 file header", sb);
    if (error == SEALANE_OK)
        error = expand(keys->commit, work->root, "sealane/1 file commit", sb);
    if (error == SEALANE_OK)
        error = expand(work->segment, work->root, "sealane/1 file segment", sb);
    if (error == SEALANE_OK)
        error = sl_hkdf_extract(work->segment_root, sb->salt, SL_SALT_LEN, work->segment, 32);
    if (error == SEALANE_OK)
        error = sl_hkdf_expand(keys->ctr, work->segment_root, ctr_label, sizeof ctr_label);
    return error;
}

enum sealane_error sl_file_keys_derive(struct sl_file_keys **keys, const struct sl_superblock *sb,
                                       const uint8_t data_key[32], bool allow_unlocked)
{
    *keys = NULL;
    void *work = NULL;
    void *out = NULL;
    enum sealane_error error = sl_secret_alloc(&work, sizeof(struct intermediate), allow_unlocked);
    if (error == SEALANE_OK)
        error = sl_secret_alloc(&out, sizeof(struct sl_file_keys), allow_unlocked);
    if (error == SEALANE_OK)
        error = derive(out, work, sb, data_key);
    sl_secret_free(work);
    if (error != SEALANE_OK) {
        sl_secret_free(out);
        return error;
    }
    *keys = out;
    return SEALANE_OK;
}

/* ---- Superblock ---- */

enum sealane_error sl_superblock_store(uint8_t page[SL_PAGE], const struct sl_superblock *sb,
                                       const struct sl_file_keys *keys)
{
    memset(page, 0, SL_PAGE);
    memcpy(page, sl_file_magic, SL_MAGIC_LEN);
    sl_store_le16(page + SB_VERSION, sb->version);
    sl_store_le16(page + SB_SUITE, sb->suite);
    page[SB_CHUNK] = sb->chunk_log2;
    page[SB_TAG_LEN] = sb->tag_len;
    sl_store_le32(page + SB_FLAGS, sb->flags);
    sl_store_le64(page + SB_CREATED, sb->created_ms);
    memcpy(page + SB_KEY_ID, sb->key_id, SEALANE_KEY_ID_LEN);
    memcpy(page + SB_STORE, sb->store_uuid, SEALANE_STORE_UUID_LEN);
    memcpy(page + SB_FILE_ID, sb->file_id, SL_FILE_ID_LEN);
    memcpy(page + SB_SALT, sb->salt, SL_SALT_LEN);
    return sl_hmac(page + MAC_AT, keys->header, page, MAC_AT);
}

enum sealane_error sl_superblock_load(struct sl_superblock *sb, const uint8_t page[SL_PAGE])
{
    memset(sb, 0, sizeof *sb);
    if (memcmp(page, sl_file_magic, SL_MAGIC_LEN) != 0)
        return SEALANE_E_NOT_SEALED;
    sb->version = sl_load_le16(page + SB_VERSION);
    sb->suite = sl_load_le16(page + SB_SUITE);
    sb->chunk_log2 = page[SB_CHUNK];
    sb->tag_len = page[SB_TAG_LEN];
    sb->flags = sl_load_le32(page + SB_FLAGS);
    if (sb->version != SL_FORMAT_VERSION || sb->suite != SEALANE_SUITE_CTR || (sb->flags & CRITICAL_FLAGS) != 0)
        return SEALANE_E_UNSUPPORTED;
    sb->created_ms = sl_load_le64(page + SB_CREATED);
    memcpy(sb->key_id, page + SB_KEY_ID, SEALANE_KEY_ID_LEN);
    memcpy(sb->store_uuid, page + SB_STORE, SEALANE_STORE_UUID_LEN);
    memcpy(sb->file_id, page + SB_FILE_ID, SL_FILE_ID_LEN);
    memcpy(sb->salt, page + SB_SALT, SL_SALT_LEN);
    return SEALANE_OK;
}

bool sl_superblock_regular(const struct sl_superblock *sb, const uint8_t page[SL_PAGE])
{
    return sb->chunk_log2 >= 12 && sb->chunk_log2 <= 20 && sb->tag_len == 0 && sl_all_zero(page + SB_ZERO_16, 2) &&
           sl_all_zero(page + SB_ZERO_32, 4) && sl_all_zero(page + SB_WRAPS, MAC_AT - SB_WRAPS);
}

enum sealane_error sl_superblock_verify(const struct sl_superblock *sb, const uint8_t page[SL_PAGE],
                                        const struct sl_file_keys *keys)
{
    uint8_t mac[SL_MAC_LEN];
    enum sealane_error error = sl_hmac(mac, keys->header, page, MAC_AT);
    if (error == SEALANE_OK && !sl_equal(mac, page + MAC_AT, SL_MAC_LEN))
        error = SEALANE_E_DAMAGED;
    sl_wipe(mac, sizeof mac); /* of a forged page, it is what the forger lacks */
    if (error != SEALANE_OK)
        return error;
    return sl_superblock_regular(sb, page) ? SEALANE_OK : SEALANE_E_UNSUPPORTED;
}

/* ---- Commit record ---- */

/* Over the file id and the page: the record of one file never passes in another. */
static enum sealane_error commit_mac(uint8_t mac[SL_MAC_LEN], const uint8_t page[SL_PAGE],
                                     const uint8_t file_id[SL_FILE_ID_LEN], const struct sl_file_keys *keys)
{
    uint8_t message[SL_FILE_ID_LEN + MAC_AT];
    memcpy(message, file_id, SL_FILE_ID_LEN);
    memcpy(message + SL_FILE_ID_LEN, page, MAC_AT);
    return sl_hmac(mac, keys->commit, message, sizeof message);
}

enum sealane_error sl_commit_store(uint8_t page[SL_PAGE], const struct sl_commit *commit,
                                   const uint8_t file_id[SL_FILE_ID_LEN], const struct sl_file_keys *keys)
{
    memset(page, 0, SL_PAGE);
    memcpy(page, commit_magic, SL_MAGIC_LEN);
    sl_store_le64(page + CR_SEQUENCE, commit->sequence);
    sl_store_le32(page + CR_STATE, commit->state);
    sl_store_le64(page + CR_SEGMENT, commit->segment_offset);
    sl_store_le64(page + CR_LENGTH, commit->length);
    return commit_mac(page + MAC_AT, page, file_id, keys);
}

enum sealane_error sl_commit_load(struct sl_commit *commit, const uint8_t page[SL_PAGE],
                                  const uint8_t file_id[SL_FILE_ID_LEN], const struct sl_file_keys *keys)
{
    uint8_t mac[SL_MAC_LEN];
    memset(commit, 0, sizeof *commit);
    if (memcmp(page, commit_magic, SL_MAGIC_LEN) != 0)
        return SEALANE_E_DAMAGED;
    if (keys != NULL) {
        enum sealane_error error = commit_mac(mac, page, file_id, keys);
        if (error == SEALANE_OK && !sl_equal(mac, page + MAC_AT, SL_MAC_LEN))
            error = SEALANE_E_DAMAGED;
        sl_wipe(mac, sizeof mac);
        if (error != SEALANE_OK)
            return error;
    }
    commit->sequence = sl_load_le64(page + CR_SEQUENCE);
    commit->state = sl_load_le32(page + CR_STATE);
    commit->segment_offset = sl_load_le64(page + CR_SEGMENT);
    commit->length = sl_load_le64(page + CR_LENGTH);
    if (commit->sequence == 1 && commit->state == SL_COMMIT_SEALED && commit->segment_offset == 0 &&
        sl_all_zero(page + CR_ZERO_32, 4) && sl_all_zero(page + CR_ZEROS, MAC_AT - CR_ZEROS))
        return SEALANE_OK;
    return keys != NULL ? SEALANE_E_UNSUPPORTED : SEALANE_E_DAMAGED;
}

/* ---- Size ---- */

bool sl_sealed_size(uint64_t *size, uint64_t length)
{
    return sl_round_up_u64(size, length, SL_PAGE) || sl_add_u64(size, *size, 2 * SL_PAGE) || *size > INT64_MAX;
}

/* The magic, or what is around it: neither ciphertext (but for a chance of 2^-64) nor padding looks so. */
static bool was_commit(const uint8_t page[SL_PAGE])
{
    return memcmp(page, commit_magic, SL_MAGIC_LEN) == 0 ||
           (sl_all_zero(page + CR_ZEROS, MAC_AT - CR_ZEROS) && !sl_all_zero(page + MAC_AT, SL_MAC_LEN));
}

enum sealane_error sl_tail_judge(struct sl_commit *commit, uint64_t size, const uint8_t *tail, size_t tail_len,
                                 const uint8_t file_id[SL_FILE_ID_LEN], const struct sl_file_keys *keys)
{
    uint64_t tail_at = size - tail_len;
    uint64_t end = size - size % SL_PAGE;
    if (end < tail_at + SL_PAGE)
        return SEALANE_E_TRUNCATED;
    enum sealane_error verdict = was_commit(tail + (end - SL_PAGE - tail_at)) ? SEALANE_E_DAMAGED : SEALANE_E_TRUNCATED;
    for (; end >= tail_at + SL_PAGE; end -= SL_PAGE) {
        uint64_t claimed;
        enum sealane_error error = sl_commit_load(commit, tail + (end - SL_PAGE - tail_at), file_id, keys);
        if (error == SEALANE_E_DAMAGED)
            continue;
        if (error != SEALANE_OK)
            return error;
        if (sl_sealed_size(&claimed, commit->length))
            return SEALANE_E_DAMAGED;
        if (claimed == end)
            return end == size ? SEALANE_OK : SEALANE_E_TRAILING_DATA;
        if (end == size)
            return claimed < size ? SEALANE_E_TRAILING_DATA : SEALANE_E_TRUNCATED;
    }
    return verdict;
}
