/* The pool; the same on the calling thread; and threads that each encrypt memory of another node. */
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
    unsigned caller_cpu[SCALING_NODES_MAX];
    _Atomic int error; /* of a member of the team */
    struct sealane_record record[SCALING_REQUESTS];
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

static enum bench_status outcome(enum sealane_error error)
{
    if (!error)
        return BENCH_OK;
    bench_error("%s [%s]", sealane_error_message(error), sealane_error_name(error));
    return BENCH_FAILED;
}

static enum sealane_error create(struct state *s, const struct bench_row *row, bool with_pool)
{
    struct sealane_engine_options engine = SEALANE_ENGINE_OPTIONS_INIT;
    struct sealane_pool_options pool = SEALANE_POOL_OPTIONS_INIT;
    engine.kernel = row->options->kernel;
    engine.allow_unlocked_memory = 1; /* the key is test data */
    pool.threads = s->work.threads;
    enum sealane_error error = sealane_engine_create(&s->engine, &engine);
    if (!error)
        error = sealane_key_create(s->engine, &s->key, scaling_key);
    if (!error && with_pool)
        error = sealane_pool_create(&s->pool, &pool);
    return error;
}

/* Short requests are pieces of the first part. */
static void cut_requests(struct state *s)
{
    const struct scaling_part *p = &s->work.part[0];
    for (size_t i = 0, from = 0; i < SCALING_REQUESTS; i++, from += SCALING_REQUEST_LEN)
        s->record[i] = (struct sealane_record){s->key,        scaling_iv,    p->at + from,
                                               p->dst + from, p->src + from, SCALING_REQUEST_LEN};
}

/* `fits` says whether the implementation has the row; `work` is for a team of threads, each on its CPU. */
static enum bench_status setup(void **memory, const struct bench_row *row,
                               bool (*fits)(const struct scaling_work *work), bool with_pool, bench_team_work *work)
{
    enum bench_status status;
    struct state *s = calloc(1, sizeof(*s));
    *memory = NULL;
    if (!s) {
        bench_error("not enough memory");
        return BENCH_FAILED;
    }
    scaling_work_init(&s->work, row);
    status = fits(&s->work) ? outcome(create(s, row, with_pool)) : BENCH_ABSENT;
    if (s->work.requests > 1)
        cut_requests(s);
    if (status == BENCH_OK && work)
        status = bench_team_start(&s->team, s->work.cpu, s->work.threads, work, s);
    if (status != BENCH_OK)
        teardown(s);
    else
        *memory = s;
    return status;
}

static enum sealane_error call(const struct state *s, const struct scaling_part *p)
{
    return sealane_pool_ctr_xor(s->pool, s->key, scaling_iv, p->at, p->dst, p->src, p->len);
}

/* ---- The pool ---- */

static bool fits_any(const struct scaling_work *work)
{
    (void)work;
    return true;
}

/* The caller of one node's part. */
static void call_for_node(void *context, size_t member)
{
    struct state *s = context;
    enum sealane_error error = call(s, &s->work.part[member]);
    if (error)
        atomic_store(&s->error, (int)error);
    scaling_done(&s->work, &s->work.part[member]);
}

/* With parts on several nodes each has a caller there, on the CPU of a worker: whose place it takes. */
static enum bench_status setup_pool(void **memory, const struct bench_row *row)
{
    enum bench_status status = setup(memory, row, fits_any, true, NULL);
    struct state *s = *memory;
    if (status != BENCH_OK || s->work.part_count < 2)
        return status;
    for (size_t i = s->work.threads; i-- > 0;)
        s->caller_cpu[s->work.part_of[i]] = s->work.cpu[i];
    status = bench_team_start(&s->team, s->caller_cpu, s->work.part_count, call_for_node, s);
    if (status != BENCH_OK) {
        teardown(s);
        *memory = NULL;
    }
    return status;
}

static enum sealane_error submit_all_and_wait(struct state *s)
{
    enum sealane_error error = SEALANE_OK;
    for (size_t i = 0; i < SCALING_REQUESTS; i++) {
        enum sealane_error e = sealane_pool_submit(s->pool, &s->record[i], &s->ticket[i]);
        error = error ? error : e;
    }
    for (size_t i = 0; i < SCALING_REQUESTS; i++) {
        enum sealane_error e = s->ticket[i] ? sealane_pool_wait(s->pool, s->ticket[i]) : SEALANE_OK;
        error = error ? error : e;
    }
    return error;
}

static enum bench_status run_pool(void *memory, uint64_t iterations)
{
    struct state *s = memory;
    enum sealane_error error = SEALANE_OK;
    for (uint64_t i = 0; i < iterations && !error; i++) {
        scaling_lap_begin(&s->work);
        if (s->team) {
            bench_team_run(s->team);
            error = (enum sealane_error)atomic_load(&s->error);
        } else if (s->work.requests > 1) {
            error = submit_all_and_wait(s);
        } else {
            error = call(s, &s->work.part[0]);
            scaling_done(&s->work, &s->work.part[0]);
        }
        scaling_lap_end(&s->work);
    }
    return outcome(error);
}

const struct bench_implementation bench_scaling_sealane = {.name = "sealane",
                                                           .setup = setup_pool,
                                                           .before = scaling_before,
                                                           .run = run_pool,
                                                           .counters = scaling_counters,
                                                           .teardown = teardown};

/* ---- Short requests as one batch ---- */

static bool fits_many(const struct scaling_work *work)
{
    return work->requests > 1;
}

static enum bench_status setup_batch(void **memory, const struct bench_row *row)
{
    return setup(memory, row, fits_many, true, NULL);
}

static enum bench_status run_batch(void *memory, uint64_t iterations)
{
    struct state *s = memory;
    enum sealane_error error = SEALANE_OK;
    for (uint64_t i = 0; i < iterations && !error; i++)
        error = sealane_pool_ctr_batch(s->pool, s->record, SCALING_REQUESTS);
    return outcome(error);
}

const struct bench_implementation bench_scaling_sealane_batch = {
    .name = "sealane:batch", .setup = setup_batch, .run = run_batch, .teardown = teardown};

/* ---- The same on the calling thread, without the pool ---- */

static bool fits_one_thread(const struct scaling_work *work)
{
    return work->threads == 1 || work->requests;
}

static enum bench_status setup_direct(void **memory, const struct bench_row *row)
{
    return setup(memory, row, fits_one_thread, false, NULL);
}

static enum bench_status run_direct(void *memory, uint64_t iterations)
{
    struct state *s = memory;
    struct scaling_part *p = &s->work.part[0];
    for (uint64_t n = 0; n < iterations; n++) {
        scaling_lap_begin(&s->work);
        if (s->work.requests > 1) {
            for (const struct sealane_record *r = s->record; r < s->record + SCALING_REQUESTS; r++)
                sealane_ctr_xor(r->key, r->iv, r->offset, r->dst, r->src, r->len);
        } else {
            sealane_ctr_xor(s->key, scaling_iv, p->at, p->dst, p->src, p->len);
            scaling_done(&s->work, p);
        }
        scaling_lap_end(&s->work);
    }
    return BENCH_OK;
}

const struct bench_implementation bench_scaling_sealane_direct = {.name = "sealane:direct",
                                                                  .setup = setup_direct,
                                                                  .before = scaling_before,
                                                                  .run = run_direct,
                                                                  .counters = scaling_counters,
                                                                  .teardown = teardown};

/* ---- The same work on the wrong nodes ---- */

static void work_remotely(void *context, size_t member)
{
    struct state *s = context;
    struct scaling_work *w = &s->work;
    struct scaling_part *p = &w->part[(w->part_of[member] + 1) % w->part_count];
    struct scaling_piece piece = scaling_piece(w, member, p);
    sealane_ctr_xor(s->key, scaling_iv, p->at + piece.from, p->dst + piece.from, p->src + piece.from, piece.len);
    scaling_done(w, p);
}

static bool fits_several_nodes(const struct scaling_work *work)
{
    return work->part_count > 1;
}

static enum bench_status setup_remote(void **memory, const struct bench_row *row)
{
    return setup(memory, row, fits_several_nodes, false, work_remotely);
}

static enum bench_status run_remote(void *memory, uint64_t iterations)
{
    struct state *s = memory;
    return scaling_run_team(&s->work, s->team, iterations);
}

const struct bench_implementation bench_scaling_sealane_remote = {.name = "sealane:remote",
                                                                  .setup = setup_remote,
                                                                  .before = scaling_before,
                                                                  .run = run_remote,
                                                                  .counters = scaling_counters,
                                                                  .teardown = teardown};
