/* The chunked coding: byte by byte as at once, payload and end alike; and what was decoded,
 * encoded again, decodes to the same. */
#include "http/chunk.h"

#include "base/buf.h"
#include "fuzz.h"

static enum ag_parse
decode(const char *p, size_t n, size_t step, struct ag_buf *out, size_t *out_used)
{
	struct ag_chunk_dec d;
	enum ag_parse rc = AG_PARSE_MORE;
	size_t at = 0;

	ag_chunk_dec_init(&d);
	while (at < n && rc == AG_PARSE_MORE) {
		size_t left = step < n - at ? step : n - at;

		while (left > 0 && rc == AG_PARSE_MORE) {
			struct ag_str run;
			size_t used;

			rc = ag_chunk_decode(&d, p + at, left, &used, &run);
			must(used > 0 && used <= left);
			must(run.n == 0 || (run.p >= p + at && run.p + run.n <= p + at + used));
			ag_buf_put_str(out, run);
			at += used;
			left -= used;
		}
	}
	*out_used = at;
	return rc;
}

static void
encode_again(struct ag_buf *payload)
{
	struct ag_buf coded, again;
	char head[AG_CHUNK_HEAD_MAX];
	size_t used;

	ag_buf_init(&coded, 1 << 24);
	ag_buf_init(&again, 1 << 24);
	if (payload->n > 0) {
		ag_buf_put(&coded, head, ag_chunk_head(head, payload->n));
		ag_buf_put_str(&coded, ag_buf_str(payload));
		ag_buf_puts(&coded, AG_CHUNK_END);
	}
	ag_buf_puts(&coded, AG_CHUNK_LAST);
	must(decode(coded.p, coded.n, coded.n, &again, &used) == AG_PARSE_DONE && used == coded.n);
	must(ag_str_eq(ag_buf_str(&again), ag_buf_str(payload)));
	ag_buf_fini(&coded);
	ag_buf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ag_buf whole, slow;
	size_t whole_used, slow_used;
	enum ag_parse rc;

	ag_buf_init(&whole, 1 << 24);
	ag_buf_init(&slow, 1 << 24);
	rc = decode((const char *)data, size, size, &whole, &whole_used);
	must(decode((const char *)data, size, 1, &slow, &slow_used) == rc);
	must(ag_str_eq(ag_buf_str(&whole), ag_buf_str(&slow)));
	if (rc != AG_PARSE_BAD)
		must(whole_used == slow_used);
	encode_again(&whole);
	ag_buf_fini(&whole);
	ag_buf_fini(&slow);
	return 0;
}
