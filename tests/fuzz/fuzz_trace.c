/* Trace context: what is read is what is written again, and every id that is taken is one. */
#include "fuzz.h"
#include "http/trace_context.h"

static void
parent(struct ag_str text)
{
	struct ag_trace_parent p, again;
	struct ag_buf b;

	if (!ag_trace_parent_parse(text, &p))
		return;
	must(p.trace_id.n == AG_TRACE_ID_LEN && p.parent_id.n == AG_SPAN_ID_LEN);
	ag_buf_init(&b, 256);
	ag_trace_parent_put(&b, &p);
	must(ag_trace_parent_parse(ag_buf_str(&b), &again));
	must(ag_str_eq(again.trace_id, p.trace_id) && ag_str_eq(again.parent_id, p.parent_id));
	must(again.flags == p.flags);
	ag_buf_fini(&b);
}

static void
id(struct ag_str text)
{
	char out[AG_TRACE_ID_LEN], again[AG_TRACE_ID_LEN];

	if (!ag_trace_id_of(text, out))
		return;
	must(ag_trace_id_of(ag_str_n(out, sizeof(out)), again));
	must(memcmp(out, again, sizeof(out)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its very size, so that a read behind its end is seen. */
	char *copy = malloc(size > 0 ? size : 1);
	struct ag_str text = ag_str_n(copy, size);

	must(copy != NULL);
	for (size_t i = 0; i < size; i++)
		copy[i] = (char)data[i];
	parent(text);
	id(text);
	(void)ag_trace_state_is_valid(text);
	free(copy);
	return 0;
}
