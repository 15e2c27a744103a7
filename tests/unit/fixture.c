#include "fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "aigated/catalog.h"
#include "base/json.h"
#include "policy/price.h"
#include "provider/provider.h"
#include "tap.h"
#include "translate/tree.h"

#define TEXT_MAX ((size_t)8 << 20)

/* ---- files ---- */

static struct ag_buf
read_file(const char *name)
{
	const char *dir = getenv("srcdir");
	char path[1024];
	struct ag_buf b;
	FILE *f;
	size_t n;

	ag_buf_init(&b, TEXT_MAX);
	snprintf(path, sizeof(path), "%s/tests/data/fixtures/%s", dir ? dir : ".", name);
	f = fopen(path, "r");
	if (!f) {
		printf("Bail out! no fixture %s\n", path);
		exit(1);
	}
	do {
		char *at = ag_buf_reserve(&b, 65536);

		n = at ? fread(at, 1, 65536, f) : 0;
		ag_buf_commit(&b, n);
	} while (n > 0);
	fclose(f);
	return b;
}

static int
sextet(char c)
{
	static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(table, c) : NULL;

	return at ? (int)(at - table) : -1;
}

static struct ag_buf
read_body_of(const char *name)
{
	struct ag_buf raw = read_file(name), out;
	unsigned bits = 0, n_bits = 0;

	if (!strstr(name, ".b64"))
		return raw;
	ag_buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < raw.n; i++) {
		int v = sextet(raw.p[i]);

		if (v < 0)
			continue;
		bits = bits << 6 | (unsigned)v;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			ag_buf_putc(&out, (char)(bits >> n_bits & 255));
		}
	}
	ag_buf_fini(&raw);
	return out;
}

static struct json_object *
read_expect(const char *name)
{
	char file[512];
	const char *dot = strstr(name, ".b64") ? strstr(name, ".b64") : strrchr(name, '.');
	struct json_object *o = NULL;
	struct ag_buf b;

	snprintf(file, sizeof(file), "%.*s.expect.json", (int)(dot - name), name);
	b = read_file(file);
	if (ag_tree_parse(ag_buf_str(&b), &o, NULL) < 0) {
		printf("Bail out! %s is no JSON\n", file);
		exit(1);
	}
	ag_buf_fini(&b);
	return o;
}

struct json_object *
fixture_json(const char *single_quoted)
{
	struct json_object *o = NULL;
	struct ag_buf b;

	ag_buf_init(&b, TEXT_MAX);
	for (const char *p = single_quoted; *p; p++)
		ag_buf_putc(&b, *p == '\'' ? '"' : *p);
	if (ag_tree_parse(ag_buf_str(&b), &o, NULL) < 0)
		o = NULL;
	ag_buf_fini(&b);
	return o;
}

/* ---- comparing ---- */

static char any_seen[16][256];

static bool
match_any(struct json_object *got, struct ag_str want)
{
	unsigned n;

	if (ag_str_eq(want, AG_STR("<any>")))
		return true;
	n = (unsigned)atoi(want.p + 5) % 16;
	if (!any_seen[n][0])
		(void)ag_str_copy(ag_tree_text(got), any_seen[n], sizeof(any_seen[n]));
	for (unsigned i = 0; i < 16; i++)
		if (i != n && any_seen[i][0] && strcmp(any_seen[i], any_seen[n]) == 0)
			return false;
	return ag_tree_text(got).n > 0 && ag_str_eq(ag_tree_text(got), ag_str(any_seen[n]));
}

static bool
differs(char *at, size_t cap, const char *what, struct json_object *got, struct json_object *want)
{
	snprintf(at, cap, "%s: got %.300s, want %.300s", what, got ? json_object_to_json_string(got) : "null",
	    want ? json_object_to_json_string(want) : "null");
	return false;
}

static bool
match_object(struct json_object *got, struct json_object *want, bool is_exact, char *at, size_t cap)
{
	ag_json_foreach(want, key, value) {
		struct json_object *mine = NULL;
		bool has = json_object_object_get_ex(got, key, &mine);

		if (!has && value)
			return differs(at, cap, key, NULL, value);
		if (!fixture_match(mine, value, is_exact || strcmp(key, "usage") == 0, at, cap))
			return false;
	}
	if (!is_exact)
		return true;
	ag_json_foreach(got, name, mine)
		if (!json_object_object_get_ex(want, name, NULL))
			return differs(at, cap, name, mine, NULL);
	return true;
}

bool
fixture_match(struct json_object *got, struct json_object *want, bool is_exact, char *at, size_t cap)
{
	struct ag_str text = ag_tree_text(want);

	if (text.n >= 5 && memcmp(text.p, "<any", 4) == 0)
		return match_any(got, text) || differs(at, cap, "<any>", got, want);
	if (json_object_get_type(got) != json_object_get_type(want))
		return differs(at, cap, "type", got, want);
	if (json_object_is_type(want, json_type_object))
		return match_object(got, want, is_exact, at, cap);
	if (!json_object_is_type(want, json_type_array))
		return json_object_equal(got, want) || differs(at, cap, "value", got, want);
	if (ag_json_len(got) != ag_json_len(want))
		return differs(at, cap, "length", got, want);
	for (size_t i = 0; i < ag_json_len(want); i++)
		if (!fixture_match(ag_json_at(got, i), ag_json_at(want, i), is_exact, at, cap))
			return false;
	return true;
}

static void
check_match(struct json_object *got, struct json_object *want, const char *name, const char *what)
{
	char at[1024] = "";

	memset(any_seen, 0, sizeof(any_seen));
	if (!ok(fixture_match(got, want, false, at, sizeof(at)), "%s: %s", name, what))
		printf("# %s\n", at);
}

static const char *const tiers[] = { "standard", "batch", "flex", "priority", "provisioned", "fast" };

static void
check_usage(const struct ag_answer *a, struct json_object *want, const char *name)
{
	const struct ag_usage *u = &a->usage;
	const struct { const char *key; uint64_t n; } f[] = {
		{ "input_total", ag_usage_input_total(u) }, { "input_fresh", u->input_fresh },
		{ "cache_read", u->cache_read }, { "cache_write_5m", u->cache_write_5m },
		{ "cache_write_1h", u->cache_write_1h }, { "input_audio", u->input_audio },
		{ "output_total", u->output_total }, { "reasoning", u->reasoning },
		{ "output_audio", u->output_audio }, { "accepted_prediction", u->accepted_prediction },
		{ "rejected_prediction", u->rejected_prediction }, { "web_searches", u->web_searches },
		{ "search_units", u->units },
	};
	bool is_same = a->has_usage;

	for (size_t i = 0; i < AG_ARRAY_LEN(f); i++)
		if ((int64_t)f[i].n != ag_tree_int(want, f[i].key, 0)) {
			printf("# %s: got %llu\n", f[i].key, (unsigned long long)f[i].n);
			is_same = false;
		}
	is_same &= ag_tree_is(want, "service_tier", tiers[u->service_tier]);
	ok(is_same, "%s: usage", name);
}

/* "0.15" USD per `per` units, in pico-USD per unit; -1: not given. */
static int64_t
pico(struct json_object *prices, const char *key, int64_t per)
{
	struct ag_str s = ag_tree_str(prices, key);
	__int128 v = 0, scale = (__int128)1000000000000 / per;
	bool is_fraction = false;

	if (s.n == 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.') {
			is_fraction = true;
			continue;
		}
		if (is_fraction)
			scale /= 10;
		v = v * 10 + (s.p[i] - '0');
	}
	return (int64_t)(v * scale);
}

static void
check_cost(const struct ag_answer *a, struct json_object *expect)
{
	struct json_object *prices = ag_tree_object(expect, "prices_usd_per_1m");
	struct ag_cat_price p = { 0 };
	int64_t want = ag_tree_int(expect, "provider_reported_cost_nano_usd", ag_tree_int(expect, "cost_nano_usd", -1));
	int64_t got;

	if (!prices || want < 0)
		return;
	for (int i = 0; i < AG_PI_COUNT; i++)
		p.p[i] = -1;
	p.p[AG_PI_IN] = pico(prices, "in", 1000000);
	p.p[AG_PI_CACHED_IN] = pico(prices, "cached_in", 1000000);
	p.p[AG_PI_CACHE_W_5M] = pico(prices, "cache_w_5m", 1000000);
	p.p[AG_PI_CACHE_W_1H] = pico(prices, "cache_w_1h", 1000000);
	p.p[AG_PI_OUT] = pico(prices, "out", 1000000);
	p.p[AG_PI_SEARCH] = pico(prices, "search_per_1k", 1000);
	p.p[AG_PI_UNIT] = pico(prices, "per_search_unit", 1);
	got = a->usage.provider_cost_nusd >= 0 && ag_tree_get(expect, "provider_reported_cost_nano_usd")
	    ? a->usage.provider_cost_nusd : ag_price_cost_nusd(&p, NULL, &a->usage);
	is_i64(got, want, "... and what it cost");
}

/* ---- running ---- */

struct run {
	const struct ag_protocol *from;
	const struct ag_protocol *to;
	const struct ag_provider *family;
	struct ag_writer_in in;
	struct ag_answer a;
	void *reader, *writer, *framing;
	struct ag_piece_sink sink;
	struct ag_buf out;
	char error[3][512]; /* of a whole answer: type, code, message */
};

static int
run_on_piece(void *arg, const struct ag_piece *p)
{
	struct run *r = arg;

	if (p->kind == AG_PIECE_ERROR) {
		(void)ag_str_copy(p->id, r->error[0], sizeof(r->error[0]));
		(void)ag_str_copy(p->name, r->error[1], sizeof(r->error[1]));
		(void)ag_str_copy(p->text, r->error[2], sizeof(r->error[2]));
	}
	return r->to->writer->piece(r->writer, p, &r->out);
}

static int
run_on_event(void *arg, const struct ag_stream_event *ev)
{
	struct run *r = arg;

	return r->from->reader->event(r->reader, r->family, ev, &r->a, &r->sink);
}

static void
run_init(struct run *r, const struct ag_protocol *from, const struct ag_protocol *to, const char *family,
    struct ag_str model, bool is_stream)
{
	*r = (struct run){ .from = from, .to = to, .family = ag_provider_find(ag_str(family)) };
	if (!r->family) {
		printf("Bail out! no family %s\n", family);
		exit(1);
	}
	r->in = (struct ag_writer_in){ .id = AG_STR("fx0123456789"), .model = model, .created_s = 1795000000,
		.is_stream = is_stream, .wants_usage = is_stream, .is_strict = true };
	r->a.usage.provider_cost_nusd = -1;
	r->reader = calloc(1, from->reader->state_bytes);
	r->writer = calloc(1, to->writer->state_bytes);
	r->framing = calloc(1, from->framing->state_bytes);
	to->writer->init(r->writer, &r->in);
	from->framing->init(r->framing, TEXT_MAX);
	ag_buf_init(&r->out, TEXT_MAX);
	r->sink = (struct ag_piece_sink){ run_on_piece, r };
}

static void
run_fini(struct run *r)
{
	if (r->from->reader->fini)
		r->from->reader->fini(r->reader);
	if (r->to->writer->fini)
		r->to->writer->fini(r->writer);
	r->from->framing->fini(r->framing);
	free(r->reader);
	free(r->writer);
	free(r->framing);
	ag_buf_fini(&r->out);
}

/* As the gateway ends a stream that does not end itself. */
static void
run_break(struct run *r, const char *code)
{
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .id = AG_STR("server_error"), .name = ag_str(code),
		.text = AG_STR("the provider's stream ended too early") };

	r->a.has_error = true;
	(void)run_on_piece(r, &p);
}

/* cut: 0 whole, 1 byte by byte, more: a seed. */
static void
run_stream(struct run *r, struct ag_str body, unsigned cut)
{
	size_t at = 0;
	int rc = 0;

	while (at < body.n && rc == 0) {
		size_t n = body.n - at;

		if (cut == 1)
			n = 1;
		if (cut > 1) {
			cut = cut * 1103515245u + 12345u;
			n = 1 + (cut >> 16) % 61;
		}
		if (n > body.n - at)
			n = body.n - at;
		rc = r->from->framing->feed(r->framing, ag_str_n(body.p + at, n), run_on_event, r);
		at += n;
	}
	if (rc < 0) {
		if (!r->a.has_error)
			run_break(r, "upstream_protocol_error");
		return;
	}
	if (!r->from->framing->is_cut(r->framing))
		rc = r->from->reader->eof(r->reader, &r->a, &r->sink);
	if (!r->a.has_error && (rc < 0 || !r->a.has_done))
		run_break(r, "upstream_stream_truncated");
}

/* ---- a stream ---- */

struct told {
	struct json_object *events; /* each: {"name":,"data":} */
	bool has_done;
};

static struct told
split_sse(struct ag_str text)
{
	struct told t = { .events = json_object_new_array() };

	while (text.n > 0) {
		const char *end = memmem(text.p, text.n, "\n\n", 2);
		struct ag_str block = ag_str_n(text.p, end ? (size_t)(end - text.p) : text.n), data;
		struct json_object *e, *o;
		const char *at = memmem(block.p, block.n, "data: ", 6);

		text = ag_str_skip(text, block.n + 2);
		if (!at)
			continue;
		data = ag_str_skip(block, (size_t)(at - block.p) + 6);
		if (ag_str_eq(data, AG_STR("[DONE]"))) {
			t.has_done = true;
			continue;
		}
		if (ag_tree_parse(data, &o, NULL) < 0) {
			printf("# no JSON: %.*s\n", (int)data.n, data.p);
			o = json_object_new_object();
		}
		if (ag_tree_is(o, "type", "ping")) {
			json_object_put(o);
			continue;
		}
		e = json_object_new_object();
		json_object_object_add(e, "data", o);
		if (ag_str_starts(block, AG_STR("event: "))) {
			const char *lf = memchr(block.p, '\n', block.n);

			json_object_object_add(e, "name", json_object_new_string_len(block.p + 7, (int)(lf - block.p) - 7));
		}
		json_object_array_add(t.events, e);
	}
	return t;
}

static struct json_object *
data_of(const struct told *t, size_t i)
{
	return ag_tree_get(ag_json_at(t->events, i), "data");
}

/* The chunks' choices, without the usage chunk; errors apart. */
static struct json_object *
choices_of(const struct told *t, struct json_object **out_usage, struct json_object **out_error)
{
	struct json_object *list = json_object_new_array();

	*out_usage = *out_error = NULL;
	for (size_t i = 0; i < ag_json_len(t->events); i++) {
		struct json_object *o = data_of(t, i), *choices = ag_tree_array(o, "choices");

		if (ag_tree_get(o, "error"))
			*out_error = o;
		else if (ag_json_len(choices) == 0)
			*out_usage = ag_tree_get(o, "usage");
		else
			json_object_array_add(list, json_object_get(ag_json_at(choices, 0)));
	}
	return list;
}

static void
add_text(struct json_object *m, const char *key, struct ag_str text)
{
	struct ag_buf b;

	if (text.p == NULL)
		return;
	ag_buf_init(&b, TEXT_MAX);
	ag_buf_put_str(&b, ag_tree_str(m, key));
	ag_buf_put_str(&b, text);
	json_object_object_add(m, key, json_object_new_string_len(b.p ? b.p : "", (int)b.n));
	ag_buf_fini(&b);
}

static void
sum_call(struct json_object *calls, struct json_object *d)
{
	size_t ix = (size_t)ag_tree_int(d, "index", 0);
	struct json_object *fn = ag_tree_object(d, "function"), *call, *mine;

	if (ix >= ag_json_len(calls)) {
		call = fixture_json("{'function':{'arguments':''}}");
		ag_tree_share(call, "id", ag_tree_get(d, "id"));
		ag_tree_share(call, "type", ag_tree_get(d, "type"));
		ag_tree_share(ag_tree_get(call, "function"), "name", ag_tree_get(fn, "name"));
		json_object_array_add(calls, call);
	}
	mine = ag_tree_get(ag_json_at(calls, ix), "function");
	add_text(mine, "arguments", ag_tree_str(fn, "arguments"));
}

/* What the chunks add up to, as openai_final has it. */
static struct json_object *
sum_of(struct json_object *choices)
{
	struct json_object *sum = fixture_json("{'message':{'content':null,'refusal':null},'finish_reason':null}");
	struct json_object *m = ag_tree_get(sum, "message");

	for (size_t i = 0; i < ag_json_len(choices); i++) {
		struct json_object *c = ag_json_at(choices, i), *d = ag_tree_get(c, "delta");
		struct json_object *calls = ag_tree_array(d, "tool_calls");

		if (ag_tree_get(d, "role"))
			ag_tree_share(m, "role", ag_tree_get(d, "role"));
		if (ag_tree_str(d, "content").n > 0)
			add_text(m, "content", ag_tree_str(d, "content"));
		if (ag_tree_str(d, "refusal").n > 0)
			add_text(m, "refusal", ag_tree_str(d, "refusal"));
		add_text(m, "reasoning_content", ag_tree_str(d, "reasoning_content"));
		if (calls && !ag_tree_get(m, "tool_calls"))
			json_object_object_add(m, "tool_calls", json_object_new_array());
		for (size_t k = 0; k < ag_json_len(calls); k++)
			sum_call(ag_tree_get(m, "tool_calls"), ag_json_at(calls, k));
		if (ag_tree_get(c, "finish_reason"))
			ag_tree_share(sum, "finish_reason", ag_tree_get(c, "finish_reason"));
	}
	return sum;
}

static void
check_stream(struct run *r, struct json_object *expect, const char *name)
{
	struct told t = split_sse(ag_buf_str(&r->out));
	struct json_object *usage, *error, *choices = choices_of(&t, &usage, &error), *sum = sum_of(choices);
	struct json_object *want_error = ag_tree_get(expect, "client_error");

	/* Where bytes pass untranslated chunks hold more, and a call that came whole may be told in one or
	 * in two: there the sum tells. */
	if (strcmp(r->from->name, "openai") != 0 && strcmp(r->from->name, "gemini") != 0)
		check_match(choices, ag_tree_get(expect, "openai_chunks"), name, "chunks");
	if (ag_tree_get(ag_tree_get(ag_tree_get(expect, "openai_final"), "message"), "role"))
		check_match(sum, ag_tree_get(expect, "openai_final"), name, "their sum");
	if (want_error)
		check_match(error, want_error, name, "error");
	ok(t.has_done == !want_error && (error != NULL) == (want_error != NULL), "%s: %s", name,
	    want_error ? "no clean end" : "a clean end");
	/* What is charged for an answer that broke is not told to who did not get it. */
	if (ag_tree_get(expect, "openai_usage") && !want_error)
		check_match(usage, ag_tree_get(expect, "openai_usage"), name, "usage chunk");
	if (ag_tree_get(expect, "usage"))
		check_usage(&r->a, ag_tree_get(expect, "usage"), name);
	check_cost(&r->a, expect);
	json_object_put(sum);
	json_object_put(choices);
	json_object_put(t.events);
}

/* However it is cut, the client gets the same. */
static void
check_cuts(struct run *r, struct ag_str body, const char *name)
{
	bool is_same = true;

	for (unsigned cut = 1; cut < 12; cut++) {
		struct run again;

		run_init(&again, r->from, r->to, r->family->name, r->in.model, true);
		run_stream(&again, body, cut);
		is_same &= ag_str_eq(ag_buf_str(&again.out), ag_buf_str(&r->out)) &&
		    memcmp(&again.a.usage, &r->a.usage, sizeof(r->a.usage)) == 0;
		run_fini(&again);
	}
	ok(is_same, "%s: however it is cut", name);
}

void
fixture_stream(const char *name, const struct ag_protocol *from, const char *family)
{
	struct json_object *expect = read_expect(name);
	struct ag_buf body = read_body_of(name);
	struct run r;

	run_init(&r, from, &ag_protocol_openai, family, ag_tree_str(expect, "upstream_model"), true);
	run_stream(&r, ag_buf_str(&body), 0);
	check_stream(&r, expect, name);
	check_cuts(&r, ag_buf_str(&body), name);
	run_fini(&r);
	ag_buf_fini(&body);
	json_object_put(expect);
}

/* ---- whole ---- */

void
fixture_body(const char *name, const struct ag_protocol *from, const char *family)
{
	struct json_object *expect = read_expect(name), *o = NULL;
	struct ag_buf body = read_body_of(name);
	struct run r;
	int rc;

	run_init(&r, from, &ag_protocol_openai, family, ag_tree_str(expect, "upstream_model"), false);
	rc = from->reader->body(r.reader, r.family, ag_buf_str(&body), &r.a, &r.sink);
	if (rc == 0 && !r.a.has_error)
		rc = ag_tree_parse(ag_buf_str(&r.out), &o, NULL);
	ok(rc == 0, "%s: is read", name);
	if (ag_tree_get(expect, "openai"))
		check_match(o, ag_tree_get(expect, "openai"), name, "the answer");
	if (ag_tree_get(expect, "usage"))
		check_usage(&r.a, ag_tree_get(expect, "usage"), name);
	check_cost(&r.a, expect);
	json_object_put(o);
	run_fini(&r);
	ag_buf_fini(&body);
	json_object_put(expect);
}

void
fixture_exchange(const char *name, const struct ag_exchange *x, const char *family)
{
	struct json_object *expect = read_expect(name), *o = NULL;
	struct ag_buf body = read_body_of(name), out;
	struct ag_answer a = { .usage.provider_cost_nusd = -1 };
	struct ag_exchange_in in = { .body = AG_STR("{}"), .model = ag_tree_str(expect, "upstream_model"),
		.family = ag_provider_find(ag_str(family)) };

	ag_buf_init(&out, TEXT_MAX);
	ok(x->answer(&in, ag_buf_str(&body), &a, &out) == 0 && ag_tree_parse(ag_buf_str(&out), &o, NULL) == 0,
	    "%s: is read", name);
	if (ag_tree_get(expect, "openai"))
		check_match(o, ag_tree_get(expect, "openai"), name, "the answer");
	if (ag_tree_get(expect, "usage"))
		check_usage(&a, ag_tree_get(expect, "usage"), name);
	check_cost(&a, expect);
	json_object_put(o);
	ag_buf_fini(&out);
	ag_buf_fini(&body);
	json_object_put(expect);
}

void
fixture_error(const char *name, const struct ag_protocol *from)
{
	struct json_object *expect = read_expect(name), *o = NULL;
	struct ag_buf body = read_body_of(name), mem, out;
	struct ag_client_error e;

	ag_buf_init(&mem, TEXT_MAX);
	ag_buf_init(&out, TEXT_MAX);
	from->read_error((int)ag_tree_int(ag_tree_get(expect, "upstream_http"), "status", 500), ag_buf_str(&body), &mem, &e);
	ag_protocol_openai.write_error(&e, false, &out);
	if (ag_tree_parse(ag_buf_str(&out), &o, NULL) < 0)
		o = NULL;
	check_match(o, ag_tree_get(expect, "client_error"), name, "the error");
	is_i64(e.status, ag_tree_int(expect, "client_status", 0), "... and its status");
	ok(e.message.n > 0, "... and it has a message");
	json_object_put(o);
	ag_buf_fini(&mem);
	ag_buf_fini(&out);
	ag_buf_fini(&body);
	json_object_put(expect);
}

/* ---- the other way ---- */

void
fixture_reverse(const char *name, const struct ag_protocol *to)
{
	struct json_object *expect = read_expect(name), *input = read_expect(ag_tree_str(expect, "input_fixture").p);
	struct ag_buf want = read_body_of(name), body = read_body_of(ag_tree_str(expect, "input_fixture").p);
	struct told told, wanted = split_sse(ag_buf_str(&want));
	struct run r;

	run_init(&r, &ag_protocol_openai, to, "openai", ag_tree_str(input, "upstream_model"), true);
	run_stream(&r, ag_buf_str(&body), 0);
	told = split_sse(ag_buf_str(&r.out));
	check_match(told.events, wanted.events, name, "events");
	check_cuts(&r, ag_buf_str(&body), name);
	json_object_put(told.events);
	json_object_put(wanted.events);
	run_fini(&r);
	ag_buf_fini(&want);
	ag_buf_fini(&body);
	json_object_put(input);
	json_object_put(expect);
}

/* ---- requests ---- */

void
fixture_request(const struct ag_protocol *client, const char *body, const struct ag_protocol *to,
    const char *family, const char *model, const char *want, const char *text)
{
	struct json_object *in = fixture_json(body), *chat = NULL, *got = NULL, *wanted = NULL;
	struct ag_err err = { "" };
	struct ag_buf out;
	struct ag_build_in b = { .family = ag_provider_find(ag_str(family)), .model = ag_str(model), .limit = 4000 };
	int rc;

	ag_buf_init(&out, TEXT_MAX);
	rc = client->parse(&(struct ag_parse_in){ .body = ag_str(json_object_to_json_string(in)) }, &chat, &err);
	b.chat = chat;
	if (rc == 0) {
		b.is_stream = ag_tree_true(chat, "stream");
		if (ag_tree_int(chat, "max_completion_tokens", 0) > 0)
			b.limit = (uint64_t)ag_tree_int(chat, "max_completion_tokens", 0);
		rc = to->build(&b, &out, &err);
	}
	if (*want == '!') {
		if (!ok(rc < 0 && strstr(err.text, want + 1), "%s", text))
			printf("# rc %d, \"%s\"\n", rc, err.text);
	} else {
		wanted = fixture_json(want);
		if (rc == 0 && ag_tree_parse(ag_buf_str(&out), &got, &err) < 0)
			printf("# no JSON: %.*s\n", (int)out.n, out.p);
		if (!ok(rc == 0 && got && wanted && json_object_equal(got, wanted), "%s", text))
			printf("# %s got %.*s\n# want %s\n", err.text, (int)out.n, out.p ? out.p : "",
			    json_object_to_json_string_ext(wanted, JSON_C_TO_STRING_PLAIN));
	}
	json_object_put(in);
	json_object_put(chat);
	json_object_put(got);
	json_object_put(wanted);
	ag_buf_fini(&out);
}
