/* What the implementations of the `files` suite share: one tar stream of this machine's own files. */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include "bench/bench.h"

enum files_case { FILES_COPY, FILES_SEAL, FILES_UNSEAL };

extern const char *files_source; /* path of the tar stream */

/* Says why `what` failed on `path`, errno being what it is; returns BENCH_FAILED. */
enum bench_status files_failed(const char *what, const char *path);

/* A path in the scratch directory; free() it.  NULL: no memory, which it has said. */
char *files_path(const struct bench_options *options, const char *name);

/* Runs argv[0], found in PATH, and waits for it. */
enum bench_status files_spawn(const char *const argv[]);

/* fsync of the file under that name, as sync(1) does it. */
enum bench_status files_sync(const char *path);

/* BENCH_OK if both files have the same bytes. */
enum bench_status files_compare(const char *left, const char *right);

#endif
