/* cp and fsync: what durable copying costs here without any encryption. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/files.h"

static enum bench_status before(void *memory)
{
    const char *path = memory;
    return unlink(path) == 0 || errno == ENOENT ? BENCH_OK : files_failed("remove", path);
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    const char *path = memory;
    const char *const argv[] = {"cp", "--reflink=never", "--", files_source, path, NULL};
    enum bench_status status = BENCH_OK;
    for (uint64_t i = 0; i < iterations && status == BENCH_OK; i++) {
        status = files_spawn(argv);
        if (status == BENCH_OK)
            status = files_sync(path);
    }
    return status;
}

static void teardown(void *memory)
{
    (void)before(memory);
    free(memory);
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    if (row->kase->argument != FILES_COPY)
        return BENCH_ABSENT;
    *memory = files_path(row->options, "copy");
    return *memory ? BENCH_OK : BENCH_FAILED;
}

const struct bench_implementation bench_files_cp = {
    .name = "cp", .setup = setup, .before = before, .run = run, .teardown = teardown};
