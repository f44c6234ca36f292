#include <string.h>

#include "bench/options.h"

const struct bench_option bench_options_table[BENCH_OPTIONS] = {
#define OPTION(id, letter, long_name, value, text) {letter, long_name, value, text},
#define GOOGLE(id, long_name, value, text) {0, "benchmark_" long_name, value, text},
#define REFUSED(long_name, reason)
#include "bench/options.def"
#undef OPTION
#undef GOOGLE
#undef REFUSED
};

const struct bench_option bench_options_refused[] = {
#define OPTION(id, letter, long_name, value, text)
#define GOOGLE(id, long_name, value, text)
#define REFUSED(long_name, reason) {0, "benchmark_" long_name, "", reason},
#include "bench/options.def"
#undef OPTION
#undef GOOGLE
#undef REFUSED
};

const size_t bench_options_refused_count = sizeof(bench_options_refused) / sizeof(bench_options_refused[0]);

int bench_option_is_google(enum bench_option_id id)
{
    return strncmp(bench_options_table[id].name, "benchmark_", 10) == 0;
}
