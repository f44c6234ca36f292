#include <math.h>

#include "bench/overhead.h"

/* The largest k for which the k-th value from either end still encloses the median with 99 % confidence; at least 1.  A
 * value lies below the median with probability 1/2, so k - 1 or fewer do with the binomial distribution's. */
static size_t rank_of_interval(size_t count)
{
    enum { EXACT = 500 }; /* beyond it the normal approximation is exact enough, and 2^-count would underflow */
    double term, sum;
    size_t k = 0;

    if (count > EXACT)
        return (size_t)floor((double)count / 2 - 2.576 * sqrt((double)count) / 2);
    term = ldexp(1, -(int)count);
    for (sum = term; sum <= 0.005 && k < count / 2; sum += term) {
        k++;
        term *= (double)(count - k + 1) / (double)k;
    }
    return k > 0 ? k : 1;
}

struct overhead_estimate overhead_estimate(double *values, size_t count)
{
    struct overhead_estimate estimate = {0, 0, 0};
    size_t k;

    if (count == 0)
        return estimate;
    estimate.median = bench_median(values, count); /* sorts */
    k = rank_of_interval(count);
    estimate.low = values[k - 1];
    estimate.high = values[count - k];
    return estimate;
}
