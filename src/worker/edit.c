/* edit.c - what is changed in a body on its way: the model's slug, include_usage, the output limit.
 * All else passes byte for byte. */
#include <assert.h>

#include "provider/figure.h"
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

static void
put_price(struct ag_buf *b, const char *name, const struct ag_target *t, enum ag_price_item item)
{
	int64_t list = t->price->p[item], pusd = ag_price_item_pusd(t->price, t->multiples, item);

	if (pusd < list) /* hosts show list prices, whatever the contract says */
		pusd = list;
	ag_buf_printf(b, "\"%s\":%lld.%06lld", name, (long long)(pusd / 1000000), (long long)(pusd % 1000000));
}

struct ag_str
ag_edit_max_price(struct ag_req *r)
{
	struct ag_buf b;
	struct ag_str text;

	ag_buf_init(&b, 256);
	ag_buf_putc(&b, '{');
	put_price(&b, "prompt", &r->target, AG_PI_IN);
	ag_buf_putc(&b, ',');
	put_price(&b, "completion", &r->target, AG_PI_OUT);
	ag_buf_putc(&b, ',');
	put_price(&b, "request", &r->target, AG_PI_REQUEST);
	ag_buf_putc(&b, '}');
	text = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return text;
}

/* false: it cannot be read, or two readers could take it for two. */
static bool
find_max_price(const struct ag_req *r, struct ag_json_value *out)
{
	static const struct ag_str name = { "max_price", 9 };
	struct ag_json_fault fault;

	*out = (struct ag_json_value){ 0 };
	return r->field[AG_F_PROVIDER].type != AG_JSON_OBJECT ||
	    ag_figure_scan(ag_json_raw(ag_req_body(r), r->field[AG_F_PROVIDER]), &name, 1, out, &fault) == 0;
}

bool
ag_edit_takes_max_price(const struct ag_req *r)
{
	enum ag_json_type t = r->field[AG_F_PROVIDER].type;
	struct ag_json_value own;

	return (t == AG_JSON_ABSENT || t == AG_JSON_NULL || t == AG_JSON_OBJECT) && find_max_price(r, &own);
}

/* `provider`, where OpenRouter reads how it may choose a host: with a price that is no more than the one
 * held for.  What the client says of that is replaced. */
static void
edit_max_price(struct ag_req *r)
{
	const struct ag_json_value *v = &r->field[AG_F_PROVIDER];
	struct ag_str price = ag_edit_max_price(r), raw = ag_json_raw(ag_req_body(r), *v);
	struct ag_json_value own;
	struct ag_buf b;

	ag_buf_init(&b, 512);
	if (find_max_price(r, &own) && own.type != AG_JSON_ABSENT) {
		add_edit(r, v->off + own.off, own.len, price);
	} else if (v->type == AG_JSON_OBJECT) {
		bool is_empty = ag_str_trim(ag_str_n(raw.p + 1, raw.n - 2)).n == 0;

		ag_buf_printf(&b, "\"max_price\":%.*s%s", AG_STR_ARG(price), is_empty ? "" : ",");
		add_edit(r, v->off + 1, 0, ag_arena_dup(&r->arena, ag_buf_str(&b)));
	} else if (v->type == AG_JSON_ABSENT) {
		ag_buf_printf(&b, "\"provider\":{\"max_price\":%.*s},", AG_STR_ARG(price));
		add_edit(r, body_start(r), 0, ag_arena_dup(&r->arena, ag_buf_str(&b)));
	} else {
		ag_buf_printf(&b, "{\"max_price\":%.*s}", AG_STR_ARG(price));
		edit_value(r, AG_F_PROVIDER, ag_arena_dup(&r->arena, ag_buf_str(&b)));
	}
	ag_buf_fini(&b);
}

void
ag_req_edit_body(struct ag_req *r, const struct ag_json_value *include_usage)
{
	edit_model(r);
	edit_limits(r);
	edit_stream_options(r, include_usage);
	if (AG_UNLIKELY(r->caps_price))
		edit_max_price(r);
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
