/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns against Lua's own matcher: the same results, or an error where Lua has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/pattern.h"

static lua_State *L;

static int set_up(void **state)
{
    L = luaL_newstate();
    luaL_openlibs(L);
    return 0;
}

static int tear_down(void **state)
{
    lua_close(L);
    return 0;
}

/* string.find(subject, pattern) of Lua itself: its results as one text; "error" where it raises. */
static void lua_find(const char *subject, const char *pattern, char *out, size_t size)
{
    lua_settop(L, 0);
    luaL_loadstring(L, "local s, p = ... "
                       "local ok, r = pcall(function() return table.pack(s:find(p)) end) "
                       "if not ok then return 'error' end "
                       "for i = 1, r.n do r[i] = tostring(r[i]) end "
                       "return table.concat(r, '|')");
    lua_pushstring(L, subject);
    lua_pushstring(L, pattern);
    assert_int_equal(lua_pcall(L, 2, 1, 0), LUA_OK);
    snprintf(out, size, "%s", lua_tostring(L, -1));
}

static void our_find(const char *subject, const char *pattern, char *out, size_t size)
{
    struct kst_pattern *compiled = NULL;
    struct kst_capture captures[KST_PATTERN_CAPTURES + 1];
    int count = 0;
    bool matched = false;
    snprintf(out, size, "error");
    if (kst_pattern_new(pattern, strlen(pattern), false, &compiled, NULL) < 0)
        return;
    if (kst_pattern_match(compiled, subject, strlen(subject), 0, captures, &count, &matched,
                          NULL) == 0) {
        size_t len = 0;
        if (!matched)
            snprintf(out, size, "nil");
        else
            len = (size_t)snprintf(out, size, "%zu|%zu", captures[0].start + 1, captures[0].end);
        for (int i = 1; matched && i <= count; i++) {
            if (captures[i].position)
                len += (size_t)snprintf(out + len, size - len, "|%zu", captures[i].start + 1);
            else
                len += (size_t)snprintf(out + len, size - len, "|%.*s",
                                        (int)(captures[i].end - captures[i].start),
                                        subject + captures[i].start);
        }
    }
    kst_pattern_free(compiled);
}

static void same(const char *subject, const char *pattern)
{
    char expected[512], found[512];
    if (!strpbrk(pattern, "^$*+?.([%-"))
        return; /* find takes it as plain text */
    lua_find(subject, pattern, expected, sizeof(expected));
    our_find(subject, pattern, found, sizeof(found));
    /* Lua tells of a malformed pattern only where it gets to the malformed part. */
    bool early = strcmp(found, "error") == 0 && strcmp(expected, "nil") == 0;
    if (strcmp(expected, found) != 0 && !early)
        fail_msg("find('%s', '%s'): Lua says %s, we say %s", subject, pattern, expected, found);
}

static void test_table(void **state)
{
    static const char *const table[][2] = {
        {"hello world", "o w"},
        {"hello", "^h"},
        {"hello", "^e"},
        {"hello", "o$"},
        {"a$b", "$b"},
        {"abc", "(a)(b)(c)"},
        {"abc", "()b()"},
        {"key = value", "^(%w+)%s*=%s*(%w+)$"},
        {"THE (quick) fox", "%((%a+)%)"},
        {"f(a(b)c)d", "%b()"},
        {"xx((y)", "%b()"},
        {"THE (quick) fox", "%f[%a]%a+"},
        {"one two", "%f[%w]%w+%f[%W]"},
        {"abc", "%f[%z]"},
        {"abc", "c%f[^c]"},
        {"a.b", "."},
        {"a.b", "%."},
        {"[x]", "[]]"},
        {"[x]", "[^]]"},
        {"a-z", "[a-]"},
        {"a-z", "[%a-z]+"},
        {"a^b", "[x^]"},
        {"2024-01-02", "(%d+)-(%d+)-(%d+)"},
        {"aaa", "a-"},
        {"aaab", "a-b"},
        {"aaa", "(a*)(a?)"},
        {"abab", "(ab)%1"},
        {"abcabd", "(ab)c%1"},
        {"  trim  ", "^%s*(.-)%s*$"},
        {"", ""},
        {"", "^$"},
        {"abc", ""},
        {"x", "[z-a]"},
        {"x", "[^z-a]"},
        {"\xc3\xa4", "[\x80-\xff]+"},
        {"0/16B3748", "%x+/%x+"},
        {"a", "%"},
        {"a", "[a"},
        {"a", "[%"},
        {"a", "(a"},
        {"a", "a)"},
        {"a", "%1"},
        {"a", "(a%1)"},
        {"a", "%b("},
        {"a", "%fa"},
        {"a]", "[%]]"},
        {"a+b", "a+b"},
        {"a+b", "a%+b"},
        {"**", "*"},
        {"^", "a^"},
        {"tab\there", "%c"},
        {"UP", "%u%U?"},
        {"((()))", "%b()"},
        {"'q'", "%b''"},
        {"a\nb", "a.b"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
        same(table[i][0], table[i][1]);
}

/* A few thousand small patterns and subjects of an alphabet that makes them meet. */
static void test_random(void **state)
{
    static const char *const pieces[] = {"a",  "b",  ".",     "%a",   "%d",  "[ab]",  "[^a]",
                                         "%s", "(",  ")",     "()",   "*",   "+",     "-",
                                         "?",  "^",  "$",     "%b()", "%1",  "[%w_]", "%f[%a]",
                                         "%%", "%A", "[b-a]", "1",    "[]a]"};
    static const char subject_bytes[] = "ab1 ()b_";
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char pattern[64] = "", subject[16] = "";
        size_t len = 0;
        for (unsigned i = 0, n = seed % 6; i < n; i++) {
            seed = seed * 1103515245u + 12345u;
            const char *piece = pieces[(seed >> 16) % KST_ARRAY_LEN(pieces)];
            len += (size_t)snprintf(pattern + len, sizeof(pattern) - len, "%s", piece);
        }
        seed = seed * 1103515245u + 12345u;
        for (unsigned i = 0, n = (seed >> 16) % 9; i < n; i++) {
            seed = seed * 1103515245u + 12345u;
            subject[i] = subject_bytes[(seed >> 16) % (sizeof(subject_bytes) - 1)];
        }
        same(subject, pattern);
        seed = seed * 1103515245u + 12345u;
    }
}

/* What takes Lua's own matcher hours. */
static void test_bomb(void **state)
{
    char subject[61], pattern[64] = "";
    memset(subject, 'a', 60);
    subject[60] = '\0';
    for (int i = 0; i < 12; i++)
        memcpy(pattern + 2 * i, "a*", 3);
    memcpy(pattern + 24, "b", 2);
    struct kst_pattern *compiled = NULL;
    struct kst_capture captures[KST_PATTERN_CAPTURES + 1];
    int count = 0;
    bool matched = true;
    assert_int_equal(kst_pattern_new(pattern, strlen(pattern), false, &compiled, NULL), 0);
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_pattern_match(compiled, subject, 60, 0, captures, &count, &matched, &err);
    /* PCRE2 may see that there is no b at all; what must not happen is that it takes for ever. */
    assert_true(rc == KST_E_LIMIT || (rc == 0 && !matched));
    kst_pattern_free(compiled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
        cmocka_unit_test(test_bomb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
