/* Suite `files`: sealing and unsealing one stream of real files, against cp on the same file system, everything
 * durable. */
#define _GNU_SOURCE
#include "bench/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SOURCE_MIB = 256, /* of the stream, if not told: a slow disk must get through four rounds in the budget */
    TAR_BLOCK = 512,
    TAR_END = 10240, /* the blocks of zeros that GNU tar ends with */
    OPEN_DIRECTORIES = 16,
    CHUNK = 1 << 20,
    ARGUMENTS_MAX = 15,
};

static const double FULL_BUDGET_S = 20;

const char *files_source;
static char *source;
static uint64_t distinct_len; /* of the tar stream, which is repeated to the length that is asked for */

/* ---- Services ---- */

enum bench_status files_failed(const char *what, const char *path)
{
    bench_error("files: cannot %s %s: %s", what, strrchr(path, '/') ? strrchr(path, '/') + 1 : path, strerror(errno));
    return BENCH_FAILED;
}

char *files_path(const struct bench_options *options, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", options->scratch, name) >= 0)
        return path;
    bench_error("not enough memory");
    return NULL;
}

enum bench_status files_spawn(const char *const argv[])
{
    pid_t child;
    int status = 0;
    char *writable[ARGUMENTS_MAX + 1] = {NULL}; /* POSIX promises not to write them, its type cannot say so */
    for (size_t i = 0; i < ARGUMENTS_MAX && argv[i]; i++)
        writable[i] = (char *)(uintptr_t)argv[i];
    int error = posix_spawnp(&child, argv[0], NULL, NULL, writable, environ);
    if (error == 0) {
        pid_t got;
        do
            got = waitpid(child, &status, 0);
        while (got < 0 && errno == EINTR);
        error = got == child ? 0 : errno;
    }
    if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return BENCH_OK;
    bench_error("files: %s failed%s%s", argv[0], error ? ": " : "", error ? strerror(error) : "");
    return BENCH_FAILED;
}

char *files_output(const struct bench_options *options)
{
    return files_path(options, "output");
}

enum bench_status files_remove(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT ? BENCH_OK : files_failed("remove", path);
}

enum bench_status files_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return files_failed("open", path);
    int failed = fsync(fd) != 0;
    close(fd);
    return failed ? files_failed("sync", path) : BENCH_OK;
}

static enum bench_status compare_streams(FILE *left, FILE *right, char *buffer, const char *name)
{
    size_t n, m;
    do {
        n = fread(buffer, 1, CHUNK, left);
        m = fread(buffer + CHUNK, 1, CHUNK, right);
        if (ferror(left) || ferror(right))
            return files_failed("read", name);
        if (n != m || memcmp(buffer, buffer + CHUNK, n) != 0) {
            bench_error("files: what came out differs from what went in; nothing was timed");
            return BENCH_FAILED;
        }
    } while (n > 0);
    return BENCH_OK;
}

enum bench_status files_compare(const char *left, const char *right)
{
    FILE *a = fopen(left, "re"), *b = fopen(right, "re");
    char *buffer = malloc(2 * CHUNK);
    enum bench_status status;
    if (a && b && buffer)
        status = compare_streams(a, b, buffer, left);
    else
        status = files_failed("open", a ? right : left);
    free(buffer);
    if (a)
        fclose(a);
    if (b)
        fclose(b);
    return status;
}

/* ---- The stream ---- */

static FILE *list;
static uint64_t list_len, list_max;

static int add_file(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)place;
    if (type != FTW_F || !S_ISREG(status->st_mode) || access(path, R_OK) != 0)
        return 0;
    uint64_t len =
        ((uint64_t)status->st_size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK + 3 * TAR_BLOCK; /* a long name too */
    if (list_len + len > list_max)
        return list_len > list_max - list_max / 64; /* nearly full: stop the walk; else look for smaller ones */
    list_len += len;
    return fwrite(path, strlen(path) + 1, 1, list) == 1 ? 0 : -1;
}

static enum bench_status write_list(const char *path, uint64_t max)
{
    static const char *const trees[] = {"/usr/lib", "/usr/share", "/usr/bin"};
    int walked = 0;
    list_len = TAR_END;
    list_max = max;
    list = fopen(path, "we");
    if (!list)
        return files_failed("create", path);
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]) && walked == 0; i++)
        if (access(trees[i], R_OK) == 0)
            walked = nftw(trees[i], add_file, OPEN_DIRECTORIES, FTW_PHYS);
    if (fclose(list) != 0 || walked < 0)
        return files_failed("write", path);
    return BENCH_OK;
}

static uint64_t planned_len(const struct bench_options *options)
{
    double share = options->budget_s < FULL_BUDGET_S ? options->budget_s / FULL_BUDGET_S : 1;
    uint64_t mib = (uint64_t)(share * SOURCE_MIB);
    return options->files_bytes ? options->files_bytes : (mib ? mib : 1) << 20;
}

static enum bench_status make_tar(const char *names)
{
    char from[PATH_MAX + 16];
    snprintf(from, sizeof(from), "--files-from=%s", names);
    const char *const argv[] = {"tar",
                                "--create",
                                "--absolute-names",
                                "--no-recursion",
                                "--ignore-failed-read",
                                "--null",
                                "--warning=no-file-changed",
                                from,
                                "--file",
                                source,
                                NULL};
    return files_spawn(argv);
}

/* Appends the stream to itself, or cuts it: to exactly `len` bytes. */
static enum bench_status fit(int fd, uint64_t have, uint64_t len)
{
    char *buffer = malloc(CHUNK);
    enum bench_status status = buffer && have > 0 ? BENCH_OK : BENCH_FAILED;
    if (status != BENCH_OK)
        bench_error("files: %s", buffer ? "the tar stream is empty" : "not enough memory");
    for (uint64_t at = have; at < len && status == BENCH_OK;) {
        size_t want = len - at < CHUNK ? (size_t)(len - at) : CHUNK;
        ssize_t got = pread(fd, buffer, want, (off_t)(at - have)), put = 0;
        if (got > 0)
            put = pwrite(fd, buffer, (size_t)got, (off_t)at);
        if (got > 0 && put > 0)
            at += (uint64_t)put;
        else if (got == 0 || errno != EINTR)
            status = files_failed(got > 0 ? "write" : "read", source);
    }
    free(buffer);
    if (status == BENCH_OK && have > len && ftruncate(fd, (off_t)len) != 0)
        status = files_failed("cut", source);
    return status;
}

static enum bench_status make_source(const struct bench_options *options)
{
    const uint64_t len = planned_len(options);
    char *names = files_path(options, "names");
    struct stat status;
    if (!names)
        return BENCH_FAILED;
    enum bench_status result = write_list(names, len);
    if (result == BENCH_OK)
        result = make_tar(names);
    free(names);
    if (result != BENCH_OK)
        return result;
    int fd = open(source, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return files_failed("open", source);
    if (fstat(fd, &status) != 0) {
        result = files_failed("look at", source);
    } else {
        distinct_len = (uint64_t)status.st_size < len ? (uint64_t)status.st_size : len;
        result = fit(fd, (uint64_t)status.st_size, len);
    }
    if (result == BENCH_OK && fsync(fd) != 0)
        result = files_failed("sync", source);
    if (close(fd) != 0 && result == BENCH_OK)
        result = files_failed("close", source);
    return result;
}

static enum bench_status files_begin(const struct bench_options *options)
{
    source = files_path(options, "source.tar");
    files_source = source;
    if (!source)
        return BENCH_FAILED;
    enum bench_status status = make_source(options);
    if (status != BENCH_OK) {
        free(source);
        files_source = source = NULL;
        return status;
    }
    bench_context("files_bytes", "%llu", (unsigned long long)planned_len(options));
    bench_context("files_distinct_bytes", "%llu", (unsigned long long)distinct_len);
    bench_context("files_filesystem", "%s", bench_filesystem(options->scratch));
    return BENCH_OK;
}

static void files_end(void)
{
    if (unlink(source) != 0)
        bench_note("files: the tar stream stays until the end: %s", strerror(errno));
    free(source);
    files_source = source = NULL;
}

/* ---- The suite ---- */

static size_t files_cases(const struct bench_options *options, struct bench_case *cases, size_t capacity)
{
    if (capacity == 0)
        return 0;
    cases[0].bytes = planned_len(options);
    snprintf(cases[0].name, sizeof(cases[0].name), "%llu", (unsigned long long)cases[0].bytes);
    return 1;
}

static enum bench_status files_report(const struct bench_options *options, const struct bench_result *results,
                                      size_t count, FILE *out)
{
    const double mib = 1 << 20, len = (double)planned_len(options);
    const struct bench_result *copy = count ? bench_find(results, count, "cp:sync", results[0].row->kase->name) : NULL;
    char distinct[64] = "";
    if ((double)distinct_len < len)
        snprintf(distinct, sizeof(distinct), " (%.0f MiB, repeated)", (double)distinct_len / mib);
    fprintf(out,
            "\nOne tar stream of real files, %.0f MiB%s, warm, to new files on the same file system, with fsync;\n"
            "on %s; %zu rounds, interleaved, after one that does not count\n",
            len / mib, distinct, bench_filesystem(options->scratch), count ? results[0].sample_count : 0);
    fprintf(out, "%-24s%11s%11s%11s%11s%11s%11s%15s\n", "", "median s", "best s", "spread %", "GB/s", "best GB/s",
            "times cp", "best times cp");
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *result = &results[i];
        fprintf(out, "%-24s%11.3f%11.3f%11.1f%11.2f%11.2f", result->row->name, result->median_s, result->best_s,
                100 * result->spread, 1e-9 * len / result->median_s, 1e-9 * len / result->best_s);
        if (copy)
            fprintf(out, "%11.2f%15.2f", copy->median_s / result->median_s, copy->best_s / result->best_s);
        fputc('\n', out);
    }
    return BENCH_OK;
}

const struct bench_suite bench_suite_files = {
    .name = "files",
    .default_rounds = 15,
    .discard_rounds = 1,
    .single_iteration_rounds = 3,
    .needs_scratch = 1,
    .cases = files_cases,
    .begin = files_begin,
    .end = files_end,
    .report = files_report,
};
