/* The engine, and a stream of it, as subjects of the shared cases. */
#ifndef SEALANE_TESTS_SUPPORT_ENGINE_SUBJECT_H
#define SEALANE_TESTS_SUPPORT_ENGINE_SUBJECT_H

#include "sealane/engine.h"
#include "tests/support/ctr_cases.h"

struct engine_subject {
    sealane_engine *engine;
    sealane_key *key;
    sealane_stream *stream; /* of the last IV */
    uint8_t stream_iv[16];
    uint64_t stream_warm_at; /* what it was warmed for */
    size_t stream_warm_len;
    bool by_stream;
    bool by_pieces; /* sealane_ctr_xorv over pieces of odd lengths */
    bool warm;      /* before a call is looked at, so much goes through its key or stream that it finds its tables */
};

/* An engine with this kernel (NULL: the best) and backend (NULL: none).  Ends the program on failure. */
void engine_subject_open(struct engine_subject *subject, const char *kernel, const struct sealane_backend *backend);
void engine_subject_open_tables(struct engine_subject *subject, const char *kernel, size_t table_bytes);
void engine_subject_close(struct engine_subject *subject);

/* A ctr_subject whose state is `subject`. */
struct ctr_subject engine_subject_cases(struct engine_subject *subject, const char *name);

/* The state in which `engine` sees the kernel at `row` of the table. */
struct sealane_kernel_info engine_kernel_info(const sealane_engine *engine, size_t row);

/* Runs `body` with an engine forced to each usable kernel; names the others.  Ends the program if there is none, or if
 * one failed its self-test. */
void engine_for_each_kernel(void (*body)(const sealane_engine *engine));

#endif
