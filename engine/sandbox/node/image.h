/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which program of this machine an image's name stands for: the sandbox pulls nothing, it runs what
 * is installed. Built in are shells (busybox, alpine, debian, ubuntu), pause, PostgreSQL, MariaDB,
 * Redis and this very program (engine/sandbox/images/images.json); a file adds more:
 *
 *   {"images": [{
 *     "match": "(^|/)nginx(:|@|$)",        PCRE2, on the image's name; the last match counts
 *     "name": "nginx",                     for messages
 *     "entrypoint": ["nginx"], "cmd": ["-g", "daemon off;"],
 *     "env": ["K=V"],
 *     "path": ["/opt/nginx-*"],            before PATH; of several the version that the tag names,
 *                                          else the latest
 *     "working_dir": "/", "stop_signal": "SIGQUIT", "user": 101,
 *     "files": {"/entrypoint": "nginx.sh"}, bound read-only; a relative one is beside
 *                                          the file
 *     "volumes": ["/var/cache/nginx"],     directories that it writes to
 *     "host_network": true,                it speaks to the API server
 *     "requires": ["nginx"],               programs that must be there
 *     "package": "nginx"                   what to install where one is not
 *   }]}
 */
#ifndef KST_SANDBOX_NODE_IMAGE_H
#define KST_SANDBOX_NODE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_err;
struct kst_images;

struct kst_image_file {
    const char *path;   /* in the container */
    const char *source; /* on this machine: to be bound read-only */
};

struct kst_image {
    const char *name;
    const char *const *entrypoint, *const *cmd; /* ended by NULL, as all of these lists */
    const char *const *env;                     /* with a PATH */
    const char *const *volumes; /* each an empty directory where nothing is mounted there */
    const char *working_dir;    /* NULL: "/" */
    const char *stop_signal;    /* NULL: SIGTERM */
    const struct kst_image_file *files;
    size_t nfiles;
    int64_t user;      /* -1: not set */
    bool host_network; /* a Pod with it has this machine's, whatever its spec says */
};

/* The built-in ones. */
int kst_images_new(struct kst_images **out, struct kst_err **err);
/* Where their private folder is to be made; in the directory for temporary files otherwise. */
void kst_images_set_base(struct kst_images *self, const char *dir);
/* Adds those of a file, which count before all that were there. KST_E_USAGE with the file and the
 * place of a mistake (then nothing is added); KST_E_NOT_FOUND and KST_E_IO for the file itself. */
int kst_images_load(struct kst_images *self, const char *path, struct kst_err **err);
/* What stands for the image; borrowed. KST_E_NOT_FOUND for an unknown image, with what is known and
 * how to add one; also where a program that it needs is not on this machine, with what to install.
 * Files of built-in images are written to a private folder at the first need. KST_E_IO. */
int kst_images_find(const struct kst_images *self, const char *image, const struct kst_image **out,
                    struct kst_err **err);
/* Also removes the private folder: nothing may run from it any more. NULL is allowed. */
void kst_images_free(struct kst_images *self);

#endif
