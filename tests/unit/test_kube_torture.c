/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client with a server that fails: a session with everything that the engine asks an API server
 * for is run once for each of its requests and each kind of fault, which befalls that one request.
 * It ends well, or with an error that says what failed; it never hangs, and leaves nothing behind.
 * The server is the embedded cluster's; the trials run side by side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/config_internal.h"
#include "kube/event.h"
#include "kube/exec.h"
#include "kube/lease.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/remote.h"
#include "sandbox/server/server.h"

enum {
    AT_ONCE = 8,
    PATIENCE_MS = 60 * 1000,
    HANG_MS = 20, /* then the session is cancelled */
    MOST_REQUESTS = 200,
    FAULTS = KST_FAULT_TRUNCATE + 1,
};

#define NS "default"

struct trial {
    enum kst_server_fault fault;
    unsigned at, requests; /* which one fails, from 1 on; how many there were */
    char *failed;          /* the one that did */
    struct kst_loop *loop;
    struct kst_api *api;
    struct kst_kube *kube;
    struct kst_fiber *session;
    struct kst_timer *timer;
    int rc;
    char *message;
};

/* ---- The server's side ---- */

static void end_session(void *arg)
{
    struct trial *self = arg;
    self->timer = NULL;
    kst_fiber_cancel(self->session);
}

static enum kst_server_fault choose_fault(void *arg, const struct kst_server_look *look)
{
    struct trial *self = arg;
    if (++self->requests != self->at)
        return KST_FAULT_NONE;
    self->failed = kst_asprintf("%s %s %s", look->method, look->path, look->verb);
    if (self->fault == KST_FAULT_HANG)
        self->timer = kst_timer_start(self->loop, kst_now_ms() + HANG_MS, end_session, self);
    return self->fault;
}

static void serve_log(void *arg, struct kst_httpd_request *request, const struct kst_object *pod)
{
    kst_httpd_reply(request, 200, "text/plain", "first\nsecond\n", 13);
}

static void serve_exec(void *arg, struct kst_httpd_request *request, const struct kst_object *pod)
{
    struct kst_remote_handshake shake;
    struct kst_remote *remote = NULL;
    struct kst_str early;
    int fd = -1;
    if (kst_remote_choose(
            kst_httpd_header(request, "Upgrade"), kst_httpd_header(request, "Sec-WebSocket-Key"),
            kst_httpd_header(request, "Sec-WebSocket-Version"),
            kst_httpd_header(request, "Sec-WebSocket-Protocol"), NULL, &shake, NULL) < 0)
        return;
    kst_httpd_add_header(request, "Sec-WebSocket-Accept", shake.accept);
    kst_httpd_add_header(request, "Sec-WebSocket-Protocol", shake.subprotocol);
    if (kst_httpd_upgrade(request, shake.upgrade, &fd, &early, NULL) < 0)
        return;
    const struct kst_remote_streams streams = {.out = true, .errors = true};
    if (kst_remote_open(fcntl(fd, F_DUPFD_CLOEXEC, 3), early.data, early.len, shake.protocol,
                        streams, &remote, NULL) < 0)
        return;
    kst_auto_json struct kst_json *status = kst_remote_status(7, NULL);
    if (kst_remote_write(remote, 1, "hello", 5, NULL) == 0)
        kst_remote_finish(remote, status, NULL);
    kst_remote_free(remote);
}

static void add_pod(struct kst_api *api)
{
    kst_bucket_put(kst_store_bucket(kst_api_store(api), "/pods"),
                   kst_json_make("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'db-0',"
                                 "'namespace':%s,'uid':'1'},'spec':{'nodeName':'sandbox',"
                                 "'containers':[{'name':'main','image':'i'}]},"
                                 "'status':{'phase':'Running'}}",
                                 NS));
}

/* ---- The session ---- */

static struct kst_json *map_of(const char *name)
{
    return kst_json_make("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':%s,"
                         "'namespace':%s,'labels':{'app':'x','kassette.io/run':'r',"
                         "'kassette.io/step':%s}},'data':{'k':'v'}}",
                         name, NS, name);
}

static int create_some(struct kst_kube *kube, struct kst_err **err)
{
    static const char *const names[] = {"a", "c", "d"};
    int rc = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(names) && rc == 0; i++) {
        kst_auto_json struct kst_json *map = map_of(names[i]), *made = NULL;
        rc = kst_kube_create(kube, &kst_res_configmaps, NS, map, false, &made, err);
        if (rc == 0)
            assert_string_equal(kst_json_path_str(made, "data.k"), "v");
    }
    return rc;
}

static int change_some(struct kst_kube *kube, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'data':{'k2':'v2'}}");
    kst_auto_json struct kst_json *b = map_of("b"), *had = NULL;
    int rc = kst_kube_patch(kube, &kst_res_configmaps, NS, "a", NULL, KST_PATCH_MERGE, patch, NULL,
                            err);
    if (rc == 0)
        rc = kst_kube_patch(kube, &kst_res_configmaps, NS, "b", NULL, KST_PATCH_APPLY, b, NULL,
                            err);
    if (rc == 0)
        rc = kst_kube_get(kube, &kst_res_configmaps, NS, "b", &had, err);
    if (rc < 0)
        return rc;
    kst_json_set_str(kst_json_mut(had, "data"), "k", "changed");
    return kst_kube_update(kube, &kst_res_configmaps, NS, had, NULL, NULL, err);
}

static int list_all(struct kst_kube *kube, struct kst_err **err)
{
    const struct kst_kube_list_options options = {.label_selector = "app=x", .page_size = 2};
    kst_auto_json struct kst_json *items = NULL;
    int rc = kst_kube_list(kube, &kst_res_configmaps, NS, &options, &items, NULL, err);
    if (rc == 0)
        assert_int_equal(kst_json_len(items), 4);
    return rc;
}

/* Four objects, then a change that is made meanwhile. */
static int watch_all(struct kst_kube *kube, struct kst_err **err)
{
    const struct kst_watch_options options = {.label_selector = "app=x"};
    struct kst_watch *watch = kst_watch_new(kube, &kst_res_configmaps, NS, &options);
    kst_auto_json struct kst_json *patch = kst_json_make("{'data':{'k3':'v3'}}");
    enum kst_watch_type type = KST_WATCH_SEEN;
    const struct kst_json *object = NULL;
    int rc = 0, seen = 0;
    for (; rc == 0 && type != KST_WATCH_SYNCED; seen++)
        rc = kst_watch_next(watch, KST_NEVER, &type, &object, err);
    if (rc == 0)
        assert_int_equal(seen, 5);
    if (rc == 0)
        rc = kst_kube_patch(kube, &kst_res_configmaps, NS, "a", NULL, KST_PATCH_MERGE, patch, NULL,
                            err);
    if (rc == 0)
        rc = kst_watch_next(watch, KST_NEVER, &type, &object, err);
    if (rc == 0)
        assert_string_equal(kst_json_path_str(object, "data.k3"), "v3");
    kst_watch_free(watch);
    return rc;
}

static int look_inside(struct kst_kube *kube, struct kst_err **err)
{
    static const char *const command[] = {"say", "hello", NULL};
    const struct kst_exec_request request = {
        .ns = NS, .pod = "db-0", .container = "main", .command = command};
    kst_auto_buf out = KST_BUF_INIT(1024), text = KST_BUF_INIT(1024);
    int code = -1;
    int rc = kst_exec_run(kube, &request, NULL, 0, &out, NULL, &code, err);
    if (rc == 0) {
        assert_string_equal(out.data, "hello");
        assert_int_equal(code, 7);
        rc = kst_kube_logs(kube, NS, "db-0", "main", false, -1, &text, err);
    }
    if (rc == 0)
        assert_string_equal(text.data, "first\nsecond\n");
    return rc;
}

static int is_gone(void *arg, const struct kst_json *object, struct kst_err **err)
{
    return object ? 0 : 1;
}

static int delete_one(struct kst_kube *kube, struct kst_err **err)
{
    struct kst_err *cause = NULL;
    int rc = kst_kube_delete(kube, &kst_res_configmaps, NS, "b", NULL, &cause);
    if (rc == KST_E_NOT_FOUND) { /* the answer of a first try was lost */
        kst_err_clear(&cause);
        rc = 0;
    }
    if (rc < 0)
        return kst_err_move(err, &cause);
    return kst_watch_until(kube, &kst_res_configmaps, NS, "b", is_gone, NULL, KST_NEVER,
                           "to be deleted", NULL, err);
}

static int work(struct kst_kube *kube, const struct kst_lease *lease, struct kst_err **err)
{
    static int (*const parts[])(struct kst_kube * kube, struct kst_err * *err) = {
        create_some, change_some, list_all, watch_all, look_inside, delete_one};
    const struct kst_kube_resource *resource = NULL;
    int rc = kst_kube_find_kind(kube, "apps/v1", "StatefulSet", &resource, err);
    for (size_t i = 0; i < KST_ARRAY_LEN(parts) && rc == 0; i++) {
        rc = kst_lease_check(lease, err);
        rc = rc < 0 ? rc : parts[i](kube, err);
    }
    return rc;
}

static void ignore(void *arg)
{
}

static int session(void *arg, struct kst_err **err)
{
    struct trial *self = arg;
    const struct kst_lease_options options = {
        .ns = NS, .name = "run-r", .identity = "me", .duration_ms = PATIENCE_MS};
    struct kst_lease *lease = NULL;
    kst_deadline_set(kst_deadline_in_ms(PATIENCE_MS));
    int rc = kst_lease_acquire(self->kube, &options, false, ignore, NULL, &lease, err);
    if (rc < 0)
        return rc;
    rc = work(self->kube, lease, err);
    kst_auto_json struct kst_json *map = map_of("a");
    kst_event_emit(self->kube, map, KST_EVENT_NORMAL, "Done", "it is done");
    kst_event_flush(self->kube);
    kst_lease_release(lease, true);
    return rc;
}

/* ---- A trial ---- */

static struct kst_kube_config *config_of(const struct kst_server *server)
{
    struct kst_kube_config *config = NULL;
    kst_auto_json struct kst_json *merged = kst_json_make(
        "{'current-context':{'file':'f','value':'x'},"
        "'contexts':{'x':{'file':'f','value':{'cluster':'c','user':'u'}}},"
        "'clusters':{'c':{'file':'f','value':{'server':%s}}},"
        "'users':{'u':{'file':'f','value':{}}}}",
        kst_server_url(server));
    if (kst_kubeconfig_resolve(merged, NULL, &config, NULL) < 0 ||
        kst_config_read_credentials(config, NULL) < 0)
        abort();
    return config;
}

static int run_trial(void *arg, struct kst_err **unused)
{
    struct trial *self = arg;
    const struct kst_server_options options = {
        .fault = choose_fault, .fault_arg = self, .log = serve_log, .exec = serve_exec};
    struct kst_server *server = NULL;
    kst_auto_err struct kst_err *err = NULL;
    self->loop = kst_fiber_loop();
    self->api = kst_api_new();
    if (kst_server_new(self->loop, self->api, &options, &server, NULL) < 0)
        abort();
    kst_bootstrap(self->api);
    add_pod(self->api);
    struct kst_kube_config *config = config_of(server);
    self->kube = kst_kube_new(self->loop, config);
    kst_kube_set_patience_ms(self->kube, PATIENCE_MS);
    self->session = kst_fiber_spawn(self->loop, "session", session, self);
    self->rc = kst_fiber_join(self->session, &err);
    kst_timer_stop(self->timer);
    self->message = kst_strdup(kst_err_message(err));
    if ((self->rc < 0) != (err != NULL) || self->rc != kst_err_code(err))
        fail_msg("%s: %d without an error", self->failed, self->rc);
    kst_kube_free(self->kube); /* asserts that no request is under way */
    kst_kube_config_free(config);
    kst_server_stop(server);
    kst_server_free(server);
    return 0;
}

/* What must be there after a session that ended well. */
static bool is_well(const struct trial *self)
{
    const struct kst_object *a = kst_api_find(self->api, "/configmaps", NS, "a");
    return a && kst_json_path_str(a->json, "data.k2") && kst_json_path_str(a->json, "data.k3") &&
           kst_api_find(self->api, "/configmaps", NS, "d") &&
           !kst_api_find(self->api, "/configmaps", NS, "b");
}

/* A fault that passes, of a request that may be repeated, is not seen. Neither a command nor a
 * patch without a version may be; an update that was done, and is repeated, meets itself. */
static bool may_end_badly(const struct trial *self)
{
    bool done = self->fault == KST_FAULT_RESET_AFTER || self->fault == KST_FAULT_TRUNCATE;
    bool passes = done || self->fault == KST_FAULT_RESET_BEFORE || self->fault == KST_FAULT_503 ||
                  self->fault == KST_FAULT_429;
    return !passes || strstr(self->failed, "/exec") || strstr(self->failed, "configmaps/a patch") ||
           (done && self->rc == KST_E_CONFLICT && strstr(self->failed, "configmaps/b update"));
}

static void check_trial(struct trial *self)
{
    static const char *const names[] = {"none", "reset before", "reset after", "500",  "503",
                                        "429",  "409",          "410",         "hang", "truncate"};
    const char *name = names[self->fault];
    if (self->rc == 0 && !is_well(self))
        fail_msg("%s at %s: it is said to be well, and is not", name, self->failed);
    if (self->rc < 0 && (!*self->message || !may_end_badly(self)))
        fail_msg("%s at %s: %d: %s", name, self->failed, self->rc, self->message);
    kst_api_free(self->api);
    free(self->failed);
    free(self->message);
}

struct trials {
    struct trial *all;
    unsigned count;
};

static int run_trials(void *arg, struct kst_err **err)
{
    struct trials *self = arg;
    struct kst_group *group = kst_group_new(kst_fiber_loop(), false);
    kst_group_limit(group, AT_ONCE);
    for (unsigned i = 0; i < self->count; i++)
        kst_group_spawn(group, "trial", run_trial, &self->all[i]);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static void in_loop(struct trials *trials)
{
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "trials", run_trials, trials, NULL), 0);
    kst_loop_free(loop);
}

static void test_each_request_fails_in_each_way(void **state)
{
    struct trial first = {.fault = KST_FAULT_NONE};
    struct trials one = {&first, 1};
    in_loop(&one);
    if (first.rc < 0)
        fail_msg("without a fault: %s", first.message);
    unsigned requests = first.requests, count = 0;
    check_trial(&first);
    assert_in_range(requests, 20, MOST_REQUESTS);
    struct trial *all = kst_calloc((size_t)requests * FAULTS, sizeof(*all));
    for (int fault = KST_FAULT_NONE + 1; fault < FAULTS; fault++)
        for (unsigned at = 1; at <= requests; at++)
            all[count++] = (struct trial){.fault = (enum kst_server_fault)fault, .at = at};
    struct trials trials = {all, count};
    in_loop(&trials);
    unsigned well = 0;
    for (unsigned i = 0; i < count; i++) {
        well += all[i].rc == 0;
        check_trial(&all[i]);
    }
    free(all);
    print_message("%u requests, %u trials, %u ended well\n", requests, count, well);
    kst_log_forget_secrets();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_fails_in_each_way),
    };
    kst_http_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kst_http_global_release();
    return failed;
}
