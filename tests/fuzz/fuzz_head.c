/* Request and response heads: byte by byte as at once, and every view inside the head. */
#include "http/head.h"

#include "fuzz.h"

static void
must_be_inside(struct ag_str s, const char *p, size_t n)
{
	if (s.n > 0 && !(s.n == 1 && *s.p == '/'))
		must(s.p >= p && s.p + s.n <= p + n);
}

static void
check_views(const struct ag_http_head *h, const char *p)
{
	must(h->n_headers <= AG_HTTP_HEADERS_MAX);
	must_be_inside(h->target, p, h->head_len);
	must_be_inside(h->path, p, h->head_len);
	must_be_inside(h->query, p, h->head_len);
	must_be_inside(h->host, p, h->head_len);
	must_be_inside(h->reason, p, h->head_len);
	for (size_t i = 0; i < h->n_headers; i++) {
		struct ag_str v = h->header[i].value;

		must_be_inside(h->header[i].name, p, h->head_len);
		must_be_inside(v, p, h->head_len);
		must(h->header[i].name.n > 0);
		must(!v.n || (!memchr(v.p, '\r', v.n) && !memchr(v.p, '\n', v.n) &&
		                 !memchr(v.p, 0, v.n)));
	}
}

static enum ag_parse
parse(int kind, const char *p, size_t n, struct ag_http_head *h)
{
	return kind == 0 ? ag_http_parse_request(p, n, h) : ag_http_parse_response(p, n, kind == 2, h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;

	for (int kind = 0; kind < 3; kind++) {
		static struct ag_http_head whole, slow;
		enum ag_parse rc, slow_rc = AG_PARSE_MORE;

		ag_http_head_init(&whole, 4096);
		rc = parse(kind, p, size, &whole);
		ag_http_head_init(&slow, 4096);
		for (size_t n = 0; n <= size && slow_rc == AG_PARSE_MORE; n++)
			slow_rc = parse(kind, p, n, &slow);
		must(rc == slow_rc);
		if (rc == AG_PARSE_DONE) {
			must(whole.head_len <= size && whole.head_len == slow.head_len);
			must(whole.framing == slow.framing);
			must(whole.n_headers == slow.n_headers);
			check_views(&whole, p);
		} else if (rc == AG_PARSE_BAD) {
			must(whole.bad_why && whole.bad_status >= 400);
			must(whole.bad_status == slow.bad_status);
		}
	}
	return 0;
}
