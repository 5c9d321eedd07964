/* SPDX-License-Identifier: Apache-2.0 */
/* kassette show: the objects of a restore point, as a table or as they were captured. They are
 * printed as they are read: there may be any number of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/capture/filter.h"
#include "app/point/archive.h"
#include "app/point/point.h"
#include "app/point/store.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "kube/resource.h"

enum { OBJECT_BYTES = 64 << 20 };

struct show {
    struct kst_cmd *cmd;
    const char *what; /* which point, for messages */
    struct kst_point_store *store;
    struct kst_archive_reader *reader;
    struct kst_filter *filter;
    const struct kst_kube_resource *kind, *last_kind; /* of the object read last; of all kinds */
    int widths[3];                                    /* of the table */
    int64_t shown, shown_of_kind;
    struct kst_buf counts;  /* "2 ConfigMap, 1 Secret" */
    struct kst_json *first; /* held back: one alone is not printed as a list */
};

/* ---- kinds ---- */

static void end_kind(struct show *self)
{
    if (self->shown_of_kind > 0)
        kst_buf_addf(&self->counts, "%s%" PRId64 " %s", self->counts.len ? ", " : "",
                     self->shown_of_kind, self->kind->kind);
    self->shown_of_kind = 0;
}

static bool is_kind(const struct kst_kube_resource *kind, const struct kst_json *object)
{
    return strcmp(kind->kind, kst_json_path_str(object, "kind")) == 0 &&
           strcmp(kind->api_version, kst_json_path_str(object, "apiVersion")) == 0;
}

/* Kinds come in the order of their objects, which the reader has compared. */
static void find_kind(struct show *self, const struct kst_json *object)
{
    while (!is_kind(self->kind, object) && self->kind < self->last_kind) {
        end_kind(self);
        self->kind++;
    }
}

/* ---- printing ---- */

static const char *text_at(const struct kst_json *value, const char *path)
{
    const char *text = kst_json_path_str(value, path);
    return text ? text : "";
}

static bool is_wide(const struct show *self)
{
    return self->cmd->output == KST_OUTPUT_WIDE;
}

static void print_row(const struct show *self, const char *kind, const char *api_version,
                      const char *ns, const char *name)
{
    printf("%-*s   ", self->widths[0], kind);
    if (is_wide(self))
        printf("%-*s   %-*s   ", self->widths[1], api_version, self->widths[2], ns);
    printf("%s\n", name);
}

static void widen(int *width, const char *text)
{
    int len = (int)strlen(text);
    *width = len > *width ? len : *width;
}

static void print_head(struct show *self)
{
    const struct kst_json *index = kst_archive_index(self->reader);
    widen(&self->widths[0], "KIND");
    widen(&self->widths[1], "APIVERSION");
    widen(&self->widths[2], "NAMESPACE");
    widen(&self->widths[2], text_at(index, "application.namespace"));
    size_t count = 0;
    const struct kst_kube_resource *kinds = kst_archive_kinds(self->reader, &count);
    for (size_t i = 0; i < count; i++) {
        widen(&self->widths[0], kinds[i].kind);
        widen(&self->widths[1], kinds[i].api_version);
    }
    print_row(self, "KIND", "APIVERSION", "NAMESPACE", "NAME");
}

static int print_value(const struct show *self, const struct kst_json *object, struct kst_err **err)
{
    if (self->cmd->output == KST_OUTPUT_YAML && self->shown > 1)
        puts("---");
    return kst_cmd_print(self->cmd, object, err);
}

/* An entry of a list, in the way of kst_cmd_print(). */
static int print_entry(const struct kst_json *object, bool is_first, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(OBJECT_BYTES);
    kst_json_print(object, KST_JSON_PRETTY, &text);
    int rc = kst_buf_check(&text, "the object", err);
    if (rc < 0)
        return rc;
    fputs(is_first ? "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [" : ",",
          stdout);
    struct kst_str rest = kst_str_buf(&text), line;
    while (kst_str_split(&rest, '\n', &line))
        printf("\n    %.*s", (int)line.len, line.data);
    return 0;
}

static int print_json(struct show *self, const struct kst_json *object, struct kst_err **err)
{
    if (self->shown == 1) {
        self->first = kst_json_dup(object);
        return 0;
    }
    int rc = self->shown == 2 ? print_entry(self->first, true, err) : 0;
    return rc < 0 ? rc : print_entry(object, false, err);
}

static int end_json(const struct show *self, struct kst_err **err)
{
    if (self->shown == 1)
        return print_value(self, self->first, err);
    fputs(self->shown == 0
              ? "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": []\n}\n"
              : "\n  ]\n}\n",
          stdout);
    return 0;
}

static void print_name(const struct show *self, const char *name)
{
    const struct kst_kube_resource *kind = self->kind;
    printf("%s%s%s/%s\n", *kind->singular ? kind->singular : kind->plural, *kind->group ? "." : "",
           kind->group, name);
}

static int show_object(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                       struct kst_err **err)
{
    struct show *self = arg;
    bool takes = false;
    find_kind(self, object);
    int rc = kst_filter_takes(self->filter, self->kind, object, &takes, NULL, err);
    if (rc < 0 || !takes)
        return rc;
    self->shown++;
    self->shown_of_kind++;
    const char *name = kst_json_path_str(object, "metadata.name");
    switch (self->cmd->output) {
    case KST_OUTPUT_JSON:
        return print_json(self, object, err);
    case KST_OUTPUT_YAML:
        return print_value(self, object, err);
    case KST_OUTPUT_NAME:
        print_name(self, name);
        return 0;
    default:
        if (self->shown == 1)
            print_head(self);
        print_row(self, self->kind->kind, self->kind->api_version,
                  text_at(object, "metadata.namespace"), name);
        return 0;
    }
}

/* ---- the end ---- */

static void print_excluded(const struct kst_json *index)
{
    const struct kst_json *excluded = kst_json_get(index, "excluded");
    for (const struct kst_json *row = kst_json_first(excluded); row; row = kst_json_next(row)) {
        int64_t count = 0;
        kst_json_int(row, &count);
        printf("left out: %" PRId64 " (%s)\n", count, kst_json_key(row));
    }
    const struct kst_json *missing = kst_json_get(index, "missing");
    for (const struct kst_json *row = kst_json_first(missing); row; row = kst_json_next(row))
        printf("missing: %s did not answer\n", kst_json_str(row) ? kst_json_str(row) : "a group");
}

static void print_counts(struct show *self)
{
    const struct kst_json *index = kst_archive_index(self->reader);
    int64_t all = kst_json_path_int(index, "objects.count", 0);
    end_kind(self);
    if (self->shown == all)
        printf("\n%" PRId64 " objects", all);
    else
        printf("%s%" PRId64 " of %" PRId64 " objects", self->shown ? "\n" : "", self->shown, all);
    printf("%s%s\n", self->counts.len ? ": " : "", self->counts.data);
    if (self->shown == all)
        print_excluded(index);
}

/* A pattern that picks nothing is a mistake, which a script should see. */
static int check_patterns(const struct show *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *unused = kst_filter_unused(self->filter);
    if (kst_json_len(unused) == 0)
        return 0;
    kst_err_set(err, KST_E_NOT_FOUND, "%s: nothing in it matches '%s'", self->what,
                kst_json_str(kst_json_at(unused, 0)));
    kst_err_hint(err, "see all that is in it with: kassette show %s", self->cmd->args[0]);
    return KST_E_NOT_FOUND;
}

static int show_all(struct show *self, struct kst_err **err)
{
    size_t count = 0;
    self->kind = kst_archive_kinds(self->reader, &count);
    self->last_kind = self->kind + (count ? count - 1 : 0);
    int rc = kst_archive_each(self->reader, show_object, self, err);
    if (rc < 0)
        return rc;
    if (self->cmd->output == KST_OUTPUT_JSON)
        rc = end_json(self, err);
    else if (self->cmd->output == KST_OUTPUT_TEXT || is_wide(self))
        print_counts(self);
    return rc < 0 ? rc : check_patterns(self, err);
}

/* ---- the beginning ---- */

/* A restore point by name, or the directory that one was saved in: that has a slash in it. */
static int open_store(struct show *self, struct kst_err **err)
{
    const char *name = self->cmd->args[0];
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *point = NULL;
    if (strchr(name, '/'))
        return kst_point_store_dir(name, &self->store, err);
    int rc = kst_cmd_kube(self->cmd, &kube, err);
    if (rc == 0)
        rc = kst_point_get(kube, self->cmd->home, name, false, &point, err);
    if (rc == 0)
        self->store = kst_point_store_secrets(kube, point);
    return rc;
}

static int open_archive(struct show *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *patterns = kst_json_array();
    for (size_t i = 1; self->cmd->args[i]; i++)
        kst_json_push(patterns, kst_json_from_str(self->cmd->args[i]));
    int rc = kst_filter_new(kst_json_len(patterns) ? patterns : NULL, NULL, &self->filter, err);
    if (rc == 0)
        rc = open_store(self, err);
    if (rc < 0)
        return rc;
    rc = kst_archive_open(kst_point_store_source(self->store), &self->reader, err);
    if (rc == KST_E_NOT_FOUND && !strchr(self->cmd->args[0], '/'))
        kst_err_hint(err, "its objects are captured only when its backup has come so far");
    return rc;
}

int kst_cmd_show(struct kst_cmd *cmd, struct kst_err **err)
{
    static const struct kst_option no_options[] = {{0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL}};
    struct show self = {.cmd = cmd, .counts = KST_BUF_INIT(64 * 1024)};
    int rc = kst_cmd_parse(cmd, no_options, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 1, -1, err);
    if (rc < 0)
        return rc;
    bool dir = strchr(cmd->args[0], '/') != NULL;
    kst_auto_free char *what = dir ? kst_strdup(cmd->args[0])
                                   : kst_asprintf("RestorePoint/%s/%s", cmd->home, cmd->args[0]);
    self.what = what;
    rc = open_archive(&self, err);
    if (rc == 0)
        rc = show_all(&self, err);
    if (rc < 0 && !strstr(err && *err ? kst_err_message(*err) : what, what))
        kst_err_wrap(err, rc, "%s", what);
    kst_archive_close(self.reader);
    kst_point_store_free(self.store);
    kst_filter_free(self.filter);
    kst_json_free(self.first);
    kst_buf_release(&self.counts);
    return rc;
}
