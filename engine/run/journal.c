/* SPDX-License-Identifier: Apache-2.0 */
#include "run/journal.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"

struct kst_journal {
    struct kst_kube *kube;
    char *ns, *name;
    struct kst_json *object;
    int forbidden;
};

/* How often a write is tried again because the object was changed by somebody else meanwhile. */
enum { CONFLICT_TRIES = 20 };

static int adopt(struct kst_journal *self, struct kst_json *object, struct kst_err **err)
{
    if (kst_json_type(kst_json_get(object, "spec")) != KST_JSON_OBJECT) {
        kst_json_free(object);
        return kst_err_set(err, KST_E_INVALID, "Run/%s/%s has no spec", self->ns, self->name);
    }
    kst_json_free(self->object);
    self->object = object;
    kst_json_ensure_object(self->object, "status");
    return 0;
}

int kst_journal_reload(struct kst_journal *self, struct kst_err **err)
{
    struct kst_json *object = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_runs, self->ns, self->name, &object, err);
    return rc < 0 ? rc : adopt(self, object, err);
}

int kst_journal_open(struct kst_kube *kube, const char *ns, const char *name,
                     struct kst_journal **out, struct kst_err **err)
{
    struct kst_journal *self = kst_calloc(1, sizeof(*self));
    self->kube = kube;
    self->ns = kst_strdup(ns);
    self->name = kst_strdup(name);
    int rc = kst_journal_reload(self, err);
    if (rc < 0) {
        kst_journal_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

struct kst_journal *kst_journal_of(const struct kst_json *object)
{
    struct kst_journal *self = kst_calloc(1, sizeof(*self));
    self->object = kst_json_dup(object);
    kst_json_ensure_object(self->object, "status");
    return self;
}

void kst_journal_free(struct kst_journal *self)
{
    if (!self)
        return;
    kst_json_free(self->object);
    free(self->ns);
    free(self->name);
    free(self);
}

const struct kst_json *kst_journal_object(const struct kst_journal *self)
{
    return self->object;
}

const struct kst_json *kst_journal_spec(const struct kst_journal *self)
{
    return kst_json_get(self->object, "spec");
}

struct kst_json *kst_journal_status(struct kst_journal *self)
{
    return kst_json_mut(self->object, "status");
}

void kst_journal_forbid(struct kst_journal *self, bool forbid)
{
    self->forbidden += forbid ? 1 : -1;
    assert(self->forbidden >= 0);
}

bool kst_journal_is_forbidden(const struct kst_journal *self)
{
    return self->forbidden > 0;
}

/* A copy of the object whose texts hold no secret that the log knows: a message of the database may
 * quote the password that it refused. */
static int redacted(const struct kst_journal *self, struct kst_json **out, struct kst_err **err)
{
    kst_auto_free char *text = kst_json_text(kst_json_get(self->object, "status"));
    kst_auto_free char *clean = kst_log_redact(text);
    size_t len = strlen(clean);
    if (len > KST_JOURNAL_MAX_BYTES) {
        kst_err_set(err, KST_E_LIMIT,
                    "the status of Run/%s/%s would be %zu bytes, more than the %d that fit into "
                    "etcd safely",
                    self->ns, self->name, len, KST_JOURNAL_MAX_BYTES);
        kst_err_hint(err, "keep what a step returns small: write large results to a file or an "
                          "object of the application");
        return KST_E_LIMIT;
    }
    struct kst_json *status = NULL;
    int rc = kst_json_parse(clean, len, &status, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "status of Run/%s/%s", self->ns, self->name);
    *out = kst_json_object();
    kst_json_set_str(*out, "apiVersion", kst_json_path_str(self->object, "apiVersion"));
    kst_json_set_str(*out, "kind", kst_json_path_str(self->object, "kind"));
    kst_json_set(*out, "metadata", kst_json_dup(kst_json_get(self->object, "metadata")));
    kst_json_set(*out, "spec", kst_json_dup(kst_json_get(self->object, "spec")));
    kst_json_set(*out, "status", status);
    return 0;
}

/* The object as the server has it now, with our status in it. */
static int rebase(struct kst_journal *self, struct kst_err **err)
{
    struct kst_json *fresh = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_runs, self->ns, self->name, &fresh, err);
    if (rc < 0)
        return rc;
    kst_json_set(fresh, "status", kst_json_detach(self->object, "status"));
    return adopt(self, fresh, err);
}

int kst_journal_write(struct kst_journal *self, struct kst_err **err)
{
    assert(self->forbidden == 0 && self->kube);
    int64_t generation = kst_json_path_int(self->object, "metadata.generation", 0);
    kst_json_set_int(kst_journal_status(self), "observedGeneration", generation);
    for (int attempt = 0;; attempt++) {
        kst_auto_json struct kst_json *object = NULL;
        int rc = redacted(self, &object, err);
        if (rc < 0)
            return rc;
        kst_auto_json struct kst_json *answer = NULL;
        kst_auto_err struct kst_err *e = NULL;
        rc = kst_kube_update(self->kube, &kst_res_runs, self->ns, object, "status", &answer, &e);
        if (rc == 0) {
            kst_json_set(self->object, "metadata", kst_json_detach(answer, "metadata"));
            kst_json_set(self->object, "spec", kst_json_detach(answer, "spec"));
            return 0;
        }
        if (rc != KST_E_CONFLICT || attempt == CONFLICT_TRIES) {
            kst_err_move(err, &e);
            kst_err_wrap(err, rc, "write the status of Run/%s/%s", self->ns, self->name);
            return rc;
        }
        rc = rebase(self, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "write the status of Run/%s/%s", self->ns, self->name);
    }
}

void kst_journal_stamp(struct kst_json *object, const char *key, bool micro)
{
    char text[KST_TIME_TEXT];
    if (micro)
        kst_time_format_micro(kst_wall_us(), text);
    else
        kst_time_format(kst_wall_ms(), text);
    kst_json_set_str(object, key, text);
}

void kst_condition_set(struct kst_json *status, int64_t generation, const char *type, bool is,
                       const char *reason, const char *message)
{
    struct kst_json *all = kst_json_ensure_array(status, "conditions");
    struct kst_json *row = NULL;
    for (size_t i = 0; i < kst_json_len(all); i++) {
        struct kst_json *entry = kst_json_mut_at(all, i);
        const char *name = kst_json_path_str(entry, "type");
        if (name && strcmp(name, type) == 0)
            row = entry;
    }
    if (!row) {
        row = kst_json_object();
        kst_json_set_str(row, "type", type);
        kst_json_push(all, row);
    }
    const char *old = kst_json_path_str(row, "status");
    const char *text = is ? "True" : "False";
    if (!old || strcmp(old, text) != 0) {
        kst_json_set_str(row, "status", text);
        kst_journal_stamp(row, "lastTransitionTime", false);
    }
    kst_json_set_str(row, "reason", reason);
    kst_json_set_str(row, "message", message ? message : "");
    kst_json_set_int(row, "observedGeneration", generation);
}

void kst_journal_condition(struct kst_journal *self, const char *type, bool status,
                           const char *reason, const char *message)
{
    kst_condition_set(kst_journal_status(self),
                      kst_json_path_int(self->object, "metadata.generation", 0), type, status,
                      reason, message);
}

const struct kst_json *kst_journal_find_step(const struct kst_journal *self, const char *id)
{
    const struct kst_json *steps = kst_json_path(self->object, "status.steps");
    for (const struct kst_json *row = kst_json_first(steps); row; row = kst_json_next(row)) {
        const char *row_id = kst_json_path_str(row, "id");
        if (row_id && strcmp(row_id, id) == 0)
            return row;
    }
    return NULL;
}

struct kst_json *kst_journal_step(struct kst_journal *self, const char *id, const char *kind,
                                  const char *target, struct kst_err **err)
{
    struct kst_json *steps = kst_json_ensure_array(kst_journal_status(self), "steps");
    size_t count = kst_json_len(steps);
    for (size_t i = 0; i < count; i++) {
        struct kst_json *row = kst_json_mut_at(steps, i);
        const char *row_id = kst_json_path_str(row, "id");
        if (row_id && strcmp(row_id, id) == 0)
            return row;
    }
    if (count >= KST_JOURNAL_MAX_STEPS) {
        kst_err_set(err, KST_E_LIMIT, "Run/%s/%s has %d steps, which is the most a journal holds",
                    self->ns, self->name, KST_JOURNAL_MAX_STEPS);
        kst_err_hint(err, "loop inside one run:step, or in the command that it runs");
        return NULL;
    }
    struct kst_json *row = kst_json_object();
    kst_json_set_str(row, "id", id);
    kst_json_set_str(row, "kind", kind);
    kst_json_set_str(row, "target", target);
    kst_json_set_str(row, "state", "Running");
    kst_journal_stamp(row, "startedAt", true);
    kst_json_push(steps, row);
    return row;
}
