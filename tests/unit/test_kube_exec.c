/* SPDX-License-Identifier: Apache-2.0 */
/* Execs against a server that speaks WebSocket as a script tells it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fake_http.h"
#include "fake_ws.h"
#include "kube/client.h"
#include "kube/exec.h"
#include "kube_fixture.h"
#include "loop/fiber.h"

enum { MOST_OPS = 8, PATIENCE_MS = 3000, MUCH = 10 * 1024 * 1024, FRAME_BYTES = 2 * 1024 * 1024 };

#define V4      "v4.channel.k8s.io"
#define V5      "v5.channel.k8s.io"
#define SUCCESS "{\"metadata\":{},\"status\":\"Success\"}"
#define EXIT(code)                                                                              \
    "{\"metadata\":{},\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"message\":\"x\"," \
    "\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"" code "\"}]}}"
#define FAILURE(message)                                                             \
    "{\"status\":\"Failure\",\"reason\":\"InternalError\",\"code\":500,\"message\":" \
    "\"" message "\"}"

static const char *const command[] = {"sh", "-c", "echo a b&c", NULL};
static const struct kst_exec_request request = {.ns = "shop",
                                                .pod = "db-0",
                                                .container = "main",
                                                .command = command};
#define WHAT "Pod/shop/db-0 (container main)"

/* ---- Whole runs ---- */

struct run_case {
    const char *label;
    const char *protocol;
    struct fake_ws_op ops[MOST_OPS];
    const char *input;
    int rc, exit_code;
    const char *out, *errors;
    const char *message; /* a part of it */
};

static const struct run_case run_cases[] = {
    {"success",
     V4,
     {OP(SAY, 1, "hello"), OP(SAY, 2, "oops"), OP(SAY, 3, SUCCESS), OP(GOODBYE, 1000, NULL)},
     .out = "hello",
     .errors = "oops"},
    {"exit code", V5, {OP(SAY, 3, EXIT("3")), OP(GOODBYE, 1000, NULL)}, .exit_code = 3},
    {"not found code", V5, {OP(SAY, 3, EXIT("127")), OP(GOODBYE, 1000, NULL)}, .exit_code = 127},
    {"output after the status",
     V4,
     {OP(SAY, 1, "a"), OP(SAY, 3, SUCCESS), OP(IDLE, 20, NULL), OP(SAY, 1, "b"),
      OP(GOODBYE, 1000, NULL)},
     .out = "ab"},
    {"status, then a plain end",
     V4,
     {OP(SAY, 1, "a"), OP(SAY, 3, EXIT("4"))},
     .exit_code = 4,
     .out = "a"},
    {"status, then a reset", V4, {OP(SAY, 3, EXIT("5")), OP(RESET, 0, NULL)}, .exit_code = 5},
    {"status, and no close",
     V4,
     {OP(SAY, 1, "x"), OP(SAY, 3, SUCCESS), OP(LISTEN, 0, NULL)},
     .out = "x"},
    {"split",
     V5,
     {OP(SAY_SPLIT, 1, "in many parts"), OP(SAY_SPLIT, 3, SUCCESS), OP(GOODBYE, 1000, NULL)},
     .out = "in many parts"},
    {"merged",
     V5,
     {OP(SAY_MERGED, 2, "twice;"), OP(SAY, 3, SUCCESS), OP(GOODBYE, 1000, NULL)},
     .errors = "twice;twice;"},
    {"ping",
     V4,
     {OP(PING, 0, "are you there"), OP(PING, 0, ""), OP(SAY, 3, SUCCESS), OP(GOODBYE, 1000, NULL)},
     .exit_code = 0},
    {"empty messages open channels",
     V4,
     {OP(SAY, 0, ""), OP(SAY, 1, ""), OP(SAY, 2, ""), OP(SAY, 3, ""), OP(SAY, 3, EXIT("9")),
      OP(GOODBYE, 1000, NULL)},
     .exit_code = 9},
    {"channels that nobody knows",
     V4,
     {OP(SAY, 4, "resize"), OP(SAY, 200, "?"), OP(SAY, 0, "?"), OP(SAY, 3, SUCCESS),
      OP(GOODBYE, 1000, NULL)},
     .exit_code = 0},
    {"input, v5",
     V5,
     {OP(HEAR, 0, "SELECT 1"), OP(HEAR_EOF, 0, NULL), OP(SAY, 1, "1"), OP(SAY, 3, SUCCESS),
      OP(GOODBYE, 1000, NULL)},
     .input = "SELECT 1",
     .out = "1"},
    {"input, v4",
     V4,
     {OP(HEAR, 0, "quit\n"), OP(SAY, 3, SUCCESS), OP(GOODBYE, 1000, NULL)},
     .input = "quit\n"},
    {"no input but its end",
     V5,
     {OP(HEAR_EOF, 0, NULL), OP(SAY, 3, SUCCESS), OP(GOODBYE, 1000, NULL)},
     .input = ""},
    {"no such program",
     V4,
     {OP(SAY, 3, FAILURE("exec: \\\"nope\\\": executable file not found\\nin $PATH")),
      OP(GOODBYE, 1000, NULL)},
     .rc = KST_E_FAILED,
     .message = WHAT ": the command could not be run: exec: \"nope\": "
                     "executable file not found in $PATH"},
    {"container gone, told late",
     V5,
     {OP(SAY, 3, FAILURE("container not found (\\\"main\\\")")), OP(GOODBYE, 1000, NULL)},
     .rc = KST_E_INVALID,
     .message = "container not found (\"main\")"},
    {"a status without a code",
     V5,
     {OP(SAY, 3,
         "{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
         "\"message\":\"many\"}, 7, {}]}}"),
      OP(GOODBYE, 1000, NULL)},
     .rc = KST_E_FAILED,
     .message = "no reason was given"},
    {"a status that is none",
     V5,
     {OP(SAY, 3, "command terminated"), OP(GOODBYE, 1000, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = WHAT ": expected a Status"},
    {"a status that is not UTF-8",
     V5,
     {OP(SAY, 3, "{\"status\":\"\xff\xfe\"}"), OP(GOODBYE, 1000, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = WHAT ": expected a Status"},
    {"closed without a status",
     V5,
     {OP(SAY, 1, "so far"), OP(GOODBYE, 1000, NULL)},
     .rc = KST_E_CLOSED,
     .out = "so far",
     .message = WHAT ": the connection was closed"},
    {"closed with a reason",
     V5,
     {OP(GOODBYE, 1011, "node\tis gone")},
     .rc = KST_E_CLOSED,
     .message = WHAT ": the connection broke: the server closed it with code 1011: node is gone"},
    {"an early end",
     V4,
     {OP(SAY, 1, "so far")},
     .rc = KST_E_CLOSED,
     .out = "so far",
     .message = WHAT ": the connection broke"},
    {"a reset",
     V4,
     {OP(SAY, 1, "so far"), OP(RESET, 0, NULL)},
     .rc = KST_E_CLOSED,
     .out = "so far",
     .message = WHAT ": the connection broke"},
    {"the end within a frame",
     V4,
     {RAW_BYTES("\x82\x10\x01half")},
     .rc = KST_E_CLOSED,
     .message = WHAT},
    {"the end within a length",
     V4,
     {RAW_BYTES("\x82\x7e\x01")},
     .rc = KST_E_CLOSED,
     .message = WHAT},
    {"garbage",
     V4,
     {RAW_BYTES("500 Internal Server Error"), OP(LISTEN, 0, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = WHAT ": the server sent what is no WebSocket frame"},
    {"reserved bits",
     V4,
     {RAW_BYTES("\xf2\x02\x01x"), OP(LISTEN, 0, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = "no WebSocket frame"},
    {"a long ping",
     V4,
     {RAW_BYTES("\x89\x7e\x01\x00"), OP(LISTEN, 0, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = "no WebSocket frame"},
    {"a continuation of nothing",
     V4,
     {RAW_BYTES("\x80\x02\x01x"), OP(LISTEN, 0, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = "no WebSocket frame"},
    {"text that is not UTF-8",
     V4,
     {RAW_BYTES("\x81\x02\xff\xff"), OP(LISTEN, 0, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = "no WebSocket frame"},
    {"a masked frame",
     V4,
     {RAW_BYTES("\x82\x82\x01\x02\x03\x04\x00\x7a"), OP(LISTEN, 0, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = "no WebSocket frame"},
    {"a message of exabytes",
     V4,
     {RAW_BYTES("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff\x01"), OP(LISTEN, 0, NULL)},
     .rc = KST_E_PROTOCOL,
     .message = "more than 1048576 bytes"},
    {"garbage after the status",
     V4,
     {OP(SAY, 3, EXIT("6")), RAW_BYTES("\xff\xff\xff\xff"), OP(LISTEN, 0, NULL)},
     .exit_code = 6},
};

struct run_state {
    const struct run_case *c;
    struct kst_buf out, errors;
    int exit_code;
};

static struct run_state state;

static int run_body(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    const struct run_case *c = state.c;
    return kst_exec_run(kube, &request, c->input, c->input ? strlen(c->input) : 0, &state.out,
                        &state.errors, &state.exit_code, err);
}

static bool check_run(const struct run_case *c)
{
    struct fake_ws_scene scene = {.protocol = c->protocol, .ops = c->ops};
    state = (struct run_state){c, KST_BUF_INIT(4096), KST_BUF_INIT(4096), -7};
    kst_auto_err struct kst_err *err = NULL;
    int rc = kube_fixture_run(fake_ws_upgrade, &scene, PATIENCE_MS, run_body, &err);
    bool same = rc == c->rc && rc == kst_err_code(err) && !scene.problem && scene.asked == 1 &&
                state.exit_code == (rc < 0 ? -7 : c->exit_code) &&
                strcmp(state.out.data, c->out ? c->out : "") == 0 &&
                strcmp(state.errors.data, c->errors ? c->errors : "") == 0 &&
                (!c->message || strstr(kst_err_message(err), c->message));
    if (!same)
        print_error("%s: rc %d, code %d, out \"%s\", errors \"%s\", \"%s\"; server: %s, %u\n",
                    c->label, rc, state.exit_code, state.out.data, state.errors.data,
                    kst_err_message(err), scene.problem ? scene.problem : "content", scene.asked);
    kst_buf_release(&state.out);
    kst_buf_release(&state.errors);
    free(scene.target);
    return same;
}

static void runs(void **unused)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(run_cases) / sizeof(*run_cases); i++)
        wrong += !check_run(&run_cases[i]);
    assert_int_equal(wrong, 0);
}

/* ---- Answers that are no WebSocket ---- */

struct refusal {
    const char *label;
    int status; /* 0: `raw` instead of an answer */
    const char *body;
    const char *raw;
    enum fake_http_way way;
    int rc;
    unsigned asked;
    const char *message, *reason;
    const char *headers;
    unsigned times; /* how often it answers so, before it agrees; 0: always */
};

#define STATUS(code, reason, message)                                                       \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"code\":" #code "," \
    "\"reason\":\"" reason "\",\"message\":\"" message "\"}"

static const struct refusal refusals[] = {
    {"no Pod", 404,
     "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\",\"details\":{\"name\":\"db-0\"},"
     "\"message\":\"pods \\\"db-0\\\" not found\"}",
     .rc = KST_E_NOT_FOUND, .asked = 1, .message = WHAT ": pods \"db-0\" not found"},
    {"no container", 400, STATUS(400, "BadRequest", "container main is not valid for pod db-0"),
     .rc = KST_E_NOT_FOUND, .asked = 1, .message = WHAT ": the Pod has no such container",
     .reason = "ContainerNotFound"},
    {"not placed yet", 400, STATUS(400, "BadRequest", "pod db-0 does not have a host assigned"),
     .rc = KST_E_INVALID, .asked = 1, .message = "does not have a host assigned"},
    {"container ended", 500, "container not found (\"main\")", .rc = KST_E_INVALID, .asked = 1,
     .message = WHAT ": the container does not run", .reason = "ContainerNotRunning"},
    {"until the end", 500, "container not found (\"main\")", .way = FAKE_HTTP_UNTIL_CLOSE,
     .rc = KST_E_INVALID, .asked = 1, .message = WHAT ": the container does not run"},
    {"not allowed", 403,
     STATUS(403, "Forbidden", "User \\\"u\\\" cannot get resource \\\"pods/exec\\\""),
     .rc = KST_E_FORBIDDEN, .asked = 1,
     .message = "not allowed to get pods/exec in namespace shop (" WHAT ")", .reason = "Forbidden"},
    {"a kubelet's failure", 502, "error dialing backend", .rc = KST_E_SERVER, .asked = 1,
     .message = "502: error dialing backend"},
    {"half an answer", 500,
     "container not found (\"main\"), and much more of that kind, which "
     "does not arrive before the connection ends, or not all of it",
     .way = FAKE_HTTP_HALF, .rc = KST_E_INVALID, .asked = 1},
    {"200", 200, "{}", .rc = KST_E_FAILED, .asked = 1, .message = WHAT},
    {"chunks",
     .raw = "HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n"
            "10\r\ncontainer main i\r\n18;x=y\r\ns not valid for pod db-0\r\n0\r\n\r\n",
     .rc = KST_E_NOT_FOUND, .asked = 1, .message = "no such container"},
    {"broken chunks",
     .raw = "HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n-1\r\nffffffffffffffff\r\n",
     .rc = KST_E_INVALID, .asked = 1, .message = "hello"},
    {"garbage", .raw = "SSH-2.0-OpenSSH_9.2\r\n", .rc = KST_E_PROTOCOL, .asked = 1,
     .message = WHAT ": the server's answer is not HTTP"},
    {"no status", .raw = "HTTP/1.1 abc\r\n\r\n", .rc = KST_E_PROTOCOL, .asked = 1,
     .message = WHAT ": the server's answer is not HTTP"},
    /* The request arrived: the command may run, so that it is not asked for again. */
    {"an end", .raw = "", .rc = KST_E_UNREACHABLE, .asked = 1, .message = "no answer from"},
    {"an end within the headers", .raw = "HTTP/1.1 101 Switching\r\nUpgr", .rc = KST_E_UNREACHABLE,
     .asked = 1, .message = WHAT ": no answer from"},
    {"a reset", 200, .way = FAKE_HTTP_RESET, .rc = KST_E_UNREACHABLE, .asked = 1,
     .message = WHAT ": no answer from"},
    {"busy for a while", 429, STATUS(429, "TooManyRequests", "later"), .times = 2, .asked = 3},
    {"away for a while", 503, "no leader", .times = 1, .asked = 2},
    {"away for long", 503, "no leader", .headers = "Retry-After: 3600\r\n", .rc = KST_E_SERVER,
     .asked = 1, .message = "503: no leader"},
    {"credentials", 401, STATUS(401, "Unauthorized", "Unauthorized"), .rc = KST_E_FORBIDDEN,
     .asked = 2, .message = "does not accept the credentials", .reason = "Unauthorized"},
    {"credentials, renewed", 401, STATUS(401, "Unauthorized", "Unauthorized"), .times = 1,
     .asked = 2},
};

struct refuser {
    const struct refusal *c;
    struct fake_ws_scene scene;
    unsigned asked;
};

static void say_raw(void *arg, int fd)
{
    const struct refusal *c = arg;
    fake_ws_put(fd, c->raw, strlen(c->raw));
    usleep(20 * 1000);
}

static void refuse(void *arg, const struct fake_http_request *asked,
                   struct fake_http_answer *answer)
{
    struct refuser *refuser = arg;
    const struct refusal *c = refuser->c;
    if (c->times && refuser->asked++ >= c->times) {
        fake_ws_upgrade(&refuser->scene, asked, answer);
        return;
    }
    refuser->asked += !c->times;
    answer->status = c->status;
    answer->way = c->way;
    answer->body = c->body ? kst_strdup(c->body) : NULL;
    answer->headers = c->headers ? kst_strdup(c->headers) : NULL;
    if (c->raw) {
        answer->talk = say_raw;
        answer->talk_arg = (void *)(uintptr_t)c;
    }
}

static bool check_refusal(const struct refusal *c)
{
    static const struct fake_ws_op ops[] = {OP(SAY, 3, SUCCESS), OP(GOODBYE, 1000, NULL),
                                            OP(END_OF_SCRIPT, 0, NULL)};
    static const struct run_case plain = {.label = "refusal"};
    struct refuser refuser = {.c = c, .scene = {.protocol = V4, .ops = ops}};
    state = (struct run_state){&plain, KST_BUF_INIT(4096), KST_BUF_INIT(4096), -7};
    kst_auto_err struct kst_err *err = NULL;
    int rc = kube_fixture_run(refuse, &refuser, PATIENCE_MS, run_body, &err);
    bool same = rc == c->rc && rc == kst_err_code(err) && refuser.asked == c->asked &&
                (!c->message || strstr(kst_err_message(err), c->message)) &&
                (!c->reason || strcmp(kst_err_get_reason(err), c->reason) == 0) &&
                !strstr(kst_err_message(err), "sesame");
    if (!same)
        print_error("%s: rc %d, asked %u, [%s] \"%s\"\n", c->label, rc, refuser.asked,
                    kst_err_get_reason(err), kst_err_message(err));
    kst_buf_release(&state.out);
    kst_buf_release(&state.errors);
    free(refuser.scene.target);
    return same;
}

static void refused(void **unused)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
        wrong += !check_refusal(&refusals[i]);
    assert_int_equal(wrong, 0);
}

/* A 101 that does not keep to RFC 6455 or chooses what was not offered. */
static void handshakes(void **unused)
{
    static const struct fake_ws_op ops[] = {OP(SAY, 3, SUCCESS), OP(GOODBYE, 1000, NULL),
                                            OP(END_OF_SCRIPT, 0, NULL)};
    static const struct run_case plain = {.label = "handshake"};
    struct fake_ws_scene scenes[] = {
        {.protocol = NULL, .ops = ops},
        {.protocol = "channel.k8s.io", .ops = ops},
        {.protocol = V5 ", " V4, .ops = ops},
        {.protocol = "v4.base64.channel.k8s.io", .ops = ops},
        {.protocol = V4, .ops = ops, .wrong_accept = true},
        {.protocol = V4, .ops = ops, .no_upgrade = true},
    };
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        state = (struct run_state){&plain, KST_BUF_INIT(64), KST_BUF_INIT(64), -7};
        struct kst_err *err = NULL;
        assert_int_equal(kube_fixture_run(fake_ws_upgrade, &scenes[i], PATIENCE_MS, run_body, &err),
                         KST_E_PROTOCOL);
        assert_non_null(strstr(kst_err_message(err), WHAT ": the server did not agree"));
        assert_int_equal(scenes[i].asked, 1);
        kst_err_free(err);
        kst_buf_release(&state.out);
        kst_buf_release(&state.errors);
        free(scenes[i].target);
    }
}

/* ---- Much, each way ---- */

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static char *much_input(void)
{
    char *input = kst_malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        input[i] = (char)byte_at(i);
    return input;
}

/* As `cat`: all that comes goes back. */
static void echo(void *arg, int fd)
{
    struct fake_ws_scene *scene = arg;
    kst_auto_buf got = KST_BUF_INIT(FRAME_BYTES);
    for (int first; (first = fake_ws_get_frame(fd, &got)) >= 0 && first != 0x88;) {
        if (first != 0x82 || got.len < 1 || got.len > 32 * 1024 + 1)
            scene->problem = "a frame that is too large, or of another kind";
        if ((unsigned char)got.data[0] == 255)
            break;
        if (!fake_ws_put_message(fd, 1, got.data + 1, got.len - 1))
            return;
    }
    fake_ws_put_message(fd, 3, SUCCESS, strlen(SUCCESS));
    fake_ws_goodbye(fd, &(struct fake_ws_op)OP(GOODBYE, 1000, NULL));
}

/* Prints much before it reads any of as much. */
static void print_then_read(void *arg, int fd)
{
    kst_auto_buf got = KST_BUF_INIT(FRAME_BYTES);
    kst_auto_free char *all = much_input();
    for (size_t at = 0; at < MUCH; at += 64 * 1024)
        fake_ws_put_message(fd, 1, all + at, 64 * 1024);
    for (int first;
         (first = fake_ws_get_frame(fd, &got)) >= 0 && (unsigned char)got.data[0] != 255;)
        continue;
    fake_ws_put_message(fd, 3, SUCCESS, strlen(SUCCESS));
    fake_ws_goodbye(fd, &(struct fake_ws_op)OP(GOODBYE, 1000, NULL));
}

static int run_much(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    kst_auto_free char *input = much_input();
    kst_auto_buf out = KST_BUF_INIT(MUCH);
    int code = -7;
    int rc = kst_exec_run(kube, &request, input, MUCH, &out, NULL, &code, err);
    if (rc < 0)
        return rc;
    assert_int_equal(code, 0);
    assert_int_equal(out.len, MUCH);
    assert_memory_equal(out.data, input, MUCH);
    return 0;
}

static void play_talk(void (*talk)(void *arg, int fd), const char *protocol,
                      int (*body)(struct kst_kube *kube, void *arg, struct kst_err **err))
{
    struct fake_ws_scene scene = {.protocol = protocol, .talk = talk};
    struct kst_err *err = NULL;
    int rc = kube_fixture_run(fake_ws_upgrade, &scene, PATIENCE_MS, body, &err);
    if (rc < 0 || scene.problem)
        fail_msg("%s; %s", kst_err_message(err), scene.problem ? scene.problem : "");
    free(scene.target);
}

static void much_through_cat(void **unused)
{
    play_talk(echo, V5, run_much);
}

static void much_output_before_input(void **unused)
{
    play_talk(print_then_read, V5, run_much);
}

/* More than anybody takes, then the end; how much went out is counted. */
static _Atomic size_t flooded;

static void flood(void *arg, int fd)
{
    static char piece[64 * 1024];
    flooded = 0;
    for (size_t at = 0; at < MUCH; at += sizeof(piece)) {
        for (size_t i = 0; i < sizeof(piece); i++)
            piece[i] = (char)byte_at(at + i);
        if (!fake_ws_put_message(fd, 1, piece, sizeof(piece)))
            return;
        flooded += sizeof(piece);
    }
    fake_ws_put_message(fd, 3, EXIT("8"), strlen(EXIT("8")));
    fake_ws_goodbye(fd, &(struct fake_ws_op)OP(GOODBYE, 1000, NULL));
}

/* The sender is held back; the Status that comes late, and what a buffer had no room for, wait. */
static int read_slowly(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct kst_exec *exec = NULL;
    int code = -7;
    if (kst_exec_open(kube, &request, &exec, err) < 0)
        return kst_err_code(*err);
    size_t total = 0;
    for (int64_t count = 1; count > 0;) {
        kst_auto_buf out = KST_BUF_INIT(50 * 1000);
        enum kst_exec_stream stream;
        if (total == 0) {
            kst_buf_add(&out, "x", 1);
            out.cap_bytes = 1;
            assert_int_equal(kst_exec_read(exec, &out, &stream, KST_NEVER, NULL), KST_E_LIMIT);
            assert_int_equal(kst_sleep_ms(300, NULL), 0);
            assert_true(flooded < MUCH);
            kst_buf_clear(&out);
            out.cap_bytes = 50 * 1000;
        }
        count = kst_exec_read(exec, &out, &stream, KST_NEVER, err);
        assert_true(count >= 0 && (size_t)count == out.len);
        for (size_t i = 0; i < out.len; i += 97)
            assert_int_equal((unsigned char)out.data[i], byte_at(total + i));
        total += out.len;
        if (total > MUCH - 200 * 1000)
            kst_sleep_ms(5, NULL);
    }
    assert_int_equal(total, MUCH);
    assert_int_equal(kst_exec_status(exec, &code, err), 0);
    assert_int_equal(code, 8);
    kst_exec_close(exec);
    return 0;
}

static void a_slow_reader(void **unused)
{
    play_talk(flood, V4, read_slowly);
}

/* The whole of the output comes at once with the Status behind it, and is read seconds later. */
static void status_behind_output(void *arg, int fd)
{
    static char piece[100 * 1000];
    for (int i = 0; i < 4; i++)
        fake_ws_put_message(fd, 1, piece, sizeof(piece));
    fake_ws_put_message(fd, 3, SUCCESS, strlen(SUCCESS));
    fake_ws_put_message(fd, 1, piece, sizeof(piece));
    fake_ws_play(
        &(struct fake_ws_scene){
            .ops = (const struct fake_ws_op[]){OP(LISTEN, 0, NULL), OP(END_OF_SCRIPT, 0, NULL)}},
        fd);
}

static int read_late(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct kst_exec *exec = NULL;
    if (kst_exec_open(kube, &request, &exec, err) < 0)
        return kst_err_code(*err);
    size_t total = 0;
    for (int64_t count = 1; count > 0; total += (size_t)count) {
        kst_auto_buf out = KST_BUF_INIT(1024 * 1024);
        enum kst_exec_stream stream;
        count = kst_exec_read(exec, &out, &stream, KST_NEVER, err);
        assert_true(count >= 0);
        if (total == 300 * 1000)
            kst_sleep_ms(2500, NULL); /* longer than a server is given to close */
    }
    assert_int_equal(total, 500 * 1000);
    kst_exec_close(exec);
    return 0;
}

static void output_behind_the_status_waits(void **unused)
{
    play_talk(status_behind_output, V4, read_late);
}

/* ---- Sessions ---- */

static const struct kst_exec_request session_request = {.ns = "shop",
                                                        .pod = "db-0",
                                                        .container = "main",
                                                        .command = command,
                                                        .stdin_ = true};

static int read_line(struct kst_exec *exec, const char *expected, struct kst_err **err)
{
    kst_auto_buf out = KST_BUF_INIT(4096);
    while (out.len < strlen(expected)) {
        enum kst_exec_stream stream;
        int64_t count = kst_exec_read(exec, &out, &stream, kst_deadline_in_ms(5000), err);
        if (count <= 0)
            return count < 0 ? (int)count : kst_err_set(err, KST_E_CLOSED, "ended");
    }
    assert_string_equal(out.data, expected);
    return 0;
}

struct session {
    struct kst_kube *kube;
    struct kst_exec *exec;
    int rc;
};

static int open_it(void *arg, struct kst_err **err)
{
    struct session *session = arg;
    return kst_exec_open(session->kube, &session_request, &session->exec, err);
}

/* Opened by one fiber, used by another, with time-outs that lose nothing. */
static int converse(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct session session = {.kube = kube};
    struct kst_fiber *opener = kst_fiber_spawn(kst_kube_loop(kube), "open", open_it, &session);
    assert_int_equal(kst_fiber_join(opener, err), 0);
    struct kst_exec *exec = session.exec;
    assert_true(kst_exec_takes_eof(exec));
    int code = 7;
    assert_int_equal(kst_exec_status(exec, &code, NULL), KST_E_FAILED);
    assert_int_equal(code, -1);
    for (int i = 0; i < 3; i++) {
        kst_auto_buf out = KST_BUF_INIT(64);
        enum kst_exec_stream stream;
        struct kst_err *late = NULL;
        assert_int_equal(kst_exec_read(exec, &out, &stream, kst_deadline_in_ms(20), &late),
                         KST_E_TIMEOUT);
        assert_non_null(strstr(kst_err_message(late), WHAT));
        kst_err_free(late);
        assert_int_equal(kst_exec_write(exec, "question", 8, KST_NEVER, err), 0);
        assert_int_equal(read_line(exec, "question", err), 0);
    }
    assert_int_equal(kst_exec_write(exec, "", 0, KST_NEVER, err), 0);
    assert_int_equal(kst_exec_close_stdin(exec, err), 0);
    assert_int_equal(kst_exec_close_stdin(exec, err), 0);
    assert_int_equal(kst_exec_write(exec, "x", 1, KST_NEVER, NULL), KST_E_USAGE);
    assert_int_equal(read_line(exec, "more", NULL), KST_E_CLOSED);
    assert_int_equal(kst_exec_status(exec, &code, err), 0);
    assert_int_equal(code, 0);
    kst_exec_close(exec);
    return 0;
}

static void sessions(void **unused)
{
    play_talk(echo, V5, converse);
}

static void listen_only(void *arg, int fd)
{
    fake_ws_play(
        &(struct fake_ws_scene){
            .ops = (const struct fake_ws_op[]){OP(LISTEN, 0, NULL), OP(END_OF_SCRIPT, 0, NULL)}},
        fd);
}

static int read_for_ever(void *arg, struct kst_err **err)
{
    struct session *session = arg;
    kst_auto_buf out = KST_BUF_INIT(64);
    enum kst_exec_stream stream;
    session->rc = (int)kst_exec_read(session->exec, &out, &stream, KST_NEVER, err);
    return session->rc;
}

static int misuse(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct session session = {.kube = kube};
    assert_int_equal(open_it(&session, err), 0);
    assert_false(kst_exec_takes_eof(session.exec));
    assert_int_equal(kst_exec_close_stdin(session.exec, NULL), KST_E_INVALID);
    struct kst_loop *loop = kst_kube_loop(kube);
    struct kst_fiber *reader = kst_fiber_spawn(loop, "read", read_for_ever, &session);
    kst_sleep_ms(20, NULL);
    assert_int_equal(kst_exec_write(session.exec, "x", 1, KST_NEVER, NULL), KST_E_USAGE);
    kst_fiber_cancel(reader);
    assert_int_equal(kst_fiber_join(reader, NULL), KST_E_CANCELLED);
    assert_int_equal(kst_exec_write(session.exec, "x", 1, KST_NEVER, err), 0);
    /* Closed under a reader: it ends, and nothing is used after it was freed. */
    reader = kst_fiber_spawn(loop, "read", read_for_ever, &session);
    kst_sleep_ms(20, NULL);
    kst_exec_close(session.exec);
    assert_int_equal(kst_fiber_join(reader, NULL), KST_E_USAGE);
    kst_exec_close(NULL);
    return 0;
}

static int close_stdin_beside_a_reader(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct session session = {.kube = kube};
    assert_int_equal(open_it(&session, err), 0);
    struct kst_fiber *reader = kst_fiber_spawn(kst_kube_loop(kube), "read", read_for_ever,
                                               &session);
    kst_sleep_ms(20, NULL);
    assert_int_equal(kst_exec_close_stdin(session.exec, NULL), KST_E_USAGE);
    kst_fiber_cancel(reader);
    assert_int_equal(kst_fiber_join(reader, NULL), KST_E_CANCELLED);
    assert_int_equal(kst_exec_close_stdin(session.exec, err), 0);
    kst_exec_close(session.exec);
    return 0;
}

static void several_fibers(void **unused)
{
    play_talk(listen_only, V4, misuse);
    play_talk(listen_only, V5, close_stdin_beside_a_reader);
}

/* A command that never reads: the writer waits, and can be told to stop. */
static void never_read(void *arg, int fd)
{
    char byte;
    while (recv(fd, &byte, 1, MSG_PEEK) > 0 && !flooded)
        usleep(10 * 1000);
}

static int write_in_vain(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    flooded = 0;
    kst_auto_free char *input = much_input();
    struct session session = {.kube = kube};
    assert_int_equal(open_it(&session, err), 0);
    int64_t started = kst_now_ms();
    struct kst_err *late = NULL;
    assert_int_equal(kst_exec_write(session.exec, input, MUCH, kst_deadline_in_ms(100), &late),
                     KST_E_TIMEOUT);
    kst_err_free(late);
    kst_exec_close(session.exec);
    assert_true(kst_now_ms() - started < 2000);
    flooded = 1;
    return 0;
}

static void a_writer_that_waits(void **unused)
{
    play_talk(never_read, V4, write_in_vain);
}

/* The command ends while we write and much of its output is unread: the write says so, what was
 * said before is there still. */
static void die_early(void *arg, int fd)
{
    static char piece[64 * 1024];
    for (int i = 0; i < 100; i++)
        fake_ws_put_message(fd, 1, piece, sizeof(piece));
    usleep(50 * 1000);
}

static int write_to_the_dead(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    kst_auto_free char *input = much_input();
    struct session session = {.kube = kube};
    assert_int_equal(open_it(&session, err), 0);
    assert_int_equal(kst_exec_write(session.exec, input, MUCH, kst_deadline_in_ms(5000), NULL),
                     KST_E_CLOSED);
    kst_auto_buf out = KST_BUF_INIT(MUCH);
    enum kst_exec_stream stream;
    int64_t count = 1;
    while (count > 0)
        count = kst_exec_read(session.exec, &out, &stream, kst_deadline_in_ms(5000), NULL);
    assert_int_equal(count, KST_E_CLOSED);
    assert_true(out.len > 0);
    kst_exec_close(session.exec);
    return 0;
}

static void a_writer_to_the_dead(void **unused)
{
    play_talk(die_early, V5, write_to_the_dead);
}

/* ---- What is asked for ---- */

static const struct kst_exec_request *asked_for;

static int ask_it(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    int code;
    return kst_exec_run(kube, asked_for, NULL, 0, NULL, NULL, &code, err);
}

static void targets(void **unused)
{
    static const char *const program[] = {"true", NULL}, *const nothing[] = {NULL};
    static const struct fake_ws_op ops[] = {OP(SAY, 1, "ignored"), OP(SAY, 3, SUCCESS),
                                            OP(GOODBYE, 1000, NULL), OP(END_OF_SCRIPT, 0, NULL)};
    const struct {
        struct kst_exec_request asked;
        int rc;
        const char *target;
    } rows[] = {
        {{.ns = "shop", .pod = "db-0", .container = "main", .command = command},
         0,
         "/api/v1/namespaces/shop/pods/db-0/exec?container=main&stdout=true&stderr=true"
         "&command=sh&command=-c&command=echo%20a%20b%26c"},
        {{"shop", "db-0", NULL, program, true, true},
         0,
         "/api/v1/namespaces/shop/pods/db-0/exec?stdin=true&stdout=true&command=true"},
        {{.ns = "shop", .pod = "db-0/../x", .container = NULL, .command = program},
         KST_E_INVALID,
         NULL},
        {{.ns = "shop", .pod = "", .container = NULL, .command = program}, KST_E_INVALID, NULL},
        {{.ns = "shop", .pod = NULL, .container = NULL, .command = program}, KST_E_INVALID, NULL},
        {{.ns = "shop", .pod = "db-0", .container = NULL, .command = nothing}, KST_E_USAGE, NULL},
        {{.ns = "shop", .pod = "db-0", .container = NULL, .command = NULL}, KST_E_USAGE, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fake_ws_scene scene = {.protocol = V4, .ops = ops};
        struct kst_err *err = NULL;
        asked_for = &rows[i].asked;
        assert_int_equal(kube_fixture_run(fake_ws_upgrade, &scene, PATIENCE_MS, ask_it, &err),
                         rows[i].rc);
        assert_int_equal(scene.asked, rows[i].rc == 0);
        if (rows[i].target)
            assert_string_equal(scene.target, rows[i].target);
        kst_err_free(err);
        free(scene.target);
    }
}

static int fill(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    kst_auto_buf out = KST_BUF_INIT(100 * 1000);
    int code = -7;
    assert_int_equal(kst_exec_run(kube, &request, NULL, 0, &out, NULL, &code, err), KST_E_LIMIT);
    assert_non_null(strstr(kst_err_message(*err), "more than the 100000 bytes"));
    assert_int_equal(code, -7);
    kst_err_clear(err);
    return 0;
}

static void too_much_output(void **unused)
{
    play_talk(flood, V4, fill);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs),
        cmocka_unit_test(refused),
        cmocka_unit_test(handshakes),
        cmocka_unit_test(targets),
        cmocka_unit_test(much_through_cat),
        cmocka_unit_test(much_output_before_input),
        cmocka_unit_test(a_slow_reader),
        cmocka_unit_test(output_behind_the_status_waits),
        cmocka_unit_test(sessions),
        cmocka_unit_test(several_fibers),
        cmocka_unit_test(a_writer_that_waits),
        cmocka_unit_test(a_writer_to_the_dead),
        cmocka_unit_test(too_much_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
