/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: allocation that never returns NULL (the process ends with a message on stderr: a tool
 * that has no memory left for a few bytes cannot keep a promise anyway, and the next start
 * resumes the run), and scoped clean-up. What a blueprint allocates is not allocated here but by
 * the Lua host, whose limits fail the run and nothing else.
 */
#ifndef KST_BASE_MEM_H
#define KST_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

/* Never NULL: what cannot be had ends the process. */
void *kst_malloc(size_t size_bytes) __attribute__((malloc, returns_nonnull));
/* Zeroed; count * size may not overflow (that asserts). */
void *kst_calloc(size_t count, size_t size_bytes) __attribute__((malloc, returns_nonnull));
void *kst_realloc(void *old, size_t size_bytes) __attribute__((returns_nonnull));
/* Copies; NULL gives NULL. */
char *kst_strdup(const char *text);
/* Copies `len` bytes and adds a NUL. */
char *kst_strndup(const char *text, size_t len) __attribute__((returns_nonnull));
/* printf into a new string that the caller frees. */
char *kst_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
/* Overwrites memory that held a secret, in a way that the compiler keeps, then frees it. */
void kst_free_secret(void *memory, size_t size_bytes);

static inline void kst_free_indirect(void *address)
{
    free(*(void **)address);
}
#define kst_auto_free __attribute__((cleanup(kst_free_indirect)))

/* Gives the value away and leaves NULL behind: `return kst_take(text);` */
#define kst_take(pointer)                         \
    __extension__({                               \
        __typeof__(pointer) *kst_t_ = &(pointer); \
        __typeof__(pointer) kst_v_ = *kst_t_;     \
        *kst_t_ = NULL;                           \
        kst_v_;                                   \
    })

#define KST_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
