/* Keystores in the making: where, with which service and context, and what is left when something is short. */
#define _GNU_SOURCE
#include "tests/scratch.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/secret.h"
#include "sealane/keystore.h"
#include "sealane/output.h"
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

/* ---- Somebody else who may write in the parent directory ---- */

/* What he does, and when.  The library's own calls come here first. */
enum attack {
    NONE,
    LINK_ONCE_PUBLISHED,   /* the free name becomes a link to `target` */
    SIGNAL_ONCE_PUBLISHED, /* the same, and we are ended before we know that we are done */
    SYNC_FAILS_ONCE_PUBLISHED,
    SWAP_ONCE_MADE,    /* the new directory is moved away, and `target` itself takes its name */
    SWAP_WHILE_FILLED, /* the same, once something is about to be made in it */
    LINK_WHILE_FILLED, /* the same with a link to `target` */
};
static _Atomic int attack;
static const char *target;
static char swapped[64]; /* where `target` is, if not in its place */

/* Once, and if the directory is there. */
static void exchange_if(bool now, bool with_a_link)
{
    glob_t found;
    if (!now || glob(".store.sealane-*", GLOB_PERIOD, NULL, &found) != 0)
        return;
    const char *name = found.gl_pathv[0];
    atomic_store(&attack, NONE);
    assert_int_equal(rename(name, "moved"), 0);
    if (with_a_link)
        assert_int_equal(symlink(target, name), 0);
    else
        assert_int_equal(rename(target, name), 0);
    snprintf(swapped, sizeof swapped, "%s", with_a_link ? "" : name);
    globfree(&found);
}

int mkdirat(int directory_fd, const char *path, mode_t mode)
{
    int result = (int)syscall(SYS_mkdirat, directory_fd, path, mode);
    exchange_if(atomic_load(&attack) == SWAP_ONCE_MADE, false);
    return result;
}

/* The key-encryption key is made of these bytes, so the directory is open by now. */
ssize_t getrandom(void *out, size_t len, unsigned flags)
{
    int now = atomic_load(&attack);
    exchange_if(now == SWAP_WHILE_FILLED || now == LINK_WHILE_FILLED, now == LINK_WHILE_FILLED);
    return syscall(SYS_getrandom, out, len, flags);
}

static _Atomic int published;

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    int result = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
    int now = atomic_load(&attack);
    if (result == 0 && (now == LINK_ONCE_PUBLISHED || now == SIGNAL_ONCE_PUBLISHED))
        assert_int_equal(symlink(target, from), 0);
    if (result == 0)
        atomic_store(&published, 1);
    return result;
}

int fsync(int fd)
{
    if (atomic_load(&published) && atomic_load(&attack) == SIGNAL_ONCE_PUBLISHED)
        raise(SIGTERM);
    if (atomic_load(&published) && atomic_load(&attack) == SYNC_FAILS_ONCE_PUBLISHED) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* Runs one creation under attack; `target` holds another keystore. */
static enum sealane_error create_under(enum attack which)
{
    target = "victim";
    assert_error(sealane_keystore_create(target, NULL), OK);
    atomic_store(&published, 0);
    atomic_store(&attack, (int)which);
    enum sealane_error error = sealane_keystore_create("store", NULL);
    atomic_store(&attack, NONE);
    assert_true(swapped[0] == '\0' || rename(swapped, target) == 0);
    swapped[0] = '\0';
    assert_int_equal(entries_of("victim"), 2);
    assert_error(try_open("victim"), OK);
    return error;
}

static void link_in_the_old_place(void **state)
{
    (void)state;
    assert_error(create_under(LINK_ONCE_PUBLISHED), OK);
    assert_int_equal(atomic_load(&published), 1);
    assert_error(try_open("store"), OK);
}

static void taken_back_if_not_durable(void **state)
{
    (void)state;
    assert_error(create_under(SYNC_FAILS_ONCE_PUBLISHED), IO);
    assert_int_equal(atomic_load(&published), 1);
    assert_int_equal(entries_of("."), 1);
}

static void other_directory_in_the_new_place(void **state)
{
    (void)state;
    assert_error(create_under(SWAP_ONCE_MADE), NOT_FOUND);
    assert_int_equal(access("store", F_OK), -1);
    scratch_leave(state);
    scratch_enter(state);
    assert_error(create_under(SWAP_WHILE_FILLED), NOT_FOUND);
    assert_int_equal(access("store", F_OK), -1);
}

static void link_in_the_middle(void **state)
{
    (void)state;
    assert_error(create_under(LINK_WHILE_FILLED), NOT_FOUND);
    assert_int_equal(access("store", F_OK), -1);
    /* Nor is anything made where the link leads. */
    scratch_leave(state);
    scratch_enter(state);
    target = "victim";
    assert_int_equal(mkdir(target, 0700), 0);
    atomic_store(&attack, LINK_WHILE_FILLED);
    assert_error(sealane_keystore_create("store", NULL), NOT_FOUND);
    assert_int_equal(atomic_load(&attack), NONE);
    assert_int_equal(entries_of(target), 0);
}

static void abandon_and_die(int signal_number)
{
    sealane_output_abandon_all();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void dies_once_published(void *unused)
{
    (void)unused;
    CHILD_CHECK(signal(SIGTERM, abandon_and_die) != SIG_ERR);
    target = "victim";
    atomic_store(&published, 0);
    atomic_store(&attack, SIGNAL_ONCE_PUBLISHED);
    (void)!sealane_keystore_create("store", NULL);
}

static void signal_and_link_in_the_old_place(void **state)
{
    (void)state;
    assert_error(sealane_keystore_create("victim", NULL), OK);
    assert_true(test_child_died_by(test_child(dies_once_published, NULL), SIGTERM));
    assert_int_equal(entries_of("victim"), 2);
    assert_error(try_open("victim"), OK);
    assert_error(try_open("store"), OK);
}

static void with_a_umask_that_takes_all(void *unused)
{
    (void)unused;
    CHILD_CHECK(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
    umask(0777);
    CHILD_CHECK(sealane_keystore_create("store", NULL) == SEALANE_OK);
    CHILD_CHECK(try_open("store") == SEALANE_OK);
}

static void any_umask(void **state)
{
    (void)state;
    assert_int_equal(chmod(".", 0777), 0);
    assert_true(test_child_passed(test_child(with_a_umask_that_takes_all, NULL)));
    assert_int_equal(mode_of("store"), 0700);
    assert_int_equal(mode_of("store/kek"), 0600);
    assert_int_equal(mode_of("store/keystore"), 0600);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_enter, scratch_leave)
    const struct CMUnitTest tests[] = {
        CASE(create_with_service_and_context),
        CASE(create_where),
        CASE(locked_memory),
        CASE(no_room),
        CASE(link_in_the_old_place),
        CASE(taken_back_if_not_durable),
        CASE(other_directory_in_the_new_place),
        CASE(link_in_the_middle),
        CASE(signal_and_link_in_the_old_place),
        CASE(any_umask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
