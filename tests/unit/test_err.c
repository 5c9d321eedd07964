/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void an_error_holds_what_it_was_given(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_err_set(&err, KST_E_NOT_FOUND, "Pod/%s/%s", "shop", "db-0"),
                     KST_E_NOT_FOUND);
    assert_int_equal(kst_err_code(err), KST_E_NOT_FOUND);
    assert_string_equal(kst_err_message(err), "Pod/shop/db-0");
    assert_string_equal(kst_err_get_reason(err), "NotFound");
    assert_null(kst_err_get_hint(err));
    kst_err_hint(&err, "first");
    kst_err_hint(&err, "is %s the right namespace?", "shop");
    kst_err_reason(&err, "PodMissing");
    kst_err_reason(&err, "PodGone");
    assert_string_equal(kst_err_get_hint(err), "is shop the right namespace?");
    assert_string_equal(kst_err_get_reason(err), "PodGone");
}

static void wrapping_puts_context_before_and_keeps_the_rest(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    kst_err_set(&err, KST_E_TIMEOUT, "no answer");
    kst_err_hint(&err, "wait");
    kst_err_reason(&err, "Slow");
    assert_int_equal(kst_err_wrap(&err, KST_E_TIMEOUT, "get %s", "a"), KST_E_TIMEOUT);
    assert_int_equal(kst_err_wrap(&err, KST_E_TIMEOUT, "%d%%", 100), KST_E_TIMEOUT);
    assert_string_equal(kst_err_message(err), "100%: get a: no answer");
    assert_string_equal(kst_err_get_hint(err), "wait");
    assert_string_equal(kst_err_get_reason(err), "Slow");
    assert_int_equal(kst_err_code(err), KST_E_TIMEOUT);
}

static int fails(struct kst_err **err)
{
    int rc = kst_err_set(err, KST_E_CONFLICT, "it was changed");
    return kst_err_wrap(err, rc, "write");
}

/* kst_err_wrap() gave KST_E_FAILED to a caller that wanted the code alone: a conflict or a
 * cancellation was then taken for something else. */
static void a_caller_without_an_address_gets_the_same_code(void **state)
{
    struct kst_err *none = NULL, *err = NULL;
    assert_int_equal(fails(NULL), KST_E_CONFLICT);
    assert_int_equal(fails(&err), KST_E_CONFLICT);
    assert_string_equal(kst_err_message(err), "write: it was changed");
    kst_err_free(err);
    assert_int_equal(kst_err_wrap(&none, KST_E_CANCELLED, "x"), KST_E_CANCELLED);
    assert_null(none);
}

static void a_success_passes_through_a_wrap(void **state)
{
    struct kst_err *err = NULL;
    assert_int_equal(kst_err_wrap(&err, 0, "x"), 0);
    assert_int_equal(kst_err_wrap(NULL, 0, "x"), 0);
    assert_null(err);
}

static void nothing_is_done_to_no_error(void **state)
{
    struct kst_err *err = NULL;
    assert_int_equal(kst_err_set(NULL, KST_E_IO, "x"), KST_E_IO);
    kst_err_reason(NULL, "X");
    kst_err_reason(&err, "X");
    kst_err_hint(NULL, "x");
    kst_err_hint(&err, "x");
    kst_err_clear(NULL);
    kst_err_clear(&err);
    kst_err_free(NULL);
    assert_null(err);
    assert_null(kst_err_dup(NULL));
    assert_int_equal(kst_err_code(NULL), KST_OK);
    assert_string_equal(kst_err_message(NULL), "");
    assert_string_equal(kst_err_get_reason(NULL), "");
    assert_null(kst_err_get_hint(NULL));
}

static void a_copy_is_its_own(void **state)
{
    struct kst_err *err = NULL;
    kst_err_set(&err, KST_E_GONE, "a");
    kst_err_hint(&err, "b");
    struct kst_err *copy = kst_err_dup(err);
    kst_err_clear(&err);
    assert_null(err);
    assert_int_equal(kst_err_code(copy), KST_E_GONE);
    assert_string_equal(kst_err_message(copy), "a");
    assert_string_equal(kst_err_get_hint(copy), "b");
    assert_string_equal(kst_err_get_reason(copy), "Gone");
    kst_err_free(copy);
}

static void moving_keeps_the_first_error(void **state)
{
    struct kst_err *first = NULL, *second = NULL, *to = NULL;
    kst_err_set(&first, KST_E_IO, "first");
    kst_err_set(&second, KST_E_LIMIT, "second");
    assert_int_equal(kst_err_move(&to, &first), KST_E_IO);
    assert_int_equal(kst_err_move(&to, &second), KST_E_LIMIT);
    assert_null(first);
    assert_null(second);
    assert_string_equal(kst_err_message(to), "first");
    assert_int_equal(kst_err_move(NULL, &to), KST_E_IO);
    assert_null(to);
}

static void codes_have_reasons_and_exits(void **state)
{
    static const struct {
        int code;
        const char *reason;
        int exit;
    } table[] = {
        {KST_E_FAILED, "Failed", 1},           {KST_E_USAGE, "Invalid", 2},
        {KST_E_UNREACHABLE, "Unreachable", 3}, {KST_E_REFUSED, "Refused", 4},
        {KST_E_CANCELLED, "Cancelled", 130},   {KST_E_TIMEOUT, "Timeout", 1},
        {KST_E_NOT_FOUND, "NotFound", 1},      {KST_E_EXISTS, "AlreadyExists", 1},
        {KST_E_CONFLICT, "Conflict", 4},       {KST_E_FORBIDDEN, "Forbidden", 1},
        {KST_E_INVALID, "Invalid", 1},         {KST_E_GONE, "Gone", 1},
        {KST_E_LIMIT, "LimitExceeded", 1},     {KST_E_PARSE, "ParseError", 1},
        {KST_E_PROTOCOL, "ProtocolError", 1},  {KST_E_IO, "IOError", 1},
        {KST_E_SERVER, "ServerError", 1},      {KST_E_CLOSED, "ConnectionClosed", 1},
        {KST_E_LOST, "LeaseLost", 4},          {-4711, "Failed", 1},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_err struct kst_err *err = NULL;
        kst_err_set(&err, table[i].code, "x");
        assert_string_equal(kst_err_get_reason(err), table[i].reason);
        assert_int_equal(kst_err_exit(table[i].code), table[i].exit);
    }
    assert_int_equal(kst_err_exit(KST_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_holds_what_it_was_given),
        cmocka_unit_test(wrapping_puts_context_before_and_keeps_the_rest),
        cmocka_unit_test(a_caller_without_an_address_gets_the_same_code),
        cmocka_unit_test(a_success_passes_through_a_wrap),
        cmocka_unit_test(nothing_is_done_to_no_error),
        cmocka_unit_test(a_copy_is_its_own),
        cmocka_unit_test(moving_keeps_the_first_error),
        cmocka_unit_test(codes_have_reasons_and_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
