#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench/internal.h"

static void say(const char *kind, const char *format, va_list arguments)
{
    fprintf(stderr, "sealane-bench: %s", kind);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void bench_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("", format, arguments);
    va_end(arguments);
}

void bench_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("note: ", format, arguments);
    va_end(arguments);
}

void bench_context(const char *key, const char *format, ...)
{
    char value[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    bench_shim_context(key, value);
}

int bench_flush(FILE *out)
{
    static int said;
    const int earlier = errno; /* of a write that failed before the last flush, if the caller has just made it */
    if (fflush(out) != 0) {
        if (!said)
            bench_error("standard output: %s", strerror(errno));
    } else if (ferror(out)) {
        if (!said)
            bench_error("standard output: %s", earlier ? strerror(earlier) : "cannot be written");
    } else {
        return 1;
    }
    said = 1;
    return 0;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
void bench_fill(uint8_t *buffer, size_t len, uint64_t seed)
{
    uint64_t counter = seed * UINT64_C(0xd1342543de82ef95);
    for (size_t done = 0; done < len; done += 8) {
        counter += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = counter;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        memcpy(buffer + done, &z, len - done < 8 ? len - done : 8);
    }
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

double bench_median(double *values, size_t count)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

const struct bench_result *bench_find(const struct bench_result *results, size_t count, const char *implementation,
                                      const char *kase)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(results[i].row->name, implementation) == 0 && strcmp(results[i].row->kase->name, kase) == 0)
            return &results[i];
    return NULL;
}
