/* The shared cases through the engine, with its tables of first rounds in every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/kernel.h"
#include "tests/support/engine_subject.h"
#include "tests/support/environment.h"

static void run_states(struct engine_subject *s, const struct sl_kernel *kernel)
{
    static const struct {
        const char *name;
        size_t table_bytes;
        bool by_stream, warm;
    } states[] = {
        {"no tables", 0, false, true},
        {"warm key", SEALANE_TABLE_BYTES, false, true},
        {"stream, none", 0, true, true},
        {"warm stream", SEALANE_TABLE_BYTES, true, true},
        {"one for all", SL_FACE_TABLE_LEN, true, true},
        {"one each", 2 * SL_FACE_TABLE_LEN, true, true},
        {"cold, one slot", SL_FACE_TABLE_LEN, true, false},
    };
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        char name[64];
        /* Half of them are other mixtures of the others' paths, and bitsliced kernels, whose schedules are larger, take
         * their time with the short calls of these cases. */
        if ((test_reduced() || kernel->schedule_len > 16 * (SL_AES_ROUNDS + 1)) && i % 2 == 0)
            continue;
        snprintf(name, sizeof name, "%s, %s", kernel->name, states[i].name);
        engine_subject_open_tables(s, kernel->name, states[i].table_bytes);
        s->by_stream = states[i].by_stream;
        s->warm = states[i].warm;
        struct ctr_subject cases = engine_subject_cases(s, name);
        assert_true(ctr_cases_run(&cases));
        engine_subject_close(s);
    }
}

static void every_state_against_openssl(void **state)
{
    (void)state;
    for (size_t i = 0; i < sl_kernel_count; i++) {
        const struct sl_kernel *kernel = sl_kernels[i].kernel;
        struct engine_subject s;
        if (kernel && (kernel->needs & sl_cpu()) == kernel->needs && (kernel->by_key || kernel->by_nonce))
            run_states(&s, kernel);
        else
            test_not_run(sl_kernels[i].name, "no tables, or not for this machine");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_against_openssl),
    };
    test_seed();
    return cmocka_run_group_tests_name("engine: tables, cases", tests, NULL, NULL);
}
