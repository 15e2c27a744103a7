#include "worker/metadata.h"

#include <errno.h>

#include "base/buf.h"
#include "http/json_scan.h"

#define MEMBERS_MAX 64

struct merge {
	struct ag_buf out;
	struct ag_str key[MEMBERS_MAX]; /* raw keys taken so far */
	size_t n_keys;
};

static bool
has_key(const struct merge *m, struct ag_str raw)
{
	for (size_t i = 0; i < m->n_keys; i++)
		if (ag_str_eq(m->key[i], raw))
			return true;
	return false;
}

static bool
is_object(struct ag_str text)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int rc;

	text = ag_str_trim(text);
	if (text.n < 2 || text.p[0] != '{')
		return false;
	ag_json_iter_init(&it, text);
	while ((rc = ag_json_object_next(&it, &v)) == 1)
		;
	return rc == 0;
}

/* Members whose names are not taken yet. */
static int
add_members(struct merge *m, struct ag_str text)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	struct ag_str object = ag_str_trim(text);

	if (!is_object(object))
		return 0;
	ag_json_iter_init(&it, object);
	while (ag_json_object_next(&it, &v) == 1) {
		struct ag_str key = ag_str_n(object.p + v.key_off, v.key_len);

		if (has_key(m, key))
			continue;
		if (m->n_keys == MEMBERS_MAX)
			return -E2BIG;
		m->key[m->n_keys++] = key;
		ag_buf_putc(&m->out, m->out.n == 0 ? '{' : ',');
		ag_buf_put_str(&m->out, key);
		ag_buf_putc(&m->out, ':');
		ag_buf_put_str(&m->out, ag_json_raw(object, v));
	}
	return m->out.failed ? -E2BIG : 0;
}

int
ag_metadata_merge(struct ag_arena *arena, struct ag_str request, struct ag_str key,
    struct ag_str workspace, struct ag_str *out)
{
	struct merge m = { .n_keys = 0 };
	int rc;

	*out = AG_STR_NONE;
	if (request.n == 0 && (key.n == 0 || workspace.n == 0)) {
		/* The usual case: one source, nothing to merge. */
		struct ag_str one = key.n > 0 ? key : workspace;

		if (one.n > 0)
			*out = ag_arena_dup(arena, one);
		return one.n > 0 && !out->p ? -E2BIG : 0;
	}
	ag_buf_init(&m.out, AG_METADATA_MAX);
	rc = add_members(&m, workspace);
	if (rc == 0)
		rc = add_members(&m, key);
	if (rc == 0)
		rc = add_members(&m, request);
	if (rc == 0 && m.out.n > 0) {
		ag_buf_putc(&m.out, '}');
		*out = ag_arena_dup(arena, ag_buf_str(&m.out));
		rc = m.out.failed || !out->p ? -E2BIG : 0;
	}
	ag_buf_fini(&m.out);
	return rc;
}
