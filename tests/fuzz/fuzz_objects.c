/* Bodies that name objects, and answers that bring some: each id that is told lies in the body, or was
 * decoded from it; a path is read without leaving it. */
#include "fuzz.h"

#include "policy/objects.h"

struct seen {
	struct ag_str body;
	const struct ag_buf *b;
	size_t n;
};

static int
hear(void *arg, struct ag_str id)
{
	struct seen *s = arg;
	bool is_view = id.n == 0 || (id.p >= s->body.p && id.p + id.n <= s->body.p + s->body.n);
	bool is_copy = s->b && s->b->p && id.p >= s->b->p && id.p + id.n <= s->b->p + s->b->n;

	must(is_view || is_copy);
	return ++s->n > 1000 ? -1 : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ag_str text = ag_str_n((const char *)data, size);
	struct seen s = { .body = text };
	struct ag_object_call call;
	struct ag_buf b;

	ag_buf_init(&b, 4096);
	s.b = &b;
	(void)!ag_object_ids(text, &b, hear, &s);
	s.b = NULL;
	ag_object_come_with(text, hear, &s);
	ag_object_items(text, hear, &s);
	ag_object_item(text, hear, &s);
	(void)ag_object_is_naming(text);
	ag_object_call_read(ag_provider_at(0), AG_STR("POST"), text, true, &call);
	must(call.id.n == 0 || (call.id.p >= text.p && call.id.p + call.id.n <= text.p + text.n));
	ag_buf_fini(&b);
	return 0;
}
