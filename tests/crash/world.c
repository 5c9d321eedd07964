/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster in this process, with the application that is backed up. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/load.h"
#include "sandbox/sandbox.h"
#include "sandbox/storage/storage.h"

const char *const crash_databases[DATABASES] = {"locked", "held"};

enum { READY_MS = 30 * 1000, GONE_MS = 15 * 1000, LOOK_MS = 5, FILE_BYTES = 64 * 1024 };

char *world_control(const struct world *self, const char *database, const char *file)
{
    return kst_asprintf("%s/%s%s%s", self->dir, database, *file ? "/" : "", file);
}

bool setting_restores(enum setting setting)
{
    return setting == SETTING_RESTORE || setting == SETTING_COPY;
}

size_t world_count(const struct world *self, const char *bucket, const char *ns)
{
    struct kst_bucket *all = kst_store_bucket(kst_api_store(self->api), bucket);
    size_t first = 0, count = kst_bucket_count(all);
    if (*ns)
        kst_bucket_range(all, ns, &first, &count);
    return count;
}

const struct kst_json *world_run(const struct world *self)
{
    const struct kst_object *run = kst_api_find(self->api, "kassette.io/runs", CRASH_HOME,
                                                CRASH_RUN);
    return run ? run->json : NULL;
}

/* ---- the beginning ---- */

static int write_text(const char *path, const char *text, struct kst_err **err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t wrote = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    return wrote == (ssize_t)strlen(text)
               ? 0
               : kst_err_set(err, KST_E_IO, "%s: %s", path, strerror(errno));
}

static int make_sandbox(struct world *self, struct kst_err **err)
{
    kst_auto_free char *images = kst_asprintf("%s/images.json", self->dir);
    kst_auto_free char *cluster = kst_asprintf("%s/cluster", self->dir);
    kst_auto_json struct kst_json *image = kst_json_make(
        "{'images':[{'match':'^crash-database(:|$)','name':'crash-database',"
        "'entrypoint':['/usr/bin/database'],'files':{'/usr/bin/database':%s},"
        "'volumes':['/control','/data','/log']}]}",
        self->database);
    kst_auto_free char *text = kst_json_text(image);
    int rc = write_text(images, text, err);
    const struct kst_sandbox_options options = {
        .dir = cluster,
        .images = images,
        .server = {.fault = strike_on_request,
                   .fault_arg = self,
                   .trace = strike_on_answer,
                   .trace_arg = self},
    };
    if (rc == 0)
        rc = kst_sandbox_new(self->loop, &options, &self->sandbox, err);
    if (rc == 0)
        self->api = kst_sandbox_api(self->sandbox);
    return rc;
}

static void replace(struct kst_buf *out, const char *text, const char *what, const char *by)
{
    for (const char *at; (at = strstr(text, what)); text = at + strlen(what)) {
        kst_buf_add(out, text, (size_t)(at - text));
        kst_buf_adds(out, by);
    }
    kst_buf_adds(out, text);
}

static int make_database(struct world *self, const char *name, struct kst_err **err)
{
    kst_auto_free char *control = world_control(self, name, "");
    kst_auto_free char *path = kst_asprintf("%s/%s.yaml", self->dir, name);
    kst_auto_buf template = KST_BUF_INIT(FILE_BYTES), named = KST_BUF_INIT(FILE_BYTES),
                 text = KST_BUF_INIT(FILE_BYTES);
    size_t count = 0;
    if (mkdir(control, 0777) != 0 || chmod(control, 0777) != 0)
        return kst_err_set(err, KST_E_IO, "%s: %s", control, strerror(errno));
    int rc = kst_buf_read_file(&template, "tests/crash/application.yaml", err);
    if (rc < 0)
        return rc;
    replace(&named, template.data, "@NAME@", name);
    replace(&text, named.data, "@CONTROL@", control);
    rc = write_text(path, text.data, err);
    return rc < 0 ? rc : kst_load_path(self->api, path, &count, err);
}

static int load_object(struct world *self, struct kst_json *object, struct kst_err **err)
{
    kst_auto_json struct kst_json *documents = kst_json_array();
    size_t count = 0;
    kst_json_push(documents, object);
    return kst_load_documents(self->api, documents, "the setting", &count, err);
}

/* The rest of the application. */
static int make_objects(struct world *self, struct kst_err **err)
{
    size_t count = 0;
    int rc = kst_load_path(self->api, "tests/crash/objects.yaml", &count, err);
    const struct kst_object *owner = kst_api_find(self->api, "/configmaps", CRASH_APP, "settings");
    if (rc < 0 || !owner)
        return rc;
    return load_object(self,
                       kst_json_make("{'apiVersion':'v1','kind':'ConfigMap','metadata':{"
                                     "'name':'derived','namespace':%s,'ownerReferences':[{"
                                     "'apiVersion':'v1','kind':'ConfigMap','name':'settings',"
                                     "'uid':%s}]},'data':{'shade':'dark'}}",
                                     CRASH_APP, kst_api_text(owner->json, "metadata.uid")),
                       err);
}

static int make_databases(struct world *self, struct kst_err **err)
{
    int rc = make_objects(self, err);
    for (size_t i = 0; rc == 0 && i < DATABASES; i++)
        rc = make_database(self, crash_databases[i], err);
    return rc;
}

static int await_databases(struct world *self, struct kst_err **err)
{
    int64_t end_ms = kst_now_ms() + READY_MS;
    for (;;) {
        size_t ready = 0;
        const struct kst_object *pod = NULL;
        for (size_t i = 0; i < DATABASES; i++) {
            kst_auto_free char *name = kst_asprintf("%s-0", crash_databases[i]);
            pod = kst_api_find(self->api, "/pods", CRASH_APP, name);
            ready += pod && kst_pod_is_ready(pod->json);
        }
        if (ready == DATABASES)
            return 0;
        if (kst_now_ms() > end_ms) {
            kst_auto_free char *text = pod ? kst_json_text(kst_json_get(pod->json, "status"))
                                           : kst_strdup("they do not exist");
            return kst_err_set(err, KST_E_TIMEOUT, "the databases are not ready: %s", text);
        }
        int rc = kst_sleep_ms(LOOK_MS, err);
        if (rc < 0)
            return rc;
    }
}

int world_new(struct kst_loop *loop, const char *program, const char *database, const char *dir,
              struct world **out, struct kst_err **err)
{
    struct world *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->program = program;
    self->database = database;
    self->dir = kst_strdup(dir);
    int rc = mkdir(dir, 0755) != 0 ? kst_err_set(err, KST_E_IO, "%s: %s", dir, strerror(errno))
                                   : make_sandbox(self, err);
    if (rc == 0)
        rc = make_databases(self, err);
    if (rc == 0)
        rc = await_databases(self, err);
    if (rc < 0) {
        world_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void world_forget(struct world *self)
{
    kst_store_compact(kst_api_store(kst_sandbox_api(self->sandbox)));
}

void world_free(struct world *self)
{
    if (!self)
        return;
    kst_sandbox_free(self->sandbox);
    kst_storage_remove(self->dir, NULL);
    kst_json_free(self->counts);
    kst_json_free(self->order);
    kst_json_free(self->phases);
    kst_json_free(self->facts);
    kst_json_free(self->lives);
    world_forget_base(self);
    free(self->dir);
    free(self);
}

/* ---- between two cases ---- */

static void remove_all(struct world *self, const char *bucket, const char *ns)
{
    struct kst_control_list list = kst_control_list(self->api, bucket, ns);
    for (size_t i = 0; i < list.count; i++)
        if (!world_is_base(self, bucket, list.objects[i]->name))
            kst_control_delete(self->api, bucket, list.objects[i]);
    kst_control_list_release(&list);
}

#define GROUPS         "groupsnapshot.storage.k8s.io/volumegroupsnapshots"
#define GROUP_CLASSES  "groupsnapshot.storage.k8s.io/volumegroupsnapshotclasses"
#define GROUP_CONTENTS "groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents"

#define CONTENTS "snapshot.storage.k8s.io/volumesnapshotcontents"
#define POINTS   "kassette.io/restorepoints"

static const struct {
    const char *bucket, *ns;
} of_a_run[] = {{"kassette.io/runs", CRASH_HOME},
                {POINTS, CRASH_HOME},
                {"snapshot.storage.k8s.io/volumesnapshots", CRASH_APP},
                {GROUPS, CRASH_APP},
                {CONTENTS, ""},
                {GROUP_CONTENTS, ""},
                {"/events", ""},
                {"events.k8s.io/events", ""}};

struct kst_json *world_archive(const struct world *self)
{
    struct kst_control_list list = kst_control_list(self->api, "/secrets", CRASH_HOME);
    struct kst_json *found = kst_json_array();
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(kst_api_text(list.objects[i]->json, "type"), "kassette.io/restore-point") == 0)
            kst_json_push(found, kst_json_dup(list.objects[i]->json));
    }
    kst_control_list_release(&list);
    return found;
}

static void patch_all(struct world *self, const char *bucket, const char *ns, const char *patch)
{
    struct kst_control_list list = kst_control_list(self->api, bucket, ns);
    kst_auto_json struct kst_json *body = kst_json_make(patch);
    for (size_t i = 0; i < list.count; i++) {
        if (world_is_base(self, bucket, list.objects[i]->name))
            continue;
        const struct kst_api_call call = kst_api_call_for(self->api, bucket, list.objects[i]->ns,
                                                          list.objects[i]->name, "test");
        kst_json_free(
            kst_api_patch(self->api, &call, KST_API_PATCH_MERGE, body, false, NULL, NULL));
    }
    kst_control_list_release(&list);
}

/* What protects the restore point and its snapshots from being deleted. */
static void unprotect(struct world *self)
{
    patch_all(self, POINTS, CRASH_HOME, "{'metadata':{'finalizers':null}}");
    patch_all(self, CONTENTS, NULL,
              "{'metadata':{'annotations':{"
              "'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted':'yes'}},"
              "'spec':{'deletionPolicy':'Delete'}}");
    patch_all(self, GROUP_CONTENTS, NULL,
              "{'metadata':{'annotations':{"
              "'groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted':'yes'}},"
              "'spec':{'deletionPolicy':'Delete'}}");
}

static size_t left_of_a_run(const struct world *self)
{
    size_t count = world_count(self, "coordination.k8s.io/leases", CRASH_HOME);
    kst_auto_json struct kst_json *secrets = world_archive(self);
    count += kst_json_len(secrets);
    for (size_t i = 0; i < KST_ARRAY_LEN(of_a_run); i++)
        count += world_count(self, of_a_run[i].bucket, of_a_run[i].ns);
    return count - kst_json_len(self->base_parts);
}

/* The storage as the case wants it. */
static int set(struct world *self, enum setting setting, struct kst_err **err)
{
    const struct kst_object *faults = kst_api_find(self->api, "/configmaps", "kube-system",
                                                   "dircsi-faults");
    if (faults)
        kst_control_delete(self->api, "/configmaps", faults);
    remove_all(self, GROUP_CLASSES, NULL);
    if (setting == SETTING_SLOW)
        return load_object(self,
                           kst_json_make("{'apiVersion':'v1','kind':'ConfigMap','metadata':"
                                         "{'name':'dircsi-faults','namespace':'kube-system'},"
                                         "'data':{'readyDelayMs':'5500'}}"),
                           err);
    if (setting == SETTING_GROUP)
        return load_object(self,
                           kst_json_make("{'apiVersion':'groupsnapshot.storage.k8s.io/v1beta2',"
                                         "'kind':'VolumeGroupSnapshotClass',"
                                         "'metadata':{'name':'dir-groups'},"
                                         "'driver':'dir.csi.kassette.test',"
                                         "'deletionPolicy':'Delete'}"),
                           err);
    return 0;
}

static void forget_case(struct world *self)
{
    for (size_t i = 0; i < DATABASES; i++) {
        kst_auto_free char *journal = world_control(self, crash_databases[i], "journal");
        kst_auto_free char *at = world_control(self, crash_databases[i], "at");
        unlink(journal);
        unlink(at);
    }
    kst_auto_free char *log = kst_asprintf("%s/engine.log", self->dir);
    unlink(log);
    self->starts = 0;
    self->outage_until_ms = 0;
    memset(self->struck, 0, sizeof(self->struck));
}

static void remove_of_a_run(struct world *self, bool events)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(of_a_run); i++)
        if (!events || strstr(of_a_run[i].bucket, "events"))
            remove_all(self, of_a_run[i].bucket, *of_a_run[i].ns ? of_a_run[i].ns : NULL);
}

static int remove_runs(struct world *self, struct kst_err **err)
{
    int64_t end_ms = kst_now_ms() + GONE_MS;
    forget_case(self);
    unprotect(self);
    remove_of_a_run(self, false);
    while (left_of_a_run(self) > 0) {
        if (kst_now_ms() > end_ms)
            return kst_err_set(err, KST_E_TIMEOUT,
                               "what the case before has left is not removed in %d s",
                               GONE_MS / 1000);
        int rc = kst_sleep_ms(LOOK_MS, err);
        if (rc < 0)
            return rc;
        remove_of_a_run(self, true); /* what is told of the end of the others */
    }
    return 0;
}

int world_clean(struct world *self, enum setting setting, struct kst_err **err)
{
    bool restores = setting_restores(setting);
    if (!restores)
        world_forget_base(self);
    int rc = remove_runs(self, err);
    if (rc == 0)
        rc = world_remove_copy(self, err);
    if (rc == 0)
        rc = set(self, setting, err);
    if (rc < 0 || !restores)
        return rc;
    rc = await_databases(self, err);
    if (rc == 0 && !self->base_parts) {
        rc = world_make_base(self, err);
        if (rc == 0)
            rc = remove_runs(self, err); /* all of it that is not the restore point */
    }
    return rc < 0 ? rc : world_change(self, setting, err);
}
