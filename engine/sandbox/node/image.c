/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/node/image.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/regex.h"
#include "lua/embedded.h"
#include "sandbox/node/image_internal.h"

#define BUILTIN      "builtin:"
#define FOLDER       "engine/sandbox/images/"
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { FILE_CAP = 1u << 20, PATH_CAP = 64 * 1024 };

/* An image that was asked for and found. The image comes first: it is what the caller has. */
struct found {
    struct kst_image image;
    struct found *next;
    char *asked, *path_variable;
    const char **lists[4];
    struct kst_image_file *files;
};

/* What changes as images are found. */
struct cache {
    struct found *first;
    char *base;   /* where the folder is to be; NULL: $TMPDIR */
    char *folder; /* of built-in files that were written out */
};

struct kst_images {
    struct kst_image_source *sources; /* those that came last are first */
    struct cache *cache;
};

static const struct kst_embedded_file *find_embedded(const char *name)
{
    for (size_t i = 0; i < kst_embedded_count; i++) {
        const char *path = kst_embedded[i].path;
        if (strncmp(path, FOLDER, strlen(FOLDER)) == 0 && strcmp(path + strlen(FOLDER), name) == 0)
            return &kst_embedded[i];
    }
    return NULL;
}

static void add_source(struct kst_images *self, struct kst_image_source *source)
{
    source->next = self->sources;
    self->sources = source;
}

int kst_images_new(struct kst_images **out, struct kst_err **err)
{
    const struct kst_embedded_file *file = find_embedded("images.json");
    struct kst_image_source *source;
    if (!file)
        return kst_err_set(err, KST_E_FAILED, "this program was built without its images");
    int rc = kst_image_source_new("built-in images", (const char *)file->data, file->size, NULL,
                                  &source, err);
    if (rc < 0)
        return rc;
    struct kst_images *self = kst_calloc(1, sizeof(*self));
    self->cache = kst_calloc(1, sizeof(*self->cache));
    add_source(self, source);
    *out = self;
    return 0;
}

/* The folder that a file is in, as a real path. */
static int folder_of(const char *path, char **out, struct kst_err **err)
{
    char *real = realpath(path, NULL);
    if (!real)
        return kst_err_set(err, KST_E_IO, "%s: %s", path, strerror(errno));
    *strrchr(real, '/') = '\0';
    *out = real;
    return 0;
}

void kst_images_set_base(struct kst_images *self, const char *dir)
{
    free(self->cache->base);
    self->cache->base = kst_strdup(dir);
}

int kst_images_load(struct kst_images *self, const char *path, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_CAP);
    kst_auto_free char *folder = NULL;
    struct kst_image_source *source;
    int rc = kst_buf_read_file(&text, path, err);
    if (rc == 0)
        rc = folder_of(path, &folder, err);
    if (rc == 0)
        rc = kst_image_source_new(path, text.data, text.len, folder, &source, err);
    if (rc < 0)
        return rc;
    add_source(self, source);
    for (struct found *found = self->cache->first; found; found = found->next)
        *found->asked = '\0'; /* the new ones may win; what was given out stays good */
    return 0;
}

static bool executable(const char *folder, size_t len, const char *name)
{
    struct stat status;
    kst_auto_free char *path = kst_asprintf("%.*s/%s", (int)len, folder, name);
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0;
}

static bool is_in_path(const char *path, const char *name)
{
    struct kst_str rest = kst_str_of(path), folder;
    while (kst_str_split(&rest, ':', &folder)) {
        if (folder.len > 0 && executable(folder.data, folder.len, name))
            return true;
    }
    return false;
}

static int check_programs(const struct kst_json *spec, const char *image, const char *path,
                          struct kst_err **err)
{
    const struct kst_json *program;
    for (program = kst_json_first(kst_json_get(spec, "requires")); program;
         program = kst_json_next(program)) {
        const char *name = kst_json_str(program), *package = kst_json_path_str(spec, "package");
        if (is_in_path(path, name))
            continue;
        int rc = kst_err_set(err, KST_E_NOT_FOUND,
                             "image \"%s\" stands for programs of this machine, and \"%s\" is not "
                             "installed%s%s",
                             image, name, package ? ": install " : "", package ? package : "");
        if (package)
            kst_err_hint(err, "On Debian: apt-get install %s", package);
        return rc;
    }
    return 0;
}

/* Whether the tag of an image is this version, or starts with it: 15, 15.3 and 15-alpine are 15. */
static bool tag_is(const char *image, const char *version, size_t len)
{
    const char *slash = strrchr(image, '/'), *tag = strchr(slash ? slash : image, ':');
    return tag && len > 0 && strncmp(tag + 1, version, len) == 0 &&
           !strchr("0123456789", tag[1 + len] ? tag[1 + len] : 'x');
}

/* Adds the folder of a pattern with a "*", of several the one that fits the tag, or the latest. */
static void add_path(struct kst_buf *out, const char *pattern, const char *image)
{
    glob_t matches = {0};
    if (glob(pattern, 0, NULL, &matches) == 0) {
        const size_t before = strcspn(pattern, "*?[");
        const char *best = NULL;
        for (size_t i = 0; i < matches.gl_pathc; i++) {
            const char *path = matches.gl_pathv[i];
            if (tag_is(image, path + before, strcspn(path + before, "/"))) {
                best = path;
                break;
            }
            if (!best || strverscmp(path, best) > 0)
                best = path;
        }
        if (best)
            kst_buf_addf(out, "%s:", best);
    }
    globfree(&matches);
}

static char *make_path(const struct kst_json *spec, const char *image)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_CAP);
    const struct kst_json *entry;
    const char *rest = PATH_DEFAULT;
    kst_buf_adds(&path, "PATH=");
    for (entry = kst_json_first(kst_json_get(spec, "path")); entry; entry = kst_json_next(entry))
        add_path(&path, kst_json_str(entry), image);
    for (entry = kst_json_first(kst_json_get(spec, "env")); entry; entry = kst_json_next(entry)) {
        if (strncmp(kst_json_str(entry), "PATH=", 5) == 0)
            rest = kst_json_str(entry) + 5;
    }
    kst_buf_adds(&path, rest);
    return kst_buf_take(&path);
}

/* The strings of a list, ended by NULL; `first` before them, instead of one of the same name. */
static const char **make_list(const struct kst_json *list, const char *first)
{
    const char **out = kst_calloc(kst_json_len(list) + 2, sizeof(*out));
    size_t count = 0;
    if (first)
        out[count++] = first;
    const struct kst_json *entry;
    for (entry = kst_json_first(list); entry; entry = kst_json_next(entry)) {
        const char *text = kst_json_str(entry);
        if (!first || strncmp(text, first, strcspn(first, "=") + 1) != 0)
            out[count++] = text;
    }
    return out;
}

static int make_folder(struct cache *self, struct kst_err **err)
{
    const char *base = self->base ? self->base : getenv("TMPDIR");
    char *folder = kst_asprintf("%s/kassette-images.XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        int rc = kst_err_set(err, KST_E_IO, "make the folder %s: %s", folder, strerror(errno));
        free(folder);
        return rc;
    }
    self->folder = folder;
    return 0;
}

static int write_out(struct cache *self, const char *name, char **out, struct kst_err **err)
{
    const struct kst_embedded_file *file = find_embedded(name);
    if (!file)
        return kst_err_set(err, KST_E_NOT_FOUND, "there is no built-in file \"%s\"", name);
    int rc = self->folder ? 0 : make_folder(self, err);
    if (rc < 0)
        return rc;
    kst_auto_free char *path = kst_asprintf("%s/%s", self->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    bool done = fd >= 0 && write(fd, file->data, file->size) == (ssize_t)file->size &&
                fchmod(fd, 0755) == 0;
    if (!done)
        rc = kst_err_set(err, KST_E_IO, "write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        *out = kst_take(path);
    return rc;
}

static int find_file(struct cache *self, const struct kst_image_entry *entry, const char *source,
                     char **out, struct kst_err **err)
{
    char program[PATH_MAX];
    if (!entry->folder && strcmp(source, BUILTIN "program") == 0) {
        ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
        if (len < 0)
            return kst_err_set(err, KST_E_IO, "find this program: %s", strerror(errno));
        *out = kst_strndup(program, (size_t)len);
        return 0;
    }
    if (!entry->folder && strncmp(source, BUILTIN, strlen(BUILTIN)) == 0)
        return write_out(self, source + strlen(BUILTIN), out, err);
    char *path = *source == '/' ? kst_strdup(source)
                                : kst_asprintf("%s/%s", entry->folder ? entry->folder : "", source);
    if (access(path, F_OK) < 0) {
        int rc = kst_err_set(err, KST_E_NOT_FOUND, "%s: %s", path, strerror(errno));
        free(path);
        return rc;
    }
    *out = path;
    return 0;
}

static int add_files(struct cache *cache, const struct kst_image_entry *entry, struct found *found,
                     struct kst_err **err)
{
    const struct kst_json *files = kst_json_get(entry->spec, "files"), *file;
    found->files = kst_calloc(kst_json_len(files) + 1, sizeof(*found->files));
    found->image.files = found->files;
    for (file = kst_json_first(files); file; file = kst_json_next(file)) {
        char *source;
        int rc = find_file(cache, entry, kst_json_str(file), &source, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "the file %s of image \"%s\"", kst_json_key(file),
                                found->asked);
        found->files[found->image.nfiles++] = (struct kst_image_file){kst_json_key(file), source};
    }
    return 0;
}

static void free_found(struct found *self)
{
    for (size_t i = 0; i < self->image.nfiles; i++)
        free((char *)self->files[i].source);
    for (size_t i = 0; i < KST_ARRAY_LEN(self->lists); i++)
        free(self->lists[i]);
    free(self->files);
    free(self->path_variable);
    free(self->asked);
    free(self);
}

static int make_image(struct cache *cache, const struct kst_image_entry *entry, const char *image,
                      const struct kst_image **out, struct kst_err **err)
{
    const struct kst_json *spec = entry->spec;
    struct found *found = kst_calloc(1, sizeof(*found));
    found->asked = kst_strdup(image);
    found->path_variable = make_path(spec, image);
    const char *name = kst_json_path_str(spec, "name");
    found->image.name = name ? name : kst_json_path_str(spec, "match");
    found->lists[0] = make_list(kst_json_get(spec, "entrypoint"), NULL);
    found->lists[1] = make_list(kst_json_get(spec, "cmd"), NULL);
    found->lists[2] = make_list(kst_json_get(spec, "env"), found->path_variable);
    found->lists[3] = make_list(kst_json_get(spec, "volumes"), NULL);
    found->image.entrypoint = found->lists[0];
    found->image.cmd = found->lists[1];
    found->image.env = found->lists[2];
    found->image.volumes = found->lists[3];
    found->image.working_dir = kst_json_path_str(spec, "working_dir");
    found->image.stop_signal = kst_json_path_str(spec, "stop_signal");
    found->image.user = kst_json_path_int(spec, "user", -1);
    found->image.host_network = kst_json_path_true(spec, "host_network");
    int rc = check_programs(spec, image, found->path_variable + strlen("PATH="), err);
    if (rc == 0)
        rc = add_files(cache, entry, found, err);
    if (rc < 0) {
        free_found(found);
        return rc;
    }
    found->next = cache->first;
    cache->first = found;
    *out = &found->image;
    return 0;
}

/* The names of all that is known, for a message. */
static void add_names(const struct kst_images *self, struct kst_buf *out)
{
    const struct kst_image_source *source;
    for (source = self->sources; source; source = source->next) {
        for (size_t i = 0; i < source->count; i++) {
            const char *name = kst_json_path_str(source->entries[i].spec, "name");
            if (!name)
                name = kst_json_path_str(source->entries[i].spec, "match");
            kst_buf_addf(out, "%s%s", out->len > 0 ? ", " : "", name);
        }
    }
}

static int unknown(const struct kst_images *self, const char *image, struct kst_err **err)
{
    kst_auto_buf names = KST_BUF_INIT(PATH_CAP);
    add_names(self, &names);
    int rc = kst_err_set(err, KST_E_NOT_FOUND,
                         "no program of this machine stands for image \"%s\"; those known are: %s",
                         image, names.data);
    kst_err_hint(err, "Describe it in a file for --images: {\"images\":[{\"match\":\"(^|/)NAME(:|@|"
                      "$)\",\"entrypoint\":[\"PROGRAM\"]}]}");
    return rc;
}

int kst_images_find(const struct kst_images *self, const char *image, const struct kst_image **out,
                    struct kst_err **err)
{
    for (const struct found *found = self->cache->first; found; found = found->next) {
        if (strcmp(found->asked, image) == 0 && *image) {
            *out = &found->image;
            return 0;
        }
    }
    const struct kst_image_source *source;
    for (source = self->sources; source; source = source->next) {
        for (size_t i = source->count; i-- > 0;) {
            bool matched = false;
            int rc = kst_regex_test(source->entries[i].match, image, &matched, err);
            if (rc < 0)
                return kst_err_wrap(err, rc, "match the image \"%s\"", image);
            if (matched)
                return make_image(self->cache, &source->entries[i], image, out, err);
        }
    }
    return unknown(self, image, err);
}

/* The private folder holds nothing but the built-in files. */
static void remove_folder(const char *folder)
{
    for (size_t i = 0; i < kst_embedded_count; i++) {
        const char *path = kst_embedded[i].path;
        if (strncmp(path, FOLDER, strlen(FOLDER)) != 0)
            continue;
        kst_auto_free char *file = kst_asprintf("%s/%s", folder, path + strlen(FOLDER));
        unlink(file);
    }
    rmdir(folder);
}

void kst_images_free(struct kst_images *self)
{
    if (!self)
        return;
    while (self->sources) {
        struct kst_image_source *source = self->sources;
        self->sources = source->next;
        kst_image_source_free(source);
    }
    while (self->cache->first) {
        struct found *found = self->cache->first;
        self->cache->first = found->next;
        free_found(found);
    }
    if (self->cache->folder)
        remove_folder(self->cache->folder);
    free(self->cache->folder);
    free(self->cache->base);
    free(self->cache);
    free(self);
}
