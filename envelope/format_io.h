/* The two ends of a sealed regular file. */
#ifndef SEALANE_ENVELOPE_FORMAT_IO_H
#define SEALANE_ENVELOPE_FORMAT_IO_H

#include "envelope/format.h"

enum { SL_TAIL_LEN = 2 * SL_PAGE };

/* Reads page 0 of a regular file, whatever the descriptor's position, and its size.  NOT_REGULAR; NOT_SEALED without
 * the magic; TRUNCATED below two pages; IO. */
SEALANE_CHECK enum sealane_error sl_head_read(int fd, uint8_t page[SL_PAGE], uint64_t *size);

/* What a stream's first bytes are, `got` of a page: OK for a whole page with the magic, else NOT_SEALED or TRUNCATED.
 */
SEALANE_CHECK enum sealane_error sl_head_judge(const uint8_t page[SL_PAGE], size_t got);

/* Reads and judges the end of a file of `size` bytes (at least two pages): sl_tail_judge, looking 1 MiB back for an
 * earlier end if the last page is none; then the padding: DAMAGED if it is not zero. */
SEALANE_CHECK enum sealane_error sl_tail_read(int fd, uint64_t size, struct sl_commit *commit,
                                              const uint8_t file_id[SL_FILE_ID_LEN], const struct sl_file_keys *keys);

/* DAMAGED unless the rest of the last data page, which ends where `tail_end` points, is zero. */
SEALANE_CHECK enum sealane_error sl_padding_judge(const uint8_t *tail_end, uint64_t length);

#endif
