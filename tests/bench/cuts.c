/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuts NAMESPACE CLAIM...: creates a VolumeSnapshot of each claim at once and prints the
 * milliseconds until the last of them has its creationTime: what the storage itself needs, seen
 * through the same API server. Deletes them again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"

struct bench {
    struct kst_loop *loop;
    struct kst_kube *kube;
    const char *ns;
    char **claims;
    size_t count;
};

struct one {
    struct bench *bench;
    const char *claim;
};

static int create(void *arg, struct kst_err **err)
{
    struct one *one = arg;
    kst_auto_free char *name = kst_asprintf("bench-%s", one->claim);
    kst_auto_json struct kst_json *snapshot = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot',"
        "'metadata':{'name':%s,'labels':{'bench':'cuts'}},"
        "'spec':{'source':{'persistentVolumeClaimName':%s}}}",
        name, one->claim);
    return kst_kube_create(one->bench->kube, &kst_res_snapshots, one->bench->ns, snapshot, false,
                           NULL, err);
}

static int create_all(struct bench *bench, struct kst_err **err)
{
    struct one *all = kst_calloc(bench->count, sizeof(*all));
    struct kst_group *group = kst_group_new(bench->loop, true);
    for (size_t i = 0; i < bench->count; i++) {
        all[i] = (struct one){bench, bench->claims[i]};
        kst_group_spawn(group, "create", create, &all[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    free(all);
    return rc;
}

static int await_cuts(struct bench *bench, struct kst_watch *watch, struct kst_err **err)
{
    kst_auto_json struct kst_json *cut = kst_json_object();
    while (kst_json_len(cut) < bench->count) {
        enum kst_watch_type type;
        const struct kst_json *object;
        int rc = kst_watch_next(watch, KST_NEVER, &type, &object, err);
        if (rc < 0)
            return rc;
        if (kst_json_path_str(object, "status.creationTime"))
            kst_json_set_bool(cut, kst_json_path_str(object, "metadata.name"), true);
    }
    return 0;
}

static int is_gone(void *arg, const struct kst_json *object, struct kst_err **err)
{
    return object == NULL;
}

static int clean(struct bench *bench, struct kst_err **err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < bench->count; i++) {
        kst_auto_free char *name = kst_asprintf("bench-%s", bench->claims[i]);
        rc = kst_kube_delete(bench->kube, &kst_res_snapshots, bench->ns, name, NULL, err);
    }
    for (size_t i = 0; rc == 0 && i < bench->count; i++) {
        kst_auto_free char *name = kst_asprintf("bench-%s", bench->claims[i]);
        rc = kst_watch_until(bench->kube, &kst_res_snapshots, bench->ns, name, is_gone, NULL,
                             kst_deadline_in_ms(60000), "to be deleted", NULL, err);
    }
    return rc;
}

static int run(void *arg, struct kst_err **err)
{
    struct bench *bench = arg;
    const struct kst_kube_config_options options = {0};
    const struct kst_watch_options labelled = {.label_selector = "bench=cuts"};
    struct kst_kube_config *config = NULL;
    int rc = kst_kube_config_load(&options, &config, err);
    if (rc < 0)
        return rc;
    bench->kube = kst_kube_new(bench->loop, config);
    struct kst_watch *watch = kst_watch_new(bench->kube, &kst_res_snapshots, bench->ns, &labelled);
    enum kst_watch_type type = KST_WATCH_SEEN;
    const struct kst_json *object;
    while (rc == 0 && type != KST_WATCH_SYNCED)
        rc = kst_watch_next(watch, KST_NEVER, &type, &object, err);
    int64_t started = kst_now_us();
    if (rc == 0)
        rc = create_all(bench, err);
    if (rc == 0)
        rc = await_cuts(bench, watch, err);
    if (rc == 0)
        printf("%.1f\n", (double)(kst_now_us() - started) / 1000);
    kst_watch_free(watch);
    if (rc == 0)
        rc = clean(bench, err);
    kst_kube_free(bench->kube);
    kst_kube_config_free(config);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: cuts NAMESPACE CLAIM...\n");
        return 2;
    }
    struct bench bench = {.ns = argv[1], .claims = argv + 2, .count = (size_t)argc - 2};
    kst_auto_err struct kst_err *err = NULL;
    kst_http_global_init();
    int rc = kst_loop_new(&bench.loop, &err);
    if (rc == 0)
        rc = kst_loop_run(bench.loop, "cuts", run, &bench, &err);
    if (rc < 0)
        fprintf(stderr, "cuts: %s\n", kst_err_message(err));
    kst_loop_free(bench.loop);
    kst_http_global_release();
    return rc < 0;
}
