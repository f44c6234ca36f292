/* A backend that is right, counts in as few bits as asked, and fails when told to. */
#ifndef SEALANE_TESTS_SUPPORT_DOUBLE_BACKEND_H
#define SEALANE_TESTS_SUPPORT_DOUBLE_BACKEND_H

#include <stdatomic.h>

#include "sealane/engine.h"

/* What the next keys and calls do; change it only while no call runs. */
struct double_backend_plan {
    unsigned counter_bits; /* a call in which this many bits wrap is counted as a breach */
    unsigned fail_every;   /* each n-th ctr call fails; 0: none */
    int fail_prepare;      /* key_prepare fails */
    int spoil_dst;         /* a failing call has written rubbish to a separate dst */
    int idle;              /* calls are counted and touch no byte */
};

extern struct double_backend_plan double_backend_plan;

/* What happened since double_backend_reset(). */
extern struct double_backend_counts {
    _Atomic uint64_t calls;
    _Atomic uint64_t failed;
    _Atomic uint64_t wrapped;    /* calls in which the short counter would have wrapped: the engine must split */
    _Atomic uint64_t concurrent; /* calls on one key at the same time */
    _Atomic uint64_t longest;    /* bytes of the longest call */
    _Atomic uint64_t bytes;      /* of all calls */
    _Atomic uint64_t keys;       /* prepared and not freed */
} double_backend_counts;

void double_backend_reset(struct double_backend_plan plan);

/* Ready to pass to an engine: its counter_bits are the plan's. */
struct sealane_backend double_backend(enum sealane_thread_rule rule);

#endif
