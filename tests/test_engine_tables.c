/* The engine's tables of first rounds: in every state right, never in the way, gone when their key or stream is. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "engine/internal.h"
#include "sealane/memory.h"
#include "tests/support/child.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"
#include "tests/support/reference.h"
#include "tests/support/traces.h"

enum {
    LEN = 65536, /* warms a key in one call, a stream too */
    ONE_SLOT = SL_FACE_TABLE_LEN,
    TWO_TABLES = 2 * SL_FACE_TABLE_LEN, /* one for a key, one for a stream */
};

static uint8_t plain[LEN], out[LEN], expected[LEN];
static const uint8_t some_key[32] = {0x77}, some_iv[16] = {0x13, 0x37};

/* The best kernel that has both kinds of table; NULL, said, where none runs. */
static const char *tabled_kernel(void)
{
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (kernel && (kernel->needs & sl_cpu()) == kernel->needs && kernel->by_key && kernel->by_nonce)
            return kernel->name;
    }
    test_not_run("tables of first rounds", "no kernel that runs here has any");
    return NULL;
}

static void open_with_key(struct engine_subject *s, size_t table_bytes, const uint8_t bytes[32])
{
    const char *kernel = tabled_kernel();
    if (!kernel)
        skip();
    engine_subject_open_tables(s, kernel, table_bytes);
    assert_int_equal(sealane_key_create(s->engine, &s->key, bytes), SEALANE_OK);
}

static sealane_stream *new_stream(const sealane_key *key, const uint8_t iv[16])
{
    sealane_stream *stream;
    assert_int_equal(sealane_stream_create(key, &stream, iv), SEALANE_OK);
    return stream;
}

static bool key_is_warm(const sealane_key *key)
{
    return atomic_load(&key->warmth->table) != NULL;
}

/* Whether the stream has a table for the counter block at this offset: asking brings no bytes that would warm it. */
static bool stream_is_warm(const sealane_stream *stream, uint64_t offset)
{
    struct sl_slot *slot = sl_stream_table_acquire(stream, sl_counter_at(stream->iv, offset / 16), 0);
    if (slot)
        sl_stream_table_release(slot);
    return slot != NULL;
}

static void check_stream(const sealane_stream *stream, const uint8_t key[32], uint64_t offset, size_t len)
{
    reference_keystream(key, stream->iv, offset, expected, len);
    memset(out, 0, len);
    sealane_stream_xor(stream, offset, out, out, len);
    assert_memory_equal(out, expected, len);
}

/* ---- When there is one ---- */

static void a_key_gets_a_table_once_it_is_used(void **state)
{
    (void)state;
    static const uint8_t bytes[32] = {1}, iv[16] = {2};
    struct engine_subject s;
    open_with_key(&s, TWO_TABLES, bytes);
    sealane_ctr_xor(s.key, iv, 0, out, plain, LEN / 2);
    assert_false(key_is_warm(s.key));
    for (int i = 0; i < 2000; i++) /* too short to gain, however many */
        sealane_ctr_xor(s.key, iv, 0, out, plain, 64);
    assert_false(key_is_warm(s.key));
    sealane_ctr_xor(s.key, iv, 0, out, plain, LEN);
    assert_true(key_is_warm(s.key));

    sealane_key *late; /* there was one for a key, and it is kept until that key goes */
    assert_int_equal(sealane_key_create(s.engine, &late, bytes), SEALANE_OK);
    sealane_ctr_xor(late, iv, 0, out, plain, LEN);
    assert_false(key_is_warm(late));
    sealane_key_free(s.key);
    s.key = late;
    for (int i = 0; i < 300 && !key_is_warm(late); i++)
        sealane_ctr_xor(late, iv, 0, out, plain, LEN);
    assert_true(key_is_warm(late)); /* tried again */
    engine_subject_close(&s);
}

static void no_tables_where_none_are_wanted(void **state)
{
    (void)state;
    static const uint8_t bytes[32] = {1}, iv[16] = {2};
    static const size_t sizes[] = {0, 1, SL_FACE_TABLE_LEN - 1};
    for (size_t i = 0; i < 3; i++) {
        struct engine_subject s;
        open_with_key(&s, sizes[i], bytes);
        assert_null(s.engine->tables);
        s.stream = new_stream(s.key, iv);
        for (int j = 0; j < 3; j++)
            check_stream(s.stream, bytes, 7, LEN - 9);
        assert_false(key_is_warm(s.key));
        engine_subject_close(&s);
    }
}

/* A held table is nobody else's; let go, it is the next one's, and no longer the first one's. */
static void a_slot_has_one_stream(void **state)
{
    (void)state;
    static const uint8_t bytes[32] = {5}, ivs[2][16] = {{1, 7}, {1, 9}}; /* the same bytes 0, 5 and 10 */
    struct engine_subject s;
    open_with_key(&s, ONE_SLOT, bytes);
    sealane_stream *a = new_stream(s.key, ivs[0]), *b = new_stream(s.key, ivs[1]);
    check_stream(a, bytes, 0, LEN);
    assert_true(stream_is_warm(a, 0));
    assert_false(stream_is_warm(b, 0));

    struct sl_slot *held = sl_stream_table_acquire(a, sl_counter_at(ivs[0], 0), 0);
    assert_non_null(held);
    uint8_t before[SL_FACE_TABLE_LEN];
    memcpy(before, held->table, sizeof before);
    for (int i = 0; i < 1200; i++) /* past the pause after a refusal, too */
        assert_null(sl_stream_table_acquire(b, sl_counter_at(ivs[1], 0), LEN));
    check_stream(b, bytes, 5, LEN);
    assert_memory_equal(held->table, before, sizeof before);
    sl_stream_table_release(held);

    for (int i = 0; i < 3000 && !stream_is_warm(b, 0); i++)
        check_stream(b, bytes, 16, 20000);
    assert_true(stream_is_warm(b, 0));
    assert_false(stream_is_warm(a, 0));
    check_stream(a, bytes, 0, 1000);
    check_stream(b, bytes, 0, 1000);
    sealane_stream_free(a);
    sealane_stream_free(b);
    engine_subject_close(&s);
}

/* Of two keys the tables differ though the IV does not. */
static void streams_of_two_keys(void **state)
{
    (void)state;
    static const uint8_t iv[16] = {3}, bytes[2][32] = {{1}, {2}};
    struct engine_subject s;
    open_with_key(&s, SEALANE_TABLE_BYTES, bytes[0]);
    sealane_key *second;
    assert_int_equal(sealane_key_create(s.engine, &second, bytes[1]), SEALANE_OK);
    sealane_stream *streams[2] = {new_stream(s.key, iv), new_stream(second, iv)};
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 2; i++)
            check_stream(streams[i], bytes[i], (uint64_t)round * 77, 30000);
    }
    assert_true(stream_is_warm(streams[0], 0) && stream_is_warm(streams[1], 0));
    sealane_stream_free(streams[0]);
    sealane_stream_free(streams[1]);
    sealane_key_free(second);
    engine_subject_close(&s);
}

/* Each of the bytes 0, 5 and 10 changes under a warm stream: by offsets alone, the last two by a far carry. */
static void two_nonces_in_turn(void **state)
{
    (void)state;
    static const uint8_t bytes[32] = {8};
    uint8_t iv[16];
    for (int byte = 10; byte >= 0; byte -= 5) {
        struct engine_subject s;
        open_with_key(&s, SEALANE_TABLE_BYTES, bytes);
        memset(iv, 0xff, sizeof iv);
        iv[byte] = 0x2f;
        if (byte == 10)
            memset(iv, 0x51, 10);
        sl_store_be64(iv + 8, sl_load_be64(iv + 8) - 1000); /* the carry comes after 1001 blocks */
        s.stream = new_stream(s.key, iv);
        for (uint64_t round = 0; round < 40; round++) {
            check_stream(s.stream, bytes, round * 3, 9000);
            check_stream(s.stream, bytes, 1001 * 16 + round, 9000);
            check_stream(s.stream, bytes, 1001 * 16 - 4000 - round * 17, 9000);
        }
        assert_true(stream_is_warm(s.stream, 0) && stream_is_warm(s.stream, 1001 * 16));
        engine_subject_close(&s);
    }
}

/* 2^48 blocks further byte 10 is what it was, and the carry has gone into byte 5, or 0: another nonce all the same. */
static void far_offsets_with_the_same_byte_10(void **state)
{
    (void)state;
    for (int byte = 0; byte <= 5; byte += 5) {
        struct engine_subject s;
        uint8_t iv[16];
        memset(iv, 0xff, sizeof iv);
        iv[byte] = 0x40;
        memset(iv + 11, 0, 5);
        open_with_key(&s, SEALANE_TABLE_BYTES, some_key);
        s.stream = new_stream(s.key, iv);
        for (int round = 0; round < 3; round++) {
            check_stream(s.stream, some_key, 0, 30000);
            check_stream(s.stream, some_key, (uint64_t)1 << 52, 30000);
        }
        engine_subject_close(&s);
    }
}

static void more_streams_than_tables(void **state)
{
    (void)state;
    enum { STREAMS = 12 };
    static const size_t budgets[] = {ONE_SLOT, TWO_TABLES, 8 * SL_FACE_TABLE_LEN};
    static const uint8_t bytes[32] = {4};
    struct test_random random = test_random_for("streams");
    for (size_t b = 0; b < 3; b++) {
        struct engine_subject s;
        sealane_stream *streams[STREAMS];
        open_with_key(&s, budgets[b], bytes);
        for (size_t i = 0; i < STREAMS; i++) {
            uint8_t iv[16];
            test_random_fill(&random, iv, sizeof iv);
            memset(iv + 11, 0xff, 4); /* a carry into byte 10 is near */
            streams[i] = new_stream(s.key, iv);
        }
        for (size_t round = 0; round < 30; round++) {
            for (size_t i = 0; i < STREAMS; i++)
                check_stream(streams[i], bytes, test_random_below(&random, 9000), 16384 + i * 100);
        }
        for (size_t i = 0; i < STREAMS; i += 2) { /* freed in the middle of use, and another begun in its place */
            uint8_t iv[16];
            test_random_fill(&random, iv, sizeof iv);
            sealane_stream_free(streams[i]);
            streams[i] = new_stream(s.key, iv);
            assert_false(stream_is_warm(streams[i], 0));
            check_stream(streams[i], bytes, i, 3000);
        }
        for (size_t i = 0; i < STREAMS; i++)
            sealane_stream_free(streams[i]);
        engine_subject_close(&s);
    }
}

/* ---- What tables leave behind ---- */

static bool all_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= p[i];
    return any == 0;
}

static void no_trace_of_freed_tables(void **state)
{
    (void)state;
    if (!test_traces_can_be_sought())
        skip();
    struct test_random random = test_random_for("table traces");
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (!kernel || (kernel->needs & sl_cpu()) != kernel->needs || !kernel->by_key || !kernel->by_nonce)
            continue;
        struct engine_subject s;
        uint8_t bytes[32], iv[16];
        sealane_key *keep;
        static struct test_traces by_nonce;
        memset(&by_nonce, 0, sizeof by_nonce);
        engine_subject_open_tables(&s, kernel->name, TWO_TABLES);
        test_random_fill(&random, bytes, sizeof bytes);
        test_random_fill(&random, iv, sizeof iv);
        assert_int_equal(sealane_key_create(s.engine, &keep, some_key), SEALANE_OK); /* the chunk stays mapped */
        sealane_stream *other = new_stream(keep, bytes);
        iv[12] = 0;
        test_traces_add_table(&by_nonce, kernel, kernel->by_nonce, bytes, sl_load_be64(iv), sl_load_be64(iv + 8));
        assert_true(by_nonce.count == 256);
        assert_int_equal(test_traces_count(&by_nonce), 0);

        assert_int_equal(sealane_key_create(s.engine, &s.key, bytes), SEALANE_OK);
        sealane_ctr_xor(s.key, iv, 0, out, plain, LEN);
        const uint8_t *key_table = atomic_load(&s.key->warmth->table);
        assert_non_null(key_table);
        assert_false(all_zero(key_table, SL_FACE_TABLE_LEN));
        for (int way = 0; way < 2; way++) {
            s.stream = new_stream(s.key, iv);
            sealane_stream_xor(s.stream, 0, out, plain, LEN);
            assert_true(test_traces_count(&by_nonce) >= 256);
            if (way) { /* the table goes to another stream of another key */
                for (int j = 0; j < 4; j++)
                    sealane_stream_xor(other, 0, out, plain, LEN);
                assert_true(stream_is_warm(other, 0));
                assert_int_equal(test_traces_count(&by_nonce), 0);
            }
            sealane_stream_free(s.stream);
            s.stream = NULL;
            assert_int_equal(test_traces_count(&by_nonce), 0);
        }
        sealane_key_free(s.key);
        s.key = NULL;
        /* Not sought by its entries: all keys' round-1 tables have the same, in another order. */
        assert_true(all_zero(key_table, SL_FACE_TABLE_LEN));
        printf("  %-24s tables found while they live, nowhere after\n", kernel->name);
        sealane_stream_free(other);
        sealane_key_free(keep);
        engine_subject_close(&s);
    }
}

/* ---- The self-test ---- */

static struct sl_face right_face;

/* As a compiler might get it wrong: where a vector reaches into the next 256 blocks, and nowhere else. */
static void wrong_at_the_border(const void *schedule, const uint8_t *table, uint64_t hi, uint64_t lo, uint8_t *dst,
                                const uint8_t *src, size_t len)
{
    size_t to_border = (256 - lo % 256) * 16;
    right_face.ctr(schedule, table, hi, lo, dst, src, len);
    if (len > to_border && lo % 4 != 0)
        dst[to_border] ^= 1;
}

static void a_wrong_path_by_table_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        if (!kernel || (kernel->needs & sl_cpu()) != kernel->needs || !kernel->by_key || !kernel->by_nonce)
            continue;
        assert_true(sl_selftest(kernel));
        for (int by_nonce = 0; by_nonce < 2; by_nonce++) {
            struct sl_kernel wrong_kernel = *kernel;
            right_face = by_nonce ? *kernel->by_nonce : *kernel->by_key;
            struct sl_face wrong = {right_face.gains_from, right_face.make, wrong_at_the_border};
            *(by_nonce ? &wrong_kernel.by_nonce : &wrong_kernel.by_key) = &wrong;
            assert_false(sl_selftest(&wrong_kernel));
        }
    }
}

/* ---- Little memory ---- */

static void use_all(sealane_engine *engine, bool tables)
{
    sealane_key *key;
    sealane_stream *stream;
    CHILD_CHECK(sealane_key_create(engine, &key, some_key) == SEALANE_OK);
    CHILD_CHECK(sealane_stream_create(key, &stream, some_iv) == SEALANE_OK);
    for (int i = 0; i < 3; i++) {
        memset(out, 0, LEN);
        sealane_ctr_xor(key, some_iv, 0, out, out, LEN);
        CHILD_CHECK(memcmp(out, expected, LEN) == 0);
        memset(out, 0, LEN);
        sealane_stream_xor(stream, 0, out, out, LEN);
        CHILD_CHECK(memcmp(out, expected, LEN) == 0);
    }
    CHILD_CHECK(key_is_warm(key) == tables);
    CHILD_CHECK(stream_is_warm(stream, 0) == tables);
    sealane_stream_free(stream);
    sealane_key_free(key);
}

static void with_nothing_lockable(void *unused)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    sealane_engine *engine;
    (void)unused;
    options.kernel = tabled_kernel();
    options.allow_unlocked_memory = 1;
    test_child_limit_locked_memory(0);
    CHILD_CHECK(sealane_engine_create(&engine, &options) == SEALANE_OK);
    use_all(engine, false); /* keys may lie in unlocked memory if asked for; tables never do */
    sealane_engine_free(engine);
}

/* Tables are there, and though as many as ever can be are in use, so is memory for keys: 50, or, of a kernel whose keys
 * are large (a bitsliced one's take 2 KiB), as many as 24 KiB hold: tables and a page of the stack have the rest. */
static void with_64_kib(void *unused)
{
    enum { KEYS = 50, FOR_KEYS = 24 << 10, BESIDES = 224 /* of a key and its stream */ };
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    sealane_engine *engine;
    sealane_key *keys[KEYS];
    sealane_stream *streams[KEYS];
    (void)unused;
    options.kernel = tabled_kernel();
    test_child_limit_locked_memory(65536);
    CHILD_CHECK(sealane_engine_create(&engine, &options) == SEALANE_OK);
    const size_t fit = FOR_KEYS / (engine->kernel->schedule_len + BESIDES), count = fit < KEYS ? fit : KEYS;
    use_all(engine, true);
    for (size_t i = 0; i < count; i++) {
        CHILD_CHECK(sealane_key_create(engine, &keys[i], some_key) == SEALANE_OK);
        CHILD_CHECK(sealane_stream_create(keys[i], &streams[i], some_iv) == SEALANE_OK);
        sealane_ctr_xor(keys[i], some_iv, 0, out, plain, LEN);
        sealane_stream_xor(streams[i], 0, out, plain, LEN);
    }
    for (size_t i = 0; i < count; i++) {
        sealane_stream_free(streams[i]);
        sealane_key_free(keys[i]);
    }
    sealane_engine_free(engine);
}

/* The limit falls after the engine reckoned with it. */
static void with_the_limit_lowered(void *unused)
{
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    sealane_engine *engine;
    (void)unused;
    options.kernel = tabled_kernel();
    options.allow_unlocked_memory = 1;
    test_child_limit_locked_memory(1 << 16);
    CHILD_CHECK(sealane_engine_create(&engine, &options) == SEALANE_OK);
    test_child_limit_locked_memory(0);
    use_all(engine, false);
    sealane_engine_free(engine);
}

static void little_memory(void **state)
{
    (void)state;
    if (!tabled_kernel())
        skip();
    reference_keystream(some_key, some_iv, 0, expected, LEN);
#if TEST_SANITIZED
    test_not_run("limits of lockable memory", "sanitizers make mlock do nothing");
    skip();
#endif
    assert_true(test_child_passed(test_child(with_nothing_lockable, NULL)));
    assert_true(test_child_passed(test_child(with_64_kib, NULL)));
    assert_true(test_child_passed(test_child(with_the_limit_lowered, NULL)));
}

/* ---- Forks ---- */

static struct engine_subject forked;

static void free_what_a_parents_thread_holds(void *unused)
{
    (void)unused;
    alarm(20); /* to wait for a thread that exists in the parent only is to wait for ever */
    memset(out, 0, LEN);
    sealane_stream_xor(forked.stream, 0, out, out, LEN);
    CHILD_CHECK(memcmp(out, expected, LEN) == 0);
    sealane_stream_free(forked.stream);
    sealane_key_free(forked.key);
    sealane_engine_free(forked.engine);
}

static void a_fork_while_a_table_is_held(void **state)
{
    (void)state;
    open_with_key(&forked, TWO_TABLES, some_key);
    forked.stream = new_stream(forked.key, some_iv);
    check_stream(forked.stream, some_key, 0, LEN);
    struct sl_slot *held = sl_stream_table_acquire(forked.stream, sl_counter_at(some_iv, 0), 0);
    assert_non_null(held);
    assert_true(test_child_passed(test_child(free_what_a_parents_thread_holds, NULL)));
    sl_stream_table_release(held);
    check_stream(forked.stream, some_key, 0, LEN); /* the child wiped its own copy */
    assert_true(stream_is_warm(forked.stream, 0));
    engine_subject_close(&forked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_gets_a_table_once_it_is_used),
        cmocka_unit_test(no_tables_where_none_are_wanted),
        cmocka_unit_test(a_slot_has_one_stream),
        cmocka_unit_test(streams_of_two_keys),
        cmocka_unit_test(two_nonces_in_turn),
        cmocka_unit_test(far_offsets_with_the_same_byte_10),
        cmocka_unit_test(more_streams_than_tables),
        cmocka_unit_test(no_trace_of_freed_tables),
        cmocka_unit_test(a_wrong_path_by_table_is_noticed),
        cmocka_unit_test(little_memory),
        cmocka_unit_test(a_fork_while_a_table_is_held),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: tables", tests, NULL, NULL);
}
