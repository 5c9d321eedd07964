/* SPDX-License-Identifier: Apache-2.0 */
/* kassette blueprint test: runs the test.lua beside each blueprint. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/blueprint.h"
#include "cmd/blueprint_world.h"
#include "lua/suite.h"

enum { REPORT_BYTES = 64 * 1024 * 1024 };

/* Short names become paths. */
static void set_places(const struct kst_own_file *file, struct kst_json *report)
{
    struct kst_json *cases = kst_json_mut(report, "cases");
    kst_json_set_str(report, "file", file->path);
    for (size_t i = 0; i < kst_json_len(cases); i++) {
        struct kst_json *row = kst_json_mut_at(cases, i);
        const char *message = kst_json_path_str(row, "message");
        kst_auto_free char *told = message ? kst_own_file_place(file, message) : NULL;
        kst_auto_free char *path = kst_own_file_place(file, kst_json_path_str(row, "file"));
        kst_json_set_str(row, "message", told);
        kst_json_set_str(row, "file", path);
    }
    struct kst_json *error = kst_json_mut(report, "error");
    if (error) {
        kst_auto_free char *told = kst_own_file_place(file, kst_json_path_str(error, "message"));
        kst_json_set_str(error, "message", told);
    }
}

static double number(const struct kst_json *value)
{
    const char *text = kst_json_number(value);
    return text ? strtod(text, NULL) : 0;
}

static void print_suite(const struct kst_json *report)
{
    const struct kst_json *error = kst_json_get(report, "error");
    printf("%s (%s)\n", kst_json_path_str(report, "name"), kst_json_path_str(report, "file"));
    const struct kst_json *cases = kst_json_get(report, "cases");
    for (const struct kst_json *row = kst_json_first(cases); row; row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        const char *hint = kst_json_path_str(row, "hint");
        printf("  %-4s  %7.2f ms  %s\n", message ? "FAIL" : "ok", number(kst_json_get(row, "ms")),
               kst_json_path_str(row, "name"));
        if (message)
            printf("        %s\n", message);
        if (message && hint)
            printf("        hint: %s\n", hint);
    }
    if (error) {
        const char *hint = kst_json_path_str(error, "hint");
        printf("  FAIL              %s\n", kst_json_path_str(error, "message"));
        if (hint)
            printf("        hint: %s\n", hint);
    }
}

static int write_junit(const char *path, const struct kst_json *suites, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(REPORT_BYTES);
    int rc = kst_suite_junit(suites, &text);
    if (rc < 0)
        return kst_buf_check(&text, "the report", err);
    FILE *file = fopen(path, "we");
    bool written = file && fwrite(text.data, 1, text.len, file) == text.len;
    if (file && fclose(file) != 0)
        written = false;
    if (!written)
        return kst_err_set(err, KST_E_IO, "%s: %s", path, strerror(errno));
    return 0;
}

struct totals {
    int64_t passed, failed, left_out, suites;
};

static int run_all(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                   const struct kst_own_files *files, struct kst_json *suites,
                   struct totals *totals, struct kst_err **err)
{
    for (size_t i = 0; i < files->count; i++) {
        struct kst_own_file *file = &files->items[i];
        struct kst_json *report = NULL;
        struct kst_world *world = kst_world_new(cmd->loop, file);
        const struct kst_suite_world of_suite = kst_world_of_suite(world);
        int rc = kst_suite_run(cmd->loop, file->name, options->filter, kst_own_file_read, file,
                               &of_suite, &report, err);
        kst_world_free(world);
        if (rc < 0)
            return rc;
        set_places(file, report);
        totals->passed += kst_json_path_int(report, "passed", 0);
        totals->failed += kst_json_path_int(report, "failed", 0);
        totals->left_out += kst_json_path_int(report, "leftOut", 0);
        totals->suites++;
        kst_json_push(suites, report);
        bool nothing = !kst_json_len(kst_json_get(report, "cases")) &&
                       !kst_json_get(report, "error");
        if (cmd->output == KST_OUTPUT_TEXT && !nothing)
            print_suite(report);
    }
    return 0;
}

int kst_blueprint_test(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                       char **args, struct kst_err **err)
{
    struct kst_own_files files;
    struct totals totals = {0};
    kst_auto_json struct kst_json *suites = kst_json_array();
    int64_t started_us = kst_now_us();
    int rc = kst_own_files_find(args, "test.lua", false, &files, err);
    if (rc < 0)
        return rc;
    rc = run_all(cmd, options, &files, suites, &totals, err);
    kst_own_files_release(&files);
    if (rc == 0 && options->junit)
        rc = write_junit(options->junit, suites, err);
    if (rc == 0 && cmd->output != KST_OUTPUT_TEXT) {
        kst_auto_json struct kst_json *all = kst_json_make(
            "{'passed':%L,'failed':%L,'leftOut':%L,'suites':%J}", totals.passed, totals.failed,
            totals.left_out, suites);
        rc = kst_cmd_print(cmd, all, err);
    } else if (rc == 0) {
        printf("%lld passed, %lld failed", (long long)totals.passed, (long long)totals.failed);
        if (totals.left_out)
            printf(", %lld left out", (long long)totals.left_out);
        printf(" in %.1f ms\n", (double)(kst_now_us() - started_us) / 1000);
    }
    if (rc == 0 && totals.failed)
        return kst_err_set(err, KST_E_FAILED, "%lld of %lld cases failed", (long long)totals.failed,
                           (long long)(totals.failed + totals.passed));
    if (rc == 0 && totals.passed == 0)
        return kst_err_set(err, KST_E_NOT_FOUND, "no case's name contains '%s'", options->filter);
    return rc;
}
