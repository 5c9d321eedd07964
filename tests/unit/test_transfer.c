/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restore points from one embedded cluster into a directory and into another cluster, what
 * `kassette show` prints of them, and the commands by which they are read without Kassette: those
 * that docs/restore-points.md tells. Run from the top of the tree.
 */
#include "app/point/transfer.h"

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

#include "app/point/archive.h"
#include "app/point/store.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/child.h"
#include "loop/fiber.h"
#include "sandbox/sandbox.h"

enum { TEXT_BYTES = 1 << 20 };

static const char home[] = "kassette";
static char dir[64]; /* of the test */

/* ---- a restore point ---- */

static const struct {
    const struct kst_kube_resource *resource;
    const char *text;
} objects[] = {
    {&kst_res_namespaces,
     "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'shop','uid':'u1'}}"},
    {&kst_res_configmaps,
     "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'settings','namespace':'shop',"
     "'resourceVersion':'7','labels':{'tier':'web'}},'data':{'color':'green'}}"},
    {&kst_res_configmaps,
     "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'texts','namespace':'shop'},"
     "'data':{'a':'b'}}"},
    {&kst_res_secrets,
     "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'db','namespace':'shop'},"
     "'data':{'password':'c2VzYW1l'}}"},
    {&kst_res_deployments,
     "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','namespace':'shop'},"
     "'spec':{'replicas':2}}"},
};

static struct kst_json *write_objects(const struct kst_archive_sink *sink)
{
    kst_auto_json struct kst_json *head = kst_json_make("{'application':{'namespace':'shop'}}");
    struct kst_archive_writer *writer = kst_archive_writer_new(sink, head);
    for (size_t i = 0; i < KST_ARRAY_LEN(objects); i++) {
        kst_auto_json struct kst_json *object = kst_json_make(objects[i].text);
        assert_int_equal(kst_archive_add(writer, objects[i].resource, object, NULL), 0);
    }
    kst_archive_count_left_out(writer, "made by a controller");
    kst_auto_json struct kst_json *files = kst_json_make(
        "{'shop/blueprint.lua':'return { name = \\\"shop\\\" }'}");
    struct kst_json *index = NULL;
    assert_int_equal(kst_archive_finish(writer, files, NULL, &index, NULL), 0);
    kst_archive_writer_free(writer);
    return index;
}

static struct kst_json *make_point(struct kst_kube *kube, const char *name)
{
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'RestorePoint','metadata':{'name':%s,"
        "'namespace':%s,'labels':{'team':'a'},'finalizers':['kassette.io/snapshots']},"
        "'spec':{'application':{'namespace':'shop'},'run':%s,'runUID':'run-uid-1'}}",
        name, home, name);
    kst_auto_json struct kst_json *made = NULL, *index = NULL;
    struct kst_json *point = NULL;
    assert_int_equal(
        kst_kube_create(kube, &kst_res_restorepoints, home, object, false, &made, NULL), 0);
    struct kst_point_store *store = kst_point_store_secrets(kube, made);
    index = write_objects(kst_point_store_sink(store));
    kst_point_store_free(store);
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'status':{'phase':'Ready','objects':%J,'volumeCount':1,'volumes':[{'claim':'data',"
        "'handle':'snap-1','driver':'csi.example.com'}],'conditions':[{'type':'Ready',"
        "'status':'True','reason':'Completed'}]}}",
        kst_json_get(index, "objects"));
    assert_int_equal(
        kst_kube_merge(kube, &kst_res_restorepoints, home, name, "status", patch, &point, NULL), 0);
    return point;
}

static struct kst_json *get_point(struct kst_kube *kube, const char *name)
{
    struct kst_json *point = NULL;
    assert_int_equal(kst_kube_get(kube, &kst_res_restorepoints, home, name, &point, NULL), 0);
    return point;
}

/* ---- clusters and directories ---- */

static void (*body)(struct kst_kube *kube, const char *kubeconfig);

static void on_cluster(struct cluster *cluster)
{
    const char *path = kst_sandbox_kubeconfig(cluster->sandbox);
    const struct kst_kube_config_options options = {.kubeconfig = path};
    struct kst_kube_config *config = NULL;
    assert_int_equal(kst_kube_config_load(&options, &config, NULL), 0);
    struct kst_kube *kube = kst_kube_new(kst_fiber_loop(), config);
    body(kube, path);
    kst_kube_free(kube);
    kst_kube_config_free(config);
}

static void with_cluster(void (*fn)(struct kst_kube *kube, const char *kubeconfig))
{
    body = fn;
    cluster_run(false, on_cluster);
}

static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "/tmp/test_transfer.XXXXXX");
    assert_non_null(mkdtemp(dir));
}

/* Empties the directory, and removes it. */
static void remove_dir(void)
{
    static const char *const files[] = {KST_ARCHIVE_INDEX, KST_ARCHIVE_OBJECTS,
                                        KST_ARCHIVE_BLUEPRINTS, KST_POINT_FILE};
    for (size_t i = 0; i < KST_ARRAY_LEN(files); i++) {
        kst_auto_free char *path = kst_asprintf("%s/%s", dir, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0); /* nothing else is in it */
}

static void replace_in_file(const char *name, const char *old, const char *new)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", dir, name);
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    assert_int_equal(kst_buf_read_file(&text, path, NULL), 0);
    char *at = strstr(text.data, old);
    if (!at)
        fail_msg("'%s' is not in %s: %s", old, name, text.data);
    FILE *file = fopen(path, "we");
    fwrite(text.data, 1, (size_t)(at - text.data), file);
    fputs(new, file);
    fputs(at + strlen(old), file);
    fclose(file);
}

/* ---- save and load ---- */

static void save_it(struct kst_kube *kube, const char *kubeconfig)
{
    kst_auto_json struct kst_json *point = make_point(kube, "shop-1"), *index = NULL;
    kst_auto_json struct kst_json *other = make_point(kube, "shop-2");
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_point_save(kube, point, dir, &index, NULL), 0);
    assert_int_equal(kst_json_path_int(index, "objects.count", -1), 5);
    assert_int_equal(kst_point_save(kube, point, dir, NULL, NULL), 0); /* again */
    assert_int_equal(kst_point_save(kube, other, dir, NULL, &err), KST_E_EXISTS);
    assert_non_null(strstr(kst_err_message(err), "is not of RestorePoint shop-2"));
    kst_err_clear(&err);

    /* A part that is missing is seen before anything relies on the copy. */
    assert_int_equal(
        kst_kube_delete(kube, &kst_res_secrets, home, "shop-2-objects-00000", NULL, NULL), 0);
    kst_auto_free char *second = kst_asprintf("%s.2", dir);
    assert_int_equal(kst_point_save(kube, other, second, NULL, &err), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(err), "Secret/kassette/shop-2-objects-00000"));
    kst_auto_free char *file = kst_asprintf("%s/%s", second, KST_POINT_FILE);
    struct stat info;
    assert_int_equal(stat(file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(second), 0);
}

static void check_loaded(struct kst_kube *kube, const struct kst_json *point)
{
    kst_auto_json struct kst_json *now = get_point(kube, "shop-1"), *index = NULL;
    assert_true(kst_json_equal(now, point));
    assert_string_equal(kst_json_path_str(now, "status.phase"), "Ready");
    assert_string_equal(kst_json_path_str(now, "spec.runUID"), "run-uid-1");
    assert_string_equal(kst_json_path_str(now, "metadata.labels.team"), "a");
    assert_string_equal(kst_json_path_str(now, "metadata.finalizers.0"), "kassette.io/snapshots");
    assert_string_equal(kst_json_path_str(now, "status.volumes.0.handle"), "snap-1");
    assert_true(kst_json_path_true(now, "status.volumes.0.elsewhere"));
    assert_string_equal(kst_json_path_str(now, "status.conditions.1.type"), "SnapshotsPresent");
    assert_string_equal(kst_json_path_str(now, "status.conditions.1.status"), "False");
    struct kst_point_store *store = kst_point_store_secrets(kube, now);
    assert_int_equal(kst_archive_verify(kst_point_store_source(store), &index, NULL), 0);
    assert_int_equal(kst_json_path_int(index, "objects.count", -1), 5);
    kst_point_store_free(store);
}

static void load_it(struct kst_kube *kube, const char *kubeconfig)
{
    kst_auto_json struct kst_json *point = NULL, *again = NULL, *other = NULL;
    assert_int_equal(kst_point_load(kube, home, dir, &point, NULL), 0);
    check_loaded(kube, point);
    /* Once more, where a Secret has been lost meanwhile. */
    assert_int_equal(
        kst_kube_delete(kube, &kst_res_secrets, home, "shop-1-objects-00000", NULL, NULL), 0);
    assert_int_equal(kst_point_load(kube, home, dir, &again, NULL), 0);
    check_loaded(kube, again);

    kst_auto_err struct kst_err *err = NULL;
    replace_in_file(KST_POINT_FILE, "runUID: run-uid-1", "runUID: run-uid-2");
    assert_int_equal(kst_point_load(kube, home, dir, &other, &err), KST_E_EXISTS);
    assert_string_equal(kst_err_message(err),
                        "RestorePoint/kassette/shop-1 exists already, and is another one");
    replace_in_file(KST_POINT_FILE, "runUID: run-uid-2", "runUID: run-uid-1");
}

/* Whatever is wrong with the directory, nothing is made. */
static void refuse_it(struct kst_kube *kube, const char *kubeconfig)
{
    static const struct {
        const char *file, *old, *new, *message;
    } rows[] = {
        {KST_POINT_FILE, "kind: RestorePoint", "kind: Run", "a RestorePoint of kassette.io"},
        {KST_POINT_FILE, "phase: Ready", "phase: Deleting", "is not Ready, but Deleting"},
        {KST_POINT_FILE, "sha256: ", "sha256: f", "but objects.jsonl.zst holds"},
        {KST_POINT_FILE, "spec:", "spec: [", "line "},
        {KST_ARCHIVE_INDEX, "\"count\":5", "\"count\":6", "its checksum is not that of its text"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *point = NULL;
        kst_auto_err struct kst_err *err = NULL;
        replace_in_file(rows[i].file, rows[i].old, rows[i].new);
        assert_int_equal(kst_point_load(kube, home, dir, &point, &err), KST_E_PARSE);
        assert_non_null(strstr(kst_err_message(err), rows[i].message));
        assert_non_null(strstr(kst_err_message(err), dir));
        replace_in_file(rows[i].file, rows[i].new, rows[i].old);
    }
    kst_auto_json struct kst_json *points = NULL, *point = NULL;
    assert_int_equal(kst_kube_list(kube, &kst_res_restorepoints, home, NULL, &points, NULL, NULL),
                     0);
    assert_int_equal(kst_json_len(points), 0);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_point_load(kube, home, "/nowhere", &point, &err), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(err), "/nowhere/restore-point.yaml"));
}

static void refuse_and_load(struct kst_kube *kube, const char *kubeconfig)
{
    refuse_it(kube, kubeconfig);
    load_it(kube, kubeconfig);
}

static void test_from_one_cluster_to_another(void **state)
{
    make_dir();
    with_cluster(save_it);
    with_cluster(refuse_and_load);
    remove_dir();
}

/* ---- show ---- */

/* What `kassette show DIR ARGUMENTS` prints; returns its code. */
static int show(struct kst_buf *out, const char *const *arguments, struct kst_err **err)
{
    char path[] = "/tmp/test_transfer.XXXXXX", name[] = "show";
    char *argv[8] = {name, dir};
    int argc = 2;
    while (arguments[argc - 2]) {
        argv[argc] = (char *)arguments[argc - 2];
        argc++;
    }
    struct kst_cmd cmd = {.argc = argc, .argv = argv};
    int file = mkstemp(path), saved = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    int rc = kst_cmd_show(&cmd, err);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(file);
    close(saved);
    assert_int_equal(kst_buf_read_file(out, path, NULL), 0);
    unlink(path);
    return rc;
}

static void test_show(void **state)
{
    static const struct {
        const char *arguments[6];
        int rc;
        const char *output;
    } rows[] = {
        {{NULL},
         0,
         "KIND         NAME\nNamespace    shop\nConfigMap    settings\nConfigMap    texts\n"
         "Secret       db\nDeployment   web\n\n"
         "5 objects: 1 Namespace, 2 ConfigMap, 1 Secret, 1 Deployment\n"
         "left out: 1 (made by a controller)\n"},
        {{"-o", "wide", "deployments.apps/w.*"},
         0,
         "KIND         APIVERSION   NAMESPACE   NAME\nDeployment   apps/v1      shop        web\n\n"
         "1 of 5 objects: 1 Deployment\n"},
        {{"-o", "name", "cm", "deploy"},
         0,
         "configmap/settings\nconfigmap/texts\ndeployment.apps/web\n"},
        {{"cm?tier=web", "-o", "name"}, 0, "configmap/settings\n"},
        {{"-o", "yaml", "secrets", "ns"},
         0,
         "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  uid: u1\n---\n"
         "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\ndata:\n"
         "  password: c2VzYW1l\n"},
        {{"-o", "name", "cm", "pods/x"}, KST_E_NOT_FOUND, "configmap/settings\nconfigmap/texts\n"},
        {{"-o", "name", "cm/("}, KST_E_USAGE, ""},
    };
    make_dir();
    struct kst_point_store *store = NULL;
    assert_int_equal(kst_point_store_dir(dir, &store, NULL), 0);
    kst_json_free(write_objects(kst_point_store_sink(store)));
    kst_point_store_free(store);
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(show(&out, rows[i].arguments, &err), rows[i].rc);
        assert_string_equal(out.data, rows[i].output);
        if (rows[i].rc == KST_E_NOT_FOUND)
            assert_non_null(strstr(kst_err_message(err), ": nothing in it matches 'pods/x'"));
    }
    remove_dir();
}

/* One alone as it is, several as a list, none as an empty one. */
static void test_show_json(void **state)
{
    static const struct {
        const char *pattern, *path, *value;
    } rows[] = {{"secret/db", "data.password", "c2VzYW1l"},
                {"cm", "items.1.metadata.name", "texts"},
                {"pods", "kind", "List"}};
    make_dir();
    struct kst_point_store *store = NULL;
    assert_int_equal(kst_point_store_dir(dir, &store, NULL), 0);
    kst_json_free(write_objects(kst_point_store_sink(store)));
    kst_point_store_free(store);
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        const char *const arguments[] = {"-o", "json", rows[i].pattern, NULL};
        kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
        kst_auto_json struct kst_json *value = NULL;
        kst_auto_err struct kst_err *err = NULL;
        show(&out, arguments, &err);
        assert_int_equal(kst_json_parse(out.data, out.len, &value, NULL), 0);
        assert_string_equal(kst_json_path_str(value, rows[i].path), rows[i].value);
        kst_auto_buf again = KST_BUF_INIT(TEXT_BYTES); /* as any other JSON that is printed */
        kst_json_print(value, KST_JSON_PRETTY, &again);
        kst_buf_addc(&again, '\n');
        assert_string_equal(out.data, again.data);
    }
    remove_dir();
}

/* ---- without Kassette ---- */

/* The commands below "Without Kassette", all in one script. */
static void read_commands(struct kst_buf *script)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    assert_int_equal(kst_buf_read_file(&text, "docs/restore-points.md", NULL), 0);
    const char *at = strstr(text.data, "### Without Kassette");
    assert_non_null(at);
    int blocks = 0;
    for (; (at = strstr(at, "```sh\n")) != NULL; blocks++) {
        const char *end = strstr(at + 6, "```");
        assert_non_null(end);
        kst_buf_add(script, at + 6, (size_t)(end - at - 6));
        at = end + 3;
    }
    assert_int_equal(blocks, 3);
}

static void run_commands(struct kst_kube *kube, const char *kubeconfig)
{
    kst_auto_buf script = KST_BUF_INIT(TEXT_BYTES), out = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_buf errors = KST_BUF_INIT(TEXT_BYTES);
    read_commands(&script);
    kst_json_free(make_point(kube, "shop-1"));
    kst_auto_free char *variable = kst_asprintf("KUBECONFIG=%s", kubeconfig);
    const char *const argv[] = {"bash", "-euc", script.data, NULL};
    const char *const env[] = {variable, NULL};
    const struct kst_child_request request = {.argv = argv, .env_add = env, .dir = dir};
    int status = -1;
    assert_int_equal(kst_child_run(kst_fiber_loop(), &request, &out, &errors, &status, NULL), 0);
    if (status != 0 || errors.len > 0)
        fail_msg("the commands of docs/restore-points.md: %d: %s", status, errors.data);
    static const char *const found[] = {
        "shop-1-blueprints-00000",
        "shop-1-index-00000",
        "shop-1-objects-00000",
        "kassette.io/restore-point",
        "index.json: OK\nobjects.jsonl.zst: OK\nblueprints.json.zst: OK\n"
        "1 Namespace\n2 ConfigMap\n1 Secret\n1 Deployment\n"
        "Namespace/shop\nConfigMap/settings\nConfigMap/texts\nSecret/db\nDeployment/web\n",
        "\"color\": \"green\"\n  }\n}\nsesame\n5\nreturn { name = \"shop\" }\n"};
    for (size_t i = 0; i < KST_ARRAY_LEN(found); i++) {
        if (!strstr(out.data, found[i]))
            fail_msg("'%s' is not in what the commands print: %s", found[i], out.data);
    }
    kst_auto_json struct kst_json *copy = NULL;
    assert_int_equal(kst_kube_get(kube, &kst_res_secrets, "shop-copy", "db", &copy, NULL), 0);
    assert_string_equal(kst_json_path_str(copy, "data.password"), "c2VzYW1l");
}

static void test_without_kassette(void **state)
{
    make_dir();
    with_cluster(run_commands);
    remove_dir();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_one_cluster_to_another),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_show_json),
        cmocka_unit_test(test_without_kassette),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
