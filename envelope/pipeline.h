/* A ring of buffers between the calling thread, which fills them, and one thread that writes them in order.
 *
 * So reading and encrypting overlap with writing.  Memory is SL_RING_BUFFERS * SL_RING_LEN bytes, left out of core
 * dumps and wiped at the end: it holds plaintext.  All calls come from one thread.  A child forked in between has no
 * writer: there every call does nothing but fail with ARGUMENT, and sl_pipeline_end frees the child's copy. */
#ifndef SEALANE_ENVELOPE_PIPELINE_H
#define SEALANE_ENVELOPE_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include "sealane/error.h"

/* A buffer stays in L2 (1 MiB where this was measured, two cores) between reading and encrypting.  Sealing 1 GiB on
 * tmpfs took about a tenth more CPU time with 128 KiB, more still with 64 KiB; 512 KiB were no better than 256 KiB, nor
 * were four times as many buffers. */
enum { SL_RING_BUFFERS = 8, SL_RING_LEN = 256 * 1024 };

struct sl_pipeline;

/* Starts the writer for out_fd (borrowed), at the descriptor's position.  *pipeline is NULL on failure: NO_MEMORY.  The
 * thread has all signals blocked: a closed pipe or RLIMIT_FSIZE is an error here, not the end of the process. */
SEALANE_CHECK enum sealane_error sl_pipeline_start(struct sl_pipeline **pipeline, int out_fd);

/* *buffer: SL_RING_LEN page-aligned bytes to fill, once one is free; the same again until it is submitted.  If writing
 * has failed, that error. */
SEALANE_CHECK enum sealane_error sl_pipeline_buffer(struct sl_pipeline *pipeline, uint8_t **buffer);

/* Queues `len` bytes from `start` of the current buffer. */
void sl_pipeline_submit(struct sl_pipeline *pipeline, size_t start, size_t len);

/* Waits until all that was submitted is written, then moves the descriptor of a regular file on by `len` bytes that
 * somebody else has written or is about to write.  If writing has failed, that error; IO. */
SEALANE_CHECK enum sealane_error sl_pipeline_skip(struct sl_pipeline *pipeline, uint64_t len);

/* Waits until all that was submitted is written (or, if `error` is a failure, only for the write under way), ends the
 * thread, wipes and frees.  Returns `error` if it is one, else what the writing came to. */
SEALANE_CHECK enum sealane_error sl_pipeline_end(struct sl_pipeline *pipeline, enum sealane_error error);

#endif
