/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The captured objects of a restore point as a file: docs/restore-points.md describes the format
 * for those who have to read it without us.
 *
 * An archive has three members:
 *   index.json            what is in it: format, application, cluster, counts by kind, checksums
 *   objects.jsonl.zst     one Kubernetes object a line, in the order in which they are restored;
 *                         Zstandard frames of some hundred KiB one after the other, so that a part
 *                         can be read alone, and `zstd -dc objects.jsonl.zst | jq` reads it all
 *   blueprints.json.zst   the blueprints' files, path -> text
 * Where the members are (Secrets, a directory, later a repository) is the sink's and the source's
 * business: they see parts of at most KST_ARCHIVE_PART_BYTES, to be joined in their order.
 *
 * Memory is bounded by a frame and a part, whatever the number of objects.
 */
#ifndef KST_APP_POINT_ARCHIVE_H
#define KST_APP_POINT_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

struct kst_archive_reader;
struct kst_archive_writer;
struct kst_buf;
struct kst_err;
struct kst_json;
struct kst_kube_resource;

#define KST_ARCHIVE_INDEX      "index.json"
#define KST_ARCHIVE_OBJECTS    "objects.jsonl.zst"
#define KST_ARCHIVE_BLUEPRINTS "blueprints.json.zst"

enum {
    KST_ARCHIVE_FORMAT = 1,
    KST_ARCHIVE_PART_BYTES = 900 * 1000,  /* a Secret holds 1 MiB */
    KST_ARCHIVE_FRAME_BYTES = 512 * 1024, /* of lines, before a frame is closed */
    KST_ARCHIVE_OBJECT_BYTES = 16 << 20,  /* of one line: etcd takes 1.5 MiB */
};

/* Stores part `part` (from 0, in order) of a member. May yield. */
struct kst_archive_sink {
    int (*put)(void *arg, const char *member, unsigned part, const void *data, size_t len,
               struct kst_err **err);
    void *arg;
};
/* Appends part `part` of a member; KST_E_NOT_FOUND for the part after the last. May yield. */
struct kst_archive_source {
    int (*get)(void *arg, const char *member, unsigned part, struct kst_buf *out,
               struct kst_err **err);
    void *arg;
};

/* `head` (copied) is the beginning of the index: {application: {namespace, selector}, cluster:
 * {version, uid}, capturedAt, engine}. The sink is borrowed. Never yields. */
struct kst_archive_writer *kst_archive_writer_new(const struct kst_archive_sink *sink,
                                                  const struct kst_json *head);
void kst_archive_writer_free(struct kst_archive_writer *self);
/* Adds the next object, as it is; `resource` is its own. Objects must come in the order of
 * restoring (capture/order.h), which is checked: that asserts. KST_E_INVALID where it has no
 * apiVersion, kind or name, KST_E_EXISTS for one that was added just before, KST_E_LIMIT beyond
 * KST_ARCHIVE_OBJECT_BYTES; the sink's errors. May yield. */
int kst_archive_add(struct kst_archive_writer *self, const struct kst_kube_resource *resource,
                    const struct kst_json *object, struct kst_err **err);
/* Counts an object that was left out, for the index (excluded: {reason: count}). */
void kst_archive_count_left_out(struct kst_archive_writer *self, const char *reason);
/* Writes what is left: the last frame, the blueprints (an object path -> text; may be NULL), and at
 * last the index, with `more` (may be NULL) merged into it. *index (may be NULL) is a copy of it
 * that the caller frees. May yield. */
int kst_archive_finish(struct kst_archive_writer *self, const struct kst_json *blueprints,
                       const struct kst_json *more, struct kst_json **index, struct kst_err **err);

/* Where an object is, for reading it again. Only of use with the archive that it came from. */
struct kst_archive_place {
    uint32_t frame;  /* in index.frames */
    uint32_t offset; /* of the line, in the frame's content */
    uint32_t len;    /* of the line without its end */
};

/* Opens by reading the index; the source is borrowed for the reader's life. KST_E_NOT_FOUND where
 * there is none, KST_E_PARSE where it is damaged, KST_E_INVALID where its format is newer than
 * ours. Whatever is damaged later on, in whatever way, is KST_E_PARSE too, and names the member and
 * the frame; the source's own errors pass through. Several fibers may read side by side. Yields as
 * the source does. */
int kst_archive_open(const struct kst_archive_source *source, struct kst_archive_reader **out,
                     struct kst_err **err);
void kst_archive_close(struct kst_archive_reader *self);
/* Borrowed: {format, engine, application, cluster, capturedAt, objects: {count, bytes,
 * compressedBytes, parts, sha256}, blueprints (where there are any): the same, kinds: [{apiVersion,
 * kind, plural, singular, shortNames, namespaced, count}], excluded: {reason: count}, missing: […],
 * frames: [{offset, bytes, rawBytes, count, sha256}], sha256}. Checksums are of the compressed
 * bytes; the index's own, at its end, is of all its text before it. */
const struct kst_json *kst_archive_index(const struct kst_archive_reader *self);
/* Its kinds as resources, in the order of their objects; borrowed. What discovery alone knows
 * (verbs, has_status, preferred) is not set. */
const struct kst_kube_resource *kst_archive_kinds(const struct kst_archive_reader *self,
                                                  size_t *count);
/* Calls `each` for every object in order; the object is borrowed for the call and may be changed by
 * it; `each` may yield; what it returns (negative) ends the reading. Each frame's checksum is
 * compared before its objects are handed out; that there is neither more nor less than the index
 * says, at the end. */
int kst_archive_each(struct kst_archive_reader *self,
                     int (*each)(void *arg, const struct kst_archive_place *place,
                                 struct kst_json *object, struct kst_err **err),
                     void *arg, struct kst_err **err);
/* Reads all of it, to see whether it is whole. *index (may be NULL) is a copy of its index that the
 * caller frees. */
int kst_archive_verify(const struct kst_archive_source *source, struct kst_json **index,
                       struct kst_err **err);
/* One object again; the caller frees it. Cheap where it is in the frame that was read last. */
int kst_archive_read(struct kst_archive_reader *self, const struct kst_archive_place *place,
                     struct kst_json **object, struct kst_err **err);
/* The blueprints' files, path -> text, empty where there are none; the caller frees it. */
int kst_archive_blueprints(struct kst_archive_reader *self, struct kst_json **files,
                           struct kst_err **err);

#endif
