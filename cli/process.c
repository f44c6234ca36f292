#define _GNU_SOURCE
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/progress.h"
#include "sealane/memory.h"
#include "sealane/output.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define UNDER_ADDRESS_SANITIZER 1
#endif

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU};

static void on_signal(int number)
{
    static atomic_flag entered = ATOMIC_FLAG_INIT;
    /* A second thread with another signal must not end the process before the first one has cleaned up. */
    while (atomic_flag_test_and_set(&entered))
        pause();
    sl_cli_progress_clear_from_signal();
    sealane_output_abandon_all();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    signal(number, SIG_DFL);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + number); /* not reached: the signal has ended us */
}

static bool catch_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction handle = {.sa_handler = on_signal};
    sigemptyset(&ignore.sa_mask);
    sigemptyset(&handle.sa_mask);
    const size_t count = sizeof ending_signals / sizeof ending_signals[0];
    for (size_t i = 0; i < count; i++)
        sigaddset(&handle.sa_mask, ending_signals[i]);
    for (size_t i = 0; i < count; i++) {
        struct sigaction old;
        if (sigaction(ending_signals[i], NULL, &old) != 0)
            return false;
        /* Ignored by whoever started us (nohup, a shell's background job): stays so. */
        if (old.sa_handler != SIG_IGN && sigaction(ending_signals[i], &handle, NULL) != 0)
            return false;
    }
    /* Both come back as errors of write instead: EPIPE, EFBIG. */
    return sigaction(SIGPIPE, &ignore, NULL) == 0 && sigaction(SIGXFSZ, &ignore, NULL) == 0;
}

/* Standard input is filled with something that cannot be read and the others with something that cannot be written, so
 * that using them is an error, as it was. */
static bool fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    }
    return true;
}

static bool forbid_dumps(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return false;
#ifdef UNDER_ADDRESS_SANITIZER
    return true; /* its search for leaks traces this process */
#else
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
#endif
}

/* OpenSSL runs what a configuration of its names, and its engines would do our digests: it is given an empty one. */
static bool ignore_openssl_configuration(void)
{
    return setenv("OPENSSL_CONF", "/dev/null", 1) == 0;
}

bool sl_cli_process_init(void)
{
    if (!ignore_openssl_configuration() || !fill_standard_descriptors() || !forbid_dumps() || !catch_signals())
        return false;
    sealane_memory_hide();
    return true;
}
