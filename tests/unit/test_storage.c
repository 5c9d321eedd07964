/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes and cuts, in $TMPDIR and, where $KASSETTE_VOLUMES names one (`. /tmp/kassette-cluster-0/
 * env`), on a btrfs too.
 */
#include "sandbox/storage/storage.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

enum { NOBODY = 65534 };

/* The folder that the test at hand works in: on one file system after the other. */
static char *root;

static char *at(const char *name)
{
    return kst_asprintf("%s/%s", root, name);
}

static void put(const char *name, const char *text, mode_t mode)
{
    kst_auto_free char *path = at(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void holds(const char *name, const char *text)
{
    kst_auto_free char *path = at(name);
    kst_auto_buf found = KST_BUF_INIT(1 << 20);
    assert_int_equal(kst_buf_read_file(&found, path, NULL), 0);
    assert_string_equal(found.data, text);
}

static void folder(const char *name, mode_t mode)
{
    kst_auto_free char *path = at(name);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static bool is_there(const char *name)
{
    kst_auto_free char *path = at(name);
    struct stat info;
    return lstat(path, &info) == 0;
}

static int create(const char *name)
{
    kst_auto_free char *path = at(name);
    return kst_storage_create(path, NULL);
}

static int cut(const char *from, const char *to, bool read_only)
{
    kst_auto_free char *source = at(from), *target = at(to);
    return kst_storage_cut(source, target, read_only, NULL);
}

static int discard(const char *name)
{
    kst_auto_free char *path = at(name);
    return kst_storage_remove(path, NULL);
}

static void enter(const char *parent)
{
    root = kst_asprintf("%s/kst-test-storage-XXXXXX", parent);
    assert_non_null(mkdtemp(root));
}

static void leave(void)
{
    assert_int_equal(rmdir(root), 0);
    free(kst_take(root));
}

/* Runs the steps on every file system there is; each leaves nothing. */
static void everywhere(void (*steps)(void))
{
    const char *folders[] = {getenv("TMPDIR"), getenv("KASSETTE_VOLUMES")};
    for (size_t i = 0; i < KST_ARRAY_LEN(folders); i++) {
        if (i > 0 && !folders[i])
            continue;
        enter(folders[i] ? folders[i] : "/tmp");
        steps();
        leave();
    }
}

/* What the processes in Pods and in the embedded cluster may do: without the rights of root. */
static void as_nobody(void (*steps)(void))
{
    enter("/tmp");
    assert_int_equal(geteuid() == 0 ? chown(root, NOBODY, NOBODY) : 0, 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
            _exit(3);
        steps();
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    leave();
    assert_int_equal(status, 0);
}

static void cut_steps(void)
{
    assert_int_equal(create("volume"), 0);
    assert_int_equal(create("volume"), KST_E_EXISTS);
    folder("volume/deep", 0750);
    folder("volume/deep/er", 0700);
    put("volume/data", "one", 0644);
    put("volume/empty", "", 0600);
    put("volume/deep/er/tool", "#!", 04711);
    kst_auto_free char *link = at("volume/link");
    assert_int_equal(symlink("/nowhere/../at all", link), 0);
    assert_int_equal(cut("volume", "cut", true), 0);
    assert_int_equal(cut("volume", "cut", true), KST_E_EXISTS);
    assert_int_equal(cut("nothing", "other", true), KST_E_NOT_FOUND);
    put("volume/data", "two", 0644);
    put("volume/later", "x", 0644);
    holds("cut/data", "one");
    holds("cut/empty", "");
    holds("cut/deep/er/tool", "#!");
    assert_false(is_there("cut/later"));
    assert_false(is_there("cut.partial"));
    char target[64] = "";
    kst_auto_free char *copied = at("cut/link");
    assert_int_equal(readlink(copied, target, sizeof(target) - 1), 18);
    assert_string_equal(target, "/nowhere/../at all");
    struct stat info;
    kst_auto_free char *tool = at("cut/deep/er/tool");
    assert_int_equal(stat(tool, &info), 0);
    assert_int_equal(info.st_mode & 07777, 04711);

    assert_int_equal(cut("cut", "restored", false), 0);
    put("restored/data", "three", 0644);
    holds("cut/data", "one");
    int64_t bytes = 0;
    kst_auto_free char *path = at("restored");
    assert_int_equal(kst_storage_used(path, &bytes, NULL), 0);
    assert_int_equal(bytes, 7);
    assert_int_equal(discard("volume"), 0);
    assert_int_equal(discard("volume"), 0);
    holds("cut/data", "one");
    assert_int_equal(discard("cut"), 0);
    holds("restored/data", "three");
    assert_int_equal(discard("restored"), 0);
    assert_false(is_there("restored"));
}

static void test_a_cut_is_apart_from_its_volume(void **state)
{
    everywhere(cut_steps);
}

static void times_steps(void)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000001}};
    assert_int_equal(create("volume"), 0);
    folder("volume/old", 0755);
    put("volume/old/file", "x", 0644);
    kst_auto_free char *file = at("volume/old/file"), *old = at("volume/old");
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
    assert_int_equal(cut("volume", "cut", false), 0);
    static const char *const names[] = {"cut/old/file", "cut/old"};
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++) {
        struct stat info;
        kst_auto_free char *path = at(names[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mtim.tv_sec, 1000000001);
    }
    assert_int_equal(discard("cut"), 0);
    assert_int_equal(discard("volume"), 0);
}

static void test_times_survive_the_cut(void **state)
{
    everywhere(times_steps);
}

/* What a killed copy left is no cut, and is in nobody's way. */
static void partial_steps(void)
{
    folder("volume", 0755);
    put("volume/data", "whole", 0644);
    folder("cut.partial", 0700);
    put("cut.partial/data", "wh", 0644);
    assert_int_equal(cut("volume", "cut", true), 0);
    holds("cut/data", "whole");
    assert_false(is_there("cut.partial"));
    assert_int_equal(discard("cut"), 0);
    assert_int_equal(discard("volume"), 0);
}

static void test_what_a_killed_copy_left(void **state)
{
    everywhere(partial_steps);
}

static void closed_folders_steps(void)
{
    folder("volume", 0755);
    folder("volume/closed", 0700);
    folder("volume/closed/deeper", 0700);
    put("volume/closed/deeper/file", "x", 0400);
    kst_auto_free char *deeper = at("volume/closed/deeper"), *closed = at("volume/closed");
    assert_int_equal(chmod(deeper, 0555), 0);
    assert_int_equal(chmod(closed, 0555), 0);
    assert_int_equal(cut("volume", "cut", false), 0);
    holds("cut/closed/deeper/file", "x");
    assert_int_equal(discard("cut"), 0);
    assert_int_equal(chmod(closed, 0), 0);
    assert_int_equal(discard("volume"), 0);
    assert_false(is_there("volume"));
}

static void test_closed_folders_are_copied_and_removed(void **state)
{
    as_nobody(closed_folders_steps);
}

/* A copy without what could not be read would be taken for a whole one. */
static void unreadable_steps(void)
{
    folder("volume", 0755);
    folder("volume/secret", 0);
    assert_int_equal(cut("volume", "cut", false), KST_E_IO);
    assert_false(is_there("cut"));
    assert_false(is_there("cut.partial"));
    assert_int_equal(discard("volume"), 0);
    folder("volume", 0755);
    put("volume/secret", "x", 0);
    assert_int_equal(cut("volume", "cut", false), KST_E_IO);
    assert_false(is_there("cut"));
    assert_int_equal(discard("volume"), 0);
}

static void test_unreadable_content_fails_the_copy(void **state)
{
    as_nobody(unreadable_steps);
}

static void test_names_lead_nowhere_else(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } rows[] = {
        {"pvc-0a1b", true}, {"snapshot-1", true},   {"a.b_c-D", true}, {"", false},
        {NULL, false},      {".", false},           {"..", false},     {".x", false},
        {"a/b", false},     {"../etc", false},      {"/etc", false},   {"a b", false},
        {"a\n", false},     {"caf\xc3\xa9", false},
    };
    char many[300];
    memset(many, 'a', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    assert_false(kst_storage_is_name(many));
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        char *path = NULL;
        kst_auto_err struct kst_err *err = NULL;
        int rc = kst_storage_path("/v", rows[i].name, &path, &err);
        assert_int_equal(rc, rows[i].valid ? 0 : KST_E_INVALID);
        assert_true(kst_storage_is_name(rows[i].name) == rows[i].valid);
        assert_true(kst_storage_owns("/v", path) == rows[i].valid);
        free(path);
    }
    static const char *const others[] = {"/v", "/v/", "/v/..", "/v/a/b", "/vv/a", "/w/a", "a", ""};
    for (size_t i = 0; i < KST_ARRAY_LEN(others); i++)
        assert_false(kst_storage_owns("/v", others[i]));
    assert_false(kst_storage_owns("/v", NULL));
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -1: none */
    } rows[] = {
        {"0", 0},      {"1", 1},          {"1Gi", 1 << 30}, {"500M", 500000000},
        {"1e3", 1000}, {"1.5Ki", 1536},   {"0.5", 1},       {"100m", 1},
        {"2E3", 2000}, {".5Gi", 1 << 29}, {"1k", 1000},     {"4Ei", 1LL << 62},
        {"5Ei", -1},   {"1e30", -1},      {"", -1},         {NULL, -1},
        {"-1", -1},    {"+1", -1},        {"Gi", -1},       {"1gi", -1},
        {"1 Gi", -1},  {"0x10", -1},      {"nan", -1},      {"1e", -1},
        {"inf", -1},   {"1Gi ", -1},      {"..", -1},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        int64_t bytes = -1;
        assert_true(kst_parse_size(rows[i].text, &bytes) == (rows[i].bytes >= 0));
        assert_int_equal(bytes, rows[i].bytes);
    }
}

static void test_sizes_as_kubernetes_writes_them(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0"},           {1, "1"},           {1024, "1Ki"},      {1500, "1500"},
        {10 << 20, "10Mi"}, {1LL << 60, "1Ei"}, {1LL << 62, "4Ei"}, {3LL << 29, "1536Mi"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *text = kst_storage_format_size(rows[i].bytes);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_faults(void **state)
{
    kst_auto_json struct kst_json *settings = kst_json_make(
        "{'cutDelayMs':'500','shop.db.cutDelayMs':'9','neverReady':'false','errorOnce':'',"
        "'readyDelayMs':'soon','errorForever':'no room','shop.db.errorForever':'false','n':7,"
        "'shop.neverProvisioned':'true','shop.db.neverProvisioned':'false'}");
    assert_int_equal(kst_storage_fault_ms(settings, "shop", "web", "cutDelayMs"), 500);
    assert_int_equal(kst_storage_fault_ms(settings, "shop", "db", "cutDelayMs"), 9);
    assert_int_equal(kst_storage_fault_ms(settings, NULL, NULL, "cutDelayMs"), 500);
    assert_int_equal(kst_storage_fault_ms(settings, "shop", "db", "readyDelayMs"), 0);
    assert_null(kst_storage_fault(settings, "shop", "db", "neverReady"));
    assert_null(kst_storage_fault(settings, "shop", "db", "errorOnce"));
    assert_null(kst_storage_fault(settings, "shop", "db", "n"));
    assert_null(kst_storage_fault(settings, "shop", "db", "errorForever"));
    assert_string_equal(kst_storage_fault(settings, "shop", "web", "errorForever"), "no room");
    assert_string_equal(kst_storage_fault(settings, "shop", "web", "neverProvisioned"), "true");
    assert_null(kst_storage_fault(settings, "shop", "db", "neverProvisioned"));
    assert_null(kst_storage_fault(settings, "shop-copy", "web", "neverProvisioned"));
    assert_null(kst_storage_fault(NULL, "shop", "web", "errorForever"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cut_is_apart_from_its_volume),
        cmocka_unit_test(test_times_survive_the_cut),
        cmocka_unit_test(test_what_a_killed_copy_left),
        cmocka_unit_test(test_closed_folders_are_copied_and_removed),
        cmocka_unit_test(test_unreadable_content_fails_the_copy),
        cmocka_unit_test(test_names_lead_nowhere_else),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sizes_as_kubernetes_writes_them),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
