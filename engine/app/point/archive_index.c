/* SPDX-License-Identifier: Apache-2.0 */
/* The index of an archive: read, and compared with itself. */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "app/point/archive_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"

#define DAMAGED(err, ...) kst_err_set(err, KST_E_PARSE, KST_ARCHIVE_INDEX ": " __VA_ARGS__)

/* A member of half a terabyte is none of ours: sums of such numbers never overflow. */
static const int64_t most_bytes = (int64_t)1 << 39, most_objects = (int64_t)1 << 32;

int kst_archive_json(const char *text, size_t len, struct kst_json **out, struct kst_err **err)
{
    kst_auto_err struct kst_err *cause = NULL;
    if (kst_json_parse(text, len, out, &cause) == 0)
        return 0;
    return kst_err_set(err, KST_E_PARSE, "%s", kst_err_message(cause));
}

/* Compares the checksum at the end of the text. *sealed: whether there is one at all. */
static bool seal_holds(struct kst_str text, bool *sealed)
{
    size_t begin_len = strlen(KST_ARCHIVE_SEAL), end_len = strlen(KST_ARCHIVE_SEAL_END);
    size_t tail = begin_len + KST_SHA256_DIGITS + end_len;
    *sealed = text.len > tail &&
              memcmp(text.data + text.len - tail, KST_ARCHIVE_SEAL, begin_len) == 0 &&
              memcmp(text.data + text.len - end_len, KST_ARCHIVE_SEAL_END, end_len) == 0;
    if (!*sealed)
        return false;
    char sha256[KST_SHA256_DIGITS + 1];
    kst_hash_sha256_hex(text.data, text.len - tail, sha256);
    return memcmp(text.data + text.len - tail + begin_len, sha256, KST_SHA256_DIGITS) == 0;
}

static int check_text(struct kst_str text, const struct kst_json *json, struct kst_err **err)
{
    bool sealed = false;
    bool holds = seal_holds(text, &sealed);
    if (sealed && !holds)
        return DAMAGED(err, "its checksum is not that of its text");
    int64_t format = 0;
    if (!kst_json_int(kst_json_get(json, "format"), &format) || format < 1)
        return DAMAGED(err, "a format (a number) was expected, found %s",
                       kst_json_type_name(kst_json_type(kst_json_get(json, "format"))));
    if (format > KST_ARCHIVE_FORMAT) {
        kst_err_set(err, KST_E_INVALID,
                    KST_ARCHIVE_INDEX ": the archive has format %" PRId64
                                      "; this Kassette reads up to %d",
                    format, KST_ARCHIVE_FORMAT);
        kst_err_hint(err, "use the Kassette that made it, or a later one");
        return KST_E_INVALID;
    }
    return sealed ? 0 : DAMAGED(err, "it does not end with its checksum");
}

/* A whole number from `least` to `most`. */
static int number(const struct kst_json *row, const char *what, const char *key, int64_t least,
                  int64_t most, int64_t *out, struct kst_err **err)
{
    int64_t value = 0;
    if (!kst_json_int(kst_json_get(row, key), &value) || value < least || value > most)
        return DAMAGED(err, "%s.%s: a number from %" PRId64 " to %" PRId64 " was expected", what,
                       key, least, most);
    *out = value;
    return 0;
}

static int checksum(const struct kst_json *row, const char *what, char out[KST_SHA256_DIGITS + 1],
                    struct kst_err **err)
{
    const char *text = kst_json_str(kst_json_get(row, "sha256"));
    if (!text || strlen(text) != KST_SHA256_DIGITS ||
        strspn(text, "0123456789abcdef") != KST_SHA256_DIGITS)
        return DAMAGED(err, "%s.sha256: %d hexadecimal digits were expected", what,
                       KST_SHA256_DIGITS);
    memcpy(out, text, KST_SHA256_DIGITS + 1);
    return 0;
}

static int read_member(const struct kst_json *json, const char *key, const char *name, int64_t most,
                       struct kst_archive_member *out, struct kst_err **err)
{
    struct kst_archive_member member = {.name = name};
    const struct kst_json *row = kst_json_get(json, key);
    int rc = number(row, key, "count", 0, most_objects, &member.count, err);
    if (rc == 0)
        rc = number(row, key, "bytes", 0, most, &member.bytes, err);
    if (rc == 0)
        rc = number(row, key, "compressedBytes", 1, most, &member.packed_bytes, err);
    if (rc == 0)
        rc = number(row, key, "parts", 1, most, &member.parts, err);
    if (rc == 0)
        rc = checksum(row, key, member.sha256, err);
    if (rc < 0)
        return rc;
    int64_t parts = (member.packed_bytes + KST_ARCHIVE_PART_BYTES - 1) / KST_ARCHIVE_PART_BYTES;
    if (member.parts != parts)
        return DAMAGED(err, "%s.parts: %" PRId64 " bytes are %" PRId64 " parts, found %" PRId64,
                       key, member.packed_bytes, parts, member.parts);
    *out = member;
    return 0;
}

static int read_frame(const struct kst_json *row, size_t at, struct kst_archive_frame *out,
                      struct kst_err **err)
{
    kst_auto_free char *what = kst_asprintf("frames[%zu]", at);
    int rc = number(row, what, "offset", 0, most_bytes, &out->offset, err);
    if (rc == 0)
        rc = number(row, what, "bytes", 1, KST_ARCHIVE_FRAME_PACKED_MOST, &out->bytes, err);
    if (rc == 0)
        rc = number(row, what, "rawBytes", 0, KST_ARCHIVE_FRAME_MOST, &out->raw_bytes, err);
    if (rc == 0)
        rc = number(row, what, "count", 0, KST_ARCHIVE_FRAME_MOST, &out->count, err);
    return rc < 0 ? rc : checksum(row, what, out->sha256, err);
}

static int sum_is(const char *what, int64_t expected, int64_t found, struct kst_err **err)
{
    if (expected == found)
        return 0;
    return DAMAGED(err, "%s is %" PRId64 ", but its parts are %" PRId64 " together", what, expected,
                   found);
}

static int read_frames(struct kst_archive_index *self, struct kst_err **err)
{
    const struct kst_json *rows = kst_json_get(self->json, "frames");
    struct kst_archive_frame sum = {0};
    int rc = 0;
    self->frames = kst_calloc(kst_json_len(rows), sizeof(*self->frames));
    for (const struct kst_json *row = kst_json_first(rows); row && rc == 0;
         row = kst_json_next(row)) {
        struct kst_archive_frame *frame = &self->frames[self->frame_count];
        rc = read_frame(row, self->frame_count++, frame, err);
        if (rc == 0 && frame->offset != sum.bytes)
            rc = DAMAGED(err,
                         "frames[%zu].offset is %" PRId64 ", but the one before ends at %" PRId64,
                         self->frame_count - 1, frame->offset, sum.bytes);
        sum.bytes += frame->bytes;
        sum.raw_bytes += frame->raw_bytes;
        sum.count += frame->count;
    }
    if (rc == 0)
        rc = sum_is("objects.compressedBytes", self->objects.packed_bytes, sum.bytes, err);
    if (rc == 0)
        rc = sum_is("objects.bytes", self->objects.bytes, sum.raw_bytes, err);
    if (rc == 0)
        rc = sum_is("objects.count", self->objects.count, sum.count, err);
    return rc;
}

/* ---- kinds ---- */

static const char **short_names(const struct kst_json *list)
{
    const char **names = kst_calloc(kst_json_len(list) + 1, sizeof(*names));
    size_t count = 0;
    for (const struct kst_json *name = kst_json_first(list); name; name = kst_json_next(name)) {
        if (kst_json_str(name))
            names[count++] = kst_json_str(name);
    }
    return names;
}

/* Its texts are the row's, but for the group. */
static struct kst_kube_resource resource_of(const struct kst_json *row)
{
    const char *api_version = kst_json_path_str(row, "apiVersion");
    const char *slash = strchr(api_version, '/');
    const char *singular = kst_json_path_str(row, "singular");
    return (struct kst_kube_resource){
        .group = kst_strndup(api_version, slash ? (size_t)(slash - api_version) : 0),
        .version = slash ? slash + 1 : api_version,
        .api_version = api_version,
        .kind = kst_json_path_str(row, "kind"),
        .plural = kst_json_path_str(row, "plural"),
        .singular = singular ? singular : "",
        .namespaced = kst_json_path_true(row, "namespaced"),
        .short_names = short_names(kst_json_get(row, "shortNames")),
    };
}

static int read_kinds(struct kst_archive_index *self, struct kst_err **err)
{
    const struct kst_json *rows = kst_json_get(self->json, "kinds");
    int64_t sum = 0;
    self->kinds = kst_calloc(kst_json_len(rows), sizeof(*self->kinds));
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        kst_auto_free char *what = kst_asprintf("kinds[%zu]", self->kind_count);
        int64_t count = 0;
        int rc = number(row, what, "count", 1, most_objects, &count, err);
        if (rc < 0)
            return rc;
        if (!kst_json_path_str(row, "apiVersion") || !kst_json_path_str(row, "kind") ||
            !kst_json_path_str(row, "plural"))
            return DAMAGED(err, "%s: apiVersion, kind and plural were expected", what);
        self->kinds[self->kind_count++] = resource_of(row);
        sum += count;
    }
    return sum_is("objects.count", self->objects.count, sum, err);
}

static void free_kinds(struct kst_archive_index *self)
{
    for (size_t i = 0; i < self->kind_count; i++) {
        free((char *)self->kinds[i].group);
        free((void *)self->kinds[i].short_names);
    }
    free(self->kinds);
}

int kst_archive_index_parse(const char *text, size_t len, struct kst_archive_index *out,
                            struct kst_err **err)
{
    struct kst_archive_index self = {0};
    int rc = kst_archive_json(text, len, &self.json, err);
    if (rc < 0)
        kst_err_wrap(err, rc, KST_ARCHIVE_INDEX);
    else
        rc = check_text((struct kst_str){text, len}, self.json, err);
    if (rc == 0)
        rc = read_member(self.json, "objects", KST_ARCHIVE_OBJECTS, most_bytes, &self.objects, err);
    self.blueprints.name = KST_ARCHIVE_BLUEPRINTS;
    if (rc == 0 && kst_json_get(self.json, "blueprints"))
        rc = read_member(self.json, "blueprints", KST_ARCHIVE_BLUEPRINTS,
                         KST_ARCHIVE_BLUEPRINTS_MOST, &self.blueprints, err);
    if (rc == 0)
        rc = read_frames(&self, err);
    if (rc == 0)
        rc = read_kinds(&self, err);
    if (rc < 0)
        kst_archive_index_release(&self);
    else
        *out = self;
    return rc;
}

void kst_archive_index_release(struct kst_archive_index *self)
{
    free_kinds(self);
    free(self->frames);
    kst_json_free(self->json);
    *self = (struct kst_archive_index){0};
}
