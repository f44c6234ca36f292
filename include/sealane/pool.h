/* All cores the process may use, on one buffer or file: workers pinned to cores, work queued by NUMA node.
 *
 * One worker per core by default, since hardware threads of a core share its AES units, pinned to the core's first
 * usable hardware thread.  Each node has a queue; slices of 256 KiB go to the queue of the node where the pages of dst
 * lie, looked up once per region of at least 2 MiB, at most 256 of them.  Pages that were never touched lie nowhere
 * yet: their regions go to the queues in turn.  Workers empty their own node's queue first and take from others only
 * when it is empty.  Within a queue, calling threads take turns: 16 of them; more share turns.
 *
 * No request allocates, but for a key's table now and then, as with sealane_ctr_xor(), and a batch whose records do not
 * ascend, as with sealane_ctr_batch().  All functions but sealane_pool_resize() and sealane_pool_free() may be called
 * from any thread at any time; none from a signal handler.  No thread is cancelled within one, and workers take no
 * signals but those of their own faults.
 *
 * When the CPUs of a running process become fewer, by cpusets, going offline, or `taskset -a` (without -a it changes
 * one thread), the system moves workers to those left, and work goes on: sealane_pool_worker() tells, and
 * sealane_pool_resize() plans anew. */
#ifndef SEALANE_POOL_H
#define SEALANE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/engine.h"
#include "sealane/error.h"
#include "sealane/export.h"
#include "sealane/topology.h"

SEALANE_BEGIN

typedef struct sealane_pool sealane_pool;

struct sealane_pool_options {
    size_t size;       /* sizeof(struct sealane_pool_options) */
    unsigned threads;  /* workers; 0: one per usable core, or fewer where a CPU quota (cgroup cpu.max) allows fewer */
    unsigned requests; /* room for so many in flight or not yet waited for, 1 to SEALANE_POOL_REQUESTS_MAX */
};

enum {
    SEALANE_POOL_REQUESTS = 1024, /* the default */
    SEALANE_POOL_REQUESTS_MAX = 65536
};

#define SEALANE_POOL_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(struct sealane_pool_options), 0, SEALANE_POOL_REQUESTS                                                  \
    }

/* Plans and starts the workers; options NULL means the defaults.  *pool is NULL on failure.  Errors: ARGUMENT (size
 * unknown, more threads than usable hardware threads, requests out of range), IO (the system does not tell its
 * topology, or the environment has hwloc describe another machine), THREAD, NO_MEMORY.  A worker that cannot be pinned
 * (its CPU went away meanwhile) works unpinned: sealane_pool_worker() shows it. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_pool_create(sealane_pool **pool,
                                                                 const struct sealane_pool_options *options);

/* Another number of workers, 0 as above, by a fresh look at what the process may use; their counts of slices start at
 * 0.  Work goes on meanwhile.  Not from two threads at once.  Errors as create, and FORKED; then the old workers stay.
 * IO also when the machine's nodes are no longer those of the pool: only a new pool has queues for them. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_pool_resize(sealane_pool *pool, unsigned threads);

/* Completes all that is in flight, ends the workers, frees; NULL is fine.  Tickets are void then.  No other call may be
 * using the pool.  In a child forked since the pool was created there are no workers: frees the memory only. */
SEALANE_API void sealane_pool_free(sealane_pool *pool);

/* ---- CTR on the pool ---- */

/* As sealane_ctr_xor(), returns when all is done.  A call of less than SEALANE_POOL_DIRECT_LEN bytes runs on the
 * calling thread alone.  In a longer one it takes part, while a worker of its node sleeps, in that worker's place: on
 * what is queued, others' requests among it.  Stores go past the caches (struct sealane_thresholds) by the length of
 * the whole.  Errors, nothing written: ARGUMENT (what sealane_ctr_xor() asks for is not so), BUSY (dst overlaps what a
 * request in flight reads or writes, or src what one writes), POOL_FULL, FORKED.  What runs on the calling thread alone
 * is never in flight: others are not compared with it. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_pool_ctr_xor(sealane_pool *pool, const sealane_key *key,
                                                                  const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset,
                                                                  uint8_t *dst, const uint8_t *src, size_t len);

/* bytes: below, waking a worker costs more than it gains.  Measured with two cores: see docs/SCALING.md */
enum { SEALANE_POOL_DIRECT_LEN = 1024 * 1024 };

/* sealane_ctr_batch() on the workers, for many short records wherever they lie: in groups of some 256 KiB, by as many
 * as there are, with the caller among them as above.  Returns when all is done.  A record is done by one worker, so
 * that one of a megabyte or more is better submitted alone.  Runs on the calling thread alone if the records have less
 * than SEALANE_POOL_DIRECT_LEN bytes, or less than SEALANE_POOL_RECORD_LEN each on average, both judged by 64 of them.
 * Stores go past the caches by the length of a record.  Errors, nothing written: those of sealane_ctr_batch(), BUSY (a
 * record overlaps what a request in flight uses, as above), POOL_FULL, FORKED.  Later requests are not compared with
 * the records. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_pool_ctr_batch(sealane_pool *pool,
                                                                    const struct sealane_record *records, size_t count);

/* bytes: shorter records cost as much to hand over as to encrypt.  Measured with two cores */
enum { SEALANE_POOL_RECORD_LEN = 256 };

/* A request in flight, or one that is complete and not yet waited for. */
typedef uint64_t sealane_ticket;

/* Starts what sealane_pool_ctr_xor() does, for the record's members; the record and its IV are copied, key and buffers
 * must stay until sealane_pool_wait() has returned.  One of less than SEALANE_POOL_DIRECT_LEN bytes is complete when
 * this returns.  Each ticket must be waited for, once, by any thread: until then it takes room.  Errors as
 * sealane_pool_ctr_xor(); *ticket is 0 then. */
SEALANE_API SEALANE_CHECK enum sealane_error
sealane_pool_submit(sealane_pool *pool, const struct sealane_record *record, sealane_ticket *ticket);

/* Waits for a request's end and takes back its ticket.  OK: every byte of dst is done.  CANCELLED: some are, others are
 * as before: dst is of no use, and in place the data is lost unless the caller has it elsewhere.  ARGUMENT: no such
 * ticket, another pool's, or one that was waited for before (if the request was complete when submitted: OK, again and
 * from any pool).
 * FORKED: the request runs in the parent, not here. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_pool_wait(sealane_pool *pool, sealane_ticket ticket);

/* Asks that what is not yet begun of a request be left out, by slices.  Never waits for work; sealane_pool_wait() is
 * still due and says what came of it: OK if everything was begun or complete by then.  ARGUMENT and FORKED as there. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_pool_cancel(sealane_pool *pool, sealane_ticket ticket);

/* ---- What it is, and what it did ---- */

struct sealane_worker_info {
    struct sealane_topology_worker plan;
    int pinned;      /* 1: may run there and nowhere else; 0: the system refused, or has moved it since */
    uint64_t slices; /* of 256 KiB or less, taken so far from its own node's queue, by it or by a caller in its place */
    uint64_t stolen; /* taken so far from other nodes' queues */
};

/* 0 in a child forked since the pool was created. */
SEALANE_API unsigned sealane_pool_workers(const sealane_pool *pool);

/* ARGUMENT for an index of sealane_pool_workers() or more; FORKED. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_pool_worker(sealane_pool *pool, unsigned index,
                                                                 struct sealane_worker_info *info);

/* ---- Memory by node ---- */

/* Zeroed memory of at least len bytes whose pages come from one node (the system's number) as far as it has room, or
 * SEALANE_INTERLEAVED: from all in turn.  Aligned to 2 MiB and apart from all other memory, so that no huge page holds
 * bytes of two buffers.  Not locked, not for keys.  Errors: ARGUMENT (no such node, len 0), IO (the system refuses to
 * place it, or does not tell its topology), NO_MEMORY.  Looks at the machine anew each time: for large buffers, not for
 * many.  Free with sealane_node_free() and the same len; NULL is fine. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_node_alloc(uint8_t **memory, size_t len, int node);
SEALANE_API void sealane_node_free(uint8_t *memory, size_t len);

enum { SEALANE_INTERLEAVED = -1 };

SEALANE_END

#endif
