/* Copies by the same threads: what memory lets them do. */
#include <stdlib.h>
#include <string.h>

#include "bench/copy_nt.h"
#include "bench/scaling.h"
#include "bench/team.h"

struct state {
    struct scaling_work work; /* first */
    void (*copy)(uint8_t *dst, const uint8_t *src, size_t len);
    struct bench_team *team;
};

static void copy_plain(uint8_t *dst, const uint8_t *src, size_t len)
{
    memcpy(dst, src, len);
}

static void copy_share(void *context, size_t member)
{
    struct state *s = context;
    struct scaling_part *p = &s->work.part[s->work.part_of[member]];
    struct scaling_piece piece = scaling_piece(&s->work, member, p);
    s->copy(p->dst + piece.from, p->src + piece.from, piece.len);
    scaling_done(&s->work, p);
}

static void teardown(void *memory)
{
    struct state *s = memory;
    bench_team_end(s->team);
    free(s);
}

static enum bench_status setup(void **memory, const struct bench_row *row,
                               void (*copy)(uint8_t *dst, const uint8_t *src, size_t len))
{
    struct state *s = calloc(1, sizeof(*s));
    *memory = NULL;
    if (!s) {
        bench_error("%s: not enough memory", row->full_name);
        return BENCH_FAILED;
    }
    scaling_work_init(&s->work, row);
    s->copy = copy;
    enum bench_status status = s->work.in_place /* there is nothing to copy */
                                   ? BENCH_ABSENT
                                   : bench_team_start(&s->team, s->work.cpu, s->work.threads, copy_share, s);
    if (status != BENCH_OK)
        teardown(s);
    else
        *memory = s;
    return status;
}

static enum bench_status setup_memcpy(void **memory, const struct bench_row *row)
{
    return setup(memory, row, copy_plain);
}

static enum bench_status setup_nt(void **memory, const struct bench_row *row)
{
    *memory = NULL;
    return bench_can_copy_nt() ? setup(memory, row, bench_copy_nt) : BENCH_ABSENT;
}

static enum bench_status run(void *memory, uint64_t iterations)
{
    struct state *s = memory;
    return scaling_run_team(&s->work, s->team, iterations);
}

const struct bench_implementation bench_scaling_copy_memcpy = {.name = "copy:memcpy",
                                                               .setup = setup_memcpy,
                                                               .before = scaling_before,
                                                               .run = run,
                                                               .counters = scaling_counters,
                                                               .teardown = teardown};

const struct bench_implementation bench_scaling_copy_nt = {.name = "copy:nt",
                                                           .setup = setup_nt,
                                                           .before = scaling_before,
                                                           .run = run,
                                                           .counters = scaling_counters,
                                                           .teardown = teardown};
