/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Force-included into every file of ours: functions that cannot be used safely do not compile.
 * What to use instead stands beside each.
 */
#ifndef KST_BASE_BANNED_H
#define KST_BASE_BANNED_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Macros with _FORTIFY_SOURCE under clang: only what is no macro can be poisoned in silence. */
#undef alloca
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy           /* kst_buf_adds, snprintf */
#pragma GCC poison strcat           /* kst_buf_adds */
#pragma GCC poison strncpy          /* kst_strndup */
#pragma GCC poison strncat          /* kst_buf_add */
#pragma GCC poison sprintf vsprintf /* snprintf, kst_asprintf */
#pragma GCC poison strtok           /* kst_str_split */
#pragma GCC poison atoi atol atoll  /* kst_parse_int */
#pragma GCC poison sscanf vsscanf   /* kst_regex, kst_parse_int */
#pragma GCC poison gets             /* getline */
#pragma GCC poison alloca           /* kst_malloc */

#endif
