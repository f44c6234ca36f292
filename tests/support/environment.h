/* How a test program runs: its seed, its size, and what this machine withholds. */
#ifndef SEALANE_TESTS_SUPPORT_ENVIRONMENT_H
#define SEALANE_TESTS_SUPPORT_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

/* The seed of this run: SEALANE_TEST_SEED (decimal or 0x...) or a fresh one.  The first call prints it. */
uint64_t test_seed(void);

/* True under a sanitizer, or with SEALANE_TEST_REDUCED=1 (emulators): the large crosses are then sampled. */
bool test_reduced(void);

/* True with SEALANE_TEST_EMULATED=1, which builds for other machines set: qemu-user places no memory, crashes when a
 * forked child starts a thread, and has a thread end some time after it is joined. */
bool test_emulated(void);

/* Prints `what` as not tested here, and why. */
void test_not_run(const char *what, const char *why);

/* SplitMix64.  Each case takes its own sequence, so that one case repeats without those before it. */
struct test_random {
    uint64_t state;
};

struct test_random test_random_for(const char *label);
uint64_t test_random_next(struct test_random *random);
uint64_t test_random_below(struct test_random *random, uint64_t bound);
void test_random_fill(struct test_random *random, void *out, uint64_t len);

#endif
