/* edit.c - what is changed in a body on its way: the model's slug, include_usage, the output limit.
 * All else passes byte for byte. */
#include <assert.h>

#include "worker/request.h"

/* Kept in order of offset: the body is sent as what lies between them. */
static void
add_edit(struct ag_req *r, size_t off, size_t len, struct ag_str text)
{
	uint32_t i = r->n_edits;

	assert(r->n_edits < AG_REQ_EDITS);
	while (i > 0 && r->edit[i - 1].off > off) {
		r->edit[i] = r->edit[i - 1];
		i--;
	}
	r->edit[i] = (struct ag_edit){ .off = off, .len = len, .text = text };
	r->n_edits++;
}

static void
edit_value(struct ag_req *r, enum ag_field f, struct ag_str text)
{
	add_edit(r, r->field[f].off, r->field[f].len, text);
}

/* With one comma beside it.  Last of the edits: one at the same place stands before. */
static void
cut_member(struct ag_req *r, const struct ag_json_value *v)
{
	struct ag_str body = ag_req_body(r);
	size_t from = v->key_off, to = v->off + v->len;

	while (to < body.n && memchr(" \t\r\n", body.p[to], 4))
		to++;
	if (to < body.n && body.p[to] == ',') {
		to++;
	} else {
		while (from > 0 && memchr(" \t\r\n", body.p[from - 1], 4))
			from--;
		from -= from > 0 && body.p[from - 1] == ',';
	}
	add_edit(r, from, to - from, AG_STR_NONE);
}

static size_t
body_start(const struct ag_req *r)
{
	const char *brace = memchr(ag_req_body(r).p, '{', r->body_len);

	return (size_t)(brace - ag_req_body(r).p) + 1;
}

static void
edit_model(struct ag_req *r)
{
	struct ag_buf *b = &r->w->scratch; /* lent until the text is copied */

	if (ag_str_eq(r->target.model, r->requested_model))
		return;
	ag_buf_reset(b);
	ag_buf_putc(b, '"');
	ag_buf_put_json(b, r->target.model);
	ag_buf_putc(b, '"');
	edit_value(r, AG_F_MODEL, ag_arena_dup(&r->arena, ag_buf_str(b)));
}

static void
edit_stream_options(struct ag_req *r, const struct ag_json_value *usage)
{
	const struct ag_json_value *options = &r->field[AG_F_STREAM_OPTIONS];

	/* Who tells the usage without being asked knows no such member, and refuses the request for it. */
	if (!(r->target.family->flags & AG_PF_INCLUDE_USAGE)) {
		if (options->type != AG_JSON_ABSENT)
			cut_member(r, options);
		return;
	}
	if (!r->is_stream || r->wants_usage)
		return;
	if (options->type == AG_JSON_ABSENT)
		add_edit(r, body_start(r), 0, AG_STR("\"stream_options\":{\"include_usage\":true},"));
	else if (options->type == AG_JSON_NULL)
		edit_value(r, AG_F_STREAM_OPTIONS, AG_STR("{\"include_usage\":true}"));
	else if (usage->type != AG_JSON_ABSENT)
		add_edit(r, options->off + usage->off, usage->len, AG_STR("true"));
	else if (ag_str_trim(ag_str_n(ag_req_body(r).p + options->off + 1, options->len - 2)).n == 0)
		edit_value(r, AG_F_STREAM_OPTIONS, AG_STR("{\"include_usage\":true}"));
	else
		add_edit(r, options->off + 1, 0, AG_STR("\"include_usage\":true,"));
}

/* The name under which this provider reads the output limit: who does not know the other one ignores
 * it, and writes on. */
static enum ag_field
limit_field(const struct ag_req *r)
{
	bool has_new = r->endpoint == AG_EP_CHAT && (r->target.family->flags & AG_PF_MAX_COMPLETION);

	return has_new && !ag_req_is_given(r, AG_F_MAX_TOKENS) ? AG_F_MAX_COMPLETION_TOKENS : AG_F_MAX_TOKENS;
}

/* Writes the output limit that the hold pays for. */
static void
edit_limit(struct ag_req *r, enum ag_field f, uint64_t limit)
{
	struct ag_buf *b = &r->w->scratch;
	bool is_new = r->field[f].type == AG_JSON_ABSENT;

	ag_buf_reset(b);
	if (is_new) {
		ag_buf_putc(b, '"');
		ag_buf_put_str(b, ag_field_names[f]);
		ag_buf_put(b, "\":", 2);
	}
	ag_buf_put_u64(b, limit);
	if (is_new)
		ag_buf_putc(b, ',');
	add_edit(r, is_new ? body_start(r) : r->field[f].off, is_new ? 0 : r->field[f].len,
	    ag_arena_dup(&r->arena, ag_buf_str(b)));
}

static void
edit_limits(struct ag_req *r)
{
	enum ag_field f = limit_field(r);
	const struct ag_json_value *other = &r->field[AG_F_MAX_COMPLETION_TOKENS];

	if (f == AG_F_MAX_TOKENS && ag_req_is_given(r, AG_F_MAX_COMPLETION_TOKENS)) {
		if (r->field[f].type == AG_JSON_ABSENT) {
			add_edit(r, other->key_off, other->key_len, AG_STR("\"max_tokens\""));
			f = AG_F_MAX_COMPLETION_TOKENS; /* where its value stands */
		} else {
			edit_value(r, AG_F_MAX_COMPLETION_TOKENS, AG_STR("null"));
			edit_limit(r, f, r->est.must_write_limit ? r->est.limit : r->client_limit);
			return;
		}
	}
	if (r->est.must_write_limit && r->est.limit > 0)
		edit_limit(r, f, r->est.limit);
}

void
ag_req_edit_body(struct ag_req *r, const struct ag_json_value *include_usage)
{
	edit_model(r);
	edit_limits(r);
	edit_stream_options(r, include_usage);
}

/* ---- for other protocols: endpoints.c ---- */

void
ag_edit_add(struct ag_req *r, size_t off, size_t len, struct ag_str text)
{
	add_edit(r, off, len, text);
}

void
ag_edit_cut(struct ag_req *r, const struct ag_json_value *v)
{
	cut_member(r, v);
}

void
ag_edit_model(struct ag_req *r)
{
	edit_model(r);
}
