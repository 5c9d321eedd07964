/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of names, keys and labels (k8s.io/apimachinery/pkg/util/validation). */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/check.h"

static void say(struct kst_json **messages, char *message)
{
    if (!*messages)
        *messages = kst_json_array();
    kst_json_push(*messages, kst_json_from_str(message));
    free(message);
}

static void limit(struct kst_json **messages, const char *text, size_t max)
{
    if (strlen(text) > max)
        say(messages, kst_asprintf("must be no more than %zu characters", max));
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

/* Lower case letters, digits and hyphens, none of which is at an end. */
static bool is_label(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_lower(text[i]) && !is_digit(text[i]) && (text[i] != '-' || !i || i == len - 1))
            return false;
    return len > 0;
}

static bool is_subdomain(const char *text)
{
    for (;;) {
        size_t len = strcspn(text, ".");
        if (!is_label(text, len))
            return false;
        if (!text[len])
            return true;
        text += len + 1;
    }
}

/* Letters, digits, '-', '_' and '.', of which the last three are at no end. */
static bool is_name(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && (!strchr("-_.", text[i]) || !i || i == len - 1))
            return false;
    return len > 0;
}

static bool consists_of(const char *text, const char *others)
{
    for (const char *c = text; *c; c++)
        if (!is_alnum(*c) && !strchr(others, *c))
            return false;
    return *text;
}

#define LABEL     "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN LABEL "(\\." LABEL ")*"
#define NAME      "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define NAME_MESSAGE                                                                            \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "      \
    "validation is '" NAME "')"

static void subdomain(struct kst_json **messages, const char *text, const char *prefix)
{
    if (strlen(text) > 253)
        say(messages, kst_asprintf("%smust be no more than 253 characters", prefix));
    if (!is_subdomain(text))
        say(messages,
            kst_asprintf("%sa lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                         "characters, '-' or '.', and must start and end with an alphanumeric "
                         "character (e.g. 'example.com', regex used for validation is '" SUBDOMAIN
                         "')",
                         prefix));
}

static void label(struct kst_json **messages, const char *text)
{
    limit(messages, text, 63);
    if (!is_label(text, strlen(text)))
        say(messages,
            kst_strdup("a lowercase RFC 1123 label must consist of lower case alphanumeric "
                       "characters or '-', and must start and end with an alphanumeric character "
                       "(e.g. 'my-name',  or '123-abc', regex used for validation is '" LABEL
                       "')"));
}

static void dns1035(struct kst_json **messages, const char *text)
{
    limit(messages, text, 63);
    if (!is_label(text, strlen(text)) || !is_lower(*text))
        say(messages,
            kst_strdup("a DNS-1035 label must consist of lower case alphanumeric characters or "
                       "'-', start with an alphabetic character, and end with an alphanumeric "
                       "character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
                       "'[a-z]([-a-z0-9]*[a-z0-9])?')"));
}

static void qualified(struct kst_json **messages, const char *text)
{
    const char *slash = strchr(text, '/'), *name = slash ? slash + 1 : text;
    if (slash && strchr(name, '/')) {
        say(messages, kst_strdup("a qualified name " NAME_MESSAGE
                                 " with an optional DNS subdomain prefix and '/' (e.g. "
                                 "'example.com/MyName')"));
        return;
    }
    kst_auto_free char *prefix = kst_strndup(text, slash ? (size_t)(slash - text) : 0);
    if (slash && !*prefix)
        say(messages, kst_strdup("prefix part must be non-empty"));
    else if (slash)
        subdomain(messages, prefix, "prefix part ");
    if (!*name)
        say(messages, kst_strdup("name part must be non-empty"));
    else if (strlen(name) > 63)
        say(messages, kst_strdup("name part must be no more than 63 characters"));
    if (!is_name(name))
        say(messages, kst_strdup("name part " NAME_MESSAGE));
}

static void label_value(struct kst_json **messages, const char *text)
{
    limit(messages, text, 63);
    if (*text && !is_name(text))
        say(messages,
            kst_strdup("a valid label must be an empty string or consist of alphanumeric "
                       "characters, '-', '_' or '.', and must start and end with an alphanumeric "
                       "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
                       "validation is '(" NAME ")?')"));
}

static void port_name(struct kst_json **messages, const char *text)
{
    size_t len = strlen(text);
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    limit(messages, text, 15);
    if (!len || strspn(text, "-abcdefghijklmnopqrstuvwxyz0123456789") < len)
        say(messages, kst_strdup("must contain only alpha-numeric characters (a-z, 0-9), and "
                                 "hyphens (-)"));
    if (!text[strcspn(text, letters)])
        say(messages, kst_strdup("must contain at least one letter or number (a-z, 0-9)"));
    if (strstr(text, "--"))
        say(messages, kst_strdup("must not contain consecutive hyphens"));
    if (len && (text[0] == '-' || text[len - 1] == '-'))
        say(messages, kst_strdup("must not begin or end with a hyphen"));
}

static void up_the_tree(struct kst_json **messages, const char *text)
{
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        say(messages, kst_asprintf("must not be '%s'", text));
    else if (strncmp(text, "..", 2) == 0)
        say(messages, kst_strdup("must not start with '..'"));
}

static void env_name(struct kst_json **messages, const char *text)
{
    if (!consists_of(text, "-._") || is_digit(*text))
        say(messages,
            kst_strdup("a valid environment variable name must consist of alphabetic characters, "
                       "digits, '_', '-', or '.', and must not start with a digit (e.g. "
                       "'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for "
                       "validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')"));
    up_the_tree(messages, text);
}

static void config_key(struct kst_json **messages, const char *text)
{
    limit(messages, text, 253);
    if (!consists_of(text, "-._"))
        say(messages, kst_strdup("a valid config key must consist of alphanumeric characters, '-', "
                                 "'_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
                                 "regex used for validation is '[-._a-zA-Z0-9]+')"));
    up_the_tree(messages, text);
}

static void header(struct kst_json **messages, const char *text)
{
    if (!consists_of(text, "-"))
        say(messages, kst_strdup("a valid HTTP header must consist of alphanumeric characters or "
                                 "'-' (e.g. 'X-Header-Name', regex used for validation is "
                                 "'[-A-Za-z0-9]+')"));
}

static void path_segment(struct kst_json **messages, const char *text)
{
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
        say(messages, kst_asprintf("may not be '%s'", text));
        return;
    }
    if (strchr(text, '/'))
        say(messages, kst_strdup("may not contain '/'"));
    if (strchr(text, '%'))
        say(messages, kst_strdup("may not contain '%'"));
}

static void address(struct kst_json **messages, const char *text)
{
    unsigned char bytes[16];
    if (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1)
        say(messages, kst_strdup("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
}

static void wildcard(struct kst_json **messages, const char *text)
{
    limit(messages, text, 253);
    if (strncmp(text, "*.", 2) != 0 || !is_subdomain(text + 2))
        say(messages,
            kst_strdup("a wildcard DNS-1123 subdomain must start with '*.', followed by a valid "
                       "DNS subdomain, which must consist of lower case alphanumeric characters, "
                       "'-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
                       "regex used for validation is '\\*\\." SUBDOMAIN "')"));
}

struct kst_json *kst_text_wrong(enum kst_text_form form, const char *text)
{
    struct kst_json *messages = NULL;
    static void (*const checks[])(struct kst_json * *messages, const char *text) = {
        [KST_TEXT_LABEL] = label,
        [KST_TEXT_DNS1035] = dns1035,
        [KST_TEXT_QUALIFIED] = qualified,
        [KST_TEXT_LABEL_VALUE] = label_value,
        [KST_TEXT_PORT_NAME] = port_name,
        [KST_TEXT_ENV_NAME] = env_name,
        [KST_TEXT_CONFIG_KEY] = config_key,
        [KST_TEXT_HEADER] = header,
        [KST_TEXT_PATH_SEGMENT] = path_segment,
        [KST_TEXT_IP] = address,
        [KST_TEXT_WILDCARD] = wildcard,
    };
    if (form == KST_TEXT_SUBDOMAIN)
        subdomain(&messages, text, "");
    else
        checks[form](&messages, text);
    return messages;
}

bool kst_check_text(const struct kst_place *place, const char *field, enum kst_text_form form,
                    const char *text)
{
    kst_auto_json struct kst_json *messages = kst_text_wrong(form, text);
    for (const struct kst_json *m = kst_json_first(messages); m; m = kst_json_next(m))
        kst_say_invalid_text(place, field, text, kst_json_str(m));
    return !messages;
}
