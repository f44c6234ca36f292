/* Temporary files: in a directory beside the program, so that they lie on a disk with room and not in a small tmpfs. */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/internal.h"

enum { OPEN_DIRECTORIES = 16 };

static char directory[PATH_MAX];
static volatile sig_atomic_t stopped;

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

void bench_scratch_remove(void)
{
    if (directory[0] && nftw(directory, remove_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
        bench_note("temporary files remain beside the program: %s", strerror(errno));
    directory[0] = '\0';
}

/* Once stopped, the repetition that runs is the last; a second signal ends the program at once. */
static void on_signal(int number)
{
    stopped = number;
}

int bench_stopped(void)
{
    return stopped;
}

const char *bench_scratch_create(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    ssize_t len = readlink("/proc/self/exe", directory, sizeof(directory) - 32);
    if (len <= 0) {
        bench_error("cannot tell where the program lies: %s", strerror(errno));
        directory[0] = '\0';
        return NULL;
    }
    directory[len] = '\0';
    len = strrchr(directory, '/') + 1 - directory;
    snprintf(directory + len, sizeof(directory) - (size_t)len, "bench-scratch.XXXXXX");
    if (!mkdtemp(directory)) {
        bench_error("cannot make a directory for temporary files beside the program: %s", strerror(errno));
        directory[0] = '\0';
        return NULL;
    }
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sigaction(signals[i], &action, NULL) != 0)
            bench_note("signal %d will leave temporary files: %s", signals[i], strerror(errno));
    /* A write beyond the file size limit is to fail and be reported, not to end the program. */
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    if (sigaction(SIGXFSZ, &action, NULL) != 0)
        bench_note("signal %d will leave temporary files: %s", SIGXFSZ, strerror(errno));
    return directory;
}
