/* The layout and the key schedule, against vectors that an independent program made. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/secret.h"
#include "envelope/cipher.h"
#include "envelope/format_io.h"
#include "tests/support/environment.h"

struct vector {
    uint64_t length;
    uint64_t created_ms;
    uint8_t data_key[32];
    uint8_t key_id[16];
    uint8_t store_uuid[16];
    uint8_t file_id[32];
    uint8_t salt[32];
    uint8_t header_key[32];
    uint8_t commit_key[32];
    uint8_t ctr_key[32];
    uint8_t superblock_mac[32];
    uint8_t commit_mac[32];
    uint8_t data_start[48];
    uint8_t file_sha256[32];
};

static const struct field {
    const char *name;
    size_t at;
    size_t len; /* 0: a decimal number */
} fields[] = {
#define NUMBER(name)                                                                                                   \
    {                                                                                                                  \
#name, offsetof(struct vector, name), 0                                                                        \
    }
#define BYTES(name)                                                                                                    \
    {                                                                                                                  \
#name, offsetof(struct vector, name), sizeof((struct vector *)0)->name                                         \
    }
    NUMBER(length),    NUMBER(created_ms), BYTES(data_key),    BYTES(key_id),         BYTES(store_uuid),
    BYTES(file_id),    BYTES(salt),        BYTES(header_key),  BYTES(commit_key),     BYTES(ctr_key),
    BYTES(commit_mac), BYTES(data_start),  BYTES(file_sha256), BYTES(superblock_mac),
};

enum { FIELDS = sizeof fields / sizeof fields[0], VECTORS = 10 };
static struct vector vectors[VECTORS];

static void parse_field(struct vector *vector, const struct field *field, const char *text)
{
    uint8_t *at = (uint8_t *)vector + field->at;
    if (field->len == 0) {
        uint64_t number = strtoull(text, NULL, 10);
        memcpy(at, &number, sizeof number);
        return;
    }
    for (size_t i = 0; i < field->len && text[2 * i] != '\n'; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        at[i] = (uint8_t)byte;
    }
}

static int read_vectors(void **state)
{
    (void)state;
    char line[512];
    size_t seen = 0;
    FILE *file = fopen(SEALANE_SOURCE_DIR "/tests/vectors/format.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        for (size_t i = 0; i < FIELDS; i++) {
            size_t n = strlen(fields[i].name);
            if (strncmp(line, fields[i].name, n) != 0 || strncmp(line + n, " = ", 3) != 0)
                continue;
            assert_true(seen / FIELDS < VECTORS);
            parse_field(&vectors[seen / FIELDS], &fields[i], line + n + 3);
            seen++;
        }
    }
    fclose(file);
    assert_int_equal(seen, (size_t)VECTORS * FIELDS);
    return 0;
}

static struct sl_superblock superblock_of(const struct vector *v)
{
    struct sl_superblock sb = {.version = 1, .suite = 1, .chunk_log2 = 16, .created_ms = v->created_ms};
    memcpy(sb.key_id, v->key_id, 16);
    memcpy(sb.store_uuid, v->store_uuid, 16);
    memcpy(sb.file_id, v->file_id, 32);
    memcpy(sb.salt, v->salt, 32);
    return sb;
}

static struct sl_file_keys *keys_of(const struct vector *v)
{
    struct sl_superblock sb = superblock_of(v);
    struct sl_file_keys *keys;
    assert_int_equal(sl_file_keys_derive(&keys, &sb, v->data_key, false), SEALANE_OK);
    return keys;
}

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        struct sl_file_keys *keys = keys_of(&vectors[i]);
        assert_memory_equal(keys->header, vectors[i].header_key, 32);
        assert_memory_equal(keys->commit, vectors[i].commit_key, 32);
        assert_memory_equal(keys->ctr, vectors[i].ctr_key, 32);
        sl_secret_free(keys);
    }
}

/* Every input of the key schedule that a header or a keystore can vary must change the keys it ought to. */
static void test_keys_are_separate(void **state)
{
    (void)state;
    struct sl_file_keys *keys = keys_of(&vectors[0]);
    assert_memory_not_equal(keys->header, keys->commit, 32);
    assert_memory_not_equal(keys->header, keys->ctr, 32);
    assert_memory_not_equal(keys->commit, keys->ctr, 32);
    for (int which = 0; which < 5; which++) {
        struct vector v = vectors[0];
        struct sl_superblock sb;
        struct sl_file_keys *other;
        v.data_key[31] ^= which == 0;
        sb = superblock_of(&v);
        sb.suite = (uint16_t)(sb.suite + (which == 1));
        sb.store_uuid[15] ^= which == 2;
        sb.file_id[31] ^= which == 3;
        sb.salt[31] ^= which == 4;
        assert_int_equal(sl_file_keys_derive(&other, &sb, v.data_key, false), SEALANE_OK);
        assert_memory_not_equal(other->ctr, keys->ctr, 32);
        if (which != 4) {
            assert_memory_not_equal(other->header, keys->header, 32);
            assert_memory_not_equal(other->commit, keys->commit, 32);
        }
        sl_secret_free(other);
    }
    sl_secret_free(keys);
}

/* A whole file by hand, as its parts are meant to be put together. */
static uint8_t *make_file(const struct vector *v, size_t *size)
{
    uint64_t sealed_size;
    struct sl_superblock sb = superblock_of(v);
    struct sl_commit commit = {.sequence = 1, .state = SL_COMMIT_SEALED, .length = v->length};
    struct sl_file_keys *keys = keys_of(v);
    struct sl_cipher cipher;
    sealane_engine *engine;
    assert_false(sl_sealed_size(&sealed_size, v->length));
    *size = (size_t)sealed_size;
    uint8_t *file = calloc(1, *size);
    assert_non_null(file);
    assert_int_equal(sl_superblock_store(file, &sb, keys), SEALANE_OK);
    for (size_t i = 0; i < v->length; i++)
        file[SL_PAGE + i] = (uint8_t)(i * 7 + 3);
    assert_int_equal(sealane_engine_create(&engine, NULL), SEALANE_OK);
    assert_int_equal(sl_cipher_open(&cipher, engine, keys->ctr), SEALANE_OK);
    sealane_stream_xor(cipher.stream, 0, file + SL_PAGE, file + SL_PAGE, v->length);
    sl_cipher_close(&cipher);
    sealane_engine_free(engine);
    assert_int_equal(sl_commit_store(file + *size - SL_PAGE, &commit, v->file_id, keys), SEALANE_OK);
    sl_secret_free(keys);
    return file;
}

static void test_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct vector *v = &vectors[i];
        size_t size;
        uint8_t digest[32];
        uint8_t *file = make_file(v, &size);
        assert_memory_equal(file + SL_PAGE - 32, v->superblock_mac, 32);
        assert_memory_equal(file + size - 32, v->commit_mac, 32);
        assert_memory_equal(file + SL_PAGE, v->data_start, v->length < 48 ? v->length : 48);
        assert_int_equal(EVP_Digest(file, size, digest, NULL, EVP_sha256(), NULL), 1);
        assert_memory_equal(digest, v->file_sha256, 32);
        free(file);
    }
}

static void test_load(void **state)
{
    (void)state;
    const struct vector *v = &vectors[7];
    size_t size;
    uint8_t *file = make_file(v, &size);
    struct sl_superblock sb;
    struct sl_commit commit;
    struct sl_file_keys *keys = keys_of(v);
    assert_int_equal(sl_superblock_load(&sb, file), SEALANE_OK);
    assert_int_equal(sb.version, 1);
    assert_int_equal(sb.suite, 1);
    assert_int_equal(sb.chunk_log2, 16);
    assert_int_equal(sb.tag_len, 0);
    assert_int_equal(sb.flags, 0);
    assert_int_equal(sb.created_ms, v->created_ms);
    assert_memory_equal(sb.key_id, v->key_id, 16);
    assert_memory_equal(sb.store_uuid, v->store_uuid, 16);
    assert_memory_equal(sb.file_id, v->file_id, 32);
    assert_memory_equal(sb.salt, v->salt, 32);
    assert_int_equal(sl_superblock_verify(&sb, file, keys), SEALANE_OK);
    assert_int_equal(sl_commit_load(&commit, file + size - SL_PAGE, v->file_id, keys), SEALANE_OK);
    assert_int_equal(commit.length, v->length);
    assert_int_equal(commit.sequence, 1);
    sl_secret_free(keys);
    free(file);
}

/* Pages whose MAC is right but which only a later version could have written: refused as such, not taken for damage. */
static void test_newer_versions(void **state)
{
    (void)state;
    struct sl_file_keys *keys = keys_of(&vectors[0]);
    uint8_t page[SL_PAGE];
    struct sl_superblock sb;
    struct sl_commit record;
    for (int which = 0; which < 7; which++) {
        struct sl_superblock odd = superblock_of(&vectors[0]);
        odd.version = (uint16_t)(1 + (which == 0));
        odd.suite = (uint16_t)(1 + (which == 1));
        odd.flags = which == 2 ? 1 : which == 3 ? 2 : which == 4 ? 0x8000 : 0;
        odd.chunk_log2 = which == 5 ? 21 : 16;
        odd.tag_len = which == 6 ? 16 : 0;
        assert_int_equal(sl_superblock_store(page, &odd, keys), SEALANE_OK);
        enum sealane_error error = sl_superblock_load(&sb, page);
        assert_int_equal(error, which < 5 ? SEALANE_E_UNSUPPORTED : SEALANE_OK);
        if (error == SEALANE_OK)
            assert_int_equal(sl_superblock_verify(&sb, page, keys), SEALANE_E_UNSUPPORTED);
    }
    struct sl_superblock hinted = superblock_of(&vectors[0]);
    hinted.flags = 0x10000;
    assert_int_equal(sl_superblock_store(page, &hinted, keys), SEALANE_OK);
    assert_int_equal(sl_superblock_load(&sb, page), SEALANE_OK);
    assert_int_equal(sl_superblock_verify(&sb, page, keys), SEALANE_OK);

    for (int which = 0; which < 3; which++) {
        struct sl_commit odd = {
            .sequence = 1 + (which == 0), .state = which == 1 ? 1 : 2, .segment_offset = which == 2};
        assert_int_equal(sl_commit_store(page, &odd, vectors[0].file_id, keys), SEALANE_OK);
        assert_int_equal(sl_commit_load(&record, page, vectors[0].file_id, keys), SEALANE_E_UNSUPPORTED);
        assert_int_equal(sl_commit_load(&record, page, vectors[0].file_id, NULL), SEALANE_E_DAMAGED);
    }
    sl_secret_free(keys);
}

static void test_size(void **state)
{
    (void)state;
    uint64_t size;
    assert_false(sl_sealed_size(&size, 0));
    assert_int_equal(size, 8192);
    assert_false(sl_sealed_size(&size, 1));
    assert_int_equal(size, 12288);
    assert_false(sl_sealed_size(&size, 4096));
    assert_int_equal(size, 12288);
    assert_false(sl_sealed_size(&size, (uint64_t)INT64_MAX - 4095 - 8192));
    assert_int_equal(size, (uint64_t)INT64_MAX - 4095);
    assert_true(sl_sealed_size(&size, (uint64_t)INT64_MAX - 4094 - 8192));
    assert_true(sl_sealed_size(&size, UINT64_MAX));
}

/* Which words a wrong end gets: the exit code is 3 in every case. */
static void test_tail(void **state)
{
    (void)state;
    const struct vector *v = &vectors[7]; /* two data pages */
    size_t size;
    struct sl_commit commit;
    struct sl_file_keys *keys = keys_of(v);
    uint8_t *file = make_file(v, &size);
    uint8_t *longer = calloc(1, size + 3 * SL_PAGE);
    assert_non_null(longer);
    memcpy(longer, file, size);
    memset(longer + size, 0x5a, 3 * SL_PAGE);
#define JUDGE(total) sl_tail_judge(&commit, (total), longer + SL_PAGE, (total)-SL_PAGE, v->file_id, keys)
    assert_int_equal(JUDGE(size), SEALANE_OK);
    assert_int_equal(JUDGE(size + 1), SEALANE_E_TRAILING_DATA);
    assert_int_equal(JUDGE(size + SL_PAGE), SEALANE_E_TRAILING_DATA);
    assert_int_equal(JUDGE(size + 3 * SL_PAGE), SEALANE_E_TRAILING_DATA);
    assert_int_equal(JUDGE(size - 1), SEALANE_E_TRUNCATED);
    assert_int_equal(JUDGE(size - SL_PAGE), SEALANE_E_TRUNCATED);
    memcpy(longer + size, file + size - SL_PAGE, SL_PAGE); /* the record once more */
    assert_int_equal(JUDGE(size + SL_PAGE), SEALANE_E_TRAILING_DATA);
    memcpy(longer + size - 2 * SL_PAGE, file + size - SL_PAGE, SL_PAGE); /* a page taken out */
    assert_int_equal(JUDGE(size - SL_PAGE), SEALANE_E_TRUNCATED);
    memcpy(longer, file, size);
    longer[size - SL_PAGE] ^= 1;
    assert_int_equal(JUDGE(size), SEALANE_E_DAMAGED);
    longer[size - SL_PAGE] ^= 1;
    longer[size - 1] ^= 1;
    assert_int_equal(JUDGE(size), SEALANE_E_DAMAGED);
    memset(longer + size - SL_PAGE, 0, SL_PAGE); /* allocated, never written */
    assert_int_equal(JUDGE(size), SEALANE_E_TRUNCATED);
#undef JUDGE
    free(longer);
    free(file);
    sl_secret_free(keys);
}

/* ---- What a refusal leaves behind ---- */

struct refusal {
    const struct sl_superblock *superblock;
    const struct sl_file_keys *keys;
    const uint8_t *page;
    bool commit;
    enum sealane_error error;
};

static void *refuse(void *argument)
{
    struct refusal *refusal = argument;
    struct sl_commit commit;
    volatile uint8_t above[32768]; /* the end of the thread writes to the top of its stack only */
    above[0] = above[sizeof above - 1] = 0;
    refusal->error = refusal->commit
                         ? sl_commit_load(&commit, refusal->page, refusal->superblock->file_id, refusal->keys)
                         : sl_superblock_verify(refusal->superblock, refusal->page, refusal->keys);
    return above[0] ? NULL : refusal;
}

/* The right code of a forged page must not be found on a stack: who reads that much could finish the forgery. */
static void test_no_code_on_the_stack(void **state)
{
    (void)state;
    static _Alignas(4096) uint8_t stack[1 << 18];
    if (TEST_SANITIZED) {
        test_not_run("codes left on a stack", "sanitizers keep variables elsewhere, or need a larger stack");
        skip();
    }
    const struct vector *v = &vectors[0];
    struct sl_superblock sb = superblock_of(v);
    struct sl_file_keys *keys = keys_of(v);
    for (int commit = 0; commit < 2; commit++) {
        size_t size;
        uint8_t *file = make_file(v, &size);
        uint8_t *page = commit ? file + size - SL_PAGE : file;
        uint8_t right[SL_MAC_LEN];
        memcpy(right, page + SL_PAGE - SL_MAC_LEN, SL_MAC_LEN);
        page[SL_PAGE - 1] ^= 1;
        struct refusal refusal = {.superblock = &sb, .keys = keys, .page = page, .commit = commit};
        pthread_attr_t attributes;
        pthread_t thread;
        memset(stack, 0, sizeof stack);
        assert_int_equal(pthread_attr_init(&attributes), 0);
        assert_int_equal(pthread_attr_setstack(&attributes, stack, sizeof stack), 0);
        assert_int_equal(pthread_create(&thread, &attributes, refuse, &refusal), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        pthread_attr_destroy(&attributes);
        assert_int_equal(refusal.error, SEALANE_E_DAMAGED);
        assert_null(memmem(stack, sizeof stack, right, SL_MAC_LEN));
        free(file);
    }
    sl_secret_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys), cmocka_unit_test(test_keys_are_separate),    cmocka_unit_test(test_files),
        cmocka_unit_test(test_load), cmocka_unit_test(test_newer_versions),       cmocka_unit_test(test_size),
        cmocka_unit_test(test_tail), cmocka_unit_test(test_no_code_on_the_stack),
    };
    return cmocka_run_group_tests(tests, read_vectors, NULL);
}
