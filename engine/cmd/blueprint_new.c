/* SPDX-License-Identifier: Apache-2.0 */
/* kassette blueprint new: a blueprint that works, to be made into another one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/blueprint.h"
#include "lua/blueprint.h"
#include "lua/embedded.h"

enum { FILE_BYTES = 64 * 1024 };

struct words {
    const char *name, *kind, *image; /* what stands for @NAME@, @KIND@, @IMAGE@ */
};

static const char *const files[] = {"blueprint.lua", "test.lua", "README.md"};

static int check_kind(const char *kind, struct kst_err **err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (*kind >= 'A' && *kind <= 'Z' && kind[strspn(kind, letters)] == '\0')
        return 0;
    return kst_err_set(err, KST_E_USAGE,
                       "option --kind: expected a kind such as StatefulSet, found '%s'", kind);
}

/* "ghcr.io/valkey/valkey:8" is every "valkey": the image's own name, from any registry. */
static int image_pattern(const char *image, char **out, struct kst_err **err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    const char *slash = strrchr(image, '/'), *own = slash ? slash + 1 : image;
    size_t len = strcspn(own, ":@");
    kst_auto_buf pattern = KST_BUF_INIT(FILE_BYTES);
    if (len == 0 || strspn(own, letters) < len)
        return kst_err_set(err, KST_E_USAGE,
                           "option --image: expected an image such as redis:7, found '%s'", image);
    kst_buf_adds(&pattern, "(^|/)");
    for (size_t i = 0; i < len; i++)
        kst_buf_addf(&pattern, own[i] == '.' ? "\\%c" : "%c", own[i]);
    kst_buf_adds(&pattern, "(:|@|$)");
    *out = kst_buf_take(&pattern);
    return 0;
}

static void fill(const char *skeleton, const struct words *words, struct kst_buf *out)
{
    const struct {
        const char *mark, *text;
    } marks[] = {{"@NAME@", words->name}, {"@KIND@", words->kind}, {"@IMAGE@", words->image}};
    while (*skeleton) {
        bool found = false;
        for (size_t i = 0; i < KST_ARRAY_LEN(marks) && !found; i++) {
            size_t len = strlen(marks[i].mark);
            found = strncmp(skeleton, marks[i].mark, len) == 0;
            if (found) {
                kst_buf_adds(out, marks[i].text);
                skeleton += len;
            }
        }
        if (!found)
            kst_buf_addc(out, *skeleton++);
    }
}

/* A file that is there is never written over. */
static int write_file(const char *path, const struct kst_buf *text, struct kst_err **err)
{
    FILE *file = fopen(path, "wxe");
    if (!file && errno == EEXIST) {
        kst_err_set(err, KST_E_REFUSED, "%s exists already", path);
        kst_err_hint(err, "choose another name, or remove it first");
        return KST_E_REFUSED;
    }
    bool written = file && fwrite(text->data, 1, text->len, file) == text->len;
    if (file && fclose(file) != 0)
        written = false;
    return written ? 0 : kst_err_set(err, KST_E_IO, "%s: %s", path, strerror(errno));
}

/* Without the line that says whose the skeleton is: what is made of it is the author's. */
static const char *skeleton_of(const char *name)
{
    kst_auto_free char *path = kst_asprintf("lua/skeleton/%s", name);
    const char *text = "";
    for (const struct kst_embedded_file *file = kst_embedded; file->path; file++) {
        if (strcmp(file->path, path) == 0)
            text = (const char *)file->data;
    }
    return strncmp(text, "-- SPDX", 7) == 0 ? strchr(text, '\n') + 1 : text;
}

/* All or nothing: what is in the way is found before anything is made. */
static int check_free(const char *folder, struct kst_err **err)
{
    struct stat stat_;
    for (size_t i = 0; i < KST_ARRAY_LEN(files); i++) {
        kst_auto_free char *path = kst_asprintf("%s/%s", folder, files[i]);
        if (lstat(path, &stat_) == 0) {
            kst_err_set(err, KST_E_REFUSED, "%s exists already", path);
            kst_err_hint(err, "choose another name, or remove it first");
            return KST_E_REFUSED;
        }
    }
    return 0;
}

static int make_folder(const char *folder, struct kst_err **err)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST)
        return 0;
    return kst_err_set(err, KST_E_IO, "folder %s: %s", folder, strerror(errno));
}

static int write_all(const char *folder, const struct words *words, struct kst_err **err)
{
    int rc = check_free(folder, err);
    if (rc == 0)
        rc = make_folder(folder, err);
    for (size_t i = 0; rc == 0 && i < KST_ARRAY_LEN(files); i++) {
        kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
        kst_auto_free char *path = kst_asprintf("%s/%s", folder, files[i]);
        fill(skeleton_of(files[i]), words, &text);
        rc = write_file(path, &text, err);
    }
    return rc;
}

/* Where `make install` puts the types for editors: share/kassette/types beside the program's bin;
 * NULL where they are not there. The caller frees it. */
static char *installed_types(void)
{
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len <= 0)
        return NULL;
    program[len] = '\0';
    for (int i = 0; i < 2 && strrchr(program, '/'); i++)
        *strrchr(program, '/') = '\0';
    kst_auto_free char *types = kst_asprintf("%s/share/kassette/types", program);
    kst_auto_free char *file = kst_asprintf("%s/kassette.lua", types);
    return access(file, R_OK) == 0 ? kst_take(types) : NULL;
}

/* For LuaLS, in the folder above, which is the repository's as a rule; one that is there stays. */
static int write_luarc(const char *dir, char **written, struct kst_err **err)
{
    struct stat stat_;
    kst_auto_free char *path = kst_asprintf("%s/.luarc.json", dir);
    kst_auto_free char *types = installed_types();
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    if (!types || lstat(path, &stat_) == 0)
        return 0;
    kst_auto_json struct kst_json *json = kst_json_make(
        "{'runtime.version':'Lua 5.4','workspace.library':[%s],"
        "'runtime.builtin':{'io':'disable','os':'disable','debug':'disable'}}",
        types);
    kst_json_print(json, KST_JSON_PRETTY, &text);
    kst_buf_addc(&text, '\n');
    int rc = write_file(path, &text, err);
    if (rc == 0)
        *written = kst_take(path);
    return rc;
}

static void tell(const char *folder, const char *shown_dir, const char *luarc)
{
    printf("%s/blueprint.lua   what is done before, and after, the volumes are cut\n"
           "%s/test.lua        tries it without a cluster\n"
           "%s/README.md       for those who use it\n",
           folder, folder, folder);
    if (luarc)
        printf("%s   tells editors (LuaLS) what there is\n", luarc);
    printf("\nNext, after each change:\n\n"
           "  kassette blueprint lint %s\n"
           "  kassette blueprint test %s\n"
           "  kassette blueprint run %s --trace\n"
           "\nand on a real application, without changing anything:\n\n"
           "  kassette backup NAMESPACE --blueprints %s --dry-run\n",
           folder, folder, folder, shown_dir);
}

int kst_blueprint_new(struct kst_cmd *cmd, const struct kst_blueprint_options *options, char **args,
                      struct kst_err **err)
{
    const char *name = args[0], *dir = args[1] ? args[1] : ".";
    kst_auto_free char *image = NULL, *luarc = NULL;
    if (!kst_blueprint_is_name(name)) {
        kst_err_set(err, KST_E_USAGE,
                    "expected a name of a-z, 0-9 and '-', of at most 63 letters, found '%s'", name);
        return KST_E_USAGE;
    }
    struct words words = {.name = name, .kind = options->kind ? options->kind : "StatefulSet"};
    kst_auto_free char *folder = strcmp(dir, ".") == 0 ? kst_strdup(name)
                                                       : kst_asprintf("%s/%s", dir, name);
    int rc = check_kind(words.kind, err);
    if (rc == 0)
        rc = image_pattern(options->image ? options->image : name, &image, err);
    words.image = image;
    if (rc == 0)
        rc = write_all(folder, &words, err);
    if (rc == 0)
        rc = write_luarc(dir, &luarc, err);
    if (rc == 0)
        tell(folder, dir, luarc && strncmp(luarc, "./", 2) == 0 ? luarc + 2 : luarc);
    return rc;
}
