/* Temporary files: where the user says; else beside the program if that is a build directory, which lies on a disk with
 * room; else where temporary files may be large. */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <mntent.h>
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
        bench_note("temporary files remain in %s: %s", directory, strerror(errno));
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

void bench_catch_signals(void)
{
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP}, failures[] = {SIGXFSZ, SIGPIPE};
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
        if (sigaction(stops[i], &action, NULL) != 0)
            bench_note("signal %d will leave temporary files: %s", stops[i], strerror(errno));
    /* A write that cannot be is to fail and be reported, not to end the program. */
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (sigaction(failures[i], &action, NULL) != 0)
            bench_note("signal %d will leave temporary files: %s", failures[i], strerror(errno));
}

/* ---- The place ---- */

/* The program's own directory, if it is one that CMake builds in.  An installed program's is none to write to, not even
 * for root.  Empty: no such. */
static void build_directory(char *path, size_t capacity)
{
    static const char mark[] = "CMakeCache.txt";
    ssize_t len = readlink("/proc/self/exe", path, capacity - sizeof(mark));
    char *end = NULL;
    if (len > 0) {
        path[len] = '\0';
        end = strrchr(path, '/') + 1;
        memcpy(end, mark, sizeof(mark));
    }
    if (end && access(path, F_OK) == 0)
        end[-1] = '\0';
    else
        path[0] = '\0';
}

static int make_in(const char *place)
{
    char *absolute = realpath(place, NULL);
    int len = absolute ? snprintf(directory, sizeof(directory), "%s/bench-scratch.XXXXXX", absolute) : -1;
    int made = absolute && len > 0 && (size_t)len < sizeof(directory) && mkdtemp(directory);
    free(absolute);
    if (!made)
        directory[0] = '\0';
    return made;
}

const char *bench_scratch_create(const char *place)
{
    char build[PATH_MAX];
    if (place) {
        if (make_in(place))
            return directory;
        bench_error("no directory for temporary files can be made in %s: %s", place, strerror(errno));
        return NULL;
    }
    build_directory(build, sizeof(build));
    const char *temporary = getenv("TMPDIR");
    const char *const places[] = {build, temporary ? temporary : "", "/var/tmp", "."};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (places[i][0] && make_in(places[i]))
            return directory;
    bench_error("no directory for temporary files can be made beside the program, in TMPDIR, /var/tmp or here (%s): "
                "choose one with --scratch",
                strerror(errno));
    return NULL;
}

/* The mount point that is the longest beginning of the path; of those mounted over each other the last. */
const char *bench_filesystem(const char *path)
{
    static char type[64];
    struct mntent entry;
    char text[3 * PATH_MAX], *absolute = realpath(path, NULL);
    size_t longest = 0;
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    snprintf(type, sizeof(type), "unknown");
    while (mounts && absolute && getmntent_r(mounts, &entry, text, sizeof(text))) {
        size_t len = strlen(entry.mnt_dir);
        len -= entry.mnt_dir[len - 1] == '/' ? 1 : 0; /* only of "/" */
        if (len < longest || strncmp(absolute, entry.mnt_dir, len) != 0 || (absolute[len] && absolute[len] != '/'))
            continue;
        longest = len;
        snprintf(type, sizeof(type), "%s", entry.mnt_type);
    }
    if (mounts)
        endmntent(mounts);
    free(absolute);
    return type;
}
