/* SPDX-License-Identifier: Apache-2.0 */
/* Match rules that take nothing, and blueprints that take the same workloads: a workload that two
 * of them take is refused (bind.h). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/regex.h"
#include "base/sample.h"
#include "lua/lint_internal.h"

static const char *const kinds[] = {"StatefulSet", "Deployment", "DaemonSet", "Pod", NULL};
static const char image_letters[] =
    "abcdefghijklmnopqrstuvwxyz0123456789-._/:@ABCDEFGHIJKLMNOPQRSTUVWXYZ+";
static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";

static void tell(struct kst_json *findings, const struct kst_lint_blueprint *blueprint,
                 const char *severity, const char *message, const char *hint)
{
    if (!blueprint->is_allowed)
        kst_lint_tell_at(findings, blueprint->path, blueprint->match_at, severity,
                         "unreachable-match", message, hint);
}

static bool is_usual(const char *kind)
{
    for (const char *const *at = kinds; *at; at++) {
        if (strcmp(*at, kind) == 0)
            return true;
    }
    return false;
}

/* Other kinds than the usual ones are looked for where the rule has one, and its apiVersion. */
static void check_kind(struct kst_json *findings, const struct kst_lint_blueprint *blueprint,
                       const char *kind, bool is_alone)
{
    const struct kst_json *match = kst_json_get(blueprint->json, "match");
    if (is_usual(kind) || (is_alone && kst_json_path_str(match, "api_version")))
        return;
    const char *near = kst_near_name(kind, kinds);
    kst_auto_free char *message = kst_asprintf("match: no workload is of kind '%s'%s", kind,
                                               near ? "" : " alone");
    kst_auto_free char *hint =
        near ? kst_asprintf("did you mean '%s'?", near)
             : kst_strdup("a custom resource needs its api_version = \"group/version\", and one "
                          "kind; other workloads are StatefulSet, Deployment, DaemonSet and Pod");
    tell(findings, blueprint, "error", message, hint);
}

static void check_kinds(struct kst_json *findings, const struct kst_lint_blueprint *blueprint)
{
    const struct kst_json *kind = kst_json_path(blueprint->json, "match.kind");
    const char *alone = kst_json_str(kind),
               *version = kst_json_path_str(blueprint->json, "match.api_version");
    if (alone)
        check_kind(findings, blueprint, alone, true);
    for (const struct kst_json *row = kst_json_first(kind); row; row = kst_json_next(row)) {
        if (kst_json_str(row))
            check_kind(findings, blueprint, kst_json_str(row), false);
    }
    if (alone && version && is_usual(alone) &&
        strcmp(version, strcmp(alone, "Pod") == 0 ? "v1" : "apps/v1") != 0) {
        kst_auto_free char *message = kst_asprintf("match: no %s has api_version '%s'", alone,
                                                   version);
        tell(findings, blueprint, "error", message,
             strcmp(alone, "Pod") == 0 ? "it is v1" : "it is apps/v1");
    }
}

/* A byte that everything holds which the pattern matches, and nothing that it is matched with. */
static bool is_out_of(const struct kst_json *samples, const char *letters)
{
    for (const struct kst_json *row = kst_json_first(samples); row; row = kst_json_next(row)) {
        const char *text = kst_json_str(row);
        if (text[strspn(text, letters)] == '\0')
            return false;
    }
    return kst_json_len(samples) > 0;
}

static void check_pattern(struct kst_json *findings, const struct kst_lint_blueprint *blueprint,
                          const char *field, const char *letters, const char *what)
{
    kst_auto_free char *path = kst_asprintf("match.%s", field);
    const char *pattern = kst_json_path_str(blueprint->json, path);
    kst_auto_json struct kst_json *samples = NULL;
    if (!pattern || !kst_regex_samples(pattern, letters, &samples) || !is_out_of(samples, letters))
        return;
    kst_auto_free char *message = kst_asprintf("match: %s '%s' takes no %s: none has such letters",
                                               field, pattern, what);
    tell(findings, blueprint, "error", message, NULL);
}

/* ---- of two blueprints ---- */

static bool has(const struct kst_json *names, const char *name)
{
    if (kst_json_str(names))
        return strcmp(kst_json_str(names), name) == 0;
    for (const struct kst_json *row = kst_json_first(names); row; row = kst_json_next(row)) {
        if (kst_json_str(row) && strcmp(kst_json_str(row), name) == 0)
            return true;
    }
    return false;
}

/* Whether all (or, with `any`, one) that `few` allows is allowed by `many`. */
static bool allows(const struct kst_json *many, const struct kst_json *few, bool any)
{
    if (!many || !few)
        return !many || any;
    if (kst_json_str(few))
        return has(many, kst_json_str(few));
    for (const struct kst_json *row = kst_json_first(few); row; row = kst_json_next(row)) {
        bool found = kst_json_str(row) && has(many, kst_json_str(row));
        if (found == any)
            return any;
    }
    return !any;
}

static bool is_same_or_absent(const struct kst_json *a, const struct kst_json *b)
{
    return !a || (b && kst_json_equal(a, b));
}

/* Whether every workload that b takes is taken by a, too. */
static bool covers(const struct kst_json *a, const struct kst_json *b)
{
    const struct kst_json *a_labels = kst_json_get(a, "labels"),
                          *b_labels = kst_json_get(b, "labels");
    return allows(kst_json_get(a, "kind"), kst_json_get(b, "kind"), false) &&
           allows(kst_json_get(a, "api_version"), kst_json_get(b, "api_version"), false) &&
           is_same_or_absent(kst_json_get(a, "image"), kst_json_get(b, "image")) &&
           is_same_or_absent(kst_json_get(a, "name"), kst_json_get(b, "name")) &&
           (!a_labels || (b_labels && kst_json_has_all(b_labels, a_labels)));
}

/* An image of which both patterns say that it is theirs; the caller frees it. */
static char *common_image(const char *a, const char *b)
{
    struct kst_regex *left = NULL, *right = NULL;
    char *image = kst_regex_new(a, strlen(a), 0, &left, NULL) == 0 &&
                          kst_regex_new(b, strlen(b), 0, &right, NULL) == 0
                      ? kst_lint_image(b, left)
                      : NULL;
    kst_regex_free(left);
    kst_regex_free(right);
    return image;
}

static void compare(struct kst_json *findings, const struct kst_lint_blueprint *first,
                    const struct kst_lint_blueprint *second)
{
    const struct kst_json *a = kst_json_get(first->json, "match");
    const struct kst_json *b = kst_json_get(second->json, "match");
    const char *a_image = kst_json_path_str(a, "image"), *b_image = kst_json_path_str(b, "image");
    const char *name = kst_json_path_str(first->json, "name");
    kst_auto_free char *message = NULL;
    if (covers(a, b)) {
        message = kst_asprintf("match: every workload that it takes is taken by blueprint %s (%s), "
                               "too",
                               name, first->path);
        tell(findings, second, "error", message,
             "what two blueprints take is refused: make one of the rules narrower");
        return;
    }
    if (!a_image || !b_image || kst_json_get(a, "labels") || kst_json_get(b, "labels") ||
        kst_json_get(a, "name") || kst_json_get(b, "name") ||
        !allows(kst_json_get(a, "kind"), kst_json_get(b, "kind"), true))
        return;
    kst_auto_free char *image = common_image(a_image, b_image);
    if (!image)
        return;
    message = kst_asprintf("match: image %s is taken by blueprint %s (%s), too", image, name,
                           first->path);
    tell(findings, second, "warning", message,
         "what two blueprints take is refused: make one of the rules narrower");
}

static void check_name(struct kst_json *findings, const struct kst_lint_blueprint *first,
                       const struct kst_lint_blueprint *second)
{
    const char *name = kst_json_path_str(first->json, "name");
    if (!name || strcmp(name, kst_json_path_str(second->json, "name")) != 0)
        return;
    kst_auto_free char *message = kst_asprintf("its name '%s' is that of %s", name, first->path);
    kst_lint_tell_at(findings, second->path, (struct kst_place){1, 1}, "error", "same-name",
                     message, "a workload asks for a blueprint by its name");
}

void kst_lint_match(struct kst_lint *self, struct kst_json *findings)
{
    for (const struct kst_lint_blueprint *at = self->blueprints; at; at = at->next) {
        check_kinds(findings, at);
        check_pattern(findings, at, "image", image_letters, "image");
        check_pattern(findings, at, "name", name_letters, "name of a workload");
        for (const struct kst_lint_blueprint *before = self->blueprints; before != at;
             before = before->next) {
            check_name(findings, before, at);
            if (kst_json_get(before->json, "match") && kst_json_get(at->json, "match"))
                compare(findings, before, at);
        }
    }
}

/* ---- images ---- */

/* A sample as an image's name, which has a tag or none, and a registry before its '/'. */
static char *as_image(const char *sample)
{
    size_t len = strlen(sample);
    char last = len ? sample[len - 1] : '\0';
    return kst_asprintf("%s%s%s", *sample == '/' ? "library" : "", sample,
                        last == ':'   ? "latest"
                        : last == '@' ? "sha256:"
                                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b78"
                                        "52b855"
                                      : "");
}

char *kst_lint_image(const char *pattern, const struct kst_regex *also)
{
    kst_auto_json struct kst_json *samples = NULL;
    struct kst_regex *regex = NULL;
    char *found = NULL;
    if (kst_regex_new(pattern, strlen(pattern), 0, &regex, NULL) < 0)
        return NULL;
    kst_regex_samples(pattern, image_letters, &samples);
    for (const struct kst_json *row = kst_json_first(samples); row && !found;
         row = kst_json_next(row)) {
        bool is_own = false, is_other = true;
        kst_auto_free char *image = as_image(kst_json_str(row));
        bool is_image = *image && image[strspn(image, image_letters)] == '\0';
        if (is_image && kst_regex_test(regex, image, &is_own, NULL) == 0 && is_own &&
            (!also || kst_regex_test(also, image, &is_other, NULL) == 0) && is_other)
            found = kst_take(image);
    }
    kst_regex_free(regex);
    return found;
}
