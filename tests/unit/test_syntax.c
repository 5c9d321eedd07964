/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of Lua takes what Lua takes, and knows which variable each name is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "lua/embedded.h"
#include "lua/syntax.h"

static int parse(const char *text, struct kst_syntax *syntax, struct kst_err **err)
{
    return kst_syntax_parse(syntax, text, strlen(text), err);
}

static void test_accepts(void **state)
{
    static const char *const rows[] = {
        "",
        ";;;",
        "return",
        "return;",
        "return 1, 2;",
        "local a <const>, b <close> = 1, nil",
        "local function f(a, ...) return ... end",
        "function a.b.c:d(x) self.x = x end",
        "for i = 1, 10, 2 do break end for k, v in pairs {} do goto next ::next:: end",
        "repeat local done = true until done",
        "while true do if a then elseif b then else end end",
        "f'x' f\"y\" f[[z]] f{1, 2; a = 3, [4] = 5,} a.b['c']:d(e)(f).g = 1",
        "a, b.c, d[1] = f(), (g())",
        "return -2 ^ 3 ^ -4 .. 'a' .. 'b' == not #t and ~1 // 2 << 3 & 4 | 5 ~ 6 or 7 ~= 8",
        "x = 0x1p-4 + 0XA.8P+1 + 1e10 + .5 + 3. + 0xff + 1E-2",
        "x = '\\a\\x41\\065\\u{48}\\z   \n  \\\n\\'' --[==[ ]] ]==] y = [==[\n]]]=]]==]",
        "local a\r\nlocal b\n\rlocal c -- the end",
        "do local goto_ = 1 end",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_syntax syntax;
        kst_auto_err struct kst_err *err = NULL;
        if (parse(rows[i], &syntax, &err) < 0)
            fail_msg("%s: %s", rows[i], kst_err_message(err));
        kst_syntax_release(&syntax);
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
    } rows[] = {
        {"x", 1, 2},
        {"x = ", 1, 5},
        {"f() = 1", 1, 5},
        {"(f)", 1, 4},
        {"local 1", 1, 7},
        {"if a then", 1, 10},
        {"for a do end", 1, 7},
        {"return 1 x = 2", 1, 10},
        {"x = 'a\n'", 1, 5},
        {"x = [[a", 1, 5},
        {"a = 1\n  é = 2", 2, 3},
        {"-- é\nx = { -- é\n  'é', ? }", 3, 8},
        {"x = '\\q'", 1, 7},
        {"x = '\\300'", 1, 7},
        {"x = '\\u{80000000}'", 1, 7},
        {"end", 1, 1},
        {"\x1bLua", 1, 1},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_syntax syntax;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(parse(rows[i].text, &syntax, &err), KST_E_PARSE);
        struct kst_place place = kst_syntax_place(&syntax, syntax.wrong_at);
        if (place.line != rows[i].line || place.column != rows[i].column)
            fail_msg("%s: at %u:%u: %s", rows[i].text, place.line, place.column,
                     kst_err_message(err));
        kst_syntax_release(&syntax);
    }
}

static char *repeat(const char *text, size_t count)
{
    kst_auto_buf out = KST_BUF_INIT(64 * 1024 * 1024);
    for (size_t i = 0; i < count; i++)
        kst_buf_adds(&out, text);
    return kst_buf_take(&out);
}

static void test_depth(void **state)
{
    static const char *const rows[] = {"(",
                                       "{",
                                       "x = {",
                                       "- ",
                                       "f(",
                                       "do ",
                                       "a.",
                                       "1 + ",
                                       "2 ^ ",
                                       "function f() ",
                                       "return function() ",
                                       "if a then "};
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_syntax syntax;
        kst_auto_free char *nested = repeat(rows[i], 50000);
        kst_auto_free char *text = kst_asprintf("return %s", nested);
        assert_true(parse(nested, &syntax, NULL) < 0);
        kst_syntax_release(&syntax);
        assert_true(parse(text, &syntax, NULL) < 0);
        kst_syntax_release(&syntax);
    }
    struct kst_syntax syntax;
    kst_auto_free char *sum = repeat("1 + ", 50000), *dots = repeat(".a", 50000);
    kst_auto_free char *wide = kst_asprintf("return %s 1", sum);
    kst_auto_free char *chain = kst_asprintf("return a%s", dots);
    assert_int_equal(parse(wide, &syntax, NULL), KST_E_LIMIT);
    kst_syntax_release(&syntax);
    assert_int_equal(parse(chain, &syntax, NULL), KST_E_LIMIT);
    kst_syntax_release(&syntax);
}

static void test_values_of_strings(void **state)
{
    struct kst_syntax syntax;
    assert_int_equal(parse("return 'a\\x00\\u{20AC}\\z  \n b\\065\\\r\nc'", &syntax, NULL), 0);
    const struct kst_node *value = syntax.block->a->a;
    assert_int_equal(value->len, 9);
    assert_memory_equal(value->text,
                        "a\0\xe2\x82\xac"
                        "bA\nc",
                        9);
    kst_syntax_release(&syntax);
}

/* The names in a text are, in order, the locals of these places; 0: a global. */
static void check_names(const struct kst_node *node, const unsigned *expected, size_t *index,
                        const struct kst_syntax *syntax)
{
    for (; node; node = node->next) {
        if (node->kind == KST_NODE_NAME) {
            size_t at = node->local ? node->local->at : 0;
            unsigned found = node->local ? kst_syntax_place(syntax, at).column : 0;
            if (found != expected[*index])
                fail_msg("name %zu (%s): is that of %u, expected %u", *index, node->text, found,
                         expected[*index]);
            ++*index;
        }
        check_names(node->a, expected, index, syntax);
        check_names(node->b, expected, index, syntax);
        check_names(node->c, expected, index, syntax);
    }
}

static void test_scopes(void **state)
{
    static const struct {
        const char *text;
        unsigned names[8];
        size_t count;
    } rows[] = {
        {"local a = a", {7, 0}, 2},
        {"local a local a = a", {7, 15, 7}, 3},
        {"local function f() f() end", {16, 16}, 2},
        {"local f = function() f() end", {7, 0}, 2},
        {"do local a end a = 1", {10, 0}, 2},
        {"for a = a, a do b(a) end", {5, 0, 0, 0, 5}, 5},
        {"repeat local a until a", {14, 14}, 2},
        {"while a do local a end", {0, 18}, 2},
        {"function f(a) a = a end", {0, 12, 12, 12}, 4},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_syntax syntax;
        size_t count = 0;
        assert_int_equal(parse(rows[i].text, &syntax, NULL), 0);
        check_names(syntax.block, rows[i].names, &count, &syntax);
        if (count != rows[i].count)
            fail_msg("%s: %zu names", rows[i].text, count);
        kst_syntax_release(&syntax);
    }
}

static void test_the_library_parses(void **state)
{
    size_t count = 0;
    for (const struct kst_embedded_file *file = kst_embedded; file->path; file++) {
        struct kst_syntax syntax;
        kst_auto_err struct kst_err *err = NULL;
        size_t len = strlen(file->path);
        if (len < 4 || strcmp(file->path + len - 4, ".lua") != 0)
            continue;
        if (kst_syntax_parse(&syntax, (const char *)file->data, file->size, &err) < 0)
            fail_msg("%s: %s", file->path, kst_err_message(err));
        kst_syntax_release(&syntax);
        count++;
    }
    assert_true(count > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts), cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_values_of_strings),
        cmocka_unit_test(test_scopes),  cmocka_unit_test(test_the_library_parses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
