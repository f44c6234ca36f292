/* The process itself: descriptors, signals, dumps. */
#ifndef SEALANE_CLI_PROCESS_H
#define SEALANE_CLI_PROCESS_H

#include <stdbool.h>

/* Before anything else in main: a closed descriptor 0 to 2 is filled so that no file of ours lands there; no core dump
 * and no debugger of the same user can see keys; signals that end the program remove its temporaries first.  False: the
 * system refused. */
bool sl_cli_process_init(void);

#endif
