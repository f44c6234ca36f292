/* What the tests of sealed files share: two keystores, and files and pipes in memory.  One program includes it once. */
#ifndef SEALANE_TESTS_SEALING_H
#define SEALANE_TESTS_SEALING_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "envelope/format.h"
#include "envelope/pipeline.h"
#include "sealane/sealane.h"
#include "tests/support/child.h"
#include "tests/support/environment.h"

static int pipe_flags = O_CLOEXEC;
static sealane_engine *engine;
static sealane_keystore *keystore;
static sealane_keystore *other_keystore;
static sealane_keystore *unverified_keystore; /* the first, read without its key service */

static inline int remove_tree(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return system(command);
}

static inline void new_keystore(sealane_keystore **opened, sealane_keystore **read)
{
    char parent[] = "/tmp/sealane-test-XXXXXX";
    char directory[64];
    assert_non_null(mkdtemp(parent));
    snprintf(directory, sizeof directory, "%s/store", parent);
    assert_int_equal(sealane_keystore_create(directory, NULL), SEALANE_OK);
    assert_int_equal(sealane_keystore_open(opened, directory, NULL), SEALANE_OK);
    if (read != NULL)
        assert_int_equal(sealane_keystore_read(read, directory), SEALANE_OK);
    assert_int_equal(remove_tree(parent), 0);
}

static inline int open_all(void **state)
{
    (void)state;
    assert_int_equal(sealane_engine_create(&engine, NULL), SEALANE_OK);
    new_keystore(&keystore, &unverified_keystore);
    new_keystore(&other_keystore, NULL);
    return 0;
}

static inline int close_all(void **state)
{
    (void)state;
    sealane_keystore_free(keystore);
    sealane_keystore_free(other_keystore);
    sealane_keystore_free(unverified_keystore);
    sealane_engine_free(engine);
    return 0;
}

/* ---- Files in memory ---- */

static inline int file_of(const uint8_t *bytes, size_t len)
{
    int fd = memfd_create("sealane-test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(sl_write_all(fd, bytes, len), SEALANE_OK);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static inline uint8_t *bytes_of(int fd, size_t *len)
{
    struct stat status;
    size_t got;
    assert_int_equal(fstat(fd, &status), 0);
    *len = (size_t)status.st_size;
    uint8_t *bytes = malloc(*len + 1);
    assert_non_null(bytes);
    assert_int_equal(sl_pread_full(fd, bytes, *len, &got, 0), SEALANE_OK);
    assert_int_equal(got, *len);
    return bytes;
}

static inline uint8_t *random_bytes(size_t len)
{
    struct test_random random = test_random_for("plaintext");
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    test_random_fill(&random, bytes, len);
    return bytes;
}

static inline uint8_t *sealed_of(const uint8_t *plain, size_t plain_len, size_t *sealed_len)
{
    int in = file_of(plain, plain_len);
    int out = file_of(NULL, 0);
    assert_int_equal(sealane_seal(keystore, engine, in, out, NULL), SEALANE_OK);
    uint8_t *sealed = bytes_of(out, sealed_len);
    close(in);
    close(out);
    return sealed;
}

/* ---- Pipes, fed and drained by threads in pieces of changing size ---- */

struct feed {
    pthread_t thread;
    int fd;
    uint8_t *bytes;
    size_t len;
};

static inline size_t piece_len(size_t at)
{
    static const size_t lens[] = {1, 4095, 16, 65536, 4097, 3, 100000};
    return lens[at % (sizeof lens / sizeof lens[0])];
}

static inline void *feed_main(void *argument)
{
    struct feed *feed = argument;
    size_t at = 0;
    for (size_t i = 0; at < feed->len; i++) {
        size_t n = piece_len(i);
        if (n > feed->len - at)
            n = feed->len - at;
        if (sl_write_all(feed->fd, feed->bytes + at, n) != SEALANE_OK)
            break; /* the reader refused the rest */
        at += n;
    }
    close(feed->fd);
    return NULL;
}

static inline void *drain_main(void *argument)
{
    struct feed *drain = argument;
    size_t capacity = 1 << 20;
    drain->bytes = malloc(capacity);
    drain->len = 0;
    for (size_t i = 0;; i++) {
        size_t want = piece_len(i);
        size_t n;
        enum sealane_error error = sl_read_full(drain->fd, drain->bytes + drain->len, want, &n);
        drain->len += n;
        if (error != SEALANE_OK || n < want)
            break;
        if (capacity - drain->len < 100000)
            drain->bytes = realloc(drain->bytes, capacity *= 2);
    }
    close(drain->fd);
    return NULL;
}

typedef enum sealane_error transfer(int in, int out, const void *options);

static inline enum sealane_error do_seal(int in, int out, const void *options)
{
    return sealane_seal(keystore, engine, in, out, options);
}

static inline enum sealane_error do_unseal(int in, int out, const void *options)
{
    return sealane_unseal(keystore, engine, in, out, options);
}

/* *out: what came out, to be freed. */
static inline enum sealane_error through_pipes(transfer *run, const void *options, const uint8_t *in, size_t in_len,
                                               uint8_t **out, size_t *out_len)
{
    int source[2];
    int sink[2];
    uint8_t *copy = malloc(in_len + 1);
    assert_non_null(copy);
    memcpy(copy, in, in_len);
    assert_int_equal(pipe2(source, pipe_flags), 0);
    assert_int_equal(pipe2(sink, pipe_flags), 0);
    struct feed feed = {.fd = source[1], .bytes = copy, .len = in_len};
    struct feed drain = {.fd = sink[0]};
    assert_int_equal(pthread_create(&feed.thread, NULL, feed_main, &feed), 0);
    assert_int_equal(pthread_create(&drain.thread, NULL, drain_main, &drain), 0);
    enum sealane_error error = run(source[0], sink[1], options);
    close(source[0]);
    close(sink[1]);
    pthread_join(feed.thread, NULL);
    pthread_join(drain.thread, NULL);
    free(copy);
    *out = drain.bytes;
    *out_len = drain.len;
    return error;
}

static inline enum sealane_error through_files(transfer *run, const void *options, const uint8_t *in, size_t in_len,
                                               uint8_t **out, size_t *out_len)
{
    int source = file_of(in, in_len);
    int sink = file_of(NULL, 0);
    enum sealane_error error = run(source, sink, options);
    *out = bytes_of(sink, out_len);
    close(source);
    close(sink);
    return error;
}

#endif
