/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: plain text on a terminal, JSON lines ({"time","level","msg",…}) elsewhere, always on
 * stderr. It is for what happens; results go to stdout. No secret is ever passed to it, and as a
 * last line of defence values registered with kst_log_secret() are replaced by "***".
 */
#ifndef KST_BASE_LOG_H
#define KST_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum kst_log_level { KST_LOG_DEBUG, KST_LOG_INFO, KST_LOG_WARN, KST_LOG_ERROR };
enum kst_log_format { KST_LOG_PLAIN, KST_LOG_JSON };

/* Process-wide set-up; the default is INFO, and PLAIN where stderr is a terminal. */
void kst_log_setup(enum kst_log_level level, enum kst_log_format format);
bool kst_log_enabled(enum kst_log_level level);

/* One line. `message` is a fixed text; then key, value pairs of strings, ended by NULL (a NULL
 * value is left out): kst_log(KST_LOG_INFO, "phase", "run", name, "phase", "PreHook", NULL). */
void kst_log(enum kst_log_level level, const char *message, ...) __attribute__((sentinel));
/* One line from a printf format, without pairs. */
void kst_logf(enum kst_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Registers a value (of at least 4 bytes; shorter ones are ignored) that no log line may hold, nor
 * its form in a JSON text or in base64.
 * kst_log_redact() gives a copy of the text with all of them replaced, for statuses and errors
 * too; the caller frees it (NULL for NULL). kst_log_forget_secrets() overwrites and frees them, at
 * exit. */
void kst_log_secret(const char *value, size_t len);
char *kst_log_redact(const char *text);
void kst_log_forget_secrets(void);

#endif
