#define _GNU_SOURCE
#include "bench/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

struct member {
    struct bench_team *team;
    pthread_t thread;
    unsigned cpu;
};

struct bench_team {
    pthread_barrier_t begin; /* the caller is one of those who meet here */
    pthread_barrier_t end;
    bool over; /* changes only while the members wait at `begin` */
    bench_team_work *work;
    void *context;
    size_t count;
    struct member member[];
};

static bool pin(unsigned cpu)
{
    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    if (!set)
        return false;
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    bool pinned = sched_setaffinity(0, size, set) == 0;
    CPU_FREE(set);
    return pinned;
}

static void *serve(void *argument)
{
    struct member *m = argument;
    struct bench_team *t = m->team;
    if (!pin(m->cpu))
        bench_note("CPU %u went away: a thread is not pinned", m->cpu);
    for (;;) {
        pthread_barrier_wait(&t->begin);
        if (t->over)
            return NULL;
        t->work(t->context, (size_t)(m - t->member));
        pthread_barrier_wait(&t->end);
    }
}

enum bench_status bench_team_start(struct bench_team **team, const unsigned *cpus, size_t count, bench_team_work *work,
                                   void *context)
{
    *team = NULL;
    struct bench_team *t = calloc(1, sizeof *t + count * sizeof t->member[0]);
    if (!t || pthread_barrier_init(&t->begin, NULL, (unsigned)count + 1) != 0) {
        free(t);
        bench_error("out of memory");
        return BENCH_FAILED;
    }
    pthread_barrier_init(&t->end, NULL, (unsigned)count + 1); /* fails only as the other did */
    t->work = work;
    t->context = context;
    for (; t->count < count; t->count++) {
        struct member *m = &t->member[t->count];
        m->team = t;
        m->cpu = cpus[t->count];
        /* Those that started would wait at the barrier for ever: the program ends here. */
        if (pthread_create(&m->thread, NULL, serve, m) != 0) {
            bench_error("a thread could not be started");
            exit(1);
        }
    }
    *team = t;
    return BENCH_OK;
}

void bench_team_run(struct bench_team *team)
{
    pthread_barrier_wait(&team->begin);
    pthread_barrier_wait(&team->end);
}

void bench_team_end(struct bench_team *team)
{
    if (!team)
        return;
    team->over = true;
    pthread_barrier_wait(&team->begin);
    for (size_t i = 0; i < team->count; i++)
        pthread_join(team->member[i].thread, NULL);
    pthread_barrier_destroy(&team->begin);
    pthread_barrier_destroy(&team->end);
    free(team);
}
