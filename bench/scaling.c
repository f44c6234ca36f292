/* Suite `scaling`: a buffer beyond all caches, 1 to N threads, against copies by the same threads. */
#include "bench/scaling.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#include "sealane/pool.h"
#include "sealane/topology.h"

static const size_t buffer_len = (size_t)256 << 20;
static const size_t short_len = 64 << 10;

enum { PAGE = 4096 };

/* What a case's argument holds. */
enum { IN_PLACE = 1, ONE_SHORT = 2, MANY_SHORT = 4, THREADS_SHIFT = 3 };

const uint8_t scaling_key[SCALING_KEY_LEN] = {3, 1, 4, 1, 5, 9, 2, 6};
const uint8_t scaling_iv[SCALING_IV_LEN] = {2, 7, 1, 8, 2, 8};

static unsigned processors;
static struct sealane_topology_worker worker[SCALING_THREADS_MAX];

/* The nodes in the order in which threads come to them: with n of them in use each holds an n-th. */
static struct {
    int node;
    uint8_t *dst, *src;
    size_t len;
} store[SCALING_NODES_MAX];
static size_t store_count;
static size_t nodes_used; /* stays when the stores are gone */

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
    (void)options;
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
            bench_error("no memory for buffers of 256 MiB");
            scaling_end();
            return BENCH_FAILED;
        }
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

/* ---- Report ---- */

static double times(const struct bench_result *base, const struct bench_result *r)
{
    return base && r && r->median_s > 0 ? base->median_s / r->median_s : 0;
}

static void print_ratio(FILE *out, double ratio)
{
    if (ratio > 0)
        fprintf(out, "%10.3f", ratio);
    else
        fprintf(out, "%10s", "-");
}

static enum bench_status scaling_report(const struct bench_options *options, const struct bench_result *results,
                                        size_t count, FILE *out)
{
    (void)options;
    fprintf(out,
            "\n256 MiB, a share on each NUMA node that has threads (%zu), threads pinned one to a core; medians of %zu "
            "rounds\n",
            nodes_used, count ? results[0].sample_count : 0);
    fprintf(out, "%-16s%-45s%8s%8s%10s%10s%10s%8s\n", "", "", "GB/s", "best", "x 1 thr.", "x copy:nt", "x direct",
            "spread");
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *r = &results[i];
        const char *kase = r->row->kase->name, *rest = strchr(kase, '/');
        const double bytes = (double)r->row->kase->bytes;
        char one[BENCH_NAME_MAX], copy[BENCH_NAME_MAX];
        snprintf(one, sizeof(one), "threads:1%s", rest);
        snprintf(copy, sizeof(copy), "%.*s0", (int)strlen(kase) - 1, kase);
        if (r->median_s <= 0 || r->best_s <= 0)
            continue;
        fprintf(out, "%-16s%-45s%8.2f%8.2f", r->row->name, kase, bytes / r->median_s / 1e9, bytes / r->best_s / 1e9);
        print_ratio(out, times(bench_find(results, count, r->row->name, one), r));
        print_ratio(out, times(bench_find(results, count, "copy:nt", copy), r));
        print_ratio(out, times(bench_find(results, count, "sealane:direct", kase), r));
        fprintf(out, "%6.1f %%\n", 100 * r->spread);
    }
    return BENCH_OK;
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
