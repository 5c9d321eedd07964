/* SPDX-License-Identifier: Apache-2.0 */
#include "git/library.h"

#include <stdarg.h>

#include <git2.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/walk.h"

static const int config_levels[] = {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_GLOBAL,
                                    GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_PROGRAMDATA};

enum { WINDOW_BYTES = 16 << 20, MAPPED_BYTES = 256 << 20, CACHE_BYTES = 16 << 20 };

int kst_git_init(struct kst_err **err)
{
    if (git_libgit2_init() < 0)
        return kst_git_failed(err, KST_E_FAILED, "cannot start libgit2");
    for (size_t i = 0; i < KST_ARRAY_LEN(config_levels); i++)
        git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, config_levels[i], "");
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 1);
    git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)WINDOW_BYTES);
    git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)MAPPED_BYTES);
    git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)CACHE_BYTES);
    /* The owner is checked by git because a repository's configuration can make it run programs.
     * libgit2 runs none, and a server's repository is often owned by somebody else. */
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    return 0;
}

void kst_git_exit(void)
{
    git_libgit2_shutdown();
}

int kst_git_failed(struct kst_err **err, int code, const char *format, ...)
{
    const git_error *last = git_error_last();
    kst_auto_free char *detail = kst_walk_shown(last && last->message ? last->message
                                                                      : "no reason is known");
    kst_auto_buf text = KST_BUF_INIT(4096);
    va_list args;

    va_start(args, format);
    kst_buf_addv(&text, format, args);
    va_end(args);
    return kst_err_set(err, code, "%s: %.500s", text.data, detail);
}
