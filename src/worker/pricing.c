/* pricing.c - GET /model-configs/pricing/{provider}/{model}: the list price of a model.
 *
 * What anybody may know, so no key is asked for; answered from the catalogue.  Prices of one customer's
 * own account at a provider are not told here. */
#include "base/num.h"
#include "worker/request.h"

#define CENT_PUSD INT64_C(10000000000) /* one cent is 10^10 pico-USD */

struct ag_str
ag_req_unescape(struct ag_req *r, struct ag_str v)
{
	struct ag_str s = ag_arena_dup(&r->arena, v);
	char *out = (char *)(uintptr_t)s.p;
	size_t n = 0;

	if (!s.p)
		return AG_STR_NONE;
	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == '%' && s.n - i > 2 ? ag_hex_value(s.p[i + 1]) : -1;
		int lo = hi >= 0 ? ag_hex_value(s.p[i + 2]) : -1;

		if (lo >= 0) {
			out[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			out[n++] = s.p[i];
		}
	}
	s.n = n;
	return s;
}

/* Cents, exactly: never a float. */
static void
put_price(struct ag_buf *b, const char *name, int64_t pusd, bool *io_any)
{
	char digits[16];
	int n = 10;
	int64_t rest = pusd % CENT_PUSD;

	if (pusd < 0)
		return;
	ag_buf_printf(b, "%s\"%s\":{\"price\":%lld", *io_any ? "," : "", name, (long long)(pusd / CENT_PUSD));
	*io_any = true;
	if (rest > 0) {
		for (int i = 9; i >= 0; i--, rest /= 10)
			digits[i] = (char)('0' + rest % 10);
		while (digits[n - 1] == '0')
			n--;
		ag_buf_putc(b, '.');
		ag_buf_put(b, digits, (size_t)n);
	}
	ag_buf_putc(b, '}');
}

static void
put_pricing(struct ag_buf *b, const struct ag_cat_price *p)
{
	bool any = false;

	ag_buf_puts(b, "{\"pay_as_you_go\":{");
	put_price(b, "request_token", p->p[AG_PI_IN], &any);
	put_price(b, "response_token", p->p[AG_PI_OUT], &any);
	put_price(b, "cache_read_input_token", p->p[AG_PI_CACHED_IN], &any);
	put_price(b, "cache_write_input_token", p->p[AG_PI_CACHE_W_5M], &any);
	put_price(b, "reasoning_token", p->p[AG_PI_REASONING], &any);
	put_price(b, "request_audio_token", p->p[AG_PI_AUDIO_IN], &any);
	put_price(b, "response_audio_token", p->p[AG_PI_AUDIO_OUT], &any);
	put_price(b, "request_image_token", p->p[AG_PI_IMAGE_IN], &any);
	put_price(b, "response_image_token", p->p[AG_PI_IMAGE_OUT], &any);
	if (p->p[AG_PI_SEARCH] >= 0) {
		ag_buf_printf(b, "%s\"additional_units\":{", any ? "," : "");
		any = false;
		put_price(b, "web_search", p->p[AG_PI_SEARCH], &any);
		ag_buf_putc(b, '}');
	}
	ag_buf_putc(b, '}');
	if (p->p[AG_PI_BATCH_IN] >= 0 || p->p[AG_PI_BATCH_OUT] >= 0) {
		any = false;
		ag_buf_puts(b, ",\"batch_config\":{");
		put_price(b, "request_token", p->p[AG_PI_BATCH_IN], &any);
		put_price(b, "response_token", p->p[AG_PI_BATCH_OUT], &any);
		ag_buf_putc(b, '}');
	}
	ag_buf_puts(b, ",\"currency\":\"USD\"}");
}

void
ag_reply_pricing(struct ag_req *r, const struct ag_http_head *head)
{
	static const struct ag_str marker = { "/pricing/", 9 };
	const char *at = memmem(head->path.p, head->path.n, marker.p, marker.n);
	struct ag_str rest = at ? ag_str_skip(head->path, (size_t)(at - head->path.p) + marker.n) : AG_STR_NONE;
	const char *slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
	const struct ag_cat_price *p = NULL;
	struct ag_buf body;

	if (!r->view) {
		ag_reply_verdict(r, AG_DENY_NOT_READY, AG_STR("the catalogue is not there yet"), AG_NONE_IX);
		return;
	}
	if (slash)
		p = ag_catalog_price(ag_view_catalog(r->view),
		    ag_req_unescape(r, ag_str_n(rest.p, (size_t)(slash - rest.p))),
		    ag_req_unescape(r, ag_str_skip(rest, (size_t)(slash - rest.p) + 1)), r->rec.received_at_us);
	if (!p) {
		ag_reply_verdict(r, AG_DENY_NOT_FOUND, AG_STR_NONE, AG_NONE_IX);
		return;
	}
	ag_buf_init(&body, 4096);
	put_pricing(&body, p);
	ag_reply_json(r, 200, ag_buf_str(&body));
	ag_buf_fini(&body);
}
