/* Creating engines and keys, the rules of the interface, backends that fail, and what is left of a key once freed. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/kernel.h"
#include "base/wipe.h"
#include "tests/support/child.h"
#include "tests/support/double_backend.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/traces.h"

static enum sealane_error create(const struct sealane_engine_options *options)
{
    sealane_engine *engine = (sealane_engine *)&engine;
    enum sealane_error error = sealane_engine_create(&engine, options);
    if (error)
        assert_null(engine);
    else
        assert_non_null(engine);
    sealane_engine_free(engine);
    return error;
}

static void options_are_checked(void **state)
{
    (void)state;
    struct sealane_engine_options good = SEALANE_ENGINE_OPTIONS_INIT, options = good;
    assert_int_equal(create(NULL), SEALANE_OK);
    assert_int_equal(create(&good), SEALANE_OK);
    static const size_t sizes[] = {0, 1, sizeof good - 1, sizeof good + 8, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        options.size = sizes[i];
        assert_int_equal(create(&options), SEALANE_E_ARGUMENT);
    }
    static const char *const names[] = {"", "vaes", "VAES-AVX512", "portable ", "openssl", "vaes-avx512\n"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        options = good;
        options.kernel = names[i];
        assert_int_equal(create(&options), SEALANE_E_KERNEL_UNKNOWN);
    }
}

static void malformed_backends_are_refused(void **state)
{
    (void)state;
    double_backend_reset((struct double_backend_plan){.counter_bits = 32});
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    const struct sealane_backend good = double_backend(SEALANE_THREADS_ANY);
    struct sealane_backend b = good;
    options.backend = &b;
    assert_int_equal(create(&options), SEALANE_OK);
    static const unsigned bits[] = {0, 8, 31, 33, 96, 256};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        b = good;
        b.counter_bits = bits[i];
        assert_int_equal(create(&options), SEALANE_E_ARGUMENT);
    }
    b = good, b.name = NULL;
    assert_int_equal(create(&options), SEALANE_E_ARGUMENT);
    b = good, b.key_prepare = NULL;
    assert_int_equal(create(&options), SEALANE_E_ARGUMENT);
    b = good, b.ctr = NULL;
    assert_int_equal(create(&options), SEALANE_E_ARGUMENT);
    b = good, b.key_free = NULL;
    assert_int_equal(create(&options), SEALANE_E_ARGUMENT);
    b = good, b.thread_rule = (enum sealane_thread_rule)7;
    assert_int_equal(create(&options), SEALANE_E_ARGUMENT);
}

static bool can_run(size_t row)
{
    const struct sl_kernel *kernel = sl_kernels[row].kernel;
    return kernel && (kernel->needs & sl_cpu()) == kernel->needs;
}

static void forcing_a_kernel(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
        options.kernel = sl_kernels[i].name;
        assert_int_equal(create(&options), can_run(i) ? SEALANE_OK : SEALANE_E_KERNEL_UNUSABLE);
        if (!can_run(i))
            continue;
        struct engine_subject subject;
        engine_subject_open(&subject, sl_kernels[i].name, NULL);
        for (size_t j = 0; j < sl_kernel_count; j++)
            assert_int_equal(engine_kernel_info(subject.engine, j).chosen, j == i);
        engine_subject_close(&subject);
    }
}

static void kernel_table_as_seen(void **state)
{
    (void)state;
    sealane_engine *engine;
    assert_int_equal(sealane_engine_create(&engine, NULL), SEALANE_OK);
    assert_int_equal(sealane_engine_kernels(engine, NULL, 0), sl_kernel_count);
    struct sealane_kernel_info info[65];
    memset(info, 0xc3, sizeof info);
    const struct sealane_kernel_info untouched = info[64];
    assert_true(sl_kernel_count <= 64);
    for (size_t capacity = 0; capacity <= 64; capacity++) {
        memset(info, 0xc3, sizeof info);
        assert_int_equal(sealane_engine_kernels(engine, info, capacity), sl_kernel_count);
        size_t filled = capacity < sl_kernel_count ? capacity : sl_kernel_count;
        assert_memory_equal(&info[filled], &untouched, sizeof untouched);
    }
    size_t best = sl_kernel_count;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        enum sealane_kernel_state expected = SEALANE_KERNEL_READY;
        if (!kernel)
            expected = SEALANE_KERNEL_OTHER_ARCH;
        else if ((kernel->needs & sl_cpu()) != kernel->needs)
            expected = SEALANE_KERNEL_UNSUPPORTED;
        assert_string_equal(info[i].name, sl_kernels[i].name);
        assert_string_equal(info[i].architecture, sl_kernels[i].architecture);
        assert_int_equal(info[i].state, expected);
        if (expected == SEALANE_KERNEL_READY && best == sl_kernel_count && !info[i].avoided)
            best = i;
    }
    for (size_t i = 0; i < sl_kernel_count; i++)
        assert_int_equal(info[i].chosen, i == best); /* dispatch takes the best that is usable */
    assert_int_equal(sealane_engine_backend_failures(engine), 0);
    sealane_engine_free(engine);
}

static void freeing_nothing(void **state)
{
    (void)state;
    sealane_stream_free(NULL);
    sealane_key_free(NULL);
    sealane_engine_free(NULL);
}

/* ---- A breach of the interface is an assertion in builds that have them ---- */

static uint8_t buffer[4096];

struct breach {
    const sealane_key *key;
    uint64_t offset;
    uint8_t *dst;
    const uint8_t *src;
    size_t len;
    const sealane_stream *stream; /* NULL: by the key */
};

static void quiet(void)
{
    if (!freopen("/dev/null", "w", stderr))
        _exit(1);
}

static void commit_breach(void *argument)
{
    static const uint8_t iv[16] = {0};
    const struct breach *b = argument;
    quiet(); /* the assertion's message is not this program's */
    if (b->stream)
        sealane_stream_xor(b->stream, b->offset, b->dst, b->src, b->len);
    else
        sealane_ctr_xor(b->key, iv, b->offset, b->dst, b->src, b->len);
}

static void pieces_past_the_end(void *key)
{
    static const uint8_t iv[16] = {0};
    const struct sealane_iovec pieces[] = {{buffer, buffer, 16}, {buffer + 16, buffer + 16, 16}};
    quiet();
    sealane_ctr_xorv(key, iv, UINT64_MAX - 15, pieces, 2);
}

static void key_freed_twice(void *key)
{
    quiet();
    sealane_key_free(key);
    sealane_key_free(key);
}

static void stream_freed_twice(void *stream)
{
    quiet();
    sealane_stream_free(stream);
    sealane_stream_free(stream);
}

static void breaches_abort(void **state)
{
    (void)state;
#ifdef NDEBUG
    test_not_run("assertions on overlap and overflow", "this build has none (NDEBUG)");
    skip();
#endif
    static const uint8_t bytes[32] = {1};
    struct engine_subject s;
    engine_subject_open(&s, NULL, NULL);
    assert_int_equal(sealane_key_create(s.engine, &s.key, bytes), SEALANE_OK);
    assert_int_equal(sealane_stream_create(s.key, &s.stream, bytes), SEALANE_OK);
    struct breach breaches[] = {
        {s.key, 0, buffer + 1, buffer, 100, NULL},
        {s.key, 0, buffer, buffer + 1, 100, NULL},
        {s.key, 0, buffer + 99, buffer, 100, NULL},
        {s.key, 0, buffer, buffer + 99, 100, NULL},
        {s.key, UINT64_MAX, buffer, buffer, 2, NULL},
        {s.key, UINT64_MAX - 98, buffer, buffer, 100, NULL},
        {s.key, 0, NULL, buffer, 1, NULL},
        {s.key, 0, buffer, NULL, 1, NULL},
    };
    for (size_t i = 0; i < 2 * sizeof breaches / sizeof breaches[0]; i++) {
        struct breach *b = &breaches[i / 2];
        b->stream = i % 2 ? s.stream : NULL;
        assert_true(test_child_died_by(test_child(commit_breach, b), SIGABRT));
    }
    assert_true(test_child_died_by(test_child(pieces_past_the_end, s.key), SIGABRT));
    assert_true(test_child_died_by(test_child(key_freed_twice, s.key), SIGABRT));
    assert_true(test_child_died_by(test_child(stream_freed_twice, s.stream), SIGABRT));
    struct breach allowed[] = {
        {s.key, 0, buffer + 100, buffer, 100, NULL},  {s.key, 0, buffer, buffer + 100, 100, NULL},
        {s.key, UINT64_MAX, buffer, buffer, 1, NULL}, {s.key, UINT64_MAX - 99, buffer, buffer, 100, NULL},
        {s.key, UINT64_MAX, NULL, NULL, 0, NULL},     {s.key, 0, buffer + 1, buffer, 0, NULL},
    };
    for (size_t i = 0; i < 2 * sizeof allowed / sizeof allowed[0]; i++) {
        struct breach *b = &allowed[i / 2];
        b->stream = i % 2 ? s.stream : NULL;
        assert_true(test_child_passed(test_child(commit_breach, b)));
    }
    engine_subject_close(&s);
}

/* ---- Backends ---- */

static void a_backend_that_fails_changes_nothing(void **state)
{
    (void)state;
    static const unsigned bits[] = {32, 64, 128};
    static const unsigned fail_every[] = {0, 1, 3};
    static bool (*const cases[])(struct ctr_subject *) = {ctr_case_vectors, ctr_case_carries, ctr_case_far,
                                                          ctr_case_keys, ctr_case_guarded};
    for (size_t i = 0; i < 9; i++) {
        double_backend_reset(
            (struct double_backend_plan){.counter_bits = bits[i % 3], .fail_every = fail_every[i / 3], .spoil_dst = 1});
        const struct sealane_backend backend = double_backend(i % 2 ? SEALANE_THREADS_ANY : SEALANE_THREADS_ONE);
        struct engine_subject s;
        engine_subject_open(&s, NULL, &backend);
        struct ctr_subject subject = engine_subject_cases(&s, "backend double");
        for (size_t j = 0; j < sizeof cases / sizeof cases[0]; j++) {
            if (test_reduced() && cases[j] == ctr_case_guarded)
                continue;
            bool passed = cases[j](&subject);
            if (!passed)
                printf("FAILED   %s\n", subject.failure);
            assert_true(passed);
        }
        assert_true(double_backend_counts.calls > 0);
        assert_int_equal(double_backend_counts.wrapped, 0);
        assert_int_equal(double_backend_counts.concurrent, 0);
        assert_int_equal(sealane_engine_backend_failures(s.engine), double_backend_counts.failed);
        assert_true(fail_every[i / 3] ? double_backend_counts.failed > 0 : double_backend_counts.failed == 0);
        engine_subject_close(&s);
        assert_int_equal(double_backend_counts.keys, 0);
    }
}

static void a_key_no_backend_takes(void **state)
{
    (void)state;
    double_backend_reset((struct double_backend_plan){.counter_bits = 128, .fail_prepare = 1});
    const struct sealane_backend backend = double_backend(SEALANE_THREADS_ANY);
    struct engine_subject s;
    engine_subject_open(&s, NULL, &backend);
    struct ctr_subject subject = engine_subject_cases(&s, "prepare fails");
    assert_true(ctr_case_vectors(&subject));
    assert_int_equal(sealane_engine_backend_failures(s.engine), 1);
    assert_int_equal(double_backend_counts.calls, 0);
    assert_true(ctr_case_carries(&subject));
    assert_int_equal(sealane_engine_backend_failures(s.engine), 2);
    engine_subject_close(&s);
    assert_int_equal(double_backend_counts.keys, 0);
}

/* Longer input than a backend gets at once.  The double touches no byte, so none need be there. */
static void long_input_is_split(void **state)
{
    (void)state;
    if (SIZE_MAX <= UINT32_MAX) {
        test_not_run("input of more than 1 GiB", "this address space is too small");
        skip();
    }
    static const unsigned bits[] = {32, 64, 128};
    uint64_t len = ((uint64_t)5 << 30) + 12345;
    for (size_t i = 0; i < 3; i++) {
        static const uint8_t bytes[32] = {3}, iv[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0};
        double_backend_reset((struct double_backend_plan){.counter_bits = bits[i], .idle = 1});
        const struct sealane_backend backend = double_backend(SEALANE_THREADS_ANY);
        struct engine_subject s;
        engine_subject_open(&s, NULL, &backend);
        assert_int_equal(sealane_key_create(s.engine, &s.key, bytes), SEALANE_OK);
        sealane_ctr_xor(s.key, iv, 0, buffer, buffer, (size_t)len);
        assert_int_equal(double_backend_counts.bytes, len);
        assert_true(double_backend_counts.longest <= SEALANE_BACKEND_LEN_MAX);
        assert_int_equal(double_backend_counts.wrapped, 0);
        assert_true(double_backend_counts.calls <= 7); /* and split no finer than needed */
        engine_subject_close(&s);
    }
}

/* ---- What a freed key leaves behind ---- */

struct life {
    const sealane_engine *engine;
    const uint8_t *bytes;
    sealane_key *key;
    void (*stage)(struct life *life);
};

static void create_key(struct life *life)
{
    assert_int_equal(sealane_key_create(life->engine, &life->key, life->bytes), SEALANE_OK);
}

static void use_key(struct life *life)
{
    sealane_ctr_xor(life->key, buffer, 5, buffer, buffer, sizeof buffer);
    sealane_ctr_xor(life->key, buffer, 0, buffer, buffer, 7);
}

static void *run_deep(void *argument)
{
    struct life *life = argument;
    volatile uint8_t above[32768]; /* the end of the thread writes to the top of its stack only */
    above[0] = above[sizeof above - 1] = 0;
    life->stage(life);
    return above[0] ? NULL : life;
}

/* Each stage on a stack of its own, which stays as the stage left it. */
static void run_stage(struct life *life, void (*stage)(struct life *life), uint8_t *stack, size_t stack_len)
{
    pthread_attr_t attributes;
    pthread_t thread;
    life->stage = stage;
    memset(stack, 0, stack_len);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, stack_len), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run_deep, life), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
}

static void no_trace_of_a_freed_key(void **state)
{
    (void)state;
    if (!test_traces_can_be_sought())
        skip();
    struct test_random random = test_random_for("traces");
    for (size_t i = 0; i < sl_kernel_count; i++) {
        if (!can_run(i))
            continue;
        struct engine_subject s;
        sealane_key *keep;
        uint8_t bytes[32] = {7};
        engine_subject_open(&s, sl_kernels[i].name, NULL);
        /* Another key of the same chunk of memory keeps it mapped, so that wiping is what is looked at. */
        assert_int_equal(sealane_key_create(s.engine, &keep, bytes), SEALANE_OK);
        test_random_fill(&random, bytes, sizeof bytes);
        struct test_traces traces = {0};
        test_traces_add(&traces, sl_kernels[i].kernel, bytes);
        size_t own = traces.count;
        for (size_t j = 0; j < sl_kernel_count; j++) {
            if (can_run(j))
                test_traces_add(&traces, sl_kernels[j].kernel, bytes);
        }
        static _Alignas(4096) uint8_t stacks[2][1 << 18];
        struct life life = {.engine = s.engine, .bytes = bytes};
        run_stage(&life, create_key, stacks[0], sizeof stacks[0]);
        run_stage(&life, use_key, stacks[1], sizeof stacks[1]);
        size_t alive = test_traces_count(&traces);
        sealane_key_free(life.key);
        size_t freed = test_traces_count(&traces);
        printf("  %-24s round keys in %zu places while the key lives, in %zu after\n", sl_kernels[i].name, alive,
               freed);
        assert_true(alive >= own); /* so the search does find them */
        assert_int_equal(freed, 0);
        sl_wipe(bytes, sizeof bytes);
        sealane_key_free(keep);
        engine_subject_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(malformed_backends_are_refused),
        cmocka_unit_test(forcing_a_kernel),
        cmocka_unit_test(kernel_table_as_seen),
        cmocka_unit_test(freeing_nothing),
        cmocka_unit_test(breaches_abort),
        cmocka_unit_test(a_backend_that_fails_changes_nothing),
        cmocka_unit_test(a_key_no_backend_takes),
        cmocka_unit_test(long_input_is_split),
        cmocka_unit_test(no_trace_of_a_freed_key),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
