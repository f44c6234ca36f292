/* guest_exit N: ends the virtual machine; qemu's exit code is then 2 * (N + 16) + 1, so that 33 is success: a kernel
 * that panics, or a guest that powers off, would give 0. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

enum { DEBUG_EXIT_PORT = 0xf4 };

int main(int argc, char **argv)
{
    int code = argc == 2 ? atoi(argv[1]) : 3;
    if (ioperm(DEBUG_EXIT_PORT, 4, 1) != 0) {
        perror("ioperm");
        return 1;
    }
    outl((unsigned)code + 16, DEBUG_EXIT_PORT);
    return 1;
}
