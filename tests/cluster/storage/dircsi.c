/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage of the real cluster: dircsi --volumes DIR --cuts FILE [--ready FILE]. It makes the
 * last one when it has seen all that there is, and runs until it is ended by SIGTERM; README.md in
 * the folder above says what it answers to.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "kube/client.h"
#include "kube/config.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "sandbox/storage/csi.h"
#include "sandbox/storage/storage.h"

struct wishes {
    struct kst_loop *loop;
    const char *volumes, *cuts, *ready;
};

static int write_ready_file(const char *path, struct kst_err **err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return kst_err_set(err, KST_E_IO, "%s: %s", path, strerror(errno));
    close(fd);
    return 0;
}

static int run(void *arg, struct kst_err **err)
{
    struct wishes *wishes = arg;
    const struct kst_kube_config_options options = {0};
    struct kst_kube_config *config = NULL;
    struct kst_csi *csi = NULL;
    int rc = kst_kube_config_load(&options, &config, err);
    if (rc < 0)
        return rc;
    struct kst_kube *kube = kst_kube_new(wishes->loop, config);
    const struct kst_csi_options storage = {
        .kube = kube, .volumes = wishes->volumes, .cuts_log = wishes->cuts};
    rc = kst_csi_new(&storage, &csi, err);
    if (rc == 0)
        kst_log(KST_LOG_INFO, "storage started", "volumes", wishes->volumes, "cuts",
                kst_storage_is_atomic(wishes->volumes) ? "atomic (btrfs)" : "copies", NULL);
    if (rc == 0 && wishes->ready)
        rc = write_ready_file(wishes->ready, err);
    while (rc == 0)
        rc = kst_sleep_ms(60 * 60 * 1000, err);
    kst_csi_free(csi);
    kst_kube_free(kube);
    kst_kube_config_free(config);
    return rc;
}

/* Nothing is kept in memory that matters: the end may come at any time. */
static void end(int signal_number)
{
    _exit(0);
}

int main(int argc, char **argv)
{
    struct wishes wishes = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--volumes") == 0)
            wishes.volumes = argv[i + 1];
        else if (strcmp(argv[i], "--cuts") == 0)
            wishes.cuts = argv[i + 1];
        else if (strcmp(argv[i], "--ready") == 0)
            wishes.ready = argv[i + 1];
    }
    if (!wishes.volumes || !wishes.cuts) {
        fprintf(stderr, "usage: dircsi --volumes DIR --cuts FILE [--ready FILE]\n");
        return 2;
    }
    signal(SIGTERM, end);
    signal(SIGINT, end);
    kst_http_global_init();
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_loop_new(&wishes.loop, &err);
    if (rc == 0)
        rc = kst_loop_run(wishes.loop, "dircsi", run, &wishes, &err);
    fprintf(stderr, "dircsi: %s\n", kst_err_message(err));
    return rc < 0;
}
