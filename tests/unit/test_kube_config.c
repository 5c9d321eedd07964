/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/cert.h"
#include "kube/config.h"
#include "kube/config_internal.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "make_cert.h"

static char folder[] = "/tmp/test_kube_config.XXXXXX";
static char *cert, *key, *other_key, *old_cert, *old_key;

/* ---- Files ---- */

static char *in_folder(const char *name)
{
    return kst_asprintf("%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
    kst_auto_free char *path = in_folder(name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void write_program(const char *name, const char *text)
{
    kst_auto_free char *path = in_folder(name);
    write_file(name, text);
    assert_int_equal(chmod(path, 0700), 0);
}

static char *base64(const char *text)
{
    struct kst_buf out = KST_BUF_INIT(64 * 1024);
    assert_int_equal(kst_base64_encode(&out, text, strlen(text)), 0);
    return kst_buf_take(&out);
}

static int set_up(void **state)
{
    assert_non_null(mkdtemp(folder));
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    setenv("HOME", folder, 1);
    make_cert(86400, &cert, &key);
    make_cert(-3600, &old_cert, &old_key);
    char *unused;
    make_cert(86400, &unused, &other_key);
    free(unused);
    write_file("ca.crt", cert);
    write_file("old.crt", old_cert);
    write_file("old.key", old_key);
    return 0;
}

static int tear_down(void **state)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        kst_auto_free char *path = in_folder(entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(folder);
    free(cert);
    free(key);
    free(other_key);
    free(old_cert);
    free(old_key);
    kst_log_forget_secrets();
    return 0;
}

/* Loads a file of this text. */
static int load_text(const char *text, const struct kst_kube_config_options *more,
                     struct kst_kube_config **out, struct kst_err **err)
{
    kst_auto_free char *path = in_folder("config");
    struct kst_kube_config_options options = {0};
    if (more)
        options = *more;
    options.kubeconfig = path;
    write_file("config", text);
    return kst_kube_config_load(&options, out, err);
}

static struct kst_kube_config *must_load(const char *text,
                                         const struct kst_kube_config_options *options)
{
    struct kst_kube_config *config = NULL;
    struct kst_err *err = NULL;
    if (load_text(text, options, &config, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    return config;
}

static bool has_header(const struct kst_kube_auth *auth, const char *wanted)
{
    for (size_t i = 0; auth->headers[i]; i++)
        if (strcmp(auth->headers[i], wanted) == 0)
            return true;
    return false;
}

/* ---- What is read ---- */

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://host:6443/'}}]\n"
#define CONTEXT                                          \
    "apiVersion: v1\nkind: Config\ncurrent-context: x\n" \
    "contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]\n"
#define USER(fields) CONTEXT CLUSTER "users: [{name: u, user: {" fields "}}]\n"

static void test_reads_a_plain_file(void **state)
{
    struct kst_kube_config *config = must_load(USER("token: sesame-1"), NULL);
    assert_string_equal(kst_kube_config_server(config), "https://host:6443");
    assert_string_equal(kst_kube_config_namespace(config), "shop");
    assert_string_equal(kst_kube_config_context(config), "x");
    assert_null(kst_kube_config_proxy(config));
    assert_false(kst_kube_config_insecure(config));
    assert_false(kst_kube_config_is_in_cluster(config));
    struct kst_kube_auth auth;
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
    assert_true(has_header(&auth, "Authorization: Bearer sesame-1"));
    kst_auto_free char *redacted = kst_log_redact("it is sesame-1");
    assert_string_equal(redacted, "it is ***");
    kst_kube_config_free(config);
}

static void test_headers_of_users(void **state)
{
    static const struct {
        const char *text, *header;
    } rows[] = {
        {USER("token: abcd"), "Authorization: Bearer abcd"},
        {USER("username: ann, password: 'p:w'"), "Authorization: Basic YW5uOnA6dw=="},
        {USER("as: bob, token: abcd"), "Impersonate-User: bob"},
        {USER("as: bob, as-groups: [g1, g2]"), "Impersonate-Group: g2"},
        {USER("as: bob, as-uid: '17'"), "Impersonate-Uid: 17"},
        {USER("as: bob, as-user-extra: {'a/b': [c]}"), "Impersonate-Extra-a%2Fb: c"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_kube_config *config = must_load(rows[i].text, NULL);
        struct kst_kube_auth auth;
        assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
        if (!has_header(&auth, rows[i].header))
            fail_msg("row %zu: %s", i, rows[i].header);
        kst_kube_config_free(config);
    }
}

static void test_cluster_fields(void **state)
{
    struct kst_kube_config *config = must_load(
        CONTEXT "clusters: [{name: c, cluster: {server: 'host:1', proxy-url: "
                "'socks5://p:1', tls-server-name: 'n', insecure-skip-tls-verify: true}}]\n"
                "users: [{name: u, user: {}}]\n",
        NULL);
    struct kst_kube_auth auth;
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
    assert_string_equal(kst_kube_config_server(config), "https://host:1");
    assert_string_equal(kst_kube_config_proxy(config), "socks5://p:1");
    assert_string_equal(auth.server_name, "n");
    assert_true(auth.insecure && kst_kube_config_insecure(config));
    assert_null(auth.headers[0]);
    kst_kube_config_free(config);
}

static void test_certificates_by_file_and_data(void **state)
{
    kst_auto_free char *ca64 = base64(cert), *key64 = base64(key);
    kst_auto_free char *text = kst_asprintf(
        CONTEXT
        "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: ca.crt}}]\n"
        "users: [{name: u, user: {client-certificate-data: %s, client-key-data: %s}}]\n",
        ca64, key64);
    struct kst_kube_config *config = must_load(text, NULL);
    struct kst_kube_auth auth;
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
    assert_string_equal(auth.ca_pem, cert);
    assert_string_equal(auth.cert_pem, cert);
    assert_string_equal(auth.key_pem, key);
    assert_null(kst_config_explain(config));
    kst_kube_config_free(config);
}

static void test_expired_certificate_is_named(void **state)
{
    struct kst_kube_config *config = must_load(
        USER("client-certificate: old.crt, client-key: old.key"), NULL);
    kst_auto_free char *why = kst_config_explain(config);
    assert_non_null(why);
    assert_non_null(strstr(why, "user \"u\""));
    assert_non_null(strstr(why, "expired on 20"));
    kst_kube_config_free(config);
}

static void test_options_win(void **state)
{
    static const char *const groups[] = {"admins", NULL};
    const struct kst_kube_config_options options = {
        .context = "y", .user = "v", .namespace_ = "other", .as = "eve", .as_groups = groups};
    struct kst_kube_config *config = must_load(
        "current-context: x\ncontexts: [{name: x, context: {cluster: no}},"
        " {name: 'y', context: {cluster: c, user: u}}]\n" CLUSTER
        "users: [{name: u, user: {token: uuuu}}, {name: v, user: {token: vvvv, as: bob}}]\n",
        &options);
    struct kst_kube_auth auth;
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
    assert_string_equal(kst_kube_config_namespace(config), "other");
    assert_true(has_header(&auth, "Authorization: Bearer vvvv"));
    assert_true(has_header(&auth, "Impersonate-User: eve"));
    assert_true(has_header(&auth, "Impersonate-Group: admins"));
    assert_false(has_header(&auth, "Impersonate-User: bob"));
    kst_kube_config_free(config);
}

static void test_list_is_merged(void **state)
{
    write_file("one", "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                      "users: [{name: u, user: {username: only}}]\n");
    write_file("two", "current-context: x\n"
                      "contexts: [{name: x, context: {cluster: c, user: u, namespace: not-this}}]\n"
                      "users: [{name: u, user: {token: not-this}}]\n" CLUSTER);
    kst_auto_free char *list = kst_asprintf("%s/missing::%s/one:%s/two", folder, folder, folder);
    setenv("KUBECONFIG", list, 1);
    struct kst_kube_config *config = NULL;
    struct kst_err *err = NULL;
    if (kst_kube_config_load(NULL, &config, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    unsetenv("KUBECONFIG");
    struct kst_kube_auth auth;
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
    assert_string_equal(kst_kube_config_namespace(config), "default");
    assert_true(has_header(&auth, "Authorization: Basic b25seTo="));
    kst_kube_config_free(config);
}

static void test_in_cluster(void **state)
{
    struct kst_kube_config *config = NULL;
    struct kst_err *err = NULL;
    struct kst_kube_auth auth;
    assert_int_equal(kst_kube_config_in_cluster(folder, &config, NULL), KST_E_NOT_FOUND);
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_int_equal(kst_kube_config_in_cluster(folder, &config, &err), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(err), "token"));
    kst_err_clear(&err);
    write_file("token", "first-token\n");
    write_file("namespace", "kassette");
    if (kst_kube_config_in_cluster(folder, &config, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    assert_string_equal(kst_kube_config_server(config), "https://[fd00::1]:443");
    assert_string_equal(kst_kube_config_namespace(config), "kassette");
    assert_true(kst_kube_config_is_in_cluster(config));
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
    assert_true(has_header(&auth, "Authorization: Bearer first-token"));
    assert_string_equal(auth.ca_pem, cert);

    /* The token rotates: a rejection makes it be read again, once for all that were rejected. */
    uint64_t first = auth.generation;
    write_file("token", "second-token");
    assert_int_equal(kst_kube_config_auth(config, true, first, &auth, NULL), 0);
    assert_true(has_header(&auth, "Authorization: Bearer second-token"));
    assert_int_not_equal(auth.generation, first);
    uint64_t second = auth.generation;
    assert_int_equal(kst_kube_config_auth(config, true, first, &auth, NULL), 0);
    assert_int_equal(auth.generation, second);
    /* In the middle of a rotation the file is not there: what was read stays. */
    kst_auto_free char *path = in_folder("token");
    unlink(path);
    assert_int_equal(kst_kube_config_auth(config, true, second, &auth, NULL), 0);
    assert_true(has_header(&auth, "Authorization: Bearer second-token"));
    /* A minute later it is looked at without a rejection. */
    write_file("token", "third-token");
    config->look_again_ms = 0;
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, NULL), 0);
    assert_true(has_header(&auth, "Authorization: Bearer third-token"));
    kst_kube_config_free(config);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
}

/* ---- What is wrong ---- */

static void test_errors_name_the_place(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *words[3];
    } rows[] = {
        {"a: [", KST_E_PARSE, {"config", "line"}},
        {"- 1", KST_E_INVALID, {"config", "object"}},
        {"kind: Pod", KST_E_INVALID, {"kind", "Config", "Pod"}},
        {"", KST_E_NOT_FOUND, {"current-context"}},
        {"contexts: {}", KST_E_INVALID, {"contexts", "list"}},
        {"contexts: [1]", KST_E_INVALID, {"contexts[0]"}},
        {"contexts: [{context: {}}]", KST_E_INVALID, {"contexts[0].name"}},
        {"users: [{name: a}, {name: a}]", KST_E_INVALID, {"user \"a\"", "twice"}},
        {"current-context: x", KST_E_NOT_FOUND, {"current-context", "context \"x\""}},
        {CONTEXT, KST_E_NOT_FOUND, {"context \"x\"", "cluster \"c\""}},
        {CONTEXT CLUSTER, KST_E_NOT_FOUND, {"context \"x\"", "user \"u\""}},
        {CONTEXT "clusters: [{name: c}]\nusers: [{name: u}]",
         KST_E_INVALID,
         {"cluster \"c\"", "server"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 7}}]\nusers: [{name: u}]",
         KST_E_INVALID,
         {"cluster \"c\"", "server", "string"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'ftp://x'}}]\nusers: [{name: u}]",
         KST_E_INVALID,
         {"server", "https://"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://a b'}}]\nusers: [{name: u}]",
         KST_E_INVALID,
         {"server"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://x', proxy-url: 'x'}}]\n"
                 "users: [{name: u}]",
         KST_E_INVALID,
         {"proxy-url"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://x', "
                 "certificate-authority-data: '!'}}]\nusers: [{name: u}]",
         KST_E_INVALID,
         {"cluster \"c\"", "certificate-authority-data", "base64"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://x', "
                 "certificate-authority-data: 'QUJD'}}]\nusers: [{name: u}]",
         KST_E_INVALID,
         {"certificate-authority-data", "PEM"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://x', "
                 "certificate-authority: gone.crt}}]\nusers: [{name: u}]",
         KST_E_NOT_FOUND,
         {"certificate-authority", "gone.crt"}},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://x', certificate-authority: "
                 "ca.crt, insecure-skip-tls-verify: true}}]\nusers: [{name: u}]",
         KST_E_INVALID,
         {"insecure-skip-tls-verify"}},
        {USER("client-certificate: ca.crt"), KST_E_INVALID, {"user \"u\"", "client-key"}},
        {USER("client-key: ca.crt"), KST_E_INVALID, {"user \"u\"", "client-certificate"}},
        {USER("client-certificate: ca.crt, client-key: ca.crt"),
         KST_E_INVALID,
         {"user \"u\"", "private key"}},
        {USER("client-certificate: ca.crt, client-key: old.key"),
         KST_E_INVALID,
         {"user \"u\"", "does not belong"}},
        {USER("token: \"a\\nb\""), KST_E_INVALID, {"user \"u\"", "token"}},
        {USER("token: 1234"), KST_E_INVALID, {"user \"u\"", "token", "string"}},
        {USER("tokenFile: gone"), KST_E_NOT_FOUND, {"user \"u\"", "tokenFile", "gone"}},
        {USER("tokenFile: ca.crt"), KST_E_INVALID, {"user \"u\"", "tokenFile", "line break"}},
        {USER("token: a, username: b"), KST_E_INVALID, {"user \"u\"", "username"}},
        {USER("as-groups: [a]"), KST_E_INVALID, {"user \"u\"", "as"}},
        {USER("as: \"a\\nb\""), KST_E_INVALID, {"user \"u\"", "Impersonate-User"}},
        {USER("as: a, as-groups: [1]"), KST_E_INVALID, {"user \"u\"", "as-groups"}},
        {USER("auth-provider: {name: gcp}"), KST_E_INVALID, {"user \"u\"", "gcp"}},
        {USER("exec: {command: x}"), KST_E_INVALID, {"user \"u\"", "exec.apiVersion"}},
        {USER("exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"),
         KST_E_INVALID,
         {"user \"u\"", "exec.apiVersion"}},
        {USER("exec: {apiVersion: client.authentication.k8s.io/v1, command: x}"),
         KST_E_INVALID,
         {"user \"u\"", "exec.interactiveMode"}},
        {USER("exec: {apiVersion: client.authentication.k8s.io/v1beta1}"),
         KST_E_INVALID,
         {"user \"u\"", "exec.command"}},
        {USER("exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x, args: x}"),
         KST_E_INVALID,
         {"user \"u\"", "exec.args"}},
        {USER("exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x, env: [1]}"),
         KST_E_INVALID,
         {"user \"u\"", "exec.env"}},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_kube_config *config = NULL;
        struct kst_err *err = NULL;
        int rc = load_text(rows[i].text, NULL, &config, &err);
        if (rc != rows[i].code)
            fail_msg("row %zu: code %d, %s", i, rc, kst_err_message(err));
        assert_int_equal(kst_err_code(err), rc);
        for (size_t j = 0; j < 3 && rows[i].words[j]; j++)
            if (!strstr(kst_err_message(err), rows[i].words[j]))
                fail_msg("row %zu: no '%s' in: %s", i, rows[i].words[j], kst_err_message(err));
        assert_null(config);
        kst_err_free(err);
    }
}

static void test_no_file_at_all(void **state)
{
    struct kst_kube_config *config = NULL;
    struct kst_err *err = NULL;
    const struct kst_kube_config_options options = {.kubeconfig = "/nowhere/config"};
    assert_int_equal(kst_kube_config_load(&options, &config, &err), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(err), "/nowhere/config"));
    kst_err_clear(&err);
    assert_int_equal(kst_kube_config_load(NULL, &config, &err), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(err), ".kube/config"));
    assert_non_null(kst_err_get_hint(err));
    kst_err_clear(&err);
}

static void test_pairs(void **state)
{
    assert_int_equal(kst_cert_check_pair(cert, key, NULL), 0);
    assert_int_equal(kst_cert_check_pair(cert, other_key, NULL), KST_E_INVALID);
    assert_int_equal(kst_cert_check_pair("", key, NULL), KST_E_INVALID);
    int64_t wall_ms;
    assert_false(kst_cert_not_after_ms("x", &wall_ms));
    assert_true(kst_cert_not_after_ms(old_cert, &wall_ms));
    assert_true(wall_ms < kst_wall_ms());
}

/* ---- Plugins ---- */

static int in_fiber(int (*fn)(void *arg, struct kst_err **err), void *arg, struct kst_err **err)
{
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    int rc = kst_loop_run(loop, "test", fn, arg, err);
    kst_loop_free(loop);
    return rc;
}

#define PLUGIN(more)                                                                    \
    USER("exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, " \
         "command: ./plugin" more "}")

static int count_lines(const char *name)
{
    kst_auto_free char *path = in_folder(name);
    kst_auto_buf text = KST_BUF_INIT(4096);
    int lines = 0;
    kst_buf_read_file(&text, path, NULL);
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static int auth_once(void *arg, struct kst_err **err)
{
    struct kst_kube_auth auth;
    return kst_kube_config_auth(arg, false, 0, &auth, err);
}

static int use_plugin(void *arg, struct kst_err **err)
{
    struct kst_kube_config *config = arg;
    struct kst_kube_auth auth;
    /* Many at once: it is run once. */
    struct kst_group *group = kst_group_new(kst_fiber_loop(), false);
    for (int i = 0; i < 5; i++)
        kst_group_spawn(group, "auth", auth_once, config);
    assert_int_equal(kst_group_wait(group, NULL), 0);
    kst_group_free(group);
    assert_int_equal(count_lines("runs"), 1);
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, err), 0);
    assert_true(has_header(&auth, "Authorization: Bearer from-plugin-arg-value"));
    assert_int_equal(count_lines("runs"), 1);
    /* Rejected: run again; and once its credential has expired. */
    assert_int_equal(kst_kube_config_auth(config, true, auth.generation, &auth, err), 0);
    assert_int_equal(count_lines("runs"), 2);
    config->exec->expires_wall_ms = kst_wall_ms() - 1;
    assert_int_equal(kst_kube_config_auth(config, false, 0, &auth, err), 0);
    assert_int_equal(count_lines("runs"), 3);
    return 0;
}

static void test_plugin(void **state)
{
    write_program(
        "plugin",
        "#!/bin/sh\n"
        "cd \"${0%/*}\" && echo run >> runs && printf %s \"$KUBERNETES_EXEC_INFO\" > info\n"
        "printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
        "\"status\":{\"token\":\"from-plugin-%s-%s\",\"expirationTimestamp\":"
        "\"2999-01-01T00:00:00Z\"}}' \"$1\" \"$NAME\"\n");
    struct kst_kube_config *config = must_load(
        PLUGIN(", args: [arg], env: [{name: NAME, value: value}], provideClusterInfo: true"), NULL);
    struct kst_err *err = NULL;
    if (in_fiber(use_plugin, config, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    kst_auto_free char *path = in_folder("info");
    kst_auto_buf info = KST_BUF_INIT(4096);
    assert_int_equal(kst_buf_read_file(&info, path, NULL), 0);
    assert_non_null(strstr(info.data, "\"server\":\"https://host:6443\""));
    assert_non_null(strstr(info.data, "\"interactive\":false"));
    kst_kube_config_free(config);
}

static void test_plugin_errors(void **state)
{
    static const struct {
        const char *program;
        const char *words;
    } rows[] = {
        {"#!/bin/sh\necho topsecret; echo topsecret >&2; exit 3\n", "exit code 3"},
        {"#!/bin/sh\necho topsecret\n", "ExecCredential"},
        {"#!/bin/sh\nprintf %s '{\"kind\":\"Pod\"}'\n", "ExecCredential"},
        {"#!/bin/sh\nprintf %s '{\"kind\":\"ExecCredential\",\"apiVersion\":\"x/v1\"}'\n",
         "apiVersion"},
        {"#!/bin/sh\nprintf %s '{\"kind\":\"ExecCredential\","
         "\"apiVersion\":\"client.authentication.k8s.io/v1\"}'\n",
         "neither"},
        {"#!/bin/sh\nprintf %s '{\"kind\":\"ExecCredential\","
         "\"status\":{\"token\":\"topsecret\\n\"},"
         "\"apiVersion\":\"client.authentication.k8s.io/v1\"}'\n",
         "line breaks"},
        {"#!/bin/sh\nprintf %s '{\"kind\":\"ExecCredential\","
         "\"status\":{\"clientKeyData\":\"topsecret\"}"
         ",\"apiVersion\":\"client.authentication.k8s.io/v1\"}'\n",
         "together"},
        {"#!/bin/sh\nprintf %s '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"topsecret\","
         "\"expirationTimestamp\":\"soon\"},"
         "\"apiVersion\":\"client.authentication.k8s.io/v1\"}'\n",
         "expirationTimestamp"},
        {NULL, "no such program"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *path = in_folder("plugin");
        unlink(path);
        if (rows[i].program)
            write_program("plugin", rows[i].program);
        struct kst_kube_config *config = must_load(PLUGIN(", installHint: Get it."), NULL);
        struct kst_err *err = NULL;
        int rc = in_fiber(auth_once, config, &err);
        if (rc != KST_E_FORBIDDEN || !strstr(kst_err_message(err), rows[i].words))
            fail_msg("row %zu: %d %s", i, rc, kst_err_message(err));
        assert_non_null(strstr(kst_err_message(err), "plugin"));
        assert_null(strstr(kst_err_message(err), "topsecret"));
        assert_string_equal(kst_err_get_hint(err), "Get it.");
        kst_err_free(err);
        kst_kube_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_a_plain_file),
        cmocka_unit_test(test_headers_of_users),
        cmocka_unit_test(test_cluster_fields),
        cmocka_unit_test(test_certificates_by_file_and_data),
        cmocka_unit_test(test_expired_certificate_is_named),
        cmocka_unit_test(test_options_win),
        cmocka_unit_test(test_list_is_merged),
        cmocka_unit_test(test_in_cluster),
        cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_no_file_at_all),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_plugin),
        cmocka_unit_test(test_plugin_errors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
