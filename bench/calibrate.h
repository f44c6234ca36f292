/* What --calibrate concludes from what it measured. */
#ifndef BENCH_CALIBRATE_H
#define BENCH_CALIBRATE_H

#include <stddef.h>
#include <stdio.h>

/* One length of a call. */
struct calibrate_point {
    size_t len;
    double gain;  /* time without the path / time with it: the median of the rounds' own ratios */
    double noise; /* of gain: half the width of its 95 % interval */
};

struct calibrate_verdict {
    size_t measured; /* the length from which the path gains for good; SIZE_MAX: none of those measured */
    double loss;     /* the most that the default costs at a length, beyond noise; 0: nothing */
    size_t loss_at;  /* and that length */
};

/* `points` by ascending length, at least one; `from` is the default. */
struct calibrate_verdict calibrate_judge(const struct calibrate_point *points, size_t count, size_t from);

/* Measures the thresholds of the engine with this kernel (NULL: the one that dispatch chooses) and all kernels beside
 * it, and prints what the defaults are and what would be better.  `rounds` 0: as many as it thinks fit.  Returns 0 if
 * it could not measure. */
int bench_calibrate(const char *kernel, unsigned rounds, FILE *out);

#endif
