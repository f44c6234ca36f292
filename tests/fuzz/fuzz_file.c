/* Sealed files, inspected and unsealed from a file and from a pipe.  The input is patches to a file that was really
 * sealed, so that it gets past the magic, or the whole file.  No change but one to the data itself may be accepted,
 * both ways agree, and the length is what the commit record says. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sealane/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { PAGE = 4096, PLAIN_LEN = 5000, FILE_MAX = 8 * PAGE };

static char directory[] = "/tmp/sealane-fuzz-XXXXXX";
static sealane_keystore *keystore;
static sealane_engine *engine;
static uint8_t sealed[FILE_MAX];
static size_t sealed_len;

static void require(int truth)
{
    if (!truth)
        abort();
}

static int memory_file(const void *bytes, size_t len)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void remove_directory(void)
{
    char path[sizeof directory + 16];
    static const char *const names[] = {"store/kek", "store/keystore", "store", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        remove(path);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    char store[sizeof directory + 16];
    static uint8_t plain[PLAIN_LEN];
    require(mkdtemp(directory) != NULL && atexit(remove_directory) == 0);
    snprintf(store, sizeof store, "%s/store", directory);
    require(sealane_keystore_create(store, NULL) == SEALANE_OK);
    require(sealane_keystore_open(&keystore, store, NULL) == SEALANE_OK);
    require(sealane_engine_create(&engine, NULL) == SEALANE_OK);
    int in = memory_file(plain, sizeof plain);
    int out = memory_file("", 0);
    require(sealane_seal(keystore, engine, in, out, NULL) == SEALANE_OK);
    ssize_t got = pread(out, sealed, sizeof sealed, 0);
    require(got == 4 * PAGE);
    sealed_len = (size_t)got;
    close(in);
    close(out);
    return 0;
}

/* Each patch is 4 bytes: a position (little endian), what to XOR there, and what to XOR behind it.  Sets *outside if
 * one changed something else than data. */
static size_t patch(uint8_t *file, const uint8_t *data, size_t size, int *outside)
{
    size_t len = sealed_len;
    memcpy(file, sealed, sealed_len);
    if (data[0] & 2)
        len = ((size_t)data[1] | (size_t)data[2] << 8) % (sealed_len + 1);
    for (data += 4, size -= 4; size >= 4; data += 4, size -= 4) {
        size_t at = ((size_t)data[0] | (size_t)data[1] << 8) % (sealed_len - 1);
        file[at] ^= data[2];
        file[at + 1] ^= data[3];
    }
    *outside = len != sealed_len;
    for (size_t i = 0; i < sealed_len; i++)
        *outside |= file[i] != sealed[i] && (i < PAGE || i >= PAGE + PLAIN_LEN);
    return len;
}

static enum sealane_error unseal(int in, size_t *len)
{
    int out = memory_file("", 0);
    enum sealane_error error = sealane_unseal(keystore, engine, in, out, NULL);
    off_t end = lseek(out, 0, SEEK_END);
    require(end >= 0);
    *len = (size_t)end;
    close(out);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t file[FILE_MAX];
    int outside = 1;
    if (size < 4 || size > sizeof file)
        return 0;
    if (data[0] & 1)
        size = patch(file, data, size, &outside);
    else
        memcpy(file, data, size);

    int pipe_fds[2];
    int fd = memory_file(file, size);
    require(pipe2(pipe_fds, O_CLOEXEC) == 0 && write(pipe_fds[1], file, size) == (ssize_t)size);
    close(pipe_fds[1]);

    struct sealane_file_info info;
    size_t len;
    size_t piped_len;
    enum sealane_error inspected = sealane_file_inspect(fd, &info);
    enum sealane_error error = unseal(fd, &len);
    enum sealane_error piped = unseal(pipe_fds[0], &piped_len);
    require((error == SEALANE_OK) == !outside);
    require((piped == SEALANE_OK) == !outside);
    if (error == SEALANE_OK)
        require(inspected == SEALANE_OK && len == info.plaintext_len && piped_len == len);
    else
        require(len == 0);
    close(fd);
    close(pipe_fds[0]);
    return 0;
}
