#include "tests/support/environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

uint64_t test_seed(void)
{
    static uint64_t seed;
    static bool known;
    if (known)
        return seed;
    const char *given = getenv("SEALANE_TEST_SEED");
    if (given) {
        char *end;
        seed = strtoull(given, &end, 0);
        if (end == given || *end) {
            fprintf(stderr, "SEALANE_TEST_SEED is no number: %s\n", given);
            exit(2);
        }
    } else if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        perror("getrandom");
        exit(2);
    }
    known = true;
    printf("seed 0x%016" PRIx64 " (SEALANE_TEST_SEED gives it back)\n", seed);
    fflush(stdout);
    return seed;
}

bool test_reduced(void)
{
    const char *given = getenv("SEALANE_TEST_REDUCED");
    return TEST_SANITIZED || (given && strcmp(given, "1") == 0);
}

bool test_emulated(void)
{
    return getenv("SEALANE_TEST_EMULATED") != NULL;
}

void test_not_run(const char *what, const char *why)
{
    printf("NOT RUN  %s: %s\n", what, why);
    fflush(stdout);
}

uint64_t test_random_next(struct test_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

struct test_random test_random_for(const char *label)
{
    struct test_random random = {test_seed()};
    for (; *label; label++)
        random.state = (test_random_next(&random) ^ (uint8_t)*label) * 0x100000001b3;
    return random;
}

uint64_t test_random_below(struct test_random *random, uint64_t bound)
{
    return test_random_next(random) % bound;
}

void test_random_fill(struct test_random *random, void *out, uint64_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        uint64_t v = test_random_next(random);
        uint64_t n = len < sizeof v ? len : sizeof v;
        memcpy(p, &v, n);
        p += n;
        len -= n;
    }
}
