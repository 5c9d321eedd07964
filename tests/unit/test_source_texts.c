/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, known_hosts, credentials, and the sources that need no server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "git/knownhosts.h"
#include "git/source.h"
#include "git/url.h"

static void test_urls_are_parsed(void **state)
{
    static const struct {
        const char *url;
        enum kst_git_transport transport;
        const char *fetch, *host;
        int port;
        const char *username, *password;
    } rows[] = {
        {"https://h.example/a/b.git", KST_GIT_HTTPS, "https://h.example/a/b.git", "h.example", 443,
         NULL, NULL},
        {"HTTPS://bob:p%40ss%2f%zz@h:8443/a", KST_GIT_HTTPS, "https://h:8443/a", "h", 8443, "bob",
         "p@ss/%zz"},
        {"https://token@h/a", KST_GIT_HTTPS, "https://h/a", "h", 443, "token", NULL},
        {"http://h:80/a", KST_GIT_HTTP, "http://h/a", "h", 80, NULL, NULL},
        {"http://[::1]:81/a", KST_GIT_HTTP, "http://[::1]:81/a", "::1", 81, NULL, NULL},
        {"ssh://git@h:2222/~/a", KST_GIT_SSH, "ssh://git@h:2222/~/a", "h", 2222, "git", NULL},
        {"git+ssh://u:p@h/a", KST_GIT_SSH, "ssh://u@h/a", "h", 22, "u", "p"},
        {"git@h.example:a/b.git", KST_GIT_SSH, "git@h.example:a/b.git", "h.example", 22, "git",
         NULL},
        {"h:a", KST_GIT_SSH, "h:a", "h", 22, NULL, NULL},
        {"git://h/a", KST_GIT_GIT, "git://h/a", "h", 9418, NULL, NULL},
        {"/srv/a:b", KST_GIT_FILE, "/srv/a:b", NULL, 0, NULL, NULL},
        {"file:///srv/a%20b", KST_GIT_FILE, "/srv/a b", NULL, 0, NULL, NULL},
        {"file://localhost/srv", KST_GIT_FILE, "/srv", NULL, 0, NULL, NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_git_url url = {0};
        kst_auto_err struct kst_err *err = NULL;
        if (kst_git_url_parse(rows[i].url, &url, &err) < 0)
            fail_msg("%s: %s", rows[i].url, kst_err_message(err));
        assert_int_equal(url.transport, rows[i].transport);
        assert_string_equal(url.fetch, rows[i].fetch);
        assert_string_equal(url.host ? url.host : "-", rows[i].host ? rows[i].host : "-");
        assert_int_equal(url.port, rows[i].port);
        assert_string_equal(url.username ? url.username : "-",
                            rows[i].username ? rows[i].username : "-");
        assert_string_equal(url.password ? url.password : "-",
                            rows[i].password ? rows[i].password : "-");
    }
}

static void test_relative_paths_become_absolute(void **state)
{
    kst_auto_git_url url = {0};
    char cwd[4096];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    kst_auto_free char *expected = kst_asprintf("%s/some/where", cwd);
    assert_int_equal(kst_git_url_parse("some/where", &url, NULL), 0);
    assert_string_equal(url.fetch, expected);
}

static void test_urls_are_refused(void **state)
{
    static const struct {
        const char *url, *words;
    } rows[] = {
        {"", "empty"},
        {"gopher://h/a", "scheme"},
        {"https://h", "no repository"},
        {"https:///a", "host"},
        {"https://-oProxyCommand=x/a", "host"},
        {"ssh://-oProxyCommand=x/a", "host"},
        {"-oProxyCommand=x:a", "host"},
        {"https://a b/c", "host"},
        {"https://h:0/a", "port"},
        {"https://h:70000/a", "port"},
        {"https://[::1/a", "host"},
        {"ssh://h/a'b", "single quote"},
        {"ssh://h/a%27b", "single quote"},
        {"git@h:a'b", "single quote"},
        {"file://host/a", "no host"},
        {"https://h/a\nb", "control"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_git_url url = {0};
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_git_url_parse(rows[i].url, &url, &err), KST_E_INVALID);
        if (!strstr(kst_err_message(err), rows[i].words))
            fail_msg("%s: %s", rows[i].url, kst_err_message(err));
        assert_null(url.fetch);
    }
    kst_auto_git_url url = {0};
    kst_auto_err struct kst_err *err = NULL;
    assert_true(kst_git_url_parse("https://bob:hunter2@h:x/a", &url, &err) < 0);
    assert_null(strstr(kst_err_message(err), "hunter2"));
}

static void test_redaction(void **state)
{
    static const struct {
        const char *url, *shown;
    } rows[] = {
        {"https://h/a", "https://h/a"},
        {"https://h:8443/a@b", "https://h:8443/a@b"},
        {"https://u:p@h/a", "https://***@h/a"},
        {"https://token@h/a", "https://***@h/a"},
        {"https://u:p@q@h/a", "https://***@h/a"},
        {"https://u:p/q@h/a", "https://***@h/a"},
        {"https://h/a?token=x", "https://h/a?***"},
        {"https://h/a#x", "https://h/a?***"},
        {"ssh://git@h/a", "ssh://git@h/a"},
        {"ssh://git:p@h/a", "ssh://git:***@h/a"},
        {"git@h:a", "git@h:a"},
        {"git:p@h:a", "git:***@h:a"},
        {"/srv/a", "/srv/a"},
        {"a\tb", "a?b"},
        {"", ""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *shown = kst_source_url_redacted(rows[i].url);
        assert_string_equal(shown, rows[i].shown);
    }
}

/* "key one" and "key two" in base64. */
#define ONE "a2V5IG9uZQ=="
#define TWO "a2V5IHR3bw=="

static void test_known_hosts(void **state)
{
    enum {
        TRUSTED = KST_KNOWNHOSTS_TRUSTED,
        UNKNOWN = KST_KNOWNHOSTS_UNKNOWN,
        CHANGED = KST_KNOWNHOSTS_CHANGED,
        REVOKED = KST_KNOWNHOSTS_REVOKED,
    };
    static const struct {
        const char *text, *host;
        int port, verdict; /* on "key one" */
    } rows[] = {
        {"", "h", 22, UNKNOWN},
        {"h ssh-ed25519 " ONE, "h", 22, TRUSTED},
        {"h ssh-ed25519 " ONE " a comment\r\n", "H", 22, TRUSTED},
        {"h ssh-ed25519 " TWO, "h", 22, CHANGED},
        {"h ssh-rsa " TWO "\nh ssh-ed25519 " ONE, "h", 22, TRUSTED},
        {"other ssh-ed25519 " ONE, "h", 22, UNKNOWN},
        {"a,h,b\tssh-ed25519\t" ONE, "h", 22, TRUSTED},
        {"*.example,!bad.example ssh-ed25519 " ONE, "a.example", 22, TRUSTED},
        {"*.example,!bad.example ssh-ed25519 " ONE, "bad.example", 22, UNKNOWN},
        {"!bad.example,*.example ssh-ed25519 " ONE, "bad.example", 22, UNKNOWN},
        {"h? ssh-ed25519 " ONE, "h1", 22, TRUSTED},
        {"h? ssh-ed25519 " ONE, "h", 22, UNKNOWN},
        {"[h]:2222 ssh-ed25519 " ONE, "h", 2222, TRUSTED},
        {"[h]:2222 ssh-ed25519 " ONE, "h", 22, UNKNOWN},
        {"[h]:2222 ssh-ed25519 " TWO "\nh ssh-ed25519 " ONE, "h", 2222, TRUSTED},
        {"h ssh-ed25519 " TWO, "h", 2222, UNKNOWN},
        {"@revoked h ssh-ed25519 " ONE, "h", 22, REVOKED},
        {"h ssh-ed25519 " ONE "\n@revoked * ssh-ed25519 " ONE, "h", 22, REVOKED},
        {"@revoked h ssh-ed25519 " TWO "\nh ssh-ed25519 " ONE, "h", 22, TRUSTED},
        {"@cert-authority h ssh-ed25519 " ONE, "h", 22, UNKNOWN},
        {"# h ssh-ed25519 " ONE, "h", 22, UNKNOWN},
        {"h ssh-ed25519\nh\n\n   \nh ssh-ed25519 !!!", "h", 22, CHANGED},
        {"|1|AAAA|x ssh-ed25519 " ONE, "h", 22, UNKNOWN},
        {"|1| ssh-ed25519 " ONE, "h", 22, UNKNOWN},
        /* `ssh-keygen -H` on "h ssh-ed25519 …", and RFC 2202's "Jefe" as salt. */
        {"|1|SmVmZQ==|7/zfauXrL6LSdBbV8YTfnCWafHk= ssh-ed25519 " ONE,
         "what do ya want for nothing?", 22, TRUSTED},
        {"|1|SmVmZQ==|7/zfauXrL6LSdBbV8YTfnCWafHk= ssh-ed25519 " ONE, "h", 22, UNKNOWN},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        int verdict = kst_knownhosts_check(kst_str_of(rows[i].text), rows[i].host, rows[i].port,
                                           "key one", 7);
        if (verdict != rows[i].verdict)
            fail_msg("row %zu: expected %d, got %d: %s", i, rows[i].verdict, verdict, rows[i].text);
    }
}

static void test_known_hosts_best_first(void **state)
{
    static const char text[] = "[h]:2222 ssh-rsa " ONE "\n@revoked h ecdsa-sha2-nistp256 " ONE
                               "\nh ssh-ed25519 " TWO "\nh ssh-ed25519 " ONE "\n";
    static const char *const lines[] = {"[h]:2222 ssh-ed25519 " TWO "\n",
                                        "[h]:2222 ssh-rsa " ONE "\n"};
    for (unsigned i = 0; i < KST_ARRAY_LEN(lines); i++) {
        kst_auto_buf line = KST_BUF_INIT(1000);
        assert_true(kst_knownhosts_pick(kst_str_of(text), "h", 2222, i, &line));
        assert_string_equal(line.data, lines[i]);
    }
    kst_auto_buf line = KST_BUF_INIT(1000);
    assert_false(kst_knownhosts_pick(kst_str_of(text), "h", 2222, 2, &line));
    assert_int_equal(line.len, 0);
}

#define PEM "-----BEGIN X-----\\nAAAA\\n-----END X-----\\n"

static void test_credentials_of_secrets(void **state)
{
    static const struct {
        const char *data; /* plain; encoded below */
        int code;
        const char *words;
    } rows[] = {
        {"{\"username\":\"bob\",\"password\":\"secret\\n\"}", 0, ""},
        {"{\"ssh-privatekey\":\"" PEM "\",\"known_hosts\":\"h x y\"}", 0, ""},
        {"{\"identity\":\"" PEM "\",\"other\":\"x\"}", 0, ""},
        {"{\"ca.crt\":\"" PEM "\",\"username\":\"\"}", 0, ""},
        {"{}", KST_E_INVALID, "holds none"},
        {"{\"other\":\"x\"}", KST_E_INVALID, "holds none"},
        {"{\"password\":\"\\n\"}", KST_E_INVALID, "is empty"},
        {"{\"password\":\"a\\nb\"}", KST_E_INVALID, "more than one line"},
        {"{\"ssh-privatekey\":\"hello\"}", KST_E_INVALID, "PEM"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *plain = NULL;
        kst_auto_json struct kst_json *data = kst_json_object();
        kst_auto_source_credentials credentials = {0};
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_json_parse(rows[i].data, strlen(rows[i].data), &plain, NULL), 0);
        for (const struct kst_json *e = kst_json_first(plain); e; e = kst_json_next(e)) {
            kst_auto_buf text = KST_BUF_INIT(1000);
            kst_base64_encode(&text, kst_json_str(e), strlen(kst_json_str(e)));
            kst_json_set_str(data, kst_json_key(e), text.data);
        }
        int code = kst_source_credentials_from_secret(data, &credentials, &err);
        if (code != rows[i].code || !strstr(kst_err_message(err), rows[i].words))
            fail_msg("row %zu: %d %s", i, code, kst_err_message(err));
        if (i == 0) {
            assert_string_equal(credentials.username, "bob");
            assert_string_equal(credentials.password, "secret");
        }
        if (i == 1)
            assert_string_equal(credentials.known_hosts, "h x y");
    }
    kst_auto_json struct kst_json *odd = kst_json_make("{'password':'*','username':3}");
    kst_auto_source_credentials credentials = {0};
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_source_credentials_from_secret(odd, &credentials, &err), KST_E_INVALID);
    assert_non_null(strstr(kst_err_message(err), "base64"));
    assert_true(kst_source_credentials_from_secret(NULL, &credentials, NULL) < 0);
}

static void test_credentials_of_files(void **state)
{
    char dir[] = "/tmp/kst-credentials-XXXXXX";
    kst_auto_source_credentials credentials = {0};
    kst_auto_err struct kst_err *err = NULL;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(kst_source_credentials_from_dir(dir, &credentials, NULL), KST_E_INVALID);
    kst_auto_free char *path = kst_asprintf("%s/password", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("hunter2\r\n", file);
    fclose(file);
    assert_int_equal(kst_source_credentials_from_dir(dir, &credentials, NULL), 0);
    assert_string_equal(credentials.password, "hunter2");
    assert_int_equal(kst_source_credentials_set_file(&credentials, "ca.crt", path, &err),
                     KST_E_INVALID);
    assert_non_null(strstr(kst_err_message(err), path));
    assert_null(strstr(kst_err_message(err), "hunter2"));
    kst_err_clear(&err);
    assert_int_equal(kst_source_credentials_set(&credentials, "pasword", "x", 1, &err),
                     KST_E_USAGE);
    assert_int_equal(kst_source_credentials_set(&credentials, "password", "a\0b", 3, NULL),
                     KST_E_INVALID);
    unlink(path);
    rmdir(dir);
}

static const struct kst_source_file files[] = {
    {"blueprints/a-b/blueprint.lua", (const unsigned char *)"ab", 2},
    {"blueprints/a/blueprint.lua", (const unsigned char *)"a", 1},
    {"blueprints/a/deep/er.lua", (const unsigned char *)"er", 2},
    {"blueprints/b/other.lua", (const unsigned char *)"b", 1},
    {"lua/x.lua", (const unsigned char *)"x", 1},
};

static void test_table(void **state)
{
    static const struct {
        const char *prefix, *path;
        int code;
        const char *text;
    } rows[] = {
        {"blueprints", "a/blueprint.lua", 0, "a"},
        {"blueprints", "a-b/blueprint.lua", 0, "ab"},
        {"blueprints", "a/deep/er.lua", 0, "er"},
        {"blueprints", "a/deep", KST_E_INVALID, ""},
        {"blueprints", "a/x", KST_E_NOT_FOUND, ""},
        {"blueprints", "lua/x.lua", KST_E_NOT_FOUND, ""},
        {"blueprints", "../lua/x.lua", KST_E_INVALID, ""},
        {NULL, "lua/x.lua", 0, "x"},
        {NULL, "lua/x.lua/y", KST_E_NOT_FOUND, ""},
        {"blueprints/a", "blueprint.lua", 0, "a"},
        {"nothing", "blueprint.lua", KST_E_NOT_FOUND, ""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_buf text = KST_BUF_INIT(100);
        struct kst_source *source = kst_source_open_table(files, KST_ARRAY_LEN(files),
                                                          rows[i].prefix);
        assert_int_equal(kst_source_read(source, rows[i].path, &text, NULL), rows[i].code);
        assert_string_equal(text.data, rows[i].text);
        assert_null(kst_source_commit(source));
        assert_null(kst_source_url(source));
        kst_source_free(source);
    }

    kst_auto_json struct kst_json *paths = NULL;
    struct kst_source *source = kst_source_open_table(files, KST_ARRAY_LEN(files), "blueprints");
    assert_int_equal(kst_source_list(source, KST_SOURCE_BLUEPRINTS, &paths, NULL), 0);
    kst_auto_free char *text = kst_json_text(paths);
    assert_string_equal(text, "[\"a-b/blueprint.lua\",\"a/blueprint.lua\"]");
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_buf small = KST_BUF_INIT(1);
    assert_int_equal(kst_source_read(source, "a-b/blueprint.lua", &small, &err), KST_E_LIMIT);
    assert_non_null(strstr(kst_err_message(err), "built-in"));
    kst_source_free(source);
    kst_source_free(NULL);
}

/* A folder with more matches than a list holds, a FIFO that would block, and no permission. */
static void test_odd_folders(void **state)
{
    char dir[] = "/tmp/kst-folder-XXXXXX";
    kst_auto_err struct kst_err *err = NULL;
    struct kst_source *source = NULL;
    struct kst_json *paths = NULL;
    kst_auto_buf text = KST_BUF_INIT(100);

    assert_int_equal(kst_source_open_dir("/nonexistent/x", 0, &source, &err), KST_E_NOT_FOUND);
    kst_err_clear(&err);
    assert_int_equal(kst_source_open_dir("/proc/self/exe", 0, &source, &err), KST_E_NOT_FOUND);
    kst_err_clear(&err);
    assert_non_null(mkdtemp(dir));
    kst_auto_free char *fifo = kst_asprintf("%s/fifo.lua", dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(kst_source_open_dir(dir, 0, &source, NULL), 0);
    assert_int_equal(kst_source_read(source, "fifo.lua", &text, &err), KST_E_INVALID);
    kst_err_clear(&err);
    for (int i = 0; i <= KST_SOURCE_LIST_MAX; i++) {
        kst_auto_free char *path = kst_asprintf("%s/%d.lua", dir, i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
    assert_int_equal(kst_source_list(source, "*.lua", &paths, &err), KST_E_LIMIT);
    for (int i = 0; i <= KST_SOURCE_LIST_MAX; i++) {
        kst_auto_free char *path = kst_asprintf("%s/%d.lua", dir, i);
        unlink(path);
    }
    unlink(fifo);
    rmdir(dir);
    kst_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_are_parsed),
        cmocka_unit_test(test_relative_paths_become_absolute),
        cmocka_unit_test(test_urls_are_refused),
        cmocka_unit_test(test_redaction),
        cmocka_unit_test(test_known_hosts),
        cmocka_unit_test(test_known_hosts_best_first),
        cmocka_unit_test(test_credentials_of_secrets),
        cmocka_unit_test(test_credentials_of_files),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_odd_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
