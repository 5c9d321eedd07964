/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the command line: each command has a table, from which come the parsing (getopt_long),
 * the help and the completion. What kubectl has is called as kubectl calls it.
 */
#ifndef KST_CMD_OPTIONS_H
#define KST_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct kst_err;

enum kst_option_kind {
    KST_OPTION_FLAG,   /* bool */
    KST_OPTION_STRING, /* const char *, borrowed from argv */
    KST_OPTION_LIST,   /* struct kst_list, may be given several times */
};

struct kst_list {
    const char **items; /* ended by NULL where it is not NULL */
    size_t count;
};

struct kst_option {
    char letter; /* 0: none */
    const char *name;
    const char *value; /* what the help calls its value; NULL for flags */
    enum kst_option_kind kind;
    void *target;
    const char *help;
};

/* Parses argv[1..]; options of both tables (each ended by a NULL name; `common` may be NULL) may
 * stand anywhere, "--" ends them. *rest gets what is no option (into argv, which is reordered).
 * KST_E_USAGE names the option. */
int kst_options_parse(int argc, char **argv, const struct kst_option *own,
                      const struct kst_option *common, char ***rest, struct kst_err **err);
/* Prints one line an option. */
void kst_options_help(FILE *out, const struct kst_option *options);
void kst_list_release(struct kst_list *self);

#endif
