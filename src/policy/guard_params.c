#include "policy/guard_params.h"

#include <errno.h>

#include "base/attr.h"
#include "policy/guard_read.h"
#include "policy/policy_match.h"

#define PAYLOAD_MAX (1u << 20)

/* Known beside the names of endpoints.  What follows the streams this gateway does not tell apart: it knows
 * files, batches and proxy. */
#define STREAMS 3
static const char *const more_types[] = { "stream-chatComplete", "stream-complete", "stream-messages", "realtime",
	"uploadFile", "listFiles", "retrieveFile", "deleteFile", "retrieveFileContent", "createBatch",
	"retrieveBatch", "cancelBatch", "listBatches", "getBatchOutput", "listFinetunes", "createFinetune",
	"retrieveFinetune", "cancelFinetune", "getModelResponse", "deleteModelResponse",
	"listResponseInputItems" };

/* ---- what they have in common ---- */

static int
unknown_parameter(const struct ag_read_value *v, enum ag_check_kind kind, struct ag_read_fault *f)
{
	return ag_read_fail(f, v->path, "is not a parameter of %s", ag_check_id(kind));
}

/* Members any check may have: 1 taken. */
static int
common_parameter(const struct ag_read_value *v, enum ag_check_kind kind, uint32_t *io_flags,
    struct ag_read_fault *f)
{
	bool has_not = kind == AG_CHECK_MODEL_RULES || kind == AG_CHECK_MODEL_WHITELIST;
	bool on;

	if (has_not && ag_read_is(v, "not")) {
		if (v->v.type != AG_JSON_NULL && ag_read_bool(v, &on, f) < 0)
			return -EINVAL;
		*io_flags |= v->v.type != AG_JSON_NULL && on ? AG_CHECK_NOT : 0;
		return 1;
	}
	if (ag_read_is(v, "failOnError")) {
		if (v->v.type == AG_JSON_NULL)
			return 1;
		if (ag_read_bool(v, &on, f) < 0)
			return -EINVAL;
		*io_flags |= on ? AG_CHECK_ERROR_FAILS : AG_CHECK_ERROR_PASSES;
		return 1;
	}
	return 0;
}

static int
add_text(const struct ag_read_value *v, struct ag_buf *out, uint32_t *io_n, struct ag_read_fault *f)
{
	struct ag_read_text text;

	if (*io_n == AG_GUARD_LIST_MAX)
		return ag_read_fail(f, v->path, "at most %u", AG_GUARD_LIST_MAX);
	if (ag_read_text(v, AG_RULE_TEXT_MAX, true, &text, f) < 0)
		return -EINVAL;
	ag_rule_put_text(out, ag_read_str(&text));
	(*io_n)++;
	return 0;
}

/* An array of strings, appended to texts. */
static int
read_texts(const struct ag_read_value *v, struct ag_buf *out, uint32_t *io_n, struct ag_read_fault *f)
{
	struct ag_read_value one;
	struct ag_read_iter it;
	int rc;

	if (ag_read_array(&it, v->raw, v->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &one, f)) == 1)
		if (add_text(&one, out, io_n, f) < 0)
			return -EINVAL;
	return rc;
}

static void
put_list(struct ag_buf *out, const struct ag_buf *texts, uint32_t n)
{
	ag_guard_put_count(out, n);
	ag_buf_put_str(out, ag_buf_str(texts));
}

static int
read_op(const struct ag_read_value *v, enum ag_check_op *out, struct ag_read_fault *f)
{
	static const char *const names[] = { [AG_CHECK_ALL] = "all", [AG_CHECK_ANY] = "any",
		[AG_CHECK_NONE] = "none" };
	struct ag_read_text text;

	if (ag_read_text(v, 32, true, &text, f) < 0)
		return -EINVAL;
	for (size_t i = AG_CHECK_ALL; i < AG_ARRAY_LEN(names); i++)
		if (strcmp(names[i], text.p) == 0) {
			*out = (enum ag_check_op)i;
			return 0;
		}
	return ag_read_fail(f, v->path, "must be all, any or none");
}

/* ---- models ------------------------------------------------------------------------------- */

struct models {
	struct ag_buf defaults, rules; /* texts; rules in full */
	uint32_t n_defaults, n_rules;
};

/* {"enterprise": ["gpt-4o", ...], ...} of one member of the metadata. */
static int
read_rule(const struct ag_read_value *key, struct models *m, struct ag_read_fault *f)
{
	struct ag_read_value v;
	struct ag_read_iter it;
	struct ag_buf values, texts;
	uint32_t n_values = 0;
	int rc;

	if (key->name_len == 0 || key->name_len > AG_RULE_TEXT_MAX)
		return ag_read_fail(f, key->path, "must have from 1 to %u bytes", AG_RULE_TEXT_MAX);
	if (m->n_rules == AG_GUARD_LIST_MAX)
		return ag_read_fail(f, key->path, "at most %u", AG_GUARD_LIST_MAX);
	if (ag_read_object(&it, key->raw, key->path, f) < 0)
		return -EINVAL;
	ag_buf_init(&values, PAYLOAD_MAX);
	ag_buf_init(&texts, PAYLOAD_MAX);
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		uint32_t n = 0;

		ag_buf_reset(&texts);
		if (v.name_len > AG_RULE_TEXT_MAX || n_values == AG_GUARD_LIST_MAX)
			rc = ag_read_fail(f, v.path, "too long, or too many");
		else
			rc = read_texts(&v, &texts, &n, f);
		if (rc < 0)
			break;
		ag_rule_put_text(&values, ag_str_n(v.name, v.name_len));
		put_list(&values, &texts, n);
		n_values++;
	}
	if (rc == 0) {
		ag_rule_put_text(&m->rules, ag_str_n(key->name, key->name_len));
		put_list(&m->rules, &values, n_values);
		m->n_rules++;
	}
	ag_buf_fini(&values);
	ag_buf_fini(&texts);
	return rc;
}

/* {"defaults": [...], "metadata": {...}}, or "metadata_routing" in place of "metadata". */
static int
read_rules(const struct ag_read_value *rules, struct models *m, struct ag_read_fault *f)
{
	struct ag_read_value v, key;
	struct ag_read_iter it, keys;
	int rc;

	if (ag_read_object(&it, rules->raw, rules->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		if (v.v.type == AG_JSON_NULL)
			continue;
		if (ag_read_is(&v, "defaults")) {
			if (read_texts(&v, &m->defaults, &m->n_defaults, f) < 0)
				return -EINVAL;
			continue;
		}
		if (!ag_read_is(&v, "metadata") && !ag_read_is(&v, "metadata_routing"))
			return ag_read_fail(f, v.path, "is not a part of model rules");
		if (ag_read_object(&keys, v.raw, v.path, f) < 0)
			return -EINVAL;
		while ((rc = ag_read_next(&keys, &key, f)) == 1)
			if (read_rule(&key, m, f) < 0)
				return -EINVAL;
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* {"metadataKey": k, "values": [...], "models": [...]}: the same rule, written the other way round. */
static int
read_metadata_rule(const struct ag_read_value *one, struct models *m, struct ag_read_fault *f)
{
	struct ag_read_text key = { .n = 0 };
	struct ag_read_value v;
	struct ag_read_iter it;
	struct ag_buf values, models;
	uint32_t n_values = 0, n_models = 0;
	struct ag_str left, value;
	int rc;

	if (ag_read_object(&it, one->raw, one->path, f) < 0)
		return -EINVAL;
	ag_buf_init(&values, PAYLOAD_MAX);
	ag_buf_init(&models, PAYLOAD_MAX);
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		if (ag_read_is(&v, "metadataKey"))
			rc = ag_read_text(&v, AG_RULE_TEXT_MAX, true, &key, f);
		else if (ag_read_is(&v, "values"))
			rc = read_texts(&v, &values, &n_values, f);
		else if (ag_read_is(&v, "models"))
			rc = read_texts(&v, &models, &n_models, f);
		else
			rc = ag_read_fail(f, v.path, "is not a part of a metadata rule");
		if (rc < 0)
			break;
	}
	if (rc == 0 && (key.n == 0 || n_values == 0 || n_models == 0 || m->n_rules == AG_GUARD_LIST_MAX))
		rc = ag_read_fail(f, one->path, "needs metadataKey, values and models");
	if (rc == 0) {
		ag_rule_put_text(&m->rules, ag_read_str(&key));
		ag_guard_put_count(&m->rules, n_values);
		left = ag_buf_str(&values);
		while (ag_rule_text(&left, &value)) {
			ag_rule_put_text(&m->rules, value);
			put_list(&m->rules, &models, n_models);
		}
		m->n_rules++;
	}
	ag_buf_fini(&values);
	ag_buf_fini(&models);
	return rc;
}

static int
read_metadata_rules(const struct ag_read_value *list, struct models *m, struct ag_read_fault *f)
{
	struct ag_read_value one;
	struct ag_read_iter it;
	int rc;

	if (ag_read_array(&it, list->raw, list->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &one, f)) == 1)
		if (read_metadata_rule(&one, m, f) < 0)
			return -EINVAL;
	return rc;
}

static int
model_parameter(const struct ag_read_value *v, enum ag_check_kind kind, struct models *m,
    struct ag_read_fault *f)
{
	bool is_rules = kind == AG_CHECK_MODEL_RULES;

	if (v->v.type == AG_JSON_NULL)
		return 0;
	if (is_rules && (ag_read_is(v, "rules") || ag_read_is(v, "model_rules"))) {
		if (m->n_defaults > 0 || m->n_rules > 0)
			return ag_read_fail(f, v->path, "stands there twice, as rules and as model_rules");
		return read_rules(v, m, f);
	}
	if (!is_rules && ag_read_is(v, "models"))
		return read_texts(v, &m->defaults, &m->n_defaults, f);
	if (!is_rules && ag_read_is(v, "metadataRules"))
		return read_metadata_rules(v, m, f);
	return unknown_parameter(v, kind, f);
}

static int
read_models(struct ag_read_iter *it, enum ag_check_kind kind, struct ag_buf *payload,
    uint32_t *io_flags, struct ag_read_fault *f)
{
	struct models m = { .n_rules = 0 };
	struct ag_read_value v;
	int rc;

	ag_buf_init(&m.defaults, PAYLOAD_MAX);
	ag_buf_init(&m.rules, PAYLOAD_MAX);
	while ((rc = ag_read_next(it, &v, f)) == 1) {
		rc = common_parameter(&v, kind, io_flags, f);
		if (rc == 0)
			rc = model_parameter(&v, kind, &m, f);
		if (rc < 0)
			break;
	}
	if (rc == 0 && m.n_defaults == 0 && m.n_rules == 0)
		rc = ag_read_fail(f, it->path, kind == AG_CHECK_MODEL_RULES
		    ? "needs rules with defaults or metadata" : "needs models");
	if (rc == 0) {
		put_list(payload, &m.defaults, m.n_defaults);
		put_list(payload, &m.rules, m.n_rules);
		if (m.defaults.failed || m.rules.failed)
			rc = ag_read_fail(f, it->path, "is too large");
	}
	ag_buf_fini(&m.defaults);
	ag_buf_fini(&m.rules);
	return rc;
}

/* ---- metadata ----------------------------------------------------------------------------- */

/* A scalar as it reads. */
static int
add_pair(const struct ag_read_value *v, struct ag_buf *out, uint32_t *io_n, struct ag_read_fault *f)
{
	if (v->name_len == 0 || v->name_len > AG_RULE_TEXT_MAX || *io_n == AG_GUARD_LIST_MAX)
		return ag_read_fail(f, v->path, "a name has from 1 to %u bytes, and there are at most %u",
		    AG_RULE_TEXT_MAX, AG_GUARD_LIST_MAX);
	if (v->v.type != AG_JSON_STRING && v->v.type != AG_JSON_NUMBER && v->v.type != AG_JSON_TRUE &&
	    v->v.type != AG_JSON_FALSE)
		return ag_read_fail(f, v->path, "must be a string");
	ag_rule_put_text(out, ag_str_n(v->name, v->name_len));
	if (v->v.type == AG_JSON_STRING) {
		struct ag_read_text text;

		if (ag_read_text(v, AG_RULE_TEXT_MAX, false, &text, f) < 0)
			return -EINVAL;
		ag_rule_put_text(out, ag_read_str(&text));
	} else {
		if (v->raw.n > AG_RULE_TEXT_MAX)
			return ag_read_fail(f, v->path, "too long");
		ag_rule_put_text(out, v->raw);
	}
	(*io_n)++;
	return 0;
}

static int
read_pairs(const struct ag_read_value *pairs, struct ag_buf *out, uint32_t *io_n, struct ag_read_fault *f)
{
	struct ag_read_value v;
	struct ag_read_iter it;
	int rc;

	if (ag_read_object(&it, pairs->raw, pairs->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1)
		if (add_pair(&v, out, io_n, f) < 0)
			return -EINVAL;
	return rc;
}

static int
metadata_parameter(const struct ag_read_value *v, enum ag_check_kind kind, struct ag_buf *texts,
    uint32_t *io_n, enum ag_check_op *op, struct ag_read_fault *f)
{
	struct ag_read_text match;

	if (v->v.type == AG_JSON_NULL)
		return 0;
	if (ag_read_is(v, "operator"))
		return read_op(v, op, f);
	if (kind == AG_CHECK_META_KEYS && ag_read_is(v, "metadataKeys"))
		return read_texts(v, texts, io_n, f);
	if (kind == AG_CHECK_META_PAIRS && ag_read_is(v, "metadataPairs"))
		return read_pairs(v, texts, io_n, f);
	if (kind == AG_CHECK_META_PAIRS && ag_read_is(v, "matchType")) {
		if (ag_read_text(v, 32, true, &match, f) < 0)
			return -EINVAL;
		if (strcmp(match.p, "contains") == 0 || strcmp(match.p, "containsAll") == 0 ||
		    strcmp(match.p, "regex") == 0)
			return ag_read_fail(f, v->path, "%s is not implemented by this gateway", match.p);
		return strcmp(match.p, "exact") == 0 ? 0 : ag_read_fail(f, v->path, "must be exact");
	}
	return unknown_parameter(v, kind, f);
}

static int
read_metadata(struct ag_read_iter *it, enum ag_check_kind kind, struct ag_buf *payload,
    uint32_t *io_flags, struct ag_read_fault *f)
{
	enum ag_check_op op = AG_CHECK_ALL;
	struct ag_read_value v;
	struct ag_buf texts;
	uint32_t n = 0;
	int rc;

	ag_buf_init(&texts, PAYLOAD_MAX);
	while ((rc = ag_read_next(it, &v, f)) == 1) {
		rc = common_parameter(&v, kind, io_flags, f);
		if (rc == 0)
			rc = metadata_parameter(&v, kind, &texts, &n, &op, f);
		if (rc < 0)
			break;
	}
	if (rc == 0 && n == 0)
		rc = ag_read_fail(f, it->path, "needs %s",
		    kind == AG_CHECK_META_KEYS ? "metadataKeys" : "metadataPairs");
	if (rc == 0) {
		ag_buf_putc(payload, (char)op);
		put_list(payload, &texts, n);
		if (texts.failed)
			rc = ag_read_fail(f, it->path, "is too large");
	}
	ag_buf_fini(&texts);
	return rc;
}

/* ---- request types ------------------------------------------------------------------------ */

static int
add_type(struct ag_str type, const char *path, struct ag_buf *out, uint32_t *io_n, struct ag_read_fault *f)
{
	bool is_known = false;

	for (int e = AG_EP_CHAT; e < AG_EP_RECORDED; e++)
		is_known = is_known || ag_str_eq(ag_str(ag_policy_endpoint((enum ag_endpoint)e)), type);
	for (size_t i = 0; i < AG_ARRAY_LEN(more_types); i++) {
		if (!ag_str_eq(ag_str(more_types[i]), type))
			continue;
		if (i >= STREAMS)
			return ag_read_fail(f, path, "%s is not told apart by this gateway: it knows files, "
			    "batches and proxy", more_types[i]);
		is_known = true;
	}
	if (!is_known)
		return ag_read_fail(f, path, "\"%.*s\" is not a request type", AG_STR_ARG(type));
	if (*io_n == AG_GUARD_LIST_MAX)
		return ag_read_fail(f, path, "at most %u", AG_GUARD_LIST_MAX);
	ag_rule_put_text(out, type);
	(*io_n)++;
	return 0;
}

/* An array, or "a, b" in one string. */
static int
read_types(const struct ag_read_value *v, struct ag_buf *out, uint32_t *io_n, struct ag_read_fault *f)
{
	struct ag_read_text text;
	struct ag_read_value one;
	struct ag_read_iter it;
	struct ag_str left;
	int rc;

	if (v->v.type == AG_JSON_STRING) {
		if (ag_read_text(v, AG_RULE_TEXT_MAX, false, &text, f) < 0)
			return -EINVAL;
		for (left = ag_read_str(&text); left.n > 0;) {
			const char *comma = memchr(left.p, ',', left.n);
			struct ag_str type = ag_str_n(left.p, comma ? (size_t)(comma - left.p) : left.n);

			left = ag_str_skip(left, type.n + 1);
			if (add_type(ag_str_trim(type), v->path, out, io_n, f) < 0)
				return -EINVAL;
		}
		return 0;
	}
	if (ag_read_array(&it, v->raw, v->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &one, f)) == 1)
		if (ag_read_text(&one, 64, true, &text, f) < 0 ||
		    add_type(ag_read_str(&text), one.path, out, io_n, f) < 0)
			return -EINVAL;
	return rc;
}

static int
check_overlap(const struct ag_buf *allowed, const struct ag_buf *blocked, const char *path,
    struct ag_read_fault *f)
{
	struct ag_str a = ag_buf_str(allowed), one, other;

	while (ag_rule_text(&a, &one)) {
		struct ag_str b = ag_buf_str(blocked);

		while (ag_rule_text(&b, &other))
			if (ag_str_eq(one, other))
				return ag_read_fail(f, path, "\"%.*s\" is both allowed and blocked",
				    AG_STR_ARG(one));
	}
	return 0;
}

static int
read_request_types(struct ag_read_iter *it, struct ag_buf *payload, uint32_t *io_flags,
    struct ag_read_fault *f)
{
	struct ag_buf allowed, blocked;
	uint32_t n_allowed = 0, n_blocked = 0;
	struct ag_read_value v;
	int rc;

	ag_buf_init(&allowed, PAYLOAD_MAX);
	ag_buf_init(&blocked, PAYLOAD_MAX);
	while ((rc = ag_read_next(it, &v, f)) == 1) {
		rc = common_parameter(&v, AG_CHECK_TYPES, io_flags, f);
		if (rc == 0 && v.v.type != AG_JSON_NULL)
			rc = ag_read_is(&v, "allowedTypes") ? read_types(&v, &allowed, &n_allowed, f)
			    : ag_read_is(&v, "blockedTypes") ? read_types(&v, &blocked, &n_blocked, f)
			    : unknown_parameter(&v, AG_CHECK_TYPES, f);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		rc = check_overlap(&allowed, &blocked, it->path, f);
	if (rc == 0) {
		put_list(payload, &allowed, n_allowed);
		put_list(payload, &blocked, n_blocked);
	}
	ag_buf_fini(&allowed);
	ag_buf_fini(&blocked);
	return rc;
}

/* ---- all ---- */

int
ag_guard_params_read(struct ag_read_iter *it, struct ag_check *c, struct ag_buf *payload,
    struct ag_read_fault *f)
{
	switch (c->kind) {
	case AG_CHECK_MODEL_WHITELIST:
	case AG_CHECK_MODEL_RULES:
		return read_models(it, c->kind, payload, &c->flags, f);
	case AG_CHECK_META_KEYS:
	case AG_CHECK_META_PAIRS:
		return read_metadata(it, c->kind, payload, &c->flags, f);
	case AG_CHECK_TYPES:
		return read_request_types(it, payload, &c->flags, f);
	case AG_CHECK_KINDS:
		break;
	}
	return -EINVAL;
}
