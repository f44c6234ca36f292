/* What unsealing and inspecting must refuse: cut, flipped, lengthened, exchanged, foreign; and sealing what is sealed.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "tests/sealing.h"

/* What unsealing these bytes comes to, from a file and from a pipe; a refused file must have given no output. */
static void expect_unseal(const uint8_t *sealed, size_t sealed_len, const char *what, size_t where,
                          enum sealane_error *of_file, enum sealane_error *of_pipe)
{
    uint8_t *out;
    size_t out_len;
    *of_file = through_files(do_unseal, NULL, sealed, sealed_len, &out, &out_len);
    if (*of_file != SEALANE_OK && out_len != 0)
        fail_msg("%s %zu: %zu bytes of output before %s", what, where, out_len, sealane_error_name(*of_file));
    free(out);
    *of_pipe = through_pipes(do_unseal, NULL, sealed, sealed_len, &out, &out_len);
    free(out);
}

static void expect_refused(const uint8_t *sealed, size_t sealed_len, const char *what, size_t where)
{
    enum sealane_error errors[2];
    expect_unseal(sealed, sealed_len, what, where, &errors[0], &errors[1]);
    for (int i = 0; i < 2; i++) {
        int code = sealane_error_exit_code(errors[i]);
        if (code != 3 && code != 4)
            fail_msg("%s %zu, %s: %s", what, where, i == 0 ? "file" : "pipe", sealane_error_name(errors[i]));
    }
}

static void expect_error(const uint8_t *sealed, size_t sealed_len, const char *what, enum sealane_error expected)
{
    enum sealane_error errors[2];
    expect_unseal(sealed, sealed_len, what, 0, &errors[0], &errors[1]);
    for (int i = 0; i < 2; i++) {
        if (errors[i] != expected)
            fail_msg("%s, %s: %s", what, i == 0 ? "file" : "pipe", sealane_error_name(errors[i]));
    }
}

/* ---- What must be refused ---- */

/* A reduced run takes every place near a page's edge, where the fields and the off-by-ones are, and samples the rest.
 */
static bool left_out(size_t place)
{
    size_t in_page = place % SL_PAGE;
    return test_reduced() && in_page >= 40 && in_page < SL_PAGE - 40 && in_page % 61 != 0;
}

static void test_flips(void **state)
{
    (void)state;
    const size_t len = 5000;
    uint8_t *plain = random_bytes(len);
    size_t sealed_len;
    uint8_t *sealed = sealed_of(plain, len, &sealed_len);
    size_t cases = 0;
    for (size_t i = 0; i < sealed_len; i++) {
        if (left_out(i) || (i >= SL_PAGE && i < SL_PAGE + len))
            continue; /* the data itself is not authenticated in this suite */
        sealed[i] ^= (uint8_t)(1u << i % 8);
        expect_refused(sealed, sealed_len, "flip at", i);
        sealed[i] ^= (uint8_t)(1u << i % 8);
        cases++;
    }
    printf("%zu flips of superblock, padding and commit record\n", cases);
    free(sealed);
    free(plain);
}

static void test_truncations(void **state)
{
    (void)state;
    uint8_t *plain = random_bytes(5000);
    size_t sealed_len;
    uint8_t *sealed = sealed_of(plain, 5000, &sealed_len);
    size_t cases = 0;
    for (size_t len = 0; len < sealed_len; len++) {
        if (left_out(len))
            continue;
        expect_refused(sealed, len, "cut to", len);
        cases++;
    }
    expect_error(sealed, 0, "empty", SEALANE_E_NOT_SEALED);
    expect_error(sealed, 7, "7 bytes", SEALANE_E_NOT_SEALED);
    for (size_t len = 8; len < sealed_len; len += 991)
        expect_error(sealed, len, "cut", SEALANE_E_TRUNCATED);
    expect_error(sealed, sealed_len - 1, "one byte short", SEALANE_E_TRUNCATED);
    printf("%zu truncations\n", cases);
    free(sealed);
    free(plain);
}

static void test_trailing(void **state)
{
    (void)state;
    uint8_t *plain = random_bytes(SL_RING_LEN);
    for (int large = 0; large < 2; large++) {
        size_t sealed_len;
        uint8_t *sealed = sealed_of(plain, large ? SL_RING_LEN : 5000, &sealed_len);
        uint8_t *longer = calloc(1, sealed_len + 2 * SL_PAGE);
        assert_non_null(longer);
        memcpy(longer, sealed, sealed_len);
        expect_error(longer, sealed_len + 1, "one byte more", SEALANE_E_TRAILING_DATA);
        expect_error(longer, sealed_len + SL_PAGE - 1, "almost a page more", SEALANE_E_TRAILING_DATA);
        expect_error(longer, sealed_len + SL_PAGE, "a page more", SEALANE_E_TRAILING_DATA);
        expect_error(longer, sealed_len + 2 * SL_PAGE, "two pages more", SEALANE_E_TRAILING_DATA);
        memcpy(longer + sealed_len, sealed + sealed_len - SL_PAGE, SL_PAGE);
        expect_error(longer, sealed_len + SL_PAGE, "the commit record twice", SEALANE_E_TRAILING_DATA);
        free(longer);
        free(sealed);
    }
    free(plain);
}

/* A page moved from another file, or from another place in this one. */
static void test_exchanged(void **state)
{
    (void)state;
    uint8_t *plain = random_bytes(5000);
    size_t len;
    uint8_t *one = sealed_of(plain, 5000, &len);
    uint8_t *two = sealed_of(plain, 5000, &len);
    uint8_t *mixed = malloc(len);
    assert_non_null(mixed);
    memcpy(mixed, one, len);
    memcpy(mixed + len - SL_PAGE, two + len - SL_PAGE, SL_PAGE);
    expect_error(mixed, len, "another file's commit record", SEALANE_E_DAMAGED);
    memcpy(mixed, two, SL_PAGE);
    memcpy(mixed + len - SL_PAGE, one + len - SL_PAGE, SL_PAGE);
    expect_error(mixed, len, "another file's superblock", SEALANE_E_DAMAGED);
    memcpy(mixed, one, len);
    memcpy(mixed + 64, two + 64, 32);
    expect_error(mixed, len, "another file's id", SEALANE_E_DAMAGED);
    memcpy(mixed, one, len);
    memcpy(mixed + 96, two + 96, 32);
    expect_error(mixed, len, "another file's salt", SEALANE_E_DAMAGED);
    memcpy(mixed, one, len);
    memcpy(mixed + 2 * SL_PAGE, one + len - SL_PAGE, SL_PAGE); /* the data's second page taken out */
    expect_error(mixed, len - SL_PAGE, "a data page missing", SEALANE_E_TRUNCATED);
    free(mixed);
    free(one);
    free(two);
    free(plain);
}

static void test_keys_asked_for(void **state)
{
    (void)state;
    uint8_t *plain = random_bytes(100);
    size_t len;
    uint8_t *sealed = sealed_of(plain, 100, &len);
    int in = file_of(sealed, len);
    int out = file_of(NULL, 0);
    assert_int_equal(sealane_unseal(other_keystore, engine, in, out, NULL), SEALANE_E_OTHER_STORE);
    assert_int_equal(lseek(out, 0, SEEK_END), 0);
    sealed[32] ^= 1;
    expect_error(sealed, len, "another key id", SEALANE_E_NO_SUCH_KEY);
    sealed[32] ^= 1;
    sealed[48] ^= 1;
    expect_error(sealed, len, "another store", SEALANE_E_OTHER_STORE);
    sealed[48] ^= 1;
    sealed[10] = 2;
    expect_error(sealed, len, "suite 2", SEALANE_E_UNSUPPORTED);
    sealed[10] = 1;
    sealed[8] = 2;
    expect_error(sealed, len, "version 2", SEALANE_E_UNSUPPORTED);
    sealed[8] = 1;
    sealed[16] = 1;
    expect_error(sealed, len, "appendable", SEALANE_E_UNSUPPORTED);
    sealed[16] = 0;
    sealed[3000] = 1;
    expect_error(sealed, len, "superblock", SEALANE_E_DAMAGED);
    expect_error(plain, 100, "foreign", SEALANE_E_NOT_SEALED);
    close(in);
    close(out);
    free(sealed);
    free(plain);
}

static void test_sealed_twice(void **state)
{
    (void)state;
    struct sealane_seal_options options = SEALANE_SEAL_OPTIONS_INIT;
    uint8_t *plain = random_bytes(100);
    size_t len;
    uint8_t *sealed = sealed_of(plain, 100, &len);
    uint8_t *out;
    size_t out_len;
    assert_int_equal(through_files(do_seal, NULL, sealed, len, &out, &out_len), SEALANE_E_ALREADY_SEALED);
    assert_int_equal(out_len, 0);
    free(out);
    assert_int_equal(through_pipes(do_seal, NULL, sealed, len, &out, &out_len), SEALANE_E_ALREADY_SEALED);
    assert_int_equal(out_len, 0);
    free(out);
    assert_int_equal(through_files(do_seal, NULL, sealed, 8, &out, &out_len), SEALANE_E_ALREADY_SEALED);
    free(out);
    assert_int_equal(through_files(do_seal, NULL, sealed, 7, &out, &out_len), SEALANE_OK);
    free(out);
    options.reseal = 1;
    assert_int_equal(through_pipes(do_seal, &options, sealed, len, &out, &out_len), SEALANE_OK);
    uint8_t *once;
    size_t once_len;
    assert_int_equal(through_files(do_unseal, NULL, out, out_len, &once, &once_len), SEALANE_OK);
    assert_int_equal(once_len, len);
    assert_memory_equal(once, sealed, len);
    free(once);
    free(out);
    free(sealed);
    free(plain);
}

static void test_arguments(void **state)
{
    (void)state;
    struct sealane_seal_options seal = SEALANE_SEAL_OPTIONS_INIT;
    struct sealane_unseal_options unseal = SEALANE_UNSEAL_OPTIONS_INIT;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_true(null >= 0);
    seal.suite = (enum sealane_suite)2;
    assert_int_equal(do_seal(null, null, &seal), SEALANE_E_SUITE_UNAVAILABLE);
    seal.suite = SEALANE_SUITE_CTR;
    seal.size++;
    assert_int_equal(do_seal(null, null, &seal), SEALANE_E_ARGUMENT);
    unseal.size--;
    assert_int_equal(do_unseal(null, null, &unseal), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_seal(NULL, engine, null, null, NULL), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_unseal(keystore, NULL, null, null, NULL), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_seal(unverified_keystore, engine, null, null, NULL), SEALANE_E_ARGUMENT);
    assert_int_equal(sealane_unseal(unverified_keystore, engine, null, null, NULL), SEALANE_E_ARGUMENT);
    assert_int_equal(do_seal(-1, null, NULL), SEALANE_E_IO);
    assert_int_equal(do_unseal(-1, null, NULL), SEALANE_E_IO);
    assert_int_equal(do_seal(null, -1, NULL), SEALANE_E_IO);
    close(null);
}

static enum sealane_error inspect(const uint8_t *sealed, size_t len, struct sealane_file_info *info)
{
    int fd = file_of(sealed, len);
    enum sealane_error error = sealane_file_inspect(fd, info);
    close(fd);
    return error;
}

static void test_inspect(void **state)
{
    (void)state;
    struct sealane_file_info info;
    struct sealane_keystore_info store;
    uint8_t *plain = random_bytes(5000);
    size_t len;
    int ends[2];
    uint8_t *sealed = sealed_of(plain, 5000, &len);
    sealane_keystore_info(keystore, &store);
    assert_int_equal(inspect(sealed, len, &info), SEALANE_OK);
    assert_int_equal(info.version, 1);
    assert_int_equal(info.suite, SEALANE_SUITE_CTR);
    assert_int_equal(info.chunk_len, 65536);
    assert_int_equal(info.tag_len, 0);
    assert_int_equal(info.flags, 0);
    assert_memory_equal(info.store_uuid, store.uuid, 16);
    assert_memory_equal(info.file_id, sealed + 64, 32);
    assert_int_equal(info.plaintext_len, 5000);
    assert_int_equal(info.sequence, 1);
    assert_int_equal(info.sealed, 1);
    assert_true(info.created_ms > 1600000000000);
    assert_int_equal(inspect(sealed, 0, &info), SEALANE_E_NOT_SEALED);
    assert_int_equal(inspect(plain, 5000, &info), SEALANE_E_NOT_SEALED);
    for (size_t cut = 8; cut < len; cut += 1021)
        assert_int_equal(inspect(sealed, cut, &info), SEALANE_E_TRUNCATED);
    sealed = realloc(sealed, len + 1);
    assert_non_null(sealed);
    assert_int_equal(inspect(sealed, len + 1, &info), SEALANE_E_TRAILING_DATA);
    sealed[len - SL_PAGE + 100] ^= 1;
    assert_int_equal(inspect(sealed, len, &info), SEALANE_E_DAMAGED);
    sealed[len - SL_PAGE + 100] ^= 1;
    sealed[2000] ^= 1;
    assert_int_equal(inspect(sealed, len, &info), SEALANE_E_DAMAGED);
    sealed[8] ^= 2;
    assert_int_equal(inspect(sealed, len, &info), SEALANE_E_UNSUPPORTED);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(sealane_file_inspect(ends[0], &info), SEALANE_E_NOT_REGULAR);
    close(ends[0]);
    close(ends[1]);
    free(sealed);
    free(plain);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* the feeding threads; children have the default action again */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),     cmocka_unit_test(test_truncations),    cmocka_unit_test(test_trailing),
        cmocka_unit_test(test_exchanged), cmocka_unit_test(test_keys_asked_for), cmocka_unit_test(test_sealed_twice),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_inspect),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
