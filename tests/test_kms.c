/* Key services: the embedded one against vectors of another program, its file's trust checks, and what it must refuse.
 * The vectors come from tests/vectors/make_keystore_vectors.py (Python's `cryptography`). */
#define _GNU_SOURCE
#include "tests/scratch.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "sealane/kms.h"
#include "tests/support/child.h"
#include "tests/vectors/keystore.h"

enum { WRAP = SEALANE_KMS_WRAP_MAX };

static const struct sealane_kms_pair three[] = {{"zone", "north"}, {"a", "b"}, {"app", ""}};

static sealane_kms *open_vector_kek(void)
{
    sealane_kms *kms;
    write_file("kek", vector_kek_file, sizeof vector_kek_file, 0600);
    assert_error(sealane_kms_open(&kms, "file:kek", NULL), OK);
    return kms;
}

static void fill_key(uint8_t key[32])
{
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)(0x80 + i);
}

static void check_wrap(sealane_kms *kms, const struct sealane_kms_pair *pairs, size_t count, size_t key_len,
                       const uint8_t *expected, size_t expected_len)
{
    uint8_t key[32];
    uint8_t back[32];
    uint8_t wrapped[WRAP];
    size_t len;
    fill_key(key);
    assert_error(sealane_kms_wrap(kms, wrapped, &len, pairs, count, key, key_len), OK);
    assert_int_equal(len, expected_len);
    assert_memory_equal(wrapped, expected, expected_len);
    assert_error(sealane_kms_unwrap(kms, back, key_len, pairs, count, expected, expected_len), OK);
    assert_memory_equal(back, key, key_len);
}

static void known_answers(void **state)
{
    (void)state;
    sealane_kms *kms = open_vector_kek();
    check_wrap(kms, NULL, 0, 16, vector_wrap_16_no_context, sizeof vector_wrap_16_no_context);
    check_wrap(kms, NULL, 0, 24, vector_wrap_24_no_context, sizeof vector_wrap_24_no_context);
    check_wrap(kms, NULL, 0, 32, vector_wrap_32_no_context, sizeof vector_wrap_32_no_context);
    check_wrap(kms, three, 3, 16, vector_wrap_16_three_pairs, sizeof vector_wrap_16_three_pairs);
    check_wrap(kms, three, 3, 24, vector_wrap_24_three_pairs, sizeof vector_wrap_24_three_pairs);
    check_wrap(kms, three, 3, 32, vector_wrap_32_three_pairs, sizeof vector_wrap_32_three_pairs);
    sealane_kms_free(kms);
}

/* 16 pairs of 255 bytes each: more info than OpenSSL 3.0's own HKDF takes. */
static void longest_context(void **state)
{
    (void)state;
    char keys[SEALANE_KMS_CONTEXT_MAX][256];
    char values[SEALANE_KMS_CONTEXT_MAX][256];
    struct sealane_kms_pair pairs[SEALANE_KMS_CONTEXT_MAX];
    for (int i = 0; i < SEALANE_KMS_CONTEXT_MAX; i++) {
        memset(keys[i], 'k', 255);
        memset(values[i], 'v', 255);
        keys[i][255] = values[i][255] = '\0';
        keys[i][0] = values[i][0] = (char)('0' + i / 10);
        keys[i][1] = values[i][1] = (char)('0' + i % 10);
        pairs[SEALANE_KMS_CONTEXT_MAX - 1 - i] = (struct sealane_kms_pair){keys[i], values[i]};
    }
    sealane_kms *kms = open_vector_kek();
    check_wrap(kms, pairs, SEALANE_KMS_CONTEXT_MAX, 32, vector_wrap_32_longest_context,
               sizeof vector_wrap_32_longest_context);
    sealane_kms_free(kms);
}

static void under_foreign_configuration(void *argument)
{
    (void)argument;
    uint8_t key[32];
    sealane_kms *kms;
    CHILD_CHECK(setenv("OPENSSL_CONF", "openssl.cnf", 1) == 0);
    CHILD_CHECK(sealane_kms_open(&kms, "file:kek", NULL) == SEALANE_OK);
    CHILD_CHECK(sealane_kms_unwrap(kms, key, 32, three, 3, vector_wrap_32_three_pairs,
                                   sizeof vector_wrap_32_three_pairs) == SEALANE_OK);
    sealane_kms_free(kms);
    /* The configuration was in force, or nothing was shown. */
    CHILD_CHECK(EVP_CIPHER_fetch(NULL, "AES-256-WRAP-PAD", NULL) == NULL);
}

/* The first of the cases: OpenSSL reads its configuration once in a process and its children. */
static void a_configuration_of_openssl_chooses_no_provider(void **state)
{
    (void)state;
    static const char null_provider[] = "openssl_conf = a\n[a]\nproviders = b\n[b]\nnull = c\n[c]\nactivate = 1\n";
    sealane_kms_free(open_vector_kek());
    write_file("openssl.cnf", null_provider, strlen(null_provider), 0600);
    assert_true(test_child_passed(test_child(under_foreign_configuration, NULL)));
}

static void every_flip_is_refused(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    sealane_kms *kms = open_vector_kek();
    for (size_t bit = 0; bit < 8 * sizeof vector_wrap_32_three_pairs; bit++) {
        uint8_t wrapped[sizeof vector_wrap_32_three_pairs];
        uint8_t key[32];
        memcpy(wrapped, vector_wrap_32_three_pairs, sizeof wrapped);
        memset(key, 0xaa, sizeof key);
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_error(sealane_kms_unwrap(kms, key, 32, three, 3, wrapped, sizeof wrapped), KEY_REFUSED);
        assert_memory_equal(key, zeros, sizeof key);
    }
    sealane_kms_free(kms);
}

/* The queue belongs to whoever else uses OpenSSL in this thread: what is there stays, and nothing is added. */
static void the_error_queue_is_left_alone(void **state)
{
    (void)state;
    uint8_t key[32];
    uint8_t wrapped[sizeof vector_wrap_32_three_pairs];
    sealane_kms *kms = open_vector_kek();
    memcpy(wrapped, vector_wrap_32_three_pairs, sizeof wrapped);
    wrapped[0] ^= 1;
    ERR_clear_error();
    assert_error(sealane_kms_unwrap(kms, key, 32, three, 3, wrapped, sizeof wrapped), KEY_REFUSED);
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_USER, 123);
    unsigned long theirs = ERR_peek_error();
    assert_error(sealane_kms_unwrap(kms, key, 32, three, 3, wrapped, sizeof wrapped), KEY_REFUSED);
    assert_error(sealane_kms_unwrap(kms, key, 32, three, 3, vector_wrap_32_three_pairs, sizeof wrapped), OK);
    assert_int_equal(ERR_get_error(), theirs);
    assert_int_equal(ERR_peek_error(), 0);
    sealane_kms_free(kms);
}

static void another_context_length_or_kek_is_refused(void **state)
{
    (void)state;
    uint8_t key[32];
    const uint8_t *wrap = vector_wrap_32_three_pairs;
    const size_t len = sizeof vector_wrap_32_three_pairs;
    sealane_kms *kms = open_vector_kek();
    static const struct sealane_kms_pair others[][3] = {
        {{"zone", "south"}, {"a", "b"}, {"app", ""}},
        {{"zone", "north"}, {"a", ""}, {"app", "b"}},
        {{"zon", "enorth"}, {"a", "b"}, {"app", ""}},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_error(sealane_kms_unwrap(kms, key, 32, others[i], 3, wrap, len), KEY_REFUSED);
    assert_error(sealane_kms_unwrap(kms, key, 32, three, 2, wrap, len), KEY_REFUSED);
    assert_error(sealane_kms_unwrap(kms, key, 32, NULL, 0, wrap, len), KEY_REFUSED);
    assert_error(sealane_kms_unwrap(kms, key, 24, three, 3, wrap, len), KEY_REFUSED);
    for (size_t cut = 0; cut < len; cut++)
        assert_error(sealane_kms_unwrap(kms, key, 32, three, 3, wrap, cut), KEY_REFUSED);
    sealane_kms_free(kms);

    assert_error(sealane_kms_create("file:other", NULL), OK);
    assert_error(sealane_kms_open(&kms, "file:other", NULL), OK);
    assert_error(sealane_kms_unwrap(kms, key, 32, three, 3, wrap, len), KEY_REFUSED);
    sealane_kms_free(kms);
}

static void bad_arguments(void **state)
{
    (void)state;
    uint8_t key[32] = {0};
    uint8_t wrapped[WRAP];
    size_t len;
    char text[257];
    memset(text, 'x', 256);
    text[256] = '\0';
    sealane_kms *kms = open_vector_kek();
    const struct sealane_kms_pair doubled[] = {{"a", "1"}, {"b", "2"}, {"a", "1"}};
    const struct sealane_kms_pair bad[] = {{"", "1"}, {NULL, "1"}, {"a", NULL}, {text, "1"}, {"a", text}};
    assert_error(sealane_kms_wrap(kms, wrapped, &len, doubled, 3, key, 32), ARGUMENT);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_error(sealane_kms_wrap(kms, wrapped, &len, &bad[i], 1, key, 32), ARGUMENT);
    struct sealane_kms_pair many[SEALANE_KMS_CONTEXT_MAX + 1];
    char names[SEALANE_KMS_CONTEXT_MAX + 1][12];
    for (int i = 0; i <= SEALANE_KMS_CONTEXT_MAX; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        many[i] = (struct sealane_kms_pair){names[i], ""};
    }
    assert_error(sealane_kms_wrap(kms, wrapped, &len, many, SEALANE_KMS_CONTEXT_MAX + 1, key, 32), ARGUMENT);
    assert_error(sealane_kms_wrap(kms, wrapped, &len, many, SEALANE_KMS_CONTEXT_MAX, key, 32), OK);
    static const size_t lengths[] = {0, 1, 8, 15, 17, 31, 33};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_error(sealane_kms_wrap(kms, wrapped, &len, NULL, 0, key, lengths[i]), ARGUMENT);
    sealane_kms_free(kms);
    sealane_kms_free(NULL);
}

static void check_resolved(const char *uri, const char *base, const char *expected)
{
    struct sealane_kms_options options = SEALANE_KMS_OPTIONS_INIT;
    char resolved[SEALANE_KMS_URI_MAX];
    options.base_directory = base;
    assert_error(sealane_kms_resolve(resolved, uri, &options), OK);
    assert_string_equal(resolved, expected);
}

static void uris(void **state)
{
    (void)state;
    char current[256];
    char resolved[SEALANE_KMS_URI_MAX];
    check_resolved("file:/a/b", "/c", "file:/a/b");
    check_resolved("file:///a//b/./c", NULL, "file:/a/b/c");
    check_resolved("file:kek", "/c/d/", "file:/c/d/kek");
    check_resolved("file:../k%20 e:k", "/c", "file:/c/../k%20 e:k");
    snprintf(current, sizeof current, "file:%s/sub/kek", scratch);
    check_resolved("file:kek", "sub", current);
    check_resolved("file:sub/kek", NULL, current);

    static const char *const refused[] = {"file:", "file:/", "file:/a/", "file:.", "file:a/..", "file://host/kek"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_error(sealane_kms_resolve(resolved, refused[i], NULL), ARGUMENT);
    static const char *const unknown[] = {"",          "kek",      "/a/kek",     ":kek",
                                          "FILE:/kek", "fil:/kek", "files:/kek", "http://h"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_error(sealane_kms_resolve(resolved, unknown[i], NULL), KMS_SCHEME);
    assert_error(sealane_kms_resolve(resolved, NULL, NULL), ARGUMENT);
    struct sealane_kms_options newer = SEALANE_KMS_OPTIONS_INIT;
    newer.size++;
    assert_error(sealane_kms_resolve(resolved, "file:/kek", &newer), ARGUMENT);

    /* The longest URI, and one byte more; also when only the base makes it too long. */
    char uri[SEALANE_KMS_URI_MAX + 1];
    memset(uri, 'x', sizeof uri);
    memcpy(uri, "file:/", 6);
    uri[SEALANE_KMS_URI_MAX - 1] = '\0';
    assert_error(sealane_kms_resolve(resolved, uri, NULL), OK);
    assert_string_equal(resolved, uri);
    uri[SEALANE_KMS_URI_MAX - 1] = 'x';
    uri[SEALANE_KMS_URI_MAX] = '\0';
    assert_error(sealane_kms_resolve(resolved, uri, NULL), ARGUMENT);
    uri[SEALANE_KMS_URI_MAX - 1] = '\0';
    uri[5] = 'x';
    assert_error(sealane_kms_resolve(resolved, uri, NULL), ARGUMENT);
}

static void create(void **state)
{
    (void)state;
    sealane_kms *kms;
    uint8_t one[64];
    uint8_t two[64];
    char expected[128];
    umask(0);
    assert_error(sealane_kms_create("file:kek", NULL), OK);
    umask(022);
    assert_int_equal(mode_of("kek"), 0600);
    assert_int_equal(read_file("kek", one, sizeof one), sizeof vector_kek_file);
    assert_memory_equal(one, vector_kek_file, 16);
    assert_error(sealane_kms_create("file:kek", NULL), EXISTS);
    assert_int_equal(read_file("kek", two, sizeof two), sizeof vector_kek_file);
    assert_memory_equal(one, two, sizeof vector_kek_file);
    assert_error(sealane_kms_create("file:kek2", NULL), OK);
    assert_int_equal(read_file("kek2", two, sizeof two), sizeof vector_kek_file);
    assert_memory_not_equal(one + 16, two + 16, 32);
    assert_error(sealane_kms_open(&kms, "file:./kek", NULL), OK);
    snprintf(expected, sizeof expected, "file:%s/kek", scratch);
    assert_string_equal(sealane_kms_resolved(kms), expected);
    sealane_kms_free(kms);

    assert_int_equal(symlink("nowhere", "link"), 0);
    assert_error(sealane_kms_create("file:link", NULL), EXISTS);
    assert_error(sealane_kms_create("file:absent/kek", NULL), NOT_FOUND);
    assert_error(sealane_kms_create("file:kek/kek", NULL), NOT_REGULAR);
    char name[256 + 5];
    memset(name, 'n', sizeof name);
    memcpy(name, "file:", 5);
    name[5 + 255] = '\0';
    assert_error(sealane_kms_create(name, NULL), OK);
    assert_int_equal(entries_of("."), 4);
}

static void trust(void **state)
{
    (void)state;
    sealane_kms *kms;
    sealane_kms_free(open_vector_kek());
    for (int bit = 1; bit <= 040; bit <<= 1) {
        assert_int_equal(chmod("kek", (mode_t)(0600 | bit)), 0);
        assert_error(sealane_kms_open(&kms, "file:kek", NULL), KEK_LAX_PERMISSIONS);
        assert_null(kms);
    }
    assert_int_equal(chmod("kek", 0400), 0);
    assert_error(sealane_kms_open(&kms, "file:kek", NULL), OK);
    sealane_kms_free(kms);
    if (geteuid() == 0) {
        assert_int_equal(chown("kek", 12345, 0), 0);
        assert_error(sealane_kms_open(&kms, "file:kek", NULL), KEK_LAX_PERMISSIONS);
        assert_int_equal(chown("kek", 0, 12345), 0);
        assert_error(sealane_kms_open(&kms, "file:kek", NULL), OK);
        sealane_kms_free(kms);
    } else {
        print_message("not tested here: a key file of another owner (needs root)\n");
    }

    assert_int_equal(symlink("kek", "link"), 0);
    assert_error(sealane_kms_open(&kms, "file:link", NULL), NOT_REGULAR);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_error(sealane_kms_open(&kms, "file:fifo", NULL), NOT_REGULAR);
    assert_int_equal(mkdir("directory", 0700), 0);
    assert_error(sealane_kms_open(&kms, "file:directory", NULL), NOT_REGULAR);
    assert_error(sealane_kms_open(&kms, "file:absent", NULL), KEK_MISSING);
}

static void contents(void **state)
{
    (void)state;
    uint8_t file[sizeof vector_kek_file + 1] = {0};
    sealane_kms *kms;
    for (size_t len = 0; len <= sizeof file; len++) {
        memcpy(file, vector_kek_file, sizeof vector_kek_file);
        write_file("kek", file, len, 0600);
        if (len != sizeof vector_kek_file)
            assert_error(sealane_kms_open(&kms, "file:kek", NULL), KEK_INVALID);
    }
    for (size_t i = 0; i < 16; i++) {
        memcpy(file, vector_kek_file, sizeof vector_kek_file);
        file[i] ^= 1;
        write_file("kek", file, sizeof vector_kek_file, 0600);
        if (i < 12)
            assert_error(sealane_kms_open(&kms, "file:kek", NULL), KEK_INVALID);
        else
            assert_error(sealane_kms_open(&kms, "file:kek", NULL), UNSUPPORTED);
        assert_null(kms);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_enter, scratch_leave)
    const struct CMUnitTest tests[] = {
        CASE(a_configuration_of_openssl_chooses_no_provider),
        CASE(known_answers),
        CASE(longest_context),
        CASE(every_flip_is_refused),
        CASE(the_error_queue_is_left_alone),
        CASE(another_context_length_or_kek_is_refused),
        CASE(bad_arguments),
        CASE(uris),
        CASE(create),
        CASE(trust),
        CASE(contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
