/* What the implementations of the `files` suite share: one tar stream of this machine's own files. */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include "bench/bench.h"

extern const char *files_source; /* path of the tar stream */

/* Says why `what` failed on `path`, errno being what it is; returns BENCH_FAILED. */
enum bench_status files_failed(const char *what, const char *path);

/* A path in the scratch directory; free() it.  NULL: no memory, which it has said. */
char *files_path(const struct bench_options *options, const char *name);

/* The path to which every row writes, so that only one output takes room at a time; free() it.  NULL: as above. */
char *files_output(const struct bench_options *options);

/* Removes a file, which may be missing. */
enum bench_status files_remove(const char *path);

/* Runs argv[0], found in PATH, and waits for it. */
enum bench_status files_spawn(const char *const argv[]);

/* fsync of the file under that name, as sync(1) does it. */
enum bench_status files_sync(const char *path);

/* BENCH_OK if both files have the same bytes. */
enum bench_status files_compare(const char *left, const char *right);

#endif
