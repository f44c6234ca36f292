/* The pool, and threads that each encrypt memory of another node. */
#include <stdlib.h>

#include "bench/scaling.h"
#include "bench/team.h"
#include "sealane/pool.h"

struct state {
    struct scaling_work work; /* first */
    sealane_engine *engine;
    sealane_key *key;
    sealane_pool *pool;
    struct bench_team *team;
    sealane_ticket ticket[SCALING_REQUESTS];
};

static void teardown(void *memory)
{
    struct state *s = memory;
    bench_team_end(s->team);
    sealane_pool_free(s->pool);
    sealane_key_free(s->key);
    sealane_engine_free(s->engine);
    free(s);
}

static enum sealane_error create(struct state *s, const char *kernel)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = kernel;
    options.allow_unlocked_memory = 1; /* the key is test data */
    enum sealane_error error = sealane_engine_create(&s->engine, &options);
    return error ? error : sealane_key_create(s->engine, &s->key, scaling_key);
}

static enum bench_status fail(void **memory, const struct bench_row *row, enum sealane_error error)
{
    bench_error("%s: %s [%s]", row->full_name, sealane_error_message(error), sealane_error_name(error));
    teardown(*memory);
    *memory = NULL;
    return BENCH_FAILED;
}

static enum bench_status setup(void **memory, const struct bench_row *row)
{
    struct sealane_pool_options options = SEALANE_POOL_OPTIONS_INIT;
    struct state *s = calloc(1, sizeof(*s));
    *memory = s;
    if (!s) {
        bench_error("out of memory");
        return BENCH_FAILED;
    }
    scaling_work_init(&s->work, row);
    options.threads = s->work.threads;
    enum sealane_error error = create(s, row->options->kernel);
    if (!error)
        error = sealane_pool_create(&s->pool, &options);
    return error ? fail(memory, row, error) : BENCH_OK;
}

static enum bench_status outcome(enum sealane_error error)
{
    if (!error)
        return BENCH_OK;
    bench_error("%s [%s]", sealane_error_message(error), sealane_error_name(error));
    return BENCH_FAILED;
}

/* Request `i` of the row: a part, or a short piece of the first. */
static struct sealane_record request(const struct state *s, size_t i)
{
    const bool pieces = s->work.requests > 1;
    const struct scaling_part *p = &s->work.part[pieces ? 0 : i];
    const size_t from = pieces ? i * SCALING_REQUEST_LEN : 0;
    return (struct sealane_record){s->key,        scaling_iv,    p->at + from,
                                   p->dst + from, p->src + from, pieces ? SCALING_REQUEST_LEN : p->len};
}

/* One request is a call; several are all in flight at a time. */
static enum bench_status run(void *memory, uint64_t iterations)
{
    struct state *s = memory;
    const size_t count = s->work.requests ? s->work.requests : s->work.part_count;
    enum sealane_error error = SEALANE_OK;
    for (uint64_t n = 0; n < iterations && !error; n++) {
        if (count == 1) {
            const struct sealane_record r = request(s, 0);
            error = sealane_pool_ctr_xor(s->pool, r.key, r.iv, r.offset, r.dst, r.src, r.len);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            const struct sealane_record r = request(s, i);
            enum sealane_error e = sealane_pool_submit(s->pool, &r, &s->ticket[i]);
            error = error ? error : e;
        }
        for (size_t i = 0; i < count; i++) {
            enum sealane_error e = s->ticket[i] ? sealane_pool_wait(s->pool, s->ticket[i]) : SEALANE_OK;
            error = error ? error : e;
        }
    }
    return outcome(error);
}

const struct bench_implementation bench_scaling_sealane = {
    .name = "sealane", .setup = setup, .run = run, .teardown = teardown};

/* ---- The same on the calling thread, without the pool ---- */

static enum bench_status setup_direct(void **memory, const struct bench_row *row)
{
    struct state *s = calloc(1, sizeof(*s));
    *memory = s;
    if (!s) {
        bench_error("out of memory");
        return BENCH_FAILED;
    }
    scaling_work_init(&s->work, row);
    if (s->work.threads > 1 && s->work.requests == 0) {
        free(s);
        *memory = NULL;
        return BENCH_ABSENT;
    }
    enum sealane_error error = create(s, row->options->kernel);
    return error ? fail(memory, row, error) : BENCH_OK;
}

static enum bench_status run_direct(void *memory, uint64_t iterations)
{
    const struct state *s = memory;
    const size_t count = s->work.requests ? s->work.requests : 1;
    for (uint64_t n = 0; n < iterations; n++)
        for (size_t i = 0; i < count; i++) {
            const struct sealane_record r = request(s, i);
            sealane_ctr_xor(r.key, r.iv, r.offset, r.dst, r.src, r.len);
        }
    return BENCH_OK;
}

const struct bench_implementation bench_scaling_sealane_direct = {
    .name = "sealane:direct", .setup = setup_direct, .run = run_direct, .teardown = teardown};

/* ---- The same work on the wrong nodes ---- */

static void work_remotely(void *context, size_t member)
{
    const struct state *s = context;
    const struct scaling_work *w = &s->work;
    const struct scaling_part *p = &w->part[(w->part_of[member] + 1) % w->part_count];
    struct scaling_piece piece = scaling_piece(w, member, p);
    sealane_ctr_xor(s->key, scaling_iv, p->at + piece.from, p->dst + piece.from, p->src + piece.from, piece.len);
}

static enum bench_status setup_remote(void **memory, const struct bench_row *row)
{
    struct state *s = calloc(1, sizeof(*s));
    *memory = s;
    if (!s) {
        bench_error("out of memory");
        return BENCH_FAILED;
    }
    scaling_work_init(&s->work, row);
    if (s->work.part_count < 2) { /* no other node, or a short request */
        free(s);
        *memory = NULL;
        return BENCH_ABSENT;
    }
    enum sealane_error error = create(s, row->options->kernel);
    if (error)
        return fail(memory, row, error);
    enum bench_status status = bench_team_start(&s->team, s->work.cpu, s->work.threads, work_remotely, s);
    if (status != BENCH_OK) {
        teardown(s);
        *memory = NULL;
    }
    return status;
}

static enum bench_status run_team(void *memory, uint64_t iterations)
{
    const struct state *s = memory;
    for (uint64_t i = 0; i < iterations; i++)
        bench_team_run(s->team);
    return BENCH_OK;
}

const struct bench_implementation bench_scaling_sealane_remote = {
    .name = "sealane:remote", .setup = setup_remote, .run = run_team, .teardown = teardown};
