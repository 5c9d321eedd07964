/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cron.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { FIELDS = 5, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400, YEARS = 5 };

static const uint64_t star = (uint64_t)1 << 63;

struct bounds {
    long long min, max;
    const char *const *names; /* NULL-ended, the first for `first` */
    long long first;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct bounds bounds[FIELDS] = {
    {0, 59, NULL, 0},        {0, 23, NULL, 0},     {1, 31, NULL, 0},
    {1, 12, month_names, 1}, {0, 6, day_names, 0},
};

/* ---- fields ---- */

static int parse_number(struct kst_str text, long long *out, struct kst_err **err)
{
    kst_auto_free char *digits = kst_strndup(text.data, text.len);
    if (!kst_parse_int(digits, out))
        return kst_err_set(err, KST_E_PARSE,
                           "Failed to parse int from %s: strconv.Atoi: parsing \"%s\": invalid "
                           "syntax",
                           digits, digits);
    if (*out < 0)
        return kst_err_set(err, KST_E_PARSE, "Negative number (%lld) not allowed: %s", *out,
                           digits);
    return 0;
}

static int parse_value(struct kst_str text, const struct bounds *range, long long *out,
                       struct kst_err **err)
{
    for (int i = 0; range->names && range->names[i]; i++)
        if (text.len == strlen(range->names[i]) &&
            strncasecmp(text.data, range->names[i], text.len) == 0) {
            *out = range->first + i;
            return 0;
        }
    return parse_number(text, out, err);
}

/* The parts of a text between separators: at most `most`, else -1. */
static int split(struct kst_str text, char separator, struct kst_str *parts, int most)
{
    int count = 0;
    struct kst_str part;
    while (kst_str_split(&text, separator, &part)) {
        if (count == most)
            return -1;
        parts[count++] = part;
    }
    return count;
}

static int check_range(const struct bounds *range, long long low, long long high, long long step,
                       const char *text, struct kst_err **err)
{
    if (low < range->min)
        return kst_err_set(err, KST_E_PARSE, "Beginning of range (%lld) below minimum (%lld): %s",
                           low, range->min, text);
    if (high > range->max)
        return kst_err_set(err, KST_E_PARSE, "End of range (%lld) above maximum (%lld): %s", high,
                           range->max, text);
    if (low > high)
        return kst_err_set(err, KST_E_PARSE,
                           "Beginning of range (%lld) beyond end of range (%lld): %s", low, high,
                           text);
    if (step == 0)
        return kst_err_set(err, KST_E_PARSE, "Step of range should be a positive number: %s", text);
    return 0;
}

/* "*", "5", "1-5", each with "/2": "5/2" goes to the end. */
static int parse_range(struct kst_str expression, const struct bounds *range, uint64_t *bits,
                       struct kst_err **err)
{
    kst_auto_free char *text = kst_strndup(expression.data, expression.len);
    struct kst_str halves[2] = {{"", 0}, {"", 0}}, ends[2] = {{"", 0}, {"", 0}};
    long long low = range->min, high = range->max, step = 1;
    int nhalves = split(expression, '/', halves, 2);
    int nends = nhalves < 0 ? 0 : split(halves[0], '-', ends, 2);
    if (nhalves < 0)
        return kst_err_set(err, KST_E_PARSE, "Too many slashes: %s", text);
    if (nends < 0)
        return kst_err_set(err, KST_E_PARSE, "Too many hyphens: %s", text);
    bool any = kst_str_eq(ends[0], "*") || kst_str_eq(ends[0], "?");
    int rc = any ? 0 : parse_value(ends[0], range, &low, err);
    if (rc == 0 && !any) {
        high = low;
        rc = nends == 2 ? parse_value(ends[1], range, &high, err) : 0;
    }
    if (rc == 0 && nhalves == 2) {
        rc = parse_number(halves[1], &step, err);
        if (nends < 2)
            high = range->max;
    }
    if (rc == 0)
        rc = check_range(range, low, high, step, text, err);
    if (rc < 0)
        return rc;
    for (long long i = low; i <= high; i += step < 64 ? step : 64)
        *bits |= (uint64_t)1 << i;
    *bits |= any ? star : 0;
    return 0;
}

static int parse_field(struct kst_str text, const struct bounds *range, uint64_t *bits,
                       struct kst_err **err)
{
    struct kst_str part;
    int rc = 0;
    while (rc == 0 && kst_str_split(&text, ',', &part))
        if (part.len > 0)
            rc = parse_range(part, range, bits, err);
    return rc;
}

/* ---- the whole ---- */

static int parse_descriptor(const char *text, struct kst_cron *out, struct kst_err **err)
{
    static const struct {
        const char *name, *fields;
    } known[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
    };
    static const char every[] = "@every ";
    long long ms = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(known); i++)
        if (strcmp(text, known[i].name) == 0)
            return kst_cron_parse(known[i].fields, out, err);
    if (strncmp(text, every, strlen(every)) != 0)
        return kst_err_set(err, KST_E_PARSE, "Unrecognized descriptor: %s", text);
    if (!kst_parse_duration_ms(text + strlen(every), &ms))
        return kst_err_set(err, KST_E_PARSE,
                           "Failed to parse duration %s: time: invalid duration \"%s\"", text,
                           text + strlen(every));
    out->every_s = ms < 1000 ? 1 : ms / 1000;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int kst_cron_parse(const char *text, struct kst_cron *out, struct kst_err **err)
{
    struct kst_cron cron = {0};
    uint64_t *const bits[FIELDS] = {&cron.minutes, &cron.hours, &cron.days, &cron.months,
                                    &cron.weekdays};
    struct kst_str fields[FIELDS];
    int count = 0, rc = 0;
    if (!*text)
        return kst_err_set(err, KST_E_PARSE, "Empty spec string");
    if (*text == '@') {
        rc = parse_descriptor(text, &cron, err);
        if (rc == 0)
            *out = cron;
        return rc;
    }
    for (const char *at = text; *at;) {
        size_t len = 0;
        while (is_space(*at))
            at++;
        while (at[len] && !is_space(at[len]))
            len++;
        if (len > 0 && count < FIELDS)
            fields[count] = (struct kst_str){at, len};
        count += len > 0;
        at += len;
    }
    if (count != FIELDS)
        return kst_err_set(err, KST_E_PARSE, "Expected exactly %d fields, found %d: %s", FIELDS,
                           count, text);
    for (int i = 0; i < FIELDS && rc == 0; i++)
        rc = parse_field(fields[i], &bounds[i], bits[i], err);
    if (rc == 0)
        *out = cron;
    return rc;
}

/* ---- the next time ---- */

static bool has(uint64_t bits, int value)
{
    return bits & ((uint64_t)1 << value);
}

/* A star in either kind of days leaves the choice to the other; else one of them is enough. */
static bool day_fits(const struct kst_cron *self, const struct tm *at)
{
    bool day = has(self->days, at->tm_mday), weekday = has(self->weekdays, at->tm_wday);
    return (self->days & star) || (self->weekdays & star) ? day && weekday : day || weekday;
}

/* The beginning of the month after. */
static int64_t next_month(const struct tm *at)
{
    struct tm first = {.tm_year = at->tm_year, .tm_mon = at->tm_mon + 1, .tm_mday = 1};
    return timegm(&first);
}

int64_t kst_cron_next(const struct kst_cron *self, int64_t after_s)
{
    if (self->every_s > 0)
        return after_s + self->every_s;
    int64_t now = after_s - after_s % MINUTE_S + MINUTE_S;
    int64_t last = now + (int64_t)YEARS * 366 * DAY_S;
    while (now < last) {
        struct tm at;
        time_t when = (time_t)now;
        gmtime_r(&when, &at);
        if (!has(self->months, at.tm_mon + 1))
            now = next_month(&at);
        else if (!day_fits(self, &at))
            now += DAY_S - now % DAY_S;
        else if (!has(self->hours, at.tm_hour))
            now += HOUR_S - now % HOUR_S;
        else if (!has(self->minutes, at.tm_min))
            now += MINUTE_S;
        else
            return now;
    }
    return -1;
}
