/* SPDX-License-Identifier: Apache-2.0 */
#include "app/backup/objects.h"

#include <string.h>

#include "app/capture/capture.h"
#include "app/capture/filter.h"
#include "app/point/point.h"
#include "app/point/store.h"
#include "base/err.h"
#include "base/json.h"
#include "kube/resource.h"
#include "run/journal.h"

static void drop_name(struct kst_json *names, const char *name)
{
    for (struct kst_json *row = kst_json_first_mut(names), *next; row; row = next) {
        next = kst_json_next_mut(row);
        if (strcmp(kst_json_str(row), name) == 0)
            kst_json_drop(names, row);
    }
}

static void drop_claim(struct kst_json *workloads, struct kst_json *claims, struct kst_json *claim)
{
    const char *name = kst_json_path_str(claim, "metadata.name");
    for (struct kst_json *row = kst_json_first_mut(workloads); row; row = kst_json_next_mut(row))
        drop_name(kst_json_mut(row, "claims"), name);
    kst_json_drop(claims, claim);
}

int kst_backup_filter_claims(struct kst_run *run, struct kst_json *workloads,
                             struct kst_json *claims, struct kst_err **err)
{
    const struct kst_json *spec = kst_json_get(kst_journal_spec(run->journal), "capture");
    struct kst_filter *filter = NULL;
    int rc = kst_filter_new(kst_json_get(spec, "include"), kst_json_get(spec, "exclude"), &filter,
                            err);
    for (struct kst_json *claim = kst_json_first_mut(claims), *next; claim && rc == 0;
         claim = next) {
        bool takes = true;
        next = kst_json_next_mut(claim);
        if (!kst_filter_takes_kind(filter, &kst_res_pvcs))
            takes = false;
        else
            rc = kst_filter_takes(filter, &kst_res_pvcs, claim, &takes, NULL, err);
        if (rc == 0 && !takes)
            drop_claim(workloads, claims, claim);
    }
    kst_filter_free(filter);
    return rc;
}

/* Every namespace has itself and an account. */
static bool is_in_every_namespace(const struct kst_json *row)
{
    const char *plural = kst_json_path_str(row, "plural");
    return strcmp(plural, kst_res_namespaces.plural) == 0 ||
           (strcmp(plural, kst_res_serviceaccounts.plural) == 0 &&
            kst_json_path_int(row, "count", 0) == 1);
}

/* Mostly another namespace or selector was meant: it must not pass for a backup. */
static int holds_something(const struct kst_run *run, const struct kst_json *index,
                           struct kst_err **err)
{
    const struct kst_json *spec = kst_journal_spec(run->journal);
    const char *selector = kst_json_path_str(spec, "application.selector");
    const struct kst_json *row = kst_json_first(kst_json_get(index, "kinds"));
    while (row && is_in_every_namespace(row))
        row = kst_json_next(row);
    if (row)
        return 0;
    kst_err_set(err, KST_E_INVALID, "application %s%s%s%s holds nothing that a backup could keep",
                run->app_ns, selector ? " (selector " : "", selector ? selector : "",
                selector ? ")" : "");
    kst_err_reason(err, "NothingToBackUp");
    kst_err_hint(err, "is it another namespace, or a selector, include or exclude that picks less "
                      "than was meant?");
    return KST_E_INVALID;
}

int kst_backup_capture(struct kst_run *run, struct kst_capturer *capturer,
                       const struct kst_json *point, struct kst_err **err)
{
    kst_auto_json struct kst_json *index = NULL;
    struct kst_point_store *store = kst_point_store_secrets(run->kube, point);
    int rc = kst_point_store_clear(store, err);
    if (rc == 0)
        rc = kst_capturer_write(capturer, kst_point_store_sink(store), &index, err);
    if (rc == 0)
        rc = holds_something(run, index, err);
    if (rc == 0)
        rc = kst_point_captured(run, index, err);
    kst_point_store_free(store);
    return rc;
}

int kst_backup_count(struct kst_run *run, struct kst_capturer *capturer, struct kst_err **err)
{
    kst_auto_json struct kst_json *index = NULL;
    int rc = kst_capturer_write(capturer, &kst_capture_nowhere, &index, err);
    if (rc == 0)
        rc = holds_something(run, index, err);
    if (rc == 0)
        kst_json_set(kst_journal_status(run->journal), "capture",
                     kst_json_make("{'kinds':%J,'excluded':%J,'missing':%J}",
                                   kst_json_get(index, "kinds"), kst_json_get(index, "excluded"),
                                   kst_json_get(index, "missing")));
    return rc;
}
