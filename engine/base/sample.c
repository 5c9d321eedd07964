/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { DEPTH = 20, TEXT_BYTES = 256 };

/* Texts that begin alike are kept whole: there are few. */
struct set {
    char *items[KST_SAMPLES];
    size_t count;
};

struct walk {
    const char *at, *alphabet;
    bool is_complete;
    unsigned depth;
};

static void set_free(struct set *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->items[i]);
    self->count = 0;
}

static void add(struct walk *walk, struct set *self, char *text)
{
    if (self->count == KST_SAMPLES || strlen(text) > TEXT_BYTES) {
        walk->is_complete = false;
        free(text);
        return;
    }
    self->items[self->count++] = text;
}

/* Each of `self` followed by each of `more`. */
static void multiply(struct walk *walk, struct set *self, const struct set *more)
{
    struct set all = {.count = 0};
    for (size_t i = 0; i < self->count; i++) {
        for (size_t j = 0; j < more->count; j++)
            add(walk, &all, kst_asprintf("%s%s", self->items[i], more->items[j]));
    }
    set_free(self);
    *self = all;
}

/* A byte of the alphabet for which `fits` holds. */
static char choose(const struct walk *walk, bool (*fits)(const void *arg, char c), const void *arg,
                   char otherwise)
{
    for (const char *at = walk->alphabet; *at; at++) {
        if (fits(arg, *at))
            return *at;
    }
    return otherwise;
}

struct class
{
    const char *start, *end; /* between the brackets */
    bool negated;
};

/* What a letter behind a backslash stands for. */
static bool is_of_kind(char kind, char c)
{
    bool digit = c >= '0' && c <= '9';
    bool word = digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    switch (kind) {
    case 'd':
        return digit;
    case 'D':
        return !digit;
    case 'w':
        return word;
    case 'W':
        return !word;
    case 's':
        return c == ' ' || (c >= '\t' && c <= '\r');
    case 'S':
        return c != ' ' && !(c >= '\t' && c <= '\r');
    default:
        return c == kind;
    }
}

static bool in_kind(const void *arg, char c)
{
    return is_of_kind(*(const char *)arg, c);
}

static bool in_class(const void *arg, char c)
{
    const struct class *class = arg;
    bool found = false;
    for (const char *at = class->start; at < class->end; at++) {
        if (*at == '\\' && at + 1 < class->end) {
            at++;
            found = found || is_of_kind(*at, c);
        } else if (at + 2 < class->end && at[1] == '-') {
            found = found || (c >= at[0] && c <= at[2]);
            at += 2;
        } else {
            found = found || *at == c;
        }
    }
    return found != class->negated;
}

static void one_byte(struct walk *walk, struct set *out, char c)
{
    add(walk, out, kst_strndup(&c, 1));
}

static void walk_class(struct walk *walk, struct set *out)
{
    struct class class = {.start = walk->at + 1};
    class.negated = *class.start == '^';
    class.start += class.negated;
    const char *end = class.start + (*class.start == ']');
    while (*end && *end != ']')
        end += *end == '\\' && end[1] ? 2 : 1;
    class.end = end;
    walk->at = *end ? end + 1 : end;
    if (memchr(class.start, '[', (size_t)(end - class.start)))
        walk->is_complete = false; /* [:alpha:] */
    one_byte(walk, out, choose(walk, in_class, &class, class.negated ? 'a' : *class.start));
}

static void walk_escape(struct walk *walk, struct set *out)
{
    char kind = walk->at[1];
    walk->at += kind ? 2 : 1;
    if (strchr("bBAzZG", kind)) {
        add(walk, out, kst_strdup("")); /* a place */
        return;
    }
    if (strchr("dDwWsS", kind)) {
        one_byte(walk, out, choose(walk, in_kind, &kind, kind == 's' ? ' ' : 'a'));
        return;
    }
    if ((kind >= '0' && kind <= '9') || (kind >= 'a' && kind <= 'z') ||
        (kind >= 'A' && kind <= 'Z'))
        walk->is_complete = false; /* what is rare */
    one_byte(walk, out, kind);
}

static void walk_choice(struct walk *walk, struct set *out);

static void walk_group(struct walk *walk, struct set *out)
{
    walk->at++;
    if (walk->at[0] == '?' && walk->at[1] == ':') {
        walk->at += 2;
    } else if (walk->at[0] == '?') {
        walk->is_complete = false; /* it looks around, has a name, or sets options */
        walk->at += strcspn(walk->at, ">:!=)");
        walk->at += *walk->at && *walk->at != ')';
    }
    walk_choice(walk, out);
    walk->at += *walk->at == ')';
}

static void walk_atom(struct walk *walk, struct set *out)
{
    switch (*walk->at) {
    case '(':
        walk_group(walk, out);
        break;
    case '[':
        walk_class(walk, out);
        break;
    case '\\':
        walk_escape(walk, out);
        break;
    case '^':
    case '$':
        walk->at++;
        add(walk, out, kst_strdup(""));
        break;
    case '.':
        walk->at++;
        one_byte(walk, out, *walk->alphabet);
        break;
    default:
        one_byte(walk, out, *walk->at++);
    }
}

/* How often at least; what is behind it is passed over. */
static unsigned long walk_quantifier(struct walk *walk)
{
    unsigned long count = 1;
    char c = *walk->at;
    if (c == '?' || c == '*' || c == '+') {
        walk->at++;
        count = c == '+';
    } else if (c == '{' && walk->at[1] >= '0' && walk->at[1] <= '9') {
        char *end;
        count = strtoul(walk->at + 1, &end, 10);
        end += strcspn(end, "}");
        walk->at = *end ? end + 1 : end;
    } else {
        return 1;
    }
    if (*walk->at == '?' || *walk->at == '+')
        walk->at++;
    return count;
}

static void walk_sequence(struct walk *walk, struct set *out)
{
    add(walk, out, kst_strdup(""));
    while (*walk->at && *walk->at != '|' && *walk->at != ')') {
        struct set atom = {.count = 0};
        walk_atom(walk, &atom);
        unsigned long count = walk_quantifier(walk);
        for (unsigned long i = 0; i < count && i < TEXT_BYTES && out->count; i++)
            multiply(walk, out, &atom);
        set_free(&atom);
    }
}

static void walk_choice(struct walk *walk, struct set *out)
{
    if (++walk->depth > DEPTH) {
        walk->is_complete = false;
        walk->at += strlen(walk->at);
    }
    for (bool more = true; more;) {
        struct set sequence = {.count = 0};
        walk_sequence(walk, &sequence);
        for (size_t i = 0; i < sequence.count; i++)
            add(walk, out, sequence.items[i]);
        more = *walk->at == '|';
        walk->at += more;
    }
    walk->depth--;
}

bool kst_regex_samples(const char *pattern, const char *alphabet, struct kst_json **out)
{
    struct walk walk = {.at = pattern, .alphabet = alphabet, .is_complete = true};
    struct set set = {.count = 0};
    walk_choice(&walk, &set);
    *out = kst_json_array();
    for (size_t i = 0; i < set.count; i++)
        kst_json_push(*out, kst_json_from_str(set.items[i]));
    set_free(&set);
    return walk.is_complete && *walk.at == '\0';
}
