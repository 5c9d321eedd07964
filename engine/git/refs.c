/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the server's refs a request means. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/session.h"
#include "git/walk.h"

enum { REF_MAX = 250, NEAR_MAX = 5, SHORT_MIN = 4, FULL = 40 };

bool kst_git_is_hex(const char *text)
{
    return *text && text[strspn(text, "0123456789abcdefABCDEF")] == 0;
}

void kst_git_want_release(struct kst_git_want *self)
{
    free(self->name);
    *self = (struct kst_git_want){0};
}

static const git_remote_head *find_name(const git_remote_head **heads, size_t count,
                                        const char *prefix, const char *name)
{
    size_t len = strlen(prefix);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(heads[i]->name, prefix, len) == 0 && strcmp(heads[i]->name + len, name) == 0)
            return heads[i];
    }
    return NULL;
}

static const git_remote_head *find_commit(const git_remote_head **heads, size_t count,
                                          const char *commit)
{
    char text[GIT_OID_HEXSZ + 1];
    for (size_t i = 0; i < count; i++) {
        git_oid_tostr(text, sizeof(text), &heads[i]->oid);
        bool ours = strncmp(heads[i]->name, "refs/heads/", 11) == 0 ||
                    strncmp(heads[i]->name, "refs/tags/", 10) == 0;
        /* "refs/tags/x^{}" is what an annotated tag leads to; it cannot be asked for. */
        if (ours && !strchr(heads[i]->name, '^') && strcasecmp(text, commit) == 0)
            return heads[i];
    }
    return NULL;
}

/* Levenshtein's distance, of names that are at most REF_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[REF_MAX + 1], len = strlen(b);
    if (strlen(a) > REF_MAX || len > REF_MAX)
        return REF_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t cost = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = cost < row[j] + 1 ? cost : row[j] + 1;
            if (row[j - 1] + 1 < row[j])
                row[j] = row[j - 1] + 1;
        }
    }
    return row[len];
}

static const char *short_name(const char *name)
{
    if (strncmp(name, "refs/heads/", 11) == 0)
        return name + 11;
    if (strncmp(name, "refs/tags/", 10) == 0 && !strchr(name, '^'))
        return name + 10;
    return NULL;
}

/* The names nearest to `ref`, "a, b, c"; NULL where the server has none. */
static char *near_names(const git_remote_head **heads, size_t count, const char *ref)
{
    const char *best[NEAR_MAX] = {0};
    size_t scores[NEAR_MAX], used = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = short_name(heads[i]->name);
        size_t score = name ? distance(ref, name) : 0, at = used;
        if (!name)
            continue;
        while (at > 0 && scores[at - 1] > score)
            at--;
        if (at == NEAR_MAX)
            continue;
        if (used < NEAR_MAX)
            used++;
        for (size_t j = used - 1; j > at; j--) {
            best[j] = best[j - 1];
            scores[j] = scores[j - 1];
        }
        best[at] = name;
        scores[at] = score;
    }
    kst_auto_buf text = KST_BUF_INIT(NEAR_MAX * (REF_MAX + 64));
    for (size_t i = 0; i < used; i++)
        kst_buf_addf(&text, "%s%.*s", i ? ", " : "", REF_MAX, best[i]);
    kst_auto_free char *raw = kst_buf_take(&text);
    return used ? kst_walk_shown(raw) : NULL;
}

static int no_ref(struct kst_git_session *self, const git_remote_head **heads, size_t count,
                  struct kst_err **err)
{
    const char *ref = self->request->ref;
    kst_auto_free char *names = near_names(heads, count, ref);
    kst_auto_free char *shown = kst_walk_shown(ref);
    kst_err_set(err, KST_E_NOT_FOUND, "Git source %s has no branch, tag or commit '%s'",
                self->url.shown, shown);
    kst_err_reason(err, "RefNotFound");
    if (names)
        kst_err_hint(err, "the nearest names there are: %s", names);
    else
        kst_err_hint(err, "the repository is empty: push a commit to it first");
    return KST_E_NOT_FOUND;
}

static int check_ref(struct kst_git_session *self, struct kst_err **err)
{
    const char *ref = self->request->ref;
    kst_auto_free char *full = kst_asprintf("refs/heads/%s", ref);
    int valid = 0;
    if (strlen(ref) <= REF_MAX && *ref != '-' && git_reference_name_is_valid(&valid, full) == 0 &&
        valid)
        return 0;
    kst_auto_free char *shown = kst_walk_shown(ref);
    kst_err_set(err, KST_E_INVALID, "Git source %s: '%.*s' is not a valid name of a branch or tag",
                self->url.shown, REF_MAX, shown);
    kst_err_hint(err, "give a branch, a tag or a commit, without ^, ~ or :");
    return KST_E_INVALID;
}

int kst_git_choose(struct kst_git_session *self, const git_remote_head **heads, size_t count,
                   struct kst_git_want *out, struct kst_err **err)
{
    static const char *const prefixes[] = {"refs/heads/", "refs/tags/", ""};
    const struct kst_git_request *request = self->request;
    const git_remote_head *head = NULL;

    *out = (struct kst_git_want){0};
    if (request->commit) {
        head = find_commit(heads, count, request->commit);
        out->name = head ? kst_strdup(head->name) : NULL;
        out->complete = true;
        return 0;
    }
    if (!request->ref || strcmp(request->ref, "HEAD") == 0) {
        head = find_name(heads, count, "", "HEAD");
        if (!head) {
            kst_err_set(err, KST_E_NOT_FOUND,
                        "Git source %s is empty, or its HEAD names a branch that is not there",
                        self->url.shown);
            kst_err_hint(err, "push a commit to it, or name a branch (ref)");
            return KST_E_NOT_FOUND;
        }
        out->name = kst_strdup("HEAD");
        return 0;
    }
    int code = check_ref(self, err);
    if (code < 0)
        return code;
    size_t len = strlen(request->ref);
    for (size_t i = 0; i < KST_ARRAY_LEN(prefixes) && !head; i++) {
        /* A bare name stands for a branch or tag only; "refs/…" for itself. */
        if (*prefixes[i] || strncmp(request->ref, "refs/", 5) == 0)
            head = find_name(heads, count, prefixes[i], request->ref);
    }
    if (!head && kst_git_is_hex(request->ref) && len >= SHORT_MIN && len <= FULL) {
        out->complete = len == FULL;
        out->prefix = len < FULL;
        head = out->complete ? find_commit(heads, count, request->ref) : NULL;
    } else if (!head) {
        return no_ref(self, heads, count, err);
    }
    out->name = head ? kst_strdup(head->name) : NULL;
    return 0;
}
