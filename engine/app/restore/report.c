/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/report.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/zstd.h"
#include "kube/client.h"
#include "run/journal.h"

enum {
    FAILURES = 50, /* that the status tells */
    MESSAGES = 5,  /* that an error tells */
    TEXT_BYTES = 64 << 20,
    STORE_BYTES = 700 * 1000, /* compressed; a ConfigMap holds 1 MiB, and base64 is longer */
    MESSAGE_BYTES = 16 * 1024,
};

static const char store_key[] = "report.jsonl.zst";

static const char *done_name(const struct kst_plan_row *row)
{
    if (row->failed)
        return "failed";
    switch (row->deed) {
    case KST_DEED_CREATE:
        return row->done ? "created" : "not done";
    case KST_DEED_REPLACE:
    case KST_DEED_MERGE:
        return row->done ? "changed" : "not done";
    case KST_DEED_UNCHANGED:
        return row->ours ? "created" : "unchanged";
    case KST_DEED_SKIP:
        return "skipped";
    case KST_DEED_VOLUME:
        return "volume";
    default:
        return "failed";
    }
}

/* What became of a claim, as its row in the status tells. */
static const struct kst_json *volume_row(const struct kst_plan *plan, const char *target)
{
    const struct kst_json *rows = kst_json_path(kst_journal_object(plan->run->journal),
                                                "status.restore.volumes");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "target"), target))
            return row;
    }
    return NULL;
}

static struct kst_json *make_row(const struct kst_plan *plan, const struct kst_plan_row *row,
                                 bool done)
{
    const char *deed = done ? done_name(row) : kst_deed_name(row->deed);
    struct kst_json *out = kst_json_make("{'apiVersion':%s,'kind':%s,'name':%s}",
                                         row->kind->resource.api_version, row->kind->resource.kind,
                                         row->name);
    const struct kst_json *volume = row->deed == KST_DEED_VOLUME ? volume_row(plan, row->name)
                                                                 : NULL;
    if (volume && done)
        deed = kst_same(kst_json_path_str(volume, "state"), "Failed") ? "failed" : "restored";
    else if (volume)
        deed = kst_json_path_str(volume, "action");
    kst_json_set_str(out, "namespace", row->ns);
    kst_json_set_str(out, "deed", deed);
    kst_json_set_str(out, "reason",
                     kst_json_path_str(volume, "message") ? kst_json_path_str(volume, "message")
                                                          : row->reason);
    kst_json_set_str(out, "hint", row->hint);
    return out;
}

struct kst_json *kst_report_rows(const struct kst_plan *plan, bool done)
{
    struct kst_json *rows = kst_json_array();
    for (size_t i = 0; i < plan->nrows; i++)
        kst_json_push(rows, make_row(plan, &plan->rows[i], done));
    return rows;
}

void kst_report_summarize(const struct kst_plan *plan)
{
    int64_t created = 0, changed = 0, unchanged = 0, skipped = 0, failed = 0, volumes = 0;
    struct kst_json *failures = kst_json_array();
    for (size_t i = 0; i < plan->nrows; i++) {
        const struct kst_plan_row *row = &plan->rows[i];
        const char *name = done_name(row);
        created += strcmp(name, "created") == 0;
        changed += strcmp(name, "changed") == 0;
        unchanged += strcmp(name, "unchanged") == 0;
        skipped += strcmp(name, "skipped") == 0;
        volumes += strcmp(name, "volume") == 0;
        failed += row->failed;
        if (row->failed && kst_json_len(failures) < FAILURES)
            kst_json_push(failures, make_row(plan, row, true));
    }
    struct kst_json *restore = kst_json_ensure_object(kst_journal_status(plan->run->journal),
                                                      "restore");
    kst_json_set(restore, "counts",
                 kst_json_make("{'created':%L,'changed':%L,'unchanged':%L,'skipped':%L,'failed':%L,"
                               "'volumes':%L}",
                               created, changed, unchanged, skipped, failed, volumes));
    kst_json_set(restore, "failures", failures);
}

static char *store_name(const char *run)
{
    kst_auto_free char *full = kst_asprintf("%s-report", run);
    return kst_name_make(full, 253);
}

int kst_report_store(const struct kst_plan *plan, struct kst_err **err)
{
    struct kst_run *run = plan->run;
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES), packed = KST_BUF_INIT(STORE_BYTES),
                 encoded = KST_BUF_INIT(2 * STORE_BYTES);
    for (size_t i = 0; i < plan->nrows; i++) {
        kst_auto_json struct kst_json *row = make_row(plan, &plan->rows[i], true);
        kst_json_print(row, KST_JSON_COMPACT, &text);
        kst_buf_addc(&text, '\n');
    }
    int rc = kst_buf_check(&text, "the report", err);
    if (rc == 0)
        rc = kst_zstd_compress(&packed, text.data, text.len, err);
    if (rc < 0)
        return rc;
    kst_base64_encode(&encoded, packed.data, packed.len);
    kst_auto_free char *name = store_name(run->name);
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "report");
    kst_auto_json struct kst_json *owner = kst_run_owner(run);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':%s,'namespace':%s,'labels':%J,"
        "'ownerReferences':[%J]},'binaryData':{%s:%s}}",
        name, run->home, labels, owner, store_key, encoded.data);
    rc = kst_kube_patch(run->kube, &kst_res_configmaps, run->home, name, NULL, KST_PATCH_APPLY,
                        object, NULL, err);
    return rc < 0 ? kst_err_wrap(err, rc, "keep the report of the run") : 0;
}

static int parse_rows(const struct kst_buf *text, struct kst_json **rows, struct kst_err **err)
{
    kst_auto_json struct kst_json *all = kst_json_array();
    struct kst_str rest = kst_str_buf(text), line;
    while (kst_str_split(&rest, '\n', &line)) {
        struct kst_json *row = NULL;
        if (line.len == 0)
            continue;
        int rc = kst_json_parse(line.data, line.len, &row, err);
        if (rc < 0)
            return rc;
        kst_json_push(all, row);
    }
    *rows = kst_take(all);
    return 0;
}

int kst_report_read(struct kst_kube *kube, const char *home, const char *run,
                    struct kst_json **rows, struct kst_err **err)
{
    kst_auto_free char *name = store_name(run);
    kst_auto_json struct kst_json *object = NULL;
    int rc = kst_kube_get(kube, &kst_res_configmaps, home, name, &object, err);
    if (rc < 0)
        return rc;
    const char *encoded = kst_json_str(kst_json_get(kst_json_get(object, "binaryData"), store_key));
    kst_auto_buf packed = KST_BUF_INIT(STORE_BYTES), text = KST_BUF_INIT(TEXT_BYTES);
    rc = kst_base64_decode(&packed, kst_str_of(encoded), true);
    if (rc < 0)
        kst_err_set(err, rc, "%s: expected base64", store_key);
    if (rc == 0)
        rc = kst_zstd_decompress(&text, packed.data, packed.len, err);
    if (rc == 0)
        rc = parse_rows(&text, rows, err);
    return rc < 0 ? kst_err_wrap(err, rc, "ConfigMap/%s/%s", home, name) : 0;
}

int kst_report_failures(const struct kst_plan *plan, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MESSAGE_BYTES);
    const char *hint = NULL;
    size_t count = 0;
    for (size_t i = 0; i < plan->nrows; i++) {
        const struct kst_plan_row *row = &plan->rows[i];
        if (!row->failed)
            continue;
        if (count++ < MESSAGES)
            kst_buf_addf(&text, "\n  %s%s%s/%s: %s", row->kind->resource.kind, row->ns ? "/" : "",
                         row->ns ? row->ns : "", row->name, row->reason ? row->reason : "");
        hint = hint ? hint : row->hint;
    }
    if (count == 0)
        return 0;
    if (count > MESSAGES)
        kst_buf_addf(&text, "\n  and %zu more", count - MESSAGES);
    kst_err_set(err, KST_E_FAILED, "%zu of %zu objects could not be restored:%s", count,
                plan->nrows, text.data);
    kst_err_reason(err, "PartlyFailed");
    kst_err_hint(err, "%s; restored again, only what is missing is done", hint ? hint : "");
    return KST_E_FAILED;
}
