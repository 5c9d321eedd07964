/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules as crontab writes them, in UTC: five fields (minute, hour, day of month, month, day of
 * week) of numbers, names, ranges, steps and lists; @hourly and the like; "@every 1h30m". As
 * Kubernetes reads them: where both kinds of days are given, either will do; Sunday is 0 and not 7.
 */
#ifndef KST_BASE_CRON_H
#define KST_BASE_CRON_H

#include <stdint.h>

struct kst_err;

struct kst_cron {
    /* A bit for each value that fits; the highest bit where the field is a star. */
    uint64_t minutes, hours, days, months, weekdays;
    int64_t every_s; /* > 0: that long after the last time, and nothing else counts */
};

/* KST_E_PARSE with Kubernetes' own words. */
int kst_cron_parse(const char *text, struct kst_cron *out, struct kst_err **err);
/* The first time after `after_s` (seconds since 1970), or -1 where there is none in five years. */
int64_t kst_cron_next(const struct kst_cron *self, int64_t after_s);

#endif
