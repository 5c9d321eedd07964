/* SPDX-License-Identifier: Apache-2.0 */
/* What writing and reading an archive share; for archive*.c only. */
#ifndef KST_APP_POINT_ARCHIVE_INTERNAL_H
#define KST_APP_POINT_ARCHIVE_INTERNAL_H

#include "app/point/archive.h"
#include "base/hash.h"

enum {
    /* A frame is closed by the object that fills it. */
    KST_ARCHIVE_FRAME_MOST = KST_ARCHIVE_FRAME_BYTES + KST_ARCHIVE_OBJECT_BYTES + 1,
    /* What does not compress grows a little. */
    KST_ARCHIVE_FRAME_PACKED_MOST = KST_ARCHIVE_FRAME_MOST + KST_ARCHIVE_FRAME_MOST / 128,
    KST_ARCHIVE_INDEX_MOST = 32 << 20,
    KST_ARCHIVE_BLUEPRINTS_MOST = 16 << 20,
};

/* The index ends with this, a checksum, and KST_ARCHIVE_SEAL_END. */
#define KST_ARCHIVE_SEAL     ",\"sha256\":\""
#define KST_ARCHIVE_SEAL_END "\"}\n"

/* What the index says of one compressed member. */
struct kst_archive_member {
    const char *name;
    int64_t count; /* of objects or files */
    int64_t bytes, packed_bytes, parts;
    char sha256[KST_SHA256_DIGITS + 1];
};
/* And of one frame of the objects. */
struct kst_archive_frame {
    int64_t offset, bytes, raw_bytes, count;
    char sha256[KST_SHA256_DIGITS + 1];
};

/* An index that has been read. */
struct kst_archive_index {
    struct kst_json *json;
    struct kst_archive_member objects,
        blueprints; /* the latter without parts where there is none */
    struct kst_archive_frame *frames;
    size_t frame_count;
    struct kst_kube_resource *kinds; /* a row of json.kinds each */
    size_t kind_count;
};

/* Parses JSON that should be ours: whatever is wrong with it is KST_E_PARSE, also depth. */
int kst_archive_json(const char *text, size_t len, struct kst_json **out, struct kst_err **err);
/* Reads the text of an index and checks that it agrees with itself: sums, offsets, sizes within our
 * limits. KST_E_PARSE, or KST_E_INVALID for a newer format. */
int kst_archive_index_parse(const char *text, size_t len, struct kst_archive_index *out,
                            struct kst_err **err);
void kst_archive_index_release(struct kst_archive_index *self);

#endif
