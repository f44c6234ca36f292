/* The results file, and the context that says what it was measured with. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/internal.h"
#include "bench_commit.h"
#include "sealane/cpu.h"
#include "sealane/output.h"
#include "sealane/version.h"
#ifdef BENCH_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif
#ifdef BENCH_HAVE_LZ4
#include <lz4.h>
#endif

/* Flags without whatever names a directory of this machine. */
static void flags_without_paths(char *text, size_t capacity)
{
    char flags[] = BENCH_FLAGS, *rest = NULL;
    size_t used = 0;
    text[0] = '\0';
    for (char *flag = strtok_r(flags, " ", &rest); flag; flag = strtok_r(NULL, " ", &rest)) {
        if (strchr(flag, '/'))
            continue;
        int n = snprintf(text + used, capacity - used, "%s%s", used ? " " : "", flag);
        if (n < 0 || (size_t)n >= capacity - used)
            return;
        used += (size_t)n;
    }
}

void bench_describe(const struct bench_aes_limit *limits, size_t count)
{
    char text[256];
    double hz = bench_core_hz();
    bench_context("sealane_commit", "%s", BENCH_COMMIT);
    bench_context("sealane_version", "%s", sealane_version());
    bench_context("compiler", "%s", BENCH_COMPILER);
    flags_without_paths(text, sizeof(text));
    bench_context("flags", "%s", text);
    bench_context("build_type", "%s", BENCH_BUILD_TYPE);
    sealane_cpu_name(text, sizeof(text));
    bench_context("cpu", "%s", text);
    bench_context("openssl", "%s", OpenSSL_version(OPENSSL_VERSION));
    bench_context("google_benchmark", "%s", bench_shim_version());
#ifdef BENCH_HAVE_IPSEC_MB
    bench_context("ipsec_mb", "%s", imb_get_version_str());
#endif
#ifdef BENCH_HAVE_LZ4
    bench_context("lz4", "%s", LZ4_versionString());
#endif
    bench_context("cycles", "%s",
                  bench_cycles_counted() ? "counted by the CPU: user mode, perf_event_open"
                                         : "CPU time times core clock; the clock is timed beside each repetition by a "
                                           "chain of dependent additions");
    bench_context("core_clock_ghz", "%.3f", hz * 1e-9);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "aes_limit_%u_bits", limits[i].width_bits);
        bench_context(text, "%.2f bytes per cycle, %.2f GB/s", limits[i].bytes_per_cycle,
                      limits[i].bytes_per_cycle * hz * 1e-9);
    }
}

static void utc_now(const char *format, char *text, size_t capacity)
{
    time_t now = time(NULL);
    struct tm parts;
    if (!gmtime_r(&now, &parts) || strftime(text, capacity, format, &parts) == 0)
        snprintf(text, capacity, "unknown");
}

const char *bench_commit(void)
{
    return BENCH_COMMIT;
}

static void drop_repetitions(json_t *benchmarks)
{
    for (size_t i = json_array_size(benchmarks); i > 0; i--) {
        const char *type = json_string_value(json_object_get(json_array_get(benchmarks, i - 1), "run_type"));
        if (type && strcmp(type, "iteration") == 0)
            json_array_remove(benchmarks, i - 1);
    }
}

json_t *bench_results(int aggregates_only)
{
    char date[64];
    char *text = bench_shim_json();
    json_error_t error = {.text = "no context"};
    json_t *root = text ? json_loads(text, 0, &error) : NULL;
    json_t *context = json_object_get(root, "context");
    free(text);
    utc_now("%Y-%m-%dT%H:%M:%S+00:00", date, sizeof(date));
    if (!json_is_object(context) || json_object_set_new(context, "date", json_string(date)) != 0) {
        bench_error("the results cannot be put together: %s", text ? error.text : "not enough memory");
        json_decref(root);
        return NULL;
    }
    json_object_del(context, "host_name");
    json_object_del(context, "executable");
    if (aggregates_only)
        drop_repetitions(json_object_get(root, "benchmarks"));
    return root;
}

/* One run a line: the file is kept under version control.  What says nothing here is left out: it has one index for
 * all. */
static int dump(const json_t *root, FILE *out)
{
    const json_t *benchmarks = json_object_get(root, "benchmarks");
    const size_t flags = JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(7);
    size_t index;
    json_t *entry;
    fputs("{\n\"context\": ", out);
    if (json_dumpf(json_object_get(root, "context"), out, flags | JSON_INDENT(2)) != 0)
        return 0;
    fputs(",\n\"benchmarks\": [\n", out);
    json_array_foreach(benchmarks, index, entry)
    {
        json_object_del(entry, "family_index");
        json_object_del(entry, "per_family_instance_index");
        if (json_dumpf(entry, out, flags | JSON_COMPACT) != 0)
            return 0;
        fputs(index + 1 < json_array_size(benchmarks) ? ",\n" : "\n", out);
    }
    fputs("]\n}\n", out);
    return fflush(out) == 0 && !ferror(out);
}

/* At once, so that errno is that of the write that fails. */
static enum bench_status write_to_stdout(const json_t *results)
{
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    int ok = memory && dump(results, memory);
    if (memory)
        ok = fclose(memory) == 0 && ok;
    if (ok) {
        size_t written = fwrite(text, 1, len, stdout);
        ok = bench_flush(stdout) && written == len;
    } else {
        bench_error("not enough memory");
    }
    free(text);
    return ok ? BENCH_OK : BENCH_FAILED;
}

static enum bench_status cannot_write(const char *path, enum sealane_error error)
{
    if (error == SEALANE_OK)
        return BENCH_OK;
    bench_error("%s: %s [%s]", path, sealane_error_message(error), sealane_error_name(error));
    return BENCH_FAILED;
}

enum bench_status bench_writable(const char *path)
{
    sealane_output *output;
    enum sealane_error error = sealane_output_create(&output, path, SEALANE_OUTPUT_REPLACE);
    sealane_output_free(output);
    return cannot_write(path, error);
}

enum bench_status bench_write(const json_t *results, const char *path)
{
    sealane_output *output;
    if (strcmp(path, "-") == 0)
        return write_to_stdout(results);
    enum sealane_error error = sealane_output_create(&output, path, SEALANE_OUTPUT_REPLACE);
    if (error == SEALANE_OK) {
        int fd = dup(sealane_output_fd(output));
        FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
        int ok = out && dump(results, out) && fchmod(fd, 0644) == 0;
        if (out)
            ok = fclose(out) == 0 && ok;
        else if (fd >= 0)
            close(fd);
        error = ok ? sealane_output_commit(output) : SEALANE_E_IO;
    }
    sealane_output_free(output);
    return cannot_write(path, error);
}

/* "AMD EPYC 9654 96-Core Processor" becomes "amd-epyc-9654-96-core-processor". */
static void slug(char *text)
{
    size_t used = 0;
    for (const char *c = text; *c; c++) {
        if (isalnum((unsigned char)*c))
            text[used++] = (char)tolower((unsigned char)*c);
        else if (used && text[used - 1] != '-')
            text[used++] = '-';
    }
    while (used && text[used - 1] == '-')
        used--;
    text[used] = '\0';
}

char *bench_results_path(const char *directory)
{
    char cpu[128], date[64], *path = NULL;
    sealane_cpu_name(cpu, sizeof(cpu));
    slug(cpu);
    utc_now("%Y%m%dT%H%M%SZ", date, sizeof(date));
    if (asprintf(&path, "%s/%s", directory, cpu[0] ? cpu : "unknown") < 0)
        return NULL;
    if ((mkdir(directory, 0777) != 0 && errno != EEXIST) || (mkdir(path, 0777) != 0 && errno != EEXIST)) {
        bench_error("%s: %s", path, strerror(errno));
        free(path);
        return NULL;
    }
    free(path);
    if (asprintf(&path, "%s/%s/%s-%s.json", directory, cpu[0] ? cpu : "unknown", date, BENCH_COMMIT) < 0)
        return NULL;
    return path;
}
