/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: nothing that an archive says is believed before it was compared. */
#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "app/point/archive.h"
#include "app/point/archive_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/zstd.h"

#define NONE UINT32_MAX

/* Fibers may read side by side: what a wait lies between is done in buffers of one's own, which
 * take the place of these at once. */
struct kst_archive_reader {
    const struct kst_archive_source *source;
    struct kst_archive_index index;
    struct kst_buf part; /* of the objects, read last */
    uint32_t part_at;    /* or NONE */
    struct kst_buf
        frame;         /* the content of the one that was read last, for reading single objects */
    uint32_t frame_at; /* or NONE */
};

/* What to do about damage; returns `rc`. */
static int advise(int rc, struct kst_err **err)
{
    if (rc == KST_E_PARSE)
        kst_err_hint(err, "it was changed or cut off after it was written: use another copy of it, "
                          "or another restore point");
    return rc;
}

/* ---- parts ---- */

/* Asks for one part. *there is false after the last one. */
static int get_part(const struct kst_archive_source *source, const char *member, uint32_t part,
                    struct kst_buf *out, bool *there, struct kst_err **err)
{
    kst_auto_err struct kst_err *cause = NULL;
    int rc = source->get(source->arg, member, part, out, &cause);
    *there = rc != KST_E_NOT_FOUND;
    if (rc == KST_E_NOT_FOUND)
        return 0;
    if (rc == KST_E_LIMIT || (rc == 0 && out->overflown))
        return kst_err_set(err, KST_E_PARSE, "%s, part %u: is larger than a part can be (%d bytes)",
                           member, part, KST_ARCHIVE_PART_BYTES);
    if (rc < 0) {
        rc = kst_err_move(err, &cause);
        return kst_err_wrap(err, rc, "%s, part %u", member, part);
    }
    return 0;
}

static int64_t part_len(const struct kst_archive_member *member, uint32_t part)
{
    int64_t left = member->packed_bytes - (int64_t)part * KST_ARCHIVE_PART_BYTES;
    return left < KST_ARCHIVE_PART_BYTES ? left : KST_ARCHIVE_PART_BYTES;
}

/* A part that the index promises. */
static int need_part(const struct kst_archive_reader *self, const struct kst_archive_member *member,
                     uint32_t part, struct kst_buf *out, struct kst_err **err)
{
    bool there = false;
    int rc = get_part(self->source, member->name, part, out, &there, err);
    if (rc < 0)
        return rc;
    if (!there)
        return kst_err_set(err, KST_E_PARSE, "%s: part %u of %" PRId64 " is missing", member->name,
                           part, member->parts);
    if (out->len != (size_t)part_len(member, part))
        return kst_err_set(err, KST_E_PARSE,
                           "%s, part %u: %" PRId64 " bytes were expected, found %zu", member->name,
                           part, part_len(member, part), out->len);
    return 0;
}

static int no_more_parts(const struct kst_archive_reader *self,
                         const struct kst_archive_member *member, struct kst_err **err)
{
    kst_auto_buf part = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
    bool there = false;
    int rc = get_part(self->source, member->name, (uint32_t)member->parts, &part, &there, err);
    if (rc == 0 && there)
        return kst_err_set(err, KST_E_PARSE, "%s: has more than the %" PRId64 " parts of the index",
                           member->name, member->parts);
    return rc;
}

/* ---- the index ---- */

static int read_index(const struct kst_archive_source *source, struct kst_buf *text,
                      struct kst_err **err)
{
    bool there = true;
    for (uint32_t part = 0; there; part++) {
        kst_auto_buf next = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
        int rc = get_part(source, KST_ARCHIVE_INDEX, part, &next, &there, err);
        if (rc < 0)
            return rc;
        if (!there && part == 0)
            return kst_err_set(err, KST_E_NOT_FOUND, "%s: is not there", KST_ARCHIVE_INDEX);
        if (there && next.len == 0)
            return kst_err_set(err, KST_E_PARSE, "%s, part %u: is empty", KST_ARCHIVE_INDEX, part);
        if (kst_buf_add(text, next.data, next.len) < 0)
            return kst_err_set(err, KST_E_PARSE, "%s: is larger than %d MiB", KST_ARCHIVE_INDEX,
                               KST_ARCHIVE_INDEX_MOST >> 20);
    }
    return 0;
}

int kst_archive_open(const struct kst_archive_source *source, struct kst_archive_reader **out,
                     struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(KST_ARCHIVE_INDEX_MOST);
    struct kst_archive_index index;
    int rc = read_index(source, &text, err);
    if (rc == 0)
        rc = kst_archive_index_parse(text.data, text.len, &index, err);
    if (rc < 0)
        return advise(rc, err);
    struct kst_archive_reader *self = kst_calloc(1, sizeof(*self));
    self->source = source;
    self->index = index;
    self->part_at = self->frame_at = NONE;
    kst_buf_init(&self->part, KST_ARCHIVE_PART_BYTES);
    kst_buf_init(&self->frame, KST_ARCHIVE_FRAME_MOST);
    *out = self;
    return 0;
}

void kst_archive_close(struct kst_archive_reader *self)
{
    if (!self)
        return;
    kst_archive_index_release(&self->index);
    kst_buf_release(&self->part);
    kst_buf_release(&self->frame);
    free(self);
}

const struct kst_json *kst_archive_index(const struct kst_archive_reader *self)
{
    return self->index.json;
}

const struct kst_kube_resource *kst_archive_kinds(const struct kst_archive_reader *self,
                                                  size_t *count)
{
    *count = self->index.kind_count;
    return self->index.kinds;
}

/* ---- frames ---- */

static void swap(struct kst_buf *a, struct kst_buf *b)
{
    struct kst_buf old = *a;
    *a = *b;
    *b = old;
}

/* Appends the compressed bytes of a frame, from as many parts as it lies in. */
static int gather(struct kst_archive_reader *self, const struct kst_archive_frame *frame,
                  struct kst_buf *packed, struct kst_err **err)
{
    int64_t at = frame->offset, end = frame->offset + frame->bytes;
    while (at < end) {
        uint32_t part = (uint32_t)(at / KST_ARCHIVE_PART_BYTES);
        if (part != self->part_at) {
            kst_auto_buf fresh = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
            int rc = need_part(self, &self->index.objects, part, &fresh, err);
            if (rc < 0)
                return rc;
            swap(&self->part, &fresh);
            self->part_at = part;
        }
        int64_t from = at % KST_ARCHIVE_PART_BYTES, len = (int64_t)self->part.len - from;
        if (len > end - at)
            len = end - at;
        kst_buf_add(packed, self->part.data + from, (size_t)len);
        at += len;
    }
    return 0;
}

/* Compares the checksum, then unpacks to exactly the size that the index names. */
static int unpack(struct kst_str packed, const char *sha256, int64_t bytes, struct kst_buf *out,
                  struct kst_err **err)
{
    char found[KST_SHA256_DIGITS + 1];
    kst_hash_sha256_hex(packed.data, packed.len, found);
    if (strcmp(found, sha256) != 0)
        return kst_err_set(err, KST_E_PARSE, "its checksum is %s, but the index says %s", found,
                           sha256);
    kst_auto_err struct kst_err *cause = NULL;
    int rc = kst_zstd_decompress(out, packed.data, packed.len, &cause);
    if (rc < 0 && rc != KST_E_LIMIT)
        return kst_err_move(err, &cause);
    if (rc < 0 || out->len != (size_t)bytes)
        return kst_err_set(err, KST_E_PARSE, "%s than the %" PRId64 " bytes of the index",
                           rc < 0 ? "unpacks to more" : "unpacks to less", bytes);
    return 0;
}

/* The frame's content and its compressed bytes, both into empty buffers of the caller. */
static int load(struct kst_archive_reader *self, uint32_t at, struct kst_buf *packed,
                struct kst_buf *content, struct kst_err **err)
{
    const struct kst_archive_frame *frame = &self->index.frames[at];
    kst_buf_init(packed, (size_t)frame->bytes);
    kst_buf_init(content, (size_t)frame->raw_bytes);
    int rc = gather(self, frame, packed, err);
    if (rc < 0)
        return advise(rc, err); /* it names the member and the part */
    rc = unpack(kst_str_buf(packed), frame->sha256, frame->raw_bytes, content, err);
    return advise(kst_err_wrap(err, rc, "%s, frame %u", KST_ARCHIVE_OBJECTS, at), err);
}

/* ---- objects ---- */

static int parse_line(const char *line, size_t len, struct kst_json **object, struct kst_err **err)
{
    struct kst_json *value = NULL;
    int rc = kst_archive_json(line, len, &value, err);
    if (rc < 0)
        return rc;
    static const char *const texts[] = {"apiVersion", "kind", "metadata.name"};
    for (size_t i = 0; rc == 0 && i < KST_ARRAY_LEN(texts); i++) {
        if (!kst_json_path_str(value, texts[i]))
            rc = kst_err_set(err, KST_E_PARSE, "an object with %s was expected", texts[i]);
    }
    if (rc < 0)
        kst_json_free(value);
    else
        *object = value;
    return rc;
}

/* Where a reading of all objects is. */
struct walk {
    struct kst_archive_reader *self;
    int (*each)(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                struct kst_err **err);
    void *arg;
    const struct kst_json *kind; /* the index's row that is being counted down */
    int64_t kind_left;
};

static void next_kind(struct walk *walk, const struct kst_json *row)
{
    walk->kind = row;
    walk->kind_left = kst_json_path_int(row, "count", 0);
}

/* The object's kind must be the one that the index has next. */
static int count_object(struct walk *walk, const struct kst_json *object, struct kst_err **err)
{
    if (walk->kind && walk->kind_left == 0)
        next_kind(walk, kst_json_next(walk->kind));
    const char *version = kst_json_path_str(walk->kind, "apiVersion");
    const char *kind = kst_json_path_str(walk->kind, "kind");
    if (!kind || strcmp(kind, kst_json_path_str(object, "kind")) != 0 ||
        strcmp(version, kst_json_path_str(object, "apiVersion")) != 0)
        return kst_err_set(err, KST_E_PARSE, "%s %s was found where the index has %s %s next",
                           kst_json_path_str(object, "apiVersion"),
                           kst_json_path_str(object, "kind"), kind ? version : "no kind",
                           kind ? kind : "any more");
    walk->kind_left--;
    return 0;
}

/* The first line of `rest`. *code is what `each` returned, which is passed through as it is. */
static int walk_line(struct walk *walk, struct kst_archive_place *place, struct kst_str rest,
                     int *code, struct kst_err **err)
{
    const char *end = memchr(rest.data, '\n', rest.len);
    if (!end)
        return kst_err_set(err, KST_E_PARSE, "the line has no end");
    size_t len = (size_t)(end - rest.data);
    if (len > KST_ARCHIVE_OBJECT_BYTES)
        return kst_err_set(err, KST_E_PARSE, "the line is longer than %d MiB",
                           KST_ARCHIVE_OBJECT_BYTES >> 20);
    kst_auto_json struct kst_json *object = NULL;
    int rc = parse_line(rest.data, len, &object, err);
    if (rc == 0)
        rc = count_object(walk, object, err);
    if (rc < 0)
        return rc;
    place->len = (uint32_t)len;
    *code = walk->each(walk->arg, place, object, err);
    return 0;
}

static int walk_frame(struct walk *walk, uint32_t at, struct kst_sha256 *sum, struct kst_err **err)
{
    kst_auto_buf packed = KST_BUF_INIT(0), content = KST_BUF_INIT(0);
    int rc = load(walk->self, at, &packed, &content, err);
    if (rc < 0)
        return rc;
    kst_sha256_add(sum, packed.data, packed.len);
    kst_buf_release(&packed); /* `each` may take its time */
    int64_t count = 0;
    for (size_t offset = 0; offset < content.len; count++) {
        struct kst_archive_place place = {.frame = at, .offset = (uint32_t)offset};
        int code = 0;
        rc = walk_line(walk, &place, (struct kst_str){content.data + offset, content.len - offset},
                       &code, err);
        if (rc < 0) {
            kst_err_wrap(err, rc, "%s, frame %u, line %" PRId64, KST_ARCHIVE_OBJECTS, at,
                         count + 1);
            return advise(rc, err);
        }
        if (code < 0)
            return code;
        offset += place.len + 1;
    }
    if (count != walk->self->index.frames[at].count)
        rc = kst_err_set(err, KST_E_PARSE,
                         "%s, frame %u: %" PRId64 " objects were expected, found %" PRId64,
                         KST_ARCHIVE_OBJECTS, at, walk->self->index.frames[at].count, count);
    return advise(rc, err);
}

int kst_archive_each(struct kst_archive_reader *self,
                     int (*each)(void *arg, const struct kst_archive_place *place,
                                 struct kst_json *object, struct kst_err **err),
                     void *arg, struct kst_err **err)
{
    struct walk walk = {.self = self, .each = each, .arg = arg};
    next_kind(&walk, kst_json_first(kst_json_get(self->index.json, "kinds")));
    struct kst_sha256 *sum = kst_sha256_new();
    int rc = 0;
    for (uint32_t at = 0; rc == 0 && at < self->index.frame_count; at++)
        rc = walk_frame(&walk, at, sum, err);
    char sha256[KST_SHA256_DIGITS + 1];
    kst_sha256_hex(sum, sha256);
    kst_sha256_free(sum);
    if (rc < 0)
        return rc;
    if (strcmp(sha256, self->index.objects.sha256) != 0)
        rc = kst_err_set(err, KST_E_PARSE, "%s: its checksum is %s, but the index says %s",
                         KST_ARCHIVE_OBJECTS, sha256, self->index.objects.sha256);
    else
        rc = no_more_parts(self, &self->index.objects, err);
    return advise(rc, err);
}

int kst_archive_read(struct kst_archive_reader *self, const struct kst_archive_place *place,
                     struct kst_json **object, struct kst_err **err)
{
    assert(place->frame < self->index.frame_count);
    if (self->frame_at != place->frame) {
        kst_auto_buf packed = KST_BUF_INIT(0), content = KST_BUF_INIT(0);
        int rc = load(self, place->frame, &packed, &content, err);
        if (rc < 0)
            return rc;
        swap(&self->frame, &content);
        self->frame_at = place->frame;
    }
    assert((size_t)place->offset + place->len <= self->frame.len);
    int rc = parse_line(self->frame.data + place->offset, place->len, object, err);
    kst_err_wrap(err, rc, "%s, frame %u, byte %u", KST_ARCHIVE_OBJECTS, place->frame,
                 place->offset);
    return advise(rc, err);
}

/* ---- blueprints ---- */

static int check_files(const struct kst_archive_member *member, const struct kst_json *files,
                       struct kst_err **err)
{
    if (kst_json_type(files) != KST_JSON_OBJECT || (int64_t)kst_json_len(files) != member->count)
        return kst_err_set(err, KST_E_PARSE, "%" PRId64 " files were expected, found %s of %zu",
                           member->count, kst_json_type_name(kst_json_type(files)),
                           kst_json_len(files));
    for (const struct kst_json *file = kst_json_first(files); file; file = kst_json_next(file)) {
        if (!kst_json_str(file))
            return kst_err_set(err, KST_E_PARSE, "%s: a text was expected, found %s",
                               kst_json_key(file), kst_json_type_name(kst_json_type(file)));
    }
    return 0;
}

static int read_blueprints(struct kst_archive_reader *self, struct kst_json **files,
                           struct kst_err **err)
{
    const struct kst_archive_member *member = &self->index.blueprints;
    if (member->parts == 0) {
        int none = no_more_parts(self, member, err);
        if (none == 0)
            *files = kst_json_object();
        return none;
    }
    kst_auto_buf packed = KST_BUF_INIT((size_t)member->packed_bytes);
    int rc = 0;
    for (uint32_t part = 0; rc == 0 && part < (uint32_t)member->parts; part++) {
        kst_auto_buf next = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
        rc = need_part(self, member, part, &next, err);
        kst_buf_add(&packed, next.data, next.len);
    }
    if (rc == 0)
        rc = no_more_parts(self, member, err);
    if (rc < 0)
        return rc;
    kst_auto_buf text = KST_BUF_INIT((size_t)member->bytes);
    kst_auto_json struct kst_json *value = NULL;
    rc = unpack(kst_str_buf(&packed), member->sha256, member->bytes, &text, err);
    if (rc == 0)
        rc = kst_archive_json(text.data, text.len, &value, err);
    if (rc == 0)
        rc = check_files(member, value, err);
    if (rc == 0)
        *files = kst_take(value);
    return kst_err_wrap(err, rc, "%s", KST_ARCHIVE_BLUEPRINTS);
}

int kst_archive_blueprints(struct kst_archive_reader *self, struct kst_json **files,
                           struct kst_err **err)
{
    return advise(read_blueprints(self, files, err), err);
}

/* ---- all of it ---- */

static int ignore(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                  struct kst_err **err)
{
    return 0;
}

int kst_archive_verify(const struct kst_archive_source *source, struct kst_json **index,
                       struct kst_err **err)
{
    struct kst_archive_reader *reader = NULL;
    kst_auto_json struct kst_json *files = NULL;
    int rc = kst_archive_open(source, &reader, err);
    if (rc == 0)
        rc = kst_archive_each(reader, ignore, NULL, err);
    if (rc == 0)
        rc = kst_archive_blueprints(reader, &files, err);
    if (rc == 0 && index)
        *index = kst_json_dup(kst_archive_index(reader));
    kst_archive_close(reader);
    return rc;
}
