/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats of strings that the API server checks
 * (k8s.io/apiextensions-apiserver/pkg/apiserver/validation/formats.go); it ignores all others.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/regex.h"
#include "sandbox/custom/schema_internal.h"

enum { NAME_BYTES = 32 };

int kst_schema_pattern(const char *pattern, struct kst_regex **out, struct kst_err **err)
{
    kst_auto_free char *text = kst_asprintf("(?J)%s", pattern);
    return kst_regex_new(text, strlen(text), KST_REGEX_DOLLAR_END, out, err);
}

static bool matches(const char *pattern, const char *text)
{
    struct kst_regex *regex = NULL;
    bool matched = false;
    if (kst_regex_new(pattern, strlen(pattern), KST_REGEX_DOLLAR_END, &regex, NULL) < 0)
        return false;
    int rc = kst_regex_test(regex, text, &matched, NULL);
    kst_regex_free(regex);
    return rc == 0 && matched;
}

/* ---- times ---- */

static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        value = 10 * value + text[i] - '0';
    }
    return value;
}

static bool is_date_of(const char *text, size_t len)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (len != 10 || text[4] != '-' || text[7] != '-')
        return false;
    int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + (leap && month == 2);
}

static bool is_date(const char *text)
{
    return is_date_of(text, strlen(text));
}

/* A date, a "T", and a time that begins as one. */
static bool is_datetime(const char *text)
{
    size_t day = strcspn(text, "tT");
    if (!text[day] || !is_date_of(text, day))
        return false;
    const char *time = text + day + 1;
    kst_auto_free char *part = kst_strndup(time, strcspn(time, "tT"));
    static const char pattern[] = "^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?"
                                  "([zZ]|([+-])([0-9]{2}):([0-9]{2}))$";
    return matches(pattern, part) && digits(part, 2) <= 23 && digits(part + 3, 2) <= 59 &&
           digits(part + 6, 2) <= 59;
}

/* Whether every whole number of a text fits into 64 bits. */
static bool numbers_fit(const char *text)
{
    for (; *text; text += strcspn(text, "0123456789")) {
        size_t len = strspn(text, "0123456789");
        kst_auto_free char *number = kst_strndup(text, len);
        long long value;
        if (len && !kst_parse_int(number, &value))
            return false;
        text += len;
    }
    return true;
}

/* "1h30m" as Go reads it; also "2 days, 3 min" with the units of Scala. */
static bool is_duration(const char *text)
{
    static const char go[] = "^[-+]?(0|(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
    static const char scala[] = "[0-9]+\\s*((?i:ns|nano|us|µs|micro|ms|milli|s|sec|m|min|h|hr|hour|"
                                "d|day|w|wk|week)(?![A-Za-zµ])|(?i:nano|micro|milli|sec|min|hour|"
                                "day|week)[A-Za-zµ]*)";
    return (matches(go, text) || matches(scala, text)) && numbers_fit(text);
}

/* ---- the network ---- */

static bool is_dotted(const char *text)
{
    static const char pattern[] = "^[0-9]+(\\.[0-9]+){3}$";
    if (!matches(pattern, text))
        return false;
    for (const char *at = text; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL)
        if (strtol(at, NULL, 10) > 255)
            return false;
    return true;
}

static bool is_colons(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* Any address is of the kind whose separator it has: "::ffff:1.2.3.4" is of both. */
static bool is_ipv4(const char *text)
{
    return strchr(text, '.') && (is_dotted(text) || is_colons(text));
}

static bool is_ipv6(const char *text)
{
    return strchr(text, ':') && is_colons(text);
}

static bool is_cidr(const char *text)
{
    const char *slash = strchr(text, '/');
    long long bits;
    if (!slash || !isdigit((unsigned char)slash[1]) || !kst_parse_int(slash + 1, &bits))
        return false;
    kst_auto_free char *address = kst_strndup(text, (size_t)(slash - text));
    return is_dotted(address) ? bits <= 32 : is_colons(address) && bits <= 128;
}

static bool is_mac(const char *text)
{
    /* 6, 8 or 20 bytes, by pairs, or by fours with points. */
    return matches("^[0-9a-fA-F]{2}((:[0-9a-fA-F]{2}){5}|(:[0-9a-fA-F]{2}){7}|"
                   "(:[0-9a-fA-F]{2}){19}|(-[0-9a-fA-F]{2}){5}|(-[0-9a-fA-F]{2}){7}|"
                   "(-[0-9a-fA-F]{2}){19})$",
                   text) ||
           matches("^[0-9a-fA-F]{4}((\\.[0-9a-fA-F]{4}){2}|(\\.[0-9a-fA-F]{4}){3}|"
                   "(\\.[0-9a-fA-F]{4}){9})$",
                   text);
}

static bool is_hostname(const char *text)
{
    static const char pattern[] =
        "^([a-zA-Z0-9\\p{S}\\p{L}]((-?[a-zA-Z0-9\\p{S}\\p{L}]{0,62})?)|"
        "([a-zA-Z0-9\\p{S}\\p{L}](([a-zA-Z0-9-\\p{S}\\p{L}]{0,61}[a-zA-Z0-9\\p{S}\\p{L}])?)"
        "(\\.)){1,}([a-zA-Z\\p{L}]){2,63})$";
    if (strlen(text) > 255 || !matches(pattern, text))
        return false;
    for (const char *at = text; *at; at += strcspn(at, ".") + (at[strcspn(at, ".")] == '.'))
        if (strcspn(at, ".") > 63)
            return false;
    return true;
}

/* "user:password@host:80", up to the path. */
static bool is_authority(const char *text, size_t len)
{
    static const char user[] = "^[A-Za-z0-9._:~!$&'()*+,;=%@-]*$";
    static const char host[] = "^(\\[.*\\]|(?!\\[)[^\\x00-\\x20%#/?@\\\\^`{|}:\\x7f]*)(:[0-9]*)?$";
    kst_auto_free char *all = kst_strndup(text, len);
    char *at = strrchr(all, '@');
    if (at)
        *at = '\0';
    return (!at || matches(user, all)) && matches(host, at ? at + 1 : all);
}

/* What an HTTP request may name (Go's url.ParseRequestURI): a scheme and more, or a path. */
static bool is_uri(const char *text)
{
    static const char scheme[] = "^[a-zA-Z][a-zA-Z0-9+.-]*:";
    size_t path = strcspn(text, "?");
    if (strcmp(text, "*") == 0)
        return true;
    if (!*text || matches("[\\x00-\\x1f\\x7f]", text))
        return false;
    bool named = matches(scheme, text);
    const char *rest = named ? strchr(text, ':') + 1 : text;
    if (*rest != '/')
        return named;
    if (named && rest[1] == '/') {
        size_t len = strcspn(rest + 2, "/?");
        if (!is_authority(rest + 2, len))
            return false;
        rest += 2 + len;
    }
    kst_auto_free char *left = kst_strndup(
        rest, path > (size_t)(rest - text) ? path - (size_t)(rest - text) : 0);
    return !matches("%(?![0-9a-fA-F]{2})", left);
}

static bool is_email(const char *text)
{
    static const char atoms[] = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\\x{80}-\\x{10ffff}-]+";
    kst_auto_free char *address = kst_asprintf(
        "(%s(\\.%s)*|\"([^\"\\\\\\x00-\\x1f]|\\\\.)+\")@%s(\\.%s)*", atoms, atoms, atoms, atoms);
    kst_auto_free char *plain = kst_asprintf("^\\s*%s\\s*(\\([^()]*\\)\\s*)*$", address);
    kst_auto_free char *named = kst_asprintf("^\\s*((%s|\"([^\"\\\\]|\\\\.)*\"|\\.)\\s*)*<%s>\\s*$",
                                             atoms, address);
    return matches(plain, text) || matches(named, text);
}

/* ---- numbers with a check digit ---- */

/* The digits (and an X at the end) of a text without hyphens and spaces. */
static char *bare(const char *text)
{
    char *out = kst_strdup(text);
    size_t len = 0;
    for (; *text; text++)
        if (*text != '-' && *text != ' ')
            out[len++] = *text;
    out[len] = '\0';
    return out;
}

static bool is_isbn10(const char *text)
{
    kst_auto_free char *number = bare(text);
    if (!matches("^(?:[0-9]{9}X|[0-9]{10})$", number))
        return false;
    int sum = 0;
    for (int i = 0; i < 10; i++)
        sum += (i + 1) * (number[i] == 'X' ? 10 : number[i] - '0');
    return sum % 11 == 0;
}

static bool is_isbn13(const char *text)
{
    kst_auto_free char *number = bare(text);
    if (!matches("^(?:[0-9]{13})$", number))
        return false;
    int sum = 0;
    for (int i = 0; i < 13; i++)
        sum += (i % 2 ? 3 : 1) * (number[i] - '0');
    return sum % 10 == 0;
}

static bool is_isbn(const char *text)
{
    return is_isbn10(text) || is_isbn13(text);
}

static bool is_credit_card(const char *text)
{
    kst_auto_free char *number = kst_strdup(text);
    size_t len = 0;
    for (; *text; text++)
        if (isdigit((unsigned char)*text))
            number[len++] = *text;
    number[len] = '\0';
    if (!matches("^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|"
                 "3[47][0-9]{13}|"
                 "3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$",
                 number))
        return false;
    int sum = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = number[len - 1 - i] - '0';
        if (i % 2)
            digit = 2 * digit >= 10 ? 2 * digit % 10 + 1 : 2 * digit;
        sum += digit;
    }
    return sum % 10 == 0;
}

/* ---- the others ---- */

static bool is_base64(const char *text)
{
    return matches("^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|"
                   "[A-Za-z0-9+/]{4})$",
                   text);
}

static bool is_anything(const char *text)
{
    return true;
}

#define HEX "[0-9a-fA-F]"
#define RGB "\\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\\s*"

/* By their names without hyphens. */
static const struct format {
    const char *name;
    bool (*is)(const char *text);
    const char *pattern;
} formats[] = {
    {"bsonobjectid", NULL, "^" HEX "{24}$"},
    {"byte", is_base64, NULL},
    {"cidr", is_cidr, NULL},
    {"creditcard", is_credit_card, NULL},
    {"date", is_date, NULL},
    {"datetime", is_datetime, NULL},
    {"duration", is_duration, NULL},
    {"email", is_email, NULL},
    {"hexcolor", NULL, "^#?(" HEX "{3}|" HEX "{6})$"},
    {"hostname", is_hostname, NULL},
    {"ipv4", is_ipv4, NULL},
    {"ipv6", is_ipv6, NULL},
    {"isbn", is_isbn, NULL},
    {"isbn10", is_isbn10, NULL},
    {"isbn13", is_isbn13, NULL},
    {"mac", is_mac, NULL},
    {"password", is_anything, NULL},
    {"rgbcolor", NULL, "^rgb\\(" RGB "," RGB "," RGB "\\)$"},
    {"ssn", NULL, "^[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}$"},
    {"uri", is_uri, NULL},
    {"uuid", NULL, "^" HEX "{8}-?" HEX "{4}-?" HEX "{4}-?" HEX "{4}-?" HEX "{12}$"},
    {"uuid3", NULL, "^" HEX "{8}-?" HEX "{4}-?3" HEX "{3}-?" HEX "{4}-?" HEX "{12}$"},
    {"uuid4", NULL, "^" HEX "{8}-?" HEX "{4}-?4" HEX "{3}-?[89abAB]" HEX "{3}-?" HEX "{12}$"},
    {"uuid5", NULL, "^" HEX "{8}-?" HEX "{4}-?5" HEX "{3}-?[89abAB]" HEX "{3}-?" HEX "{12}$"},
};

static const struct format *find(const char *format)
{
    char name[NAME_BYTES];
    size_t len = 0;
    for (; *format && len + 1 < sizeof(name); format++)
        if (*format != '-')
            name[len++] = *format;
    name[len] = '\0';
    for (size_t i = 0; !*format && i < KST_ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

bool kst_schema_has_format(const char *format)
{
    return find(format);
}

bool kst_schema_format(const char *format, const char *text)
{
    const struct format *found = find(format);
    if (!found)
        return true;
    return found->is ? found->is(text) : matches(found->pattern, text);
}
