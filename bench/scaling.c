/* Suite `scaling`: a buffer beyond all caches, 1 to N threads, against copies by the same threads. */
#include "bench/scaling.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#include "bench/team.h"
#include "sealane/pool.h"
#include "sealane/topology.h"

static const size_t default_len = (size_t)256 << 20;
static const size_t short_len = 64 << 10;

enum { PAGE = 4096 };

/* What a case's argument holds. */
enum { IN_PLACE = 1, ONE_SHORT = 2, MANY_SHORT = 4, THREADS_SHIFT = 3 };

const uint8_t scaling_key[SCALING_KEY_LEN] = {3, 1, 4, 1, 5, 9, 2, 6};
const uint8_t scaling_iv[SCALING_IV_LEN] = {2, 7, 1, 8, 2, 8};

static size_t buffer_len;
static unsigned processors;
static struct sealane_topology_worker worker[SCALING_THREADS_MAX];

/* The nodes in the order in which threads come to them: with n of them in use each holds an n-th. */
static struct {
    int node;
    uint8_t *dst, *src;
    size_t len;
} store[SCALING_NODES_MAX];
static size_t store_count;
static int nodes[SCALING_NODES_MAX]; /* these two stay when the stores are gone */
static size_t nodes_used;
static char counter_name[BENCH_COUNTERS_MAX][32];

static void look_at_machine(void)
{
    sealane_topology *topology;
    struct sealane_topology_info info;
    processors = 0;
    if (sealane_topology_create(&topology) != SEALANE_OK)
        return;
    sealane_topology_info(topology, &info);
    while (processors < info.workers && processors < SCALING_THREADS_MAX &&
           sealane_topology_worker(topology, processors, &worker[processors]) == SEALANE_OK)
        processors++;
    sealane_topology_free(topology);
}

/* 1, 2, 4, ... and all. */
static unsigned next_count(unsigned threads)
{
    return threads == processors ? 0 : 2 * threads < processors ? 2 * threads : processors;
}

__attribute__((format(printf, 3, 4))) static void add_case(struct bench_case *kase, uint64_t bytes, const char *format,
                                                           ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(kase->name, sizeof(kase->name), format, arguments);
    va_end(arguments);
    kase->bytes = bytes;
}

static size_t scaling_cases(const struct bench_options *options, struct bench_case *cases, size_t capacity)
{
    size_t count = 0;
    buffer_len = options->scaling_bytes ? (size_t)options->scaling_bytes / PAGE * PAGE : default_len;
    look_at_machine();
    for (unsigned threads = processors ? 1 : 0; threads != 0; threads = next_count(threads))
        for (unsigned in_place = 0; in_place < 2 && count < capacity; in_place++, count++) {
            add_case(&cases[count], buffer_len, "threads:%u/bytes:%zu/inplace:%u", threads, buffer_len, in_place);
            cases[count].argument = (uint64_t)threads << THREADS_SHIFT | in_place;
        }
    if (processors && count + 2 <= capacity) {
        const uint64_t all = (uint64_t)processors << THREADS_SHIFT | IN_PLACE;
        add_case(&cases[count], short_len, "threads:%u/bytes:%zu/inplace:1", processors, short_len);
        cases[count++].argument = all | ONE_SHORT;
        add_case(&cases[count], SCALING_REQUESTS * SCALING_REQUEST_LEN, "threads:%u/requests:%d/bytes:%d/inplace:1",
                 processors, SCALING_REQUESTS, SCALING_REQUEST_LEN);
        cases[count++].argument = all | MANY_SHORT;
    }
    return count;
}

static void scaling_end(void)
{
    for (size_t i = 0; i < store_count; i++) {
        sealane_node_free(store[i].dst, store[i].len);
        sealane_node_free(store[i].src, store[i].len);
    }
    store_count = 0;
}

static size_t store_of(int node)
{
    size_t i = 0;
    while (i < store_count && store[i].node != node)
        i++;
    return i;
}

static enum bench_status scaling_begin(const struct bench_options *options)
{
    (void)options;
    if (processors == 0) {
        bench_note("suite scaling left out: the system does not tell its topology");
        return BENCH_SKIPPED;
    }
    for (unsigned i = 0; i < processors; i++) {
        const int node = worker[i].node;
        if (store_of(node) < store_count || store_count == SCALING_NODES_MAX)
            continue;
        const size_t at = store_count++;
        const int place = node == SEALANE_NO_NODE ? SEALANE_INTERLEAVED : node;
        store[at].node = node;
        store[at].len = (buffer_len / store_count + PAGE - 1) / PAGE * PAGE;
        if (sealane_node_alloc(&store[at].dst, store[at].len, place) != SEALANE_OK ||
            sealane_node_alloc(&store[at].src, store[at].len, place) != SEALANE_OK) {
            bench_error("no memory for buffers of %zu MiB", buffer_len >> 20);
            scaling_end();
            return BENCH_FAILED;
        }
        nodes[at] = node;
        nodes_used = store_count;
        bench_fill(store[at].src, store[at].len, at + 1);
        memset(store[at].dst, 0, store[at].len);
    }
    return BENCH_OK;
}

void scaling_work_init(struct scaling_work *work, const struct bench_row *row)
{
    const uint64_t argument = row->kase->argument;
    memset(work, 0, sizeof(*work));
    work->threads = (unsigned)(argument >> THREADS_SHIFT);
    work->in_place = (argument & IN_PLACE) != 0;
    work->requests = argument & ONE_SHORT ? 1 : argument & MANY_SHORT ? SCALING_REQUESTS : 0;
    for (unsigned i = 0; i < work->threads; i++) {
        size_t part = store_of(worker[i].node);
        work->cpu[i] = worker[i].cpu;
        work->part_of[i] = part;
        work->part[part].threads++;
        work->part_count = part + 1 > work->part_count ? part + 1 : work->part_count;
    }
    if (work->requests)
        work->part_count = 1;
    uint64_t at = 0;
    for (size_t i = 0; i < work->part_count; i++) {
        struct scaling_part *p = &work->part[i];
        size_t pages = (size_t)row->kase->bytes / PAGE;
        p->node = store[i].node;
        p->len = (pages / work->part_count + (i < pages % work->part_count)) * PAGE;
        p->dst = store[i].dst;
        p->src = work->in_place ? store[i].dst : store[i].src;
        p->at = at;
        at += p->len;
    }
}

struct scaling_piece scaling_piece(const struct scaling_work *work, size_t thread, const struct scaling_part *part)
{
    const size_t share = work->part[work->part_of[thread]].threads;
    size_t pages = part->len / PAGE, index = 0;
    for (size_t i = 0; i < thread; i++)
        index += work->part_of[i] == work->part_of[thread];
    size_t from = pages * index / share * PAGE, to = pages * (index + 1) / share * PAGE;
    return (struct scaling_piece){from, to - from};
}

/* ---- Proof before timing ---- */

/* True if dst is what OpenSSL makes of `src` (copies: src itself). */
static bool is_right(const struct scaling_part *part, const uint8_t *src, bool encrypted)
{
    uint8_t iv[SCALING_IV_LEN], expected[PAGE];
    memcpy(iv, scaling_iv, sizeof(iv));
    uint64_t carry = part->at / 16;
    for (int i = SCALING_IV_LEN - 1; i >= 0; i--) {
        carry += iv[i];
        iv[i] = (uint8_t)carry;
        carry >>= 8;
    }
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = context && EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, scaling_key, iv) == 1;
    for (size_t at = 0; at < part->len && ok; at += PAGE) {
        int got;
        memcpy(expected, src + at, PAGE);
        ok = (!encrypted || EVP_EncryptUpdate(context, expected, &got, src + at, PAGE) == 1) &&
             memcmp(expected, part->dst + at, PAGE) == 0;
    }
    EVP_CIPHER_CTX_free(context);
    return ok;
}

static enum bench_status scaling_verify(const struct bench_row *row, void *state)
{
    const struct scaling_work *work = state;
    for (size_t i = 0; i < work->part_count; i++) {
        if (work->in_place)
            memcpy(work->part[i].dst, store[i].src, work->part[i].len);
        else
            memset(work->part[i].dst, 0, work->part[i].len);
    }
    bool ok = row->implementation->run(state, 1) == BENCH_OK;
    for (size_t i = 0; i < work->part_count; i++)
        ok = ok && is_right(&work->part[i], store[i].src, strncmp(row->name, "copy:", 5) != 0);
    if (ok)
        return BENCH_OK;
    bench_error("%s: the output differs from OpenSSL's; nothing was timed", row->full_name);
    return BENCH_FAILED;
}

/* ---- Each node's own time ---- */

void scaling_lap_begin(struct scaling_work *work)
{
    for (size_t i = 0; i < work->part_count; i++)
        atomic_store_explicit(&work->part[i].done_ns, 0, memory_order_relaxed);
    work->lap_began = bench_now();
}

void scaling_done(struct scaling_work *work, struct scaling_part *part)
{
    const uint64_t now = (uint64_t)((bench_now() - work->lap_began) * 1e9);
    uint64_t before = atomic_load_explicit(&part->done_ns, memory_order_relaxed);
    while (before < now && !atomic_compare_exchange_weak(&part->done_ns, &before, now))
        continue;
}

void scaling_lap_end(struct scaling_work *work)
{
    for (size_t i = 0; i < work->part_count; i++)
        work->part[i].seconds += 1e-9 * (double)atomic_load_explicit(&work->part[i].done_ns, memory_order_relaxed);
    work->laps++;
}

enum bench_status scaling_run_team(struct scaling_work *work, struct bench_team *team, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        scaling_lap_begin(work);
        bench_team_run(team);
        scaling_lap_end(work);
    }
    return BENCH_OK;
}

enum bench_status scaling_before(void *state)
{
    struct scaling_work *work = state;
    work->laps = 0;
    for (size_t i = 0; i < work->part_count; i++)
        work->part[i].seconds = 0;
    return BENCH_OK;
}

size_t scaling_counters(void *state, struct bench_counter *counters)
{
    const struct scaling_work *work = state;
    if (work->requests)
        return 0;
    size_t count = work->part_count < BENCH_COUNTERS_MAX ? work->part_count : BENCH_COUNTERS_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct scaling_part *p = &work->part[i];
        const double bytes = (double)p->len * (double)work->laps;
        if (p->node == SEALANE_NO_NODE)
            snprintf(counter_name[i], sizeof(counter_name[i]), "gb_per_s_no_node");
        else
            snprintf(counter_name[i], sizeof(counter_name[i]), "gb_per_s_node%d", p->node);
        counters[i] = (struct bench_counter){counter_name[i], p->seconds > 0 ? 1e-9 * bytes / p->seconds : 0};
    }
    return count;
}

static enum bench_status scaling_report(const struct bench_options *options, const struct bench_result *results,
                                        size_t count, FILE *out)
{
    (void)options;
    return scaling_print(results, count, nodes, nodes_used, out);
}

const struct bench_suite bench_suite_scaling = {
    .name = "scaling",
    .default_rounds = 15,
    .discard_rounds = 1,
    .on_request = 1,
    .cases = scaling_cases,
    .begin = scaling_begin,
    .end = scaling_end,
    .verify = scaling_verify,
    .report = scaling_report,
};
