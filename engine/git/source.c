/* SPDX-License-Identifier: Apache-2.0 */
#include "git/source.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "git/request.h"
#include "git/session.h"
#include "git/tree.h"
#include "git/url.h"
#include "loop/child.h"

enum { DEFAULT_FILE_BYTES = 1 << 20, GRACE_MS = 5000, ERRORS_MAX = 16 << 10 };

struct kst_source {
    struct kst_walk walk;
    size_t max_file_bytes;
    char *commit, *url, *ref, *root;
};

void kst_source_free(struct kst_source *self)
{
    if (!self)
        return;
    kst_walk_release(&self->walk);
    free(self->commit);
    free(self->url);
    free(self->ref);
    free(self->root);
    free(self);
}

const char *kst_source_commit(const struct kst_source *self)
{
    return self->commit;
}

const char *kst_source_url(const struct kst_source *self)
{
    return self->url;
}

const char *kst_source_ref(const struct kst_source *self)
{
    return self->ref;
}

const char *kst_source_root(const struct kst_source *self)
{
    return self->root;
}

/* Says which source a message about a path is about. */
static int in_source(const struct kst_source *self, int code, struct kst_err **err)
{
    if (code < 0 && self->commit)
        kst_err_wrap(err, code, "Git source %s at %.12s", self->url, self->commit);
    else if (code < 0 && self->url)
        kst_err_wrap(err, code, "folder %s", self->url);
    else if (code < 0)
        kst_err_wrap(err, code, "built-in blueprints");
    return code;
}

int kst_source_read(struct kst_source *self, const char *path, struct kst_buf *text,
                    struct kst_err **err)
{
    struct kst_walk_node node = {0};
    int code = kst_walk_check(path, false, err);
    if (code == 0)
        code = kst_walk_resolve(&self->walk, path, &node, err);
    if (code < 0)
        return in_source(self, code, err);
    if (node.kind == KST_WALK_FILE)
        code = self->walk.ops->read(self->walk.tree, &node, path, self->max_file_bytes, text, err);
    else
        code = kst_err_set(err, KST_E_INVALID, "path '%s' is a folder, not a file", path);
    self->walk.ops->close(self->walk.tree, &node);
    return in_source(self, code, err);
}

int kst_source_list(struct kst_source *self, const char *pattern, struct kst_json **paths,
                    struct kst_err **err)
{
    return in_source(self, kst_walk_list(&self->walk, pattern, paths, err), err);
}

int kst_source_open_dir(const char *dir, int64_t max_file_bytes, struct kst_source **out,
                        struct kst_err **err)
{
    struct kst_walk walk = {0};
    int code = kst_tree_of_dir(dir, &walk, err);
    if (code < 0)
        return code;
    struct kst_source *self = kst_calloc(1, sizeof(*self));
    self->walk = walk;
    self->max_file_bytes = max_file_bytes > 0 ? (size_t)max_file_bytes : DEFAULT_FILE_BYTES;
    char *absolute = realpath(dir, NULL);
    self->url = absolute ? absolute : kst_strdup(dir);
    self->root = kst_strdup("");
    *out = self;
    return 0;
}

struct kst_source *kst_source_open_table(const struct kst_source_file *files, size_t count,
                                         const char *prefix)
{
    struct kst_source *self = kst_calloc(1, sizeof(*self));
    kst_tree_of_table(files, count, prefix, &self->walk);
    self->max_file_bytes = SIZE_MAX;
    self->root = kst_strdup("");
    return self;
}

/* What the helper left behind instead of an answer: it was ended, or died. */
static int helper_died(const char *shown, int status, const struct kst_buf *errors,
                       struct kst_err **err)
{
    kst_auto_free char *said = kst_walk_shown(errors->data);
    kst_auto_free char *safe = kst_log_redact(said);
    size_t len = strlen(safe);
    const char *tail = len > 300 ? safe + len - 300 : safe;
    int code = kst_err_set(err, status > 128 ? KST_E_LIMIT : KST_E_FAILED,
                           "Git source %s: the helper process ended with status %d%s%s", shown,
                           status, len ? ": " : "", tail);
    if (status > 128)
        kst_err_hint(err, "it may have reached a limit of memory or processor time; is the "
                          "repository very large?");
    return code;
}

static int run_helper(struct kst_loop *loop, const struct kst_git_request *request,
                      const char *helper, const char *shown, struct kst_git_answer *answer,
                      struct kst_err **err)
{
    const char *const argv[] = {helper ? helper : "/proc/self/exe", KST_SOURCE_HELPER, NULL};
    struct kst_buf input = KST_BUF_INIT(KST_GIT_REQUEST_MAX);
    kst_auto_buf output = KST_BUF_INIT(KST_GIT_ANSWER_MAX);
    kst_auto_buf errors = KST_BUF_INIT(ERRORS_MAX);
    kst_auto_err struct kst_err *why = NULL;
    int status = 0;

    int code = kst_git_request_print(request, &input, err);
    if (code == 0) {
        struct kst_child_request child = {
            .argv = argv,
            .input = input.data,
            .input_len = input.len,
            .timeout_ms = request->timeout_ms + GRACE_MS,
        };
        code = kst_child_run(loop, &child, &output, &errors, &status, err);
        if (code < 0)
            kst_err_wrap(err, code, "Git source %s", shown);
    }
    kst_git_text_release(&input);
    if (code < 0)
        return code;
    code = kst_git_answer_parse(output.data, output.len, answer, &why);
    if (code == KST_E_PARSE)
        return helper_died(shown, status, &errors, err);
    return code < 0 ? kst_err_move(err, &why) : 0;
}

static int check_spec(const struct kst_source_spec *spec, const char *shown, struct kst_err **err)
{
    const char *pin = spec->commit;
    if (pin && *pin && (strlen(pin) != 40 || !kst_git_is_hex(pin))) {
        kst_err_set(err, KST_E_INVALID,
                    "Git source %s: '%.60s' is not a commit: expected 40 "
                    "hexadecimal digits",
                    shown, pin);
        kst_err_hint(err, "see them with: git rev-parse COMMIT");
        return KST_E_INVALID;
    }
    kst_auto_err struct kst_err *why = NULL;
    if (spec->path && kst_walk_check(spec->path, true, &why) < 0) {
        kst_err_wrap(&why, kst_err_code(why), "Git source %s", shown);
        return kst_err_move(err, &why);
    }
    return 0;
}

/* "a/b/" is the same folder as "a/b". */
static char *normal_path(const char *path)
{
    size_t len = path ? strlen(path) : 0;
    return kst_strndup(path ? path : "", len && path[len - 1] == '/' ? len - 1 : len);
}

static int open_answer(const struct kst_git_answer *answer, struct kst_source *self,
                       struct kst_err **err)
{
    int code = kst_tree_of_commit(answer->repository, answer->commit, &self->walk, err);
    if (code == 0)
        code = kst_walk_enter(&self->walk, self->root, err);
    if (code == KST_E_NOT_FOUND)
        kst_err_hint(err, "the source's path names the folder of the repository that holds the "
                          "blueprints' folders");
    return in_source(self, code, err);
}

int kst_source_open(struct kst_loop *loop, const struct kst_source_spec *spec,
                    const char *cache_dir, struct kst_source **out, struct kst_err **err)
{
    struct kst_git_request request;
    struct kst_git_answer answer = {0};
    kst_auto_git_url url = {0};

    int code = kst_git_url_parse(spec->url ? spec->url : "", &url, err);
    if (code == 0)
        code = check_spec(spec, url.shown, err);
    if (code < 0)
        return code;
    bool password = url.password || (spec->credentials && spec->credentials->password);
    if (password && url.transport == KST_GIT_HTTP)
        kst_log(KST_LOG_WARN, "the password of a Git source is sent over http:// unprotected",
                "url", url.shown, NULL);
    struct kst_source *self = kst_calloc(1, sizeof(*self));
    kst_git_request_init(&request, spec, cache_dir);
    self->url = kst_strdup(url.shown);
    self->root = normal_path(spec->path);
    self->max_file_bytes = (size_t)request.max_file_bytes;
    free(request.path);
    request.path = *self->root ? kst_strdup(self->root) : NULL;
    for (char *c = request.commit; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    code = run_helper(loop, &request, spec->helper, url.shown, &answer, err);
    if (code == 0) {
        self->commit = kst_take(answer.commit);
        self->ref = kst_take(answer.ref);
        answer.commit = kst_strdup(self->commit);
        code = open_answer(&answer, self, err);
    }
    kst_git_answer_release(&answer);
    kst_git_request_release(&request);
    if (code < 0)
        kst_source_free(self);
    else
        *out = self;
    return code;
}
