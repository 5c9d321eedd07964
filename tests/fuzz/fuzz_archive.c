/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An archive that anybody may have written. The first byte of an input says how the rest is taken,
 * the next two pairs of bytes (the lower first) are the lengths of the index and of the objects;
 * the blueprints are what is left:
 *   0  as it is
 *   m  checksums are made right, so that what they cover is looked at
 *   t  objects and blueprints are text, which is compressed; sizes and checksums are made right
 * Whatever it is, it is refused in order, or each object can be read again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/point/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/zstd.h"

enum { MEMBER_BYTES = 1 << 20, PLACES = 512, PREFIX_BYTES = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    struct kst_buf index, objects, blueprints;
};

static int get(void *arg, const char *member, unsigned part, struct kst_buf *out,
               struct kst_err **err)
{
    const struct input *input = arg;
    const struct kst_buf *text = strcmp(member, KST_ARCHIVE_INDEX) == 0     ? &input->index
                                 : strcmp(member, KST_ARCHIVE_OBJECTS) == 0 ? &input->objects
                                                                            : &input->blueprints;
    size_t begin = (size_t)part * KST_ARCHIVE_PART_BYTES;
    if (begin >= text->len)
        return kst_err_set(err, KST_E_NOT_FOUND, "no part %u", part);
    size_t left = text->len - begin;
    return kst_buf_add(out, text->data + begin,
                       left < KST_ARCHIVE_PART_BYTES ? left : KST_ARCHIVE_PART_BYTES);
}

/* ---- making it right ---- */

static void set_sum(struct kst_json *row, const char *data, size_t len)
{
    char sha256[KST_SHA256_DIGITS + 1];
    if (kst_json_type(row) != KST_JSON_OBJECT)
        return;
    kst_hash_sha256_hex(data, len, sha256);
    kst_json_set_str(row, "sha256", sha256);
}

static void seal(struct kst_json *index, struct kst_buf *out)
{
    kst_buf_clear(out);
    kst_json_remove(index, "sha256");
    if (kst_json_print(index, KST_JSON_COMPACT, out) < 0 || kst_json_len(index) == 0)
        return;
    char sha256[KST_SHA256_DIGITS + 1];
    kst_buf_truncate(out, out->len - 1);
    kst_hash_sha256_hex(out->data, out->len, sha256);
    kst_buf_addf(out, ",\"sha256\":\"%s\"}\n", sha256);
}

static void mend_sums(struct input *input, struct kst_json *index)
{
    struct kst_json *frames = kst_json_mut(index, "frames");
    bool list = kst_json_type(frames) == KST_JSON_ARRAY;
    for (struct kst_json *row = list ? kst_json_first_mut(frames) : NULL; row;
         row = kst_json_next_mut(row)) {
        int64_t offset = kst_json_path_int(row, "offset", -1);
        int64_t bytes = kst_json_path_int(row, "bytes", -1), len = (int64_t)input->objects.len;
        if (offset >= 0 && bytes >= 0 && offset <= len && bytes <= len - offset)
            set_sum(row, input->objects.data + offset, (size_t)bytes);
    }
    set_sum(kst_json_mut(index, "objects"), input->objects.data, input->objects.len);
    set_sum(kst_json_mut(index, "blueprints"), input->blueprints.data, input->blueprints.len);
}

/* Compresses a member, and tells its sizes. */
static void pack(struct kst_json *index, const char *key, struct kst_buf *text)
{
    struct kst_json *row = kst_json_mut(index, key);
    kst_auto_buf packed = KST_BUF_INIT(MEMBER_BYTES);
    if (kst_json_type(row) != KST_JSON_OBJECT ||
        kst_zstd_compress(&packed, text->data, text->len, NULL) < 0)
        return;
    kst_json_set_int(row, "bytes", (int64_t)text->len);
    kst_json_set_int(row, "compressedBytes", (int64_t)packed.len);
    kst_json_set_int(row, "parts", 1);
    if (strcmp(key, "objects") == 0)
        kst_json_set(index, "frames",
                     kst_json_make("[{'offset':0,'bytes':%L,'rawBytes':%L,'count':%L}]",
                                   (int64_t)packed.len, (int64_t)text->len,
                                   kst_json_path_int(row, "count", 0)));
    kst_buf_clear(text);
    kst_buf_add(text, packed.data, packed.len);
}

static void mend(struct input *input, bool text)
{
    kst_auto_json struct kst_json *index = NULL;
    if (kst_json_parse(input->index.data, input->index.len, &index, NULL) < 0 ||
        kst_json_type(index) != KST_JSON_OBJECT)
        return;
    if (text) {
        pack(index, "objects", &input->objects);
        pack(index, "blueprints", &input->blueprints);
    }
    mend_sums(input, index);
    seal(index, &input->index);
}

/* ---- reading ---- */

struct seen {
    struct kst_archive_reader *reader;
    size_t count;
};

static int read_again(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                      struct kst_err **err)
{
    struct seen *seen = arg;
    kst_auto_json struct kst_json *again = NULL;
    if (seen->count++ < PLACES &&
        (kst_archive_read(seen->reader, place, &again, NULL) < 0 || !kst_json_equal(object, again)))
        abort();
    return 0;
}

static void check(int rc, const struct kst_err *err)
{
    if ((rc < 0) != (err != NULL) || rc != kst_err_code(err) ||
        (rc < 0 && rc != KST_E_PARSE && rc != KST_E_INVALID && rc != KST_E_NOT_FOUND))
        abort();
}

static void read_all(struct input *input)
{
    const struct kst_archive_source source = {get, input};
    struct seen seen = {0};
    kst_auto_err struct kst_err *err = NULL, *worse = NULL;
    int rc = kst_archive_open(&source, &seen.reader, &err);
    check(rc, err);
    if (rc < 0)
        return;
    rc = kst_archive_each(seen.reader, read_again, &seen, &err);
    check(rc, err);
    int64_t count = kst_json_path_int(kst_archive_index(seen.reader), "objects.count", -1);
    if (rc == 0 && (int64_t)seen.count != count)
        abort();
    kst_auto_json struct kst_json *files = NULL;
    rc = kst_archive_blueprints(seen.reader, &files, &worse);
    check(rc, worse);
    kst_archive_close(seen.reader);
}

static size_t at_most(const uint8_t *bytes, size_t most)
{
    size_t len = (size_t)bytes[0] | (size_t)bytes[1] << 8;
    return len < most ? len : most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PREFIX_BYTES)
        return 0;
    const uint8_t *at = data + PREFIX_BYTES;
    size_t left = size - PREFIX_BYTES;
    size_t index_len = at_most(data + 1, left);
    size_t objects_len = at_most(data + 3, left - index_len);
    struct input input;
    kst_buf_init(&input.index, MEMBER_BYTES);
    kst_buf_init(&input.objects, MEMBER_BYTES);
    kst_buf_init(&input.blueprints, MEMBER_BYTES);
    kst_buf_add(&input.index, at, index_len);
    kst_buf_add(&input.objects, at + index_len, objects_len);
    kst_buf_add(&input.blueprints, at + index_len + objects_len, left - index_len - objects_len);
    if (*data != '0')
        mend(&input, *data == 't');
    read_all(&input);
    kst_buf_release(&input.index);
    kst_buf_release(&input.objects);
    kst_buf_release(&input.blueprints);
    return 0;
}
