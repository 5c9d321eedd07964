/* SPDX-License-Identifier: Apache-2.0 */
/* What the code must know of the sanitizers that it is built with (gcc's way to say it, and
 * clang's): nothing, in a build without them. */
#ifndef KST_BASE_SANITIZER_H
#define KST_BASE_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define KST_WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KST_WITH_ASAN 1
#endif
#endif
#ifndef KST_WITH_ASAN
#define KST_WITH_ASAN 0
#endif

#if KST_WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

/* What this thread allocates between the two, in a library that is known to leak, is nobody's
 * defect here. They nest. */
static inline void kst_sanitizer_leaks_begin(void)
{
#if KST_WITH_ASAN
    __lsan_disable();
#endif
}
static inline void kst_sanitizer_leaks_end(void)
{
#if KST_WITH_ASAN
    __lsan_enable();
#endif
}

#endif
