/* SPDX-License-Identifier: Apache-2.0 */
/* Archives: what goes in comes out, in parts and frames of bounded size, and no damage is missed.
 */
#include "app/point/archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/zstd.h"
#include "kube/resource.h"

enum { PARTS = 64, MEMBER_BYTES = 64 << 20, PART_CAP = 1 << 20 };

/* A place for archives: parts in memory. */
struct shelf {
    struct member {
        const char *name;
        unsigned count;
        struct kst_buf parts[PARTS];
    } members[3];
    int fails; /* the code of every put and get from now on, or 0 */
    struct kst_archive_sink sink;
    struct kst_archive_source source;
};

static struct member *member_of(struct shelf *self, const char *name)
{
    size_t at = 0;
    while (strcmp(self->members[at].name, name) != 0)
        at++;
    return &self->members[at];
}

static int shelf_put(void *arg, const char *name, unsigned part, const void *data, size_t len,
                     struct kst_err **err)
{
    struct shelf *self = arg;
    struct member *member = member_of(self, name);
    assert_int_equal(part, member->count);
    assert_true(len > 0 && len <= KST_ARCHIVE_PART_BYTES && part < PARTS);
    if (self->fails)
        return kst_err_set(err, self->fails, "the shelf is gone");
    kst_buf_init(&member->parts[part], PART_CAP);
    kst_buf_add(&member->parts[part], data, len);
    member->count++;
    return 0;
}

static int shelf_get(void *arg, const char *name, unsigned part, struct kst_buf *out,
                     struct kst_err **err)
{
    struct shelf *self = arg;
    struct member *member = member_of(self, name);
    if (self->fails)
        return kst_err_set(err, self->fails, "the shelf is gone");
    if (part >= member->count)
        return kst_err_set(err, KST_E_NOT_FOUND, "no part %u", part);
    kst_buf_add(out, member->parts[part].data, member->parts[part].len);
    return kst_buf_check(out, "the part", err);
}

static void shelf_clear(struct member *member)
{
    for (unsigned i = 0; i < member->count; i++)
        kst_buf_release(&member->parts[i]);
    member->count = 0;
}

static void shelf_free(struct shelf *self)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(self->members); i++)
        shelf_clear(&self->members[i]);
    free(self);
}

static struct shelf *shelf_new(void)
{
    static const char *const names[] = {KST_ARCHIVE_INDEX, KST_ARCHIVE_OBJECTS,
                                        KST_ARCHIVE_BLUEPRINTS};
    struct shelf *self = kst_calloc(1, sizeof(*self));
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++)
        self->members[i].name = names[i];
    self->sink = (struct kst_archive_sink){shelf_put, self};
    self->source = (struct kst_archive_source){shelf_get, self};
    return self;
}

/* All of a member's parts; and the other way round. */
static void join(struct shelf *self, const char *name, struct kst_buf *out)
{
    struct member *member = member_of(self, name);
    for (unsigned i = 0; i < member->count; i++)
        kst_buf_add(out, member->parts[i].data, member->parts[i].len);
    assert_false(out->overflown);
}

static void replace(struct shelf *self, const char *name, const char *data, size_t len)
{
    shelf_clear(member_of(self, name));
    unsigned part = 0;
    for (size_t at = 0; at < len; at += KST_ARCHIVE_PART_BYTES, part++) {
        size_t left = len - at;
        assert_int_equal(shelf_put(self, name, part, data + at,
                                   left < KST_ARCHIVE_PART_BYTES ? left : KST_ARCHIVE_PART_BYTES,
                                   NULL),
                         0);
    }
}

static struct shelf *shelf_copy(struct shelf *from)
{
    struct shelf *self = shelf_new();
    for (size_t i = 0; i < KST_ARRAY_LEN(self->members); i++) {
        kst_auto_buf all = KST_BUF_INIT(MEMBER_BYTES);
        join(from, from->members[i].name, &all);
        replace(self, from->members[i].name, all.data, all.len);
    }
    return self;
}

/* ---- archives to read ---- */

static struct kst_json *head(void)
{
    return kst_json_make("{'application':{'namespace':'shop'},'cluster':{'version':'v1.31.0'},"
                         "'capturedAt':'2026-01-02T03:04:05Z','engine':'1.0'}");
}

/* Text that compresses to three quarters of it, from `seed`. */
static char *noise(size_t len, uint32_t seed)
{
    char *text = kst_malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)('?' + (seed >> 26)); /* 64 of them */
    }
    text[len] = '\0';
    return text;
}

static struct kst_json *object_of(const char *kind, unsigned at, size_t len)
{
    kst_auto_free char *name = kst_asprintf("%s-%06u", kind, at), *text = noise(len, at);
    return kst_json_make("{'apiVersion':'v1','kind':%s,'metadata':{'namespace':'shop','name':%s,"
                         "'annotations':{}},'data':{'text':%s,'lines':'a\\nb'},'n':%d}",
                         kind, name, text, (int)at);
}

/* As discovery has them, with their short names. */
static const char *const short_names[] = {"cm", NULL};
static const struct kst_kube_resource config_maps = {
    .group = "",
    .version = "v1",
    .api_version = "v1",
    .kind = "ConfigMap",
    .plural = "configmaps",
    .singular = "configmap",
    .namespaced = true,
    .short_names = short_names,
};

/* ConfigMaps, then Secrets, of `len` bytes each, and one with values that are easily lost. */
static struct shelf *archive_of(unsigned maps, unsigned secrets, size_t len)
{
    static const char odd[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"namespace\":"
        "\"zoo\",\"name\":\"odd\"},\"big\":9007199254740993,\"float\":1.0,\"huge\":1e400,"
        "\"nul\":\"\\u0000\",\"empty\":{},\"none\":null}";
    struct shelf *shelf = shelf_new();
    kst_auto_json struct kst_json *first = head();
    struct kst_archive_writer *writer = kst_archive_writer_new(&shelf->sink, first);
    for (unsigned i = 0; i < maps + secrets; i++) {
        bool secret = i >= maps;
        kst_auto_json struct kst_json *object = object_of(secret ? "Secret" : "ConfigMap", i, len);
        assert_int_equal(
            kst_archive_add(writer, secret ? &kst_res_secrets : &config_maps, object, NULL), 0);
    }
    kst_auto_json struct kst_json *last = NULL, *index = NULL;
    assert_int_equal(kst_json_parse(odd, strlen(odd), &last, NULL), 0);
    assert_int_equal(kst_archive_add(writer, &kst_res_secrets, last, NULL), 0);
    kst_archive_count_left_out(writer, "made.by/a controller");
    kst_archive_count_left_out(writer, "made.by/a controller");
    kst_auto_json struct kst_json *files = kst_json_make("{'a/blueprint.lua':'return {}\\n'}");
    kst_auto_json struct kst_json *more = kst_json_make("{'missing':['metrics.k8s.io/v1beta1']}");
    assert_int_equal(kst_archive_finish(writer, files, more, &index, NULL), 0);
    kst_archive_writer_free(writer);
    assert_int_equal(kst_json_path_int(index, "objects.count", -1), maps + secrets + 1);
    return shelf;
}

struct seen {
    struct kst_archive_reader *reader;
    struct kst_archive_place *places;
    unsigned count;
    size_t len;
    struct kst_json *last;
};

static int check_object(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                        struct kst_err **err)
{
    struct seen *seen = arg;
    kst_json_free(seen->last);
    seen->last = kst_json_dup(object);
    seen->places[seen->count++] = *place;
    kst_json_remove(object, "metadata"); /* it may be changed */
    if (seen->count < 2)
        return 0;
    /* Another object, of any frame, may be read meanwhile. */
    kst_auto_json struct kst_json *other = NULL;
    unsigned at = seen->count / 2;
    assert_int_equal(kst_archive_read(seen->reader, &seen->places[at], &other, err), 0);
    assert_int_equal(kst_json_path_int(other, "n", -1), at);
    return 0;
}

static void test_what_goes_in_comes_out(void **state)
{
    enum { MAPS = 180, SECRETS = 110, BYTES = 9000 };
    struct shelf *shelf = archive_of(MAPS, SECRETS, BYTES);
    struct kst_archive_reader *reader = NULL;
    assert_int_equal(kst_archive_open(&shelf->source, &reader, NULL), 0);
    struct seen seen = {.reader = reader, .len = BYTES};
    seen.places = kst_calloc(MAPS + SECRETS + 1, sizeof(*seen.places));
    assert_int_equal(kst_archive_each(reader, check_object, &seen, NULL), 0);
    assert_int_equal(seen.count, MAPS + SECRETS + 1);
    kst_auto_free char *odd = kst_json_text(seen.last);
    assert_string_equal(
        odd, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"namespace\":"
             "\"zoo\",\"name\":\"odd\"},\"big\":9007199254740993,\"float\":1.0,\"huge\":1e400,"
             "\"nul\":\"\\u0000\",\"empty\":{},\"none\":null}");
    for (unsigned i = MAPS + SECRETS; i-- > 0;) {
        kst_auto_json struct kst_json *object = NULL;
        assert_int_equal(kst_archive_read(reader, &seen.places[i], &object, NULL), 0);
        kst_auto_json struct kst_json *wanted = object_of(i < MAPS ? "ConfigMap" : "Secret", i,
                                                          BYTES);
        assert_true(kst_json_equal(object, wanted));
    }
    kst_auto_json struct kst_json *files = NULL;
    assert_int_equal(kst_archive_blueprints(reader, &files, NULL), 0);
    kst_auto_json struct kst_json *wanted = kst_json_make("{'a/blueprint.lua':'return {}\\n'}");
    assert_true(kst_json_equal(files, wanted));
    kst_json_free(seen.last);
    free(seen.places);
    kst_archive_close(reader);
    shelf_free(shelf);
}

static void test_the_index_says_what_is_there(void **state)
{
    struct shelf *shelf = archive_of(180, 110, 9000);
    struct kst_archive_reader *reader = NULL;
    assert_int_equal(kst_archive_open(&shelf->source, &reader, NULL), 0);
    const struct kst_json *index = kst_archive_index(reader);
    kst_auto_buf member = KST_BUF_INIT(MEMBER_BYTES), lines = KST_BUF_INIT(MEMBER_BYTES);
    join(shelf, KST_ARCHIVE_OBJECTS, &member);
    char sha256[KST_SHA256_DIGITS + 1];
    kst_hash_sha256_hex(member.data, member.len, sha256);
    assert_string_equal(kst_json_path_str(index, "objects.sha256"), sha256);
    assert_int_equal(kst_json_path_int(index, "objects.compressedBytes", -1), member.len);
    assert_int_equal(kst_json_path_int(index, "objects.parts", -1), 3);
    assert_int_equal(member_of(shelf, KST_ARCHIVE_OBJECTS)->count, 3);
    assert_int_equal(kst_zstd_decompress(&lines, member.data, member.len, NULL), 0);
    assert_int_equal(kst_json_path_int(index, "objects.bytes", -1), lines.len);
    assert_true(kst_json_len(kst_json_get(index, "frames")) >= 4);
    for (const struct kst_json *frame = kst_json_first(kst_json_get(index, "frames")); frame;
         frame = kst_json_next(frame))
        assert_in_range(kst_json_path_int(frame, "rawBytes", -1), 1,
                        KST_ARCHIVE_FRAME_BYTES + 10000);
    kst_auto_json struct kst_json *kinds = kst_json_make(
        "[{'apiVersion':'v1','kind':'ConfigMap','plural':'configmaps','singular':'configmap',"
        "'shortNames':['cm'],'namespaced':true,'count':180},{'apiVersion':'v1','kind':'Secret',"
        "'plural':'secrets','singular':'secret','shortNames':[],'namespaced':true,'count':111}]");
    kst_auto_free char *text = kst_json_text(kst_json_get(index, "kinds"));
    kst_auto_free char *wanted = kst_json_text(kinds);
    assert_string_equal(text, wanted);
    size_t count = 0;
    const struct kst_kube_resource *resources = kst_archive_kinds(reader, &count);
    assert_int_equal(count, 2);
    assert_string_equal(resources[0].group, "");
    assert_string_equal(resources[0].version, "v1");
    assert_string_equal(resources[0].plural, "configmaps");
    assert_string_equal(resources[0].short_names[0], "cm");
    assert_null(resources[1].short_names[0]);
    assert_true(resources[1].namespaced);
    assert_string_equal(kst_json_path_str(index, "application.namespace"), "shop");
    assert_string_equal(kst_json_path_str(index, "missing.0"), "metrics.k8s.io/v1beta1");
    int64_t excluded = 0;
    kst_json_int(kst_json_get(kst_json_get(index, "excluded"), "made.by/a controller"), &excluded);
    assert_int_equal(excluded, 2);
    kst_archive_close(reader);
    shelf_free(shelf);
}

static int count_only(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                      struct kst_err **err)
{
    ++*(unsigned *)arg;
    return 0;
}

static void test_an_archive_of_nothing(void **state)
{
    struct shelf *shelf = shelf_new();
    struct kst_archive_writer *writer = kst_archive_writer_new(&shelf->sink, NULL);
    assert_int_equal(kst_archive_finish(writer, NULL, NULL, NULL, NULL), 0);
    kst_archive_writer_free(writer);
    struct kst_archive_reader *reader = NULL;
    assert_int_equal(kst_archive_open(&shelf->source, &reader, NULL), 0);
    unsigned count = 0;
    assert_int_equal(kst_archive_each(reader, count_only, &count, NULL), 0);
    assert_int_equal(count, 0);
    kst_auto_json struct kst_json *files = NULL;
    assert_int_equal(kst_archive_blueprints(reader, &files, NULL), 0);
    assert_int_equal(kst_json_len(files), 0);
    kst_archive_close(reader);
    shelf_free(shelf);
}

static void test_an_object_that_is_too_large(void **state)
{
    struct shelf *shelf = shelf_new();
    struct kst_archive_writer *writer = kst_archive_writer_new(&shelf->sink, NULL);
    kst_auto_json struct kst_json *large = object_of("ConfigMap", 1, KST_ARCHIVE_OBJECT_BYTES);
    kst_auto_json struct kst_json *small = object_of("ConfigMap", 2, 10);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_archive_add(writer, &config_maps, large, &err), KST_E_LIMIT);
    assert_non_null(strstr(kst_err_message(err), "ConfigMap/shop/ConfigMap-000001 is larger than"));
    assert_int_equal(kst_archive_add(writer, &config_maps, small, NULL), 0);
    assert_int_equal(kst_archive_finish(writer, NULL, NULL, NULL, NULL), 0);
    kst_archive_writer_free(writer);
    struct kst_archive_reader *reader = NULL;
    assert_int_equal(kst_archive_open(&shelf->source, &reader, NULL), 0);
    unsigned count = 0;
    assert_int_equal(kst_archive_each(reader, count_only, &count, NULL), 0);
    assert_int_equal(count, 1);
    kst_archive_close(reader);
    shelf_free(shelf);
}

static void test_an_object_that_comes_twice(void **state)
{
    struct shelf *shelf = shelf_new();
    struct kst_archive_writer *writer = kst_archive_writer_new(&shelf->sink, NULL);
    kst_auto_json struct kst_json *object = object_of("ConfigMap", 1, 10);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_archive_add(writer, &config_maps, object, NULL), 0);
    assert_int_equal(kst_archive_add(writer, &config_maps, object, &err), KST_E_EXISTS);
    assert_non_null(strstr(kst_err_message(err), "ConfigMap/shop/ConfigMap-000001 came twice"));
    kst_archive_writer_free(writer);
    shelf_free(shelf);
}

static void test_an_object_without_a_name(void **state)
{
    static const char *const texts[] = {"{'kind':'ConfigMap','metadata':{'name':'a'}}",
                                        "{'apiVersion':'v1','metadata':{'name':'a'}}",
                                        "{'apiVersion':'v1','kind':'ConfigMap'}", "[]"};
    struct shelf *shelf = shelf_new();
    struct kst_archive_writer *writer = kst_archive_writer_new(&shelf->sink, NULL);
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++) {
        kst_auto_json struct kst_json *object = kst_json_make(texts[i]);
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_archive_add(writer, &config_maps, object, &err), KST_E_INVALID);
        assert_non_null(strstr(kst_err_message(err), "an object of configmaps without "));
    }
    kst_archive_writer_free(writer);
    shelf_free(shelf);
}

static int stop(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                struct kst_err **err)
{
    return kst_err_set(err, KST_E_CONFLICT, "enough");
}

static void test_errors_of_others_pass_through(void **state)
{
    struct shelf *shelf = archive_of(2, 2, 100);
    struct kst_archive_reader *reader = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_archive_open(&shelf->source, &reader, NULL), 0);
    assert_int_equal(kst_archive_each(reader, stop, NULL, &err), KST_E_CONFLICT);
    assert_string_equal(kst_err_message(err), "enough");
    kst_err_clear(&err);
    shelf->fails = KST_E_UNREACHABLE;
    unsigned count = 0;
    struct kst_json *files = NULL;
    assert_int_equal(kst_archive_blueprints(reader, &files, &err), KST_E_UNREACHABLE);
    assert_string_equal(kst_err_message(err), KST_ARCHIVE_BLUEPRINTS ", part 0: the shelf is gone");
    kst_archive_close(reader);
    kst_err_clear(&err);
    assert_int_equal(kst_archive_open(&shelf->source, &reader, &err), KST_E_UNREACHABLE);
    shelf->fails = 0;
    assert_int_equal(kst_archive_open(&shelf->source, &reader, NULL), 0);
    shelf->fails = KST_E_FORBIDDEN;
    assert_int_equal(kst_archive_each(reader, count_only, &count, NULL), KST_E_FORBIDDEN);
    kst_archive_close(reader);
    shelf->fails = KST_E_SERVER;
    struct kst_archive_writer *writer = kst_archive_writer_new(&shelf->sink, NULL);
    shelf_clear(member_of(shelf, KST_ARCHIVE_OBJECTS));
    kst_err_clear(&err);
    assert_int_equal(kst_archive_finish(writer, NULL, NULL, NULL, &err), KST_E_SERVER);
    assert_string_equal(kst_err_message(err),
                        "write part 0 of " KST_ARCHIVE_OBJECTS ": the shelf is gone");
    kst_archive_writer_free(writer);
    shelf_free(shelf);
}

/* ---- damage ---- */

/* Reads all that there is. */
static int read_all(struct shelf *shelf, struct kst_err **err)
{
    struct kst_archive_reader *reader = NULL;
    kst_auto_json struct kst_json *files = NULL;
    unsigned count = 0;
    int rc = kst_archive_open(&shelf->source, &reader, err);
    if (rc < 0)
        return rc;
    rc = kst_archive_each(reader, count_only, &count, err);
    if (rc == 0)
        rc = kst_archive_blueprints(reader, &files, err);
    kst_archive_close(reader);
    return rc;
}

static void must_be_damaged(struct shelf *shelf, const char *message)
{
    kst_auto_err struct kst_err *err = NULL;
    int rc = read_all(shelf, &err);
    if (rc != KST_E_PARSE || !strstr(kst_err_message(err), message) || !kst_err_get_hint(err))
        fail_msg("expected \"%s\", found %d \"%s\"", message, rc, kst_err_message(err));
}

static void test_every_byte_counts(void **state)
{
    static const char bits[] = {0x01, 0x20, (char)0x80};
    struct shelf *shelf = archive_of(2, 1, 30);
    assert_int_equal(read_all(shelf, NULL), 0);
    for (size_t i = 0; i < KST_ARRAY_LEN(shelf->members); i++) {
        kst_auto_buf all = KST_BUF_INIT(MEMBER_BYTES);
        join(shelf, shelf->members[i].name, &all);
        for (size_t at = 0; at < all.len; at++) {
            char bit = bits[at % KST_ARRAY_LEN(bits)];
            all.data[at] ^= bit;
            replace(shelf, shelf->members[i].name, all.data, all.len);
            must_be_damaged(shelf, shelf->members[i].name);
            all.data[at] ^= bit;
            replace(shelf, shelf->members[i].name, all.data, at);
            if (at > 0 || i > 0) /* without an index there is no archive */
                must_be_damaged(shelf, shelf->members[i].name);
        }
        kst_buf_addc(&all, '\n');
        replace(shelf, shelf->members[i].name, all.data, all.len);
        must_be_damaged(shelf, shelf->members[i].name);
        replace(shelf, shelf->members[i].name, all.data, all.len - 1);
    }
    assert_int_equal(read_all(shelf, NULL), 0);
    shelf_free(shelf);
}

/* Writes the index anew, with a right checksum of its own: it lies about the rest. */
static void seal(struct shelf *shelf, struct kst_json *index)
{
    kst_auto_buf text = KST_BUF_INIT(MEMBER_BYTES);
    char sha256[KST_SHA256_DIGITS + 1];
    kst_json_remove(index, "sha256");
    kst_json_print(index, KST_JSON_COMPACT, &text);
    kst_hash_sha256_hex(text.data, text.len - 1, sha256);
    kst_buf_truncate(&text, text.len - 1);
    kst_buf_addf(&text, ",\"sha256\":\"%s\"}\n", sha256);
    replace(shelf, KST_ARCHIVE_INDEX, text.data, text.len);
}

static struct kst_json *index_of(struct shelf *shelf)
{
    kst_auto_buf text = KST_BUF_INIT(MEMBER_BYTES);
    struct kst_json *index = NULL;
    join(shelf, KST_ARCHIVE_INDEX, &text);
    assert_int_equal(kst_json_parse(text.data, text.len, &index, NULL), 0);
    return index;
}

/* The member, from `content`, in one frame, and an index that agrees as far as `count` goes. */
static void forge(struct shelf *shelf, const char *key, const char *content, size_t len)
{
    bool objects = strcmp(key, "objects") == 0;
    kst_auto_json struct kst_json *index = index_of(shelf);
    kst_auto_buf packed = KST_BUF_INIT(MEMBER_BYTES);
    char sha256[KST_SHA256_DIGITS + 1];
    assert_int_equal(kst_zstd_compress(&packed, content, len, NULL), 0);
    kst_hash_sha256_hex(packed.data, packed.len, sha256);
    replace(shelf, objects ? KST_ARCHIVE_OBJECTS : KST_ARCHIVE_BLUEPRINTS, packed.data, packed.len);
    struct kst_json *row = kst_json_mut(index, key);
    kst_json_set_int(row, "bytes", (int64_t)len);
    kst_json_set_int(row, "compressedBytes", (int64_t)packed.len);
    kst_json_set_str(row, "sha256", sha256);
    if (objects)
        kst_json_set(index, "frames",
                     kst_json_make("[{'offset':0,'bytes':%L,'rawBytes':%L,'count':%L,'sha256':%s}]",
                                   (int64_t)packed.len, (int64_t)len,
                                   kst_json_path_int(row, "count", 0), sha256));
    seal(shelf, index);
}

#define MAP(name) \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name "\"}}"
#define SECRET(name) \
    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"" name "\"}}"

/* The archive that is forged holds two ConfigMaps and two Secrets. */
static void test_lines_that_are_none(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {MAP("a") "\n" MAP("b") "\n" SECRET("c") "\n", "4 objects were expected, found 3"},
        {MAP("a") "\n" MAP("b") "\n" SECRET("c") "\n" SECRET("d") "\n" SECRET("e") "\n",
         "line 5: v1 Secret was found where the index has no kind any more next"},
        {MAP("a") "\n" MAP("b") "\n" SECRET("c") "\n" SECRET("d"), "line 4: the line has no end"},
        {MAP("a") "\n\n" MAP("b") "\n", "frame 0, line 2: "},
        {MAP("a") "\n" MAP("b") "\n" SECRET("c") "\n" MAP("d") "\n",
         "line 4: v1 ConfigMap was found where the index has v1 Secret next"},
        {MAP("a") "\n" SECRET("b") "\n" SECRET("c") "\n" SECRET("d") "\n",
         "line 2: v1 Secret was found where the index has v1 ConfigMap next"},
        {"[]\n", "line 1: an object with apiVersion was expected"},
        {"{\"apiVersion\":\"v1\"}\n", "line 1: an object with kind was expected"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":1}}\n",
         "line 1: an object with metadata.name was expected"},
        {"{\"apiVersion\":\"v1\",\n", "frame 0, line 1: "},
        {"\xff\xfe\n", "frame 0, line 1: "},
        {"", "4 objects were expected, found 0"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct shelf *shelf = archive_of(2, 1, 30);
        forge(shelf, "objects", rows[i].text, strlen(rows[i].text));
        must_be_damaged(shelf, rows[i].message);
        must_be_damaged(shelf, KST_ARCHIVE_OBJECTS ", frame 0");
        shelf_free(shelf);
    }
}

static void test_blueprints_that_are_none(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"{}", "1 files were expected, found an object of 0"},
        {"{\"a\":\"\",\"b\":\"\"}", "1 files were expected, found an object of 2"},
        {"[\"a\"]", "1 files were expected, found an array of 1"},
        {"{\"a\":1}", "a: a text was expected, found a number"},
        {"{\"a\":", "line 1"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct shelf *shelf = archive_of(2, 1, 30);
        forge(shelf, "blueprints", rows[i].text, strlen(rows[i].text));
        must_be_damaged(shelf, rows[i].message);
        must_be_damaged(shelf, KST_ARCHIVE_BLUEPRINTS ": ");
        shelf_free(shelf);
    }
    char deep[600];
    memset(deep, '[', sizeof(deep));
    struct shelf *shelf = archive_of(2, 1, 30);
    forge(shelf, "blueprints", deep, sizeof(deep));
    must_be_damaged(shelf, KST_ARCHIVE_BLUEPRINTS ": ");
    shelf_free(shelf);
}

/* A frame of a few KiB that unpacks to a GiB, told to be of an ordinary size. */
static void test_a_bomb(void **state)
{
    enum { ZEROS = 32 << 20 };
    kst_auto_free char *zeros = kst_calloc(1, ZEROS);
    struct shelf *shelf = archive_of(2, 1, 30);
    forge(shelf, "objects", zeros, ZEROS);
    must_be_damaged(shelf, "frames[0].rawBytes: a number from 0 to ");
    kst_auto_json struct kst_json *index = index_of(shelf);
    struct kst_json *frame = kst_json_mut_at(kst_json_mut(index, "frames"), 0);
    kst_json_set_int(frame, "rawBytes", 4096);
    kst_json_set_int(kst_json_mut(index, "objects"), "bytes", 4096);
    seal(shelf, index);
    must_be_damaged(shelf, "frame 0: unpacks to more than the 4096 bytes of the index");
    shelf_free(shelf);
}

static void test_an_index_that_lies(void **state)
{
    static const struct {
        const char *path, *value, *message; /* value NULL: removed */
    } rows[] = {
        {"objects.count", "5", "objects.count is 5, but its parts are 4 together"},
        {"objects.count", "-1", "objects.count: a number from 0"},
        {"objects.count", "1.5", "objects.count: a number"},
        {"objects.bytes", "9223372036854775807", "objects.bytes: a number"},
        {"objects.bytes", "1e300", "objects.bytes: a number"},
        {"objects.bytes", "1", "objects.bytes is 1, but"},
        {"objects.compressedBytes", "1", "objects.compressedBytes is 1, but"},
        {"objects.parts", "2", "are 1 parts, found 2"},
        {"objects.parts", NULL, "objects.parts: a number"},
        {"objects.sha256", "\"00\"", "objects.sha256: 64 hexadecimal digits were expected"},
        {"objects", NULL, "objects.count: a number"},
        {"blueprints.count", "2", "2 files were expected, found an object of 1"},
        {"blueprints.bytes", "20", "unpacks to more than the 20 bytes of the index"},
        {"blueprints.bytes", "200", "unpacks to less than the 200 bytes of the index"},
        {"blueprints.bytes", "1000000000", "blueprints.bytes: a number"},
        {"blueprints", NULL, KST_ARCHIVE_BLUEPRINTS ": has more than the 0 parts of the index"},
        {"frames", NULL, "but its parts are 0 together"},
        {"frames", "{}", "but its parts are 0 together"},
        {"frames.0.offset", "1", "frames[0].offset is 1, but the one before ends at 0"},
        {"frames.0.bytes", "1000000000", "frames[0].bytes: a number"},
        {"frames.0.rawBytes", "null", "frames[0].rawBytes: a number"},
        {"frames.0.count", "7", "objects.count is 4, but its parts are 7 together"},
        {"frames.0.sha256", "\"0000000000000000000000000000000000000000000000000000000000000000\"",
         KST_ARCHIVE_OBJECTS ", frame 0: its checksum is "},
        {"objects.sha256", "\"0000000000000000000000000000000000000000000000000000000000000000\"",
         KST_ARCHIVE_OBJECTS ": its checksum is "},
        {"blueprints.sha256",
         "\"0000000000000000000000000000000000000000000000000000000000000000\"",
         KST_ARCHIVE_BLUEPRINTS ": its checksum is "},
        {"kinds", "[]", "but its parts are 0 together"},
        {"kinds.0.count", "0", "kinds[0].count: a number from 1"},
        {"kinds.0.count", "3", "objects.count is 4, but its parts are 5 together"},
        {"kinds.0.kind", NULL, "kinds[0]: apiVersion, kind and plural were expected"},
        {"kinds.0.kind", "\"Pod\"", "v1 ConfigMap was found where the index has v1 Pod next"},
        {"format", "0", "a format (a number) was expected"},
        {"format", "\"1\"", "a format (a number) was expected, found a string"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct shelf *shelf = archive_of(2, 1, 30);
        kst_auto_json struct kst_json *index = index_of(shelf), *value = NULL;
        struct kst_json *at = index;
        struct kst_str rest = kst_str_of(rows[i].path), part;
        kst_auto_free char *key = NULL;
        while (kst_str_split(&rest, '.', &part)) {
            if (key)
                at = kst_json_type(at) == KST_JSON_ARRAY ? kst_json_mut_at(at, 0)
                                                         : kst_json_mut(at, key);
            free(key);
            key = kst_strndup(part.data, part.len);
        }
        kst_json_remove(at, key);
        if (rows[i].value) {
            assert_int_equal(kst_json_parse(rows[i].value, strlen(rows[i].value), &value, NULL), 0);
            kst_json_set(at, key, kst_take(value));
        }
        seal(shelf, index);
        must_be_damaged(shelf, rows[i].message);
        shelf_free(shelf);
    }
}

static void test_parts_that_are_missing(void **state)
{
    struct shelf *whole = archive_of(180, 110, 9000);
    struct shelf *shelf = shelf_copy(whole);
    struct member *objects = member_of(shelf, KST_ARCHIVE_OBJECTS);
    objects->count--; /* its memory goes with the next line */
    kst_buf_release(&objects->parts[objects->count]);
    must_be_damaged(shelf, KST_ARCHIVE_OBJECTS ": part 2 of 3 is missing");
    shelf_free(shelf);

    shelf = shelf_copy(whole);
    objects = member_of(shelf, KST_ARCHIVE_OBJECTS);
    kst_buf_truncate(&objects->parts[0], 899999);
    must_be_damaged(shelf, ", part 0: 900000 bytes were expected, found 899999");
    kst_buf_adds(&objects->parts[0], "xyz");
    must_be_damaged(shelf, ", part 0: is larger than a part can be (900000 bytes)");
    shelf_free(shelf);

    shelf = shelf_copy(whole);
    assert_int_equal(shelf_put(shelf, KST_ARCHIVE_OBJECTS, 3, "x", 1, NULL), 0);
    must_be_damaged(shelf, KST_ARCHIVE_OBJECTS ": has more than the 3 parts of the index");
    shelf_free(shelf);

    shelf = shelf_copy(whole);
    shelf_clear(member_of(shelf, KST_ARCHIVE_BLUEPRINTS));
    must_be_damaged(shelf, KST_ARCHIVE_BLUEPRINTS ": part 0 of 1 is missing");
    shelf_clear(member_of(shelf, KST_ARCHIVE_INDEX));
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(read_all(shelf, &err), KST_E_NOT_FOUND);
    shelf_free(shelf);
    shelf_free(whole);
}

static void test_a_newer_format(void **state)
{
    struct shelf *shelf = archive_of(2, 1, 30);
    kst_auto_json struct kst_json *index = index_of(shelf);
    kst_auto_err struct kst_err *err = NULL;
    kst_json_set_int(index, "format", KST_ARCHIVE_FORMAT + 1);
    seal(shelf, index);
    assert_int_equal(read_all(shelf, &err), KST_E_INVALID);
    assert_string_equal(kst_err_message(err), KST_ARCHIVE_INDEX
                        ": the archive has format 2; this Kassette reads up to 1");
    assert_non_null(kst_err_get_hint(err));
    kst_err_clear(&err);
    replace(shelf, KST_ARCHIVE_INDEX, "{\"format\":3}", 12); /* which may end in another way */
    assert_int_equal(read_all(shelf, &err), KST_E_INVALID);
    shelf_free(shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_goes_in_comes_out),
        cmocka_unit_test(test_the_index_says_what_is_there),
        cmocka_unit_test(test_an_archive_of_nothing),
        cmocka_unit_test(test_an_object_that_is_too_large),
        cmocka_unit_test(test_an_object_that_comes_twice),
        cmocka_unit_test(test_an_object_without_a_name),
        cmocka_unit_test(test_errors_of_others_pass_through),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_lines_that_are_none),
        cmocka_unit_test(test_blueprints_that_are_none),
        cmocka_unit_test(test_a_bomb),
        cmocka_unit_test(test_an_index_that_lies),
        cmocka_unit_test(test_parts_that_are_missing),
        cmocka_unit_test(test_a_newer_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
