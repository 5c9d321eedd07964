/* SPDX-License-Identifier: Apache-2.0 */
#include "app/backup/diagnose.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum { LOOK_MS = 10 * 1000, STALE_MS = 60 * 1000 };

static const char being_created[] = "snapshot.storage.kubernetes.io/volumesnapshot-being-created";

/* What was found out, and the sentence that came of it. */
struct inquiry {
    struct kst_kube *kube;
    const char *ns, *name, *driver;
    struct kst_json *snapshot, *content;
    char *cause, *hint;
    const char *reason;
};

static bool conclude(struct inquiry *self, const char *reason, char *cause, char *hint)
{
    self->reason = reason;
    self->cause = cause;
    self->hint = hint;
    return true;
}

static struct kst_json *look_up(struct inquiry *self, const struct kst_kube_resource *resource,
                                const char *ns, const char *name)
{
    struct kst_json *object = NULL;
    kst_kube_get(self->kube, resource, ns, name, &object, NULL);
    return object;
}

/* A controller's Lease, wherever it lives: how long ago it was renewed; -1 where there is none. */
static int64_t lease_age_ms(struct inquiry *self, const char *name)
{
    kst_auto_json struct kst_json *leases = NULL;
    kst_auto_free char *field = kst_asprintf("metadata.name=%s", name);
    const struct kst_kube_list_options options = {.field_selector = field};
    if (kst_kube_list(self->kube, &kst_res_leases, NULL, &options, &leases, NULL, NULL) < 0)
        return 0; /* it may not be looked at: nothing is concluded from that */
    int64_t age_ms = -1;
    for (const struct kst_json *row = kst_json_first(leases); row; row = kst_json_next(row)) {
        int64_t renewed_us = 0;
        if (!kst_time_parse_us(kst_json_path_str(row, "spec.renewTime"), &renewed_us))
            continue;
        int64_t age = kst_wall_ms() - renewed_us / 1000;
        if (age_ms < 0 || age < age_ms)
            age_ms = age < 0 ? 0 : age;
    }
    return age_ms;
}

/* "has no Lease anywhere", or "was last seen 4m ago". */
static char *absence(int64_t age_ms)
{
    if (age_ms < 0)
        return kst_strdup("has never been seen (it has no Lease)");
    char age[KST_TIME_TEXT];
    kst_duration_format(age_ms, age);
    return kst_asprintf("was last seen %s ago (its Lease is not renewed)", age);
}

static bool is_gone(int64_t age_ms)
{
    return age_ms < 0 || age_ms > STALE_MS;
}

/* The last warning Event of an object, which tells what its controller thinks. */
static char *last_warning(struct inquiry *self, const char *kind, const char *name, const char *ns)
{
    kst_auto_free char *field = kst_asprintf(
        "involvedObject.kind=%s,involvedObject.name=%s,type=Warning", kind, name);
    const struct kst_kube_list_options options = {.field_selector = field};
    kst_auto_json struct kst_json *events = NULL;
    if (kst_kube_list(self->kube, &kst_res_events, ns, &options, &events, NULL, NULL) < 0)
        return NULL;
    const struct kst_json *last = NULL;
    for (const struct kst_json *row = kst_json_first(events); row; row = kst_json_next(row)) {
        const char *at = kst_json_path_str(row, "lastTimestamp");
        const char *best = kst_json_path_str(last, "lastTimestamp");
        if (!last || (at && best && strcmp(at, best) >= 0))
            last = row;
    }
    if (!last)
        return NULL;
    return kst_asprintf("%s: %s", kst_json_path_str(last, "reason"),
                        kst_json_path_str(last, "message"));
}

static bool check_error(struct inquiry *self)
{
    const char *message = kst_json_path_str(self->snapshot, "status.error.message");
    if (!message)
        message = kst_json_path_str(self->content, "status.error.message");
    if (!message)
        return false;
    /* The sidecar's words: the first for a snapshot that it makes, the second for one by handle. */
    if (strstr(message, "cannot get credentials for snapshot content") ||
        strstr(message, "error getting secret"))
        return conclude(self, "SnapshotSecretMissing",
                        kst_asprintf("the secret of the VolumeSnapshotClass is missing: %s",
                                     message),
                        kst_strdup("create the Secret that the class names in its parameters "
                                   "csi.storage.k8s.io/snapshotter-secret-name and -namespace"));
    return conclude(self, "SnapshotFailed", kst_asprintf("the driver says: %s", message),
                    kst_asprintf("look at the logs of the CSI driver %s",
                                 self->driver ? self->driver : ""));
}

/* Nothing has looked at the VolumeSnapshot at all: a controller that lives gives it finalizers at
 * once. Its Lease only says more, since leader election may be off. */
static bool check_controller(struct inquiry *self)
{
    if (self->content || kst_json_first(kst_json_path(self->snapshot, "metadata.finalizers")) ||
        kst_json_path_str(self->snapshot, "status.boundVolumeSnapshotContentName"))
        return false;
    int64_t age_ms = lease_age_ms(self, "snapshot-controller-leader");
    if (!is_gone(age_ms))
        return false;
    kst_auto_free char *seen = absence(age_ms);
    return conclude(self, "SnapshotControllerMissing",
                    kst_asprintf("the snapshot-controller does not run: it %s", seen),
                    kst_strdup(
                        "install or repair the snapshot-controller of external-snapshotter"));
}

/* The content is there, and nobody has begun to cut it. */
static bool check_sidecar(struct inquiry *self)
{
    const char *driver = kst_json_path_str(self->content, "spec.driver");
    if (!driver || kst_json_path_str(self->content, "status.snapshotHandle"))
        return false;
    kst_auto_free char *lease = kst_asprintf("external-snapshotter-leader-%s", driver);
    for (char *at = lease; *at; at++) { /* as external-snapshotter names it */
        if (!isalnum((unsigned char)*at) && *at != '-')
            *at = '-';
    }
    int64_t age_ms = lease_age_ms(self, lease);
    const struct kst_json *annotations = kst_json_path(self->content, "metadata.annotations");
    bool begun = kst_json_get(annotations, being_created) != NULL;
    if (is_gone(age_ms) && !begun) {
        kst_auto_free char *seen = absence(age_ms);
        return conclude(self, "SnapshotSidecarMissing",
                        kst_asprintf("the csi-snapshotter sidecar of driver %s does not run: it %s",
                                     driver, seen),
                        kst_strdup(
                            "look for a container csi-snapshotter in the driver's Pods, and at "
                            "its state and logs"));
    }
    if (begun)
        return conclude(self, "SnapshotSlow",
                        kst_asprintf("driver %s has begun to cut and not answered yet", driver),
                        kst_strdup("look at the logs of the CSI driver and its storage; allow more "
                                   "time with spec.maxFreeze only if that is normal there"));
    return false;
}

static bool check_events(struct inquiry *self)
{
    kst_auto_free char *warning = last_warning(self, "VolumeSnapshot", self->name, self->ns);
    if (!warning)
        return false;
    return conclude(self, "SnapshotFailed", kst_asprintf("its last event says: %s", warning),
                    kst_asprintf("kubectl -n %s describe volumesnapshot %s", self->ns, self->name));
}

static bool check_upload(struct inquiry *self)
{
    const char *created = kst_json_path_str(self->snapshot, "status.creationTime");
    if (!created)
        return false;
    return conclude(
        self, "SnapshotNotReady",
        kst_asprintf("it was cut at %s and is not ready to use yet; some drivers upload a "
                     "snapshot first",
                     created),
        kst_strdup("if that is normal there, allow more with spec.readyTimeout; else look "
                   "at the logs of the CSI driver"));
}

static void inquire(struct inquiry *self)
{
    self->snapshot = look_up(self, &kst_res_snapshots, self->ns, self->name);
    if (!self->snapshot)
        return;
    const char *content = kst_json_path_str(self->snapshot,
                                            "status.boundVolumeSnapshotContentName");
    const char *uid = kst_json_path_str(self->snapshot, "metadata.uid");
    kst_auto_free char *usual = kst_asprintf("snapcontent-%s", uid ? uid : "");
    self->content = look_up(self, &kst_res_snapshot_contents, NULL, content ? content : usual);
    static bool (*const checks[])(struct inquiry * self) = {
        check_error, check_controller, check_sidecar, check_events, check_upload,
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(checks); i++) {
        if (checks[i](self))
            return;
    }
}

static void add_cause(const struct inquiry *self, struct kst_err **error)
{
    const char *was = *error ? kst_err_message(*error) : "VolumeSnapshot is not ready";
    if (strstr(was, self->cause))
        return;
    int code = *error ? kst_err_code(*error) : KST_E_TIMEOUT;
    char *message = kst_asprintf("%s: %s", was, self->cause);
    kst_err_clear(error);
    kst_err_set(error, code, "%s", message);
    free(message);
}

void kst_diagnose_snapshot(struct kst_kube *kube, const char *ns, const char *name,
                           const char *driver, struct kst_err **error)
{
    struct inquiry inquiry = {.kube = kube, .ns = ns, .name = name, .driver = driver};
    int64_t outer = kst_deadline_replace(kst_deadline_in_ms(LOOK_MS));
    inquire(&inquiry);
    kst_deadline_restore(outer);
    if (inquiry.cause) {
        /* A freeze that ran out of time keeps that as its reason: it was not only the driver. */
        bool freeze = *error && strcmp(kst_err_get_reason(*error), "FreezeTimeout") == 0;
        add_cause(&inquiry, error);
        kst_err_reason(error, freeze ? "FreezeTimeout" : inquiry.reason);
        kst_err_hint(error, "%s", inquiry.hint);
    }
    free(inquiry.cause);
    free(inquiry.hint);
    kst_json_free(inquiry.snapshot);
    kst_json_free(inquiry.content);
}
