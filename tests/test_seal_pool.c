/* Sealing and unsealing on a pool of workers: what it writes the calling thread alone reads, and the other way round.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "tests/sealing.h"

#include <sys/wait.h>

enum { MIB = 1 << 20, LONG = 70 * MIB + 12345 };

static sealane_pool *pool;

static int open_with_pool(void **state)
{
    assert_int_equal(sealane_pool_create(&pool, NULL), SEALANE_OK);
    return open_all(state);
}

static int close_with_pool(void **state)
{
    sealane_pool_free(pool);
    return close_all(state);
}

static uint64_t slices_done(void)
{
    uint64_t slices = 0;
    for (unsigned i = 0; i < sealane_pool_workers(pool); i++) {
        struct sealane_worker_info info;
        assert_int_equal(sealane_pool_worker(pool, i, &info), SEALANE_OK);
        slices += info.slices + info.stolen;
    }
    return slices;
}

static struct sealane_seal_options sealing(bool pooled)
{
    struct sealane_seal_options options = SEALANE_SEAL_OPTIONS_INIT;
    options.pool = pooled ? pool : NULL;
    return options;
}

static struct sealane_unseal_options unsealing(bool pooled)
{
    struct sealane_unseal_options options = SEALANE_UNSEAL_OPTIONS_INIT;
    options.pool = pooled ? pool : NULL;
    return options;
}

static void every_length_both_ways(void **state)
{
    (void)state;
    static const size_t lens[] = {
        0,   5, 16 * MIB - 1, 16 * MIB, 16 * MIB + 4096, 17 * MIB, 48 * MIB + 1, 32 * MIB + 262144, 32 * MIB + 258049,
        LONG};
    uint8_t *plain = random_bytes(LONG);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        for (int pooled = 0; pooled < 2; pooled++) {
            uint8_t *sealed, *out;
            size_t sealed_len, out_len;
            const struct sealane_seal_options seal = sealing(!pooled);
            const struct sealane_unseal_options unseal = unsealing(pooled);
            uint64_t before = slices_done();
            assert_int_equal(through_files(do_seal, &seal, plain, lens[i], &sealed, &sealed_len), SEALANE_OK);
            assert_int_equal(through_files(do_unseal, &unseal, sealed, sealed_len, &out, &out_len), SEALANE_OK);
            assert_int_equal(out_len, lens[i]);
            assert_memory_equal(out, plain, out_len);
            if (lens[i] >= 16 * MIB) /* the first buffer is the calling thread's */
                assert_true(slices_done() >= before + 16 * MIB / (256 * 1024) - 1);
            else
                assert_int_equal(slices_done(), before);
            free(sealed);
            free(out);
        }
    free(plain);
}

static void ranges(void **state)
{
    (void)state;
    static const struct {
        uint64_t offset, length;
    } cases[] = {
        {1, 40 * MIB}, {4097, UINT64_MAX}, {33 * MIB + 7, 30 * MIB + 3}, {LONG - 20 * MIB, 20 * MIB}, {0, 16 * MIB}};
    uint8_t *plain = random_bytes(LONG), *sealed, *out;
    size_t sealed_len, out_len;
    const struct sealane_seal_options seal = sealing(true);
    assert_int_equal(through_files(do_seal, &seal, plain, LONG, &sealed, &sealed_len), SEALANE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sealane_unseal_options unseal = unsealing(true);
        unseal.offset = cases[i].offset;
        unseal.length = cases[i].length;
        uint64_t rest = LONG - cases[i].offset;
        assert_int_equal(through_files(do_unseal, &unseal, sealed, sealed_len, &out, &out_len), SEALANE_OK);
        assert_int_equal(out_len, cases[i].length < rest ? cases[i].length : rest);
        assert_memory_equal(out, plain + cases[i].offset, out_len);
        free(out);
    }
    free(sealed);
    free(plain);
}

/* From and to a descriptor's position; one that appends cannot be written anywhere else. */
static void positions(void **state)
{
    (void)state;
    uint8_t *plain = random_bytes(LONG);
    for (int append = 0; append < 2; append++) {
        const struct sealane_seal_options seal = sealing(true);
        const struct sealane_unseal_options unseal = unsealing(true);
        size_t sealed_len, out_len;
        int in = file_of(plain, LONG), out = file_of(plain, 1000), back = file_of(NULL, 0);
        assert_int_equal(lseek(in, 3333, SEEK_SET), 3333);
        assert_int_equal(lseek(out, append ? 5 : 1000, SEEK_SET), append ? 5 : 1000);
        if (append)
            assert_int_equal(fcntl(out, F_SETFL, O_APPEND), 0);
        assert_int_equal(do_seal(in, out, &seal), SEALANE_OK);
        assert_int_equal(lseek(in, 0, SEEK_CUR), LONG);
        uint8_t *sealed = bytes_of(out, &sealed_len);
        assert_memory_equal(sealed, plain, 1000);
        int source = file_of(sealed + 1000, sealed_len - 1000);
        assert_int_equal(do_unseal(source, back, &unseal), SEALANE_OK);
        uint8_t *got = bytes_of(back, &out_len);
        assert_int_equal(out_len, LONG - 3333);
        assert_memory_equal(got, plain + 3333, out_len);
        free(got);
        free(sealed);
        close(in);
        close(out);
        close(back);
        close(source);
    }
    free(plain);
}

/* ---- What happens meanwhile ---- */

struct meanwhile {
    int fd;
    off_t size;      /* to give the file once */
    bool unreadable; /* exchange the descriptor for one that cannot be read */
    bool fork;
    bool serial; /* without the pool */
    pid_t parent;
    int report;
    uint64_t done, total;
    unsigned calls;
};

static void on_progress(void *context, uint64_t done, uint64_t total)
{
    struct meanwhile *m = context;
    assert_true(done >= m->done);
    m->done = done;
    m->total = total;
    /* After the first piece, of which the calling thread itself takes care. */
    if (m->calls++ == 0 && m->size)
        assert_int_equal(ftruncate(m->fd, m->size), 0);
    if (m->calls == 1 && m->unreadable) {
        int other = open("/dev/null", O_WRONLY | O_CLOEXEC);
        assert_true(other >= 0);
        assert_int_equal(dup2(other, m->fd), m->fd);
        close(other);
    }
    if (m->calls == 2 && m->fork && fork() == 0)
        alarm(20); /* a child that hangs is one that fails to report */
}

static enum sealane_error seal_meanwhile(struct meanwhile *m, const uint8_t *plain, uint8_t **sealed,
                                         size_t *sealed_len)
{
    struct sealane_seal_options seal = sealing(!m->serial);
    seal.progress = on_progress;
    seal.progress_context = m;
    int out = file_of(NULL, 0);
    m->fd = file_of(plain, LONG);
    enum sealane_error error = do_seal(m->fd, out, &seal);
    *sealed = bytes_of(out, sealed_len);
    close(m->fd);
    close(out);
    return error;
}

static void progress_ends_at_the_end(void **state)
{
    (void)state;
    struct meanwhile m = {0};
    uint8_t *plain = random_bytes(LONG), *sealed;
    size_t sealed_len;
    assert_int_equal(seal_meanwhile(&m, plain, &sealed, &sealed_len), SEALANE_OK);
    assert_int_equal(m.done, LONG);
    assert_int_equal(m.total, LONG);
    assert_true(m.calls >= 4);
    free(sealed);
    free(plain);
}

static void input_that_grows_is_sealed_whole(void **state)
{
    (void)state;
    struct meanwhile m = {.size = LONG + 3 * MIB};
    const struct sealane_unseal_options unseal = unsealing(false);
    uint8_t *plain = random_bytes(LONG), *sealed, *out;
    size_t sealed_len, out_len;
    assert_int_equal(seal_meanwhile(&m, plain, &sealed, &sealed_len), SEALANE_OK);
    assert_int_equal(through_files(do_unseal, &unseal, sealed, sealed_len, &out, &out_len), SEALANE_OK);
    assert_int_equal(out_len, LONG + 3 * MIB);
    assert_memory_equal(out, plain, LONG);
    for (size_t i = LONG; i < out_len; i++)
        assert_int_equal(out[i], 0);
    free(out);
    free(sealed);
    free(plain);
}

static enum sealane_error unseal_meanwhile(struct meanwhile *m, const uint8_t *sealed, size_t sealed_len)
{
    struct sealane_unseal_options unseal = unsealing(true);
    unseal.progress = on_progress;
    unseal.progress_context = m;
    int out = file_of(NULL, 0);
    m->fd = file_of(sealed, sealed_len);
    enum sealane_error error = do_unseal(m->fd, out, &unseal);
    close(m->fd);
    close(out);
    return error;
}

/* A file that has become shorter is another matter than one that cannot be read: the second may be whole. */
static void input_that_shrinks_or_cannot_be_read(void **state)
{
    (void)state;
    struct meanwhile shrinks = {.size = 20 * MIB}, again = shrinks;
    struct meanwhile unreadable = {.unreadable = true}, once_more = unreadable, nothing = {0};
    uint8_t *plain = random_bytes(LONG), *sealed;
    size_t sealed_len;
    struct meanwhile serial = {.size = 20 * MIB, .serial = true}, to_nothing = {.size = 1, .serial = true};
    assert_int_equal(seal_meanwhile(&shrinks, plain, &sealed, &sealed_len), SEALANE_E_INPUT_SHRANK);
    free(sealed);
    assert_int_equal(seal_meanwhile(&serial, plain, &sealed, &sealed_len), SEALANE_E_INPUT_SHRANK);
    free(sealed);
    assert_int_equal(seal_meanwhile(&to_nothing, plain, &sealed, &sealed_len), SEALANE_E_INPUT_SHRANK);
    free(sealed);
    assert_int_equal(seal_meanwhile(&unreadable, plain, &sealed, &sealed_len), SEALANE_E_READ_FAILED);
    free(sealed);
    assert_int_equal(seal_meanwhile(&nothing, plain, &sealed, &sealed_len), SEALANE_OK);
    assert_int_equal(unseal_meanwhile(&again, sealed, sealed_len), SEALANE_E_TRUNCATED);
    assert_int_equal(unseal_meanwhile(&once_more, sealed, sealed_len), SEALANE_E_READ_FAILED);
    free(sealed);
    free(plain);
}

/* One request at a time goes on, if it must; and nothing does where others' have all the room. */
static void a_pool_with_little_room(void **state)
{
    (void)state;
    static const uint8_t key_bytes[SEALANE_KEY_LEN] = {1};
    struct sealane_pool_options little = SEALANE_POOL_OPTIONS_INIT;
    struct sealane_seal_options seal = sealing(true);
    const struct sealane_unseal_options unseal = unsealing(false);
    uint8_t *plain = random_bytes(LONG), *sealed, *out;
    size_t sealed_len, out_len;
    sealane_pool *narrow;
    sealane_key *key;
    little.requests = 1;
    assert_int_equal(sealane_pool_create(&narrow, &little), SEALANE_OK);
    seal.pool = narrow;
    assert_int_equal(through_files(do_seal, &seal, plain, LONG, &sealed, &sealed_len), SEALANE_OK);
    assert_int_equal(through_files(do_unseal, &unseal, sealed, sealed_len, &out, &out_len), SEALANE_OK);
    assert_int_equal(out_len, LONG);
    assert_memory_equal(out, plain, LONG);
    free(out);
    free(sealed);
    uint8_t *data = calloc(1, 2 * MIB);
    assert_non_null(data);
    assert_int_equal(sealane_key_create(engine, &key, key_bytes), SEALANE_OK);
    const struct sealane_record others = {key, plain, 0, data, data, 2 * MIB};
    sealane_ticket ticket;
    assert_int_equal(sealane_pool_submit(narrow, &others, &ticket), SEALANE_OK);
    assert_int_equal(through_files(do_seal, &seal, plain, LONG, &sealed, &sealed_len), SEALANE_E_POOL_FULL);
    free(sealed);
    assert_int_equal(sealane_pool_wait(narrow, ticket), SEALANE_OK);
    sealane_key_free(key);
    sealane_pool_free(narrow);
    free(data);
    free(plain);
}

/* Which of these a pool may write in any order, and from where on it is worth it. */
static void what_a_pool_is_used_for(void **state)
{
    (void)state;
    int in = file_of(NULL, 0), out = file_of(NULL, 0), ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(sealane_file_uses_pool(in, out, SEALANE_FILE_POOL_LEN));
    assert_false(sealane_file_uses_pool(in, out, SEALANE_FILE_POOL_LEN - 1));
    assert_false(sealane_file_uses_pool(in, out, UINT64_MAX));
    assert_false(sealane_file_uses_pool(in, ends[1], LONG));
    assert_false(sealane_file_uses_pool(ends[0], out, LONG));
    assert_false(sealane_file_uses_pool(in, -1, LONG));
    assert_int_equal(fcntl(out, F_SETFL, O_APPEND), 0);
    assert_false(sealane_file_uses_pool(in, out, LONG));
    close(in);
    close(out);
    close(ends[0]);
    close(ends[1]);
}

/* A worker's failure reaches the caller. */
static void output_that_fails(void **state)
{
    (void)state;
    const struct sealane_seal_options seal = sealing(true);
    struct rlimit before, limit;
    char name[] = "/tmp/sealane-test-XXXXXX";
    uint8_t *plain = random_bytes(LONG);
    int in = file_of(plain, LONG);
    int out = mkstemp(name);
    assert_true(out >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 30 * MIB;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enum sealane_error error = do_seal(in, out, &seal);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error, SEALANE_E_FILE_SIZE_LIMIT);
    close(in);
    close(out);
    free(plain);
}

static void a_child_gets_nowhere_and_the_parent_does(void **state)
{
    (void)state;
    int report[2];
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    struct meanwhile m = {.fork = true};
    uint8_t *plain = random_bytes(LONG), *sealed, byte;
    const pid_t parent = getpid();
    size_t sealed_len;
    enum sealane_error error = seal_meanwhile(&m, plain, &sealed, &sealed_len);
    if (getpid() != parent) {
        byte = (uint8_t)error;
        _exit(write(report[1], &byte, 1) == 1 ? 0 : 1);
    }
    assert_int_equal(error, SEALANE_OK);
    assert_int_equal(read(report[0], &byte, 1), 1);
    assert_true(byte == SEALANE_E_FORKED || byte == SEALANE_E_ARGUMENT);
    assert_true(wait(NULL) > 0);
    const struct sealane_unseal_options unseal = unsealing(true);
    uint8_t *out;
    size_t out_len;
    assert_int_equal(through_files(do_unseal, &unseal, sealed, sealed_len, &out, &out_len), SEALANE_OK);
    assert_int_equal(out_len, LONG);
    assert_memory_equal(out, plain, LONG);
    close(report[0]);
    close(report[1]);
    free(out);
    free(sealed);
    free(plain);
}

/* A child that begins with its parent's pool, rather than being in the midst of it. */
static void parents_pool(void *argument)
{
    const struct sealane_seal_options seal = sealing(true);
    int in = file_of(argument, LONG), out = file_of(NULL, 0);
    CHILD_CHECK(do_seal(in, out, &seal) == SEALANE_E_FORKED);
}

static void a_parents_pool_is_refused(void **state)
{
    (void)state;
    if (test_emulated()) {
        test_not_run("a parent's pool", "the emulator crashes when a child starts a thread");
        skip();
    }
#if defined(__SANITIZE_THREAD__)
    print_message("skipped: ThreadSanitizer starts no threads in children\n");
    skip();
#endif
    uint8_t *plain = random_bytes(LONG);
    assert_true(test_child_passed(test_child(parents_pool, plain)));
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_both_ways),
        cmocka_unit_test(ranges),
        cmocka_unit_test(positions),
        cmocka_unit_test(progress_ends_at_the_end),
        cmocka_unit_test(input_that_grows_is_sealed_whole),
        cmocka_unit_test(input_that_shrinks_or_cannot_be_read),
        cmocka_unit_test(a_pool_with_little_room),
        cmocka_unit_test(what_a_pool_is_used_for),
        cmocka_unit_test(output_that_fails),
        cmocka_unit_test(a_child_gets_nowhere_and_the_parent_does),
        cmocka_unit_test(a_parents_pool_is_refused),
    };
    return cmocka_run_group_tests(tests, open_with_pool, close_with_pool);
}
