/* A progress bar on standard error: only on a terminal, only for work that takes long. */
#ifndef SEALANE_CLI_PROGRESS_H
#define SEALANE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the clock.  `possible` false (the terminal shows the data itself): no bar will appear. */
void sl_cli_progress_begin(bool possible);

/* A sealane_progress. */
void sl_cli_progress(void *context, uint64_t done, uint64_t total);

/* Removes the bar if one is there. */
void sl_cli_progress_clear(void);

/* The same, async-signal-safe. */
void sl_cli_progress_clear_from_signal(void);

#endif
