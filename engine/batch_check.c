/* The rules for the records of a batch, in any order.  For overlaps it sorts the outputs, then looks for neighbours
 * that overlap and for inputs that lie in an output. */
#include <stdlib.h>

#include "engine/batch.h"

/* Addresses [first, last]: an end would be 0 for memory at the very top. */
struct span {
    uintptr_t first;
    uintptr_t last;
};

/* False if the memory would reach beyond the top of the address space. */
static bool span_of(struct span *span, const uint8_t *p, size_t len)
{
    span->first = (uintptr_t)p;
    return !__builtin_add_overflow(span->first, len - 1, &span->last);
}

/* Merges runs of `width` from `from` into runs of twice that.  The choice is data, not a branch: it would be
 * mispredicted half the time. */
static void merge_runs(struct span *to, const struct span *from, size_t count, size_t width)
{
    for (size_t start = 0; start < count; start += 2 * width) {
        size_t left = start, left_end = count - start < width ? count : start + width;
        size_t right = left_end, right_end = count - left_end < width ? count : left_end + width;
        size_t at = start;
        while (left < left_end && right < right_end) {
            bool take_right = from[right].first < from[left].first;
            to[at++] = from[take_right ? right : left];
            right += take_right;
            left += !take_right;
        }
        while (left < left_end)
            to[at++] = from[left++];
        while (right < right_end)
            to[at++] = from[right++];
    }
}

/* Sorts by first address; `spare` holds as many.  Returns where the result is. */
static struct span *sort(struct span *spans, struct span *spare, size_t count)
{
    for (size_t width = 1; width < count; width *= 2) {
        merge_runs(spare, spans, count, width);
        struct span *swap = spans;
        spans = spare;
        spare = swap;
    }
    return spans;
}

/* `sorted` are disjoint. */
static bool overlaps_any(const struct span *sorted, size_t count, struct span span)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) { /* low becomes the first that does not end before the span */
        size_t middle = low + (high - low) / 2;
        if (sorted[middle].last < span.first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && sorted[low].first <= span.last;
}

static bool spans_are_valid(const struct sealane_record *records, size_t count, struct span *spans, struct span *spare)
{
    size_t outputs = 0;
    for (size_t i = 0; i < count; i++)
        if (records[i].len && !span_of(&spans[outputs++], records[i].dst, records[i].len))
            return false;
    if (outputs == 0)
        return true;
    struct span *sorted = sort(spans, spare, outputs);
    for (size_t i = 1; i < outputs; i++)
        if (sorted[i].first <= sorted[i - 1].last)
            return false;
    for (size_t i = 0; i < count; i++) {
        const struct sealane_record *r = &records[i];
        struct span input;
        if (r->len && r->src != r->dst && (!span_of(&input, r->src, r->len) || overlaps_any(sorted, outputs, input)))
            return false;
    }
    return true;
}

/* NULLs, and offsets too far. */
static bool members_are_valid(const struct sealane_record *records, size_t count)
{
    for (const struct sealane_record *r = records; r != records + count; r++) {
        uint64_t last;
        if (r->len != 0 &&
            (!r->key || !r->iv || !r->dst || !r->src || __builtin_add_overflow(r->offset, r->len - 1, &last)))
            return false;
    }
    return true;
}

enum sealane_error sl_batch_check_sorted(const struct sealane_record *records, size_t count)
{
    if (!members_are_valid(records, count))
        return SEALANE_E_ARGUMENT;
    struct span local[2][SEALANE_BATCH_UNSORTED_MAX];
    struct span *spans = local[0], *spare = local[1], *memory = NULL;
    if (count > SEALANE_BATCH_UNSORTED_MAX) {
        if (count > SIZE_MAX / (2 * sizeof *memory)) /* such records fit no address space either */
            return SEALANE_E_ARGUMENT;
        memory = malloc(2 * count * sizeof *memory);
        if (!memory)
            return SEALANE_E_NO_MEMORY;
        spans = memory;
        spare = memory + count;
    }
    bool valid = spans_are_valid(records, count, spans, spare);
    free(memory);
    return valid ? SEALANE_OK : SEALANE_E_ARGUMENT;
}
