#include "http/head.h"

#include <stdlib.h>

#include "base/attr.h"
#include "tap.h"

#define MAX 65536

/* What a head is given in must end where it ends: a byte read behind it is the sanitizer's. */
static enum ag_parse
parse_exact(const char *p, size_t n, int response, struct ag_http_head *h, char **out_copy)
{
	char *copy = malloc(n ? n : 1);
	enum ag_parse rc;

	memcpy(copy, p, n);
	rc = response ? ag_http_parse_response(copy, n, response == 2, h)
	              : ag_http_parse_request(copy, n, h);
	free(*out_copy);
	*out_copy = copy;
	return rc;
}

/* At once, and as it comes byte by byte: both must say the same. */
static enum ag_parse
parse(const char *p, size_t n, int response, struct ag_http_head *h)
{
	static char *copy;
	struct ag_http_head slow;
	enum ag_parse rc, slow_rc = AG_PARSE_MORE;
	size_t i;

	ag_http_head_init(&slow, MAX);
	for (i = 1; i <= n && slow_rc == AG_PARSE_MORE; i++)
		slow_rc = parse_exact(p, i, response, &slow, &copy);
	ag_http_head_init(h, MAX);
	rc = parse_exact(p, n, response, h, &copy);
	if (rc != slow_rc || (rc == AG_PARSE_DONE && slow.head_len != h->head_len) ||
	    (rc == AG_PARSE_BAD && slow.bad_status != h->bad_status))
		ok(false, "byte by byte as at once: %.60s", p);
	return rc;
}

static void
refused(const char *text, size_t n, int status, const char *what)
{
	struct ag_http_head h;
	enum ag_parse rc = parse(text, n, 0, &h);

	ok(rc == AG_PARSE_BAD && h.bad_status == status && h.bad_why, "%d: %s", status, what);
	if (rc == AG_PARSE_BAD && h.bad_status != status)
		printf("# got %d %s\n", h.bad_status, h.bad_why);
}

#define L "GET /v1/models HTTP/1.1\r\n"
#define P "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
#define H "Host: a\r\n"

static const struct {
	int status;
	const char *what;
	struct ag_str text;
} attempts[] = {
	/* framing */
	{ 400, "two equal Content-Lengths", AG_STR(P "Content-Length: 5\r\nContent-Length: 5\r\n\r\n") },
	{ 400, "two Content-Lengths", AG_STR(P "Content-Length: 5\r\nContent-length: 6\r\n\r\n") },
	{ 400, "a list of lengths", AG_STR(P "Content-Length: 5, 5\r\n\r\n") },
	{ 400, "a plus sign", AG_STR(P "Content-Length: +5\r\n\r\n") },
	{ 400, "a minus sign", AG_STR(P "Content-Length: -5\r\n\r\n") },
	{ 400, "a hexadecimal length", AG_STR(P "Content-Length: 0x5\r\n\r\n") },
	{ 400, "an empty length", AG_STR(P "Content-Length:\r\n\r\n") },
	{ 400, "a length with a blank inside", AG_STR(P "Content-Length: 1 2\r\n\r\n") },
	{ 413, "a length above 64 bits", AG_STR(P "Content-Length: 18446744073709551616\r\n\r\n") },
	{ 400, "length and coding", AG_STR(P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n") },
	{ 400, "coding and length", AG_STR(P "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n") },
	{ 400, "two codings", AG_STR(P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n") },
	{ 501, "chunked twice in a list", AG_STR(P "Transfer-Encoding: chunked, chunked\r\n\r\n") },
	{ 501, "gzip, chunked", AG_STR(P "Transfer-Encoding: gzip, chunked\r\n\r\n") },
	{ 501, "identity", AG_STR(P "Transfer-Encoding: identity\r\n\r\n") },
	{ 501, "xchunked", AG_STR(P "Transfer-Encoding: xchunked\r\n\r\n") },
	{ 501, "quoted coding", AG_STR(P "Transfer-Encoding: \"chunked\"\r\n\r\n") },
	{ 501, "coding with a parameter", AG_STR(P "Transfer-Encoding: chunked;a=b\r\n\r\n") },
	{ 400, "empty coding", AG_STR(P "Transfer-Encoding: \r\n\r\n") },
	{ 400, "vertical tab before chunked", AG_STR(P "Transfer-Encoding: \vchunked\r\n\r\n") },
	{ 400, "blank before the colon", AG_STR(P "Transfer-Encoding : chunked\r\n\r\n") },
	{ 400, "tab before the colon", AG_STR(P "Content-Length\t: 5\r\n\r\n") },
	{ 400, "coding in HTTP/1.0", AG_STR("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") },
	/* lines */
	{ 400, "bare LF behind the request line", AG_STR("GET / HTTP/1.1\nHost: a\r\n\r\n") },
	{ 400, "bare LF behind a header", AG_STR(L "Host: a\nX: b\r\n\r\n") },
	{ 400, "bare LF, before the end has come", AG_STR("GET / HTTP/1.1\n") },
	{ 400, "bare LF as the blank line", AG_STR(L H "\n") },
	{ 400, "bare CR in a value", AG_STR(L H "X: a\rY: b\r\n\r\n") },
	{ 400, "CR before CRLF", AG_STR(L H "X: a\r\r\n\r\n") },
	{ 400, "bare CR as a name", AG_STR(L H "\rX: a\r\n\r\n") },
	{ 400, "CR CR LF as the blank line", AG_STR(L H "\r\r\n\r\n") },
	{ 400, "folded header", AG_STR(L H "X: a\r\n b\r\n\r\n") },
	{ 400, "header folded by a tab", AG_STR(L H "X: a\r\n\tb\r\n\r\n") },
	{ 400, "fold behind the request line", AG_STR(L " Host: a\r\n\r\n") },
	{ 400, "NUL in a value", AG_STR(L H "X: a\0b\r\n\r\n") },
	{ 400, "NUL in a name", AG_STR(L H "X\0: ab\r\n\r\n") },
	{ 400, "escape byte in a value", AG_STR(L H "X: a\033b\r\n\r\n") },
	{ 400, "DEL in a value", AG_STR(L H "X: a\177b\r\n\r\n") },
	{ 400, "empty name", AG_STR(L H ": a\r\n\r\n") },
	{ 400, "line without a colon", AG_STR(L H "nonsense\r\n\r\n") },
	{ 400, "blank in a name", AG_STR(L H "X Y: a\r\n\r\n") },
	{ 400, "byte above 127 in a name", AG_STR(L H "X\303\266: a\r\n\r\n") },
	{ 400, "parenthesis in a name", AG_STR(L H "X(Y): a\r\n\r\n") },
	/* Host */
	{ 400, "no Host", AG_STR(L "\r\n") },
	{ 400, "two Hosts", AG_STR(L H H "\r\n") },
	{ 400, "empty Host", AG_STR(L "Host:\r\n\r\n") },
	{ 400, "Host with a list", AG_STR(L "Host: a, b\r\n\r\n") },
	{ 400, "Host with a path", AG_STR(L "Host: a/b\r\n\r\n") },
	{ 400, "Host with user information", AG_STR(L "Host: u@a\r\n\r\n") },
	{ 400, "two Hosts in HTTP/1.0", AG_STR("GET / HTTP/1.0\r\n" H H "\r\n") },
	/* request line */
	{ 400, "two blanks before the target", AG_STR("GET  / HTTP/1.1\r\n" H "\r\n") },
	{ 400, "two blanks before the version", AG_STR("GET /  HTTP/1.1\r\n" H "\r\n") },
	{ 400, "blank behind the version", AG_STR("GET / HTTP/1.1 \r\n" H "\r\n") },
	{ 400, "tab instead of a blank", AG_STR("GET\t/ HTTP/1.1\r\n" H "\r\n") },
	{ 400, "blank before the method", AG_STR(" GET / HTTP/1.1\r\n" H "\r\n") },
	{ 400, "blank in the target", AG_STR("GET /a b HTTP/1.1\r\n" H "\r\n") },
	{ 400, "no version", AG_STR("GET /\r\n" H "\r\n") },
	{ 400, "no target", AG_STR("GET HTTP/1.1\r\n" H "\r\n") },
	{ 400, "CR behind the version without LF", AG_STR("GET / HTTP/1.1\rX\r\n" H "\r\n") },
	{ 400, "lower-case version", AG_STR("GET / http/1.1\r\n" H "\r\n") },
	{ 400, "version 1.10", AG_STR("GET / HTTP/1.10\r\n" H "\r\n") },
	{ 400, "version 1", AG_STR("GET / HTTP/1\r\n" H "\r\n") },
	{ 505, "version 1.2", AG_STR("GET / HTTP/1.2\r\n" H "\r\n") },
	{ 505, "version 2.0", AG_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
	{ 505, "version 0.9", AG_STR("GET / HTTP/0.9\r\n" H "\r\n") },
	{ 400, "method with a colon", AG_STR("GE:T / HTTP/1.1\r\n" H "\r\n") },
	{ 501, "CONNECT", AG_STR("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n") },
	{ 501, "endless method", AG_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H "\r\n") },
	{ 400, "fragment", AG_STR("GET /a#b HTTP/1.1\r\n" H "\r\n") },
	{ 400, "NUL in the target", AG_STR("GET /a\0b HTTP/1.1\r\n" H "\r\n") },
	{ 400, "byte above 127 in the target", AG_STR("GET /\303\266 HTTP/1.1\r\n" H "\r\n") },
	{ 400, "control byte in the target", AG_STR("GET /\001 HTTP/1.1\r\n" H "\r\n") },
	{ 400, "relative target", AG_STR("GET v1/models HTTP/1.1\r\n" H "\r\n") },
	{ 400, "asterisk without OPTIONS", AG_STR("GET * HTTP/1.1\r\n" H "\r\n") },
	{ 400, "ftp target", AG_STR("GET ftp://a/ HTTP/1.1\r\n" H "\r\n") },
	{ 400, "target of another host", AG_STR("GET http://b/ HTTP/1.1\r\n" H "\r\n") },
	{ 400, "target with user information", AG_STR("GET http://a@a/ HTTP/1.1\r\n" H "\r\n") },
	{ 400, "target without a host", AG_STR("GET http:///x HTTP/1.1\r\n" H "\r\n") },
	{ 400, "two blank lines first", AG_STR("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n") },
	{ 400, "LF first", AG_STR("\nGET / HTTP/1.1\r\n" H "\r\n") },
	{ 400, "a TLS hello", AG_STR("\026\003\001\002\000\001\000\001") },
	{ 417, "an unknown expectation", AG_STR(P "Expect: 200-ok\r\n\r\n") },
};

static void
whatever_two_parsers_could_read_differently_is_refused(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(attempts); i++)
		refused(attempts[i].text.p, attempts[i].text.n, attempts[i].status, attempts[i].what);
}

static bool
is_view(struct ag_str got, const char *want)
{
	return ag_str_eq(got, ag_str(want));
}

static void
a_plain_request_is_read(void)
{
	static const char text[] = "POST /v1/chat/completions?a=b&c HTTP/1.1\r\n"
	                           "Host: gw.example:8080\r\n"
	                           "Content-Type:application/json\r\n"
	                           "X-Empty:\r\n"
	                           "X-Blanks: \t two  words \t\r\n"
	                           "X-Text: gr\303\274n\r\n"
	                           "content-LENGTH: 0042\r\n"
	                           "Expect: 100-Continue\r\n"
	                           "X-Text: second\r\n"
	                           "\r\nbody";
	struct ag_http_head h;

	ok(parse(text, sizeof(text) - 1, 0, &h) == AG_PARSE_DONE, "a head with its body behind it");
	ok(h.method == AG_HTTP_POST && is_view(h.method_str, "POST"), "method");
	ok(is_view(h.target, "/v1/chat/completions?a=b&c"), "target");
	ok(is_view(h.path, "/v1/chat/completions") && is_view(h.query, "a=b&c"), "path and query");
	ok(is_view(h.host, "gw.example:8080"), "host");
	ok(h.minor == 1 && h.is_keep_alive && h.expects_continue, "version, keep-alive, expectation");
	ok(h.framing == AG_HTTP_BODY_LENGTH && h.content_length == 42, "length");
	ok(h.head_len == sizeof(text) - 1 - 4, "the body is not part of the head");
	is_i64((int64_t)h.n_headers, 8, "all headers");
	ok(is_view(ag_http_header_get(&h, AG_STR("content-type")), "application/json"), "no blank");
	ok(ag_http_header_get(&h, AG_STR("x-empty")).p && !ag_http_header_get(&h, AG_STR("x-empty")).n,
	    "an empty value is there");
	ok(!ag_http_header_get(&h, AG_STR("x-none")).p, "an absent header is not");
	ok(is_view(ag_http_header_get(&h, AG_STR("x-blanks")), "two  words"), "blanks trimmed");
	ok(is_view(ag_http_header_get(&h, AG_STR("x-text")), "gr\303\274n"), "first of two");
	is_i64((int64_t)ag_http_header_count(&h, AG_STR("x-text")), 2, "both are counted");
}

static const struct {
	const char *text;
	enum ag_http_framing framing;
	bool is_keep_alive;
	const char *path;
} fine[] = {
	{ L H "\r\n", AG_HTTP_BODY_NONE, true, "/v1/models" },
	{ "\r\n" L H "\r\n", AG_HTTP_BODY_NONE, true, "/v1/models" },
	{ P "Transfer-Encoding: Chunked\r\n\r\n", AG_HTTP_BODY_CHUNKED, true, "/v1/chat/completions" },
	{ P "Content-Length: 0\r\n\r\n", AG_HTTP_BODY_LENGTH, true, "/v1/chat/completions" },
	{ P "Content-Length: 18446744073709551615\r\n\r\n", AG_HTTP_BODY_LENGTH, true,
	    "/v1/chat/completions" },
	{ L H "Connection: Close\r\n\r\n", AG_HTTP_BODY_NONE, false, "/v1/models" },
	{ L H "Connection: x, close ,y\r\n\r\n", AG_HTTP_BODY_NONE, false, "/v1/models" },
	{ L H "Connection: keep-alive\r\nConnection: close\r\n\r\n", AG_HTTP_BODY_NONE, false,
	    "/v1/models" },
	{ "GET / HTTP/1.0\r\n\r\n", AG_HTTP_BODY_NONE, false, "/" },
	{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", AG_HTTP_BODY_NONE, true, "/" },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", AG_HTTP_BODY_NONE, true, "*" },
	{ "BREW /pot HTTP/1.1\r\n" H "\r\n", AG_HTTP_BODY_NONE, true, "/pot" },
	{ "GET http://A/x?y HTTP/1.1\r\n" H "\r\n", AG_HTTP_BODY_NONE, true, "/x" },
	{ "GET HTTPS://a HTTP/1.1\r\n" H "\r\n", AG_HTTP_BODY_NONE, true, "/" },
	{ "GET /?a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", AG_HTTP_BODY_NONE, true, "/" },
};

static void
requests_of_every_form_are_read(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(fine); i++) {
		struct ag_http_head h;
		size_t n = strlen(fine[i].text);

		ok(parse(fine[i].text, n, 0, &h) == AG_PARSE_DONE && h.framing == fine[i].framing &&
		       h.is_keep_alive == fine[i].is_keep_alive && is_view(h.path, fine[i].path) &&
		       h.head_len == n,
		    "request %zu", i);
	}
}

static void
sizes_have_ceilings(void)
{
	static char big[200000];
	struct ag_http_head h;
	size_t n;

	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	ag_http_head_init(&h, MAX);
	ok(ag_http_parse_request(big, 8000, &h) == AG_PARSE_MORE, "a long target may still end");
	ok(ag_http_parse_request(big, 9000, &h) == AG_PARSE_BAD && h.bad_status == 414,
	    "one that does not end is 414");
	memcpy(big + 8300, " HTTP/1.1\r\n" H "\r\n", 22);
	ag_http_head_init(&h, MAX);
	ok(ag_http_parse_request(big, 8322, &h) == AG_PARSE_BAD && h.bad_status == 414,
	    "one that ends behind the ceiling too");
	memset(big, 'a', sizeof(big));
	memcpy(big, L H "X: ", 37);
	ag_http_head_init(&h, MAX);
	ok(ag_http_parse_request(big, MAX - 1, &h) == AG_PARSE_MORE, "a large head may still end");
	ok(ag_http_parse_request(big, MAX, &h) == AG_PARSE_BAD && h.bad_status == 431, "431");
	memcpy(big + MAX, "\r\n\r\n", 4);
	ag_http_head_init(&h, MAX);
	ok(ag_http_parse_request(big, MAX + 4, &h) == AG_PARSE_BAD && h.bad_status == 431,
	    "431 also when it comes whole");
	n = 25;
	memcpy(big, L, n);
	for (int i = 0; i < AG_HTTP_HEADERS_MAX; i++, n += 6)
		memcpy(big + n, i ? "A: b\r\n" : "Host:a", 6);
	memmove(big + 33, big + 31, n - 31);
	memcpy(big + 31, "\r\n", 2);
	n += 2;
	memcpy(big + n, "\r\n", 2);
	ag_http_head_init(&h, MAX);
	ok(ag_http_parse_request(big, n + 2, &h) == AG_PARSE_DONE, "as many headers as there may be");
	memcpy(big + n, "A: b\r\n\r\n", 8);
	ag_http_head_init(&h, MAX);
	ok(ag_http_parse_request(big, n + 8, &h) == AG_PARSE_BAD && h.bad_status == 431, "one more");
}

static const struct {
	const char *text;
	int mode; /* 1: answer to anything, 2: to HEAD */
	enum ag_parse rc;
	enum ag_http_framing framing;
	bool is_keep_alive;
} answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1, AG_PARSE_DONE, AG_HTTP_BODY_LENGTH, true },
	{ "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", 1, AG_PARSE_DONE, AG_HTTP_BODY_LENGTH, true },
	{ "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 1, AG_PARSE_DONE, AG_HTTP_BODY_LENGTH, true },
	{ "HTTP/1.1 200 OK\r\n\r\n", 1, AG_PARSE_DONE, AG_HTTP_BODY_UNTIL_EOF, false },
	{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", 1, AG_PARSE_DONE,
	    AG_HTTP_BODY_LENGTH, true },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1, AG_PARSE_DONE,
	    AG_HTTP_BODY_CHUNKED, true },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 2, AG_PARSE_DONE, AG_HTTP_BODY_NONE, true },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 2, AG_PARSE_DONE,
	    AG_HTTP_BODY_NONE, true },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 1, AG_PARSE_DONE,
	    AG_HTTP_BODY_NONE, true },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 1, AG_PARSE_DONE,
	    AG_HTTP_BODY_NONE, true },
	{ "HTTP/1.1 100 Continue\r\n\r\n", 1, AG_PARSE_DONE, AG_HTTP_BODY_NONE, true },
	{ "HTTP/1.1 446 Guardrail denied\r\nContent-Length: 5\r\n\r\n", 1, AG_PARSE_DONE,
	    AG_HTTP_BODY_LENGTH, true },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 101 Switching Protocols\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 200 OK\nContent-Length: 5\n\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 20x OK\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 099 Odd\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 600 Odd\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 2000 OK\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/2.0 200 OK\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1 200 O\001K\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "HTTP/1.1\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "\r\nHTTP/1.1 200 OK\r\n\r\n", 1, AG_PARSE_BAD, 0, false },
	{ "SSH-2.0-OpenSSH_9.2\r\n", 1, AG_PARSE_BAD, 0, false },
};

static void
responses_are_read_as_strictly(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(answers); i++) {
		struct ag_http_head h;
		enum ag_parse rc = parse(answers[i].text, strlen(answers[i].text), answers[i].mode, &h);
		bool is_right = rc == answers[i].rc;

		if (rc == AG_PARSE_DONE)
			is_right = is_right && h.framing == answers[i].framing &&
			           h.is_keep_alive == answers[i].is_keep_alive;
		else if (rc == AG_PARSE_BAD)
			is_right = is_right && h.bad_status == 502;
		ok(is_right, "answer %zu: %.*s", i, (int)strcspn(answers[i].text, "\r\n"),
		    answers[i].text);
	}
}

/* The list once more, as it is written; a name that is missing there or here fails. */
static void
names_are_recognised(void)
{
	static const char *const text[AG_HN_COUNT] = {
		[AG_HN_TE] = "TE", [AG_HN_VIA] = "Via", [AG_HN_HOST] = "Host", [AG_HN_COOKIE] = "Cookie",
		[AG_HN_EXPECT] = "Expect", [AG_HN_ORIGIN] = "Origin", [AG_HN_API_KEY] = "Api-Key",
		[AG_HN_BAGGAGE] = "Baggage", [AG_HN_TRACESTATE] = "Tracestate",
		[AG_HN_TRACEPARENT] = "Traceparent",
		[AG_HN_REFERER] = "Referer", [AG_HN_TRAILER] = "Trailer", [AG_HN_UPGRADE] = "Upgrade",
		[AG_HN_FORWARDED] = "Forwarded", [AG_HN_X_API_KEY] = "X-Api-Key",
		[AG_HN_X_REAL_IP] = "X-Real-IP", [AG_HN_CONNECTION] = "Connection",
		[AG_HN_KEEP_ALIVE] = "Keep-Alive", [AG_HN_SET_COOKIE] = "Set-Cookie",
		[AG_HN_CONTENT_TYPE] = "Content-Type", [AG_HN_AUTHORIZATION] = "Authorization",
		[AG_HN_CONTENT_LENGTH] = "Content-Length", [AG_HN_HTTP2_SETTINGS] = "HTTP2-Settings",
		[AG_HN_OPENAI_PROJECT] = "OpenAI-Project",
		[AG_HN_X_GOOG_API_KEY] = "X-Goog-Api-Key", [AG_HN_ACCEPT_ENCODING] = "Accept-Encoding",
		[AG_HN_X_FORWARDED_FOR] = "X-Forwarded-For", [AG_HN_PROXY_CONNECTION] = "Proxy-Connection",
		[AG_HN_X_FORWARDED_HOST] = "X-Forwarded-Host",
		[AG_HN_TRANSFER_ENCODING] = "Transfer-Encoding",
		[AG_HN_X_FORWARDED_PROTO] = "X-Forwarded-Proto",
		[AG_HN_X_AIGATE_CLIENT_IP] = "X-Aigate-Client-IP",
		[AG_HN_PROXY_AUTHENTICATE] = "Proxy-Authenticate",
		[AG_HN_OPENAI_ORGANIZATION] = "OpenAI-Organization",
		[AG_HN_PROXY_AUTHORIZATION] = "Proxy-Authorization",
	};
	static const char *const other[] = { "x", "xe", "hosts", "c-ntent-type", "content-typf",
		"x-forwarded-foo", "proxy-authorizatiom", "x-aigate-client-ip-that-is-longer" };

	for (enum ag_http_name id = AG_HN_OTHER + 1; id < AG_HN_COUNT; id++)
		is_i64(ag_http_name_of(ag_str(text[id])), id, text[id]);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		is_i64(ag_http_name_of(ag_str(other[i])), AG_HN_OTHER, other[i]);
}

static void
headers_are_passed_on_as_they_were_written(void)
{
	static const char text[] = L H "A:b\r\nC:  d \r\nE: f\r\nG:\th\r\nI: \r\nJ:\r\nK: l\t\r\n\r\n";
	struct ag_http_head h;
	struct ag_buf b;

	ok(parse(text, sizeof(text) - 1, 0, &h) == AG_PARSE_DONE, "headers with blanks and without");
	ag_buf_init(&b, 4096);
	for (size_t i = 1; i < h.n_headers; i++)
		ag_http_header_put(&b, &h.header[i]);
	ok(ag_str_eq(ag_buf_str(&b), AG_STR("A: b\r\nC: d\r\nE: f\r\nG: h\r\nI: \r\nJ: \r\nK: l\r\n")),
	    "one blank behind the colon, none at the end");
	ag_buf_fini(&b);
}

static void
hop_by_hop_headers_are_known(void)
{
	static const char text[] = L H "Connection: X-Mine, close\r\nX-Mine: 1\r\nX-Other: 2\r\n"
	                           "Transfer-Encoding: chunked\r\n\r\n";
	struct ag_http_head h;

	ok(parse(text, sizeof(text) - 1, 0, &h) == AG_PARSE_DONE && h.n_headers == 5, "a head with its own hop");
	ok(ag_http_is_hop_by_hop(&h, &h.header[4]), "by the standard");
	ok(ag_http_is_hop_by_hop(&h, &h.header[2]), "by this head's word");
	ok(!ag_http_is_hop_by_hop(&h, &h.header[3]), "not the others");
	ok(!ag_http_list_has(AG_STR("closed, xclose"), AG_STR("close")), "a token is a whole token");
	ok(ag_http_list_has(AG_STR(" a ,, close"), AG_STR("close")), "empty members do not matter");
}

static void
statuses_have_names(void)
{
	is_str(ag_http_reason(246), "Hooks failed", "246");
	is_str(ag_http_reason(446), "Guardrail denied", "446");
	is_str(ag_http_reason(529), "Overloaded", "529");
	is_str(ag_http_reason(412), "Precondition Failed", "412");
	is_str(ag_http_reason(799), "Unknown", "a status nobody knows");
}

int
main(void)
{
	a_plain_request_is_read();
	requests_of_every_form_are_read();
	whatever_two_parsers_could_read_differently_is_refused();
	sizes_have_ceilings();
	responses_are_read_as_strictly();
	names_are_recognised();
	headers_are_passed_on_as_they_were_written();
	hop_by_hop_headers_are_known();
	statuses_have_names();
	return done();
}
