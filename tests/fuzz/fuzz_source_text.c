/* SPDX-License-Identifier: Apache-2.0 */
/* The texts around a Git source. The first byte says which: 'u' a URL, 'k' a known_hosts file for
 * the host in its first line, 'r' a request to the helper, 'a' an answer of it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/knownhosts.h"
#include "git/request.h"
#include "git/source.h"
#include "git/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int occurrences(const char *text)
{
    int count = 0;
    while ((text = strstr(text, "Hunter2")))
        count++, text++;
    return count;
}

static void fuzz_url(const char *text)
{
    kst_auto_git_url url = {0};
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *shown = kst_source_url_redacted(text);
    kst_auto_free char *again = kst_source_url_redacted(shown);

    for (const char *c = shown; *c; c++)
        assert((unsigned char)*c >= 0x20 && *c != 0x7f);
    assert(strlen(again) > 0 || strlen(shown) == 0);
    if (kst_git_url_parse(text, &url, &err) < 0) {
        assert(err && !url.fetch && !url.shown);
        return;
    }
    assert(url.fetch && url.shown);
    /* The password is gone; a path that repeats it is none. */
    if (url.password && strcmp(url.password, "Hunter2") == 0) {
        assert(occurrences(url.shown) < occurrences(text));
        assert(occurrences(url.fetch) < occurrences(text));
    }
    if (url.transport != KST_GIT_FILE) {
        assert(url.host && *url.host && *url.host != '-');
        assert(url.port > 0 && url.port < 65536);
    }
}

static void fuzz_known_hosts(struct kst_str text)
{
    struct kst_str host = {0};
    if (!kst_str_split(&text, '\n', &host))
        return;
    kst_auto_free char *name = kst_strndup(host.data, host.len);
    static const int ports[] = {22, 2222};
    for (size_t i = 0; i < KST_ARRAY_LEN(ports); i++) {
        kst_auto_buf line = KST_BUF_INIT(1 << 20);
        kst_knownhosts_check(text, name, ports[i], "key one", 7);
        for (unsigned nth = 0; kst_knownhosts_pick(text, name, ports[i], nth, &line); nth++)
            assert(nth < 5);
        /* Nothing is known where nothing is said. */
        assert(kst_knownhosts_check(kst_str_of(""), name, ports[i], "k", 1) ==
               KST_KNOWNHOSTS_UNKNOWN);
    }
}

static void fuzz_request(const char *text, size_t len)
{
    struct kst_git_request request;
    kst_auto_err struct kst_err *err = NULL;
    if (kst_git_request_parse(text, len, &request, &err) < 0) {
        assert(err);
        return;
    }
    struct kst_buf printed = KST_BUF_INIT(KST_GIT_REQUEST_MAX);
    assert(kst_git_request_print(&request, &printed, NULL) == 0);
    kst_git_text_release(&printed);
    kst_git_request_release(&request);
}

static void fuzz_answer(const char *text, size_t len)
{
    struct kst_git_answer answer = {0};
    kst_auto_err struct kst_err *err = NULL;
    int code = kst_git_answer_parse(text, len, &answer, &err);
    assert(code <= 0 && (code == 0) == !err);
    assert((code == 0) == (answer.commit != NULL));
    kst_git_answer_release(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    kst_auto_free char *text = kst_strndup((const char *)data + 1, size - 1);
    if (data[0] == 'u')
        fuzz_url(text);
    else if (data[0] == 'k')
        fuzz_known_hosts((struct kst_str){text, size - 1});
    else if (data[0] == 'r')
        fuzz_request(text, size - 1);
    else if (data[0] == 'a')
        fuzz_answer(text, size - 1);
    return 0;
}
