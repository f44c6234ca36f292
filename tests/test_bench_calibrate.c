/* What --calibrate concludes from made-up figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/calibrate.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The path wins by 10 % from 1024 bytes on, beyond a noise of 1 %. */
static const struct calibrate_point rising[] = {
    {256, 0.5, 0.01}, {512, 0.9, 0.01}, {1024, 1.1, 0.01}, {2048, 1.1, 0.01}, {4096, 1.1, 0.01}};

static void the_right_default(void **state)
{
    (void)state;
    for (size_t from = 513; from <= 1024; from += 511) {
        struct calibrate_verdict verdict = calibrate_judge(rising, COUNT(rising), from);
        assert_int_equal(verdict.measured, 1024);
        assert_true(verdict.loss == 0);
    }
}

static void a_default_that_is_too_low(void **state)
{
    (void)state;
    struct calibrate_verdict verdict = calibrate_judge(rising, COUNT(rising), 512);
    assert_int_equal(verdict.measured, 1024);
    assert_int_equal(verdict.loss_at, 512);
    assert_true(verdict.loss > 0.10 && verdict.loss < 0.11); /* 1 / 0.9, less the noise */
    verdict = calibrate_judge(rising, COUNT(rising), 1);
    assert_int_equal(verdict.loss_at, 256);
    assert_true(verdict.loss > 0.98 && verdict.loss < 1);
}

static void a_default_that_is_too_high(void **state)
{
    (void)state;
    struct calibrate_verdict verdict = calibrate_judge(rising, COUNT(rising), 4096);
    assert_int_equal(verdict.measured, 1024);
    assert_int_equal(verdict.loss_at, 1024);
    assert_true(verdict.loss > 0.08 && verdict.loss < 0.1);
    verdict = calibrate_judge(rising, COUNT(rising), SIZE_MAX);
    assert_true(verdict.loss > 0.08 && verdict.loss < 0.1);
}

/* What wins for a while and then loses does not win for good: nothing is known beyond the last length. */
static void a_path_that_loses_in_the_end(void **state)
{
    static const struct calibrate_point points[] = {{1024, 1.2, 0.01}, {2048, 1.2, 0.01}, {4096, 0.7, 0.01}};
    (void)state;
    struct calibrate_verdict verdict = calibrate_judge(points, COUNT(points), 1024);
    assert_int_equal(verdict.measured, SIZE_MAX);
    assert_int_equal(verdict.loss_at, 4096);
}

/* Within the noise nothing is right or wrong, and a length about which nothing is known does not end a gain. */
static void noise_decides_nothing(void **state)
{
    static const struct calibrate_point points[] = {{1024, 0.9, 0.2}, {2048, 1.2, 0.1}, {4096, 0.99, 0.02}};
    (void)state;
    struct calibrate_verdict verdict = calibrate_judge(points, COUNT(points), 1024);
    assert_int_equal(verdict.measured, 2048);
    assert_true(verdict.loss == 0);
    verdict = calibrate_judge(points, 1, SIZE_MAX);
    assert_int_equal(verdict.measured, SIZE_MAX);
    assert_true(verdict.loss == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_default),          cmocka_unit_test(a_default_that_is_too_low),
        cmocka_unit_test(a_default_that_is_too_high), cmocka_unit_test(a_path_that_loses_in_the_end),
        cmocka_unit_test(noise_decides_nothing),
    };
    return cmocka_run_group_tests_name("bench: calibration", tests, NULL, NULL);
}
