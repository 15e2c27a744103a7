/* Baggage: names are tokens, values are text, and nothing is read behind the end. */
#include "fuzz.h"
#include "http/baggage.h"
#include "http/json_scan.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its very size, so that a read behind its end is seen. */
	char *copy = malloc(size > 0 ? size : 1);
	struct ag_str rest, name, value;
	size_t left;

	must(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	rest = ag_str_n(copy, size);
	for (left = rest.n; ag_baggage_next(&rest, &name, &value); left = rest.n) {
		struct ag_buf b, decoded;

		must(rest.n < left && name.n > 0 && !memchr(name.p, '"', name.n) && !memchr(name.p, '\\', name.n));
		ag_buf_init(&b, 1 << 16);
		ag_buf_init(&decoded, 1 << 16);
		ag_buf_putc(&b, '"');
		if (ag_baggage_put_json(&b, value)) {
			ag_buf_putc(&b, '"');
			must(!b.failed && ag_json_string_decode(ag_buf_str(&b), &decoded) == 0);
			must(decoded.n <= value.n && !memchr(decoded.n ? decoded.p : "", '\0', decoded.n));
		}
		ag_buf_fini(&decoded);
		ag_buf_fini(&b);
	}
	free(copy);
	return 0;
}
