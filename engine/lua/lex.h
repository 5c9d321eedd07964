/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a Lua program, for the parser (syntax.h). */
#ifndef KST_LUA_LEX_H
#define KST_LUA_LEX_H

#include "lua/syntax.h"

enum kst_token_kind {
    KST_TOKEN_END,
    KST_TOKEN_NAME,
    KST_TOKEN_STRING,
    KST_TOKEN_NUMBER,
    KST_TOKEN_WORD, /* a keyword, or one of the signs; its text says which */
};

struct kst_token {
    enum kst_token_kind kind;
    size_t at;
    const char *text; /* of names, strings (their value) and words; ends with a NUL */
    size_t len;
    bool whole; /* of numbers */
};

struct kst_lex {
    struct kst_syntax *syntax;
    size_t at;
};

/* The next token, with white space and comments passed over. KST_E_PARSE, with syntax->wrong_at. */
int kst_lex_next(struct kst_lex *self, struct kst_token *token, struct kst_err **err);
/* An error at a byte of the text. */
int kst_lex_wrong(struct kst_syntax *syntax, size_t at, const char *what, struct kst_err **err);

#endif
