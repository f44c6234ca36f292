/* The cases that anything claiming to be AES-256-CTR goes through: kernels, the engine with each kernel, streams,
 * backends.  Each returns false at the first wrong byte and says where in subject->failure, so that a broken cipher can
 * be shown to fail. */
#ifndef SEALANE_TESTS_SUPPORT_CTR_CASES_H
#define SEALANE_TESTS_SUPPORT_CTR_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctr_subject {
    const char *name;
    void *state;
    void (*set_key)(void *state, const uint8_t key[32]);
    void (*xor)(void *state, const uint8_t iv[16], uint64_t offset, uint8_t *dst, const uint8_t *src, size_t len);
    bool blocks_only; /* takes offset 0 and counters whose low half does not wrap, as a bare kernel does */
    char failure[256];
    uint64_t cases; /* calls compared since the caller last set it to 0 */
};

/* SP 800-38A F.5.5 and F.5.6: whole, every shorter length, and from every offset. */
bool ctr_case_vectors(struct ctr_subject *subject);

/* Lengths 0 to 4100 crossed with offsets 0 to 31, in place and out of place; bytes around dst unchanged. */
bool ctr_case_cross(struct ctr_subject *subject);

/* Addresses 0 to 63 past a 64-byte line on each side: the full cross at 40 boundary lengths, samples at the others. */
bool ctr_case_misaligned(struct ctr_subject *subject);

/* src and dst flush with unreadable pages on either side, lengths 0 to 4100. */
bool ctr_case_guarded(struct ctr_subject *subject);

/* Carries at 2^8, 2^16, 2^32, 2^40, 2^64 and the wrap at 2^128 in each of the first 273 blocks, from the IV and from
 * the offset. */
bool ctr_case_carries(struct ctr_subject *subject);

/* Offsets to the very end: offset + len == 2^64. */
bool ctr_case_far(struct ctr_subject *subject);

/* Random keys, IVs, offsets and lengths. */
bool ctr_case_keys(struct ctr_subject *subject);

/* Buffers of up to some MiB. */
bool ctr_case_large(struct ctr_subject *subject);

extern const struct ctr_case {
    const char *name;
    bool (*run)(struct ctr_subject *subject);
    bool needs_offsets; /* pointless for a subject with blocks_only */
} ctr_cases[];
extern const size_t ctr_case_count;

/* Runs every case that fits the subject, prints the counts, and returns whether all passed; prints the failure
 * otherwise. */
bool ctr_cases_run(struct ctr_subject *subject);

#endif
