/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *memory)
{
    if (!memory) {
        fputs("kassette: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *kst_malloc(size_t size_bytes)
{
    return checked(malloc(size_bytes ? size_bytes : 1));
}

void *kst_calloc(size_t count, size_t size_bytes)
{
    assert(size_bytes == 0 || count <= SIZE_MAX / size_bytes);
    return checked(calloc(count ? count : 1, size_bytes ? size_bytes : 1));
}

void *kst_realloc(void *old, size_t size_bytes)
{
    return checked(realloc(old, size_bytes ? size_bytes : 1));
}

char *kst_strdup(const char *text)
{
    return text ? kst_strndup(text, strlen(text)) : NULL;
}

char *kst_strndup(const char *text, size_t len)
{
    char *copy = kst_malloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *kst_asprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    va_end(args);
    return checked(len < 0 ? NULL : text);
}

void kst_free_secret(void *memory, size_t size_bytes)
{
    if (memory)
        explicit_bzero(memory, size_bytes);
    free(memory);
}
