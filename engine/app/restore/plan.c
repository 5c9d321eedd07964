/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/plan.h"

#include <stdlib.h>
#include <string.h>

#include "app/node_ports.h"
#include "app/point/point.h"
#include "app/restore/plan_internal.h"
#include "app/restore/transform.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "loop/fiber.h"
#include "run/journal.h"

enum {
    EXPLAINED = 50, /* conflicts whose difference is looked up */
    LISTED = 20,    /* conflicts that an error names */
    MESSAGE_BYTES = 16 * 1024,
};

const char *kst_deed_name(enum kst_deed deed)
{
    static const char *const names[KST_DEEDS] = {
        [KST_DEED_CREATE] = "create",       [KST_DEED_REPLACE] = "replace",
        [KST_DEED_MERGE] = "merge",         [KST_DEED_VOLUME] = "volume",
        [KST_DEED_UNCHANGED] = "unchanged", [KST_DEED_SKIP] = "skip",
        [KST_DEED_CONFLICT] = "conflict",   [KST_DEED_CANNOT] = "cannot",
    };
    return names[deed];
}

static bool is(const struct kst_plan_kind *kind, const char *group, const char *name)
{
    return strcmp(kind->resource.group, group) == 0 && strcmp(kind->resource.kind, name) == 0;
}

static bool is_claim(const struct kst_plan_kind *kind)
{
    return is(kind, "", "PersistentVolumeClaim");
}

/* ---- making an object ready ---- */

/* What is left out before it is looked at: NULL, or why. A static or borrowed text. */
static int left_out(struct kst_plan *self, const struct kst_plan_kind *kind,
                    const struct kst_json *object, const char **why, struct kst_err **err)
{
    bool takes = true;
    /* The namespace is needed, whatever was picked of it. */
    if (!is(kind, "", "Namespace") || self->has_namespace) {
        int rc = kst_filter_takes(self->sources->filter, &kind->resource, object, &takes, why, err);
        if (rc < 0)
            return rc;
    }
    if (!takes) {
        self->left_out++;
        return 1;
    }
    *why = kst_clean_skip(object);
    if (!*why)
        *why = kst_rewrite_skip(&self->rewrite, object);
    if (!*why && is(kind, "", "PersistentVolume"))
        *why = "volumes are made anew for their claims";
    return 0;
}

/* Cleaned, rewritten, transformed; NULL where a transform drops it. */
static int make_ready(struct kst_plan *self, const struct kst_plan_kind *kind,
                      struct kst_json **object, struct kst_err **err)
{
    bool dropped = false;
    kst_clean(*object, &self->clean);
    kst_rewrite(&self->rewrite, *object);
    /* A port of all nodes, though the user chose it, is the original's; one that --preserve asks
     * for is asked for. */
    if (kst_node_ports_are_of(&kind->resource) && !self->clean.keep_node_ports &&
        strcmp(self->rewrite.from_ns, self->rewrite.to_ns) != 0)
        kst_node_ports_remove(*object);
    int rc = kst_transform_apply(self->sources->transform, &kind->resource, object, &dropped, err);
    if (rc == 0 && dropped) {
        kst_json_free(*object);
        *object = NULL;
    }
    return rc;
}

int kst_plan_object(struct kst_plan *self, const struct kst_plan_row *row, struct kst_json **out,
                    struct kst_err **err)
{
    struct kst_json *object = NULL;
    int rc = kst_archive_read(self->reader, &row->place, &object, err);
    if (rc == 0)
        rc = make_ready(self, row->kind, &object, err);
    if (rc == 0 && !object)
        rc = kst_err_set(err, KST_E_FAILED,
                         "%s/%s: the transform dropped it now, and did not when it was planned",
                         row->kind->resource.kind, row->name);
    if (rc < 0)
        kst_json_free(object);
    else
        *out = object;
    return rc;
}

/* ---- deciding ---- */

static void say(struct kst_plan_row *row, enum kst_deed deed, const char *reason)
{
    row->deed = deed;
    free(row->reason);
    row->reason = kst_strdup(reason);
}

static bool brings_definition(const struct kst_plan *self, const struct kst_plan_kind *kind)
{
    kst_auto_free char *name = kst_asprintf("%s.%s", kind->resource.plural, kind->resource.group);
    for (size_t i = 0; i < self->nrows; i++) {
        const struct kst_plan_row *row = &self->rows[i];
        if (row->kind->rank > KST_RANK_DEFINITION)
            return false;
        if (row->kind->rank == KST_RANK_DEFINITION && strcmp(row->name, name) == 0)
            return row->deed == KST_DEED_CREATE || row->deed == KST_DEED_REPLACE ||
                   row->deed == KST_DEED_MERGE || row->ours;
    }
    return false;
}

static void decide_absent(struct kst_plan *self, struct kst_plan_row *row)
{
    say(row, KST_DEED_CREATE, NULL);
    if (row->kind->served || brings_definition(self, row->kind))
        return;
    const struct kst_kube_resource *resource = &row->kind->resource;
    kst_auto_free char *why = kst_asprintf("the cluster does not serve %s %s",
                                           resource->api_version, resource->kind);
    say(row, KST_DEED_CANNOT, why);
    row->hint = kst_asprintf("install what serves it, restore its CustomResourceDefinition %s.%s "
                             "too, or change its apiVersion with --transform",
                             resource->plural, resource->group);
}

/* What differs; of those of a list, which are read again for it, the first ones only. Secrets'
 * values are not told (clean.h). */
static char *difference(struct kst_plan *self, const struct kst_plan_row *row,
                        const struct kst_json *object, const struct kst_plan_there *there)
{
    if (there->cleaned)
        return kst_clean_difference(object, there->cleaned);
    if (self->sources->explained++ >= EXPLAINED)
        return NULL;
    kst_auto_json struct kst_json *again = NULL;
    if (kst_kube_get(self->run->kube, &row->kind->resource, row->ns, row->name, &again, NULL) < 0)
        return NULL;
    kst_clean(again, &self->clean);
    return kst_clean_difference(object, again);
}

static void decide_differing(struct kst_plan *self, struct kst_plan_row *row,
                             const struct kst_json *object, const struct kst_plan_there *there)
{
    kst_auto_free char *what = difference(self, row, object, there);
    kst_auto_free char *text = NULL;
    if (is(row->kind, "", "ServiceAccount") && strcmp(row->name, "default") == 0) {
        say(row, KST_DEED_MERGE, "the cluster makes it; what the point has is added");
        return;
    }
    bool replace = self->policy == KST_ON_CONFLICT_REPLACE;
    bool change = replace || self->policy == KST_ON_CONFLICT_MERGE;
    if (is(row->kind, "", "Namespace")) {
        say(row, change ? KST_DEED_MERGE : KST_DEED_SKIP,
            change ? "labels and annotations are added"
                   : "it is there; its labels and annotations stay as they are");
        return;
    }
    if (!row->ns && !(change && kst_json_len(kst_json_get(self->spec, "include")))) {
        text = kst_asprintf("it is there and differs%s%s; what the whole cluster uses is changed "
                            "only where --include names it",
                            what ? ": " : "", what ? what : "");
        say(row, KST_DEED_SKIP, text);
        return;
    }
    text = kst_asprintf("it is there and differs%s%s", what ? ": " : "", what ? what : "");
    say(row,
        replace                                ? KST_DEED_REPLACE
        : change                               ? KST_DEED_MERGE
        : self->policy == KST_ON_CONFLICT_SKIP ? KST_DEED_SKIP
                                               : KST_DEED_CONFLICT,
        text);
}

static void decide(struct kst_plan *self, struct kst_plan_row *row, const struct kst_json *object,
                   const struct kst_plan_there *there)
{
    if (!there) {
        decide_absent(self, row);
        return;
    }
    free(row->new_uid);
    row->new_uid = kst_strdup(there->uid);
    row->ours = there->ours;
    if (there->ours)
        say(row, KST_DEED_UNCHANGED, "this run has made it");
    else if (there->deleting)
        say(row, KST_DEED_CONFLICT, "it is being deleted");
    else if (there->hash == kst_clean_hash(object))
        say(row, KST_DEED_UNCHANGED, "it is there already");
    else
        decide_differing(self, row, object, there);
}

void kst_plan_meet(struct kst_plan *self, struct kst_plan_row *row, const struct kst_json *object,
                   const struct kst_json *there)
{
    struct kst_plan_there found = kst_plan_describe(self, there);
    decide(self, row, object, &found);
    kst_plan_there_release(&found);
}

/* ---- volumes ---- */

static const struct kst_json *volume_of(const struct kst_plan *self, const char *claim)
{
    const struct kst_json *rows = kst_json_path(self->point, "status.volumes");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "claim"), claim))
            return row;
    }
    return NULL;
}

static bool is_wanted_volume(const struct kst_plan *self, const char *claim)
{
    const struct kst_json *wanted = kst_json_get(self->spec, "volumes");
    for (const struct kst_json *name = kst_json_first(wanted); name; name = kst_json_next(name)) {
        if (kst_same(kst_json_str(name), claim))
            return true;
    }
    return kst_json_len(wanted) == 0;
}

/* What becomes of a claim: its action, and its deed with the reason. */
static const char *claim_action(struct kst_plan *self, struct kst_plan_row *row,
                                const struct kst_json *volume, const struct kst_plan_there *there)
{
    if (there)
        row->new_uid = kst_strdup(there->uid);
    bool empty = self->only_objects || !volume;
    if (!there || there->ours) {
        say(row, KST_DEED_VOLUME,
            !empty               ? NULL
            : self->only_objects ? "empty (--only-objects)"
                                 : "empty: the point has no snapshot of it");
        return empty ? "empty" : "create";
    }
    /* Who asks for the data to be replaced gets it replaced, however often. */
    bool replace = self->only_data || self->policy == KST_ON_CONFLICT_REPLACE;
    if (empty || (there->ours_before && !replace)) {
        say(row, KST_DEED_UNCHANGED,
            empty ? "it is there, and its data stays" : "restored from this point before");
        return NULL;
    }
    if (replace) {
        say(row, KST_DEED_VOLUME, "its data is replaced");
        return "replace";
    }
    bool fail = self->policy == KST_ON_CONFLICT_FAIL;
    say(row, fail ? KST_DEED_CONFLICT : KST_DEED_SKIP,
        fail ? "it is there, and its data would be replaced"
             : "it is there, and its data stays (--on-conflict replace replaces it)");
    return NULL;
}

/* Whether the restore makes the StorageClass, which comes before its claims. */
static bool makes_class(const struct kst_plan *self, const char *name)
{
    for (size_t i = 0; name && i < self->nrows && self->rows[i].kind->rank <= KST_RANK_CLASS; i++) {
        const struct kst_plan_row *row = &self->rows[i];
        if (is(row->kind, "storage.k8s.io", "StorageClass") && strcmp(row->name, name) == 0)
            return row->deed == KST_DEED_CREATE;
    }
    return false;
}

static void plan_claim(struct kst_plan *self, struct kst_plan_row *row, const char *claim,
                       const struct kst_json *object, const struct kst_plan_there *there)
{
    const struct kst_json *volume = volume_of(self, claim);
    const char *action = claim_action(self, row, volume, there);
    if (!action)
        return;
    struct kst_json *out = kst_json_make("{'claim':%s,'target':%s,'action':%s,'state':'Planned'}",
                                         claim, row->name, action);
    static const char *const members[] = {"snapshot",      "content",     "handle",    "driver",
                                          "snapshotClass", "restoreSize", "volumeMode"};
    for (size_t i = 0; i < KST_ARRAY_LEN(members); i++)
        kst_json_set_str(out, members[i], kst_json_path_str(volume, members[i]));
    const char *class = kst_json_path_str(object, "spec.storageClassName");
    kst_json_set_str(out, "storageClass", class);
    if (makes_class(self, class))
        kst_json_set_bool(out, "makesClass", true);
    kst_json_set_str(out, "size", kst_json_path_str(object, "spec.resources.requests.storage"));
    kst_json_set_str(out, "snapshotNamespace", volume ? self->rewrite.from_ns : NULL);
    kst_json_push(self->sources->volumes, out);
}

/* ---- the rows ---- */

static struct kst_plan_row *add_row(struct kst_plan *self)
{
    if ((self->nrows & (self->nrows - 1)) == 0)
        self->rows = kst_realloc(self->rows,
                                 (self->nrows ? self->nrows * 2 : 64) * sizeof(*self->rows));
    struct kst_plan_row *row = &self->rows[self->nrows++];
    *row = (struct kst_plan_row){0};
    return row;
}

static int plan_row(struct kst_plan *self, struct kst_plan_row *row, const char *claim,
                    const struct kst_json *object, struct kst_err **err)
{
    struct kst_plan_there found = {0};
    const struct kst_plan_there *there = NULL;
    int rc = kst_plan_find_there(self, row, &found, &there, err);
    if (rc == 0 && is_claim(row->kind))
        plan_claim(self, row, claim, object, there);
    else if (rc == 0)
        decide(self, row, object, there);
    kst_plan_there_release(&found);
    return rc;
}

static bool counts(const struct kst_plan *self, const struct kst_plan_kind *kind,
                   const struct kst_json *object)
{
    if (is_claim(kind))
        return is_wanted_volume(self, kst_json_path_str(object, "metadata.name"));
    return !self->only_data;
}

static int plan_object(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                       struct kst_err **err)
{
    struct kst_plan *self = arg;
    const struct kst_plan_kind *kind = kst_plan_kind_of(self, object);
    const char *why = NULL, *old_name = kst_json_path_str(object, "metadata.name");
    if (!kind || !old_name)
        return kst_err_set(err, KST_E_PARSE,
                           "RestorePoint/%s: an object of the archive is of a kind that its index "
                           "does not name",
                           kst_json_path_str(self->point, "metadata.name"));
    if (!counts(self, kind, object))
        return 0;
    int rc = left_out(self, kind, object, &why, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    kst_auto_free char *claim = kst_strdup(old_name);
    struct kst_plan_row *row = add_row(self);
    row->kind = kind;
    row->place = *place;
    row->uid = kst_strdup(kst_json_path_str(object, "metadata.uid"));
    kst_auto_json struct kst_json *ready = kst_json_dup(object);
    if (!why) {
        rc = make_ready(self, kind, &ready, err);
        if (rc < 0) {
            row->name = kst_strdup(claim);
            return rc;
        }
        if (!ready)
            why = "the transform leaves it out";
    }
    row->name = kst_strdup(why ? claim : kst_json_path_str(ready, "metadata.name"));
    row->ns = kind->resource.namespaced ? kst_strdup(self->rewrite.to_ns) : NULL;
    if (why) {
        say(row, KST_DEED_SKIP, why);
        return 0;
    }
    return plan_row(self, row, claim, ready, err);
}

static int compare_uids(const void *a, const void *b)
{
    const struct kst_plan_row *const *x = a, *const *y = b;
    return strcmp((*x)->uid, (*y)->uid);
}

static void index_uids(struct kst_plan *self)
{
    size_t count = 0;
    self->by_uid = kst_calloc(self->nrows + 1, sizeof(*self->by_uid));
    for (size_t i = 0; i < self->nrows; i++) {
        if (self->rows[i].uid)
            self->by_uid[count++] = &self->rows[i];
    }
    self->nuids = count;
    qsort(self->by_uid, count, sizeof(*self->by_uid), compare_uids);
}

struct kst_plan_row *kst_plan_find_uid(struct kst_plan *self, const char *uid)
{
    struct kst_plan_row key = {.uid = (char *)uid}, *at = &key;
    struct kst_plan_row **found = bsearch(&at, self->by_uid, self->nuids, sizeof(*self->by_uid),
                                          compare_uids);
    return found ? *found : NULL;
}

static int check_volume_names(const struct kst_plan *self, struct kst_err **err)
{
    const struct kst_json *wanted = kst_json_get(self->spec, "volumes");
    for (const struct kst_json *name = kst_json_first(wanted); name; name = kst_json_next(name)) {
        if (kst_json_str(name) && volume_of(self, kst_json_str(name)))
            continue;
        kst_auto_buf all = KST_BUF_INIT(MESSAGE_BYTES);
        const struct kst_json *rows = kst_json_path(self->point, "status.volumes");
        for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
            kst_buf_addf(&all, "%s%s", all.len ? ", " : "", kst_json_path_str(row, "claim"));
        kst_err_set(err, KST_E_USAGE, "RestorePoint/%s/%s has no volume '%s'; it has: %s",
                    self->run->home, kst_json_path_str(self->point, "metadata.name"),
                    kst_json_str(name) ? kst_json_str(name) : "", all.len ? all.data : "none");
        return KST_E_USAGE;
    }
    return 0;
}

/* Patterns that picked nothing were surely meant otherwise. */
static int check_patterns(struct kst_plan *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *unused = kst_filter_unused(self->sources->filter);
    for (const struct kst_json *row = kst_json_first(unused); row; row = kst_json_next(row)) {
        kst_auto_free char *text = kst_asprintf("the pattern '%s' picks nothing of the point",
                                                kst_json_str(row));
        kst_run_note(self->run, KST_NOTE_WARNING, text, NULL);
    }
    if (kst_json_len(kst_json_get(self->spec, "include")) && self->nrows == 0)
        return kst_err_set(err, KST_E_USAGE,
                           "--include picks nothing of RestorePoint/%s/%s; see what it holds with: "
                           "kassette show %s",
                           self->run->home, kst_json_path_str(self->point, "metadata.name"),
                           kst_json_path_str(self->point, "metadata.name"));
    return 0;
}

static void keep_volumes(struct kst_plan *self)
{
    struct kst_json *restore = kst_json_ensure_object(kst_journal_status(self->run->journal),
                                                      "restore");
    if (!kst_json_get(restore, "volumes"))
        kst_json_set(restore, "volumes", kst_take(self->sources->volumes));
}

int kst_plan_new(struct kst_run *run, struct kst_plan **out, struct kst_err **err)
{
    struct kst_plan *self = kst_calloc(1, sizeof(*self));
    self->run = run;
    int rc = kst_plan_open(self, err);
    if (rc == 0)
        rc = check_volume_names(self, err);
    if (rc == 0)
        rc = kst_plan_look(self, err);
    if (rc == 0)
        rc = kst_archive_each(self->reader, plan_object, self, err);
    if (rc == 0)
        rc = check_patterns(self, err);
    if (rc < 0) {
        kst_plan_free(self);
        return rc;
    }
    index_uids(self);
    keep_volumes(self);
    *out = self;
    return 0;
}

void kst_plan_free(struct kst_plan *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->nrows; i++) {
        struct kst_plan_row *row = &self->rows[i];
        free(row->ns);
        free(row->name);
        free(row->uid);
        free(row->new_uid);
        free(row->reason);
        free(row->hint);
    }
    free(self->rows);
    free(self->by_uid);
    kst_plan_close(self);
    free(self);
}

int kst_plan_check(const struct kst_plan *self, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MESSAGE_BYTES);
    size_t count = 0;
    for (size_t i = 0; i < self->nrows; i++) {
        const struct kst_plan_row *row = &self->rows[i];
        if (row->deed != KST_DEED_CONFLICT)
            continue;
        if (count++ < LISTED)
            kst_buf_addf(&text, "\n  %s%s%s/%s: %s", row->kind->resource.kind, row->ns ? "/" : "",
                         row->ns ? row->ns : "", row->name, row->reason);
    }
    if (count == 0)
        return 0;
    if (count > LISTED)
        kst_buf_addf(&text, "\n  and %zu more", count - LISTED);
    kst_err_set(err, KST_E_REFUSED, "%zu object%s in the way; nothing was changed:%s", count,
                count == 1 ? " is" : "s are", text.data);
    kst_err_reason(err, "Conflict");
    kst_err_hint(err, "restore into another namespace with --to-namespace, leave objects out with "
                      "--exclude, or say what to do with --on-conflict skip|replace|merge");
    return KST_E_REFUSED;
}
