/* head.h - the head of an HTTP/1.x request or response, parsed in place and strictly.
 *
 * The bytes stand in one contiguous buffer that the caller owns; every view points into it and
 * is good until the buffer moves or is consumed.  Whatever two parsers could read differently
 * (request smuggling) is refused: there is no lenient mode.  Nothing is allocated.
 *
 *	ag_http_head_init(&head, max_head_bytes);
 *	again: after each read, with ALL unconsumed bytes from the first byte of the message:
 *	switch (ag_http_parse_request(in.p, in.n, &head)) {
 *	case AG_PARSE_MORE: wait;              the buffer may move between calls
 *	case AG_PARSE_BAD:  answer head.bad_status with head.bad_why, close;
 *	case AG_PARSE_DONE: head.head_len bytes are the head, the body follows as head.framing says;
 *	}
 * Before the next message: ag_http_head_init() again.
 * The struct is some 3.4 KiB: one a worker is enough when what outlives the head is copied. */
#ifndef AG_HTTP_HEAD_H
#define AG_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/parse.h"

#define AG_HTTP_HEADERS_MAX 100
#define AG_HTTP_TARGET_MAX  8192  /* bytes of a request target; more is 414 */
#define AG_HTTP_HEAD_MAX    65536 /* a usual ceiling for ag_http_head_init(); more is 431 */

enum ag_http_method {
	AG_HTTP_GET,
	AG_HTTP_HEAD,
	AG_HTTP_POST,
	AG_HTTP_PUT,
	AG_HTTP_PATCH,
	AG_HTTP_DELETE,
	AG_HTTP_OPTIONS,
	AG_HTTP_OTHER, /* a well-formed token we do not know; CONNECT is refused with 501 */
};

/* How the body that follows the head ends. */
enum ag_http_framing {
	AG_HTTP_BODY_NONE,      /* no body, whatever Content-Length says (HEAD, 304) */
	AG_HTTP_BODY_LENGTH,    /* content_length bytes, which may be 0 */
	AG_HTTP_BODY_CHUNKED,   /* chunk.h */
	AG_HTTP_BODY_UNTIL_EOF, /* responses only */
};

/* Names that some reader acts on, recognised once, when the head is parsed: tables by this number take
 * the place of comparing texts.  In order of length, see head_name.c. */
enum ag_http_name {
	AG_HN_OTHER,
	AG_HN_TE,
	AG_HN_VIA,
	AG_HN_HOST,
	AG_HN_COOKIE,
	AG_HN_EXPECT,
	AG_HN_ORIGIN,
	AG_HN_API_KEY,
	AG_HN_BAGGAGE,
	AG_HN_REFERER,
	AG_HN_TRAILER,
	AG_HN_UPGRADE,
	AG_HN_FORWARDED,
	AG_HN_X_API_KEY,
	AG_HN_X_REAL_IP,
	AG_HN_CONNECTION,
	AG_HN_KEEP_ALIVE,
	AG_HN_SET_COOKIE,
	AG_HN_TRACESTATE,
	AG_HN_TRACEPARENT,
	AG_HN_CONTENT_TYPE,
	AG_HN_AUTHORIZATION,
	AG_HN_CONTENT_LENGTH,
	AG_HN_HTTP2_SETTINGS,
	AG_HN_OPENAI_PROJECT,
	AG_HN_X_GOOG_API_KEY,
	AG_HN_ACCEPT_ENCODING,
	AG_HN_X_FORWARDED_FOR,
	AG_HN_PROXY_CONNECTION,
	AG_HN_X_FORWARDED_HOST,
	AG_HN_TRANSFER_ENCODING,
	AG_HN_X_FORWARDED_PROTO,
	AG_HN_X_AIGATE_CLIENT_IP,
	AG_HN_PROXY_AUTHENTICATE,
	AG_HN_OPENAI_ORGANIZATION,
	AG_HN_PROXY_AUTHORIZATION,
	AG_HN_COUNT
};

struct ag_http_header {
	struct ag_str name;  /* as sent: compare without case */
	struct ag_str value; /* without blanks at either end; may be empty */
	enum ag_http_name id;
};

struct ag_http_head {
	/* requests */
	enum ag_http_method method;
	struct ag_str method_str;
	struct ag_str target; /* path and query; of an absolute-form target only that part */
	struct ag_str path;   /* up to '?', not decoded; never empty ("*" only with OPTIONS) */
	struct ag_str query;  /* behind '?'; p NULL: no '?' */
	struct ag_str host;   /* p NULL on HTTP/1.0 without one */
	bool expects_continue;
	/* responses */
	int status;           /* 100..599 */
	struct ag_str reason; /* may be empty */
	/* both */
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	bool is_keep_alive;   /* both ends may use the connection again after the body */
	bool has_content_length;
	enum ag_http_framing framing;
	uint64_t content_length; /* valid with has_content_length */
	size_t head_len;         /* bytes of the head, blank line included (and a leading CRLF) */
	size_t n_headers;
	uint64_t name_lengths; /* bit min(n, 63): some header's name is n long */
	bool lists_hops;       /* a Connection header names others that are this connection's own */
	struct ag_http_header header[AG_HTTP_HEADERS_MAX];
	/* on AG_PARSE_BAD */
	int bad_status;      /* 400 413 414 417 431 501 505; of responses always 502 */
	const char *bad_why; /* static text for the answer and the log */
	/* the parser's own, kept between calls */
	size_t max, line_at, scan_at;
};

/* max: bytes of a whole head, blank line included. */
void ag_http_head_init(struct ag_http_head *h, size_t max);

enum ag_parse ag_http_parse_request(const char *p, size_t n, struct ag_http_head *h) AG_MUST_CHECK;

/* An interim answer (1xx) is DONE with its status and no body: consume it, init, parse the
 * next head.  101 is refused, we never ask for it. */
enum ag_parse ag_http_parse_response(const char *p, size_t n, bool is_answer_to_head,
    struct ag_http_head *h) AG_MUST_CHECK;

/* First header of that name, any case; p NULL: absent.  `name` in lower case.  Most of what is asked for
 * is absent, and told so by its length. */
struct ag_str ag_http_header_find(const struct ag_http_head *h, struct ag_str name);
static inline struct ag_str
ag_http_header_get(const struct ag_http_head *h, struct ag_str name)
{
	return h->name_lengths >> (name.n < 63 ? name.n : 63) & 1 ? ag_http_header_find(h, name) : AG_STR_NONE;
}
size_t ag_http_header_count(const struct ag_http_head *h, struct ag_str name);

/* Is `token` (lower case) a member of the comma-separated list? */
bool ag_http_list_has(struct ag_str list, struct ag_str token);

/* Belongs to this connection and must not be relayed: the fixed list of RFC 9110 7.6.1 and
 * whatever this head's Connection headers name.  hdr: one of h's. */
bool ag_http_is_hop_by_hop(const struct ag_http_head *h, const struct ag_http_header *hdr);

/* "name: value" and CRLF.  As it stands in the message, when it is written that way there. */
static inline void
ag_http_header_put(struct ag_buf *b, const struct ag_http_header *hdr)
{
	const char *name_end = hdr->name.p + hdr->name.n, *value_end = hdr->value.p + hdr->value.n;

	if (hdr->value.p == name_end + 2 && name_end[1] == ' ' && value_end[0] == '\r') {
		ag_buf_put(b, hdr->name.p, (size_t)(value_end + 2 - hdr->name.p));
		return;
	}
	ag_buf_put_str(b, hdr->name);
	ag_buf_put(b, ": ", 2);
	ag_buf_put_str(b, hdr->value);
	ag_buf_put(b, "\r\n", 2);
}

/* AG_HN_OTHER: none of them; any case. */
enum ag_http_name ag_http_name_of(struct ag_str name);

/* "OK", "Hooks failed" (246), "Guardrail denied" (446), "Overloaded" (529)...; never NULL. */
const char *ag_http_reason(int status);

#endif
