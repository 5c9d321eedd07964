/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t kst_now_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t kst_now_ms(void)
{
    return kst_now_us() / 1000;
}

int64_t kst_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t kst_wall_ms(void)
{
    return kst_wall_us() / 1000;
}

struct kst_work kst_work_now(void)
{
    return (struct kst_work){kst_now_us(), read_us(CLOCK_THREAD_CPUTIME_ID)};
}

bool kst_work_exceeds(const struct kst_work *since, int64_t limit_ms)
{
    int64_t limit_us = limit_ms * 1000;
    /* Reading the monotonic clock is no system call. */
    return kst_now_us() - since->now_us > limit_us &&
           read_us(CLOCK_THREAD_CPUTIME_ID) - since->cpu_us > limit_us;
}

int64_t kst_deadline_in_ms(int64_t delay_ms)
{
    int64_t now = kst_now_ms();
    if (delay_ms <= 0)
        return now;
    return delay_ms > KST_NEVER - now ? KST_NEVER : now + delay_ms;
}

/* Seconds rounded down, also before 1970, so that the rest is never negative. */
static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static size_t format_seconds(int64_t seconds, char *out)
{
    time_t when = (time_t)seconds;
    struct tm parts;
    gmtime_r(&when, &parts);
    return strftime(out, KST_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &parts);
}

void kst_time_format(int64_t wall_ms, char *out)
{
    size_t len = format_seconds(floor_div(wall_ms, 1000), out);
    snprintf(out + len, KST_TIME_TEXT - len, "Z");
}

void kst_time_format_micro(int64_t wall_us, char *out)
{
    int64_t seconds = floor_div(wall_us, 1000000);
    size_t len = format_seconds(seconds, out);
    snprintf(out + len, KST_TIME_TEXT - len, ".%06dZ",
             (int)((wall_us % 1000000 + 1000000) % 1000000));
}

/* `count` digits at *at, which moves on; false where there is something else. */
static bool digits(const char **at, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool literal(const char **at, char byte)
{
    return *(*at)++ == byte;
}

static bool fraction(const char **at, int *micros)
{
    *micros = 0;
    if (**at != '.')
        return true;
    (*at)++;
    int count = 0;
    for (int scale = 100000; **at >= '0' && **at <= '9'; (*at)++, count++) {
        *micros += (**at - '0') * scale;
        scale /= 10;
    }
    return count > 0 && count <= 9;
}

static bool offset(const char **at, int *seconds)
{
    *seconds = 0;
    char sign = *(*at)++;
    if (sign == 'Z' || sign == 'z')
        return true;
    int hours, minutes;
    if ((sign != '+' && sign != '-') || !digits(at, 2, &hours) || !literal(at, ':') ||
        !digits(at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return true;
}

bool kst_time_parse_us(const char *text, int64_t *wall_us)
{
    if (!text)
        return false;
    struct tm parts = {0};
    int year, month, micros, off;
    const char *at = text;
    if (!digits(&at, 4, &year) || !literal(&at, '-') || !digits(&at, 2, &month) ||
        !literal(&at, '-') || !digits(&at, 2, &parts.tm_mday) || (*at != 'T' && *at != 't'))
        return false;
    at++;
    if (!digits(&at, 2, &parts.tm_hour) || !literal(&at, ':') || !digits(&at, 2, &parts.tm_min) ||
        !literal(&at, ':') || !digits(&at, 2, &parts.tm_sec) || !fraction(&at, &micros) ||
        !offset(&at, &off) || *at)
        return false;
    if (month < 1 || month > 12 || parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour > 23 ||
        parts.tm_min > 59 || parts.tm_sec > 60)
        return false;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    int day = parts.tm_mday;
    int64_t seconds = timegm(&parts);
    if (parts.tm_mday != day)
        return false; /* the month has no such day */
    *wall_us = (seconds - off) * 1000000 + micros;
    return true;
}

void kst_duration_format(int64_t ms, char *out)
{
    const int64_t second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
    const char *sign = ms < 0 ? "-" : "";
    long long left = ms == INT64_MIN ? INT64_MAX : ms < 0 ? -ms : ms;
    if (left < second)
        snprintf(out, KST_TIME_TEXT, "%s%lldms", sign, left);
    else if (left < minute && left % second < 100)
        snprintf(out, KST_TIME_TEXT, "%s%llds", sign, left / second);
    else if (left < minute)
        snprintf(out, KST_TIME_TEXT, "%s%lld.%llds", sign, left / second, left % second / 100);
    else if (left < hour && left % minute < second)
        snprintf(out, KST_TIME_TEXT, "%s%lldm", sign, left / minute);
    else if (left < hour)
        snprintf(out, KST_TIME_TEXT, "%s%lldm%llds", sign, left / minute, left % minute / second);
    else if (left < day && left % hour < minute)
        snprintf(out, KST_TIME_TEXT, "%s%lldh", sign, left / hour);
    else if (left < day)
        snprintf(out, KST_TIME_TEXT, "%s%lldh%lldm", sign, left / hour, left % hour / minute);
    else if (left % day < hour)
        snprintf(out, KST_TIME_TEXT, "%s%lldd", sign, left / day);
    else
        snprintf(out, KST_TIME_TEXT, "%s%lldd%lldh", sign, left / day, left % day / hour);
}
