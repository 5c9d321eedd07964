/* SPDX-License-Identifier: Apache-2.0 */
/* kassette blueprint test: runs the test.lua beside each blueprint. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/blueprint.h"
#include "cmd/blueprint_world.h"
#include "loop/child.h"
#include "loop/fiber.h"
#include "lua/suite.h"

enum { REPORT_BYTES = 64 * 1024 * 1024, FILE_BYTES = 1024 * 1024, MAX_JOBS = 64 };

/* Tells a process which part of the cases is its own: "0/4". */
static const char part_variable[] = "KASSETTE_TEST_PART";

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

/* ---- here ---- */

/* The reports of all files; `choice` says which cases. */
static int run_here(struct kst_cmd *cmd, struct kst_suite_choice *choice,
                    const struct kst_own_files *files, struct kst_json *suites,
                    struct kst_err **err)
{
    for (size_t i = 0; i < files->count; i++) {
        struct kst_own_file *file = &files->items[i];
        struct kst_json *report = NULL;
        struct kst_world *world = kst_world_new(cmd->loop, file, &cmd->interrupted);
        const struct kst_suite_world of_suite = kst_world_of_suite(world);
        int rc = kst_suite_run(cmd->loop, file->name, choice, kst_own_file_read, file, &of_suite,
                               &report, err);
        kst_world_free(world);
        if (rc < 0)
            return rc;
        set_places(file, report);
        kst_json_push(suites, report);
    }
    return 0;
}

/* ---- side by side: each part is a process of this program ---- */

struct part {
    struct kst_loop *loop;
    const char *const *argv;
    size_t number, of;
    struct kst_json *report;
};

static int run_part(void *arg, struct kst_err **err)
{
    struct part *self = arg;
    kst_auto_buf output = KST_BUF_INIT(REPORT_BYTES), errors = KST_BUF_INIT(REPORT_BYTES);
    kst_auto_free char *variable = kst_asprintf("%s=%zu/%zu", part_variable, self->number,
                                                self->of);
    const char *const env[] = {variable, NULL};
    const struct kst_child_request request = {.argv = self->argv, .env_add = env};
    int status = 0;
    int rc = kst_child_run(self->loop, &request, &output, &errors, &status, err);
    if (rc == KST_E_CANCELLED) {
        kst_err_clear(err);
        return kst_err_set(err, rc, "cancelled");
    }
    if (rc == 0 && kst_json_parse(output.data, output.len, &self->report, NULL) < 0)
        rc = kst_err_set(err, KST_E_FAILED, "a process of the test ended with status %d: %s",
                         status, errors.data);
    return rc;
}

/* Adds to the first part's report of a suite that of another part: cases are in order. */
static void merge_suite(struct kst_json *whole, const struct kst_json *part)
{
    struct kst_json *cases = kst_json_mut(whole, "cases");
    const struct kst_json *others = kst_json_get(part, "cases");
    static const char *const counts[] = {"passed", "failed"};
    for (const struct kst_json *row = kst_json_first(others); row; row = kst_json_next(row)) {
        size_t at = 0;
        while (at < kst_json_len(cases) && kst_json_path_int(kst_json_at(cases, at), "index", 0) <
                                               kst_json_path_int(row, "index", 0))
            at++;
        kst_json_insert(cases, at, kst_json_dup(row));
    }
    if (kst_json_get(whole, "error"))
        return; /* it is one, whoever found it */
    for (size_t i = 0; i < KST_ARRAY_LEN(counts); i++)
        kst_json_set_int(whole, counts[i],
                         kst_json_path_int(whole, counts[i], 0) +
                             kst_json_path_int(part, counts[i], 0));
}

static int run_parts(struct kst_cmd *cmd, const char *const *argv, size_t count,
                     struct kst_json *suites, struct kst_err **err)
{
    kst_auto_free struct part *parts = kst_calloc(count, sizeof(*parts));
    struct kst_group *group = kst_group_new(cmd->loop, true);
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct part){.loop = cmd->loop, .argv = argv, .number = i, .of = count};
        kst_group_spawn(group, "part", run_part, &parts[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    for (size_t i = 0; i < count; i++) {
        const struct kst_json *own = kst_json_get(parts[i].report, "suites");
        for (size_t j = 0; rc == 0 && j < kst_json_len(own); j++) {
            if (i == 0)
                kst_json_push(suites, kst_json_dup(kst_json_at(own, j)));
            else
                merge_suite(kst_json_mut_at(suites, j), kst_json_at(own, j));
        }
        kst_json_free(parts[i].report);
    }
    return rc;
}

static int run_side_by_side(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                            const struct kst_own_files *files, size_t count,
                            struct kst_json *suites, struct kst_err **err)
{
    kst_auto_free const char **argv = kst_calloc(files->count + 10, sizeof(*argv));
    size_t n = 0;
    argv[n++] = cmd->program;
    argv[n++] = "blueprint";
    argv[n++] = "test";
    argv[n++] = "--output=json";
    argv[n++] = "--jobs=1";
    if (options->filter) {
        argv[n++] = "--filter";
        argv[n++] = options->filter;
    }
    argv[n++] = "--";
    for (size_t i = 0; i < files->count; i++)
        argv[n++] = files->items[i].path;
    return run_parts(cmd, argv, count, suites, err);
}

/* About how many cases there are, so that no process is started for none. */
static size_t about_cases(const struct kst_own_files *files)
{
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++) {
        kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
        struct kst_own_file *file = &files->items[i];
        if (kst_own_file_read(file, file->name, &text, NULL) < 0)
            continue;
        for (const char *at = text.data; (at = strstr(at, " it(")) != NULL; at++)
            count++;
    }
    return count;
}

static int count_jobs(const struct kst_blueprint_options *options,
                      const struct kst_own_files *files, size_t *jobs, struct kst_err **err)
{
    long long asked = sysconf(_SC_NPROCESSORS_ONLN);
    size_t cases = about_cases(files);
    if (options->jobs && (!kst_parse_int(options->jobs, &asked) || asked < 1 || asked > MAX_JOBS))
        return kst_err_set(err, KST_E_USAGE, "option --jobs: expected 1 to %d, found '%s'",
                           MAX_JOBS, options->jobs);
    *jobs = asked < 1 ? 1 : asked > MAX_JOBS ? MAX_JOBS : (size_t)asked;
    if (*jobs > cases)
        *jobs = cases;
    return 0;
}

static int run_all(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                   const struct kst_own_files *files, struct kst_json *suites, struct kst_err **err)
{
    size_t jobs = 1;
    struct kst_suite_choice choice = {.filter = options->filter};
    const char *part = getenv(part_variable), *slash = part ? strchr(part, '/') : NULL;
    int rc = count_jobs(options, files, &jobs, err);
    if (rc < 0)
        return rc;
    if (jobs > 1 && cmd->program)
        return run_side_by_side(cmd, options, files, jobs, suites, err);
    if (slash) {
        choice.part = strtoul(part, NULL, 10);
        choice.parts = strtoul(slash + 1, NULL, 10);
    }
    return run_here(cmd, &choice, files, suites, err);
}

/* ---- the whole ---- */

struct totals {
    int64_t passed, failed, left_out;
};

static struct totals sum_up(const struct kst_json *suites, bool text)
{
    struct totals totals = {0};
    for (const struct kst_json *row = kst_json_first(suites); row; row = kst_json_next(row)) {
        totals.passed += kst_json_path_int(row, "passed", 0);
        totals.failed += kst_json_path_int(row, "failed", 0);
        totals.left_out += kst_json_path_int(row, "leftOut", 0);
        bool nothing = !kst_json_len(kst_json_get(row, "cases")) && !kst_json_get(row, "error");
        if (text && !nothing)
            print_suite(row);
    }
    return totals;
}

int kst_blueprint_test(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                       char **args, struct kst_err **err)
{
    struct kst_own_files files;
    kst_auto_json struct kst_json *suites = kst_json_array();
    int64_t started_us = kst_now_us();
    int rc = kst_own_files_find(args, "test.lua", false, &files, err);
    if (rc < 0)
        return rc;
    rc = run_all(cmd, options, &files, suites, err);
    kst_own_files_release(&files);
    if (rc < 0)
        return rc;
    const struct totals totals = sum_up(suites, cmd->output == KST_OUTPUT_TEXT);
    if (options->junit)
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
