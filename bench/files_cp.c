/* cp and fsync: what durable copying costs here without any encryption. */
#include <stdlib.h>

#include "bench/files.h"

static enum bench_status before(void *memory)
{
    return files_remove(memory);
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
    *memory = files_output(row->options);
    return *memory ? BENCH_OK : BENCH_FAILED;
}

const struct bench_implementation bench_files_cp_sync = {
    .name = "cp:sync", .setup = setup, .before = before, .run = run, .teardown = teardown};
