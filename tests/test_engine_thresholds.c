/* Which path a call takes, by its length: every path gives the same bytes from whatever length on, each is taken from
 * its threshold on and never below, and the defaults are what the system's caches ask for. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "engine/internal.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/reference.h"

static bool can_run(const struct sl_kernel *kernel)
{
    return kernel && (kernel->needs & sl_cpu()) == kernel->needs;
}

static void open_with(struct engine_subject *subject, const char *kernel, struct sealane_thresholds thresholds)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.kernel = kernel;
    options.thresholds = thresholds;
    memset(subject, 0, sizeof *subject);
    assert_int_equal(sealane_engine_create(&subject->engine, &options), SEALANE_OK);
}

/* ---- The same bytes ---- */

static const struct {
    const char *name;
    struct sealane_thresholds thresholds;
    bool by_stream, warm;
} ways[] = {
    {"all stores past the caches", {SIZE_MAX, SIZE_MAX, 1}, false, false},
    {"stores past the caches from 500 bytes on", {100, 200, 500}, false, true},
    {"stores past the caches from 500 bytes on, stream", {100, 200, 500}, true, true},
    {"every call by a table of the key", {1, SIZE_MAX, SIZE_MAX}, false, true},
    {"every call by a table of the stream", {1, 1, SIZE_MAX}, true, true},
};

static void every_threshold_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        if (!can_run(sl_kernels[i].kernel)) {
            test_not_run(sl_kernels[i].name, "another architecture's, or this CPU lacks what it needs");
            continue;
        }
        if (!sl_kernels[i].kernel->ctr_nt) {
            printf("  %-24s has no stores past the caches\n", sl_kernels[i].name);
            continue;
        }
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
            struct engine_subject subject;
            char name[96];
            snprintf(name, sizeof name, "%s, %s", sl_kernels[i].name, ways[w].name);
            open_with(&subject, sl_kernels[i].name, ways[w].thresholds);
            subject.by_stream = ways[w].by_stream;
            subject.warm = ways[w].warm;
            struct ctr_subject cases = engine_subject_cases(&subject, name);
            assert_true(ctr_cases_run(&cases));
            engine_subject_close(&subject);
        }
    }
}

/* ---- From the threshold on, and not below ---- */

static struct sl_kernel spy;
static struct sl_face key_spy, stream_spy;
static const struct sl_kernel *real;
static char path_taken; /* 'p'lain, by the table of a 'k'ey or 's'tream, 'n'on-temporal */

static void plain(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src, size_t len)
{
    path_taken = 'p';
    real->ctr(schedule, hi, lo, dst, src, len);
}

static void past_the_caches(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src,
                            size_t len)
{
    path_taken = 'n';
    assert_ptr_not_equal(dst, src);
    real->ctr_nt(schedule, hi, lo, dst, src, len);
}

static void by_key(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,
                   const uint8_t *src, size_t len)
{
    path_taken = 'k';
    real->by_key->ctr(schedule, table, hi, lo, dst, src, len);
}

static void by_stream(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,
                      const uint8_t *src, size_t len)
{
    path_taken = 's';
    real->by_nonce->ctr(schedule, table, hi, lo, dst, src, len);
}

static const uint8_t some_key[32] = {3}, some_iv[16] = {7};
static uint8_t in[1 << 17], out[1 << 17];

/* The path of a call of `len` bytes, which stands for itself and is right, too. */
static char path_of(struct engine_subject *subject, bool stream, size_t len, bool in_place)
{
    uint8_t expected[1024];
    uint8_t *dst = in_place ? in : out;
    size_t n = len < sizeof expected ? len : sizeof expected;
    memset(in, 0, len);
    path_taken = 0;
    if (stream)
        sealane_stream_xor(subject->stream, 0, dst, in, len);
    else
        sealane_ctr_xor(subject->key, some_iv, 0, dst, in, len);
    reference_keystream(some_key, some_iv, 0, expected, n);
    assert_memory_equal(dst, expected, n);
    return path_taken;
}

static void warm(struct engine_subject *subject)
{
    for (int i = 0; i < 4; i++) {
        path_of(subject, false, 65536, true);
        path_of(subject, true, 65536, true);
    }
}

static void check_paths(struct engine_subject *s)
{
    warm(s);
    assert_int_equal(path_of(s, false, 3999, true), 'p');
    assert_int_equal(path_of(s, false, 4000, true), 'k');
    assert_int_equal(path_of(s, true, 3999, true), 'p');
    assert_int_equal(path_of(s, true, 4000, true), 'k');
    assert_int_equal(path_of(s, true, 4999, true), 'k');
    assert_int_equal(path_of(s, true, 5000, true), 's');
    assert_int_equal(path_of(s, false, 99999, false), 'k');
    assert_int_equal(path_of(s, false, 100000, false), 'n');
    assert_int_equal(path_of(s, false, 100000, true), 'k'); /* in place, never */
    assert_int_equal(path_of(s, true, 99999, false), 's');
    assert_int_equal(path_of(s, true, 100000, false), 'n');
    assert_int_equal(path_of(s, true, 100000, true), 's');
}

static void paths_begin_at_their_thresholds(void **state)
{
    size_t ran = 0;
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        struct engine_subject subject;
        real = sl_kernels[i].kernel;
        if (!can_run(real) || !real->by_key || !real->by_nonce || !real->ctr_nt)
            continue;
        open_with(&subject, real->name, (struct sealane_thresholds){4000, 5000, 100000});
        spy = *real;
        key_spy = *real->by_key;
        stream_spy = *real->by_nonce;
        spy.ctr = plain;
        spy.ctr_nt = past_the_caches;
        key_spy.ctr = by_key;
        stream_spy.ctr = by_stream;
        spy.by_key = &key_spy;
        spy.by_nonce = &stream_spy;
        subject.engine->kernel = &spy;
        assert_int_equal(sealane_key_create(subject.engine, &subject.key, some_key), SEALANE_OK);
        assert_int_equal(sealane_stream_create(subject.key, &subject.stream, some_iv), SEALANE_OK);
        check_paths(&subject);
        engine_subject_close(&subject);
        ran++;
    }
    if (ran == 0)
        test_not_run("thresholds", "no kernel that runs here has all paths");
}

/* Without tables and without the path itself there is nothing to choose. */
static void what_is_not_there_has_no_threshold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        for (int tables = 0; tables < 2 && can_run(kernel); tables++) {
            struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
            struct sealane_thresholds got, asked = {10, 20, 30};
            sealane_engine *engine;
            options.kernel = kernel->name;
            options.thresholds = asked;
            if (!tables)
                options.table_bytes = 0;
            assert_int_equal(sealane_engine_create(&engine, &options), SEALANE_OK);
            sealane_engine_thresholds(engine, &got);
            assert_int_equal(got.key_table, tables && kernel->by_key ? 10 : SIZE_MAX);
            assert_int_equal(got.stream_table, tables && kernel->by_nonce ? 20 : SIZE_MAX);
            assert_int_equal(got.non_temporal, kernel->ctr_nt ? 30 : SIZE_MAX);
            sealane_engine_free(engine);
        }
    }
}

static void defaults_are_those_of_the_kernel(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        struct sealane_thresholds got;
        struct engine_subject subject;
        if (!can_run(kernel))
            continue;
        engine_subject_open(&subject, kernel->name, NULL);
        sealane_engine_thresholds(subject.engine, &got);
        assert_int_equal(got.key_table, kernel->by_key ? kernel->by_key->gains_from : SIZE_MAX);
        assert_int_equal(got.stream_table, kernel->by_nonce ? kernel->by_nonce->gains_from : SIZE_MAX);
        assert_int_equal(got.non_temporal, kernel->nt_gains ? sl_cache_share(SL_CPU_DIRECTORY) / 4 * 3 : SIZE_MAX);
        engine_subject_close(&subject);
    }
}

/* ---- The self-test ---- */

/* A lost line: what stores past the caches get wrong when the last vectors are taken for whole. */
static void wrong_past_the_caches(const void *schedule, uint64_t hi, uint64_t lo, uint8_t *dst, const uint8_t *src,
                                  size_t len)
{
    real->ctr_nt(schedule, hi, lo, dst, src, len);
    if (len > 1000)
        dst[len - 100] ^= 1;
}

static void a_wrong_path_past_the_caches_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        real = sl_kernels[i].kernel;
        if (!can_run(real) || !real->ctr_nt)
            continue;
        spy = *real;
        assert_true(sl_selftest(&spy));
        spy.ctr_nt = wrong_past_the_caches;
        assert_false(sl_selftest(&spy));
    }
}

/* ---- What the system says of its caches ---- */

static char root[] = "/tmp/sealane-test-XXXXXX";

static void say(int cpu, int index, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/cpu%d", root, cpu);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/cpu%d/cache", root, cpu);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/cpu%d/cache/index%d", root, cpu, index);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/cpu%d/cache/index%d/%s", root, cpu, index, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void say_for_all(int index, const char *size, const char *sharers)
{
    for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
        say(cpu, index, "size", size);
        say(cpu, index, "shared_cpu_list", sharers);
    }
}

static void share_of_the_last_cache(void **state)
{
    static const struct {
        const char *size, *sharers;
        size_t share;
    } cases[] = {
        {"32768K\n", "0-1\n", 16 << 20},
        {"32768K\n", "0\n", 32 << 20},
        {"96M\n", "0-2", 32 << 20},
        {"36864K\n", "0-31,64-95\n", 9 << 20}, /* not all at once: a fourth */
        {"16384K\n", "0,8,16,24,32\n", 4 << 20},
        {"0K\n", "0-1\n", SL_CACHE_SHARE_UNKNOWN},
        {"\n", "0-1\n", SL_CACHE_SHARE_UNKNOWN},
        {"-1K\n", "0-1\n", SL_CACHE_SHARE_UNKNOWN},
        {"99999999999999999999K\n", "0-1\n", SL_CACHE_SHARE_UNKNOWN},
        {"32768K\n", "\n", SL_CACHE_SHARE_UNKNOWN},
        {"32768K\n", "1-0\n", SL_CACHE_SHARE_UNKNOWN},
        {"32768K\n", "0-99999999\n", SL_CACHE_SHARE_UNKNOWN},
    };
    char command[128];
    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(sl_cache_share(root), SL_CACHE_SHARE_UNKNOWN);
    say_for_all(0, "48K\n", "0\n");
    assert_int_equal(sl_cache_share(root), 48 << 10);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        say_for_all(3, cases[i].size, cases[i].sharers);
        assert_int_equal(sl_cache_share(root), cases[i].share);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_of_the_last_cache),
        cmocka_unit_test(defaults_are_those_of_the_kernel),
        cmocka_unit_test(what_is_not_there_has_no_threshold),
        cmocka_unit_test(paths_begin_at_their_thresholds),
        cmocka_unit_test(a_wrong_path_past_the_caches_is_noticed),
        cmocka_unit_test(every_threshold_gives_the_same),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: thresholds", tests, NULL, NULL);
}
