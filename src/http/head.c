#include "http/head.h"

#include <assert.h>
#include <string.h>

#include "base/num.h"
#include "http/bytes.h"

#define METHOD_MAX 32

/* What the header lines said, judged together when all have been read. */
struct seen {
	unsigned n_host, n_length, n_coding;
	struct ag_str coding;
	bool has_close, has_keep_alive;
};

/* tchar of RFC 9110 5.6.2 */
static const bool is_tchar[256] = {
	['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
	['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true,
	['`'] = true, ['|'] = true, ['~'] = true,
	['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true,
};

/* Host and authority: no user information, no list, nothing that a URL parser could cut at. */
static const bool is_hostchar[256] = {
	['-'] = true, ['.'] = true, ['_'] = true, ['~'] = true, ['%'] = true, ['['] = true,
	[']'] = true, [':'] = true,
	['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true,
};

void
ag_http_head_init(struct ag_http_head *h, size_t max)
{
	/* The header array stays as it is: n_headers says what of it is valid. */
	memset(h, 0, offsetof(struct ag_http_head, header));
	h->bad_status = 0;
	h->bad_why = NULL;
	h->max = max;
	h->line_at = h->scan_at = 0;
}

static enum ag_parse
bad(struct ag_http_head *h, int status, const char *why)
{
	h->bad_status = status;
	h->bad_why = why;
	return AG_PARSE_BAD;
}

/* Looks for the blank line in what was not looked at before, so that a head which comes byte by
 * byte is read twice in all, not once for each byte. */
static enum ag_parse
find_end(const char *p, size_t n, size_t start, struct ag_http_head *h)
{
	if (h->line_at < start)
		h->line_at = h->scan_at = start;
	while (h->scan_at < n) {
		size_t at = (size_t)(bytes_find_lf(p + h->scan_at, p + n) - p);

		if (at == n) {
			h->scan_at = n;
			break;
		}
		if (at == h->line_at || p[at - 1] != '\r')
			return bad(h, 400, "line feed without carriage return");
		if (at + 1 > h->max)
			return bad(h, 431, "head too large");
		if (at == h->line_at + 1 && h->line_at > start) {
			h->head_len = at + 1;
			return AG_PARSE_DONE;
		}
		h->line_at = h->scan_at = at + 1;
	}
	if (h->line_at == start && n - start > AG_HTTP_TARGET_MAX + METHOD_MAX + 16)
		return bad(h, 414, "request target too long");
	if (n >= h->max)
		return bad(h, 431, "head too large");
	return AG_PARSE_MORE;
}

/* ---- header lines ---- */

bool
ag_http_list_has(struct ag_str list, struct ag_str token)
{
	while (list.n > 0) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;

		if (ag_str_ieq(ag_str_trim(ag_str_n(list.p, n)), token))
			return true;
		list = ag_str_skip(list, n + (comma ? 1 : 0));
	}
	return false;
}

static bool
take_length(struct ag_http_head *h, struct ag_str value)
{
	int rc = ag_parse_u64(value, UINT64_MAX, &h->content_length);

	if (rc == 0) {
		h->has_content_length = true;
		return true;
	}
	if (value.n > 0 && strspn(value.p, "0123456789") >= value.n)
		bad(h, 413, "Content-Length too large");
	else
		bad(h, 400, "bad Content-Length");
	return false;
}

static bool
take_expect(struct ag_http_head *h, struct ag_str value)
{
	if (!ag_str_ieq(value, AG_STR("100-continue"))) {
		bad(h, 417, "unknown expectation");
		return false;
	}
	h->expects_continue = true;
	return true;
}

static void
take_connection(struct ag_http_head *h, struct seen *seen, struct ag_str value)
{
	seen->has_close |= ag_http_list_has(value, AG_STR("close"));
	seen->has_keep_alive |= ag_http_list_has(value, AG_STR("keep-alive"));
	h->lists_hops |= !ag_str_ieq(value, AG_STR("keep-alive"));
}

/* The headers that decide about framing and the connection. */
static bool
take_known(struct ag_http_head *h, struct seen *seen, const struct ag_http_header *hdr)
{
	if (hdr->id == AG_HN_CONTENT_LENGTH) {
		seen->n_length++;
		return take_length(h, hdr->value);
	}
	if (hdr->id == AG_HN_EXPECT)
		return take_expect(h, hdr->value);
	if (hdr->id == AG_HN_HOST) {
		seen->n_host++;
		h->host = hdr->value;
	} else if (hdr->id == AG_HN_TRANSFER_ENCODING) {
		seen->n_coding++;
		seen->coding = hdr->value;
	} else if (hdr->id == AG_HN_CONNECTION) {
		take_connection(h, seen, hdr->value);
	}
	return true;
}

/* One line at p, which ends in CRLF before `end`.  Returns the start of the next, NULL: bad. */
static const char *
take_line(struct ag_http_head *h, struct seen *seen, const char *p, const char *end)
{
	const char *name = p, *value, *value_end;
	struct ag_http_header *hdr;

	if (h->n_headers == AG_HTTP_HEADERS_MAX) {
		bad(h, 431, "too many headers");
		return NULL;
	}
	p = bytes_skip_name(p, end);
	while (is_tchar[(unsigned char)*p])
		p++;
	if (*p != ':' || p == name) {
		bad(h, 400, *name == ' ' || *name == '\t' ? "folded header" : "bad header name");
		return NULL;
	}
	hdr = &h->header[h->n_headers];
	hdr->name = ag_str_n(name, (size_t)(p - name));
	p++;
	while (*p == ' ' || *p == '\t')
		p++;
	value = p;
	p = bytes_find_ctl(p, end);
	if (end - p < 2 || p[0] != '\r' || p[1] != '\n') {
		bad(h, 400, "control byte in a header");
		return NULL;
	}
	for (value_end = p; value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t');)
		value_end--;
	hdr->value = ag_str_n(value, (size_t)(value_end - value));
	hdr->id = ag_http_name_of(hdr->name);
	h->name_lengths |= UINT64_C(1) << (hdr->name.n < 63 ? hdr->name.n : 63);
	h->n_headers++;
	return hdr->id == AG_HN_OTHER || take_known(h, seen, hdr) ? p + 2 : NULL;
}

static bool
take_lines(struct ag_http_head *h, struct seen *seen, const char *p, const char *end)
{
	while (p < end && *p != '\r')
		if (!(p = take_line(h, seen, p, end)))
			return false;
	/* A CR that is not the blank line's would have to start a header name. */
	if (end - p != 2) {
		bad(h, 400, "bad header name");
		return false;
	}
	return true;
}

/* ---- framing ---- */

static enum ag_parse
judge_coding(struct ag_http_head *h, const struct seen *seen)
{
	if (seen->n_length > 1)
		return bad(h, 400, "more than one Content-Length");
	if (seen->n_coding == 0)
		return AG_PARSE_DONE;
	if (seen->n_coding > 1)
		return bad(h, 400, "more than one Transfer-Encoding");
	if (seen->n_length > 0)
		return bad(h, 400, "Content-Length together with Transfer-Encoding");
	if (h->minor == 0)
		return bad(h, 400, "Transfer-Encoding in HTTP/1.0");
	if (seen->coding.n == 0)
		return bad(h, 400, "empty Transfer-Encoding");
	if (!ag_str_ieq(seen->coding, AG_STR("chunked")))
		return bad(h, 501, "transfer coding not implemented");
	h->framing = AG_HTTP_BODY_CHUNKED;
	return AG_PARSE_DONE;
}

static void
judge_connection(struct ag_http_head *h, const struct seen *seen)
{
	h->is_keep_alive = !seen->has_close && (h->minor == 1 || seen->has_keep_alive) &&
	                   h->framing != AG_HTTP_BODY_UNTIL_EOF;
}

static bool
is_host(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_hostchar[(unsigned char)s.p[i]])
			return false;
	return s.n > 0;
}

static enum ag_parse
judge_request(struct ag_http_head *h, const struct seen *seen, struct ag_str authority)
{
	enum ag_parse rc = judge_coding(h, seen);

	if (rc != AG_PARSE_DONE)
		return rc;
	if (seen->n_host > 1)
		return bad(h, 400, "more than one Host");
	if (seen->n_host == 0 && h->minor == 1)
		return bad(h, 400, "no Host");
	if (seen->n_host == 1 && !is_host(h->host))
		return bad(h, 400, "bad Host");
	if (authority.p) {
		if (!is_host(authority))
			return bad(h, 400, "bad authority in the request target");
		if (seen->n_host == 1 && !ag_str_ieq(authority, h->host))
			return bad(h, 400, "Host differs from the request target");
		h->host = authority;
	}
	if (h->framing != AG_HTTP_BODY_CHUNKED)
		h->framing = h->has_content_length ? AG_HTTP_BODY_LENGTH : AG_HTTP_BODY_NONE;
	/* HTTP/1.0 knows no interim answers and would take one for the answer. */
	h->expects_continue &= h->minor >= 1;
	judge_connection(h, seen);
	return AG_PARSE_DONE;
}

static enum ag_parse
judge_response(struct ag_http_head *h, const struct seen *seen, bool is_answer_to_head)
{
	enum ag_parse rc = judge_coding(h, seen);
	bool is_bodiless = h->status < 200 || h->status == 204;

	if (rc != AG_PARSE_DONE)
		return rc;
	if (h->status == 101)
		return bad(h, 502, "protocol switched unasked");
	/* Bytes announced behind an answer that has none would be read as the next head. */
	if (is_bodiless && (h->framing == AG_HTTP_BODY_CHUNKED || h->content_length > 0))
		return bad(h, 502, "body announced where none may be");
	if (is_bodiless || h->status == 304 || is_answer_to_head)
		h->framing = AG_HTTP_BODY_NONE;
	else if (h->framing != AG_HTTP_BODY_CHUNKED)
		h->framing = h->has_content_length ? AG_HTTP_BODY_LENGTH : AG_HTTP_BODY_UNTIL_EOF;
	judge_connection(h, seen);
	return AG_PARSE_DONE;
}

/* ---- first lines ---- */

static enum ag_http_method
method_of(struct ag_str m)
{
	static const struct ag_str known[] = {
		[AG_HTTP_GET] = { "GET", 3 },         [AG_HTTP_HEAD] = { "HEAD", 4 },
		[AG_HTTP_POST] = { "POST", 4 },       [AG_HTTP_PUT] = { "PUT", 3 },
		[AG_HTTP_PATCH] = { "PATCH", 5 },     [AG_HTTP_DELETE] = { "DELETE", 6 },
		[AG_HTTP_OPTIONS] = { "OPTIONS", 7 },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(known); i++)
		if (ag_str_eq(m, known[i]))
			return (enum ag_http_method)i;
	return AG_HTTP_OTHER;
}

/* "HTTP/1.1" at p: 1 yes, 0 another version, -1 something else. */
static int
take_version(const char *p, const char *end, unsigned *out_minor)
{
	if (end - p < 10 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' ||
	    p[7] < '0' || p[7] > '9')
		return -1;
	if (p[5] != '1' || p[7] > '1')
		return 0;
	*out_minor = (unsigned)(p[7] - '0');
	return 1;
}

/* Cuts scheme and authority off an absolute-form target; what stays is the path and query.
 * An empty path in front of a query has no bytes to point at, so that form is refused. */
static bool
cut_authority(struct ag_http_head *h, struct ag_str *out_authority)
{
	static const struct ag_str scheme[] = { { "http://", 7 }, { "https://", 8 } };
	struct ag_str t = h->target;
	size_t n = 0;

	for (size_t i = 0; i < AG_ARRAY_LEN(scheme); i++) {
		struct ag_str s = scheme[i];

		if (t.n < s.n || !ag_str_ieq(ag_str_n(t.p, s.n), s))
			continue;
		t = ag_str_skip(t, s.n);
		while (n < t.n && t.p[n] != '/' && t.p[n] != '?')
			n++;
		*out_authority = ag_str_n(t.p, n);
		h->target = n == t.n ? AG_STR("/") : ag_str_skip(t, n);
		return h->target.p[0] == '/';
	}
	return false;
}

static enum ag_parse
take_target(struct ag_http_head *h, struct ag_str *out_authority)
{
	const char *mark;

	if (h->target.n == 0)
		return bad(h, 400, "no request target");
	if (h->target.n > AG_HTTP_TARGET_MAX)
		return bad(h, 414, "request target too long");
	for (size_t i = 0; i < h->target.n; i++)
		if (h->target.p[i] <= ' ' || h->target.p[i] >= 0x7f || h->target.p[i] == '#')
			return bad(h, 400, "bad byte in the request target");
	if (h->target.p[0] == '*' && h->target.n == 1 && h->method == AG_HTTP_OPTIONS) {
		h->path = h->target;
		return AG_PARSE_DONE;
	}
	if (h->target.p[0] != '/' && !cut_authority(h, out_authority))
		return bad(h, 400, "bad form of request target");
	mark = memchr(h->target.p, '?', h->target.n);
	h->path = mark ? ag_str_n(h->target.p, (size_t)(mark - h->target.p)) : h->target;
	if (mark)
		h->query = ag_str_skip(h->target, h->path.n + 1);
	return AG_PARSE_DONE;
}

/* Returns the start of the first header line, NULL: bad. */
static const char *
take_request_line(struct ag_http_head *h, const char *p, const char *end, struct ag_str *authority)
{
	const char *from = p;
	int rc;

	while (is_tchar[(unsigned char)*p])
		p++;
	h->method_str = ag_str_n(from, (size_t)(p - from));
	if (p == from || *p != ' ') {
		bad(h, 400, "bad request line");
		return NULL;
	}
	if (h->method_str.n > METHOD_MAX || ag_str_eq(h->method_str, AG_STR("CONNECT"))) {
		bad(h, 501, "method not implemented");
		return NULL;
	}
	h->method = method_of(h->method_str);
	from = ++p;
	while (*p != ' ' && *p != '\r')
		p++;
	h->target = ag_str_n(from, (size_t)(p - from));
	rc = *p == ' ' ? take_version(p + 1, end, &h->minor) : -1;
	if (rc >= 0 && (p[9] != '\r' || p[10] != '\n'))
		rc = -1;
	if (rc <= 0) {
		if (rc == 0)
			bad(h, 505, "HTTP version not supported");
		else
			bad(h, 400, "bad request line");
		return NULL;
	}
	return take_target(h, authority) == AG_PARSE_DONE ? p + 11 : NULL;
}

enum ag_parse
ag_http_parse_request(const char *p, size_t n, struct ag_http_head *h)
{
	struct ag_str authority = AG_STR_NONE;
	struct seen seen = { 0 };
	const char *end;
	size_t start = 0;
	enum ag_parse rc;

	if (n > 0 && p[0] == '\r') {
		/* Some clients end a body with a CRLF too many. */
		if (n < 3)
			return n == 1 || p[1] == '\n' ? AG_PARSE_MORE
			                              : bad(h, 400, "bad request line");
		if (p[1] != '\n')
			return bad(h, 400, "bad request line");
		start = 2;
	}
	/* Something else than HTTP, such as TLS, need not ever hold a line feed. */
	if (n > start && !is_tchar[(unsigned char)p[start]])
		return bad(h, 400, "bad request line");
	rc = find_end(p, n, start, h);
	if (rc != AG_PARSE_DONE)
		return rc;
	h->n_headers = 0;
	h->name_lengths = 0;
	h->lists_hops = false;
	end = p + h->head_len;
	p = take_request_line(h, p + start, end, &authority);
	if (!p || !take_lines(h, &seen, p, end))
		return AG_PARSE_BAD;
	return judge_request(h, &seen, authority);
}

static const char *
take_status_line(struct ag_http_head *h, const char *p, const char *end)
{
	const char *from;

	if (take_version(p, end, &h->minor) <= 0 || p[8] != ' ' || end - p < 14)
		return NULL;
	p += 9;
	for (int i = 0; i < 3; i++) {
		if (p[i] < '0' || p[i] > '9')
			return NULL;
		h->status = h->status * 10 + (p[i] - '0');
	}
	p += 3;
	/* The blank before an empty reason is often left out. */
	if (h->status < 100 || h->status > 599 || (*p != ' ' && *p != '\r'))
		return NULL;
	from = *p == ' ' ? p + 1 : p;
	p = bytes_find_ctl(from, end);
	if (end - p < 4 || p[0] != '\r' || p[1] != '\n')
		return NULL;
	h->reason = ag_str_n(from, (size_t)(p - from));
	return p + 2;
}

enum ag_parse
ag_http_parse_response(const char *p, size_t n, bool is_answer_to_head, struct ag_http_head *h)
{
	struct seen seen = { 0 };
	const char *line;
	enum ag_parse rc;

	if (n > 0 && p[0] != 'H')
		return bad(h, 502, "bad status line");
	rc = find_end(p, n, 0, h);
	if (rc == AG_PARSE_MORE)
		return rc;
	h->n_headers = 0;
	h->name_lengths = 0;
	h->lists_hops = false;
	h->status = 0;
	if (rc == AG_PARSE_DONE) {
		line = take_status_line(h, p, p + h->head_len);
		if (!line)
			return bad(h, 502, "bad status line");
		rc = take_lines(h, &seen, line, p + h->head_len)
		         ? judge_response(h, &seen, is_answer_to_head)
		         : AG_PARSE_BAD;
	}
	if (rc == AG_PARSE_BAD)
		h->bad_status = 502;
	return rc;
}

/* ---- looking things up ---- */

struct ag_str
ag_http_header_find(const struct ag_http_head *h, struct ag_str name)
{
	for (size_t i = 0; i < h->n_headers; i++) {
		const struct ag_http_header *hdr = &h->header[i];

		/* Length and first letter tell nearly all of them apart. */
		if (hdr->name.n == name.n && (hdr->name.p[0] | 0x20) == (name.p[0] | 0x20) &&
		    ag_str_ieq(hdr->name, name))
			return hdr->value;
	}
	return AG_STR_NONE;
}

size_t
ag_http_header_count(const struct ag_http_head *h, struct ag_str name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_headers; i++)
		n += ag_str_ieq(h->header[i].name, name);
	return n;
}

bool
ag_http_is_hop_by_hop(const struct ag_http_head *h, const struct ag_http_header *hdr)
{
	static const bool fixed[AG_HN_COUNT] = {
		[AG_HN_TE] = true, [AG_HN_TRAILER] = true, [AG_HN_UPGRADE] = true,
		[AG_HN_CONNECTION] = true, [AG_HN_KEEP_ALIVE] = true, [AG_HN_HTTP2_SETTINGS] = true,
		[AG_HN_PROXY_CONNECTION] = true, [AG_HN_TRANSFER_ENCODING] = true,
		[AG_HN_PROXY_AUTHENTICATE] = true, [AG_HN_PROXY_AUTHORIZATION] = true,
	};

	if (fixed[hdr->id] || !h->lists_hops)
		return fixed[hdr->id];
	for (size_t i = 0; i < h->n_headers; i++)
		if (h->header[i].id == AG_HN_CONNECTION && ag_http_list_has(h->header[i].value, hdr->name))
			return true;
	return false;
}

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 246, "Hooks failed" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 424, "Failed Dependency" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 446, "Guardrail denied" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 499, "Client Closed Request" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
	{ 529, "Overloaded" },
};

const char *
ag_http_reason(int status)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}
