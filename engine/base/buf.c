/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

char kst_buf_empty[1];

enum { FIRST_SIZE = 64 };

void kst_buf_init(struct kst_buf *self, size_t cap_bytes)
{
    *self = (struct kst_buf)KST_BUF_INIT(cap_bytes);
}

void kst_buf_release(struct kst_buf *self)
{
    if (self->size)
        free(self->data);
    kst_buf_init(self, self->cap_bytes);
}

void kst_buf_clear(struct kst_buf *self)
{
    self->len = 0;
    self->overflown = false;
    if (self->size)
        self->data[0] = '\0';
}

char *kst_buf_room(struct kst_buf *self, size_t len)
{
    if (self->overflown || len > self->cap_bytes - self->len) {
        self->overflown = true;
        return NULL;
    }
    size_t need = self->len + len + 1;
    if (need > self->size) {
        size_t size = self->size ? self->size : FIRST_SIZE;
        while (size < need)
            size = size > self->cap_bytes / 2 ? self->cap_bytes + 1 : size * 2;
        char *data = kst_realloc(self->size ? self->data : NULL, size);
        data[self->len] = '\0';
        self->data = data;
        self->size = size;
    }
    return self->data + self->len;
}

void kst_buf_wrote(struct kst_buf *self, size_t len)
{
    if (len == 0)
        return;
    assert(self->size > self->len + len);
    self->len += len;
    self->data[self->len] = '\0';
}

int kst_buf_add(struct kst_buf *self, const void *data, size_t len)
{
    if (len == 0)
        return self->overflown ? KST_E_LIMIT : 0;
    char *room = kst_buf_room(self, len);
    if (!room)
        return KST_E_LIMIT;
    memcpy(room, data, len);
    kst_buf_wrote(self, len);
    return 0;
}

int kst_buf_adds(struct kst_buf *self, const char *text)
{
    return kst_buf_add(self, text, strlen(text));
}

int kst_buf_addc(struct kst_buf *self, char byte)
{
    return kst_buf_add(self, &byte, 1);
}

int kst_buf_addv(struct kst_buf *self, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char small[256];
    int len = vsnprintf(small, sizeof(small), format, args);
    int rc = KST_E_LIMIT;
    if (len >= 0 && (size_t)len < sizeof(small)) {
        rc = kst_buf_add(self, small, (size_t)len);
    } else if (len >= 0) {
        char *room = kst_buf_room(self, (size_t)len);
        if (room) {
            vsnprintf(room, (size_t)len + 1, format, again);
            kst_buf_wrote(self, (size_t)len);
            rc = 0;
        }
    }
    va_end(again);
    return rc;
}

int kst_buf_addf(struct kst_buf *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = kst_buf_addv(self, format, args);
    va_end(args);
    return rc;
}

void kst_buf_drop(struct kst_buf *self, size_t len)
{
    if (len > self->len)
        len = self->len;
    if (len == 0)
        return;
    memmove(self->data, self->data + len, self->len - len + 1);
    self->len -= len;
}

void kst_buf_truncate(struct kst_buf *self, size_t len)
{
    if (len >= self->len)
        return;
    self->len = len;
    self->data[len] = '\0';
}

char *kst_buf_take(struct kst_buf *self)
{
    char *text = self->size ? self->data : kst_strndup("", 0);
    kst_buf_init(self, self->cap_bytes);
    return text;
}

int kst_buf_check(const struct kst_buf *self, const char *what, struct kst_err **err)
{
    if (!self->overflown)
        return 0;
    return kst_err_set(err, KST_E_LIMIT, "%s is larger than the %zu bytes that are allowed", what,
                       self->cap_bytes);
}

static int read_all(struct kst_buf *self, int fd, const char *path, struct kst_err **err)
{
    for (;;) {
        char chunk[16 * 1024];
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kst_err_set(err, KST_E_IO, "read %s: %s", path, strerror(errno));
        if (got == 0)
            return 0;
        if (kst_buf_add(self, chunk, (size_t)got) < 0)
            return kst_buf_check(self, path, err);
    }
}

int kst_buf_read_file(struct kst_buf *self, const char *path, struct kst_err **err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return kst_err_set(err, errno == ENOENT || errno == ENOTDIR ? KST_E_NOT_FOUND : KST_E_IO,
                           "open %s: %s", path, strerror(errno));
    int rc = read_all(self, fd, path, err);
    close(fd);
    return rc;
}
