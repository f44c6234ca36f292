/* sealane-bench --calibrate: from which length of a call each path pays on this CPU, and which kernel is the best. */
#include "bench/calibrate.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/internal.h"
#include "sealane/engine.h"

enum {
    BUFFER_LEN = 64 << 20,
    APART = BUFFER_LEN + 4096, /* source and result at the same place of a page, as large allocations are */
    SAMPLE_BYTES = 4 << 20,    /* a sample takes 0.1 ms at least, so that the clock does not matter ... */
    SAMPLE_CALLS = 20000,      /* ... and not much more: what interrupts it is another one's */
    WARM_LEN = 64 << 10,       /* bytes that bring a table, with a few calls */
    ROUNDS = 31,
    POINTS_MAX = 24,
    KERNELS_MAX = BENCH_VARIANTS_MAX,
};

static const double TOLERANCE = 0.03; /* as for dispatch */

/* ---- Judgement ---- */

struct calibrate_verdict calibrate_judge(const struct calibrate_point *points, size_t count, size_t from)
{
    struct calibrate_verdict verdict = {.measured = SIZE_MAX};
    for (size_t i = count; i > 0 && points[i - 1].gain + points[i - 1].noise >= 1; i--)
        if (points[i - 1].gain - points[i - 1].noise > 1)
            verdict.measured = points[i - 1].len;
    for (size_t i = 0; i < count; i++) {
        const struct calibrate_point *p = &points[i];
        double loss = p->len >= from ? 1 / p->gain - 1 : p->gain - 1;
        if (loss - p->noise > 0 && loss - p->noise > verdict.loss) {
            verdict.loss = loss - p->noise;
            verdict.loss_at = p->len;
        }
    }
    return verdict;
}

/* ---- Measuring ---- */

struct side {
    sealane_engine *engine;
    sealane_key *key;
    sealane_stream *stream;
};

static uint8_t *buffer;
static const uint8_t key_bytes[SEALANE_KEY_LEN] = {1}, iv[SEALANE_BLOCK_LEN] = {2};

static void close_side(struct side *side)
{
    sealane_stream_free(side->stream);
    sealane_key_free(side->key);
    sealane_engine_free(side->engine);
}

/* An engine with these thresholds, and a key and a stream that have their tables, if any. */
static int open_side(struct side *side, const char *kernel, const struct sealane_thresholds *thresholds)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = kernel;
    options.allow_unlocked_memory = 1; /* test data */
    if (thresholds)
        options.thresholds = *thresholds;
    memset(side, 0, sizeof(*side));
    enum sealane_error error = sealane_engine_create(&side->engine, &options);
    if (error == SEALANE_OK)
        error = sealane_key_create(side->engine, &side->key, key_bytes);
    if (error == SEALANE_OK)
        error = sealane_stream_create(side->key, &side->stream, iv);
    if (error != SEALANE_OK) {
        bench_error("%s [%s]", sealane_error_message(error), sealane_error_name(error));
        close_side(side);
        return 0;
    }
    for (int i = 0; i < 4; i++) {
        sealane_ctr_xor(side->key, iv, 0, buffer, buffer, WARM_LEN);
        sealane_stream_xor(side->stream, 0, buffer, buffer, WARM_LEN);
    }
    return 1;
}

enum form { BY_KEY, BY_STREAM, APART_BY_KEY };

/* Seconds for a call. */
static double sample(const struct side *side, enum form form, size_t len)
{
    size_t calls = SAMPLE_BYTES / len > SAMPLE_CALLS ? SAMPLE_CALLS : SAMPLE_BYTES / len;
    const uint8_t *src = form == APART_BY_KEY ? buffer + APART : buffer;
    calls = calls ? calls : 1;
    double start = bench_now();
    if (form == BY_STREAM)
        for (size_t i = 0; i < calls; i++)
            sealane_stream_xor(side->stream, i * len, buffer, src, len);
    else
        for (size_t i = 0; i < calls; i++)
            sealane_ctr_xor(side->key, iv, i * len, buffer, src, len);
    return (bench_now() - start) / (double)calls;
}

/* `without` and `with` in turn, each first in every other round. */
static struct calibrate_point compare(const struct side *without, const struct side *with, enum form form, size_t len,
                                      unsigned rounds)
{
    struct calibrate_point point = {.len = len, .gain = 1};
    double *ratios = calloc(rounds, sizeof(*ratios));
    if (!ratios)
        return point;
    sample(without, form, len);
    sample(with, form, len);
    for (unsigned r = 0; r < rounds; r++) {
        double first = sample(r % 2 ? with : without, form, len);
        double second = sample(r % 2 ? without : with, form, len);
        ratios[r] = r % 2 ? second / first : first / second;
    }
    point.gain = bench_median(ratios, rounds);
    for (unsigned r = 0; r < rounds; r++)
        ratios[r] = fabs(ratios[r] - point.gain);
    /* About 95 % for a median: 1.57 quartile distances, each two median deviations, by the root of their number. */
    point.noise = 1.57 * 2 * bench_median(ratios, rounds) / sqrt(rounds);
    free(ratios);
    return point;
}

/* ---- Thresholds ---- */

static const char *bytes_text(size_t bytes, char text[32])
{
    if (bytes == SIZE_MAX)
        snprintf(text, 32, "never");
    else if (bytes >= 1 << 20 && bytes % (1 << 20) == 0)
        snprintf(text, 32, "%zu MiB", bytes >> 20);
    else if (bytes >= 1 << 10 && bytes % (1 << 10) == 0)
        snprintf(text, 32, "%zu KiB", bytes >> 10);
    else
        snprintf(text, 32, "%zu B", bytes);
    return text;
}

/* 0: the kernel has no such path. */
static int has_path(const char *kernel, const struct sealane_thresholds *thresholds, size_t at)
{
    struct side side;
    struct sealane_thresholds got;
    if (!open_side(&side, kernel, thresholds))
        return 0;
    sealane_engine_thresholds(side.engine, &got);
    close_side(&side);
    return *(size_t *)((char *)&got + at) != SIZE_MAX;
}

static const struct path {
    const char *name;
    size_t at; /* in struct sealane_thresholds */
    enum form form;
    unsigned first, last; /* powers of 2 */
} paths[] = {
    {"table of a key", offsetof(struct sealane_thresholds, key_table), BY_KEY, 5, 26},
    {"table of a stream", offsetof(struct sealane_thresholds, stream_table), BY_STREAM, 8, 26},
    {"stores past the caches", offsetof(struct sealane_thresholds, non_temporal), APART_BY_KEY, 16, 26},
};

static size_t *threshold(struct sealane_thresholds *thresholds, const struct path *path)
{
    return (size_t *)((char *)thresholds + path->at);
}

/* The path against what the engine would do otherwise; that in both has the other paths at their defaults. */
static int calibrate_path(const char *kernel, unsigned rounds, const struct path *path,
                          struct sealane_thresholds defaults, struct sealane_thresholds *better, FILE *out)
{
    struct calibrate_point points[POINTS_MAX];
    struct sealane_thresholds never = {0, 0, 0}, always = {0, 0, 0};
    struct side without, with;
    size_t count = 0, from = *threshold(&defaults, path);
    char a[32], b[32], c[32];
    *threshold(&never, path) = SIZE_MAX;
    *threshold(&always, path) = 1;
    if (path->form != APART_BY_KEY)
        never.non_temporal = always.non_temporal = SIZE_MAX;
    if (!has_path(kernel, &always, path->at)) {
        fprintf(out, "%-26s%10s%12s  this kernel has none, or no memory for it can be locked\n", path->name, "-", "-");
        return 1;
    }
    if (!open_side(&without, kernel, &never))
        return 0;
    if (!open_side(&with, kernel, &always)) {
        close_side(&without);
        return 0;
    }
    for (unsigned power = path->first; power <= path->last && count < POINTS_MAX; power++)
        points[count++] = compare(&without, &with, path->form, (size_t)1 << power, rounds);
    close_side(&without);
    close_side(&with);
    struct calibrate_verdict verdict = calibrate_judge(points, count, from);
    fprintf(out, "%-26s%10s%12s  ", path->name, bytes_text(from, a), bytes_text(verdict.measured, b));
    if (verdict.loss > TOLERANCE) {
        fprintf(out, "wrong: costs %.1f %% at %s\n", 100 * verdict.loss, bytes_text(verdict.loss_at, c));
        *threshold(better, path) = verdict.measured;
    } else if (verdict.loss > 0) {
        fprintf(out, "right: costs at most %.1f %%, at %s\n", 100 * verdict.loss, bytes_text(verdict.loss_at, c));
    } else {
        fprintf(out, "right\n");
    }
    fprintf(out, "  gain in %%:");
    for (size_t i = 0, column = 12; i < count; i++, column += 20) {
        if (column + 20 > 118) {
            fprintf(out, "\n%12s", "");
            column = 12;
        }
        fprintf(out, "%8s %+6.1f/%-4.1f", bytes_text(points[i].len, a), 100 * (points[i].gain - 1),
                100 * points[i].noise);
    }
    fputc('\n', out);
    return 1;
}

/* ---- Kernels ---- */

/* Each against the one that dispatch chose: is any faster? */
static int calibrate_kernels(unsigned rounds, FILE *out)
{
    static const size_t lens[] = {16, 32, 64, 128, 256, 512, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20};
    struct sealane_kernel_info kernels[KERNELS_MAX];
    struct side chosen, other;
    char text[32];
    if (!open_side(&chosen, NULL, NULL))
        return 0;
    size_t all = sealane_engine_kernels(chosen.engine, kernels, KERNELS_MAX);
    for (size_t k = 0; k < all && k < KERNELS_MAX; k++) {
        struct calibrate_verdict verdict = {0};
        if (kernels[k].state != SEALANE_KERNEL_READY || kernels[k].chosen)
            continue;
        if (!open_side(&other, kernels[k].name, NULL)) {
            close_side(&chosen);
            return 0;
        }
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            struct calibrate_point point = compare(&chosen, &other, BY_KEY, lens[i], lens[i] > 65536 ? 3 : rounds);
            if (point.gain - point.noise > 1 + verdict.loss) {
                verdict.loss = point.gain - point.noise - 1;
                verdict.loss_at = lens[i];
            }
            if (lens[i] >= 256 && point.gain < 0.2)
                break; /* no AES instructions: nothing more to learn from seconds of it */
        }
        close_side(&other);
        if (verdict.loss > TOLERANCE)
            fprintf(out, "%-26s%22s  faster than the chosen one by %.1f %% at %s\n", kernels[k].name, "",
                    100 * verdict.loss, bytes_text(verdict.loss_at, text));
        else
            fprintf(out, "%-26s%22s  nowhere more than %.0f %% faster than the chosen one\n", kernels[k].name, "",
                    100 * TOLERANCE);
    }
    close_side(&chosen);
    return 1;
}

static const char *name_of(const struct side *side)
{
    struct sealane_kernel_info kernels[KERNELS_MAX];
    size_t all = sealane_engine_kernels(side->engine, kernels, KERNELS_MAX);
    for (size_t k = 0; k < all && k < KERNELS_MAX; k++)
        if (kernels[k].chosen)
            return kernels[k].name;
    return "unknown";
}

static void advise(const struct sealane_thresholds *better, FILE *out)
{
    static const char *const members[] = {"key_table", "stream_table", "non_temporal"};
    int any = 0;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        size_t from = *(const size_t *)((const char *)better + paths[i].at);
        if (from == 0)
            continue;
        fprintf(out, "%s  options.thresholds.%s = ", any ? "" : "\nBetter here:\n", members[i]);
        if (from == SIZE_MAX)
            fprintf(out, "SIZE_MAX\n");
        else
            fprintf(out, "%zu\n", from);
        any = 1;
    }
    if (!any)
        fprintf(out, "\nThe defaults are right here.\n");
}

int bench_calibrate(const char *kernel, unsigned rounds, FILE *out)
{
    struct sealane_thresholds defaults, better = {0, 0, 0};
    struct side side;
    int ok = 1;
    rounds = rounds ? rounds : ROUNDS;
    buffer = calloc(1, (size_t)APART + BUFFER_LEN);
    if (!buffer) {
        bench_error("not enough memory");
        return 0;
    }
    memset(buffer, 1, (size_t)APART + BUFFER_LEN); /* pages of its own */
    if (!open_side(&side, kernel, NULL)) {
        free(buffer);
        return 0;
    }
    sealane_engine_thresholds(side.engine, &defaults);
    fprintf(out,
            "Kernel %s, one thread, %u rounds; lengths of one call from which a path is taken, and where it pays\n\n",
            name_of(&side), rounds);
    close_side(&side);
    fprintf(out, "%-26s%10s%12s  %s\n", "", "default", "measured", "verdict");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && ok; i++)
        ok = calibrate_path(kernel, rounds, &paths[i], defaults, &better, out) && bench_flush(out);
    if (ok && !kernel)
        ok = calibrate_kernels(rounds, out);
    if (ok)
        advise(&better, out);
    free(buffer);
    return bench_flush(out) && ok;
}
