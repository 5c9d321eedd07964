/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/capture.h"

#include <stdlib.h>
#include <string.h>

#include "app/capture/filter.h"
#include "app/capture/source.h"
#include "app/capture/survey.h"
#include "app/node_ports.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "run/bundle.h"
#include "run/journal.h"

/* Sources that are open at once: their first pages, and the second of the one whose turn it is. */
enum { OPEN = 5 };

struct row {
    const struct kst_kube_resource *resource;
    struct kst_names *names; /* of a cluster-scoped kind */
    const char *selector;    /* which the server is to apply */
    const char *left_out;    /* all of the kind is, for this reason */
    struct kst_capture_source *source;
};

struct kst_capturer {
    struct kst_run *run;
    struct kst_survey survey;
    struct kst_archive_writer *writer;
    struct kst_names namespace; /* its one name */
    struct row *rows;           /* in the order of restoring */
    size_t count, opened;
};

/* ---- What is asked for ---- */

static struct kst_names *names_of(struct kst_capturer *self,
                                  const struct kst_kube_resource *resource)
{
    if (strcmp(resource->kind, "Namespace") == 0 && *resource->group == '\0')
        return &self->namespace;
    return kst_uses_of(&self->survey.uses, resource->group, resource->kind);
}

/* With a selector, kinds that something may refer to are looked through by ourselves. */
static const char *selector_for(struct kst_capturer *self, const struct kst_kube_resource *resource)
{
    return kst_uses_of(&self->survey.uses, resource->group, resource->kind) ? NULL
                                                                            : self->survey.selector;
}

static void plan(struct kst_capturer *self)
{
    size_t total = 0;
    while (self->survey.resources[total])
        total++;
    self->rows = kst_calloc(total + 1, sizeof(*self->rows));
    for (size_t i = 0; i < total; i++) {
        const struct kst_kube_resource *resource = self->survey.resources[i];
        struct kst_names *names = resource->namespaced ? NULL : names_of(self, resource);
        if (!kst_filter_takes_kind(self->survey.filter, resource) ||
            (!resource->namespaced && (!names || names->count == 0)))
            continue;
        self->rows[self->count++] = (struct row){
            .resource = resource,
            .names = names,
            .selector = selector_for(self, resource),
            .left_out = resource->namespaced ? kst_rule_for_kind(resource) : NULL,
        };
    }
}

static void open_sources(struct kst_capturer *self, size_t until)
{
    for (; self->opened < until && self->opened < self->count; self->opened++) {
        struct row *row = &self->rows[self->opened];
        if (row->left_out)
            continue;
        row->source = row->names
                          ? kst_capture_source_named(self->run->kube, row->resource, row->names)
                          : kst_capture_source_list(self->run->kube, row->resource,
                                                    self->run->app_ns, row->selector);
    }
}

/* ---- What is taken ---- */

/* Whether the object is captured; *reason says why not, where that is worth telling. */
static int judge(struct kst_capturer *self, const struct kst_kube_resource *resource,
                 const struct kst_json *object, bool *takes, const char **reason,
                 struct kst_err **err)
{
    *reason = NULL;
    int rc = kst_survey_picks(&self->survey, resource, object, takes, err);
    if (rc < 0 || !*takes)
        return rc;
    *reason = kst_rule_for(&self->survey.rules, object);
    *takes = !*reason;
    return *takes ? kst_filter_takes(self->survey.filter, resource, object, takes, reason, err) : 0;
}

static int take(struct kst_capturer *self, const struct kst_kube_resource *resource,
                struct kst_json *object, struct kst_err **err)
{
    bool takes = false;
    const char *reason;
    int rc = judge(self, resource, object, &takes, &reason, err);
    if (rc < 0)
        return rc;
    if (takes) {
        if (kst_node_ports_are_of(resource))
            kst_node_ports_keep_owners(object);
        else
            kst_json_remove(kst_json_mut(object, "metadata"), "managedFields");
        return kst_archive_add(self->writer, resource, object, err);
    }
    if (reason)
        kst_archive_count_left_out(self->writer, reason);
    return 0;
}

/* A kind of which nothing is captured is counted, not read. */
static int count_left_out(struct kst_capturer *self, const struct row *row, struct kst_err **err)
{
    int64_t count = 0;
    if (self->survey.selector)
        return 0; /* they are the namespace's */
    int rc = kst_kube_count(self->run->kube, row->resource, self->run->app_ns, &count, err);
    if (rc == KST_E_FORBIDDEN || rc == KST_E_NOT_FOUND) {
        kst_err_clear(err); /* it is not missed */
        return 0;
    }
    for (; rc == 0 && count > 0; count--)
        kst_archive_count_left_out(self->writer, row->left_out);
    return rc;
}

static int write_row(struct kst_capturer *self, struct row *row, struct kst_err **err)
{
    if (row->left_out)
        return count_left_out(self, row, err);
    int rc, more;
    do {
        kst_auto_json struct kst_json *object = NULL;
        more = kst_capture_source_next(row->source, &object, err);
        rc = more < 0 ? kst_survey_refused(&self->survey, row->resource, more, err) : 0;
        if (more > 0)
            rc = take(self, row->resource, object, err);
    } while (rc == 0 && more > 0);
    kst_capture_source_close(kst_take(row->source));
    if (rc == KST_E_NOT_FOUND && more < 0) { /* the kind went while we looked */
        kst_err_clear(err);
        rc = 0;
    }
    return rc;
}

static int write_rows(struct kst_capturer *self, struct kst_err **err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < self->count; i++) {
        open_sources(self, i + OPEN);
        rc = write_row(self, &self->rows[i], err);
    }
    return rc;
}

/* ---- The index ---- */

/* A cluster is known by the uid of a namespace that none is without. */
static int describe_cluster(struct kst_capturer *self, struct kst_json **out, struct kst_err **err)
{
    kst_auto_free char *version = NULL;
    kst_auto_json struct kst_json *system = NULL;
    int rc = kst_kube_server_version(self->run->kube, &version, err);
    if (rc < 0)
        return rc;
    rc = kst_kube_get(self->run->kube, &kst_res_namespaces, NULL, "kube-system", &system, err);
    if (rc == KST_E_FORBIDDEN || rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        rc = 0;
    }
    if (rc == 0)
        *out = kst_json_make("{'version':%s,'uid':%s}", version,
                             kst_json_path_str(system, "metadata.uid"));
    return rc;
}

static int open_writer(struct kst_capturer *self, const struct kst_archive_sink *sink,
                       struct kst_err **err)
{
    kst_auto_json struct kst_json *cluster = NULL;
    char now[KST_TIME_TEXT];
    int rc = describe_cluster(self, &cluster, err);
    if (rc < 0)
        return rc;
    kst_time_format(kst_wall_ms(), now);
    kst_auto_json struct kst_json *head = kst_json_make(
        "{'application':{'namespace':%s,'selector':%s},'cluster':%J,'capturedAt':%s,'engine':%s}",
        self->run->app_ns, self->survey.selector, cluster, now, KST_VERSION);
    if (!self->survey.selector)
        kst_json_remove(kst_json_mut(head, "application"), "selector");
    self->writer = kst_archive_writer_new(sink, head);
    return 0;
}

static void warn_unused(struct kst_capturer *self)
{
    kst_auto_json struct kst_json *unused = kst_filter_unused(self->survey.filter);
    for (const struct kst_json *row = kst_json_first(unused); row; row = kst_json_next(row)) {
        kst_auto_free char *text = kst_asprintf(
            "the pattern '%s' picked nothing: is it what was meant?", kst_json_str(row));
        kst_run_note(self->run, KST_NOTE_WARNING, text, NULL);
    }
}

static int finish(struct kst_capturer *self, struct kst_json **index, struct kst_err **err)
{
    kst_auto_json struct kst_json *more = kst_json_object();
    if (kst_json_len(self->survey.missing))
        kst_json_set(more, "missing", kst_json_dup(self->survey.missing));
    warn_unused(self);
    return kst_archive_finish(self->writer, kst_bundle_files(self->run->bundle), more, index, err);
}

static int wrap(const struct kst_capturer *self, int rc, struct kst_err **err)
{
    return rc < 0 ? kst_err_wrap(err, rc, "capture application %s", self->run->app_ns) : 0;
}

int kst_capturer_write(struct kst_capturer *self, const struct kst_archive_sink *sink,
                       struct kst_json **index, struct kst_err **err)
{
    int rc = open_writer(self, sink, err);
    if (rc == 0) {
        plan(self);
        rc = write_rows(self, err);
    }
    if (rc == 0)
        rc = finish(self, index, err);
    return wrap(self, rc, err);
}

const struct kst_names *kst_capturer_claims(const struct kst_capturer *self)
{
    return &self->survey.uses.sets[KST_USE_CLAIM];
}

int kst_capturer_new(struct kst_run *run, const struct kst_json *workloads,
                     struct kst_capturer **out, struct kst_err **err)
{
    const struct kst_json *spec = kst_journal_spec(run->journal);
    const char *selector = kst_json_path_str(spec, "application.selector");
    struct kst_capturer *self = kst_calloc(1, sizeof(*self));
    self->run = run;
    self->survey.run = run;
    self->survey.workloads = workloads;
    self->survey.selector = selector && *selector ? selector : NULL;
    kst_names_add(&self->namespace, run->app_ns);
    int rc = kst_filter_new(kst_json_path(spec, "capture.include"),
                            kst_json_path(spec, "capture.exclude"), &self->survey.filter, err);
    if (rc == 0)
        rc = kst_survey_resources(&self->survey, err);
    if (rc == 0)
        rc = kst_survey(&self->survey, err);
    self->survey.workloads = NULL;
    rc = wrap(self, rc, err);
    if (rc == 0)
        *out = kst_take(self);
    kst_capturer_free(self);
    return rc;
}

void kst_capturer_free(struct kst_capturer *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        kst_capture_source_close(self->rows[i].source);
    free(self->rows);
    kst_archive_writer_free(self->writer);
    kst_filter_free(self->survey.filter);
    kst_survey_release(&self->survey);
    kst_names_release(&self->namespace);
    free(self);
}

/* ---- Nowhere ---- */

static int put_nowhere(void *arg, const char *member, unsigned part, const void *data, size_t len,
                       struct kst_err **err)
{
    return 0;
}

const struct kst_archive_sink kst_capture_nowhere = {.put = put_nowhere};
