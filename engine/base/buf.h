/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kst_buf: the one growable byte buffer, always NUL-terminated, with a cap that every owner
 * states. kst_str: a view of bytes that somebody else owns.
 *
 * Appending beyond the cap appends nothing and makes the buffer "overflown": it stays so until it
 * is cleared, so that a sequence of appends can be checked once at its end.
 */
#ifndef KST_BASE_BUF_H
#define KST_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_err;

struct kst_str {
    const char *data;
    size_t len;
};

struct kst_buf {
    char *data; /* never NULL after init; data[len] is 0 */
    size_t len;
    size_t size;      /* allocated, 0 while data is the shared empty string */
    size_t cap_bytes; /* len never exceeds it */
    bool overflown;
};

extern char kst_buf_empty[1];

/* clang-format off */
#define KST_BUF_INIT(cap) {.data = kst_buf_empty, .cap_bytes = (cap)}
/* clang-format on */

/* An empty buffer that never holds more than `cap_bytes`; the release gives its memory back and
 * leaves it empty. */
void kst_buf_init(struct kst_buf *self, size_t cap_bytes);
void kst_buf_release(struct kst_buf *self);
#define kst_auto_buf __attribute__((cleanup(kst_buf_release))) struct kst_buf

/* Empties without giving memory back, and forgets an overflow. */
void kst_buf_clear(struct kst_buf *self);
/* The appends return 0 or KST_E_LIMIT (nothing was appended). */
int kst_buf_add(struct kst_buf *self, const void *data, size_t len);
int kst_buf_adds(struct kst_buf *self, const char *text);
int kst_buf_addc(struct kst_buf *self, char byte);
int kst_buf_addf(struct kst_buf *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int kst_buf_addv(struct kst_buf *self, const char *format, va_list args);
/* Room for `len` more bytes at the end: returns where to write, or NULL beyond the cap. The
 * caller then adds what it wrote with kst_buf_wrote(). */
char *kst_buf_room(struct kst_buf *self, size_t len);
void kst_buf_wrote(struct kst_buf *self, size_t len);
/* Removes the first `len` bytes (at most all). */
void kst_buf_drop(struct kst_buf *self, size_t len);
/* Shortens to `len` bytes (no-op when it is shorter). */
void kst_buf_truncate(struct kst_buf *self, size_t len);
/* Hands the text over (the caller frees it, never NULL) and leaves an empty buffer. */
char *kst_buf_take(struct kst_buf *self);
/* 0, or KST_E_LIMIT with "<what> is larger than <cap>" where an append overflowed. */
int kst_buf_check(const struct kst_buf *self, const char *what, struct kst_err **err);
/* Reads a whole file, at most the cap (KST_E_LIMIT beyond); KST_E_NOT_FOUND, KST_E_IO otherwise.
 * Blocks on the file system. */
int kst_buf_read_file(struct kst_buf *self, const char *path, struct kst_err **err);

/* Views. kst_str_of(NULL) is empty. */
struct kst_str kst_str_of(const char *text);
struct kst_str kst_str_buf(const struct kst_buf *buf);
bool kst_str_eq(struct kst_str a, const char *b);
bool kst_str_has_prefix(struct kst_str text, const char *prefix);
bool kst_str_has_suffix(struct kst_str text, const char *suffix);
struct kst_str kst_str_trim(struct kst_str text);
/* Cuts the part before the first `separator` off *rest into *part (the whole where there is
 * none); false when *rest was used up before. */
bool kst_str_split(struct kst_str *rest, char separator, struct kst_str *part);

/* True where both are there and the same text. */
bool kst_same(const char *a, const char *b);

/* Whole-string conversions: false unless all of the text is one number in range. */
bool kst_parse_int(const char *text, long long *value);
/* "1.5h", "90s", "500ms", "1h30m" as Go's time.ParseDuration, without negatives. A bare number is
 * refused. */
bool kst_parse_duration_ms(const char *text, long long *ms);
/* A Kubernetes quantity ("1Gi", "500M", "1e9", "1.5Ki") in bytes, rounded up; false where it is
 * none, or more than 2^62. */
bool kst_parse_size(const char *text, int64_t *bytes);

/* RFC 4648. Encode appends; decode refuses anything but canonical base64 (white space is skipped
 * when `lenient`) with KST_E_PARSE. */
int kst_base64_encode(struct kst_buf *out, const void *data, size_t len);
int kst_base64_decode(struct kst_buf *out, struct kst_str text, bool lenient);

/* FNV-1a, 64 bits, for short suffixes of names; not for security. */
unsigned long long kst_hash(const void *data, size_t len);

/* A valid Kubernetes object name (RFC 1123 label, at most `max` bytes, 9 to 253) made of `text`:
 * what is not allowed becomes '-', and what had to be changed or cut gets a hash suffix, so that
 * different inputs keep different names. The caller frees it. */
char *kst_name_make(const char *text, size_t max);

#endif
