/* Keystores: made and opened, one of another program's making, and everything that must be refused.
 * The vector comes from tests/vectors/make_keystore_vectors.py. */
#define _GNU_SOURCE
#include "tests/scratch.h"

#include <pthread.h>

#include "envelope/keystore_file.h"
#include "tests/support/environment.h"
#include "tests/vectors/keystore.h"

enum { TEXT_MAX = 8192 };

static void write_vector(const char *directory)
{
    assert_int_equal(mkdir(directory, 0700), 0);
    char path[64];
    snprintf(path, sizeof path, "%s/kek", directory);
    write_file(path, vector_kek_file, sizeof vector_kek_file, 0600);
    snprintf(path, sizeof path, "%s/keystore", directory);
    write_file(path, vector_keystore, sizeof vector_keystore - 1, 0600);
}

static enum sealane_error try_open(const char *directory)
{
    sealane_keystore *keystore;
    enum sealane_error error = sealane_keystore_open(&keystore, directory, NULL);
    assert_true((error == SEALANE_OK) == (keystore != NULL));
    sealane_keystore_free(keystore);
    return error;
}

/* Replaces the first occurrence of `from` in the vector's keystore, and opens the result; *form: what reading without
 * verifying says of it. */
static enum sealane_error try_edit(enum sealane_error *form, const char *from, const char *to)
{
    char text[TEXT_MAX];
    sealane_keystore *keystore;
    const char *at = strstr(vector_keystore, from);
    assert_non_null(at);
    int len =
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - vector_keystore), vector_keystore, to, at + strlen(from));
    assert_true(len > 0 && (size_t)len < sizeof text);
    write_file("vector/keystore", text, (size_t)len, 0600);
    *form = sealane_keystore_read(&keystore, "vector");
    sealane_keystore_free(keystore);
    return try_open("vector");
}

/* Refused for its form alone: no key is needed to see it. */
#define assert_form(from, to, name)                                                                                    \
    do {                                                                                                               \
        enum sealane_error form_;                                                                                      \
        assert_error(try_edit(&form_, from, to), name);                                                                \
        assert_error(form_, name);                                                                                     \
    } while (0)

/* Well-formed, and refused by a key or a MAC. */
#define assert_proof(from, to, name)                                                                                   \
    do {                                                                                                               \
        enum sealane_error form_;                                                                                      \
        assert_error(try_edit(&form_, from, to), name);                                                                \
        assert_error(form_, OK);                                                                                       \
    } while (0)

static void create_and_open(void **state)
{
    (void)state;
    sealane_keystore *keystore;
    struct sealane_keystore_info info;
    struct sealane_key_record_info record;
    struct sl_data_key active;
    struct sl_data_key found;
    assert_error(sealane_keystore_create("store", NULL), OK);
    assert_int_equal(mode_of("store"), 0700);
    assert_int_equal(mode_of("store/keystore"), 0600);
    assert_int_equal(mode_of("store/kek"), 0600);
    assert_int_equal(entries_of("store"), 2);
    assert_int_equal(entries_of("."), 1);

    assert_error(sealane_keystore_open(&keystore, "store", NULL), OK);
    sealane_keystore_info(keystore, &info);
    assert_int_equal(info.generation, 1);
    assert_int_equal(info.record_count, 1);
    assert_true(info.verified && info.accepts_ctr && info.created_ms > 1700000000000);
    assert_error(sealane_keystore_record(keystore, 0, &record), OK);
    assert_error(sealane_keystore_record(keystore, 1, &record), ARGUMENT);
    assert_error(sealane_keystore_record(keystore, 0, &record), OK);
    assert_int_equal(record.purpose, SEALANE_PURPOSE_ENVELOPE);
    assert_int_equal(record.state, SEALANE_KEY_ACTIVE);
    assert_int_equal(record.key_len, 32);
    assert_int_equal(record.wrapped_len, 40);
    assert_string_equal(record.kms_uri, "file:kek");
    assert_int_equal(record.context_count, 3);
    assert_error(sl_keystore_active_key(keystore, &active), OK);
    assert_memory_equal(active.id, record.id, SEALANE_KEY_ID_LEN);
    assert_error(sl_keystore_find_key(keystore, &found, record.id), OK);
    assert_ptr_equal(found.bytes, active.bytes);
    record.id[0] ^= 1;
    assert_error(sl_keystore_find_key(keystore, &found, record.id), NO_SUCH_KEY);
    sealane_keystore_free(keystore);

    assert_error(sealane_keystore_read(&keystore, "store/"), OK);
    sealane_keystore_info(keystore, &info);
    assert_false(info.verified);
    assert_error(sl_keystore_active_key(keystore, &active), ARGUMENT);
    assert_error(sl_keystore_find_key(keystore, &found, record.id), ARGUMENT);
    sealane_keystore_free(keystore);
    sealane_keystore_free(NULL);
    assert_error(sealane_keystore_read(&keystore, "absent"), NOT_FOUND);
    assert_null(keystore);
}

static void another_programs_keystore(void **state)
{
    (void)state;
    sealane_keystore *keystore;
    struct sealane_keystore_info info;
    struct sealane_key_record_info record;
    struct sl_data_key key;
    uint8_t expected[32];
    write_vector("vector");
    assert_error(sealane_keystore_open(&keystore, "vector", NULL), OK);
    sealane_keystore_info(keystore, &info);
    assert_int_equal(info.generation, 7);
    assert_int_equal(info.record_count, 2);
    assert_int_equal(info.created_ms, 1700000000123);
    assert_int_equal(info.uuid[0], 0x00);
    assert_int_equal(info.uuid[15], 0xff);
    assert_error(sl_keystore_active_key(keystore, &key), OK);
    for (size_t i = 0; i < 32; i++)
        expected[i] = (uint8_t)(0x40 + i);
    assert_memory_equal(key.bytes, expected, 32);
    assert_error(sealane_keystore_record(keystore, 1, &record), OK);
    assert_int_equal(record.context_count, 6);
    assert_string_equal(record.context[0].key, "app");
    assert_string_equal(record.context[5].key, "Ärger");
    assert_error(sealane_keystore_record(keystore, 0, &record), OK);
    assert_int_equal(record.state, SEALANE_KEY_DECRYPT_ONLY);
    assert_error(sl_keystore_find_key(keystore, &key, record.id), OK);
    for (size_t i = 0; i < 32; i++)
        expected[i] = (uint8_t)(0x80 + i);
    assert_memory_equal(key.bytes, expected, 32);
    sealane_keystore_free(keystore);
}

/* Errors that a damaged keystore may end with: what it says, a key that is not there, a service that is not there. */
static bool is_refusal(enum sealane_error error)
{
    switch (error) {
    case SEALANE_E_KEYSTORE_DAMAGED:
    case SEALANE_E_KEY_REFUSED:
    case SEALANE_E_UNSUPPORTED:
    case SEALANE_E_KMS_SCHEME:
    case SEALANE_E_KEK_MISSING:
    case SEALANE_E_ARGUMENT:
        return true;
    default:
        return false;
    }
}

static void check_refused(const char *text, size_t len, size_t position)
{
    write_file("vector/keystore", text, len, 0600);
    enum sealane_error error = try_open("vector");
    if (!is_refusal(error))
        fail_msg("changed at byte %zu: %s", position, sealane_error_name(error));
}

static void every_flip_and_cut_is_refused(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    const size_t len = sizeof vector_keystore - 1;
    const int step = test_reduced() ? 5 : 1;
    size_t cases = 0;
    write_vector("vector");
    for (size_t i = 0; i < len; i++) {
        for (int bit = (int)(i % (size_t)step); bit < 8; bit += step, cases++) {
            memcpy(text, vector_keystore, len);
            text[i] = (char)(text[i] ^ 1 << bit);
            check_refused(text, len, i);
        }
    }
    for (size_t cut = 0; cut < len; cut++, cases++)
        check_refused(vector_keystore, cut, cut);
    memcpy(text, vector_keystore, len);
    text[len] = '\n';
    check_refused(text, len + 1, len);
    print_message("%zu flips and cuts\n", cases);
}

static void form(void **state)
{
    (void)state;
    write_vector("vector");
    assert_form("\"version\": 1", "\"version\": 2", UNSUPPORTED);
    assert_form("\"version\": 1", "\"version\": 1.0", KEYSTORE_DAMAGED);
    assert_form("\"version\": 1", "\"version\": 0", KEYSTORE_DAMAGED);
    assert_form("\"version\": 1", "\"version\": -1", KEYSTORE_DAMAGED);
    assert_form("\"version\": 1", "\"version\": \"1\"", KEYSTORE_DAMAGED);
    assert_form("\"version\": 1", "\"version\": 1, \"extra\": 1", KEYSTORE_DAMAGED);
    assert_form("\"version\": 1", "\"version\": 1, \"version\": 1", KEYSTORE_DAMAGED);
    assert_form("\"generation\": 7, ", "", KEYSTORE_DAMAGED);
    assert_form("\"generation\": 7", "\"generation\": 0", KEYSTORE_DAMAGED);
    assert_form("\"generation\": 7", "\"generation\": 9223372036854775808", KEYSTORE_DAMAGED);
    assert_form("ccddeeff\", \"gen", "ccddeeFF\", \"gen", KEYSTORE_DAMAGED);
    assert_form("[\"ctr\"]", "[\"ctr\", \"ctr\"]", KEYSTORE_DAMAGED);
    assert_form("[\"ctr\"]", "[\"none\"]", UNSUPPORTED);
    assert_proof("[\"ctr\"]", "[]", KEYSTORE_DAMAGED);
    assert_form("\"decrypt-only\"", "\"active\"", KEYSTORE_DAMAGED);
    assert_form("\"active\"", "\"decrypt-only\"", KEYSTORE_DAMAGED);
    assert_form("\"active\"", "\"lost\"", UNSUPPORTED);
    assert_form("\"purpose\": \"envelope\"", "\"purpose\": \"clickhouse\"", UNSUPPORTED);
    assert_form("\"key_len\": 32", "\"key_len\": 16", KEYSTORE_DAMAGED);
    assert_form("\"wrapped\": \"uibB", "\"wrapped\": \" uibB", KEYSTORE_DAMAGED);
    assert_proof("\"wrapped\": \"uibB", "\"wrapped\": \"uibBAAAA", KEY_REFUSED);
    assert_form("0NUA==", "0NUB==", KEYSTORE_DAMAGED);
    assert_form("0NUA==", "0NUA", KEYSTORE_DAMAGED);
    assert_proof("\"zone\": \"north\"", "\"zone\": \"south\"", KEY_REFUSED);
    assert_proof("\"zone\": \"north\", ", "", KEY_REFUSED);
    assert_form("\"zone\"", "\"sealane:zone\"", KEYSTORE_DAMAGED);
    assert_form("\"zone\"", "\"\"", KEYSTORE_DAMAGED);
    assert_form("\"sealane:purpose\": \"envelope\"", "\"sealane:purpose\": \"other\"", KEYSTORE_DAMAGED);
    assert_proof("\"kek_version\": \"\"", "\"kek_version\": \"1\"", KEYSTORE_DAMAGED);
    assert_proof("1700000000124", "1700000000125", KEYSTORE_DAMAGED);
    assert_proof("\"kms\": \"file:kek\"", "\"kms\": \"file:other\"", KEK_MISSING);
    assert_proof("\"kms\": \"file:kek\"", "\"kms\": \"cloud:kek\"", KMS_SCHEME);
    assert_form("\nhmac-sha256:", " hmac-sha256:", KEYSTORE_DAMAGED);
    assert_proof("\nhmac-sha256:", "\n\nhmac-sha256:", KEYSTORE_DAMAGED);
    assert_proof("{\"format\"", "{ \"format\"", KEYSTORE_DAMAGED);
    char *large = calloc(1, SL_KEYSTORE_SIZE_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', SL_KEYSTORE_SIZE_MAX + 1);
    write_file("vector/keystore", large, SL_KEYSTORE_SIZE_MAX + 1, 0600);
    free(large);
    assert_error(try_open("vector"), KEYSTORE_DAMAGED);
    /* And the vector itself still opens: none of the above failed for another reason. */
    assert_proof("\"version\": 1", "\"version\": 1", OK);
}

/* A file MAC over a record that is not what its own key vouches for: who holds one data key cannot change another's
 * record. */
static void record_mac(void **state)
{
    (void)state;
    write_vector("vector");
    for (int change = 0; change < 4; change++) {
        char *text;
        size_t len;
        sealane_keystore *keystore;
        write_file("vector/keystore", vector_keystore, sizeof vector_keystore - 1, 0600);
        assert_error(sealane_keystore_open(&keystore, "vector", NULL), OK);
        struct sl_record *record = &keystore->records[0];
        if (change == 1)
            record->created_ms++;
        else if (change == 2)
            record->wraps[0].kek_version = "2";
        else if (change == 3)
            record->mac[31] ^= 1;
        assert_error(sl_keystore_serialize(&text, &len, keystore), OK);
        sealane_keystore_free(keystore);
        write_file("vector/keystore", text, len, 0600);
        free(text);
        if (change == 0)
            assert_error(try_open("vector"), OK);
        else
            assert_error(try_open("vector"), KEYSTORE_DAMAGED);
    }
}

/* Cuts [from, to) out of `text` and returns it. */
static char *piece_of(const char *from, const char *to)
{
    char *piece = strndup(from, (size_t)(to - from));
    assert_non_null(piece);
    return piece;
}

/* Whole records in another order: each is authentic, only the file MAC knows. A record with another's wrap: the fixed
 * pairs. */
static void swapped(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    write_vector("vector");
    const char *first = strstr(vector_keystore, "{\"id\"");
    const char *second = strstr(first + 1, "{\"id\"");
    const char *end = strstr(second, "]}\n");
    char *head = piece_of(vector_keystore, first);
    char *one = piece_of(first, second - 2);
    char *two = piece_of(second, end);
    int len = snprintf(text, sizeof text, "%s%s, %s%s", head, two, one, end);
    assert_int_equal(len, sizeof vector_keystore - 1);
    write_file("vector/keystore", text, (size_t)len, 0600);
    assert_error(try_open("vector"), KEYSTORE_DAMAGED);
    len = snprintf(text, sizeof text, "%s%s%s", head, two, end);
    write_file("vector/keystore", text, (size_t)len, 0600);
    assert_error(try_open("vector"), KEYSTORE_DAMAGED);
    len = snprintf(text, sizeof text, "%s%s, %s, %s%s", head, one, one, two, end);
    write_file("vector/keystore", text, (size_t)len, 0600);
    assert_error(try_open("vector"), KEYSTORE_DAMAGED);

    char *one_wrap = piece_of(strstr(one, "[{\"kms\""), strstr(one, ", \"mac\""));
    char *wrap_start = strstr(two, "[{\"kms\"");
    char *wrap_end = strstr(two, ", \"mac\"");
    len = snprintf(text, sizeof text, "%s%s, %.*s%s%s%s", head, one, (int)(wrap_start - two), two, one_wrap, wrap_end,
                   end);
    write_file("vector/keystore", text, (size_t)len, 0600);
    assert_error(try_open("vector"), KEYSTORE_DAMAGED);
    free(one_wrap);
    free(two);
    free(one);
    free(head);
}

/* Another store's keystore file beside our kek, and our keystore beside another kek. */
static void wrong_or_missing_kek(void **state)
{
    (void)state;
    assert_error(sealane_keystore_create("one", NULL), OK);
    assert_error(sealane_keystore_create("two", NULL), OK);
    assert_int_equal(rename("one/kek", "kek"), 0);
    assert_error(try_open("one"), KEK_MISSING);
    assert_int_equal(rename("two/kek", "one/kek"), 0);
    assert_error(try_open("one"), KEY_REFUSED);
    assert_int_equal(rename("kek", "one/kek"), 0);
    assert_error(try_open("one"), OK);
    assert_int_equal(chmod("one/kek", 0644), 0);
    assert_error(try_open("one"), KEK_LAX_PERMISSIONS);
}

/* The key service's faults are told from the keystore's own. */
static void failed_uri(void **state)
{
    (void)state;
    sealane_keystore *keystore;
    char failed[SEALANE_KMS_URI_MAX] = "something";
    char expected[128];
    snprintf(expected, sizeof expected, "file:%s/one/kek", scratch);
    struct sealane_keystore_options options = SEALANE_KEYSTORE_OPTIONS_INIT;
    options.failed_uri = failed;
    assert_error(sealane_keystore_create("one", &options), OK);
    assert_string_equal(failed, "");
    assert_int_equal(chmod("one/kek", 0644), 0);
    assert_error(sealane_keystore_open(&keystore, "one", &options), KEK_LAX_PERMISSIONS);
    assert_string_equal(failed, expected);
    assert_error(sealane_keystore_open(&keystore, "absent", &options), NOT_FOUND);
    assert_string_equal(failed, "");
    options.kms_uri = "file:other";
    assert_error(sealane_keystore_open(&keystore, "one", &options), KMS_MISMATCH);
    assert_string_equal(failed, "");
    options.kms_uri = "cloud:key";
    assert_error(sealane_keystore_open(&keystore, "one", &options), KMS_SCHEME);
    assert_string_equal(failed, "cloud:key");
    assert_error(sealane_keystore_create("two", &options), KMS_SCHEME);
    assert_string_equal(failed, "cloud:key");
    options.kms_uri = "file:./absent";
    snprintf(expected, sizeof expected, "file:%s/absent", scratch);
    assert_error(sealane_keystore_create("two", &options), KEK_MISSING);
    assert_string_equal(failed, expected);
    /* Longer than the buffer: nothing is cut into another name. */
    char long_uri[SEALANE_KMS_URI_MAX + 10];
    memset(long_uri, 'x', sizeof long_uri);
    memcpy(long_uri, "file:", 5);
    long_uri[sizeof long_uri - 1] = '\0';
    options.kms_uri = long_uri;
    assert_error(sealane_keystore_create("two", &options), ARGUMENT);
    assert_string_equal(failed, "");
}

static void trust(void **state)
{
    (void)state;
    sealane_keystore *keystore;
    write_vector("vector");
    static const struct {
        const char *path;
        mode_t good;
    } targets[] = {{"vector", 0755}, {"vector/keystore", 0644}};
    for (size_t i = 0; i < 2; i++) {
        static const mode_t lax[] = {020, 002, 022};
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(chmod(targets[i].path, targets[i].good | lax[j]), 0);
            assert_error(try_open("vector"), LAX_PERMISSIONS);
            assert_error(sealane_keystore_read(&keystore, "vector"), LAX_PERMISSIONS);
        }
        assert_int_equal(chmod(targets[i].path, targets[i].good), 0);
        assert_error(try_open("vector"), OK);
        if (geteuid() != 0) {
            test_not_run("a keystore of another owner", "needs root");
            continue;
        }
        assert_int_equal(chown(targets[i].path, 12345, 0), 0);
        assert_error(try_open("vector"), LAX_PERMISSIONS);
        assert_int_equal(chown(targets[i].path, 0, 0), 0);
    }
    assert_int_equal(symlink("vector", "link"), 0);
    assert_error(try_open("link"), NOT_REGULAR);
    assert_error(try_open("link/"), NOT_REGULAR);
    assert_error(try_open("vector/"), OK);
    assert_error(try_open("vector/keystore"), NOT_REGULAR);
    assert_error(try_open(""), NOT_FOUND);
    assert_int_equal(rename("vector/keystore", "vector/moved"), 0);
    assert_error(try_open("vector"), NO_KEYSTORE);
    assert_int_equal(symlink("moved", "vector/keystore"), 0);
    assert_error(try_open("vector"), NOT_REGULAR);
    assert_int_equal(unlink("vector/keystore"), 0);
    assert_int_equal(mkfifo("vector/keystore", 0600), 0);
    assert_error(try_open("vector"), NOT_REGULAR);
}

static enum sealane_error open_pinned(const char *directory, const char *uri)
{
    sealane_keystore *keystore;
    struct sealane_keystore_options options = SEALANE_KEYSTORE_OPTIONS_INIT;
    options.kms_uri = uri;
    enum sealane_error error = sealane_keystore_open(&keystore, directory, &options);
    sealane_keystore_free(keystore);
    return error;
}

static void pin(void **state)
{
    (void)state;
    char absolute[128];
    write_vector("vector");
    snprintf(absolute, sizeof absolute, "file:%s/vector/kek", scratch);
    assert_error(open_pinned("vector", "file:vector/kek"), OK);
    assert_error(open_pinned("./vector/", absolute), OK);
    assert_error(open_pinned("vector", "file:kek"), KMS_MISMATCH);
    assert_error(open_pinned("vector", "file:"), ARGUMENT);
    assert_error(open_pinned("vector", "cloud:kek"), KMS_SCHEME);
    /* A mismatch is found before the service is asked: nothing is said of the missing key. */
    assert_int_equal(unlink("vector/kek"), 0);
    assert_error(open_pinned("vector", "file:other"), KMS_MISMATCH);
    assert_error(open_pinned("vector", "file:vector/kek"), KEK_MISSING);
    /* Also when only a later record names another key: the first one's service is not asked either. */
    assert_proof("\"kms\": \"file:kek\"", "\"kms\": \"file:other\"", KEK_MISSING);
    assert_error(open_pinned("vector", "file:vector/other"), KMS_MISMATCH);
}

static void *open_often(void *failures)
{
    for (int i = 0; i < 25; i++) {
        sealane_keystore *keystore;
        if (sealane_keystore_open(&keystore, "vector", NULL))
            ++*(int *)failures;
        sealane_keystore_free(keystore);
    }
    return NULL;
}

static void concurrent_opens(void **state)
{
    (void)state;
    pthread_t threads[4];
    int failures[4] = {0};
    write_vector("vector");
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_often, &failures[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(failures[i], 0);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_enter, scratch_leave)
    const struct CMUnitTest tests[] = {
        CASE(create_and_open),
        CASE(another_programs_keystore),
        CASE(every_flip_and_cut_is_refused),
        CASE(form),
        CASE(record_mac),
        CASE(swapped),
        CASE(wrong_or_missing_kek),
        CASE(failed_uri),
        CASE(trust),
        CASE(pin),
        CASE(concurrent_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
