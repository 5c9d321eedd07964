/* SPDX-License-Identifier: Apache-2.0 */
/* Git sources against real peers: a path, git http-backend, sshd and git daemon. */
#include "git/source.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "unit/git_peers.h"

static struct peers peers;
static struct kst_loop *loop;
static int caches; /* made so far: each test starts with an empty one unless it says otherwise */

struct attempt {
    struct kst_source_spec spec;
    char *cache;
    struct kst_source *source;
    struct kst_err *err;
    int code;
};

static int open_in_fiber(void *arg, struct kst_err **err)
{
    struct attempt *self = arg;
    return kst_source_open(loop, &self->spec, self->cache, &self->source, err);
}

/* Opens with the attempt's spec, into its cache (a new one where it has none). */
static int attempt_open(struct attempt *self)
{
    kst_source_free(self->source);
    kst_err_clear(&self->err);
    self->source = NULL;
    if (!self->cache)
        self->cache = kst_asprintf("%s/cache/%d", peers.top, ++caches);
    self->code = kst_loop_run(loop, "open", open_in_fiber, self, &self->err);
    if (self->code < 0)
        assert_null(self->source);
    return self->code;
}

static void attempt_release(struct attempt *self)
{
    kst_source_free(self->source);
    kst_err_clear(&self->err);
    free(self->cache);
}
#define auto_attempt __attribute__((cleanup(attempt_release))) struct attempt

static void expect_commit(struct attempt *self, const char *commit)
{
    if (attempt_open(self) < 0)
        fail_msg("%s: %s", self->spec.url, kst_err_message(self->err));
    assert_string_equal(kst_source_commit(self->source), commit);
    kst_auto_buf text = KST_BUF_INIT(100);
    assert_int_equal(kst_source_read(self->source, "postgresql/blueprint.lua", &text, NULL), 0);
    assert_string_equal(text.data, "return { name = \"postgresql\" }\n");
}

static void expect_error(struct attempt *self, int code, const char *words)
{
    attempt_open(self);
    const char *message = kst_err_message(self->err);
    const char *hint = kst_err_get_hint(self->err);
    if (self->code != code || (!strstr(message, words) && !(hint && strstr(hint, words))))
        fail_msg("expected %d '%s', got %d: %s (%s)", code, words, self->code, message,
                 hint ? hint : "no hint");
}

static char *local_url(const char *name)
{
    return kst_asprintf("%s/%s", peers.repos, name);
}

static void test_refs_of_a_path(void **state)
{
    kst_auto_free char *url = local_url("blueprints.git");
    kst_auto_free char *file_url = kst_asprintf("file://%s", url);
    kst_auto_free char *brief = kst_strndup(peers.head, 9);
    const struct {
        const char *url, *ref, *commit, *found;
    } rows[] = {
        {url, NULL, peers.head, "refs/heads/main"},
        {url, "HEAD", peers.head, "refs/heads/main"},
        {file_url, "main", peers.head, "refs/heads/main"},
        {url, "feature/x", peers.first, "refs/heads/feature/x"},
        {url, "v0", peers.first, "refs/tags/v0"},
        {url, "v1", peers.head, "refs/tags/v1"},
        {url, "refs/tags/v0", peers.first, "refs/tags/v0"},
        {url, "deadbeef", peers.head, "refs/heads/deadbeef"},
        {url, peers.first, peers.first, NULL},
        {url, brief, peers.head, NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        auto_attempt try = {.spec = {.url = rows[i].url, .ref = rows[i].ref}};
        expect_commit(&try, rows[i].commit);
        if (rows[i].found)
            assert_string_equal(kst_source_ref(try.source), rows[i].found);
        assert_string_equal(kst_source_url(try.source), rows[i].url);
        assert_string_equal(kst_source_root(try.source), "");
    }
}

static void test_pin_wins_and_needs_no_server(void **state)
{
    kst_auto_free char *copy = kst_asprintf("%s/copy.git", peers.top);
    auto_attempt try = {.spec = {.url = copy, .ref = "main", .commit = peers.first}};

    peers_sh(&peers, "git clone -q --bare repos/blueprints.git copy.git");
    expect_commit(&try, peers.first);
    assert_null(kst_source_ref(try.source));
    peers_sh(&peers, "rm -rf copy.git");
    expect_commit(&try, peers.first);
    try.spec.commit = peers.head; /* its ancestor alone was never all that was asked for */
    attempt_open(&try);
    try.spec.commit = NULL;
    expect_error(&try, KST_E_NOT_FOUND, "no such folder");
    try.spec.ref = peers.first;
    expect_commit(&try, peers.first);
}

static void test_follows_a_branch(void **state)
{
    kst_auto_free char *copy = kst_asprintf("%s/moving.git", peers.top);
    auto_attempt try = {.spec = {.url = copy, .ref = "main"}};

    peers_sh(&peers, "git clone -q --bare repos/blueprints.git moving.git;"
                     "git -C moving.git update-ref refs/heads/main HEAD~1");
    expect_commit(&try, peers.first);
    peers_sh(&peers, "git -C moving.git update-ref refs/heads/main %s", peers.head);
    expect_commit(&try, peers.head);
    /* A forced push back, and a branch where a folder of branches was. */
    peers_sh(&peers,
             "git -C moving.git update-ref refs/heads/main %s;"
             "git -C moving.git branch -q -D feature/x;"
             "git -C moving.git branch -q feature",
             peers.first);
    expect_commit(&try, peers.first);
    try.spec.ref = "feature";
    expect_commit(&try, peers.first);
}

static void test_bad_specs(void **state)
{
    kst_auto_free char *url = local_url("blueprints.git");
    kst_auto_free char *empty = local_url("empty.git");
    kst_auto_free char *missing = local_url("missing.git");
    kst_auto_free char *plain = kst_asprintf("%s/work/lib", peers.top);
    const struct {
        struct kst_source_spec spec;
        int code;
        const char *words;
    } rows[] = {
        {{.url = url, .ref = "maintenence"}, KST_E_NOT_FOUND, "maintenance"},
        {{.url = url, .ref = "no..dots"}, KST_E_INVALID, "not a valid name"},
        {{.url = url, .ref = "-x"}, KST_E_INVALID, "not a valid name"},
        {{.url = url, .ref = "blob"}, KST_E_INVALID, "not a commit"},
        {{.url = url, .ref = "0123456"}, KST_E_NOT_FOUND, "0123456"},
        {{.url = url, .commit = "0123"}, KST_E_INVALID, "40 hexadecimal"},
        {{.url = url, .commit = "0123456789012345678901234567890123456789"},
         KST_E_NOT_FOUND,
         "in none of its branches"},
        {{.url = url, .path = "nowhere"}, KST_E_NOT_FOUND, "nowhere"},
        {{.url = url, .path = "README.md"}, KST_E_NOT_FOUND, "not a folder"},
        {{.url = url, .path = "../x"}, KST_E_INVALID, "'..'"},
        {{.url = url, .path = "/x"}, KST_E_INVALID, "absolute"},
        {{.url = url, .path = "deep/out"}, KST_E_INVALID, "outside"},
        {{.url = url, .path = "module"}, KST_E_INVALID, "submodule"},
        {{.url = empty}, KST_E_NOT_FOUND, "empty"},
        {{.url = empty, .ref = "main"}, KST_E_NOT_FOUND, "empty"},
        {{.url = missing}, KST_E_NOT_FOUND, "no such folder"},
        {{.url = plain}, KST_E_NOT_FOUND, "repository"},
        {{.url = "ftp://example.com/x"}, KST_E_INVALID, "scheme"},
        {{.url = ""}, KST_E_INVALID, "empty"},
        {{.url = NULL}, KST_E_INVALID, "empty"},
        {{.url = "http://localhost:1/x.git"}, KST_E_UNREACHABLE, "connect"},
        {{.url = "https://does-not-exist.invalid/x.git"}, KST_E_UNREACHABLE, "resolve"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        auto_attempt try = {.spec = rows[i].spec};
        expect_error(&try, rows[i].code, rows[i].words);
    }
}

static void expect_read(struct kst_source *source, const char *path, int code, const char *words)
{
    kst_auto_buf text = KST_BUF_INIT(1 << 20);
    kst_auto_err struct kst_err *err = NULL;
    int got = kst_source_read(source, path, &text, &err);
    const char *said = got < 0 ? kst_err_message(err) : text.data;
    if (got != code || !strstr(said, words))
        fail_msg("%s: expected %d '%s', got %d: %s", path, code, words, got, said);
    if (got < 0)
        assert_int_equal(text.len, 0);
}

static const struct {
    const char *path;
    int code;
    const char *words;
} reads[] = {
    {"postgresql/blueprint.lua", 0, "postgresql"},
    {"alias/blueprint.lua", 0, "postgresql"},
    {"self/self/lib/util.lua", 0, "return {}"},
    {"deep/in.lua", 0, "return {}"},
    {"deep/a/x.lua", 0, "return {}"},
    {"nothing.lua", KST_E_NOT_FOUND, "there is no 'nothing.lua'"},
    {"README.md/x", KST_E_NOT_FOUND, "not a folder"},
    {"dangling.lua", KST_E_NOT_FOUND, "missing.lua"},
    {"postgresql", KST_E_INVALID, "folder"},
    {"absolute", KST_E_INVALID, "'/etc/passwd', which is outside"},
    {"deep/out/passwd", KST_E_INVALID, "outside"},
    {"mariadb/escape/x", KST_E_INVALID, "outside"},
    {"a.lua", KST_E_INVALID, "circle"},
    {"self/self/self/self/self/self/self/self/self/README.md", KST_E_INVALID, "circle"},
    {"large.lua", KST_E_LIMIT, "large.lua"},
    {"../x", KST_E_INVALID, "'..'"},
    {"x/../../y", KST_E_INVALID, "'..'"},
    {"/etc/passwd", KST_E_INVALID, "absolute"},
    {"a//b", KST_E_INVALID, "empty segment"},
    {"./a", KST_E_INVALID, "'.'"},
    {"a\\b", KST_E_INVALID, "backslash"},
    {"a\nb", KST_E_INVALID, "control"},
    {"a/", KST_E_INVALID, "segment"},
    {"", KST_E_INVALID, "empty"},
};

static void test_reads(void **state)
{
    kst_auto_free char *url = local_url("blueprints.git");
    auto_attempt try = {.spec = {.url = url, .max_file_bytes = 2000}};
    assert_int_equal(attempt_open(&try), 0);
    for (size_t i = 0; i < KST_ARRAY_LEN(reads); i++)
        expect_read(try.source, reads[i].path, reads[i].code, reads[i].words);
    expect_read(try.source, "module/x", KST_E_INVALID, "submodule");

    struct kst_source *dir = NULL;
    kst_auto_free char *work = kst_asprintf("%s/work", peers.top);
    assert_int_equal(kst_source_open_dir(work, 2000, &dir, NULL), 0);
    for (size_t i = 0; i < KST_ARRAY_LEN(reads); i++)
        expect_read(dir, reads[i].path, reads[i].code, reads[i].words);
    assert_null(kst_source_commit(dir));
    assert_string_equal(kst_source_url(dir), work);
    kst_source_free(dir);
}

static void expect_list(struct kst_source *source, const char *pattern, const char *json)
{
    kst_auto_json struct kst_json *paths = NULL;
    assert_int_equal(kst_source_list(source, pattern, &paths, NULL), 0);
    kst_auto_free char *text = kst_json_text(paths);
    assert_string_equal(text, json);
}

static void test_lists(void **state)
{
    kst_auto_free char *url = local_url("blueprints.git");
    auto_attempt try = {.spec = {.url = url}};
    static const char all[] = "[\"alias/blueprint.lua\",\"mariadb/blueprint.lua\","
                              "\"postgresql/blueprint.lua\"]";
    assert_int_equal(attempt_open(&try), 0);
    expect_list(try.source, KST_SOURCE_BLUEPRINTS, all);
    expect_list(try.source, "lib/*.lua", "[\"lib/util.lua\"]");
    expect_list(try.source, "none/*.lua", "[]");

    struct kst_source *dir = NULL;
    kst_auto_free char *work = kst_asprintf("%s/work", peers.top);
    assert_int_equal(kst_source_open_dir(work, 0, &dir, NULL), 0);
    expect_list(dir, KST_SOURCE_BLUEPRINTS, all);
    kst_source_free(dir);
}

/* 64 MiB in 64 KiB: it is fetched, and refused before it is unpacked into memory. */
static void test_bomb(void **state)
{
    kst_auto_free char *url = kst_asprintf("%s/bomb.git", peers.top);
    peers_sh(&peers, "git clone -q repos/blueprints.git bombwork; cd bombwork; mkdir bomb;"
                     "head -c 67108864 /dev/zero > bomb/blueprint.lua;"
                     "git add -A; git commit -qm bomb; git clone -q --bare . ../bomb.git");
    auto_attempt try = {.spec = {.url = url, .max_bytes = 8 << 20}};
    if (attempt_open(&try) < 0)
        fail_msg("%s", kst_err_message(try.err));
    expect_read(try.source, "bomb/blueprint.lua", KST_E_LIMIT, "67108864 bytes");
    expect_read(try.source, "mariadb/blueprint.lua", 0, "mariadb");
}

/* A folder of the repository is the root: what is beside it is out of reach. */
static void test_sub_folder(void **state)
{
    kst_auto_free char *url = local_url("blueprints.git");
    auto_attempt try = {.spec = {.url = url, .path = "sub/"}};
    assert_int_equal(attempt_open(&try), 0);
    assert_string_equal(kst_source_root(try.source), "sub");
    expect_list(try.source, KST_SOURCE_BLUEPRINTS, "[\"redis/blueprint.lua\"]");
    expect_read(try.source, "up.lua", KST_E_INVALID, "outside");
    expect_read(try.source, "redis/blueprint.lua", 0, "return 2");
}

static void test_limits(void **state)
{
    kst_auto_free char *url = local_url("big.git");
    struct peer server = peer_http(&peers, NULL);
    kst_auto_free char *http = kst_asprintf("http://localhost:%d/big.git", server.port);
    const struct {
        struct kst_source_spec spec;
        const char *words;
    } rows[] = {
        {{.url = url, .max_bytes = 1000000}, "MiB"},
        {{.url = http, .max_bytes = 1000000}, "MiB were received"},
        {{.url = url, .max_objects = 100}, "objects"},
        {{.url = http, .max_objects = 100}, "objects"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        auto_attempt try = {.spec = rows[i].spec};
        expect_error(&try, KST_E_LIMIT, rows[i].words);
        try.spec.max_bytes = try.spec.max_objects = 0;
        assert_int_equal(attempt_open(&try), 0);
    }
    peer_stop(&server);
}

static void test_http(void **state)
{
    kst_auto_free char *log = kst_asprintf("%s/http.log", peers.top);
    const char *const more[] = {"--log", log, NULL};
    struct peer server = peer_http(&peers, more);
    const struct {
        const char *path, *ref;
        int code;
        const char *words;
    } rows[] = {
        {"blueprints.git", NULL, 0, ""},
        {"blueprints.git", "v1", 0, ""},
        {"blueprints.git", peers.head, 0, ""},
        {"redirect/blueprints.git", NULL, 0, ""},
        {"blueprints.git", "mainn", KST_E_NOT_FOUND, "main"},
        {"missing.git", NULL, KST_E_NOT_FOUND, "404"},
        {"broken/x.git", NULL, KST_E_SERVER, "503"},
        {"page/x.git", NULL, KST_E_PROTOCOL, "content-type"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *url = kst_asprintf("http://localhost:%d/%s", server.port, rows[i].path);
        auto_attempt try = {.spec = {.url = url, .ref = rows[i].ref}};
        if (rows[i].code == 0)
            expect_commit(&try, peers.head);
        else
            expect_error(&try, rows[i].code, rows[i].words);
    }

    /* What is pinned and cached asks nothing of the server. */
    kst_auto_free char *url = kst_asprintf("http://localhost:%d/blueprints.git", server.port);
    auto_attempt try = {.spec = {.url = url}};
    expect_commit(&try, peers.head);
    kst_auto_free char *before = peers_file(&peers, "http.log");
    try.spec.commit = peers.head;
    expect_commit(&try, peers.head);
    kst_auto_free char *after = peers_file(&peers, "http.log");
    assert_string_equal(before, after);
    peer_stop(&server);
    expect_commit(&try, peers.head);
    try.spec.commit = NULL;
    expect_error(&try, KST_E_UNREACHABLE, "localhost");
}

static void test_http_passwords(void **state)
{
    const char *const more[] = {"--user", "bob:s3cr3t/p@ss", NULL};
    struct peer server = peer_http(&peers, more);
    kst_auto_free char *url = kst_asprintf("http://localhost:%d/blueprints.git", server.port);
    kst_auto_free char *inside = kst_asprintf(
        "http://bob:s3cr3t%%2Fp%%40ss@localhost:%d/blueprints.git", server.port);
    kst_auto_free char *offsite = kst_asprintf("http://localhost:%d/offsite/x.git", server.port);
    char bob[] = "bob", good[] = "s3cr3t/p@ss", bad[] = "wr0ng-secret";
    struct kst_source_credentials right = {.username = bob, .password = good};
    struct kst_source_credentials wrong = {.username = bob, .password = bad};

    auto_attempt with_secret = {.spec = {.url = url, .credentials = &right}};
    expect_commit(&with_secret, peers.head);
    auto_attempt with_url = {.spec = {.url = inside}};
    expect_commit(&with_url, peers.head);
    assert_null(strstr(kst_source_url(with_url.source), "s3cr3t"));
    auto_attempt none = {.spec = {.url = url}};
    expect_error(&none, KST_E_FORBIDDEN, "none was given");
    auto_attempt refused = {.spec = {.url = url, .credentials = &wrong}};
    expect_error(&refused, KST_E_FORBIDDEN, "refused the user name and password");
    assert_null(strstr(kst_err_message(refused.err), bad));
    /* A password is not carried to another host. */
    auto_attempt away = {.spec = {.url = offsite, .credentials = &right}};
    expect_error(&away, KST_E_INVALID, "cannot redirect");
    peer_stop(&server);
}

static void test_https(void **state)
{
    peers_sh(&peers,
             "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30"
             " -subj '/CN=Test CA' 2>/dev/null\n"
             "for n in localhost elsewhere.example expired; do\n"
             " openssl req -newkey rsa:2048 -nodes -keyout $n.key -out $n.csr -subj /CN=localhost"
             " 2>/dev/null\n"
             " name=localhost; [ $n = elsewhere.example ] && name=$n\n"
             " days=30; [ $n = expired ] && days=-1\n"
             " echo subjectAltName=DNS:$name > $n.ext\n"
             " openssl x509 -req -in $n.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days $days"
             " -extfile $n.ext -out $n.crt 2>/dev/null\ndone");
    kst_auto_free char *ca = peers_file(&peers, "ca.crt");
    struct kst_source_credentials trusting = {.ca = ca};
    const struct {
        const char *cert;
        const struct kst_source_credentials *credentials;
        int code;
        const char *words;
    } rows[] = {
        {"localhost", &trusting, 0, ""},
        {"localhost", NULL, KST_E_UNREACHABLE, "ca.crt"},
        {"expired", &trusting, KST_E_UNREACHABLE, "expired"},
        {"elsewhere.example", &trusting, KST_E_UNREACHABLE, "host name"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *cert = kst_asprintf("%s/%s.crt", peers.top, rows[i].cert);
        kst_auto_free char *key = kst_asprintf("%s/%s.key", peers.top, rows[i].cert);
        const char *const more[] = {"--cert", cert, "--key", key, NULL};
        struct peer server = peer_http(&peers, more);
        kst_auto_free char *url = kst_asprintf("https://localhost:%d/blueprints.git", server.port);
        auto_attempt try = {.spec = {.url = url, .credentials = rows[i].credentials}};
        if (rows[i].code == 0)
            expect_commit(&try, peers.head);
        else
            expect_error(&try, rows[i].code, rows[i].words);
        peer_stop(&server);
    }
}

static void test_git_protocol(void **state)
{
    struct peer server = peer_daemon(&peers);
    kst_auto_free char *url = kst_asprintf("git://127.0.0.1:%d/blueprints.git", server.port);
    kst_auto_free char *missing = kst_asprintf("git://127.0.0.1:%d/missing.git", server.port);
    auto_attempt try = {.spec = {.url = url, .ref = "v1"}};
    expect_commit(&try, peers.head);
    auto_attempt lost = {.spec = {.url = missing}};
    expect_error(&lost, KST_E_NOT_FOUND, "missing.git");
    peer_stop(&server);
}

static char *host_line(const char *key, int port)
{
    return peers_ask(&peers, "printf '[127.0.0.1]:%d '; cut -d' ' -f1,2 %s.pub", port, key);
}

static void test_ssh(void **state)
{
    struct peer server = peer_ssh(&peers, "host_ed25519");
    kst_auto_free char *user = peers_ask(&peers, "id -un");
    kst_auto_free char *url = kst_asprintf("ssh://%s@127.0.0.1:%d%s/blueprints.git", user,
                                           server.port, peers.repos);
    kst_auto_free char *nowhere = kst_asprintf("ssh://%s@127.0.0.1:%d/nowhere.git", user,
                                               server.port);
    kst_auto_free char *right = host_line("host_ed25519", server.port);
    kst_auto_free char *ecdsa = host_line("host_ecdsa", server.port);
    kst_auto_free char *wrong = host_line("id_stranger", server.port);
    kst_auto_free char *both = kst_asprintf("%s\n%s\n", ecdsa, right);
    kst_auto_free char *revoked = kst_asprintf("%s\n@revoked %s\n", right, right);
    peers_sh(&peers, "echo '%s' > hashed; ssh-keygen -q -H -f hashed 2>/dev/null", right);
    kst_auto_free char *hashed = peers_file(&peers, "hashed");
    kst_auto_free char *print = peers_ask(&peers,
                                          "ssh-keygen -l -f host_ed25519.pub | cut -d' ' -f2");
    kst_auto_free char *id = peers_file(&peers, "id");
    kst_auto_free char *locked = peers_file(&peers, "id_locked");
    kst_auto_free char *stranger = peers_file(&peers, "id_stranger");
    char sesame[] = "sesame", bad[] = "Sesam", none[] = "";
    const struct {
        struct kst_source_credentials credentials;
        int code;
        const char *words;
    } rows[] = {
        {{.ssh_key = id, .known_hosts = right}, 0, ""},
        {{.ssh_key = id, .known_hosts = both}, 0, ""},
        {{.ssh_key = id, .known_hosts = hashed}, 0, ""},
        {{.ssh_key = locked, .ssh_passphrase = sesame, .known_hosts = right}, 0, ""},
        {{.ssh_key = locked, .ssh_passphrase = bad, .known_hosts = right},
         KST_E_FORBIDDEN,
         "ssh-passphrase"},
        {{.ssh_key = stranger, .known_hosts = right}, KST_E_FORBIDDEN, "refused the SSH key"},
        {{.known_hosts = right}, KST_E_FORBIDDEN, "none was given"},
        {{.ssh_key = id, .known_hosts = none}, KST_E_UNREACHABLE, print},
        {{.ssh_key = id}, KST_E_UNREACHABLE, "is not known"},
        {{.ssh_key = id, .known_hosts = wrong}, KST_E_UNREACHABLE, "not the one that is known"},
        {{.ssh_key = id, .known_hosts = revoked}, KST_E_UNREACHABLE, "revoked"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        auto_attempt try = {.spec = {.url = url, .credentials = &rows[i].credentials}};
        if (rows[i].code == 0)
            expect_commit(&try, peers.head);
        else
            expect_error(&try, rows[i].code, rows[i].words);
    }
    auto_attempt lost = {.spec = {.url = nowhere, .credentials = &rows[0].credentials}};
    expect_error(&lost, KST_E_NOT_FOUND, "nowhere.git");

    /* Without a known_hosts of the source's own, the user's counts. */
    peers_sh(&peers, "mkdir -p .ssh; cp hashed .ssh/known_hosts");
    auto_attempt own = {.spec = {.url = url, .credentials = &rows[8].credentials}};
    expect_commit(&own, peers.head);
    peers_sh(&peers, "rm -rf .ssh");
    peer_stop(&server);

    server = peer_ssh(&peers, "host_ecdsa");
    kst_auto_free char *again = kst_asprintf("ssh://%s@127.0.0.1:%d%s/blueprints.git", user,
                                             server.port, peers.repos);
    kst_auto_free char *ed = host_line("host_ed25519", server.port);
    kst_auto_free char *ec = host_line("host_ecdsa", server.port);
    kst_auto_free char *two = kst_asprintf("%s\n%s\n", ed, ec);
    struct kst_source_credentials second = {.ssh_key = id, .known_hosts = two};
    auto_attempt fallback = {.spec = {.url = again, .credentials = &second}};
    expect_commit(&fallback, peers.head);
    struct kst_source_credentials changed = {.ssh_key = id, .known_hosts = ed};
    fallback.spec.credentials = &changed;
    expect_error(&fallback, KST_E_UNREACHABLE, "host key");
    peer_stop(&server);
}

static void test_silent_server(void **state)
{
    struct peer server = peer_silent();
    static const char *const formats[] = {"http", "git", "ssh", "https"};
    for (size_t i = 0; i < KST_ARRAY_LEN(formats); i++) {
        kst_auto_free char *url = kst_asprintf("%s://127.0.0.1:%d/blueprints.git", formats[i],
                                               server.port);
        auto_attempt try = {.spec = {.url = url, .timeout_ms = 700}};
        int64_t start = kst_now_ms();
        expect_error(&try, KST_E_TIMEOUT, "connecting to 127.0.0.1");
        assert_true(kst_now_ms() - start >= 600);
    }
    peer_stop(&server);
}

static int cancel_soon(void *arg, struct kst_err **err)
{
    struct attempt *self = arg;
    struct kst_fiber *fiber = kst_fiber_spawn(loop, "open", open_in_fiber, self);
    assert_int_equal(kst_sleep_ms(300, NULL), 0);
    kst_fiber_cancel(fiber);
    return kst_fiber_join(fiber, err);
}

static void test_cancel(void **state)
{
    struct peer server = peer_silent();
    kst_auto_free char *url = kst_asprintf("git://127.0.0.1:%d/x.git", server.port);
    auto_attempt try = {.spec = {.url = url}, .cache = kst_asprintf("%s/cancelled", peers.top)};
    assert_int_equal(kst_loop_run(loop, "cancel", cancel_soon, &try, &try.err), KST_E_CANCELLED);
    peer_stop(&server);
}

static void write_script(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0700);
}

/* The helper is killed at many moments of a fetch: the cache is whole after each of them. */
static void test_killed_helper(void **state)
{
    struct peer server = peer_http(&peers, NULL);
    kst_auto_free char *url = kst_asprintf("http://localhost:%d/big.git", server.port);
    kst_auto_free char *script = kst_asprintf("%s/killed", peers.top);
    auto_attempt try = {.spec = {.url = url, .helper = script}};
    for (int i = 1; i <= 8; i++) {
        kst_auto_free char *text = kst_asprintf(
            "#!/bin/sh\nexec timeout -s KILL 0.%02d %s \"$@\"\n", i * 4, peers.program);
        write_script(script, text);
        attempt_open(&try);
    }
    /* What a kill at the worst moments leaves. */
    peers_sh(&peers,
             "for repo in cache/%d/*/repo; do if [ -d $repo ]; then touch"
             " $repo/config.lock $repo/objects/pack/pack_git2_abc; fi; done",
             caches);
    try.spec.helper = NULL;
    assert_int_equal(attempt_open(&try), 0);
    kst_auto_free char *left = peers_ask(
        &peers, "find cache/%d -name '*.lock' -o -name 'pack_git2*' | wc -l", caches);
    assert_string_equal(left, "0");

    write_script(script, "#!/bin/sh\nkill -SEGV $$\n");
    try.spec.helper = script;
    expect_error(&try, KST_E_LIMIT, "status 139");
    write_script(script, "#!/bin/sh\necho broken >&2; exit 3\n");
    expect_error(&try, KST_E_FAILED, "broken");
    write_script(script, "#!/bin/sh\necho '{\"code\":0}'\n");
    expect_error(&try, KST_E_FAILED, "status 0");
    peer_stop(&server);
}

static void test_damaged_cache(void **state)
{
    static const char *const damages[] = {
        "echo x > $repo/HEAD",
        "rm $repo/HEAD",
        "for p in $repo/objects/pack/*.pack; do chmod u+w $p; truncate -s 200 $p; done",
        "for p in $repo/objects/pack/*.idx; do chmod u+w $p; truncate -s 100 $p; done",
        "rm -rf $repo/objects",
        "rm $repo/objects/pack/*.pack",
        "cd $repo/objects/pack; chmod u+w *; dd if=/dev/zero of=$(ls *.pack) bs=20 seek=15 count=1",
        "rm -rf $repo; echo x > $repo",
        "echo '[core' > $repo/config",
    };
    kst_auto_free char *url = local_url("blueprints.git");
    for (size_t i = 0; i < KST_ARRAY_LEN(damages); i++) {
        auto_attempt try = {.spec = {.url = url}};
        expect_commit(&try, peers.head);
        for (int pinned = 0; pinned < 2; pinned++) {
            peers_sh(&peers, "for repo in $PWD/cache/%d/*/repo; do ( %s ) 2>/dev/null; done",
                     caches, damages[i]);
            try.spec.commit = pinned ? peers.head : NULL;
            expect_commit(&try, peers.head);
        }
    }
}

static int open_all(void *arg, struct kst_err **err)
{
    struct attempt *many = arg;
    struct kst_group *group = kst_group_new(loop, false);
    for (int i = 0; i < 4; i++)
        kst_group_spawn(group, "open", open_in_fiber, &many[i]);
    int code = kst_group_wait(group, err);
    kst_group_free(group);
    return code;
}

static void test_concurrent(void **state)
{
    kst_auto_free char *url = local_url("big.git");
    kst_auto_free char *cache = kst_asprintf("%s/shared/by all", peers.top);
    struct attempt many[4];
    kst_auto_err struct kst_err *err = NULL;
    for (int i = 0; i < 4; i++)
        many[i] = (struct attempt){.spec = {.url = url}, .cache = cache};
    assert_int_equal(kst_loop_run(loop, "all", open_all, many, &err), 0);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(kst_source_commit(many[i].source), kst_source_commit(many[0].source));
    }
    for (int i = 0; i < 4; i++)
        kst_source_free(many[i].source);
}

static void test_unusable_cache(void **state)
{
    kst_auto_free char *url = local_url("blueprints.git");
    kst_auto_free char *file = kst_asprintf("%s/work/README.md", peers.top);
    auto_attempt try = {.spec = {.url = url}, .cache = kst_strdup(file)};
    expect_error(&try, KST_E_IO, "cache folder");
    if (getuid() != 0) /* only root can give a folder away */
        return;
    auto_attempt foreign = {.spec = {.url = url}};
    foreign.cache = kst_asprintf("%s/foreign", peers.top);
    peers_sh(&peers, "mkdir foreign; chown 12345 foreign");
    expect_error(&foreign, KST_E_REFUSED, "belongs to user 12345");
}

/* No secret is in the arguments or the environment of the helper. */
static void test_secrets_stay_hidden(void **state)
{
    kst_auto_free char *script = kst_asprintf("%s/spy", peers.top);
    kst_auto_free char *text = kst_asprintf("#!/bin/sh\n{ echo \"$0 $*\"; env; } > %s/spied\n"
                                            "exec %s \"$@\"\n",
                                            peers.top, peers.program);
    kst_auto_free char *url = local_url("blueprints.git");
    char user[] = "bob", password[] = "hunter2-hunter2";
    struct kst_source_credentials credentials = {.username = user, .password = password};
    auto_attempt try = {.spec = {.url = url, .credentials = &credentials, .helper = script}};
    write_script(script, text);
    expect_commit(&try, peers.head);
    kst_auto_free char *spied = peers_file(&peers, "spied");
    assert_non_null(strstr(spied, KST_SOURCE_HELPER));
    assert_null(strstr(spied, password));
}

static int setup(void **state)
{
    kst_log_setup(KST_LOG_ERROR, KST_LOG_PLAIN);
    peers_start(&peers);
    return kst_loop_new(&loop, NULL);
}

static int teardown(void **state)
{
    kst_loop_free(loop);
    peers_stop(&peers);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], KST_SOURCE_HELPER) == 0)
        return kst_source_helper_main();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refs_of_a_path),
        cmocka_unit_test(test_pin_wins_and_needs_no_server),
        cmocka_unit_test(test_follows_a_branch),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_sub_folder),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_http_passwords),
        cmocka_unit_test(test_https),
        cmocka_unit_test(test_git_protocol),
        cmocka_unit_test(test_ssh),
        cmocka_unit_test(test_silent_server),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_killed_helper),
        cmocka_unit_test(test_damaged_cache),
        cmocka_unit_test(test_concurrent),
        cmocka_unit_test(test_unusable_cache),
        cmocka_unit_test(test_secrets_stay_hidden),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
