#include "policy/metadata.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "http/baggage.h"
#include "http/json_scan.h"

#define MEMBERS_MAX 64

struct merge {
	struct ag_buf out;
	struct ag_str key[MEMBERS_MAX]; /* raw keys taken so far */
	size_t n_keys;
};

/* Names are compared as they read, not as they are written: jsonb keeps the last of two that read
 * alike, so an escape must not let a client overlay what its workspace says. */
static bool
has_key(const struct merge *m, struct ag_str raw)
{
	struct ag_str name;
	struct ag_buf decoded;
	bool has = false;

	ag_buf_init(&decoded, AG_METADATA_MAX);
	if (!ag_json_string_plain(raw, &name)) {
		if (ag_json_string_decode(raw, &decoded) < 0)
			has = true; /* no name at all: as good as taken */
		name = ag_buf_str(&decoded);
	}
	for (size_t i = 0; i < m->n_keys && !has; i++)
		has = ag_json_string_eq(m->key[i], name);
	ag_buf_fini(&decoded);
	return has;
}

/* A request's values are strings and other scalars that the ledger can read; one that it cannot would
 * take the metadata of key and workspace with it. */
static bool
is_readable(struct ag_str object, struct ag_json_value v)
{
	struct ag_str raw = ag_json_raw(object, v), inside;
	struct ag_buf decoded;
	int rc;

	if (v.type == AG_JSON_OBJECT || v.type == AG_JSON_ARRAY)
		return false;
	if (v.type == AG_JSON_NUMBER)
		return !memchr(raw.p, 'e', raw.n) && !memchr(raw.p, 'E', raw.n);
	if (v.type != AG_JSON_STRING || ag_json_string_plain(raw, &inside))
		return true;
	ag_buf_init(&decoded, AG_METADATA_MAX);
	rc = ag_json_string_decode(raw, &decoded);
	ag_buf_fini(&decoded);
	return rc == 0;
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
add_members(struct merge *m, struct ag_str text, bool is_ours)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	struct ag_str object = ag_str_trim(text);

	if (!is_object(object))
		return 0;
	ag_json_iter_init(&it, object);
	while (ag_json_object_next(&it, &v) == 1) {
		struct ag_str key = ag_str_n(object.p + v.key_off, v.key_len);

		if (has_key(m, key) || (!is_ours && !is_readable(object, v)))
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

/* Its names need no escapes; their quoted form stays in the arena, where has_key() finds it. */
static int
add_baggage(struct merge *m, struct ag_arena *arena, struct ag_str baggage)
{
	struct ag_str name, value, key;
	struct ag_buf one;

	ag_buf_init(&one, AG_METADATA_MAX);
	while (m->n_keys < MEMBERS_MAX && ag_baggage_next(&baggage, &name, &value)) {
		bool is_text;

		ag_buf_reset(&one);
		ag_buf_putc(&one, '"');
		ag_buf_put_str(&one, name);
		ag_buf_putc(&one, '"');
		key = ag_buf_str(&one);
		if (one.failed || has_key(m, key))
			continue;
		ag_buf_put(&one, ":\"", 2);
		is_text = ag_baggage_put_json(&one, value);
		ag_buf_putc(&one, '"');
		if (!is_text || one.failed || m->out.n + one.n + 2 > AG_METADATA_MAX)
			continue;
		key = ag_arena_dup(arena, ag_str_n(one.p, name.n + 2));
		if (!key.p)
			break;
		m->key[m->n_keys++] = key;
		ag_buf_putc(&m->out, m->out.n == 0 ? '{' : ',');
		ag_buf_put_str(&m->out, ag_buf_str(&one));
	}
	ag_buf_fini(&one);
	return m->out.failed ? -E2BIG : 0;
}

/* weak: the second part of the key's. */
static int
merge_all(struct ag_arena *arena, const struct ag_metadata_in *in, struct ag_str key, struct ag_str weak,
    struct ag_str *out)
{
	struct merge m = { .n_keys = 0 };
	int rc;

	ag_buf_init(&m.out, AG_METADATA_MAX);
	rc = add_members(&m, in->workspace, true);
	if (rc == 0)
		rc = add_members(&m, key, true);
	if (rc == 0)
		rc = add_members(&m, in->request, false);
	if (rc == 0)
		rc = add_members(&m, weak, true);
	if (rc == 0 && in->baggage.n > 0)
		rc = add_baggage(&m, arena, in->baggage);
	if (rc == 0 && m.out.n > 0) {
		ag_buf_putc(&m.out, '}');
		*out = ag_arena_dup(arena, ag_buf_str(&m.out));
		rc = m.out.failed || !out->p ? -E2BIG : 0;
	}
	ag_buf_fini(&m.out);
	return rc;
}

int
ag_metadata_merge(struct ag_arena *arena, const struct ag_metadata_in *in, struct ag_str *out)
{
	const char *line = in->key.n > 0 ? memchr(in->key.p, '\n', in->key.n) : NULL;
	struct ag_str key = line ? ag_str_n(in->key.p, (size_t)(line - in->key.p)) : in->key;
	struct ag_str weak = line ? ag_str_skip(in->key, key.n + 1) : AG_STR_NONE;
	struct ag_str one = key.n > 0 ? key : in->workspace;

	*out = AG_STR_NONE;
	if (in->request.n > 0 || in->baggage.n > 0 || weak.n > 0 || (key.n > 0 && in->workspace.n > 0))
		return merge_all(arena, in, key, weak, out);
	/* The usual case: one source, nothing to merge. */
	if (one.n > 0)
		*out = ag_arena_dup(arena, one);
	return one.n > 0 && !out->p ? -E2BIG : 0;
}
