/* One place on which calls are run and compared.  For ctr_cases*.c. */
#ifndef SEALANE_TESTS_SUPPORT_CTR_BENCH_H
#define SEALANE_TESTS_SUPPORT_CTR_BENCH_H

#include "tests/support/ctr_cases.h"
#include "tests/support/environment.h"

enum {
    CTR_BEFORE = 128, /* bytes before dst that must not change */
    CTR_AFTER = 512,  /* and after it */
};

/* src = plain and the result OpenSSL gives, for one key, IV and offset. */
struct ctr_bench {
    struct ctr_subject *subject;
    struct test_random random;
    uint8_t iv[16];
    uint64_t offset;
    size_t len; /* of plain and expected */
    uint8_t *plain;
    uint8_t *expected;
    uint8_t *room; /* len + 64 + CTR_BEFORE + CTR_AFTER bytes, 64-byte aligned */
    uint8_t *source;
    uint8_t key[32];
};

/* A random key and IV; the subject gets the key.  `len` bounds every later call. */
struct ctr_bench ctr_bench_open(struct ctr_subject *subject, const char *label, size_t len);
void ctr_bench_close(struct ctr_bench *bench);

/* From now on calls are for this IV and offset, up to `len` bytes. */
void ctr_bench_aim(struct ctr_bench *bench, const uint8_t iv[16], uint64_t offset, size_t len);

/* One call, dst and src at these distances from a 64-byte line, compared with all that lies around dst. */
bool ctr_bench_out_of_place(struct ctr_bench *bench, size_t dst_at, size_t src_at, size_t len);
bool ctr_bench_in_place(struct ctr_bench *bench, size_t at, size_t len);

/* Writes the failure and returns false. */
bool ctr_bench_differs(struct ctr_bench *bench, const char *what, size_t len, const uint8_t *got);

#endif
