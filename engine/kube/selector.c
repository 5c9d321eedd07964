/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/selector.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

enum { MAX_SELECTOR_BYTES = 64 * 1024 };

static void add_expression(struct kst_buf *out, const char *key, const char *operator,
                           const struct kst_json * values)
{
    kst_buf_addf(out, "%s%s %s (", out->len ? "," : "", key, operator);
    const char *comma = "";
    for (const struct kst_json *value = kst_json_first(values); value;
         value = kst_json_next(value)) {
        kst_buf_addf(out, "%s%s", comma, kst_json_str(value) ? kst_json_str(value) : "");
        comma = ",";
    }
    kst_buf_addc(out, ')');
}

static int add_row(struct kst_buf *out, const struct kst_json *row, struct kst_err **err)
{
    const char *key = kst_json_path_str(row, "key");
    const char *operator= kst_json_path_str(row, "operator");
    if (!key || !operator)
        return kst_err_set(err, KST_E_INVALID, "a selector's expression has no key or operator");
    if (strcmp(operator, "In") == 0)
        add_expression(out, key, "in", kst_json_get(row, "values"));
    else if (strcmp(operator, "NotIn") == 0)
        add_expression(out, key, "notin", kst_json_get(row, "values"));
    else if (strcmp(operator, "Exists") == 0)
        kst_buf_addf(out, "%s%s", out->len ? "," : "", key);
    else if (strcmp(operator, "DoesNotExist") == 0)
        kst_buf_addf(out, "%s!%s", out->len ? "," : "", key);
    else
        return kst_err_set(
            err, KST_E_INVALID,
            "selector: expected operator In, NotIn, Exists or DoesNotExist, found %s", operator);
    return 0;
}

int kst_selector_text(const struct kst_json *selector, char **out, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MAX_SELECTOR_BYTES);
    const struct kst_json *labels = kst_json_get(selector, "matchLabels");
    const struct kst_json *rows = kst_json_get(selector, "matchExpressions");
    if (!labels && !rows)
        labels = selector;
    for (const struct kst_json *label = kst_json_first(labels); label;
         label = kst_json_next(label)) {
        if (kst_json_key(label) && kst_json_str(label))
            kst_buf_addf(&text, "%s%s=%s", text.len ? "," : "", kst_json_key(label),
                         kst_json_str(label));
    }
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        int rc = add_row(&text, row, err);
        if (rc < 0)
            return rc;
    }
    if (text.len == 0)
        return kst_err_set(err, KST_E_INVALID, "the selector is empty and would select everything");
    int rc = kst_buf_check(&text, "the selector", err);
    if (rc == 0)
        *out = kst_buf_take(&text);
    return rc;
}

/* Reads one requirement after another from the text of a selector. */
struct reader {
    const char *text, *at;
    const struct kst_json *labels;
};

static void skip_space(struct reader *in)
{
    while (*in->at == ' ' || *in->at == '\t')
        in->at++;
}

static int wrong(const struct reader *in, const char *expected, struct kst_err **err)
{
    kst_err_set(err, KST_E_USAGE, "selector '%s', column %zu: expected %s, found '%s'", in->text,
                (size_t)(in->at - in->text) + 1, expected, in->at);
    kst_err_hint(err, "selectors look like: app=db,tier!=web,env in (prod,test),!legacy");
    return KST_E_USAGE;
}

/* A label key or value; the caller frees it (empty where none stands here). */
static char *word(struct reader *in)
{
    skip_space(in);
    const char *start = in->at;
    while (isalnum((unsigned char)*in->at) || (*in->at && strchr("-_./", *in->at)))
        in->at++;
    char *out = kst_strndup(start, (size_t)(in->at - start));
    skip_space(in);
    return out;
}

static bool take(struct reader *in, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(in->at, text, len) != 0)
        return false;
    in->at += len;
    return true;
}

/* "(a,b)": whether `value` is one of them. */
static int one_of(struct reader *in, const char *value, bool *found, struct kst_err **err)
{
    skip_space(in);
    if (!take(in, "("))
        return wrong(in, "'('", err);
    *found = false;
    do {
        kst_auto_free char *entry = word(in);
        if (value && strcmp(entry, value) == 0)
            *found = true;
    } while (take(in, ","));
    return take(in, ")") ? 0 : wrong(in, "',' or ')'", err);
}

static int compare_value(struct reader *in, const char *value, bool *equal)
{
    kst_auto_free char *expected = word(in);
    *equal = value && strcmp(value, expected) == 0;
    return 0;
}

static int requirement(struct reader *in, bool *holds, struct kst_err **err)
{
    skip_space(in);
    bool absent = *in->at == '!' && in->at[1] != '=';
    if (absent)
        in->at++;
    kst_auto_free char *key = word(in);
    if (!*key)
        return wrong(in, "a label key", err);
    const char *value = kst_json_str(kst_json_get(in->labels, key));
    bool found = false;
    int rc = 0;
    if (absent) {
        *holds = !value;
    } else if (take(in, "!=")) {
        rc = compare_value(in, value, &found);
        *holds = !found;
    } else if (take(in, "==") || take(in, "=")) {
        rc = compare_value(in, value, &found);
        *holds = found;
    } else if (take(in, "notin")) {
        rc = one_of(in, value, &found, err);
        *holds = !found;
    } else if (take(in, "in")) {
        rc = one_of(in, value, &found, err);
        *holds = found;
    } else {
        *holds = value != NULL;
    }
    skip_space(in);
    return rc;
}

int kst_selector_matches(const char *selector, const struct kst_json *labels, bool *matches,
                         struct kst_err **err)
{
    *matches = true;
    if (!selector || !*selector)
        return 0;
    struct reader in = {.text = selector, .at = selector, .labels = labels};
    do {
        bool holds = false;
        int rc = requirement(&in, &holds, err);
        if (rc < 0)
            return rc;
        *matches = *matches && holds;
    } while (take(&in, ","));
    return *in.at ? wrong(&in, "',' or the end", err) : 0;
}
