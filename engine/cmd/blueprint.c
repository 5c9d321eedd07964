/* SPDX-License-Identifier: Apache-2.0 */
/* kassette blueprint: shows the blueprints of a source, and what they take. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "git/source.h"
#include "lua/blueprint.h"
#include "lua/embedded.h"
#include "lua/host.h"

enum { FILE_BYTES = 1024 * 1024 };

struct options {
    const char *source, *ref, *path, *directory, *credentials;
};

static int read_file(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    return kst_source_read(arg, path, text, err);
}

static int open_source(struct kst_cmd *cmd, const struct options *options, struct kst_source **out,
                       struct kst_err **err)
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

static int blueprint(struct kst_cmd *cmd, const struct options *options, struct kst_err **err)
{
    int rc = kst_cmd_want_args(cmd, 1, 2, err);
    if (rc < 0)
        return rc;
    bool one = strcmp(cmd->args[0], "show") == 0;
    if ((!one && strcmp(cmd->args[0], "list") != 0) || one != (cmd->args[1] != NULL)) {
        kst_err_set(err, KST_E_USAGE, "blueprint: expected list, or show NAME");
        return KST_E_USAGE;
    }
    struct kst_source *source = NULL;
    struct kst_lua *lua = NULL;
    kst_auto_json struct kst_json *paths = NULL;
    rc = open_source(cmd, options, &source, err);
    if (rc == 0)
        rc = kst_source_list(source, KST_SOURCE_BLUEPRINTS, &paths, err);
    if (rc == 0)
        rc = kst_lua_new(cmd->loop, NULL, &lua, err);
    if (rc == 0)
        rc = show(cmd, source, lua, paths, one ? cmd->args[1] : NULL, err);
    if (lua)
        kst_lua_free(lua);
    kst_source_free(source);
    return rc;
}

int kst_cmd_blueprint(struct kst_cmd *cmd, struct kst_err **err)
{
    struct options options = {0};
    const struct kst_option table[] = {
        {0, "source", "URL", KST_OPTION_STRING, &options.source,
         "Git repository (default: the built-in blueprints)"},
        {0, "ref", "REF", KST_OPTION_STRING, &options.ref, "its branch, tag or commit"},
        {0, "path", "PATH", KST_OPTION_STRING, &options.path, "the folder in it"},
        {0, "credentials", "DIR", KST_OPTION_STRING, &options.credentials,
         "a folder with username, password, ssh-privatekey, known_hosts"},
        {0, "blueprints", "DIR", KST_OPTION_STRING, &options.directory, "a folder instead"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc > 0)
        return 0;
    return rc < 0 ? rc : blueprint(cmd, &options, err);
}
