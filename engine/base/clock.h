/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks. Monotonic time (ms or us since some fixed moment, never set back) is for deadlines and
 * durations; wall time (ms since 1970, UTC) is for what people and objects see.
 */
#ifndef KST_BASE_CLOCK_H
#define KST_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define KST_NEVER INT64_MAX /* a deadline that does not come */

/* Monotonic, then wall time. */
int64_t kst_now_ms(void);
int64_t kst_now_us(void);
int64_t kst_wall_ms(void);
int64_t kst_wall_us(void);

/* How much this thread has computed: time in which it was not on a processor (other processes had
 * it, or the container was throttled) is not in cpu_us. */
struct kst_work {
    int64_t now_us, cpu_us;
};
struct kst_work kst_work_now(void);
/* Whether it has computed for longer since then. Cheap as long as that is plainly not so. */
bool kst_work_exceeds(const struct kst_work *since, int64_t limit_ms);

/* now + delay, saturating at KST_NEVER. */
int64_t kst_deadline_in_ms(int64_t delay_ms);

enum { KST_TIME_TEXT = 32 };

/* RFC 3339 in UTC: seconds as metav1.Time ("2026-11-23T19:15:00Z"), or microseconds as
 * metav1.MicroTime ("2026-11-23T19:15:00.123456Z"). `out` holds KST_TIME_TEXT bytes. */
void kst_time_format(int64_t wall_ms, char *out);
void kst_time_format_micro(int64_t wall_us, char *out);
/* Any RFC 3339 time with 0 to 9 decimals and any offset; false where it is none. */
bool kst_time_parse_us(const char *text, int64_t *wall_us);
/* "850ms", "12.3s", "4m10s", "2h5m", "3d4h": for people. */
void kst_duration_format(int64_t ms, char *out);

#endif
