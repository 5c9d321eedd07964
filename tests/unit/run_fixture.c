/* SPDX-License-Identifier: Apache-2.0 */
#include "run_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/journal.h"
#include "sandbox/sandbox.h"

enum { READY_TIMEOUT_MS = 20 * 1000 };

static void note(void *arg, const struct kst_run *run, enum kst_note note, const char *text,
                 const struct kst_json *detail)
{
    struct run_fixture *self = arg;
    self->warnings += note == KST_NOTE_WARNING;
    self->volumes += note == KST_NOTE_VOLUME;
    self->workloads += note == KST_NOTE_WORKLOAD;
}

static int guard(void *arg, struct kst_err **err)
{
    struct run_fixture *self = arg;
    if (self->writes_left < 0)
        return 0;
    if (self->writes_left == 0)
        return kst_err_set(err, KST_E_LOST, "the engine is dead");
    self->writes_left--;
    return 0;
}

static void open_journal(struct run_fixture *self)
{
    kst_auto_err struct kst_err *err = NULL;
    if (kst_journal_open(self->run.kube, self->run.home, self->run.name, &self->run.journal, &err) <
        0)
        fail_msg("%s", kst_err_message(err));
}

void run_open(struct run_fixture *self, struct cluster *cluster, const char *name)
{
    *self = (struct run_fixture){.cluster = cluster, .writes_left = -1};
    const struct kst_kube_config_options options = {
        .kubeconfig = kst_sandbox_kubeconfig(cluster->sandbox)};
    assert_int_equal(kst_kube_config_load(&options, &self->config, NULL), 0);
    self->outer = kst_kube_new(kst_fiber_loop(), self->config);
    self->run = (struct kst_run){
        .loop = kst_fiber_loop(),
        .outer = self->outer,
        .kube = kst_kube_fork(self->outer),
        .home = kst_strdup("kassette"),
        .name = kst_strdup(name),
        .app_ns = kst_strdup("default"),
        .observer = {.note = note, .arg = self},
        .ready_timeout_ms = READY_TIMEOUT_MS,
    };
    kst_kube_set_guard(self->run.kube, guard, self);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':%s},'spec':{'action':"
        "'restore','application':{'namespace':'default'}}}",
        name);
    kst_auto_err struct kst_err *err = NULL;
    if (kst_kube_create(self->outer, &kst_res_runs, "kassette", object, false, NULL, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    open_journal(self);
}

void run_close(struct run_fixture *self)
{
    kst_journal_free(self->run.journal);
    assert_int_equal(
        kst_kube_delete(self->outer, &kst_res_runs, self->run.home, self->run.name, NULL, NULL), 0);
    kst_event_flush(self->outer);
    kst_kube_free(self->run.kube);
    kst_kube_free(self->outer);
    kst_kube_config_free(self->config);
    free(self->run.home);
    free(self->run.name);
    free(self->run.app_ns);
}

struct kst_json *run_restore(struct run_fixture *self)
{
    return kst_json_ensure_object(kst_journal_status(self->run.journal), "restore");
}

struct kst_json *run_row(struct run_fixture *self, const char *list, size_t index)
{
    struct kst_json *rows = kst_json_mut(run_restore(self), list);
    assert_true(index < kst_json_len(rows));
    return kst_json_mut_at(rows, index);
}

void run_die_after(struct run_fixture *self, int writes)
{
    self->writes_left = writes;
}

void run_succeed(struct run_fixture *self)
{
    self->writes_left = -1;
    kst_journal_free(self->run.journal);
    open_journal(self);
}
