/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/types/quantity.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { NANO_DIGITS = 9 };

/* Far from the end of 128 bits, so that a step of ten or of 2^10 cannot pass it unseen. */
static const __int128 largest = (__int128)1 << 116;
static const __int128 nano_one = 1000000000;

struct suffix {
    const char *text;
    int exponent; /* of ten, or of two in the binary format */
    enum kst_quantity_format format;
};

static const struct suffix suffixes[] = {
    {"n", -9, KST_QUANTITY_DECIMAL}, {"u", -6, KST_QUANTITY_DECIMAL},
    {"m", -3, KST_QUANTITY_DECIMAL}, {"", 0, KST_QUANTITY_DECIMAL},
    {"k", 3, KST_QUANTITY_DECIMAL},  {"M", 6, KST_QUANTITY_DECIMAL},
    {"G", 9, KST_QUANTITY_DECIMAL},  {"T", 12, KST_QUANTITY_DECIMAL},
    {"P", 15, KST_QUANTITY_DECIMAL}, {"E", 18, KST_QUANTITY_DECIMAL},
    {"Ki", 10, KST_QUANTITY_BINARY}, {"Mi", 20, KST_QUANTITY_BINARY},
    {"Gi", 30, KST_QUANTITY_BINARY}, {"Ti", 40, KST_QUANTITY_BINARY},
    {"Pi", 50, KST_QUANTITY_BINARY}, {"Ei", 60, KST_QUANTITY_BINARY},
};
enum { SUFFIXES = sizeof(suffixes) / sizeof(suffixes[0]) };

static bool read_suffix(const char *text, struct suffix *suffix)
{
    for (size_t i = 0; i < SUFFIXES; i++) {
        if (strcmp(suffixes[i].text, text) == 0) {
            *suffix = suffixes[i];
            return true;
        }
    }
    long long exponent = 0;
    if ((text[0] != 'e' && text[0] != 'E') || text[1] == '\0')
        return false;
    if (!kst_parse_int(text + (text[1] == '+' ? 2 : 1), &exponent) || exponent < -100 ||
        exponent > 100)
        return false;
    suffix->text = "";
    suffix->exponent = (int)exponent;
    suffix->format = KST_QUANTITY_EXPONENT;
    return true;
}

static bool multiply(__int128 *value, int factor)
{
    if (*value > largest / factor)
        return false;
    *value *= factor;
    return true;
}

/* The digits of the number without its point, and how many of them stood behind it; digits past
 * what 128 bits hold only round up. */
static bool read_digits(const char **text, __int128 *value, int *behind)
{
    const char *at = *text;
    bool point = false, any = false;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        any = true;
        if (point && *behind >= 2 * NANO_DIGITS) {
            *value += *at != '0' && *value % 10 == 0;
            continue;
        }
        if (!multiply(value, 10))
            return false;
        *value += *at - '0';
        *behind += point;
    }
    *text = at;
    return any;
}

/* value * 10^exponent, where digits that are lost round up. */
static bool scale_ten(__int128 *value, int exponent)
{
    for (; exponent > 0 && *value != 0; exponent--) {
        if (!multiply(value, 10))
            return false;
    }
    bool lost = false;
    for (; exponent < 0 && *value != 0; exponent++) {
        lost = lost || *value % 10 != 0;
        *value /= 10;
    }
    *value += lost;
    return true;
}

bool kst_quantity_parse(const char *text, struct kst_quantity *quantity)
{
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    __int128 value = 0;
    int behind = 0;
    struct suffix suffix;
    if (!read_digits(&text, &value, &behind) || !read_suffix(text, &suffix))
        return false;
    if (suffix.format == KST_QUANTITY_BINARY) {
        const __int128 most = (__int128)INT64_MAX * nano_one;
        bool fits = true;
        for (int i = 0; i < suffix.exponent && fits; i++)
            fits = multiply(&value, 2);
        fits = fits && scale_ten(&value, NANO_DIGITS - behind);
        if (!fits || value > most)
            value = most;
    } else if (!scale_ten(&value, suffix.exponent + NANO_DIGITS - behind)) {
        return false;
    }
    quantity->nano = negative ? -value : value;
    quantity->format = suffix.format;
    return true;
}

bool kst_quantity_read(const struct kst_json *value, struct kst_quantity *quantity)
{
    const char *text = kst_json_str(value);
    if (!text)
        text = kst_json_number(value);
    return text && kst_quantity_parse(text, quantity);
}

/* At most 39 digits and a sign. */
static char *print_integer(__int128 value, char *end)
{
    bool negative = value < 0;
    *--end = '\0';
    do {
        int digit = (int)(value % 10);
        *--end = (char)('0' + (digit < 0 ? -digit : digit));
        value /= 10;
    } while (value != 0);
    if (negative)
        *--end = '-';
    return end;
}

static void print_binary(__int128 nano, char *out, char *digits_end)
{
    __int128 whole = nano / nano_one;
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    size_t unit = 0;
    while (whole % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        whole /= 1024;
        unit++;
    }
    snprintf(out, KST_QUANTITY_TEXT, "%s%s", print_integer(whole, digits_end), units[unit]);
}

void kst_quantity_print(const struct kst_quantity *quantity, char *out)
{
    char digits[KST_QUANTITY_TEXT];
    char *end = digits + sizeof(digits);
    __int128 value = quantity->nano;
    /* A small number, or one with a fraction, has no binary suffix. */
    bool decimal = (value > -1024 * nano_one && value < 1024 * nano_one) || value % nano_one != 0;
    if (quantity->format == KST_QUANTITY_BINARY && !decimal) {
        print_binary(value, out, end);
        return;
    }
    int exponent = value == 0 ? 0 : -NANO_DIGITS;
    /* A decimal suffix ends at E; an exponent does not. */
    int most = quantity->format == KST_QUANTITY_EXPONENT ? INT_MAX : 18;
    for (; value != 0 && value % 1000 == 0 && exponent < most; exponent += 3)
        value /= 1000;
    const char *number = print_integer(value, end);
    if (quantity->format == KST_QUANTITY_EXPONENT && exponent != 0)
        snprintf(out, KST_QUANTITY_TEXT, "%se%d", number, exponent);
    else
        snprintf(out, KST_QUANTITY_TEXT, "%s%s", number, suffixes[(exponent + 9) / 3].text);
}

/* Whether the server keeps the text: "the number is in canonical form" of ParseQuantity(), which
 * looks at the digits alone. */
static bool is_kept(const char *text)
{
    text += *text == '-' || *text == '+';
    text += strspn(text, "0");
    const char *whole = text;
    size_t num = strspn(text, "0123456789"), behind = 0;
    text += num;
    if (*text == '.') {
        behind = strspn(++text, "0123456789");
        text += behind;
    }
    struct suffix suffix;
    if (!read_suffix(text, &suffix) || num == 0 || whole[0] == '0')
        return false;
    if (suffix.format == KST_QUANTITY_BINARY) {
        long long value = 0;
        kst_auto_free char *digits = kst_strndup(whole, num);
        return behind == 0 && (int)num + suffix.exponent * 3 / 10 <= 14 &&
               kst_parse_int(digits, &value) && (value & 7) != 0;
    }
    int scale = suffix.exponent - (int)behind;
    const char *last = behind > 0 ? whole + num + 1 + behind : whole + num;
    size_t zeros = 0;
    while (zeros < num + behind && (last[-1] == '0' || last[-1] == '.')) {
        zeros += last[-1] == '0';
        last--;
    }
    return num + behind <= 18 && scale >= -NANO_DIGITS && scale % 3 == 0 && zeros < 3;
}

bool kst_quantity_canonical(const char *text, char *out)
{
    struct kst_quantity quantity;
    if (!kst_quantity_parse(text, &quantity))
        return false;
    if (strlen(text) < KST_QUANTITY_TEXT && is_kept(text))
        memcpy(out, text, strlen(text) + 1);
    else
        kst_quantity_print(&quantity, out);
    return true;
}

int kst_quantity_compare(const struct kst_quantity *a, const struct kst_quantity *b)
{
    return (a->nano > b->nano) - (a->nano < b->nano);
}
