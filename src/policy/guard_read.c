#include "policy/guard_read.h"

#include <errno.h>
#include <stdio.h>

#include "base/attr.h"

#define PAYLOAD_MAX (1u << 20)

/* Kind 0: documented, not made here. */
static const struct { const char *id; enum ag_check_kind kind; } known[] = {
	{ "default.modelWhitelist", AG_CHECK_MODEL_WHITELIST },
	{ "default.modelRules", AG_CHECK_MODEL_RULES },
	{ "default.requiredMetadataKeys", AG_CHECK_META_KEYS },
	{ "default.requiredMetadataKeyPairs", AG_CHECK_META_PAIRS },
	{ "default.allowedRequestTypes", AG_CHECK_TYPES },
	{ "default.regexMatch", 0 }, { "default.regexReplace", 0 }, { "default.sentenceCount", 0 },
	{ "default.wordCount", 0 }, { "default.characterCount", 0 }, { "default.jsonSchema", 0 },
	{ "default.jsonKeys", 0 }, { "default.contains", 0 }, { "default.validUrls", 0 },
	{ "default.containsCode", 0 }, { "default.webhook", 0 }, { "default.log", 0 },
	{ "default.alluppercase", 0 }, { "default.alllowercase", 0 },
	{ "default.isAllLowerCase", 0 }, { "default.endsWith", 0 }, { "default.jwt", 0 },
	{ "default.blockedTools", 0 }, { "default.requestParametersCheck", 0 },
	{ "default.addPrefix", 0 }, { "default.notNull", 0 }, { "default.inlineImageUrls", 0 },
};

/* Plugins that need services of others. */
static const char *const later_plugins[] = { "portkey.", "sydelabs.", "aporia.", "pillar.", "patronus.",
	"mistral.", "pangea.", "promptfoo.", "bedrock.", "acuvity.", "azure.", "exa.", "lasso.",
	"promptsecurity.", "panw-prisma-airs.", "panwPrismaAirs.", "f5-guardrails.", "crowdstrike-aidr.",
	"zscaler.", "javelin.", "qualifire.", "walledai.", "walledAI." };

static const char *const request_types[] = { "complete", "chatComplete", "embed", "rerank", "moderate",
	"stream-complete", "stream-chatComplete", "stream-messages", "proxy", "imageGenerate",
	"createSpeech", "createTranscription", "createTranslation", "realtime", "uploadFile",
	"listFiles", "retrieveFile", "deleteFile", "retrieveFileContent", "createBatch",
	"retrieveBatch", "cancelBatch", "listBatches", "getBatchOutput", "listFinetunes",
	"createFinetune", "retrieveFinetune", "cancelFinetune", "createModelResponse",
	"getModelResponse", "deleteModelResponse", "listResponseInputItems", "messages",
	"messagesCountTokens", "imageEdit" };

const char *
ag_check_id(enum ag_check_kind kind)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(known); i++)
		if (known[i].kind == kind)
			return known[i].id;
	return "";
}

static int
find_kind(struct ag_str id, const char *path, enum ag_check_kind *out, struct ag_read_fault *f)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(known); i++)
		if (ag_str_ieq(ag_str(known[i].id), id)) {
			if (known[i].kind == 0)
				return ag_read_fail(f, path, "the check %s is not implemented by this gateway",
				    known[i].id);
			*out = known[i].kind;
			return 0;
		}
	for (size_t i = 0; i < AG_ARRAY_LEN(later_plugins); i++)
		if (ag_str_starts(id, ag_str(later_plugins[i])))
			return ag_read_fail(f, path, "the check %.*s is not implemented by this gateway",
			    AG_STR_ARG(id));
	return ag_read_fail(f, path, "\"%.*s\" is not a check", AG_STR_ARG(id));
}

/* ---- parameters: what they have in common ------------------------------------------------- */

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
	for (size_t i = 0; i < AG_ARRAY_LEN(request_types); i++)
		if (ag_str_eq(ag_str(request_types[i]), type)) {
			if (*io_n == AG_GUARD_LIST_MAX)
				return ag_read_fail(f, path, "at most %u", AG_GUARD_LIST_MAX);
			ag_rule_put_text(out, type);
			(*io_n)++;
			return 0;
		}
	return ag_read_fail(f, path, "\"%.*s\" is not a request type", AG_STR_ARG(type));
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

/* ---- checks ------------------------------------------------------------------------------- */

static int
read_parameters(struct ag_read_iter *it, struct ag_check *c, struct ag_buf *payload,
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

int
ag_guard_read_check(struct ag_str id, struct ag_str parameters, const char *path,
    struct ag_buf *out, struct ag_read_fault *f)
{
	struct ag_check c = { .flags = 0 };
	struct ag_read_iter it;
	struct ag_buf payload;
	int rc;

	if (find_kind(id, path, &c.kind, f) < 0 ||
	    ag_read_object(&it, parameters.n > 0 ? parameters : AG_STR("{}"), path, f) < 0)
		return -EINVAL;
	ag_buf_init(&payload, PAYLOAD_MAX);
	rc = read_parameters(&it, &c, &payload, f);
	if (rc == 0 && payload.failed)
		rc = ag_read_fail(f, path, "is too large");
	if (rc == 0) {
		c.payload = ag_buf_str(&payload);
		ag_check_put(out, &c);
	}
	ag_buf_fini(&payload);
	return rc;
}

static int
read_one(const struct ag_read_value *one, struct ag_buf *out, uint32_t *io_n, struct ag_read_fault *f)
{
	struct ag_read_text id = { .n = 0 }, name;
	struct ag_str parameters = AG_STR_NONE;
	char id_path[AG_READ_PATH_MAX], path[AG_READ_PATH_MAX];
	bool is_enabled = true;
	struct ag_read_value v;
	struct ag_read_iter it;
	struct ag_buf unused;
	int rc;

	if (ag_read_object(&it, one->raw, one->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		if (ag_read_is(&v, "id"))
			rc = ag_read_text(&v, 128, true, &id, f);
		else if (ag_read_is(&v, "parameters") && v.v.type != AG_JSON_NULL)
			parameters = v.raw;
		else if (ag_read_is(&v, "is_enabled") && v.v.type != AG_JSON_NULL)
			rc = ag_read_bool(&v, &is_enabled, f);
		else if (ag_read_is(&v, "name") && v.v.type != AG_JSON_NULL)
			rc = ag_read_text(&v, AG_RULE_TEXT_MAX, false, &name, f);
		else if (v.v.type != AG_JSON_NULL)
			rc = ag_read_fail(f, v.path, "is not a part of a check");
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	snprintf(id_path, sizeof(id_path), "%.180s.id", one->path);
	if (id.n == 0)
		return ag_read_fail(f, id_path, "is required");
	snprintf(path, sizeof(path), "%.170s.parameters", one->path);
	/* One that is switched off is checked all the same: it will be switched on. */
	ag_buf_init(&unused, PAYLOAD_MAX);
	rc = ag_guard_read_check(ag_read_str(&id), parameters, path, is_enabled ? out : &unused, f);
	ag_buf_fini(&unused);
	if (rc == 0 && is_enabled)
		(*io_n)++;
	return rc;
}

int
ag_guard_read_checks(struct ag_str raw, const char *path, struct ag_buf *out, uint32_t *out_n,
    struct ag_read_fault *f)
{
	struct ag_read_value one;
	struct ag_read_iter it;
	uint32_t n = 0;
	int rc;

	if (ag_read_array(&it, raw, path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &one, f)) == 1) {
		if (it.n > AG_GUARD_CHECKS_MAX)
			return ag_read_fail(f, path, "at most %u", AG_GUARD_CHECKS_MAX);
		if (read_one(&one, out, &n, f) < 0)
			return -EINVAL;
	}
	if (rc < 0)
		return rc;
	if (it.n == 0)
		return ag_read_fail(f, path, "must hold at least one check");
	if (out->failed)
		return ag_read_fail(f, path, "are too large");
	*out_n = n;
	return 0;
}

/* ---- actions ------------------------------------------------------------------------------ */

/* {"value": -5, "weight": 1, "metadata": ""} */
static int
read_feedback(const struct ag_read_value *feedback, char out[64], struct ag_read_fault *f)
{
	struct ag_str value = AG_STR("0"), weight = AG_STR("1");
	struct ag_read_value v;
	struct ag_read_iter it;
	int rc;

	if (feedback->v.type == AG_JSON_NULL)
		return 0;
	if (ag_read_object(&it, feedback->raw, feedback->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		bool is_number = v.v.type == AG_JSON_NUMBER && v.raw.n <= 16;

		if (ag_read_is(&v, "value") && is_number)
			value = v.raw;
		else if (ag_read_is(&v, "weight") && is_number)
			weight = v.raw;
		else if (ag_read_is(&v, "metadata") && !ag_read_holds(&v))
			continue;
		else
			return ag_read_fail(f, v.path, "must be a number (value, weight); metadata of a "
			    "feedback is not implemented by this gateway");
	}
	if (rc == 0)
		snprintf(out, 64, "\"value\":%.*s,\"weight\":%.*s", AG_STR_ARG(value), AG_STR_ARG(weight));
	return rc;
}

/* "block", "deny"; or an object with a feedback. */
static int
read_consequence(const struct ag_read_value *v, bool is_fail, struct ag_guard_actions *io,
    struct ag_read_fault *f)
{
	struct ag_read_text word;
	struct ag_read_value one;
	struct ag_read_iter it;
	int rc;

	if (v->v.type == AG_JSON_STRING) {
		if (ag_read_text(v, 32, false, &word, f) < 0)
			return -EINVAL;
		if (is_fail && (strcmp(word.p, "block") == 0 || strcmp(word.p, "deny") == 0))
			io->flags |= AG_GUARD_DENY;
		else if (strcmp(word.p, "continue") != 0 && strcmp(word.p, "warn") != 0 &&
		    strcmp(word.p, "log") != 0 && strcmp(word.p, "") != 0)
			return ag_read_fail(f, v->path, "must be %scontinue, warn or log",
			    is_fail ? "block, deny, " : "");
		return 0;
	}
	if (ag_read_object(&it, v->raw, v->path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &one, f)) == 1) {
		if (!ag_read_is(&one, "feedback"))
			return ag_read_fail(f, one.path, "is not a part of it");
		if (read_feedback(&one, is_fail ? io->on_fail : io->on_success, f) < 0)
			return -EINVAL;
	}
	return rc;
}

int
ag_guard_read_action(const struct ag_read_value *v, struct ag_guard_actions *io, struct ag_read_fault *f)
{
	bool is_fail = ag_read_is(v, "on_fail") || ag_read_is(v, "onFail"), on = false;

	if (is_fail || ag_read_is(v, "on_success") || ag_read_is(v, "onSuccess"))
		return v->v.type == AG_JSON_NULL ? 1 : read_consequence(v, is_fail, io, f) < 0 ? -EINVAL : 1;
	if (ag_read_is(v, "soft_deny_200"))
		return ag_read_holds(v) ? ag_read_fail(f, v->path, "is not implemented by this gateway") : 1;
	if (!ag_read_is(v, "deny") && !ag_read_is(v, "async") && !ag_read_is(v, "sequential"))
		return 0;
	if (v->v.type != AG_JSON_NULL && ag_read_bool(v, &on, f) < 0)
		return -EINVAL;
	/* Checks that change nothing give the same in any order: sequential has nothing to do. */
	if (on && ag_read_is(v, "deny"))
		io->flags |= AG_GUARD_DENY;
	if (on && ag_read_is(v, "async"))
		io->flags |= AG_GUARD_ASYNC;
	return 1;
}

int
ag_guard_read_actions(struct ag_str raw, const char *path, struct ag_guard_actions *out,
    struct ag_read_fault *f)
{
	struct ag_read_text message;
	struct ag_read_value v;
	struct ag_read_iter it;
	int rc;

	*out = (struct ag_guard_actions){ .flags = 0 };
	if (ag_read_object(&it, raw, path, f) < 0)
		return -EINVAL;
	while ((rc = ag_read_next(&it, &v, f)) == 1) {
		rc = ag_guard_read_action(&v, out, f);
		if (rc == 0 && ag_read_is(&v, "message"))
			rc = v.v.type == AG_JSON_NULL ? 0 : ag_read_text(&v, AG_RULE_TEXT_MAX, false, &message, f);
		else if (rc == 0)
			rc = ag_read_fail(f, v.path, "is not an action");
		if (rc < 0)
			return rc;
	}
	return rc;
}
