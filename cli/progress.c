#define _POSIX_C_SOURCE 200809L
#include "cli/progress.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/text.h"

enum { FIRST_MS = 500, AGAIN_MS = 100 };

static const char clear_line[] = "\r\033[K";
static bool enabled;
static atomic_bool visible;
static uint64_t began_ms;
static uint64_t drawn_ms;

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void sl_cli_progress_begin(bool possible)
{
    enabled = possible && isatty(STDERR_FILENO);
    began_ms = now_ms();
    drawn_ms = 0;
}

static void draw(uint64_t done, uint64_t total, uint64_t elapsed_ms)
{
    char done_text[SL_CLI_BYTES_TEXT], total_text[SL_CLI_BYTES_TEXT], rate_text[SL_CLI_BYTES_TEXT];
    uint64_t per_second = (uint64_t)((double)done * 1000 / (double)elapsed_ms);
    sl_cli_format_bytes(done_text, done);
    sl_cli_format_bytes(rate_text, per_second);
    char line[160];
    if (total != UINT64_MAX && total > 0 && done <= total) {
        sl_cli_format_bytes(total_text, total);
        uint64_t left = per_second ? (total - done) / per_second : 0;
        snprintf(line, sizeof line, "%s%3.0f %%  %s of %s  %s/s  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left",
                 clear_line, 100 * ((double)done / (double)total), done_text, total_text, rate_text, left / 3600,
                 left / 60 % 60, left % 60);
    } else {
        snprintf(line, sizeof line, "%s%s  %s/s", clear_line, done_text, rate_text);
    }
    atomic_store(&visible, true);
    fputs(line, stderr);
    fflush(stderr);
}

void sl_cli_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    if (!enabled)
        return;
    uint64_t now = now_ms();
    if (now - began_ms < FIRST_MS || (drawn_ms && now - drawn_ms < AGAIN_MS))
        return;
    drawn_ms = now;
    draw(done, total, now - began_ms);
}

void sl_cli_progress_clear(void)
{
    if (atomic_exchange(&visible, false))
        fputs(clear_line, stderr);
}

void sl_cli_progress_clear_from_signal(void)
{
    /* If the terminal is gone there is nothing to clear and nobody to tell. */
    if (atomic_exchange(&visible, false) && write(STDERR_FILENO, clear_line, sizeof clear_line - 1) < 0)
        return;
}
