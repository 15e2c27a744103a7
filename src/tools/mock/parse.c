#include "tools/mock/parse.h"

#include <errno.h>

#include "base/attr.h"
#include "base/num.h"

#define HEADERS_MAX 128
#define TARGET_MAX 8192

void
mock_req_init(struct mock_req *req)
{
	*req = (struct mock_req){.phase = MOCK_PHASE_LINE};
	ag_buf_init(&req->chunks, MOCK_BODY_MAX);
}

void
mock_req_fini(struct mock_req *req)
{
	ag_buf_fini(&req->chunks);
}

void
mock_req_reset(struct mock_req *req)
{
	struct ag_buf chunks = req->chunks;

	ag_buf_reset(&chunks);
	if (chunks.cap > MOCK_HEAD_MAX)
		ag_buf_shrink(&chunks);
	*req = (struct mock_req){.phase = MOCK_PHASE_LINE, .chunks = chunks};
}

struct ag_str
mock_req_body(const struct mock_req *req, const struct ag_buf *in)
{
	if (req->is_chunked)
		return ag_buf_str(&req->chunks);
	return ag_str_n(in->p + req->head_n, req->end - req->head_n);
}

static enum mock_parse
bad(struct mock_req *req, int status, const char *why)
{
	req->bad_status = status;
	req->bad = why;
	return MOCK_PARSE_BAD;
}

static bool
is_token(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c | 32) >= 'a' && (c | 32) <= 'z')
			continue;
		if (c >= '0' && c <= '9')
			continue;
		if (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))
			return false;
	}
	return s.n > 0;
}

static struct mock_span
span(struct ag_str s, const struct ag_buf *in)
{
	return (struct mock_span){.at = (uint32_t)(s.p - in->p), .n = (uint32_t)s.n};
}

static enum mock_parse
parse_request_line(struct mock_req *req, struct ag_str line, const struct ag_buf *in)
{
	const char *sp = line.n > 0 ? memchr(line.p, ' ', line.n) : NULL;
	struct ag_str method, target;

	if (!sp)
		return bad(req, 400, "request line is not METHOD TARGET VERSION");
	method = ag_str_n(line.p, (size_t)(sp - line.p));
	line = ag_str_skip(line, method.n + 1);
	sp = line.n > 0 ? memchr(line.p, ' ', line.n) : NULL;
	if (!sp || !is_token(method))
		return bad(req, 400, "request line is not METHOD TARGET VERSION");
	target = ag_str_n(line.p, (size_t)(sp - line.p));
	line = ag_str_skip(line, target.n + 1);
	if (ag_str_eq(line, AG_STR("HTTP/1.0")))
		req->is_http10 = true;
	else if (!ag_str_eq(line, AG_STR("HTTP/1.1")))
		return bad(req, 505, "version is neither HTTP/1.1 nor HTTP/1.0");
	if (target.n == 0 || target.n > TARGET_MAX || target.p[0] != '/')
		return bad(req, 400, "request target is not a path");
	for (size_t i = 0; i < target.n; i++)
		if ((unsigned char)target.p[i] <= ' ' || (unsigned char)target.p[i] >= 127)
			return bad(req, 400, "request target has bytes that must be escaped");
	req->method = span(method, in);
	req->target = span(target, in);
	req->keep_alive = !req->is_http10;
	req->phase = MOCK_PHASE_HEADERS;
	return MOCK_PARSE_DONE;
}

/* Headers that belong to the gateway or to its client: a provider must never see them. */
static const char *
private_header(struct ag_str name)
{
	static const struct {
		struct ag_str name;
		bool is_prefix;
		const char *why;
	} row[] = {
		{AG_STR("x-portkey-"), true, "an x-portkey-* header reached the provider"},
		{AG_STR("x-aigate-"), true, "an x-aigate-* header reached the provider"},
		{AG_STR("cookie"), false, "header cookie reached the provider"},
		{AG_STR("proxy-authorization"), false,
		 "header proxy-authorization reached the provider"},
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++) {
		if (name.n < row[i].name.n || (name.n > row[i].name.n && !row[i].is_prefix))
			continue;
		if (strncasecmp(name.p, row[i].name.p, row[i].name.n) == 0)
			return row[i].why;
	}
	return NULL;
}

static enum mock_parse
take_framing(struct mock_req *req, struct ag_str name, struct ag_str value)
{
	if (ag_str_ieq(name, AG_STR("content-length"))) {
		if (req->has_length)
			return bad(req, 400, "content-length is given twice");
		if (ag_parse_u64(value, UINT64_MAX, &req->length) < 0)
			return bad(req, 400, "content-length is not a number");
		if (req->length > MOCK_BODY_MAX)
			return bad(req, 413, "body is too large");
		req->has_length = true;
	} else if (ag_str_ieq(name, AG_STR("transfer-encoding"))) {
		if (req->is_chunked)
			return bad(req, 400, "transfer-encoding is given twice");
		if (!ag_str_ieq(value, AG_STR("chunked")))
			return bad(req, 400, "transfer-encoding is not chunked");
		if (req->is_http10)
			return bad(req, 400, "HTTP/1.0 has no transfer-encoding");
		req->is_chunked = true;
	}
	if (req->has_length && req->is_chunked)
		return bad(req, 400, "both content-length and transfer-encoding are given");
	return MOCK_PARSE_DONE;
}

static enum mock_parse
take_header(struct mock_req *req, struct ag_str name, struct ag_str value, const struct ag_buf *in)
{
	static const struct ag_str kept[MOCK_H_COUNT] = {
		[MOCK_H_AUTHORIZATION] = AG_STR("authorization"),
		[MOCK_H_CONTENT_TYPE] = AG_STR("content-type"),
		[MOCK_H_CLIENT_REQUEST_ID] = AG_STR("x-client-request-id"),
		[MOCK_H_REQUEST_ID] = AG_STR("x-request-id"),
		[MOCK_H_X_API_KEY] = AG_STR("x-api-key"),
		[MOCK_H_API_KEY] = AG_STR("api-key"),
		[MOCK_H_GOOG_API_KEY] = AG_STR("x-goog-api-key"),
		[MOCK_H_ANTHROPIC_VERSION] = AG_STR("anthropic-version"),
	};

	for (size_t i = 0; i < MOCK_H_COUNT; i++) {
		if (!ag_str_ieq(name, kept[i]))
			continue;
		if (req->header[i].at != 0 && !req->violation)
			req->violation = "a header that must stand once is given twice";
		req->header[i] = span(value, in);
		return MOCK_PARSE_DONE;
	}
	if (ag_str_ieq(name, AG_STR("host"))) {
		if (req->has_host)
			return bad(req, 400, "host is given twice");
		req->has_host = true;
	} else if (ag_str_ieq(name, AG_STR("connection"))) {
		if (ag_str_ieq(value, AG_STR("close")))
			req->keep_alive = false;
		else if (ag_str_ieq(value, AG_STR("keep-alive")))
			req->keep_alive = true;
	} else if (ag_str_ieq(name, AG_STR("expect"))) {
		req->expects_continue = ag_str_ieq(value, AG_STR("100-continue"));
	}
	if (!req->violation)
		req->violation = private_header(name);
	return take_framing(req, name, value);
}

static enum mock_parse
parse_header(struct mock_req *req, struct ag_str line, const struct ag_buf *in)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct ag_str name, value;

	if (++req->headers > HEADERS_MAX)
		return bad(req, 431, "too many headers");
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return bad(req, 400, "header line is folded");
	if (!colon)
		return bad(req, 400, "header line has no colon");
	name = ag_str_n(line.p, (size_t)(colon - line.p));
	if (!is_token(name))
		return bad(req, 400, "header name has bytes that no name may have");
	value = ag_str_skip(line, name.n + 1);
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < ' ' && c != '\t') || c == 127)
			return bad(req, 400, "header value has control bytes");
	}
	return take_header(req, name, ag_str_trim(value), in);
}

static void
head_done(struct mock_req *req)
{
	req->head_n = req->scan;
	req->phase = req->is_chunked ? MOCK_PHASE_CHUNK_SIZE : MOCK_PHASE_LENGTH;
	if (!req->is_chunked)
		req->end = req->head_n + req->length;
}

/* One line of the head or of the chunked framing, without its CRLF.  MORE moves nothing. */
static enum mock_parse
next_line(struct mock_req *req, const struct ag_buf *in, size_t max, struct ag_str *out)
{
	const char *from = in->p + req->scan;
	size_t n = in->n - req->scan;
	const char *lf = n > 0 ? memchr(from, '\n', n) : NULL;

	if ((lf ? (size_t)(lf - from) : n) > max)
		return bad(req, 431, "line is too long");
	if (!lf)
		return MOCK_PARSE_MORE;
	if (lf == from || lf[-1] != '\r')
		return bad(req, 400, "line ends in a bare LF");
	*out = ag_str_n(from, (size_t)(lf - from) - 1);
	req->scan += (size_t)(lf - from) + 1;
	return MOCK_PARSE_DONE;
}

static enum mock_parse
parse_head(struct mock_req *req, const struct ag_buf *in)
{
	while (req->phase == MOCK_PHASE_LINE || req->phase == MOCK_PHASE_HEADERS) {
		struct ag_str line;
		enum mock_parse rc = next_line(req, in, MOCK_HEAD_MAX, &line);

		if (rc != MOCK_PARSE_DONE)
			return rc;
		if (req->scan > MOCK_HEAD_MAX)
			return bad(req, 431, "head is too large");
		if (req->phase == MOCK_PHASE_HEADERS && line.n == 0)
			head_done(req);
		else if (req->phase == MOCK_PHASE_LINE)
			rc = parse_request_line(req, line, in);
		else
			rc = parse_header(req, line, in);
		if (rc != MOCK_PARSE_DONE)
			return rc;
	}
	return MOCK_PARSE_DONE;
}

static enum mock_parse
parse_chunk_size(struct mock_req *req, const struct ag_buf *in)
{
	struct ag_str line;
	enum mock_parse rc = next_line(req, in, 64, &line);
	uint64_t v = 0;

	if (rc != MOCK_PARSE_DONE)
		return rc;
	if (line.n == 0 || line.n > 8)
		return bad(req, 400, "chunk size is not a plain hexadecimal number");
	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i], low = (char)(c | 32);

		if (c >= '0' && c <= '9')
			v = v * 16 + (uint64_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v * 16 + (uint64_t)(low - 'a' + 10);
		else
			return bad(req, 400, "chunk size is not a plain hexadecimal number");
	}
	if (v > MOCK_BODY_MAX - req->chunks.n)
		return bad(req, 413, "body is too large");
	req->length = v;
	req->phase = v > 0 ? MOCK_PHASE_CHUNK_DATA : MOCK_PHASE_LAST;
	return MOCK_PARSE_DONE;
}

static enum mock_parse
parse_chunk_data(struct mock_req *req, const struct ag_buf *in)
{
	size_t have = in->n - req->scan;
	size_t n = have < req->length ? have : (size_t)req->length;

	ag_buf_put(&req->chunks, in->p + req->scan, n);
	if (req->chunks.failed)
		return bad(req, 413, "body is too large");
	req->scan += n;
	req->length -= n;
	if (req->length > 0)
		return MOCK_PARSE_MORE;
	req->phase = MOCK_PHASE_CHUNK_END;
	return MOCK_PARSE_DONE;
}

/* The line that follows the bytes of a chunk, or the last chunk: it must be empty. */
static enum mock_parse
parse_chunk_end(struct mock_req *req, const struct ag_buf *in, const char *why)
{
	struct ag_str line;
	enum mock_parse rc = next_line(req, in, 1024, &line);

	if (rc != MOCK_PARSE_DONE)
		return rc;
	if (line.n > 0)
		return bad(req, 400, why);
	req->end = req->scan;
	req->phase = MOCK_PHASE_CHUNK_SIZE;
	return MOCK_PARSE_DONE;
}

enum mock_parse
mock_req_parse(struct mock_req *req, const struct ag_buf *in)
{
	enum mock_parse rc = parse_head(req, in);

	while (rc == MOCK_PARSE_DONE) {
		switch (req->phase) {
		case MOCK_PHASE_CHUNK_SIZE:
			rc = parse_chunk_size(req, in);
			break;
		case MOCK_PHASE_CHUNK_DATA:
			rc = parse_chunk_data(req, in);
			break;
		case MOCK_PHASE_CHUNK_END:
			rc = parse_chunk_end(req, in, "chunk is longer than its size says");
			break;
		case MOCK_PHASE_LAST:
			return parse_chunk_end(req, in, "body ends in trailers");
		case MOCK_PHASE_LENGTH:
			return in->n >= req->end ? MOCK_PARSE_DONE : MOCK_PARSE_MORE;
		case MOCK_PHASE_LINE:
		case MOCK_PHASE_HEADERS:
			return bad(req, 400, "head is not complete");
		}
	}
	return rc;
}

struct ag_str
mock_req_header(const struct mock_req *req, const struct ag_buf *in, struct ag_str name)
{
	struct ag_str rest = ag_str_n(in->p, req->head_n);

	while (rest.n > 0) {
		const char *lf = memchr(rest.p, '\n', rest.n);
		struct ag_str line = ag_str_n(rest.p, lf ? (size_t)(lf - rest.p) : rest.n);

		rest = ag_str_skip(rest, line.n + 1);
		if (line.n > name.n && line.p[name.n] == ':' &&
		    ag_str_ieq(ag_str_n(line.p, name.n), name)) {
			line = ag_str_skip(line, name.n + 1);
			line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
			return ag_str_trim(line);
		}
	}
	return AG_STR_NONE;
}
