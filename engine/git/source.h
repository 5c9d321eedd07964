/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: where blueprints are read from. A source is a commit of a Git repository (what a run
 * uses), a plain folder (what an author edits), or a table of files compiled into the program.
 * All three are read in the same way, with the same rules for paths.
 *
 * Nothing of a repository is ever checked out or executed: no hooks, no submodules, no filters, no
 * configuration but our own. A repository is fetched by a child process (this program again, with
 * the argument KST_SOURCE_HELPER) that is limited in time, memory and bytes, into a bare repository
 * under the cache folder, one for each URL. Files are read from there, blob by blob.
 *
 * Paths are relative to the source's root, with '/' between segments. Absolute paths, "..", ".",
 * empty segments, backslashes, control characters and NULs are refused (KST_E_INVALID). Symbolic
 * links are followed while they stay inside of the root, at most 8 in one path; others are
 * KST_E_INVALID with a message that says where they lead. Submodules are never entered.
 */
#ifndef KST_GIT_SOURCE_H
#define KST_GIT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_json;
struct kst_loop;
struct kst_source;

#define KST_SOURCE_HELPER "git-helper" /* argv[1] of the child process */

enum {
    KST_SOURCE_PATH_MAX = 1024,      /* bytes of a path */
    KST_SOURCE_LINKS_MAX = 8,        /* symbolic links followed in one path */
    KST_SOURCE_LIST_MAX = 1000,      /* paths in one list */
    KST_SOURCE_ENTRIES_MAX = 100000, /* entries of folders looked at for one list */
};

/* Texts that open a repository; all may be NULL, all are owned. */
struct kst_source_credentials {
    char *username;
    char *password;       /* or a token */
    char *ssh_key;        /* private key, PEM or OpenSSH format */
    char *ssh_passphrase; /* of that key */
    char *known_hosts;    /* as in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT" */
    char *ca;             /* PEM certificates that are trusted instead of the machine's */
};

/* Overwrites and frees what it holds, and leaves it empty. */
void kst_source_credentials_release(struct kst_source_credentials *self);
#define kst_auto_source_credentials \
    __attribute__((cleanup(kst_source_credentials_release))) struct kst_source_credentials
/* Sets one text by the key that it has in a Secret: "username", "password", "ssh-privatekey"
 * (kubernetes.io/ssh-auth; "identity" is the same), "ssh-passphrase", "known_hosts", "ca.crt"
 * ("caFile" is the same). Copied. KST_E_USAGE for another key, KST_E_INVALID for a text that cannot
 * be what the key says (empty, with a NUL, over 1 MiB, no PEM). */
int kst_source_credentials_set(struct kst_source_credentials *self, const char *key,
                               const char *text, size_t len, struct kst_err **err);
/* As above, from a file. Blocks on the file system. */
int kst_source_credentials_set_file(struct kst_source_credentials *self, const char *key,
                                    const char *path, struct kst_err **err);
/* From the `data` of a Secret (base64) of type kubernetes.io/basic-auth, kubernetes.io/ssh-auth or
 * Opaque; keys that are none of the above are ignored. KST_E_INVALID where there is nothing to use.
 */
int kst_source_credentials_from_secret(const struct kst_json *secret_data,
                                       struct kst_source_credentials *out, struct kst_err **err);
/* From a folder with one file a key, as a Secret is mounted. Blocks on the file system. */
int kst_source_credentials_from_dir(const char *dir, struct kst_source_credentials *out,
                                    struct kst_err **err);

struct kst_source_spec {
    const char *url;    /* path, file://, https://, http://, ssh://, git://, user@host:path */
    const char *ref;    /* branch, tag, full or short commit, refs/…; NULL: the remote's HEAD. A
                         * branch comes before a tag of the same name, both before a commit. */
    const char *path;   /* folder inside the repository that is the root; NULL: its top */
    const char *commit; /* pin, 40 hexadecimal digits: used whatever `ref` says; may be NULL */
    const struct kst_source_credentials *credentials; /* may be NULL */
    int64_t max_bytes;                                /* received for one fetch; 0: 64 MiB */
    int64_t max_objects;                              /* received for one fetch; 0: 100,000 */
    int64_t max_file_bytes;                           /* of one file that is read; 0: 1 MiB */
    int64_t timeout_ms;                               /* of the whole fetch; 0: 60 s */
    const char *helper; /* the program to run as the helper; NULL: this program */
};

/* Opens a commit of a repository: the pinned one where it is in the cache already (then no network
 * is used), else what is fetched. The source belongs to the caller. `cache_dir` is made where it is
 * absent; it may be shared by any number of processes; a cache that is broken is made anew.
 *
 * SSH host keys are always checked against the credentials' known_hosts, or without it against
 * ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts; HTTPS certificates always against the
 * credentials' CA or the machine's. An SSH key that is not given is asked of the ssh-agent, where
 * there is one. Proxies are taken from the environment (http_proxy, https_proxy, no_proxy).
 *
 * Yields. KST_E_UNREACHABLE (no server, an SSH host key or certificate that is not trusted),
 * KST_E_FORBIDDEN (credentials missing or refused), KST_E_NOT_FOUND (repository, ref, commit or
 * folder), KST_E_LIMIT, KST_E_TIMEOUT, KST_E_INVALID (URL, ref or path), KST_E_PROTOCOL,
 * KST_E_IO (the cache), KST_E_REFUSED (it is
 * somebody else's), KST_E_CANCELLED. */
int kst_source_open(struct kst_loop *loop, const struct kst_source_spec *spec,
                    const char *cache_dir, struct kst_source **out, struct kst_err **err);
/* Opens a folder of this machine, for authors. max_file_bytes: 0: 1 MiB. */
int kst_source_open_dir(const char *dir, int64_t max_file_bytes, struct kst_source **out,
                        struct kst_err **err);
/* A table of files sorted by path (strcmp), which is borrowed and outlives the source; the layout
 * is that of struct kst_embedded_file (engine/lua). `prefix` ("blueprints", or NULL) is the root.
 */
struct kst_source_file {
    const char *path;
    const unsigned char *data;
    size_t size;
};
struct kst_source *kst_source_open_table(const struct kst_source_file *files, size_t count,
                                         const char *prefix);
/* NULL is allowed. */
void kst_source_free(struct kst_source *self);

/* Borrowed. The commit is 40 hexadecimal digits, NULL for a folder or a table ("dirty"). The URL
 * never shows credentials; it is the absolute path of a folder and NULL for a table. The ref is
 * what the commit was found by ("refs/heads/main"), NULL where that is unknown (a pin). The root is
 * the normalised `path`, "" for the top. */
const char *kst_source_commit(const struct kst_source *self);
const char *kst_source_url(const struct kst_source *self);
const char *kst_source_ref(const struct kst_source *self);
const char *kst_source_root(const struct kst_source *self);

/* Appends the file's bytes to `text`. Reads the local disk only. KST_E_NOT_FOUND, KST_E_INVALID
 * (path, link, folder, submodule), KST_E_LIMIT (file or buffer), KST_E_IO. */
int kst_source_read(struct kst_source *self, const char *path, struct kst_buf *text,
                    struct kst_err **err);
/* The files whose path matches a pattern of segments (fnmatch(3) each, no leading dots), such as
 * KST_SOURCE_BLUEPRINTS, as a sorted JSON array of strings that the caller frees. What is no
 * readable file (a link that leaves the root, a submodule) is left out. KST_E_LIMIT beyond
 * KST_SOURCE_LIST_MAX. */
#define KST_SOURCE_BLUEPRINTS "*/blueprint.lua"
int kst_source_list(struct kst_source *self, const char *pattern, struct kst_json **paths,
                    struct kst_err **err);

/* The URL without anything secret in it: with "***" for what stands before the "@"; the user of an
 * SSH URL stays. For texts that are no URL too. The caller frees it. */
char *kst_source_url_redacted(const char *url);

/* What main() calls, and returns, when argv[1] is KST_SOURCE_HELPER: reads a request from stdin,
 * fetches, and writes the outcome to stdout. Blocks; ends itself at the request's deadline. */
int kst_source_helper_main(void);

#endif
