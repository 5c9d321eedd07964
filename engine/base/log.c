/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_scan.h"
#include "base/mem.h"

enum { MIN_SECRET = 4, MAX_LINE_BYTES = 64 * 1024, BEGIN_BYTES = 200, STUCK_MS = 1000 };

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

/*
 * A part of a line: no control character is left in it (one could move the cursor of a terminal,
 * or begin a line that nobody logged), nor what is no UTF-8.
 */
static void escaped(struct kst_buf *out, const char *text, bool quoted)
{
    static const char shorts[] = "\bb\tt\nn\ff\rr";
    const char *end = text + strlen(text);
    for (const char *at = text; at < end;) {
        unsigned char byte = (unsigned char)*at;
        size_t len = kst_json_utf8(at, end);
        const char *pair = byte < 0x20 ? strchr(shorts, byte) : NULL;
        bool c1 = byte == 0xc2 && len == 2 && (unsigned char)at[1] < 0xa0;
        if (quoted && (byte == '"' || byte == '\\'))
            kst_buf_addf(out, "\\%c", byte);
        else if (pair)
            kst_buf_addf(out, "\\%c", pair[1]);
        else if (byte < 0x20 || byte == 0x7f || c1)
            kst_buf_addf(out, "\\u%04x", c1 ? (unsigned char)at[1] : byte);
        else if (len == 0)
            kst_buf_adds(out, "\xef\xbf\xbd");
        else
            kst_buf_add(out, at, len);
        at += len ? len : 1;
    }
}

/* Secrets are looked for before the text is escaped, which would hide one with a quote or a line
 * end in it (a key is a text of many lines), and again in the whole line. */
static void json_text(struct kst_buf *out, const char *text)
{
    kst_auto_free char *clean = kst_log_redact(text);
    kst_buf_addc(out, '"');
    escaped(out, clean, true);
    kst_buf_addc(out, '"');
}

/* A value on a plain line: quoted where it holds spaces or line ends. */
static void plain_text(struct kst_buf *out, const char *text)
{
    if (*text && !strpbrk(text, " \t\r\n\"=")) {
        kst_auto_free char *clean = kst_log_redact(text);
        escaped(out, clean, false);
    } else {
        json_text(out, text);
    }
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
    kst_auto_free char *clean = kst_log_redact(message);
    escaped(line, clean, false);
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
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno == EAGAIN) { /* somebody made our terminal non-blocking */
            struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
            if (poll(&room, 1, STUCK_MS) > 0)
                continue;
        }
        if (wrote <= 0)
            return; /* nobody reads: there is nowhere to say so */
        done += (size_t)wrote;
    }
}

/* In the place of a line that is too long: what it would have been about, without its pairs. */
static void too_long(struct kst_buf *line, enum kst_log_level level, const char *message, ...)
{
    kst_buf_clear(line);
    va_list pairs;
    va_start(pairs, message);
    if (line_format == KST_LOG_JSON)
        json_line(line, level, message, pairs);
    else
        plain_line(line, level, message, pairs);
    va_end(pairs);
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
        kst_auto_free char *begins = kst_strndup(message, strnlen(message, BEGIN_BYTES));
        too_long(&line, level, "a log line that is too long was left out", "begins", begins, NULL);
    }
    emit(&line);
}

void kst_logf(enum kst_log_level level, const char *format, ...)
{
    if (!kst_log_enabled(level))
        return;
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    kst_log(level, text, NULL);
    free(text);
}

static void remember(const char *value, size_t len)
{
    if (len < MIN_SECRET)
        return;
    for (size_t i = 0; i < secret_count; i++) {
        if (secrets[i].len == len && memcmp(secrets[i].value, value, len) == 0)
            return;
    }
    secrets = kst_realloc(secrets, (secret_count + 1) * sizeof(*secrets));
    secrets[secret_count++] = (struct secret){.value = kst_strndup(value, len), .len = len};
}

void kst_log_secret(const char *value, size_t len)
{
    if (!value || len < MIN_SECRET)
        return;
    remember(value, len);
    /* As it stands in a JSON text, and as it stands in a Secret. */
    struct kst_buf form = KST_BUF_INIT(16 * len + 16);
    kst_auto_free char *text = kst_strndup(value, len);
    escaped(&form, text, true);
    remember(form.data, form.len);
    kst_buf_clear(&form);
    kst_base64_encode(&form, value, len);
    remember(form.data, form.len);
    kst_free_secret(form.data, form.size);
    explicit_bzero(text, len);
}

/* Marks what is secret first and replaces then: where one secret is a part of another, or two
 * overlap, nothing of either is left. */
char *kst_log_redact(const char *text)
{
    if (!text)
        return NULL;
    size_t len = strlen(text);
    kst_auto_free char *marks = NULL;
    for (size_t i = 0; i < secret_count; i++) {
        const struct secret *secret = &secrets[i];
        const char *at = text;
        while ((at = memmem(at, len - (size_t)(at - text), secret->value, secret->len))) {
            if (!marks)
                marks = kst_calloc(len + 1, 1);
            memset(marks + (at - text), 1, secret->len);
            at++;
        }
    }
    if (!marks)
        return kst_strdup(text);
    char *clean = kst_malloc(len + 1), *to = clean; /* a secret is longer than what replaces it */
    for (size_t i = 0; i < len; i++) {
        if (!marks[i]) {
            *to++ = text[i];
        } else if (!marks[i + 1]) {
            memcpy(to, "***", 3);
            to += 3;
        }
    }
    *to = '\0';
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
