/* SPDX-License-Identifier: Apache-2.0 */
/* kassette blueprint: shows the blueprints of a source and what they take; authors' work is in the
 * files beside this one. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/near.h"
#include "cmd/blueprint.h"
#include "git/source.h"
#include "lua/blueprint.h"
#include "lua/embedded.h"
#include "lua/host.h"

enum { FILE_BYTES = 1024 * 1024 };

static int read_file(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    return kst_source_read(arg, path, text, err);
}

static int open_source(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                       struct kst_source **out, struct kst_err **err)
{
    if (options->directory)
        return kst_source_open_dir(options->directory, 0, out, err);
    if (!options->source) {
        *out = kst_source_open_table((const struct kst_source_file *)kst_embedded,
                                     kst_embedded_count, "blueprints");
        return 0;
    }
    kst_auto_source_credentials keys = {0};
    int rc = options->credentials
                 ? kst_source_credentials_from_dir(options->credentials, &keys, err)
                 : 0;
    if (rc < 0)
        return rc;
    const struct kst_source_spec spec = {
        .url = options->source, .ref = options->ref, .path = options->path, .credentials = &keys};
    kst_auto_free char *cache_dir = kst_cmd_cache_dir();
    return kst_source_open(cmd->loop, &spec, cache_dir, out, err);
}

static int load(struct kst_lua *lua, struct kst_source *source, const char *path,
                struct kst_blueprint **out, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    int rc = kst_source_read(source, path, &text, err);
    return rc < 0 ? rc
                  : kst_blueprint_load(lua, path, text.data, text.len, read_file, source, out, err);
}

static void print_params(const struct kst_blueprint *blueprint)
{
    const struct kst_json *params = kst_blueprint_params(blueprint);
    if (kst_json_len(params))
        printf("\n%-20s %-10s %-20s %s\n", "PARAMETER", "TYPE", "DEFAULT", "MEANING");
    for (const struct kst_json *row = kst_json_first(params); row; row = kst_json_next(row)) {
        const char *type = kst_json_path_str(row, "type"), *doc = kst_json_path_str(row, "doc");
        const struct kst_json *value = kst_json_get(row, "default");
        kst_auto_free char *text = value && !kst_json_str(value) ? kst_json_text(value) : NULL;
        printf("%-20s %-10s %-20s %s\n", kst_json_key(row), type ? type : "string",
               text                  ? text
               : kst_json_str(value) ? kst_json_str(value)
                                     : "(required)",
               doc ? doc : "");
    }
}

static void print_blueprint(const struct kst_blueprint *blueprint)
{
    static const char *const functions[] = {"pre_hook",     "snapshot",    "post_hook",
                                            "export",       "pre_restore", "restore",
                                            "post_restore", "verify",      "delete"};
    const struct kst_json *all = kst_blueprint_json(blueprint);
    printf("%s: %s\n", kst_blueprint_name(blueprint), kst_blueprint_summary(blueprint));
    printf("file:      %s\n", kst_blueprint_path(blueprint));
    kst_auto_free char *match = kst_json_text(kst_json_get(all, "match"));
    if (kst_json_get(all, "match"))
        printf("match:     %s\n", match);
    if (kst_json_path_str(all, "max_freeze"))
        printf("freeze:    at most %s\n", kst_json_path_str(all, "max_freeze"));
    printf("functions:");
    for (size_t i = 0; i < KST_ARRAY_LEN(functions); i++) {
        if (kst_blueprint_has(blueprint, functions[i]))
            printf(" %s", functions[i]);
    }
    const struct kst_json *actions = kst_json_get(all, "actions");
    for (const struct kst_json *row = kst_json_first(actions); row; row = kst_json_next(row))
        printf(" actions.%s", kst_json_key(row));
    printf("\n");
    print_params(blueprint);
}

/* Shows one blueprint (`name`), or a line for each. */
static int show(struct kst_cmd *cmd, struct kst_source *source, struct kst_lua *lua,
                const struct kst_json *paths, const char *name, struct kst_err **err)
{
    kst_auto_json struct kst_json *list = kst_json_array();
    bool found = false, plain = cmd->output == KST_OUTPUT_TEXT || cmd->output == KST_OUTPUT_WIDE;
    for (const struct kst_json *path = kst_json_first(paths); path; path = kst_json_next(path)) {
        struct kst_blueprint *blueprint = NULL;
        int rc = load(lua, source, kst_json_str(path), &blueprint, err);
        if (rc < 0)
            return rc;
        bool wanted = !name || strcmp(kst_blueprint_name(blueprint), name) == 0;
        found = found || wanted;
        if (wanted && plain && name)
            print_blueprint(blueprint);
        else if (wanted && cmd->output == KST_OUTPUT_NAME)
            printf("blueprint/%s\n", kst_blueprint_name(blueprint));
        else if (wanted && plain)
            printf("%-20s %s\n", kst_blueprint_name(blueprint), kst_blueprint_summary(blueprint));
        else if (wanted)
            kst_json_push(list, kst_json_dup(kst_blueprint_json(blueprint)));
        kst_blueprint_free(blueprint);
    }
    if (name && !found) {
        kst_err_set(err, KST_E_NOT_FOUND, "the source has no blueprint '%s'", name);
        kst_err_hint(err, "see what it has with: kassette blueprint list");
        return KST_E_NOT_FOUND;
    }
    return plain || cmd->output == KST_OUTPUT_NAME
               ? 0
               : kst_cmd_print(cmd, name ? kst_json_at(list, 0) : list, err);
}

/* list, or show NAME. */
static int list_or_show(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                        const char *name, struct kst_err **err)
{
    struct kst_source *source = NULL;
    struct kst_lua *lua = NULL;
    kst_auto_json struct kst_json *paths = NULL;
    int rc = open_source(cmd, options, &source, err);
    if (rc == 0)
        rc = kst_source_list(source, KST_SOURCE_BLUEPRINTS, &paths, err);
    if (rc == 0)
        rc = kst_lua_new(cmd->loop, NULL, &lua, err);
    if (rc == 0)
        rc = show(cmd, source, lua, paths, name, err);
    if (lua)
        kst_lua_free(lua);
    kst_source_free(source);
    return rc;
}

static int do_list(struct kst_cmd *cmd, const struct kst_blueprint_options *options, char **args,
                   struct kst_err **err)
{
    return list_or_show(cmd, options, NULL, err);
}

static int do_show(struct kst_cmd *cmd, const struct kst_blueprint_options *options, char **args,
                   struct kst_err **err)
{
    return list_or_show(cmd, options, args[0], err);
}

static const struct subcommand {
    const char *name;
    int min, max; /* arguments; max < 0: any number */
    const char *options;
    int (*run)(struct kst_cmd *cmd, const struct kst_blueprint_options *options, char **args,
               struct kst_err **err);
} subcommands[] = {
    {"list", 0, 0, "source ref path credentials blueprints", do_list},
    {"show", 1, 1, "source ref path credentials blueprints", do_show},
    {"new", 1, 2, "kind image", kst_blueprint_new},
    {"lint", 0, -1, "strict", kst_blueprint_lint},
    {"test", 0, -1, "filter jobs junit", kst_blueprint_test},
    {"run", 0, 1, "load images param trace", kst_blueprint_run},
};

static const struct subcommand *find_subcommand(const char *name, struct kst_err **err)
{
    const char *names[KST_ARRAY_LEN(subcommands) + 1] = {NULL};
    for (size_t i = 0; i < KST_ARRAY_LEN(subcommands); i++) {
        names[i] = subcommands[i].name;
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    }
    const char *near = kst_near_name(name, names);
    kst_err_set(err, KST_E_USAGE, "blueprint: there is no subcommand '%s'", name);
    kst_err_hint(err, near ? "did you mean '%s'?" : "see kassette help blueprint", near);
    return NULL;
}

/* An option of another subcommand is a mistake rather than nothing. */
static int check_options(const struct subcommand *sub, const struct kst_option *table,
                         struct kst_err **err)
{
    for (; table->name; table++) {
        bool given = table->kind == KST_OPTION_FLAG   ? *(bool *)table->target
                     : table->kind == KST_OPTION_LIST ? ((struct kst_list *)table->target)->count
                                                      : *(const char **)table->target != NULL;
        kst_auto_free char *all = kst_asprintf(" %s ", sub->options);
        kst_auto_free char *wanted = kst_asprintf(" %s ", table->name);
        if (given && !strstr(all, wanted))
            return kst_err_set(err, KST_E_USAGE, "blueprint %s has no option --%s", sub->name,
                               table->name);
    }
    return 0;
}

static int dispatch(struct kst_cmd *cmd, const struct kst_option *table,
                    const struct kst_blueprint_options *options, struct kst_err **err)
{
    int rc = kst_cmd_want_args(cmd, 1, -1, err);
    if (rc < 0)
        return rc;
    const struct subcommand *sub = find_subcommand(cmd->args[0], err);
    if (!sub)
        return KST_E_USAGE;
    rc = kst_cmd_want_args(cmd, 1 + sub->min, sub->max < 0 ? -1 : 1 + sub->max, err);
    if (rc == 0)
        rc = check_options(sub, table, err);
    return rc < 0 ? rc : sub->run(cmd, options, cmd->args + 1, err);
}

int kst_cmd_blueprint(struct kst_cmd *cmd, struct kst_err **err)
{
    struct kst_blueprint_options options = {0};
    const struct kst_option table[] = {
        {0, "source", "URL", KST_OPTION_STRING, &options.source,
         "list, show: Git repository (default: the built-in blueprints)"},
        {0, "ref", "REF", KST_OPTION_STRING, &options.ref, "its branch, tag or commit"},
        {0, "path", "PATH", KST_OPTION_STRING, &options.path, "the folder in it"},
        {0, "credentials", "DIR", KST_OPTION_STRING, &options.credentials,
         "a folder with username, password, ssh-privatekey, known_hosts"},
        {0, "blueprints", "DIR", KST_OPTION_STRING, &options.directory,
         "list, show: a folder instead"},
        {0, "kind", "KIND", KST_OPTION_STRING, &options.kind,
         "new: of the workloads that it serves (default StatefulSet)"},
        {0, "image", "IMAGE", KST_OPTION_STRING, &options.image,
         "new: their image (default: the blueprint's name)"},
        {0, "strict", NULL, KST_OPTION_FLAG, &options.strict, "lint: warnings are errors"},
        {0, "filter", "TEXT", KST_OPTION_STRING, &options.filter,
         "test: only cases whose \"SUITE: CASE\" contains it"},
        {0, "jobs", "N", KST_OPTION_STRING, &options.jobs,
         "test: how many cases at once (default: as there are processors)"},
        {0, "junit", "FILE", KST_OPTION_STRING, &options.junit, "test: write JUnit XML too"},
        {0, "load", "FILE|DIR", KST_OPTION_LIST, &options.load,
         "run: manifests of the application (default: one that fits is made up)"},
        {0, "images", "FILE", KST_OPTION_STRING, &options.images,
         "run: which programs of this machine stand for which images"},
        {'p', "param", "NAME=VALUE", KST_OPTION_LIST, &options.params,
         "run: a parameter of the blueprint"},
        {0, "trace", NULL, KST_OPTION_FLAG, &options.trace,
         "run: tell every request, command and answer"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    cmd->only_errors = true; /* a test's failures are its matter */
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc == 0)
        rc = dispatch(cmd, table, &options, err);
    kst_list_release(&options.load);
    kst_list_release(&options.params);
    return rc < 0 ? rc : 0;
}
