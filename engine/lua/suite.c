/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "loop/fiber.h"

enum { FILE_BYTES = 1024 * 1024 };

struct suite {
    struct kst_loop *loop;
    const char *path;
    struct kst_suite_choice *choice;
    kst_lua_read_fn *read;
    void *read_arg;
    const struct kst_suite_world *world;
    struct kst_buf text;
    struct kst_json *report;
    int64_t passed, failed, left_out;
};

/* The suite, loaded for one case. */
struct loaded {
    struct kst_lua *lua;
    struct kst_lua_ref *table, *run, *call;
    struct kst_json *json;
};

static void unload(struct loaded *self)
{
    kst_lua_ref_free(self->run);
    kst_lua_ref_free(self->call);
    kst_lua_ref_free(self->table);
    kst_json_free(self->json);
    if (self->lua)
        kst_lua_free(self->lua);
    *self = (struct loaded){0};
}

static int load(const struct suite *self, struct loaded *out, struct kst_err **err)
{
    int rc = kst_lua_new(self->loop, NULL, &out->lua, err);
    if (rc == 0 && self->world)
        kst_lua_register(out->lua, self->world->natives, self->world->ctx);
    if (rc == 0)
        rc = kst_lua_load(out->lua, self->path, self->text.data, self->text.len, self->read,
                          self->read_arg, &out->table, err);
    if (rc == 0)
        rc = kst_lua_ref_json(out->table, &out->json, err);
    if (rc == 0 && (!kst_json_path_str(out->json, "name") || !kst_json_get(out->json, "cases") ||
                    kst_lua_ref_get(out->table, "run", &out->run, NULL) < 0 ||
                    kst_lua_ref_get(out->table, "call", &out->call, NULL) < 0)) {
        rc = kst_err_set(err, KST_E_INVALID, "%s: expected it to return what test.describe() gives",
                         self->path);
        kst_err_reason(err, "SuiteInvalid");
        kst_err_hint(err,
                     "return test.describe(\"name\", require \"blueprint\", function(it) … end)");
    }
    if (rc == 0 && kst_json_len(kst_json_get(out->json, "cases")) == 0)
        rc = kst_err_set(err, KST_E_INVALID, "%s has no cases", self->path);
    return rc;
}

static struct kst_json *milliseconds(int64_t us)
{
    char text[48];
    snprintf(text, sizeof(text), "%lld.%03lld", (long long)us / 1000, (long long)us % 1000);
    return kst_json_from_number(text);
}

/* Whether "SUITE: CASE" contains the filter. */
static bool selected(const struct suite *self, const struct loaded *loaded, size_t index)
{
    const char *suite = kst_json_path_str(loaded->json, "name");
    const char *name = kst_json_str(kst_json_at(kst_json_get(loaded->json, "cases"), index));
    kst_auto_free char *text = kst_asprintf("%s: %s", suite, name ? name : "");
    return !self->choice->filter || strcasestr(text, self->choice->filter);
}

/* Whether the case is to be run here; asked once of each. */
static bool chosen(struct suite *self, const struct loaded *loaded, size_t index)
{
    struct kst_suite_choice *choice = self->choice;
    if (!selected(self, loaded, index)) {
        self->left_out++;
        return false;
    }
    size_t number = choice->seen++;
    return choice->parts < 2 || number % choice->parts == choice->part;
}

static void run_case(struct suite *self, const struct loaded *loaded, size_t index)
{
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_json struct kst_json *number = kst_json_from_int((int64_t)index + 1);
    const struct kst_lua_arg argument = {.json = number};
    const char *name = kst_json_str(kst_json_at(kst_json_get(loaded->json, "cases"), index));
    const struct kst_json *place = kst_json_get(
        kst_json_at(kst_json_get(loaded->json, "functions"), index), "$function");
    const char *file = kst_json_path_str(place, "file");
    int64_t started_us = kst_now_us();
    int rc = kst_lua_call(loaded->lua, loaded->run, &argument, 1, NULL, NULL, &err);
    struct kst_json *row = kst_json_make("{'name':%s,'index':%L,'file':%s,'line':%L,'ok':%b}",
                                         name ? name : "(a case without a name)", (int64_t)index,
                                         file ? file : self->path,
                                         kst_json_path_int(place, "line", 0), rc == 0);
    kst_json_set(row, "ms", milliseconds(kst_now_us() - started_us));
    if (rc < 0) {
        kst_json_set_str(row, "message", kst_err_message(err));
        kst_json_set_str(row, "hint", kst_err_get_hint(err));
    }
    kst_json_push(kst_json_ensure_array(self->report, "cases"), row);
    if (rc < 0)
        self->failed++;
    else
        self->passed++;
}

/* Runs the first selected case at or after *index; *index is then the one after it. */
static int run_next(struct suite *self, size_t *index, size_t *count, struct kst_err **err)
{
    struct loaded loaded = {0};
    int rc = load(self, &loaded, err);
    if (rc == 0) {
        *count = kst_json_len(kst_json_get(loaded.json, "cases"));
        kst_json_set_str(self->report, "name", kst_json_path_str(loaded.json, "name"));
        while (*index < *count && !chosen(self, &loaded, *index))
            ++*index;
        if (*index < *count && self->world)
            self->world->begin(self->world->ctx, loaded.lua, loaded.call);
        bool begun = *index < *count && self->world;
        if (*index < *count)
            run_case(self, &loaded, (*index)++);
        if (begun)
            self->world->end(self->world->ctx);
    }
    unload(&loaded);
    return rc;
}

/* The folder of a suite that does not even say its name. */
static char *name_of(const char *path)
{
    const char *end = strrchr(path, '/');
    if (!end)
        return kst_strdup(path);
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    return kst_strndup(start, (size_t)(end - start));
}

static void broken(struct suite *self, const struct kst_err *err)
{
    struct kst_json *error = kst_json_make("{'message':%s}", kst_err_message(err));
    kst_json_set_str(error, "hint", kst_err_get_hint(err));
    kst_json_set(self->report, "error", error);
    self->failed++;
}

int kst_suite_run(struct kst_loop *loop, const char *path, struct kst_suite_choice *choice,
                  kst_lua_read_fn *read, void *read_arg, const struct kst_suite_world *world,
                  struct kst_json **out, struct kst_err **err)
{
    kst_auto_err struct kst_err *cause = NULL;
    kst_auto_free char *name = name_of(path);
    struct kst_suite_choice all = {.parts = 1};
    struct suite self = {.loop = loop,
                         .path = path,
                         .choice = choice ? choice : &all,
                         .read = read,
                         .read_arg = read_arg,
                         .world = world};
    size_t index = 0, count = 1;
    int64_t started_us = kst_now_us();
    self.report = kst_json_make("{'name':%s,'file':%s,'cases':[]}", name, path);
    kst_buf_init(&self.text, FILE_BYTES);
    int rc = read(read_arg, path, &self.text, &cause);
    while (rc == 0 && index < count && kst_fiber_check(NULL) == 0)
        rc = run_next(&self, &index, &count, &cause);
    kst_buf_release(&self.text);
    if (kst_fiber_check(err) < 0) {
        kst_json_free(self.report);
        return KST_E_CANCELLED;
    }
    if (rc < 0)
        broken(&self, cause);
    kst_json_set_int(self.report, "passed", self.passed);
    kst_json_set_int(self.report, "failed", self.failed);
    kst_json_set_int(self.report, "leftOut", self.left_out);
    kst_json_set(self.report, "ms", milliseconds(kst_now_us() - started_us));
    *out = self.report;
    return 0;
}

/* ---- JUnit ---- */

/* Text of an attribute or an element. */
static void add_text(struct kst_buf *out, const char *text)
{
    const char *end = text + strlen(text);
    for (const char *at = text; at < end;) {
        unsigned char byte = (unsigned char)*at;
        size_t len = kst_json_utf8(at, end);
        bool none = len == 0 || (len == 3 && memcmp(at, "\xef\xbf\xbe", 3) == 0) ||
                    (len == 3 && memcmp(at, "\xef\xbf\xbf", 3) == 0);
        if (none || (byte < 0x20 && !strchr("\t\n\r", byte)) || byte == 0x7f)
            kst_buf_adds(out, "\xef\xbf\xbd");
        else if (byte < 0x20 || strchr("&<>\"'", byte))
            kst_buf_addf(out, "&#%d;", byte); /* a line end of an attribute would become a space */
        else
            kst_buf_add(out, at, len);
        at += none && len == 0 ? 1 : len;
    }
}

static void add_attribute(struct kst_buf *out, const char *name, const char *text)
{
    kst_buf_addf(out, " %s=\"", name);
    add_text(out, text ? text : "");
    kst_buf_addc(out, '"');
}

/* JUnit counts seconds. */
static void add_time(struct kst_buf *out, const struct kst_json *ms)
{
    const char *text = kst_json_number(ms);
    kst_buf_addf(out, " time=\"%.6f\"", text ? strtod(text, NULL) / 1000 : 0.0);
}

static void add_case(struct kst_buf *out, const char *suite, const struct kst_json *row)
{
    kst_buf_adds(out, "    <testcase");
    add_attribute(out, "name", kst_json_path_str(row, "name"));
    add_attribute(out, "classname", suite);
    add_attribute(out, "file", kst_json_path_str(row, "file"));
    kst_buf_addf(out, " line=\"%lld\"", (long long)kst_json_path_int(row, "line", 0));
    add_time(out, kst_json_get(row, "ms"));
    const char *message = kst_json_path_str(row, "message");
    if (!message) {
        kst_buf_adds(out, "/>\n");
        return;
    }
    kst_buf_adds(out, ">\n      <failure");
    add_attribute(out, "message", message);
    kst_buf_adds(out, ">");
    add_text(out, message);
    kst_buf_adds(out, "</failure>\n    </testcase>\n");
}

static void add_suite(struct kst_buf *out, const struct kst_json *suite)
{
    const struct kst_json *cases = kst_json_get(suite, "cases"),
                          *error = kst_json_get(suite, "error");
    const char *name = kst_json_path_str(suite, "name");
    long long failed = (long long)kst_json_path_int(suite, "failed", 0);
    kst_buf_adds(out, "  <testsuite");
    add_attribute(out, "name", name);
    add_attribute(out, "file", kst_json_path_str(suite, "file"));
    kst_buf_addf(out, " tests=\"%zu\" failures=\"%lld\" errors=\"%d\"",
                 kst_json_len(cases) + (error ? 1 : 0), error ? failed - 1 : failed, error ? 1 : 0);
    add_time(out, kst_json_get(suite, "ms"));
    kst_buf_adds(out, ">\n");
    for (const struct kst_json *row = kst_json_first(cases); row; row = kst_json_next(row))
        add_case(out, name, row);
    if (error) {
        kst_buf_adds(out, "    <testcase name=\"(load)\"");
        add_attribute(out, "classname", name);
        kst_buf_adds(out, ">\n      <error");
        add_attribute(out, "message", kst_json_path_str(error, "message"));
        kst_buf_adds(out, "/>\n    </testcase>\n");
    }
    kst_buf_adds(out, "  </testsuite>\n");
}

int kst_suite_junit(const struct kst_json *suites, struct kst_buf *out)
{
    kst_buf_adds(out,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"kassette\">\n");
    for (const struct kst_json *suite = kst_json_first(suites); suite; suite = kst_json_next(suite))
        add_suite(out, suite);
    kst_buf_adds(out, "</testsuites>\n");
    return kst_buf_check(out, "the report", NULL);
}
