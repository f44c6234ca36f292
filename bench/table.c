/* benches.def as data.  benches_built.h, written by CMake, is that table with what this build leaves out marked as
 * such. */
#include "bench/internal.h"

#define SUITE(id, seconds, library) extern const struct bench_suite bench_suite_##id;
#define SUITE_MISSING(id, seconds, library)
#define BENCH(suite, id, library) extern const struct bench_implementation bench_##suite##_##id;
#define BENCH_MISSING(suite, id, library)
#include "benches_built.h"
#undef SUITE
#undef SUITE_MISSING
#undef BENCH
#undef BENCH_MISSING

#define BENCH(suite, id, library)
#define BENCH_MISSING(suite, id, library)
#define SUITE(id, seconds, library) {&bench_suite_##id, #id, seconds, #library},
#define SUITE_MISSING(id, seconds, library) {NULL, #id, seconds, #library},
const struct bench_suite_entry bench_suites[] = {
#include "benches_built.h"
};
#undef SUITE
#undef SUITE_MISSING
#undef BENCH
#undef BENCH_MISSING
const size_t bench_suite_count = sizeof(bench_suites) / sizeof(bench_suites[0]);

#define SUITE(id, seconds, library)
#define SUITE_MISSING(id, seconds, library)
#define BENCH(suite, id, library) {#suite, &bench_##suite##_##id, #id, #library},
#define BENCH_MISSING(suite, id, library) {#suite, NULL, #id, #library},
const struct bench_entry bench_entries[] = {
#include "benches_built.h"
};
const size_t bench_entry_count = sizeof(bench_entries) / sizeof(bench_entries[0]);
