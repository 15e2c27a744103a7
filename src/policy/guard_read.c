#include "policy/guard_read.h"

#include <errno.h>
#include <stdio.h>

#include "base/attr.h"
#include "policy/guard_params.h"

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

/* ---- checks ------------------------------------------------------------------------------- */

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
	rc = ag_guard_params_read(&it, &c, &payload, f);
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
