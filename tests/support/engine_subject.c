#include "tests/support/engine_subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "tests/support/environment.h"

enum { STREAM_WARM = 16384 };

static uint8_t warming[65536];

static void require(enum sealane_error error, const char *what)
{
    if (error) {
        fprintf(stderr, "%s: %s\n", what, sealane_error_message(error));
        exit(2);
    }
}

void engine_subject_open(struct engine_subject *subject, const char *kernel, const struct sealane_backend *backend)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = kernel;
    options.backend = backend;
    memset(subject, 0, sizeof *subject);
    require(sealane_engine_create(&subject->engine, &options), "engine");
}

void engine_subject_open_tables(struct engine_subject *subject, const char *kernel, size_t table_bytes)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = kernel;
    options.table_bytes = table_bytes;
    memset(subject, 0, sizeof *subject);
    require(sealane_engine_create(&subject->engine, &options), "engine");
}

void engine_subject_close(struct engine_subject *subject)
{
    sealane_stream_free(subject->stream);
    sealane_key_free(subject->key);
    sealane_engine_free(subject->engine);
    memset(subject, 0, sizeof *subject);
}

static void set_key(void *state, const uint8_t key[32])
{
    struct engine_subject *s = state;
    sealane_stream_free(s->stream);
    s->stream = NULL;
    sealane_key_free(s->key);
    require(sealane_key_create(s->engine, &s->key, key), "key");
    for (int i = 0; s->warm && i < 2; i++)
        sealane_ctr_xor(s->key, key, 0, warming, warming, sizeof warming);
}

/* A table for where the call starts, and one for where it ends, which may be beyond a carry into byte 10: asked for
 * without the calls that bring them, of which those beyond would have to be many. */
static void warm_stream(const struct engine_subject *s, uint64_t offset, size_t len)
{
    const uint64_t places[2] = {offset, offset + (len ? len - 1 : 0)};
    if (!s->engine->tables || !s->engine->kernel->by_nonce)
        return;
    for (int i = 0; i < 2; i++) {
        struct sl_slot *slot =
            sl_stream_table_acquire(s->stream, sl_counter_at(s->stream_iv, places[i] / 16), STREAM_WARM);
        if (slot)
            sl_stream_table_release(slot);
    }
}

static void xor_by_stream(struct engine_subject *s, const uint8_t iv[16], uint64_t offset, uint8_t *dst,
                          const uint8_t *src, size_t len)
{
    if (!s->stream || memcmp(s->stream_iv, iv, 16) != 0) {
        sealane_stream_free(s->stream);
        require(sealane_stream_create(s->key, &s->stream, iv), "stream");
        memcpy(s->stream_iv, iv, 16);
        s->stream_warm_len = 0;
    }
    if (s->warm && (offset != s->stream_warm_at || len > s->stream_warm_len)) {
        warm_stream(s, offset, len);
        s->stream_warm_at = offset;
        s->stream_warm_len = len;
    }
    sealane_stream_xor(s->stream, offset, dst, src, len);
}

/* Pieces of 0, 1, 2, ... bytes, and what is left as the last of 40. */
static void xor_by_pieces(const struct engine_subject *s, const uint8_t iv[16], uint64_t offset, uint8_t *dst,
                          const uint8_t *src, size_t len)
{
    struct sealane_iovec pieces[40];
    size_t count = 0;
    for (size_t at = 0; count < 40; count++) {
        size_t n = count == 39 || count > len - at ? len - at : count;
        pieces[count] = (struct sealane_iovec){dst + at, src + at, n};
        at += n;
    }
    sealane_ctr_xorv(s->key, iv, offset, pieces, count);
}

static void xor
    (void *state, const uint8_t iv[16], uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len) {
        struct engine_subject *s = state;
        if (s->by_stream)
            xor_by_stream(s, iv, offset, dst, src, len);
        else if (s->by_pieces)
            xor_by_pieces(s, iv, offset, dst, src, len);
        else
            sealane_ctr_xor(s->key, iv, offset, dst, src, len);
    }

    struct ctr_subject engine_subject_cases(struct engine_subject *subject, const char *name)
{
    return (struct ctr_subject){.name = name, .state = subject, .set_key = set_key, .xor = xor};
}

struct sealane_kernel_info engine_kernel_info(const sealane_engine *engine, size_t row)
{
    struct sealane_kernel_info info[64];
    size_t count = sealane_engine_kernels(engine, info, 64);
    if (count > 64 || row >= count) {
        fprintf(stderr, "no such kernel\n");
        exit(2);
    }
    return info[row];
}

void engine_for_each_kernel(void (*body)(const sealane_engine *engine))
{
    struct engine_subject best;
    engine_subject_open(&best, NULL, NULL);
    size_t count = sealane_engine_kernels(best.engine, NULL, 0), ran = 0;
    for (size_t i = 0; i < count; i++) {
        struct sealane_kernel_info info = engine_kernel_info(best.engine, i);
        if (info.state == SEALANE_KERNEL_READY) {
            struct engine_subject subject;
            engine_subject_open(&subject, info.name, NULL);
            body(subject.engine);
            engine_subject_close(&subject);
            ran++;
        } else if (info.state == SEALANE_KERNEL_WRONG) {
            fprintf(stderr, "%s is wrong\n", info.name);
            exit(2);
        } else {
            test_not_run(info.name, info.state == SEALANE_KERNEL_OTHER_ARCH ? "built for another architecture only"
                                                                            : "this CPU or system lacks what it needs");
        }
    }
    engine_subject_close(&best);
    if (ran == 0) {
        fprintf(stderr, "no usable kernel\n");
        exit(2);
    }
}
