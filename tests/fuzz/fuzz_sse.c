/* Event streams: the same events however they are cut, and their raw bytes are the stream.  The
 * first byte says how large the pieces are. */
#include "http/sse.h"

#include <errno.h>

#include "fuzz.h"

#define EVENT_MAX 512

struct seen {
	struct ag_buf told, raw;
	uint64_t at;
};

static int
on_event(void *arg, const struct ag_sse_event *ev)
{
	struct seen *seen = arg;

	must(ev->at == seen->at && ev->raw.n > 0 && ev->raw.n <= EVENT_MAX);
	seen->at += ev->raw.n;
	/* Blocks of nothing may differ by where a CRLF was cut. */
	if (ev->has_data || ev->event.n > 0) {
		ag_buf_put_str(&seen->told, ev->event);
		ag_buf_putc(&seen->told, ev->has_data ? '\1' : '\2');
		ag_buf_put_str(&seen->told, ev->data);
		ag_buf_putc(&seen->told, '\3');
	}
	ag_buf_put_str(&seen->raw, ev->raw);
	return 0;
}

static int
run(const char *p, size_t n, size_t step, struct seen *seen)
{
	struct ag_sse s;
	struct ag_str rest;
	int rc = 0;

	*seen = (struct seen){ 0 };
	ag_buf_init(&seen->told, 1 << 24);
	ag_buf_init(&seen->raw, 1 << 24);
	ag_sse_init(&s, EVENT_MAX);
	for (size_t at = 0; at < n && rc == 0; at += step)
		rc = ag_sse_feed(&s, p + at, step < n - at ? step : n - at, on_event, seen);
	if (rc == 0) {
		(void)ag_sse_finish(&s, &rest);
		ag_buf_put_str(&seen->raw, rest);
		must(ag_str_eq(ag_buf_str(&seen->raw), ag_str_n(p, n)));
	} else {
		must(rc == -EMSGSIZE);
	}
	ag_sse_fini(&s);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;
	const char *p = (const char *)data + 1;
	int rc, cut_rc;

	if (size < 2)
		return 0;
	rc = run(p, size - 1, size - 1, &whole);
	cut_rc = run(p, size - 1, 1u + data[0] % 16, &cut);
	/* At the ceiling an LF that was cut off may make the difference. */
	if (rc == 0 && cut_rc == 0)
		must(ag_str_eq(ag_buf_str(&whole.told), ag_buf_str(&cut.told)));
	ag_buf_fini(&whole.told);
	ag_buf_fini(&whole.raw);
	ag_buf_fini(&cut.told);
	ag_buf_fini(&cut.raw);
	return 0;
}
