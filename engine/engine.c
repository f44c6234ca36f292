#include <stdlib.h>
#include <string.h>

#include "arch/cpu.h"
#include "base/secret.h"
#include "engine/internal.h"
#include "sealane/memory.h"

static enum sealane_kernel_state state_of(const struct sealane_engine *engine, size_t row, uint32_t cpu)
{
    const struct sl_kernel *kernel = sl_kernels[row].kernel;
    if (!kernel)
        return SEALANE_KERNEL_OTHER_ARCH;
    if ((kernel->needs & cpu) != kernel->needs)
        return SEALANE_KERNEL_UNSUPPORTED;
    return engine->wrong[row] ? SEALANE_KERNEL_WRONG : SEALANE_KERNEL_READY;
}

/* The first kernel that is ready, by name or by order; first those that this CPU runs without drawbacks. */
static void pick(struct sealane_engine *engine, const char *forced, uint32_t cpu, bool avoid)
{
    for (size_t i = 0; i < sl_kernel_count && !engine->kernel; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (forced && strcmp(forced, sl_kernels[i].name) != 0)
            continue;
        if (state_of(engine, i, cpu) == SEALANE_KERNEL_READY && !(avoid && (kernel->prefers & ~cpu) != 0))
            engine->kernel = kernel;
    }
}

/* Tests every kernel this CPU can run, so that a wrong one is reported even where a better one serves. */
static enum sealane_error choose(struct sealane_engine *engine, const char *forced)
{
    uint32_t cpu = sl_cpu();
    bool known = false;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        known = known || !forced || strcmp(forced, sl_kernels[i].name) == 0;
        if (state_of(engine, i, cpu) == SEALANE_KERNEL_READY)
            engine->wrong[i] = !sl_selftest(sl_kernels[i].kernel);
    }
    if (!known)
        return SEALANE_E_KERNEL_UNKNOWN;
    pick(engine, forced, cpu, !forced);
    pick(engine, forced, cpu, false);
    return engine->kernel ? SEALANE_OK : SEALANE_E_KERNEL_UNUSABLE;
}

static bool backend_is_valid(const struct sealane_backend *b)
{
    return b->name && b->key_prepare && b->ctr && b->key_free &&
           (b->counter_bits == 32 || b->counter_bits == 64 || b->counter_bits == 128) &&
           (b->thread_rule == SEALANE_THREADS_ANY || b->thread_rule == SEALANE_THREADS_ONE);
}

enum sealane_error sealane_engine_create(sealane_engine **engine, const struct sealane_engine_options *options)
{
    static const struct sealane_engine_options defaults = SEALANE_ENGINE_OPTIONS_INIT;
    *engine = NULL;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || (options->backend && !backend_is_valid(options->backend)))
        return SEALANE_E_ARGUMENT;
    struct sealane_engine *e = calloc(1, sizeof *e);
    if (!e)
        return SEALANE_E_NO_MEMORY;
    e->backend = options->backend;
    e->allow_unlocked = options->allow_unlocked_memory != 0;
    e->wrong = calloc(sl_kernel_count, sizeof e->wrong[0]);
    e->backend_failures = calloc(1, sizeof *e->backend_failures);
    enum sealane_error error = e->wrong && e->backend_failures ? choose(e, options->kernel) : SEALANE_E_NO_MEMORY;
    if (!error)
        error = sl_tables_create(&e->tables, options->table_bytes);
    if (error) {
        sealane_engine_free(e);
        return error;
    }
    sl_thresholds_set(e, &options->thresholds);
    *engine = e;
    return SEALANE_OK;
}

void sealane_engine_free(sealane_engine *engine)
{
    if (!engine)
        return;
    sl_tables_free(engine->tables);
    free(engine->backend_failures);
    free(engine->wrong);
    free(engine);
}

size_t sealane_engine_kernels(const sealane_engine *engine, struct sealane_kernel_info *info, size_t capacity)
{
    uint32_t cpu = sl_cpu();
    for (size_t i = 0; i < sl_kernel_count && i < capacity; i++) {
        const struct sl_kernel_row *row = &sl_kernels[i];
        info[i] = (struct sealane_kernel_info){
            .name = row->name,
            .architecture = row->architecture,
            .state = state_of(engine, i, cpu),
            .chosen = row->kernel == engine->kernel,
            .avoided = row->kernel && (row->kernel->prefers & ~cpu) != 0,
        };
    }
    return sl_kernel_count;
}

uint64_t sealane_engine_backend_failures(const sealane_engine *engine)
{
    return atomic_load_explicit(engine->backend_failures, memory_order_relaxed);
}

void sealane_memory_hide(void)
{
    sl_secret_use_memfd();
}

int sealane_memory_unlocked(void)
{
    return sl_secret_unlocked();
}
