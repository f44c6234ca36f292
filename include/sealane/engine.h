/* AES-256-CTR at any offset (NIST SP 800-38A, section 6.5; AES: FIPS 197).
 *
 * The counter block for byte p of a keystream is IV + p/16 modulo 2^128, the IV taken as a 128-bit big-endian number:
 * the counter is the whole block.  Encrypting and decrypting are the same operation.  CTR protects nothing against
 * change, and one (key, counter block) pair must never encrypt two plaintexts: that is the caller's duty here and the
 * file formats' duty above.
 *
 * An engine picks the kernel once, when it is created, after that kernel has reproduced known answers on this machine.
 * Nothing in the environment steers it. */
#ifndef SEALANE_ENGINE_H
#define SEALANE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"
#include "sealane/export.h"
#include "sealane/record.h"

SEALANE_BEGIN

typedef struct sealane_engine sealane_engine;
typedef struct sealane_key sealane_key;
typedef struct sealane_stream sealane_stream;

enum {
    SEALANE_KEY_LEN = 32,             /* bytes of an AES-256 key */
    SEALANE_BLOCK_LEN = 16,           /* bytes of a counter block */
    SEALANE_BACKEND_LEN_MAX = 1 << 30 /* bytes a backend gets in one call */
};

/* ---- Backends: another library's AES-256-CTR behind this interface ---- */

enum sealane_thread_rule {
    SEALANE_THREADS_ANY = 0, /* any threads may use one backend key at the same time */
    SEALANE_THREADS_ONE = 1  /* one call at a time for each backend key */
};

struct sealane_backend {
    /* For reports.  Static text. */
    const char *name;

    /* How many low bits of the counter block `ctr` counts in: 32, 64 or 128.  The engine splits its input so that a
     * smaller counter never wraps inside one call. */
    unsigned counter_bits;

    enum sealane_thread_rule thread_rule;

    /* Expands 32 key bytes.  On success *key is what the other slots get; on failure the engine serves that key
     * alone and counts one failure.  Must not keep a pointer to `bytes`. */
    enum sealane_error (*key_prepare)(void **key, const uint8_t bytes[32]);

    /* XORs the keystream that starts at `counter_block` into dst, 1 to SEALANE_BACKEND_LEN_MAX bytes (the engine splits
     * longer input, since some libraries count bytes in an int); dst == src or disjoint.  On an error the
     * engine counts a failure and encrypts the same bytes itself: so src must be intact then, and whatever was written
     * to a separate dst does not matter. */
    enum sealane_error (*ctr)(void *key, const uint8_t counter_block[16], uint8_t *dst, const uint8_t *src, size_t len);

    /* Wipes and frees.  Called once for each prepared key, on any thread. */
    void (*key_free)(void *key);
};

/* ---- Engine ---- */

/* Bytes of one call from which it takes another path to the same result.  0: the default; SIZE_MAX: never.
 * `sealane-bench --calibrate` measures where each pays. */
struct sealane_thresholds {
    size_t key_table;    /* by a table of the key, if that has one by then (see table_bytes) */
    size_t stream_table; /* sealane_stream_xor: by a table of the stream */

    /* Where dst != src and dst is aligned to 16 bytes at the start of a block of the keystream: by stores that go past
     * the caches, so that dst is in none of them afterwards.  The default is three quarters of what the creating thread
     * can count on of its CPU's last-level cache: its size divided by the hardware threads that share it, at most 4 of
     * them; 24 MiB where the system does not tell; never with kernels that gain nothing, or have no such path. */
    size_t non_temporal;
};

struct sealane_engine_options {
    size_t size;                           /* sizeof(struct sealane_engine_options) */
    const char *kernel;                    /* force this kernel by name; NULL: the best one that is usable */
    const struct sealane_backend *backend; /* NULL: none.  Must outlive the engine. */
    int allow_unlocked_memory;             /* non-zero: keys may lie in memory that could not be locked */

    /* Bytes of tables that let kernels skip rounds (docs/KERNELS.md), in locked memory; about 4 KiB each, half of them
     * for keys, half for streams.  At most a quarter of RLIMIT_MEMLOCK.  Memory is locked by 16 KiB, for three tables
     * and whatever else fits between: up to a third more than this.  0: none; then and when they run out, calls are
     * slower and the results the same.
     *
     * Tables are indexed by the last byte of the counter block, which shows in the cache.  So 0 is what secret IVs need
     * (a CTR_DRBG's V); those of files and messages are public. */
    size_t table_bytes;

    struct sealane_thresholds thresholds; /* all 0: the defaults */
};

enum { SEALANE_TABLE_BYTES = 256 * 1024 /* the default */ };

#define SEALANE_ENGINE_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(struct sealane_engine_options), NULL, NULL, 0, SEALANE_TABLE_BYTES,                                     \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }

/* Creates an engine; options NULL means the defaults.  Errors: KERNEL_UNKNOWN, KERNEL_UNUSABLE (a forced kernel this
 * machine cannot run, or one whose self-test failed), ARGUMENT (options->size unknown, a malformed backend),
 * NO_MEMORY.  *engine is NULL on failure.  Takes about a millisecond, as every kernel that this CPU can run is tested
 * (1.2 ms for eight of them, Zen 5): one engine for a process, not one for a request.  An engine is immutable: any
 * thread. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_engine_create(sealane_engine **engine,
                                                                   const struct sealane_engine_options *options);

/* Frees; NULL is fine.  All keys of the engine must be freed before. */
SEALANE_API void sealane_engine_free(sealane_engine *engine);

enum sealane_kernel_state {
    SEALANE_KERNEL_READY = 0,       /* usable: it passed its self-test */
    SEALANE_KERNEL_OTHER_ARCH = 1,  /* for another architecture, not in this library */
    SEALANE_KERNEL_UNSUPPORTED = 2, /* the CPU lacks an instruction, or the system does not save its registers */
    SEALANE_KERNEL_WRONG = 3        /* gave a wrong known answer on this machine; never used */
};

struct sealane_kernel_info {
    const char *name;         /* static text, such as "vaes-avx512" */
    const char *architecture; /* "x86_64", "aarch64" or "any" */
    enum sealane_kernel_state state;
    int chosen;  /* 1 for the one kernel this engine uses */
    int avoided; /* 1 for one that would slow this CPU down (512-bit vectors on Intel's Ice Lake and Tiger Lake): only
                  * used if forced, or if no other is usable */
};

/* The kernel table as this engine sees it, best first.  Fills at most `capacity` entries of `info` (may be NULL with
 * capacity 0) and returns how many kernels there are. */
SEALANE_API size_t sealane_engine_kernels(const sealane_engine *engine, struct sealane_kernel_info *info,
                                          size_t capacity);

/* The thresholds of this engine, defaults filled in; SIZE_MAX: never, as asked for or by default, or because its kernel
 * has no such path or the engine no tables. */
SEALANE_API void sealane_engine_thresholds(const sealane_engine *engine, struct sealane_thresholds *thresholds);

/* How often the backend failed and the engine's own kernel served instead.  0 without a backend.  Any thread. */
SEALANE_API uint64_t sealane_engine_backend_failures(const sealane_engine *engine);

/* ---- Keys ---- */

/* Expands 32 bytes into a key bound to `engine`, which must outlive it.  The bytes are not kept.  The key lies in
 * locked memory that is wiped when freed, not dumped, and private to this process.  Errors: MEMORY_LOCK (see
 * allow_unlocked_memory), NO_MEMORY.  *key is NULL on failure. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_key_create(const sealane_engine *engine, sealane_key **key,
                                                                const uint8_t bytes[SEALANE_KEY_LEN]);

/* The same for `count` keys at a time: bytes are count * SEALANE_KEY_LEN, keys[k] is made of the k-th 32 of them.
 * Faster than one by one, and the keys lie side by side.  All or none: on failure keys[0] to keys[count - 1] are NULL.
 * Each key is freed on its own. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_keys_create(const sealane_engine *engine, sealane_key **keys,
                                                                 const uint8_t *bytes, size_t count);

/* Wipes and frees; NULL is fine.  No call may be using the key.  Freeing twice is an assertion in debug builds. */
SEALANE_API void sealane_key_free(sealane_key *key);

/* ---- CTR ---- */

/* dst[i] = src[i] ^ keystream[offset + i] for i < len.  A pure function of its arguments: no failure, any alignment,
 * any number of threads with one key.  dst == src, or the two do not overlap; offset + len <= 2^64; a breach is an
 * assertion in debug builds and undefined otherwise.  With len 0 the pointers may be NULL.  Nothing is allocated but,
 * now and then, one of the tables of table_bytes, under a lock: not for signal handlers, unless that is 0. */
SEALANE_API void sealane_ctr_xor(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset,
                                 uint8_t *dst, const uint8_t *src, size_t len);

struct sealane_iovec {
    uint8_t *dst;
    const uint8_t *src; /* dst == src, or disjoint */
    size_t len;
};

/* The same for `count` pieces as one keystream: piece k starts where piece k - 1 ended. */
SEALANE_API void sealane_ctr_xorv(const sealane_key *key, const uint8_t iv[SEALANE_BLOCK_LEN], uint64_t offset,
                                  const struct sealane_iovec *pieces, size_t count);

/* sealane_ctr_xor for `count` records (sealane/record.h), in no particular order: faster than one by one where records
 * are of up to 16 bytes and the kernel has AES instructions for x86-64, or of up to 64 bytes with vaes-avx512.  With
 * that it is fastest where eight or more records lie in equal steps, as values of an array do: one length (up to 256
 * bytes, or 64 where keys differ), offset 0, iv, dst and src each so many bytes from the last.  Otherwise the check
 * below is added to a loop.  Keys may differ, even their engines; neighbours with the same key are fastest.  Records
 * are checked first, and only a batch without a breach writes anything.  Errors:
 *
 *   ARGUMENT   in a record whose len is not 0: a null pointer, or offset + len > 2^64, or a dst that overlaps another
 *              record's dst or src, or its own src without being equal to it (several records may read one src);
 *   NO_MEMORY  for that check.
 *
 * The check takes about a nanosecond a record (in equal steps a third of that) and no memory where the dst ascend and
 * each src is equal to its dst, or all those that are not lie below or above all dst.  Otherwise records are sorted for
 * it: about 7 ns each for 64 records, so that a loop of sealane_ctr_xor is faster for short ones; and beyond
 * SEALANE_BATCH_UNSORTED_MAX records with memory from malloc, 32 bytes for each.
 *
 * Any number of threads, as long as no thread's dst overlaps what another's call uses. */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_ctr_batch(const struct sealane_record *records, size_t count);

enum { SEALANE_BATCH_UNSORTED_MAX = 256 }; /* records in any order that are checked without malloc */

/* ---- Streams: one key and one IV, kept together ---- */

/* A stream borrows `key`, which must outlive it, and copies the IV into secret memory.  Errors as sealane_key_create.
 */
SEALANE_API SEALANE_CHECK enum sealane_error sealane_stream_create(const sealane_key *key, sealane_stream **stream,
                                                                   const uint8_t iv[SEALANE_BLOCK_LEN]);

/* As sealane_ctr_xor, any offset in any order, any thread. */
SEALANE_API void sealane_stream_xor(const sealane_stream *stream, uint64_t offset, uint8_t *dst, const uint8_t *src,
                                    size_t len);

/* Wipes and frees; NULL is fine.  No call may be using the stream.  Freeing twice is an assertion in debug builds. */
SEALANE_API void sealane_stream_free(sealane_stream *stream);

SEALANE_END

#endif
