/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum { MAX_OPTIONS = 64, FIRST_LONG = 256, HELP_COLUMN = 30 };

struct parser {
    const struct kst_option *options[MAX_OPTIONS];
    struct option longs[MAX_OPTIONS + 1];
    char letters[MAX_OPTIONS * 2 + 4];
    size_t count;
};

static void add_table(struct parser *parser, const struct kst_option *table)
{
    for (; table && table->name && parser->count < MAX_OPTIONS; table++) {
        bool has_value = table->kind != KST_OPTION_FLAG;
        parser->longs[parser->count] = (struct option){.name = table->name,
                                                       .has_arg = has_value ? required_argument
                                                                            : no_argument,
                                                       .val = FIRST_LONG + (int)parser->count};
        parser->options[parser->count++] = table;
        if (!table->letter)
            continue;
        size_t len = strlen(parser->letters);
        parser->letters[len] = table->letter;
        parser->letters[len + 1] = has_value ? ':' : '\0';
    }
}

static const struct kst_option *find(const struct parser *parser, int value)
{
    if (value >= FIRST_LONG)
        return parser->options[value - FIRST_LONG];
    for (size_t i = 0; i < parser->count; i++) {
        if (parser->options[i]->letter == value)
            return parser->options[i];
    }
    return NULL;
}

static void set(const struct kst_option *option, const char *value)
{
    if (option->kind == KST_OPTION_FLAG) {
        *(bool *)option->target = true;
    } else if (option->kind == KST_OPTION_STRING) {
        *(const char **)option->target = value;
    } else {
        struct kst_list *list = option->target;
        list->items = kst_realloc(list->items, (list->count + 2) * sizeof(*list->items));
        list->items[list->count++] = value;
        list->items[list->count] = NULL;
    }
}

static int bad_option(const char *text, bool lacks_value, struct kst_err **err)
{
    kst_err_set(err, KST_E_USAGE, lacks_value ? "option %s needs a value" : "unknown option %s",
                text);
    kst_err_hint(err, "see the options with --help");
    return KST_E_USAGE;
}

int kst_options_parse(int argc, char **argv, const struct kst_option *own,
                      const struct kst_option *common, char ***rest, struct kst_err **err)
{
    struct parser parser = {.letters = ":"};
    add_table(&parser, own);
    add_table(&parser, common);
    optind = 0; /* glibc: starts anew */
    opterr = 0;
    int value;
    while ((value = getopt_long(argc, argv, parser.letters, parser.longs, NULL)) != -1) {
        if (value == '?' || value == ':') {
            char letter[3] = {'-', (char)optopt, '\0'};
            bool by_letter = optopt > 0 && optopt < FIRST_LONG;
            return bad_option(by_letter ? letter : argv[optind - 1], value == ':', err);
        }
        set(find(&parser, value), optarg);
    }
    *rest = argv + optind;
    return 0;
}

void kst_options_help(FILE *out, const struct kst_option *options)
{
    for (; options && options->name; options++) {
        char letter[5] = "    ";
        if (options->letter)
            snprintf(letter, sizeof(letter), "-%c, ", options->letter);
        int width = fprintf(out, "  %s--%s%s%s", letter, options->name, options->value ? "=" : "",
                            options->value ? options->value : "");
        if (width >= HELP_COLUMN)
            width = fprintf(out, "\n") * 0;
        fprintf(out, "%*s%s\n", HELP_COLUMN - width, "", options->help);
    }
}

void kst_list_release(struct kst_list *self)
{
    free(self->items);
    *self = (struct kst_list){0};
}
