/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true after a restore: which data the databases run on, what the objects are, and
 * that nothing is there twice, or left. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

enum { SETTLE_MS = 8000, LOOK_MS = 10, MAX_EVENTS = 48 };

#define SNAPSHOTS "snapshot.storage.k8s.io/volumesnapshots"
#define CONTENTS  "snapshot.storage.k8s.io/volumesnapshotcontents"

/* How a restore has ended. */
struct outcome {
    enum setting setting;
    bool succeeded;  /* else it was cancelled */
    bool early;      /* cancelled before its objects were begun: all must be as it was */
    bool late;       /* when old volumes were being let go */
    size_t restored; /* volumes of the application that hold the data of the backup */
};

/* ---- the data ---- */

static const char *const volumes[] = {"data", "log"};

static char *claim_name(size_t index)
{
    return kst_asprintf("%s-%s-0", volumes[index % 2], crash_databases[index / 2]);
}

/* The number in the snapshot of a claim. */
static int64_t number_cut(const struct world *self, const char *claim)
{
    struct kst_control_list list = kst_control_list(self->api, SNAPSHOTS, CRASH_APP);
    int64_t number = -1;
    for (size_t i = 0; i < list.count; i++) {
        const struct kst_json *snapshot = list.objects[i]->json;
        if (strcmp(kst_api_text(snapshot, "spec.source.persistentVolumeClaimName"), claim) != 0)
            continue;
        const char *name = kst_api_text(snapshot, "status.boundVolumeSnapshotContentName");
        const struct kst_object *content = kst_api_find(self->api, CONTENTS, "", name);
        kst_auto_free char *path = kst_asprintf(
            "%s/cluster/volumes/%s/number", self->dir,
            content ? kst_api_text(content->json, "status.snapshotHandle") : "");
        number = check_number(path);
    }
    kst_control_list_release(&list);
    return number;
}

/* Whether each volume is of the backup: the marker came after it. */
static char *check_data(const struct world *self, const char *ns, size_t *restored)
{
    *restored = 0;
    for (size_t i = 0; i < VOLUMES; i++) {
        kst_auto_free char *claim = claim_name(i);
        kst_auto_free char *dir = world_volume(self, ns, claim);
        kst_auto_free char *number = kst_asprintf("%s/number", dir ? dir : "");
        kst_auto_free char *marker = kst_asprintf("%s/" MARKER, dir ? dir : "");
        if (!dir)
            return kst_asprintf("claim %s/%s is not there, or not bound", ns, claim);
        int64_t is = check_number(number), was = number_cut(self, claim);
        if (was < 1 || is < was)
            return kst_asprintf("claim %s/%s holds %lld: its snapshot holds %lld", ns, claim,
                                (long long)is, (long long)was);
        *restored += access(marker, F_OK) != 0;
    }
    return NULL;
}

/* ---- the objects ---- */

/* Where two sets differ; NULL where they are the same. `only`: keys that begin so. */
static char *differ(const struct kst_json *expected, const struct kst_json *found, const char *only)
{
    for (const struct kst_json *e = kst_json_first(expected); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e);
        const struct kst_json *other = kst_json_get(found, key);
        if (strncmp(key, only, strlen(only)) != 0 || (other && kst_json_equal(e, other)))
            continue;
        kst_auto_free char *was = kst_json_text(e);
        kst_auto_free char *is = other ? kst_json_text(other) : kst_strdup("gone");
        return kst_asprintf("%s was %s, and is %s", key, was, is);
    }
    for (const struct kst_json *e = kst_json_first(found); e; e = kst_json_next(e))
        if (strncmp(kst_json_key(e), only, strlen(only)) == 0 &&
            !kst_json_get(expected, kst_json_key(e)))
            return kst_asprintf("%s was not there, and is now", kst_json_key(e));
    return NULL;
}

static char *check_facts(const struct world *self, const char *ns, const struct kst_json *expected,
                         const char *only)
{
    kst_auto_json struct kst_json *found = world_facts(self, ns);
    kst_auto_free char *why = differ(expected, found, only);
    return why ? kst_asprintf("namespace %s: %s", ns, why) : NULL;
}

static char *check_lives(const struct world *self)
{
    kst_auto_json struct kst_json *found = world_lives(self, CRASH_APP);
    kst_auto_free char *why = differ(self->lives, found, "");
    return why ? kst_asprintf("the original was touched: %s", why) : NULL;
}

/* An object with a label or note of ours. */
static char *check_marks(const struct world *self, const char *bucket, const char *ns)
{
    static const char *const maps[] = {"metadata.labels", "metadata.annotations"};
    struct kst_control_list list = kst_control_list(self->api, bucket, ns);
    char *why = NULL;
    for (size_t i = 0; i < list.count * KST_ARRAY_LEN(maps) && !why; i++) {
        const struct kst_object *object = list.objects[i / KST_ARRAY_LEN(maps)];
        const struct kst_json *map = kst_json_path(object->json, maps[i % KST_ARRAY_LEN(maps)]);
        for (const struct kst_json *e = kst_json_first(map); e && !why; e = kst_json_next(e))
            if (strstr(kst_json_key(e), "kassette.io/"))
                why = kst_asprintf("%s %s is left with %s", bucket, object->name, kst_json_key(e));
    }
    kst_control_list_release(&list);
    return why;
}

static char *check_all_marks(const struct world *self)
{
    static const char *const buckets[] = {"/configmaps",
                                          "/secrets",
                                          "/services",
                                          "/serviceaccounts",
                                          "/pods",
                                          "/persistentvolumeclaims",
                                          "apps/statefulsets",
                                          "rbac.authorization.k8s.io/roles",
                                          "rbac.authorization.k8s.io/rolebindings"};
    static const char *const places[] = {CRASH_APP, CRASH_COPY};
    char *why = check_marks(self, "/persistentvolumes", NULL);
    for (size_t i = 0; i < KST_ARRAY_LEN(buckets) && !why; i++)
        for (size_t j = 0; j < KST_ARRAY_LEN(places) && !why; j++)
            why = check_marks(self, buckets[i], places[j]);
    return why;
}

/* The restore point is what it was. */
static char *check_base(const struct world *self)
{
    for (const struct kst_json *e = kst_json_first(self->base_parts); e; e = kst_json_next(e)) {
        kst_auto_free char *bucket = kst_strdup(kst_json_key(e));
        char *name = strrchr(bucket, ' ');
        *name++ = '\0';
        const char *ns = strcmp(bucket, CONTENTS) == 0    ? ""
                         : strcmp(bucket, SNAPSHOTS) == 0 ? CRASH_APP
                                                          : CRASH_HOME;
        const struct kst_object *object = kst_api_find(self->api, bucket, ns, name);
        if (!object || strcmp(kst_api_text(object->json, "metadata.uid"), kst_json_str(e)) != 0)
            return kst_asprintf("the restore point has lost %s %s", bucket, name);
        if (!*ns && strcmp(kst_api_text(object->json, "spec.deletionPolicy"), "Retain") != 0)
            return kst_asprintf("content %s is not kept any more", name);
    }
    return NULL;
}

/* ---- how many there are ---- */

static char *check_counts(const struct world *self, const struct outcome *how)
{
    bool copied = how->setting == SETTING_COPY;
    size_t copies = copied ? world_count(self, "/persistentvolumeclaims", CRASH_COPY) : 0;
    /* Volumes that were replaced stay where workloads had gone on before the cancel. */
    size_t kept = !copied && !how->succeeded && how->restored == VOLUMES ? VOLUMES : 0;
    size_t there = world_count(self, "/persistentvolumes", "");
    if (how->late && kept && there >= VOLUMES && there <= VOLUMES + kept)
        kept = there - VOLUMES;
    const struct {
        const char *bucket, *ns;
        size_t count;
    } expected[] = {
        {"kassette.io/runs", "", 2},
        {"kassette.io/restorepoints", "", 1},
        {SNAPSHOTS, "", VOLUMES},
        {CONTENTS, "", VOLUMES},
        {"coordination.k8s.io/leases", CRASH_HOME, 0},
        {"/pods", CRASH_APP, DATABASES},
        {"/pods", CRASH_HOME, 0},
        {"/persistentvolumeclaims", CRASH_APP, VOLUMES},
        {"/persistentvolumes", "", VOLUMES + copies + kept},
        {"batch/jobs", "", 0},
        {"/pods", CRASH_COPY, copied && how->succeeded ? DATABASES : SIZE_MAX},
        {"/persistentvolumeclaims", CRASH_COPY, copied && how->succeeded ? VOLUMES : SIZE_MAX},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(expected); i++) {
        if (expected[i].count == SIZE_MAX)
            continue;
        char *why = check_count(self, expected[i].bucket, expected[i].ns, expected[i].count);
        if (why)
            return why;
    }
    size_t events = world_count(self, "/events", CRASH_HOME);
    return events > MAX_EVENTS
               ? kst_asprintf("the run made %zu Events: expected at most %d", events, MAX_EVENTS)
               : NULL;
}

/* ---- all of it ---- */

static char *check_in_place(const struct world *self, struct outcome *how)
{
    char *why = check_data(self, CRASH_APP, &how->restored);
    if (why)
        return why;
    size_t expected = how->succeeded ? (size_t)VOLUMES : how->early ? 0 : how->restored;
    if (how->restored != expected || how->restored % VOLUMES != 0)
        return kst_asprintf("%zu of the volumes hold the data of the backup: expected %s",
                            how->restored,
                            how->succeeded ? "all"
                            : how->early   ? "none"
                                           : "all or none");
    if (how->succeeded)
        return check_facts(self, CRASH_APP, self->base_facts, "");
    /* Objects that were restored before the cancel stay; replicas and claims are what they were. */
    why = check_facts(self, CRASH_APP, self->facts, "apps/statefulsets");
    return why ? why : check_facts(self, CRASH_APP, self->facts, "/persistentvolumeclaims");
}

static char *check_copy(const struct world *self, struct outcome *how)
{
    size_t restored = 0;
    char *why = check_data(self, CRASH_APP, &how->restored);
    if (!why && how->restored > 0)
        why = kst_asprintf("%zu volumes of the original have lost what was written after the "
                           "backup",
                           how->restored);
    if (!why)
        why = check_facts(self, CRASH_APP, self->facts, "");
    if (!why)
        why = check_lives(self);
    if (why || !how->succeeded)
        return why;
    why = check_data(self, CRASH_COPY, &restored);
    if (!why && restored != VOLUMES)
        why = kst_asprintf("%zu volumes of the copy hold the data of the backup", restored);
    return why ? why : check_facts(self, CRASH_COPY, self->base_facts, "");
}

static char *check_state(const struct world *self, struct outcome *how)
{
    char *why = how->setting == SETTING_COPY ? check_copy(self, how) : check_in_place(self, how);
    if (!why)
        why = check_counts(self, how);
    if (!why)
        why = check_base(self);
    return why ? why : check_all_marks(self);
}

char *check_restore(struct world *self, const struct crash_case *now)
{
    const char *phase = kst_api_text(world_run(self), "status.phase");
    struct outcome how = {
        .setting = now->setting,
        .succeeded = strcmp(phase, "Succeeded") == 0,
        .early = self->struck_phase < KST_PHASE_OBJECTS,
        .late = self->struck_phase == KST_PHASE_POST_RESTORE,
    };
    char *why = NULL;
    /* The cluster does some of it after the engine has ended. */
    int64_t end_ms = kst_now_ms() + SETTLE_MS;
    while ((why = check_state(self, &how)) && kst_now_ms() < end_ms) {
        free(why);
        kst_sleep_ms(LOOK_MS, NULL);
    }
    for (size_t i = 0; i < DATABASES && !why; i++)
        why = check_writes(self, CRASH_APP, crash_databases[i]);
    for (size_t i = 0; i < DATABASES && !why && how.succeeded && how.setting == SETTING_COPY; i++)
        why = check_writes(self, CRASH_COPY, crash_databases[i]);
    return why;
}
