/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

enum { MIN_SECRET = 4, MAX_LINE_BYTES = 64 * 1024 };

static enum kst_log_level threshold = KST_LOG_INFO;
static enum kst_log_format line_format = KST_LOG_PLAIN;
static bool is_set_up;

static struct secret {
    char *value;
    size_t len;
} * secrets;
static size_t secret_count;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void kst_log_setup(enum kst_log_level level, enum kst_log_format format)
{
    threshold = level;
    line_format = format;
    is_set_up = true;
}

bool kst_log_enabled(enum kst_log_level level)
{
    return level >= threshold;
}

static void json_text(struct kst_buf *out, const char *text)
{
    kst_buf_addc(out, '"');
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\')
            kst_buf_addf(out, "\\%c", byte);
        else if (byte < 0x20)
            kst_buf_addf(out, "\\u%04x", byte);
        else
            kst_buf_addc(out, (char)byte);
    }
    kst_buf_addc(out, '"');
}

/* A value on a plain line: quoted where it holds spaces or line ends. */
static void plain_text(struct kst_buf *out, const char *text)
{
    if (*text && !strpbrk(text, " \t\r\n\"="))
        kst_buf_adds(out, text);
    else
        json_text(out, text);
}

static void json_line(struct kst_buf *line, enum kst_log_level level, const char *message,
                      va_list pairs)
{
    char now[KST_TIME_TEXT];
    kst_time_format_micro(kst_wall_us(), now);
    kst_buf_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":", now, level_names[level]);
    json_text(line, message);
    const char *key;
    while ((key = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);
        if (!value)
            continue;
        kst_buf_addc(line, ',');
        json_text(line, key);
        kst_buf_addc(line, ':');
        json_text(line, value);
    }
    kst_buf_adds(line, "}");
}

static void plain_line(struct kst_buf *line, enum kst_log_level level, const char *message,
                       va_list pairs)
{
    if (level != KST_LOG_INFO)
        kst_buf_addf(line, "%s: ", level_names[level]);
    kst_buf_adds(line, message);
    const char *key;
    while ((key = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);
        if (!value)
            continue;
        kst_buf_addf(line, " %s=", key);
        plain_text(line, value);
    }
}

/* One write, so that lines of several processes do not mix. */
static void emit(struct kst_buf *line)
{
    kst_buf_addc(line, '\n');
    kst_auto_free char *clean = kst_log_redact(line->data);
    size_t len = strlen(clean);
    for (size_t done = 0; done < len;) {
        ssize_t wrote = write(STDERR_FILENO, clean + done, len - done);
        if (wrote <= 0)
            return; /* nobody reads: there is nowhere to say so */
        done += (size_t)wrote;
    }
}

void kst_log(enum kst_log_level level, const char *message, ...)
{
    if (!kst_log_enabled(level))
        return;
    if (!is_set_up)
        kst_log_setup(threshold, isatty(STDERR_FILENO) ? KST_LOG_PLAIN : KST_LOG_JSON);
    kst_auto_buf line = KST_BUF_INIT(MAX_LINE_BYTES);
    va_list pairs;
    va_start(pairs, message);
    if (line_format == KST_LOG_JSON)
        json_line(&line, level, message, pairs);
    else
        plain_line(&line, level, message, pairs);
    va_end(pairs);
    if (line.overflown) {
        kst_buf_clear(&line);
        kst_buf_addf(&line, "a log line of over %d bytes was left out", MAX_LINE_BYTES);
    }
    emit(&line);
}

void kst_logf(enum kst_log_level level, const char *format, ...)
{
    if (!kst_log_enabled(level))
        return;
    va_list args;
    va_start(args, format);
    kst_auto_buf text = KST_BUF_INIT(MAX_LINE_BYTES / 2);
    kst_buf_addv(&text, format, args);
    va_end(args);
    kst_log(level, text.data, NULL);
}

void kst_log_secret(const char *value, size_t len)
{
    if (!value || len < MIN_SECRET)
        return;
    for (size_t i = 0; i < secret_count; i++) {
        if (secrets[i].len == len && memcmp(secrets[i].value, value, len) == 0)
            return;
    }
    secrets = kst_realloc(secrets, (secret_count + 1) * sizeof(*secrets));
    secrets[secret_count++] = (struct secret){.value = kst_strndup(value, len), .len = len};
}

char *kst_log_redact(const char *text)
{
    char *clean = kst_strdup(text);
    for (size_t i = 0; i < secret_count; i++) {
        for (char *at; (at = memmem(clean, strlen(clean), secrets[i].value, secrets[i].len));) {
            char *rest = at + secrets[i].len;
            memcpy(at, "***", 3); /* a secret has at least MIN_SECRET bytes */
            memmove(at + 3, rest, strlen(rest) + 1);
        }
    }
    return clean;
}

void kst_log_forget_secrets(void)
{
    for (size_t i = 0; i < secret_count; i++)
        kst_free_secret(secrets[i].value, secrets[i].len);
    free(secrets);
    secrets = NULL;
    secret_count = 0;
}
