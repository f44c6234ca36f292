/* Time, core cycles and the AES limit.  The time-stamp counter is not used: it does not count core cycles. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/internal.h"
#include "sealane/cpu.h"

static int counter_fd = -1;

double bench_now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0; /* cannot fail on Linux with this clock and a valid pointer */
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bench_cpu_seconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0)
        return 0;
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* What two readings of the clock cost by themselves. */
static double clock_cost(void)
{
    static double cost;
    for (int i = 0; i < 1000 && cost == 0; i++) {
        double best = 1;
        for (int j = 0; j < 1000; j++) {
            double start = bench_now(), elapsed = bench_now() - start;
            best = elapsed < best ? elapsed : best;
        }
        cost = best > 0 ? best : 1e-12;
    }
    return cost;
}

/* Core clock by one short spin. */
static double spin_hz(void)
{
    double start = bench_now();
    uint64_t cycles = sealane_cpu_spin(20000);
    double elapsed = bench_now() - start - clock_cost();
    return elapsed > 0 ? (double)cycles / elapsed : 0;
}

/* An interrupt only ever makes a spin look slower, so the fastest of a few is the clock. */
double bench_core_hz(void)
{
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double hz = spin_hz();
        best = hz > best ? hz : best;
    }
    return best;
}

void bench_cycles_open(void)
{
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_HARDWARE;
    attr.config = PERF_COUNT_HW_CPU_CYCLES;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    counter_fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (counter_fd < 0)
        return;
    /* Some hypervisors offer a counter that stands still: it must agree with a chain of known length. */
    uint64_t before = bench_cycles();
    uint64_t spun = sealane_cpu_spin(1000000);
    uint64_t counted = bench_cycles() - before;
    if (counted < spun || counted > spun + spun / 20)
        bench_cycles_close();
}

void bench_cycles_close(void)
{
    if (counter_fd >= 0)
        close(counter_fd);
    counter_fd = -1;
}

int bench_cycles_counted(void)
{
    return counter_fd >= 0;
}

uint64_t bench_cycles(void)
{
    uint64_t value = 0;
    ssize_t got;
    if (counter_fd < 0)
        return 0;
    do
        got = read(counter_fd, &value, sizeof(value));
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(value) ? value : 0;
}

/* The clock moves, so spins and probes take turns and get as many tries each: the fastest of both belong to the same
 * clock.  The median over several such batches keeps one lucky reading from moving the limit that all rows are held
 * against. */
static double cycles_per_probe(const struct sealane_cpu_aes_probe *probe)
{
    enum { BATCHES = 15, RUNS = 60, CALLS = 16 }; /* a run is some microseconds, as a spin is */
    double batches[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        double hz = 0, best = 0;
        for (int i = 0; i < RUNS; i++) {
            double clock = spin_hz(), start = bench_now();
            for (int call = 0; call < CALLS; call++)
                probe->run();
            double elapsed = bench_now() - start - clock_cost();
            hz = clock > hz ? clock : hz;
            best = i == 0 || elapsed < best ? elapsed : best;
        }
        batches[b] = best / CALLS * hz;
    }
    return bench_median(batches, BATCHES);
}

size_t bench_aes_limits(const struct bench_aes_limit **limits)
{
    enum { WIDTHS_MAX = 8 };
    static struct bench_aes_limit measured[WIDTHS_MAX];
    static size_t count;
    struct sealane_cpu_aes_probe probes[WIDTHS_MAX];
    *limits = measured;
    if (count > 0)
        return count;
    size_t all = sealane_cpu_aes_probes(probes, WIDTHS_MAX);
    for (; count < all && count < WIDTHS_MAX; count++) {
        double cycles = cycles_per_probe(&probes[count]);
        measured[count].width_bits = probes[count].width_bits;
        measured[count].bytes_per_cycle =
            cycles > 0 ? (double)probes[count].rounds_per_call * probes[count].width_bits / 8 / 14 / cycles : 0;
    }
    return count;
}
