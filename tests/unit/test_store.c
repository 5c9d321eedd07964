/* SPDX-License-Identifier: Apache-2.0 */
/* Archives in Secrets of the embedded cluster, and in directories. */
#include "app/point/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "sandbox/sandbox.h"

static const char home[] = "kassette";

/* ---- helpers ---- */

static struct kst_kube *connect(struct cluster *cluster, struct kst_kube_config **config)
{
    const struct kst_kube_config_options options = {
        .kubeconfig = kst_sandbox_kubeconfig(cluster->sandbox)};
    assert_int_equal(kst_kube_config_load(&options, config, NULL), 0);
    return kst_kube_new(kst_fiber_loop(), *config);
}

static struct kst_json *make_point(struct kst_kube *kube, const char *name)
{
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'RestorePoint','metadata':{'name':%s,"
        "'namespace':%s},'spec':{'application':{'namespace':'shop'},'run':%s}}",
        name, home, name);
    struct kst_json *point = NULL;
    assert_int_equal(
        kst_kube_create(kube, &kst_res_restorepoints, home, object, false, &point, NULL), 0);
    return point;
}

static int put(struct kst_point_store *store, const char *member, unsigned part, const char *text,
               struct kst_err **err)
{
    const struct kst_archive_sink *sink = kst_point_store_sink(store);
    return sink->put(sink->arg, member, part, text, strlen(text), err);
}

static int get(struct kst_point_store *store, const char *member, unsigned part,
               struct kst_buf *out, struct kst_err **err)
{
    const struct kst_archive_source *source = kst_point_store_source(store);
    return source->get(source->arg, member, part, out, err);
}

static void has(struct kst_point_store *store, const char *member, unsigned part, const char *text)
{
    kst_auto_buf data = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
    assert_int_equal(get(store, member, part, &data, NULL), 0);
    assert_string_equal(data.data, text);
}

static void has_not(struct kst_point_store *store, const char *member, unsigned part)
{
    kst_auto_buf data = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(get(store, member, part, &data, &err), KST_E_NOT_FOUND);
    assert_int_equal(data.len, 0);
}

static size_t count_secrets(struct kst_kube *kube, const char *selector)
{
    const struct kst_kube_list_options options = {.label_selector = selector};
    kst_auto_json struct kst_json *items = NULL;
    assert_int_equal(kst_kube_list(kube, &kst_res_secrets, home, &options, &items, NULL, NULL), 0);
    return kst_json_len(items);
}

/* An archive of `count` ConfigMaps of some KiB that hardly compress. */
static void write_archive(const struct kst_archive_sink *sink, unsigned count)
{
    struct kst_archive_writer *writer = kst_archive_writer_new(sink, NULL);
    uint32_t seed = 1;
    for (unsigned i = 0; i < count; i++) {
        char text[8000], name[32];
        for (size_t at = 0; at + 1 < sizeof(text); at++) {
            seed = seed * 1664525 + 1013904223;
            text[at] = (char)('0' + (seed >> 26));
        }
        text[sizeof(text) - 1] = '\0';
        snprintf(name, sizeof(name), "map-%05u", i);
        kst_auto_json struct kst_json *object = kst_json_make(
            "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'namespace':'shop','name':%s},"
            "'data':{'text':%s}}",
            name, text);
        assert_int_equal(kst_archive_add(writer, &kst_res_configmaps, object, NULL), 0);
    }
    kst_auto_json struct kst_json *files = kst_json_make("{'a/blueprint.lua':'return {}\\n'}");
    assert_int_equal(kst_archive_finish(writer, files, NULL, NULL, NULL), 0);
    kst_archive_writer_free(writer);
}

static int count_object(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                        struct kst_err **err)
{
    ++*(unsigned *)arg;
    return 0;
}

static unsigned count_objects(struct kst_point_store *store)
{
    struct kst_archive_reader *reader = NULL;
    kst_auto_json struct kst_json *files = NULL;
    unsigned count = 0;
    assert_int_equal(kst_archive_open(kst_point_store_source(store), &reader, NULL), 0);
    assert_int_equal(kst_archive_each(reader, count_object, &count, NULL), 0);
    assert_int_equal(kst_archive_blueprints(reader, &files, NULL), 0);
    assert_int_equal(kst_json_len(files), 1);
    kst_archive_close(reader);
    return count;
}

static void remove_dir(const char *dir)
{
    struct kst_point_store *store = NULL;
    assert_int_equal(kst_point_store_dir(dir, &store, NULL), 0);
    assert_int_equal(kst_point_store_clear(store, NULL), 0);
    kst_point_store_free(store);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- Secrets ---- */

static void check_secret(struct kst_kube *kube, const struct kst_json *point)
{
    kst_auto_json struct kst_json *secret = NULL;
    assert_int_equal(kst_kube_get(kube, &kst_res_secrets, home, "p1-objects-00001", &secret, NULL),
                     0);
    kst_auto_json struct kst_json *labels = kst_json_make(
        "{'kassette.io/restore-point':'p1','kassette.io/member':'objects',"
        "'kassette.io/part':'00001'}");
    kst_auto_json struct kst_json *owners = kst_json_make(
        "[{'apiVersion':'kassette.io/v1alpha1','kind':'RestorePoint','name':'p1','uid':%s,"
        "'controller':false}]",
        kst_json_path_str(point, "metadata.uid"));
    kst_auto_json struct kst_json *data = kst_json_make("{'objects.jsonl.zst':'dHdv'}");
    assert_true(kst_json_equal(kst_json_path(secret, "metadata.labels"), labels));
    assert_true(kst_json_equal(kst_json_path(secret, "metadata.ownerReferences"), owners));
    assert_true(kst_json_equal(kst_json_get(secret, "data"), data));
    assert_string_equal(kst_json_path_str(secret, "type"), "kassette.io/restore-point");
    assert_true(kst_json_path_true(secret, "immutable"));
}

static void in_secrets(struct kst_kube *kube)
{
    kst_auto_json struct kst_json *point = make_point(kube, "p1");
    struct kst_point_store *store = kst_point_store_secrets(kube, point);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 0, "one", NULL), 0);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "two", NULL), 0);
    assert_int_equal(put(store, KST_ARCHIVE_INDEX, 0, "{}", NULL), 0);
    check_secret(kube, point);
    has(store, KST_ARCHIVE_OBJECTS, 0, "one");
    has(store, KST_ARCHIVE_OBJECTS, 1, "two");
    has(store, KST_ARCHIVE_INDEX, 0, "{}");
    has_not(store, KST_ARCHIVE_OBJECTS, 2);
    has_not(store, KST_ARCHIVE_BLUEPRINTS, 0);

    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "two", NULL), 0);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "2", &err), KST_E_EXISTS);
    assert_string_equal(kst_err_message(err),
                        "Secret/kassette/p1-objects-00001 exists already, with other content");
    assert_int_equal(count_secrets(kube, "kassette.io/restore-point=p1"), 3);
    assert_int_equal(kst_point_store_clear(store, NULL), 0);
    assert_int_equal(count_secrets(kube, "kassette.io/restore-point=p1"), 0);
    has_not(store, KST_ARCHIVE_OBJECTS, 0);
    kst_point_store_free(store);
}

/* Reading twice asks once; what is written is seen. */
static void in_the_cache(struct kst_kube *kube)
{
    kst_auto_json struct kst_json *point = make_point(kube, "p2");
    struct kst_point_store *store = kst_point_store_secrets(kube, point);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 0, "one", NULL), 0);
    has(store, KST_ARCHIVE_OBJECTS, 0, "one");
    assert_int_equal(kst_kube_delete(kube, &kst_res_secrets, home, "p2-objects-00000", NULL, NULL),
                     0);
    has(store, KST_ARCHIVE_OBJECTS, 0, "one");
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 0, "other", NULL), 0);
    has(store, KST_ARCHIVE_OBJECTS, 0, "other");
    kst_point_store_free(store);
}

/* Secrets of a point of the same name that is no more do not stand in the way; others do. */
static void after_an_earlier_point(struct kst_kube *kube)
{
    kst_auto_json struct kst_json *point = make_point(kube, "p3");
    kst_auto_json struct kst_json *earlier = kst_json_dup(point);
    kst_json_set_str(kst_json_mut(earlier, "metadata"), "uid", "gone");
    struct kst_point_store *store = kst_point_store_secrets(kube, point);
    struct kst_point_store *old = kst_point_store_secrets(kube, earlier);
    assert_int_equal(put(old, KST_ARCHIVE_OBJECTS, 0, "old", NULL), 0);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 0, "new", NULL), 0);
    has(store, KST_ARCHIVE_OBJECTS, 0, "new");
    kst_auto_json struct kst_json *secret = kst_json_make(
        "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'p3-objects-00001',"
        "'namespace':%s},'data':{'objects.jsonl.zst':'bmV3'}}",
        home);
    assert_int_equal(kst_kube_create(kube, &kst_res_secrets, home, secret, false, NULL, NULL), 0);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "new", NULL), KST_E_EXISTS);
    kst_point_store_free(store);
    kst_point_store_free(old);
}

/* What somebody has written into a Secret is damage, not a crash. */
static void after_tampering(struct kst_kube *kube)
{
    static const struct {
        const char *data, *message;
    } rows[] = {
        {"{'objects.jsonl':'b25l'}", "Secret/kassette/p4-objects-00000 has no objects.jsonl.zst"},
        {"{'objects.jsonl.zst':''}", ""},
    };
    kst_auto_json struct kst_json *point = make_point(kube, "p4");
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *data = kst_json_make(rows[i].data);
        kst_auto_json struct kst_json *secret = kst_json_make(
            "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'p4-objects-00000',"
            "'namespace':%s},'data':%J}",
            home, data);
        assert_int_equal(kst_kube_create(kube, &kst_res_secrets, home, secret, false, NULL, NULL),
                         0);
        struct kst_point_store *store = kst_point_store_secrets(kube, point);
        kst_auto_buf out = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
        kst_auto_err struct kst_err *err = NULL;
        int rc = get(store, KST_ARCHIVE_OBJECTS, 0, &out, &err);
        assert_int_equal(rc, *rows[i].message ? KST_E_PARSE : 0);
        assert_string_equal(kst_err_message(err), rows[i].message);
        assert_int_equal(out.len, 0);
        kst_point_store_free(store);
        assert_int_equal(
            kst_kube_delete(kube, &kst_res_secrets, home, "p4-objects-00000", NULL, NULL), 0);
    }
}

/* From Secrets into a directory and back into other Secrets, which go with their point. */
static void there_and_back(struct kst_kube *kube)
{
    char dir[] = "/tmp/test_store.XXXXXX";
    kst_auto_json struct kst_json *point = make_point(kube, "from");
    kst_auto_json struct kst_json *other = make_point(kube, "to");
    struct kst_point_store *from = kst_point_store_secrets(kube, point),
                           *to = kst_point_store_secrets(kube, other);
    struct kst_point_store *files = NULL;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(kst_point_store_dir(dir, &files, NULL), 0);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_point_store_copy(from, files, &err), KST_E_NOT_FOUND);
    write_archive(kst_point_store_sink(from), 200);
    assert_int_equal(kst_point_store_copy(from, files, NULL), 0);
    assert_int_equal(kst_point_store_copy(files, to, NULL), 0);
    assert_int_equal(kst_point_store_copy(files, to, NULL), 0); /* again: all is there */
    assert_int_equal(count_objects(from), 200);
    assert_int_equal(count_objects(files), 200);
    assert_int_equal(count_objects(to), 200);
    assert_int_equal(count_secrets(kube, "kassette.io/restore-point=to"), 4);
    kst_point_store_free(from);
    kst_point_store_free(to);
    kst_point_store_free(files);
    remove_dir(dir);
    assert_int_equal(kst_kube_delete(kube, &kst_res_restorepoints, home, "to", NULL, NULL), 0);
}

static void on_cluster(struct cluster *cluster)
{
    struct kst_kube_config *config = NULL;
    struct kst_kube *kube = connect(cluster, &config);
    in_secrets(kube);
    in_the_cache(kube);
    after_an_earlier_point(kube);
    after_tampering(kube);
    there_and_back(kube);
    cluster_settle(cluster);
    assert_int_equal(count_secrets(kube, "kassette.io/restore-point=to"), 0);
    assert_int_equal(count_secrets(kube, "kassette.io/restore-point=from"), 4);
    kst_kube_free(kube);
    kst_kube_config_free(config);
}

static void test_secrets(void **state)
{
    cluster_run(false, on_cluster);
}

/* ---- directories ---- */

static void test_a_directory(void **state)
{
    char parent[] = "/tmp/test_store.XXXXXX";
    assert_non_null(mkdtemp(parent));
    kst_auto_free char *dir = kst_asprintf("%s/saved", parent);
    kst_auto_free char *path = kst_asprintf("%s/%s", dir, KST_ARCHIVE_OBJECTS);
    kst_auto_free char *full = kst_calloc(1, KST_ARCHIVE_PART_BYTES + 1);
    memset(full, 'x', KST_ARCHIVE_PART_BYTES);
    struct kst_point_store *store = NULL;
    struct stat info;
    assert_int_equal(kst_point_store_dir(dir, &store, NULL), 0);
    has_not(store, KST_ARCHIVE_OBJECTS, 0);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 0, full, NULL), 0);
    has_not(store, KST_ARCHIVE_OBJECTS, 1);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "the rest", NULL), 0);
    has(store, KST_ARCHIVE_OBJECTS, 0, full);
    has(store, KST_ARCHIVE_OBJECTS, 1, "the rest");
    has_not(store, KST_ARCHIVE_OBJECTS, 2);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, KST_ARCHIVE_PART_BYTES + 8);

    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "the rest", NULL), 0);
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "the past", &err), KST_E_EXISTS);
    assert_non_null(strstr(kst_err_message(err), path));
    assert_int_equal(truncate(path, KST_ARCHIVE_PART_BYTES + 3), 0); /* a copy that was cut short */
    assert_int_equal(put(store, KST_ARCHIVE_OBJECTS, 1, "the rest", NULL), 0);
    has(store, KST_ARCHIVE_OBJECTS, 1, "the rest");
    kst_point_store_free(store);
    remove_dir(dir);
    assert_int_equal(rmdir(parent), 0);
}

static void test_what_is_no_directory(void **state)
{
    char path[] = "/tmp/test_store.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct kst_point_store *store = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_point_store_dir(path, &store, &err), KST_E_IO);
    assert_non_null(strstr(kst_err_message(err), "a directory was expected"));
    kst_err_clear(&err);
    unlink(path);
    assert_int_equal(kst_point_store_dir("/nowhere/at/all", &store, NULL), 0);
    assert_int_equal(put(store, KST_ARCHIVE_INDEX, 0, "{}", &err), KST_E_IO);
    kst_point_store_free(store);
    assert_non_null(strstr(kst_err_message(err), "/nowhere/at/all: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_a_directory),
        cmocka_unit_test(test_what_is_no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
