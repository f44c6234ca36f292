/* Keystores in the making: where, with which service and context, and what is left when something is short. */
#define _GNU_SOURCE
#include "tests/scratch.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/secret.h"
#include "sealane/keystore.h"
#include "tests/support/child.h"
#include "tests/support/environment.h"

static enum sealane_error try_open(const char *directory)
{
    sealane_keystore *keystore;
    enum sealane_error error = sealane_keystore_open(&keystore, directory, NULL);
    assert_true((error == SEALANE_OK) == (keystore != NULL));
    sealane_keystore_free(keystore);
    return error;
}

static void create_with_service_and_context(void **state)
{
    (void)state;
    char expected[128];
    sealane_keystore *keystore;
    struct sealane_key_record_info record;
    struct sealane_kms_pair pairs[14] = {{"zone", "north \"\\\n\xc3\xbc"}, {"app", ""}};
    struct sealane_keystore_options options = SEALANE_KEYSTORE_OPTIONS_INIT;
    options.kms_uri = "file:kek";
    options.context = pairs;
    options.context_count = 2;
    assert_error(sealane_keystore_create("store", &options), KEK_MISSING);
    assert_int_equal(entries_of("."), 0);
    assert_error(sealane_kms_create("file:kek", NULL), OK);
    assert_error(sealane_keystore_create("store", &options), OK);
    assert_int_equal(entries_of("store"), 1);
    snprintf(expected, sizeof expected, "file:%s/kek", scratch);
    assert_error(sealane_keystore_open(&keystore, "store", NULL), OK);
    assert_error(sealane_keystore_record(keystore, 0, &record), OK);
    assert_string_equal(record.kms_uri, expected);
    assert_int_equal(record.context_count, 5);
    assert_string_equal(record.context[4].key, "zone");
    assert_string_equal(record.context[4].value, pairs[0].value);
    sealane_keystore_free(keystore);

    static const struct sealane_kms_pair bad[] = {{"sealane:x", "1"}, {"", "1"},     {NULL, "1"},  {"a", NULL},
                                                  {"zone", "x"},      {"\xff", "x"}, {"a", "\xc3"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pairs[1] = bad[i];
        assert_error(sealane_keystore_create("bad", &options), ARGUMENT);
    }
    char names[14][12];
    for (int i = 0; i < 14; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        pairs[i] = (struct sealane_kms_pair){names[i], ""};
    }
    options.context_count = 14;
    assert_error(sealane_keystore_create("bad", &options), ARGUMENT);
    options.context_count = 13;
    assert_error(sealane_keystore_create("full", &options), OK);
    assert_error(try_open("full"), OK);
    assert_int_equal(entries_of("."), 3);
}

static void create_where(void **state)
{
    (void)state;
    char name[300];
    assert_int_equal(mkdir("empty", 0777), 0);
    assert_error(sealane_keystore_create("empty/", NULL), OK);
    assert_int_equal(mode_of("empty"), 0700);
    assert_error(try_open("empty"), OK);
    assert_error(sealane_keystore_create("empty", NULL), EXISTS);
    assert_error(try_open("empty"), OK);
    write_file("file", "x", 1, 0600);
    assert_error(sealane_keystore_create("file", NULL), EXISTS);
    assert_int_equal(symlink("absent", "link"), 0);
    assert_error(sealane_keystore_create("link", NULL), EXISTS);
    assert_error(sealane_keystore_create("absent/store", NULL), NOT_FOUND);
    assert_error(sealane_keystore_create("file/store", NULL), NOT_REGULAR);
    static const char *const refused[] = {"", "/", "//", ".", "..", "empty/.", "./"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_error(sealane_keystore_create(refused[i], NULL), ARGUMENT);
    assert_int_equal(entries_of("."), 3);
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    assert_error(sealane_keystore_create(name, NULL), OK);
    assert_error(try_open(name), OK);
    name[255] = 'n';
    name[256] = '\0';
    assert_error(sealane_keystore_create(name, NULL), ARGUMENT);
    snprintf(name, sizeof name, "%s/absolute///", scratch);
    assert_error(sealane_keystore_create(name, NULL), OK);
    assert_error(try_open("absolute"), OK);
    assert_int_equal(entries_of("."), 5);
}

static void with_64_kib(void *unused)
{
    (void)unused;
    sealane_keystore *keystore;
    test_child_limit_locked_memory(65536);
    CHILD_CHECK(sealane_keystore_create("store", NULL) == SEALANE_OK);
    CHILD_CHECK(sealane_keystore_open(&keystore, "store", NULL) == SEALANE_OK);
    CHILD_CHECK(!sl_secret_unlocked());
    sealane_keystore_free(keystore);
}

static void with_nothing(void *unused)
{
    (void)unused;
    sealane_keystore *keystore;
    struct sealane_keystore_options options = SEALANE_KEYSTORE_OPTIONS_INIT;
    test_child_limit_locked_memory(0);
    CHILD_CHECK(sealane_keystore_create("none", NULL) == SEALANE_E_MEMORY_LOCK);
    CHILD_CHECK(access("none", F_OK) != 0);
    CHILD_CHECK(sealane_keystore_open(&keystore, "store", NULL) == SEALANE_E_MEMORY_LOCK && !keystore);
    CHILD_CHECK(sealane_keystore_read(&keystore, "store") == SEALANE_OK);
    sealane_keystore_free(keystore);
    options.allow_unlocked_memory = 1;
    CHILD_CHECK(sealane_keystore_create("unlocked", &options) == SEALANE_OK);
    CHILD_CHECK(sealane_keystore_open(&keystore, "unlocked", &options) == SEALANE_OK);
    CHILD_CHECK(sl_secret_unlocked());
    sealane_keystore_free(keystore);
}

static void locked_memory(void **state)
{
    (void)state;
    if (TEST_SANITIZED) {
        test_not_run("limits on locked memory", "the sanitizer makes mlock(2) do nothing");
        return;
    }
    assert_true(test_child_passed(test_child(with_64_kib, NULL)));
    assert_true(test_child_passed(test_child(with_nothing, NULL)));
    assert_int_equal(entries_of("."), 2);
}

/* A full disk: whatever write fails, nothing stays. */
static void limited_file_size(void *limit)
{
    signal(SIGXFSZ, SIG_IGN);
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){*(rlim_t *)limit, *(rlim_t *)limit}) == 0);
    CHILD_CHECK(sealane_keystore_create("store", NULL) == SEALANE_E_FILE_SIZE_LIMIT);
}

static void no_room(void **state)
{
    (void)state;
    static const rlim_t limits[] = {0, 10, 47, 48, 900};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        rlim_t limit = limits[i];
        assert_true(test_child_passed(test_child(limited_file_size, &limit)));
        assert_int_equal(entries_of("."), 0);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_enter, scratch_leave)
    const struct CMUnitTest tests[] = {
        CASE(create_with_service_and_context),
        CASE(create_where),
        CASE(locked_memory),
        CASE(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
