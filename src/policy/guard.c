#include "policy/guard.h"

#include "base/attr.h"
#include "http/json_scan.h"
#include "policy/guard_read.h"
#include "policy/policy_match.h"

enum result { PASSED, FAILED, ERRED };

/* What a check found, for its explanation. */
struct finding {
	enum result result;
	const char *error;     /* ERRED */
	bool by_defaults;      /* no rule was met */
};

/* ---- facts -------------------------------------------------------------------------------- */

/* The member as it stands; false: absent or null. */
static bool
metadata_get(struct ag_str metadata, struct ag_str name, struct ag_json_value *out)
{
	struct ag_json_iter it;
	struct ag_json_value v;

	if (metadata.n == 0)
		return false;
	ag_json_iter_init(&it, metadata);
	while (ag_json_object_next(&it, &v) == 1)
		if (ag_json_string_eq(ag_str_n(metadata.p + v.key_off, v.key_len), name)) {
			*out = v;
			return v.type != AG_JSON_NULL;
		}
	return false;
}

static bool
value_is(struct ag_str metadata, struct ag_json_value v, struct ag_str want)
{
	struct ag_str raw = ag_json_raw(metadata, v);

	return v.type == AG_JSON_STRING ? ag_json_string_eq(raw, want) : ag_str_eq(raw, want);
}

/* "*" is any model, "@slug/model" the model of that provider. */
static bool
names_model(struct ag_str text, const struct ag_guard_subject *s)
{
	if (ag_str_eq(text, s->model) || ag_str_eq(text, AG_STR("*")))
		return true;
	return text.n == s->slug.n + s->model.n + 2 && s->slug.n > 0 && text.p[0] == '@' &&
	    ag_str_starts(ag_str_skip(text, 1), s->slug) && text.p[1 + s->slug.n] == '/' &&
	    ag_str_eq(ag_str_skip(text, s->slug.n + 2), s->model);
}

/* ---- lists: the bytes were checked when they were loaded, so reading cannot fail ------------ */

static uint32_t
count(struct ag_str *left)
{
	uint32_t n = 0;

	(void)ag_guard_count(left, &n);
	return n;
}

static struct ag_str
text(struct ag_str *left)
{
	struct ag_str s = AG_STR_NONE;

	(void)ag_rule_text(left, &s);
	return s;
}

/* Reads past a list; its length, and whether it names the model. */
static uint32_t
read_models(struct ag_str *left, const struct ag_guard_subject *s, bool *io_has)
{
	uint32_t n = count(left);

	for (uint32_t i = 0; i < n; i++)
		*io_has = names_model(text(left), s) || *io_has;
	return n;
}

static bool
list_has(struct ag_str list, struct ag_str want)
{
	uint32_t n = count(&list);

	for (uint32_t i = 0; i < n; i++)
		if (ag_str_eq(text(&list), want))
			return true;
	return false;
}

/* ---- checks ------------------------------------------------------------------------------- */

/* The lists of all rules that are met, together; those of none: the defaults. */
static struct finding
check_models(const struct ag_check *c, const struct ag_guard_subject *s)
{
	struct ag_str left = c->payload;
	bool in_defaults = false, in_rules = false, ignore = false;
	uint32_t n_defaults = read_models(&left, s, &in_defaults), n_found = 0, n_rules = count(&left);
	struct finding f = { .by_defaults = true };

	for (uint32_t i = 0; i < n_rules; i++) {
		struct ag_str name = text(&left);
		struct ag_json_value v;
		bool has = metadata_get(s->metadata, name, &v);
		uint32_t n_values = count(&left);

		for (uint32_t k = 0; k < n_values; k++) {
			bool is_met = value_is(s->metadata, has ? v : (struct ag_json_value){ 0 }, text(&left)) && has;
			uint32_t n = read_models(&left, s, is_met ? &in_rules : &ignore);

			n_found += is_met ? n : 0;
		}
	}
	f.by_defaults = n_found == 0;
	/* A path of a provider that names no model: nobody here can tell what it would call. */
	if (s->model.n == 0 && ((c->flags & AG_CHECK_NOT) || !(f.by_defaults ? in_defaults : in_rules))) {
		f.result = ERRED;
		f.error = "Missing model in request";
		return f;
	}
	if (f.by_defaults && n_defaults == 0) {
		f.result = ERRED;
		f.error = c->kind == AG_CHECK_MODEL_RULES ? "No allowed models resolved from rules"
		    : "Missing allowed models configuration";
		return f;
	}
	f.result = (f.by_defaults ? in_defaults : in_rules) != ((c->flags & AG_CHECK_NOT) != 0)
	    ? PASSED : FAILED;
	return f;
}

static struct finding
by_operator(uint8_t op, uint32_t n_found, uint32_t n)
{
	bool ok = op == AG_CHECK_ALL ? n_found == n : op == AG_CHECK_ANY ? n_found > 0 : n_found == 0;

	return (struct finding){ .result = ok ? PASSED : FAILED };
}

static struct finding
check_metadata(const struct ag_check *c, const struct ag_guard_subject *s)
{
	struct ag_str left = c->payload;
	uint32_t n, n_found = 0;
	uint8_t op = AG_CHECK_ALL;

	(void)ag_rule_bytes(&left, &op, 1);
	n = count(&left);
	for (uint32_t i = 0; i < n; i++) {
		struct ag_str name = text(&left);
		struct ag_json_value v;
		bool has = metadata_get(s->metadata, name, &v);

		if (c->kind == AG_CHECK_META_PAIRS) {
			struct ag_str want = text(&left);

			has = has && value_is(s->metadata, v, want);
		}
		n_found += has;
	}
	return by_operator(op, n_found, n);
}

/* A streamed request goes by two names: its own and that of the stream. */
static struct ag_str
stream_name(enum ag_endpoint e)
{
	if (e == AG_EP_CHAT)
		return AG_STR("stream-chatComplete");
	if (e == AG_EP_COMPLETION)
		return AG_STR("stream-complete");
	return e == AG_EP_MESSAGES ? AG_STR("stream-messages") : AG_STR_NONE;
}

/* "a, b" of a member of the metadata as a list like those of the parameters. */
static void
types_of_metadata(struct ag_str metadata, struct ag_str name, struct ag_buf *out)
{
	struct ag_json_value v;
	struct ag_str left;
	struct ag_buf texts;
	uint32_t n = 0;

	ag_buf_init(&texts, 8192);
	if (metadata_get(metadata, name, &v) && v.type == AG_JSON_STRING &&
	    ag_json_string_plain(ag_json_raw(metadata, v), &left)) {
		while (left.n > 0 && n < 64) {
			const char *comma = memchr(left.p, ',', left.n);
			struct ag_str one = ag_str_n(left.p, comma ? (size_t)(comma - left.p) : left.n);

			left = ag_str_skip(left, one.n + 1);
			one = ag_str_trim(one);
			if (one.n == 0 || one.n > AG_RULE_TEXT_MAX)
				continue;
			ag_rule_put_text(&texts, one);
			n++;
		}
	}
	ag_guard_put_count(out, n);
	ag_buf_put_str(out, ag_buf_str(&texts));
	ag_buf_fini(&texts);
}

static bool
overlaps(struct ag_str a, struct ag_str b)
{
	uint32_t n = count(&a);

	for (uint32_t i = 0; i < n; i++)
		if (list_has(b, text(&a)))
			return true;
	return false;
}

static bool
type_allowed(struct ag_str allowed, struct ag_str blocked, enum ag_endpoint e, bool is_stream)
{
	struct ag_str name = ag_str(ag_policy_endpoint(e));
	struct ag_str stream = is_stream ? stream_name(e) : AG_STR_NONE, left = allowed;

	if (list_has(blocked, name) || (stream.n > 0 && list_has(blocked, stream)))
		return false;
	return count(&left) == 0 || list_has(allowed, name) || (stream.n > 0 && list_has(allowed, stream));
}

static bool
any_type_allowed(struct ag_str allowed, struct ag_str blocked)
{
	for (int e = AG_EP_CHAT; e < AG_EP_RECORDED; e++)
		if (type_allowed(allowed, blocked, (enum ag_endpoint)e, false) ||
		    (stream_name((enum ag_endpoint)e).n > 0 &&
		        type_allowed(allowed, blocked, (enum ag_endpoint)e, true)))
			return true;
	return false;
}

static struct finding
decide_types(struct ag_str allowed, struct ag_str blocked, const struct ag_guard_subject *s)
{
	struct finding f = { .result = FAILED };

	if (overlaps(allowed, blocked)) {
		f.result = ERRED;
		f.error = "The same request type is both allowed and blocked";
	} else if (s->endpoint == AG_EP_NONE ? any_type_allowed(allowed, blocked)
	    : type_allowed(allowed, blocked, s->endpoint, s->is_stream)) {
		f.result = PASSED;
	}
	return f;
}

static struct finding
check_types(const struct ag_check *c, const struct ag_guard_subject *s)
{
	struct ag_str left = c->payload, allowed = left, blocked, peek;
	struct ag_buf from_allowed, from_blocked;
	struct finding f;
	uint32_t n = count(&left);

	while (n-- > 0)
		(void)text(&left);
	blocked = left;
	ag_buf_init(&from_allowed, 16384);
	ag_buf_init(&from_blocked, 16384);
	peek = allowed;
	if (count(&peek) == 0) {
		types_of_metadata(s->metadata, AG_STR("supported_endpoints"), &from_allowed);
		allowed = ag_buf_str(&from_allowed);
	}
	peek = blocked;
	if (count(&peek) == 0) {
		types_of_metadata(s->metadata, AG_STR("blocked_endpoints"), &from_blocked);
		blocked = ag_buf_str(&from_blocked);
	}
	f = decide_types(allowed, blocked, s);
	ag_buf_fini(&from_allowed);
	ag_buf_fini(&from_blocked);
	return f;
}

static struct finding
run(const struct ag_check *c, const struct ag_guard_subject *s)
{
	switch (c->kind) {
	case AG_CHECK_MODEL_WHITELIST:
	case AG_CHECK_MODEL_RULES:
		return check_models(c, s);
	case AG_CHECK_META_KEYS:
	case AG_CHECK_META_PAIRS:
		return check_metadata(c, s);
	case AG_CHECK_TYPES:
		return check_types(c, s);
	case AG_CHECK_KINDS:
		break;
	}
	return (struct finding){ .result = ERRED, .error = "Unknown check" };
}

static bool
error_fails(const struct ag_check *c, const struct ag_guard_subject *s)
{
	if (c->flags & AG_CHECK_ERROR_FAILS)
		return true;
	return !(c->flags & AG_CHECK_ERROR_PASSES) && !s->errors_pass;
}

bool
ag_guard_allows(const struct ag_guard *g, const struct ag_guard_subject *s)
{
	struct ag_str left = g->checks;
	struct ag_check c;

	if (!(g->flags & AG_GUARD_DENY) || (g->flags & AG_GUARD_ASYNC))
		return true;
	for (uint32_t i = 0; i < g->n_checks; i++) {
		struct finding f;

		if (!ag_check_next(&left, &c))
			return false;
		f = run(&c, s);
		if (f.result == FAILED || (f.result == ERRED && error_fails(&c, s)))
			return false;
	}
	return true;
}

/* ---- telling ------------------------------------------------------------------------------ */

static void
put_json(struct ag_buf *out, const char *name, struct ag_str value)
{
	ag_buf_printf(out, "\"%s\":\"", name);
	ag_buf_put_json(out, value);
	ag_buf_putc(out, '"');
}

static void
explain_models(struct ag_buf *out, const struct ag_check *c, const struct finding *f, struct ag_str model)
{
	bool is_not = (c->flags & AG_CHECK_NOT) != 0, ok = f->result == PASSED;
	bool is_rules = c->kind == AG_CHECK_MODEL_RULES;

	ag_buf_puts(out, "Model \\\"");
	ag_buf_put_json(out, model);
	if (is_rules)
		ag_buf_puts(out, ok ? "\\\" is allowed by rules." : is_not
		    ? "\\\" is in the list of models that the rules block." : "\\\" is not allowed by rules.");
	else
		ag_buf_puts(out, ok ? "\\\" is allowed." : is_not
		    ? "\\\" is in the list of models that are not allowed." : "\\\" is not in the allowed list.");
	if (is_rules && ok && f->by_defaults)
		ag_buf_puts(out, " (using default models)");
}

/* Names that are missing of a check on the metadata; values are not told. */
static void
explain_metadata(struct ag_buf *out, const struct ag_check *c, const struct finding *f)
{
	static const char *const ops[] = { "", "all", "any", "none" };
	struct ag_str left = c->payload;
	uint8_t op = AG_CHECK_ALL;
	uint32_t n;

	(void)ag_rule_bytes(&left, &op, 1);
	n = count(&left);
	ag_buf_printf(out, "Check %s for '%s' of the metadata %s: ", f->result == PASSED ? "passed" : "failed",
	    ops[op & 3], c->kind == AG_CHECK_META_KEYS ? "keys" : "pairs");
	for (uint32_t i = 0; i < n; i++) {
		ag_buf_puts(out, i > 0 ? ", " : "");
		ag_buf_put_json(out, text(&left));
		if (c->kind == AG_CHECK_META_PAIRS)
			(void)text(&left);
	}
}

static void
put_data(struct ag_buf *out, const struct ag_check *c, const struct finding *f,
    const struct ag_guard_subject *s)
{
	ag_buf_puts(out, "{\"explanation\":\"");
	if (f->result == ERRED)
		ag_buf_printf(out, "An error occurred while checking: %s", f->error);
	else if (c->kind == AG_CHECK_MODEL_RULES || c->kind == AG_CHECK_MODEL_WHITELIST)
		explain_models(out, c, f, s->model);
	else if (c->kind == AG_CHECK_TYPES)
		ag_buf_printf(out, "Request type \\\"%s\\\" is %s.", ag_policy_endpoint(s->endpoint),
		    f->result == PASSED ? "allowed" : "not allowed");
	else
		explain_metadata(out, c, f);
	ag_buf_puts(out, "\"}");
}

/* Names of checks by what came of them, joined by commas. */
struct tally {
	struct ag_buf names[ERRED + 1];
};

static void
put_feedback(struct ag_buf *out, struct ag_str feedback, const struct tally *t)
{
	ag_buf_puts(out, "\"feedback\":");
	if (feedback.n == 0) {
		ag_buf_puts(out, "null");
		return;
	}
	ag_buf_putc(out, '{');
	ag_buf_put_str(out, feedback);
	ag_buf_puts(out, ",\"metadata\":{");
	put_json(out, "successfulChecks", ag_buf_str(&t->names[PASSED]));
	ag_buf_putc(out, ',');
	put_json(out, "failedChecks", ag_buf_str(&t->names[FAILED]));
	ag_buf_putc(out, ',');
	put_json(out, "erroredChecks", ag_buf_str(&t->names[ERRED]));
	ag_buf_puts(out, "}}");
}

static bool
put_check(struct ag_buf *out, const struct ag_check *c, const struct ag_guard_subject *s,
    const char *at, struct tally *t)
{
	struct finding f = run(c, s);
	bool ok = f.result == PASSED || (f.result == ERRED && !error_fails(c, s));

	if (t->names[f.result].n > 0)
		ag_buf_puts(&t->names[f.result], ", ");
	ag_buf_puts(&t->names[f.result], ag_check_id(c->kind));
	ag_buf_puts(out, "{\"data\":");
	put_data(out, c, &f, s);
	ag_buf_printf(out, ",\"verdict\":%s,\"id\":\"%s\",", f.result == PASSED ? "true" : "false",
	    ag_check_id(c->kind));
	if (f.result == ERRED)
		ag_buf_printf(out, "\"error\":{\"name\":\"Error\",\"message\":\"%s\"},", f.error);
	ag_buf_printf(out, "\"execution_time\":0,\"transformed\":false,\"created_at\":\"%s\",\"log\":null,"
	    "\"fail_on_error\":%s}", at, error_fails(c, s) ? "true" : "false");
	return ok;
}

bool
ag_guard_report(const struct ag_guard *g, const struct ag_guard_subject *s, const char *at,
    struct ag_buf *out)
{
	struct ag_str left = g->checks;
	struct ag_buf checks;
	struct tally t;
	struct ag_check c;
	bool ok = true;

	for (size_t i = 0; i < AG_ARRAY_LEN(t.names); i++)
		ag_buf_init(&t.names[i], 4096);
	ag_buf_init(&checks, 65536);
	for (uint32_t i = 0; i < g->n_checks && ag_check_next(&left, &c); i++) {
		ag_buf_puts(&checks, i > 0 ? "," : "");
		ok = put_check(&checks, &c, s, at, &t) && ok;
	}
	ag_buf_printf(out, "{\"verdict\":%s,", ok ? "true" : "false");
	put_json(out, "id", g->id);
	ag_buf_puts(out, ",\"transformed\":false,\"checks\":[");
	ag_buf_put_str(out, ag_buf_str(&checks));
	ag_buf_puts(out, "],");
	put_feedback(out, ok ? g->on_success : g->on_fail, &t);
	ag_buf_printf(out, ",\"execution_time\":0,\"async\":false,\"type\":\"guardrail\",\"created_at\":\"%s\","
	    "\"deny\":%s}", at, g->flags & AG_GUARD_DENY ? "true" : "false");
	ag_buf_fini(&checks);
	for (size_t i = 0; i < AG_ARRAY_LEN(t.names); i++)
		ag_buf_fini(&t.names[i]);
	return ok;
}
