/* Suite `batch`: 64 small records in place, keys expanded beforehand, each with its own IV; one key for all or one for
 * each.  An iteration is the whole batch. */
#include "bench/batch.h"

#include <openssl/evp.h>
#include <string.h>

static _Alignas(64) uint8_t data[BATCH_RECORDS * BATCH_LEN_MAX + 64];
static _Alignas(64) uint8_t ivs[BATCH_RECORDS][BATCH_IV_LEN];
static uint8_t keys[BATCH_RECORDS][BATCH_KEY_LEN];

static size_t batch_cases(const struct bench_options *options, struct bench_case *cases, size_t capacity)
{
    static const size_t sizes[] = {16, 64};
    size_t count = 0;
    (void)options;
    for (size_t s = 0; s < 2; s++)
        for (int own = 0; own < 2 && count < capacity; own++, count++) {
            snprintf(cases[count].name, sizeof(cases[count].name), "bytes:%zu/keys:%s", sizes[s], own ? "own" : "one");
            cases[count].bytes = sizes[s] * BATCH_RECORDS;
            cases[count].argument = (uint64_t)own;
        }
    return count;
}

static enum bench_status batch_begin(const struct bench_options *options)
{
    (void)options;
    bench_fill(keys[0], sizeof(keys), 11);
    bench_fill(ivs[0], sizeof(ivs), 12);
    for (size_t i = 0; i < BATCH_RECORDS; i++)
        ivs[i][12] &= 0x7f;
    return BENCH_OK;
}

void batch_work_init(struct batch_work *work, const struct bench_row *row)
{
    work->data = data;
    work->len = (size_t)row->kase->bytes / BATCH_RECORDS;
    work->own_keys = row->kase->argument != 0;
    work->ivs = (const uint8_t(*)[BATCH_IV_LEN])ivs;
    work->keys = (const uint8_t(*)[BATCH_KEY_LEN])keys;
}

/* Undoes one batch with OpenSSL. */
static int undo(const struct batch_work *work)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int ok = context != NULL;
    for (size_t i = 0; i < BATCH_RECORDS && ok; i++) {
        uint8_t *at = work->data + i * work->len;
        int got;
        ok = EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, work->keys[batch_key(work, i)], work->ivs[i]) == 1 &&
             EVP_EncryptUpdate(context, at, &got, at, (int)work->len) == 1;
    }
    EVP_CIPHER_CTX_free(context);
    return ok;
}

static enum bench_status batch_verify(const struct bench_row *row, void *state)
{
    uint8_t expected[sizeof(data)];
    bench_fill(data, sizeof(data), 13);
    bench_fill(expected, sizeof(expected), 13);
    if (row->implementation->run(state, 1) == BENCH_OK && memcmp(data, expected, sizeof(data)) != 0 && undo(state) &&
        memcmp(data, expected, sizeof(data)) == 0)
        return BENCH_OK;
    bench_error("%s: the output differs from OpenSSL's; nothing was timed", row->full_name);
    return BENCH_FAILED;
}

static enum bench_status batch_report(const struct bench_options *options, const struct bench_result *results,
                                      size_t count, FILE *out)
{
    (void)options;
    fprintf(out, "\n%d records in place, one thread, keys expanded beforehand, an IV each; medians of %zu rounds\n",
            BATCH_RECORDS, count ? results[0].sample_count : 0);
    fprintf(out, "%-24s%-24s%12s%12s%16s%10s\n", "", "", "ns/record", "best", "x ipsec-mb", "spread %");
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *r = &results[i];
        const struct bench_result *peer = bench_find(results, count, "ipsec-mb:burst", r->row->kase->name);
        fprintf(out, "%-24s%-24s%12.2f%12.2f", r->row->name, r->row->kase->name, r->median_s / BATCH_RECORDS * 1e9,
                r->best_s / BATCH_RECORDS * 1e9);
        if (peer && r->median_s > 0)
            fprintf(out, "%16.2f", peer->median_s / r->median_s);
        else
            fprintf(out, "%16s", "-");
        fprintf(out, "%10.1f\n", 100 * r->spread);
    }
    return BENCH_OK;
}

const struct bench_suite bench_suite_batch = {
    .name = "batch",
    .default_rounds = 25,
    .discard_rounds = 1,
    .on_request = 1,
    .counts_cycles = 1,
    .cases = batch_cases,
    .begin = batch_begin,
    .verify = batch_verify,
    .report = batch_report,
};
