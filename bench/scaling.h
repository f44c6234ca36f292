/* What the implementations of suite `scaling` share: a buffer in a part for each NUMA node that has threads, 1 to N
 * threads on the CPUs that a pool would take; and requests that are too short to be shared out. */
#ifndef BENCH_SCALING_H
#define BENCH_SCALING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/bench.h"

enum {
    SCALING_KEY_LEN = 32,
    SCALING_IV_LEN = 16,
    SCALING_NODES_MAX = 64,
    SCALING_THREADS_MAX = 1024,
    SCALING_REQUESTS = 1000,
    SCALING_REQUEST_LEN = 4096
};

struct scaling_part {
    int node; /* the system's number */
    uint8_t *dst;
    uint8_t *src; /* equal to dst in place */
    size_t len;   /* a multiple of a page */
    uint64_t at;  /* of its first byte in the keystream */
    unsigned threads;
    _Atomic uint64_t done_ns; /* since the lap began */
    double seconds;           /* until it was done, all laps of a repetition together */
};

struct scaling_work {
    unsigned threads;
    bool in_place;
    size_t requests; /* 0: the whole; else so many of SCALING_REQUEST_LEN or, if only one, all of part 0 */
    size_t part_count;
    struct scaling_part part[SCALING_NODES_MAX];
    unsigned cpu[SCALING_THREADS_MAX];   /* of each thread */
    size_t part_of[SCALING_THREADS_MAX]; /* the part on its own node */
    double lap_began;
    uint64_t laps; /* of this repetition */
};

extern const uint8_t scaling_key[SCALING_KEY_LEN];
extern const uint8_t scaling_iv[SCALING_IV_LEN];

/* Fills what the row asks for; `work` is the first member of every state. */
void scaling_work_init(struct scaling_work *work, const struct bench_row *row);

/* The bytes that a thread does of a part which all threads of its node share. */
struct scaling_piece {
    size_t from;
    size_t len;
};
struct scaling_piece scaling_piece(const struct scaling_work *work, size_t thread, const struct scaling_part *part);

/* Each iteration is a lap.  A thread that is through with its piece of a part says so; the part is done with the last.
 */
void scaling_lap_begin(struct scaling_work *work);
void scaling_done(struct scaling_work *work, struct scaling_part *part);
void scaling_lap_end(struct scaling_work *work);

/* Each iteration by a team whose members say when they are done. */
struct bench_team;
enum bench_status scaling_run_team(struct scaling_work *work, struct bench_team *team, uint64_t iterations);

/* Hooks of every row: a new repetition, and GB/s for each part, by its node. */
enum bench_status scaling_before(void *state);
size_t scaling_counters(void *state, struct bench_counter *counters);

/* ---- scaling_report.c ---- */

/* Prints the tables.  `nodes` of the buffer's parts: the counters' order. */
enum bench_status scaling_print(const struct bench_result *results, size_t count, const int *nodes, size_t node_count,
                                FILE *out);

#endif
