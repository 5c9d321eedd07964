/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true whatever happened to the engine: asked of the databases and of the cluster. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "loop/fiber.h"
#include "run/phase.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/storage/storage.h"

enum { SETTLE_MS = 5000, LOOK_MS = 5, FILE_BYTES = 64 * 1024, MAX_EVENTS = 24, MAX_SPANS = 64 };

#define SNAPSHOTS "snapshot.storage.k8s.io/volumesnapshots"
#define CONTENTS  "snapshot.storage.k8s.io/volumesnapshotcontents"

/* ---- the databases ---- */

int64_t check_number(const char *path)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    long long number = -1;
    if (kst_buf_read_file(&text, path, NULL) < 0)
        return -1;
    struct kst_str trimmed = kst_str_trim(kst_str_buf(&text));
    kst_auto_free char *copy = kst_strndup(trimmed.data, trimmed.len);
    const char *digits = copy;
    while (*digits == '0' && digits[1])
        digits++;
    return kst_parse_int(digits, &number) ? number : -1;
}

char *check_writes(const struct world *self, const char *ns, const char *database)
{
    kst_auto_free char *claim = kst_asprintf("data-%s-0", database);
    kst_auto_free char *dir = world_volume(self, ns, claim);
    kst_auto_free char *path = kst_asprintf("%s/number", dir ? dir : "");
    int64_t before = check_number(path), end_ms = kst_now_ms() + SETTLE_MS;
    while (kst_now_ms() < end_ms) {
        if (check_number(path) > before)
            return NULL;
        kst_sleep_ms(LOOK_MS, NULL);
    }
    return kst_asprintf("database %s of %s accepts no write: it is left frozen, or stopped",
                        database, ns);
}

/* When a database was frozen, by its own account. */
struct account {
    struct {
        int64_t from_ns, to_ns; /* to_ns 0: it still is */
    } spans[MAX_SPANS];
    size_t count;
    bool twice; /* frozen while it was frozen */
    struct kst_buf text;
};

static void read_line(struct account *self, struct kst_str line)
{
    kst_auto_free char *event = kst_strndup(line.data, line.len);
    char *space = strrchr(event, ' ');
    long long at_ns = 0;
    if (!space || !kst_parse_int(space + 1, &at_ns))
        return;
    *space = '\0';
    bool frozen = self->count > 0 && self->spans[self->count - 1].to_ns == 0;
    if (strncmp(event, "frozen", 6) == 0) {
        self->twice = self->twice || frozen;
        if (!frozen && self->count < MAX_SPANS)
            self->spans[self->count++].from_ns = at_ns;
    } else if (frozen) {
        self->spans[self->count - 1].to_ns = at_ns;
    }
}

static void read_account(struct account *self, const struct world *world, const char *database)
{
    kst_auto_free char *path = world_control(world, database, "journal");
    struct kst_str line;
    *self = (struct account){.text = KST_BUF_INIT(FILE_BYTES)};
    kst_buf_read_file(&self->text, path, NULL); /* none: it was never frozen */
    struct kst_str rest = kst_str_buf(&self->text);
    while (kst_str_split(&rest, '\n', &line))
        read_line(self, line);
}

static char *check_account(const struct account *self, const char *database, bool succeeded)
{
    if (self->twice)
        return kst_asprintf("database %s was frozen while it was frozen:\n%s", database,
                            self->text.data);
    if (self->count > 0 && self->spans[self->count - 1].to_ns == 0)
        return kst_asprintf("database %s was frozen and never thawed:\n%s", database,
                            self->text.data);
    if (succeeded && self->count == 0)
        return kst_asprintf("the run succeeded, and database %s was never frozen", database);
    return NULL;
}

static bool was_frozen(const struct account *self, int64_t at_ns)
{
    for (size_t i = 0; i < self->count; i++)
        if (at_ns >= self->spans[i].from_ns && at_ns <= self->spans[i].to_ns)
            return true;
    return false;
}

/* ---- the snapshots ---- */

/* A claim's cut: the number in it (-1 where there is none), and when it was made. */
struct cut {
    int64_t number, at_ns;
};

static struct cut find_cut(const struct world *self, const char *database, const char *volume)
{
    struct kst_control_list list = kst_control_list(self->api, SNAPSHOTS, CRASH_APP);
    kst_auto_free char *claim = kst_asprintf("%s-%s-0", volume, database);
    struct cut cut = {.number = -1};
    for (size_t i = 0; i < list.count; i++) {
        const struct kst_json *snapshot = list.objects[i]->json;
        const char *content_name = kst_api_text(snapshot, "status.boundVolumeSnapshotContentName");
        if (strcmp(kst_api_text(snapshot, "spec.source.persistentVolumeClaimName"), claim) != 0 ||
            !kst_json_path_true(snapshot, "status.readyToUse"))
            continue;
        const struct kst_object *content = kst_api_find(self->api, CONTENTS, "", content_name);
        const char *handle = content ? kst_api_text(content->json, "status.snapshotHandle") : "";
        kst_auto_free char *path = kst_asprintf("%s/cluster/volumes/%s/number", self->dir, handle);
        cut.number = check_number(path);
        cut.at_ns = content ? kst_json_path_int(content->json, "status.creationTime", 0) : 0;
    }
    kst_control_list_release(&list);
    return cut;
}

static char *check_cuts(const struct world *self, const struct account *account,
                        const char *database)
{
    struct cut a = find_cut(self, database, "data"), b = find_cut(self, database, "log");
    if (a.number < 0 || b.number < 0)
        return kst_asprintf("the run succeeded, and a snapshot of database %s is not there, not "
                            "ready, or empty",
                            database);
    if (a.number != b.number)
        return kst_asprintf("database %s was written to between the cuts of its volumes: %lld and "
                            "%lld",
                            database, (long long)a.number, (long long)b.number);
    /* The storage holds who writes while it copies, so that the numbers alone do not tell. */
    if (!was_frozen(account, a.at_ns) || !was_frozen(account, b.at_ns))
        return kst_asprintf("database %s was not frozen when it was cut, at %lld and %lld:\n%s",
                            database, (long long)a.at_ns, (long long)b.at_ns, account->text.data);
    return NULL;
}

/* ---- the cluster ---- */

char *check_count(const struct world *self, const char *bucket, const char *ns, size_t expected)
{
    size_t found = world_count(self, bucket, ns);
    if (found == expected)
        return NULL;
    struct kst_bucket *all = kst_store_bucket(kst_api_store(self->api), bucket);
    kst_auto_buf names = KST_BUF_INIT(FILE_BYTES);
    const struct kst_object *object;
    for (size_t i = 0; (object = kst_bucket_at(all, i)); i++)
        if (!*ns || strcmp(object->ns, ns) == 0)
            kst_buf_addf(&names, " %s", object->name);
    return kst_asprintf("expected %zu of %s, found %zu:%s", expected, bucket, found, names.data);
}

/* A claim is labelled only while its group is being cut. */
static char *check_labels(const struct world *self)
{
    struct kst_control_list claims = kst_control_list(self->api, "/persistentvolumeclaims",
                                                      CRASH_APP);
    char *why = NULL;
    for (size_t i = 0; i < claims.count && !why; i++)
        if (kst_json_get(kst_json_path(claims.objects[i]->json, "metadata.labels"),
                         "kassette.io/group"))
            why = kst_asprintf("claim %s is left with the label of a group",
                               claims.objects[i]->name);
    kst_control_list_release(&claims);
    return why;
}

/* The restore point of a run that succeeded: Ready, with all snapshots, which are kept from being
 * deleted with the namespace, and with all of its archive. */
static char *check_point(const struct world *self)
{
    const struct kst_object *object = kst_api_find(self->api, "kassette.io/restorepoints",
                                                   CRASH_HOME, CRASH_RUN);
    const struct kst_json *point = object ? object->json : NULL;
    if (strcmp(kst_api_text(point, "status.phase"), "Ready") != 0)
        return kst_asprintf("the restore point is \"%s\", not Ready",
                            kst_api_text(point, "status.phase"));
    const struct kst_json *rows = kst_json_path(point, "status.volumes");
    if (kst_json_len(rows) != VOLUMES)
        return kst_asprintf("the restore point has %zu volumes", kst_json_len(rows));
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *name = kst_api_text(row, "content"), *was = kst_api_text(row, "deletionPolicy");
        const struct kst_object *content = kst_api_find(self->api, CONTENTS, "", name);
        const char *is = content ? kst_api_text(content->json, "spec.deletionPolicy") : "gone";
        if (strcmp(is, "Retain") != 0 || strcmp(was, "Delete") != 0)
            return kst_asprintf("content %s has the policy %s, and had %s by the restore point",
                                name, is, was);
        if (strcmp(kst_api_text(row, "handle"),
                   kst_api_text(content->json, "status.snapshotHandle")) != 0)
            return kst_asprintf("content %s has another handle than the restore point says", name);
    }
    return NULL;
}

/* All parts of the archive, and no other, owned by the point. */
static char *check_archive(const struct world *self)
{
    const struct kst_object *point = kst_api_find(self->api, "kassette.io/restorepoints",
                                                  CRASH_HOME, CRASH_RUN);
    const char *uid = point ? kst_api_text(point->json, "metadata.uid") : "";
    kst_auto_json struct kst_json *secrets = world_archive(self);
    size_t objects = 0;
    for (const struct kst_json *row = kst_json_first(secrets); row; row = kst_json_next(row)) {
        if (strcmp(kst_api_text(row, "metadata.ownerReferences.0.uid"), uid) != 0)
            return kst_asprintf("Secret %s is not the restore point's",
                                kst_api_text(row, "metadata.name"));
        const struct kst_json *labels = kst_json_path(row, "metadata.labels");
        const char *member = kst_json_str(kst_json_get(labels, "kassette.io/member"));
        objects += member && strcmp(member, "objects") == 0;
    }
    int64_t expected = point ? kst_json_path_int(point->json, "status.objects.parts", 0) : 0;
    return (int64_t)objects == expected
               ? NULL
               : kst_asprintf("the archive has %zu parts of objects, and %lld by the restore point",
                              objects, (long long)expected);
}

static char *check_objects(const struct world *self, enum setting setting, bool succeeded)
{
    size_t cuts = succeeded ? VOLUMES : 0, groups = succeeded && setting == SETTING_GROUP;
    const struct {
        const char *bucket, *ns;
        size_t count;
    } expected[] = {
        {"kassette.io/runs", "", 1},
        {"kassette.io/restorepoints", "", succeeded},
        {SNAPSHOTS, "", cuts},
        {CONTENTS, "", cuts},
        {"groupsnapshot.storage.k8s.io/volumegroupsnapshots", "", groups},
        {"groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents", "", groups},
        {"coordination.k8s.io/leases", CRASH_HOME, 0},
        {"/pods", "", DATABASES},
        {"/persistentvolumeclaims", "", VOLUMES},
        {"/persistentvolumes", "", VOLUMES},
        {"batch/jobs", "", 0},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(expected); i++) {
        char *why = check_count(self, expected[i].bucket, expected[i].ns, expected[i].count);
        if (why)
            return why;
    }
    size_t events = world_count(self, "/events", CRASH_HOME);
    if (events > MAX_EVENTS)
        return kst_asprintf("the run made %zu Events: expected at most %d", events, MAX_EVENTS);
    char *why = succeeded ? check_point(self) : NULL;
    if (!why)
        why = check_archive(self);
    return why ? why : check_labels(self);
}

static char *check_run(const struct world *self, const struct crash_case *now, bool *succeeded)
{
    bool may_cancel = now->blows[0].deed == DEED_CANCEL || now->blows[0].deed == DEED_TERM;
    const struct kst_json *run = world_run(self);
    if (!run)
        return kst_strdup("there is no Run");
    const char *phase = kst_api_text(run, "status.phase");
    *succeeded = strcmp(phase, "Succeeded") == 0;
    if (*succeeded || (may_cancel && strcmp(phase, "Cancelled") == 0))
        return NULL;
    if (!kst_phase_is_final(kst_phase_parse(phase)))
        return kst_asprintf("the Run has not ended: it is %s after %u engines", phase,
                            self->starts);
    /* What passes does not fail a run. */
    return kst_asprintf("the Run is %s (%s): %s", phase, kst_api_text(run, "status.reason"),
                        kst_api_text(run, "status.message"));
}

static char *check_database(const struct world *self, const char *database, bool succeeded)
{
    struct account account;
    read_account(&account, self, database);
    char *why = check_account(&account, database, succeeded);
    if (!why && succeeded)
        why = check_cuts(self, &account, database);
    kst_buf_release(&account.text);
    return why;
}

char *check_world(struct world *self, const struct crash_case *now)
{
    bool succeeded = false;
    char *why = check_run(self, now, &succeeded);
    /* Four claims are made in any order: what is left to a successor differs from time to time. */
    size_t owed = setting_restores(now->setting) && now->nblows > 1 ? 1 : now->nblows;
    for (size_t i = 0; i < owed && !why; i++)
        if (!self->struck[i])
            why = kst_asprintf("nothing was done to engine %zu: the point was not reached", i + 1);
    if (!why && setting_restores(now->setting))
        return check_restore(self, now);
    for (size_t i = 0; i < DATABASES && !why; i++)
        why = check_writes(self, CRASH_APP, crash_databases[i]);
    for (size_t i = 0; i < DATABASES && !why; i++)
        why = check_database(self, crash_databases[i], succeeded);
    if (why)
        return why;
    /* The cluster removes some of it after the engine has ended. */
    int64_t end_ms = kst_now_ms() + SETTLE_MS;
    while ((why = check_objects(self, now->setting, succeeded)) && kst_now_ms() < end_ms) {
        free(why);
        kst_sleep_ms(LOOK_MS, NULL);
    }
    return why;
}
