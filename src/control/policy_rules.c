#include "control/policy_rules.h"

#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "catalog/rules.h"
#include "policy/policy_match.h"

#define NAME_MAX_BYTES 128 /* of a member of the metadata */

void
ag_policy_rules_init(struct ag_policy_rules *r)
{
	ag_buf_init(&r->conditions, 1u << 20);
	ag_buf_init(&r->groups, 65536);
	r->n_conditions = r->n_groups = 0;
}

void
ag_policy_rules_fini(struct ag_policy_rules *r)
{
	ag_buf_fini(&r->conditions);
	ag_buf_fini(&r->groups);
}

/* "metadata.user" is key and name; the others are keys alone. */
static int
read_key(struct ag_call *c, struct json_object *obj, const char *path, bool has_endpoint,
    enum ag_rule_key *out_key, struct ag_str *out_name)
{
	static const struct { const char *name; enum ag_rule_key key; } keys[] = {
		{ "api_key", AG_RULE_API_KEY }, { "workspace_id", AG_RULE_WORKSPACE },
		{ "organisation_id", AG_RULE_ORG }, { "virtual_key", AG_RULE_VIRTUAL_KEY },
		{ "provider", AG_RULE_PROVIDER }, { "model", AG_RULE_MODEL },
		{ "endpoint_type", AG_RULE_ENDPOINT },
	};
	struct json_object *v = NULL;
	struct ag_str key, prefix = AG_STR("metadata.");

	json_object_object_get_ex(obj, "key", &v);
	if (!json_object_is_type(v, json_type_string))
		return ag_call_invalid(c, "%s.key: is required, a string", path);
	key = ag_str_n(json_object_get_string(v), (size_t)json_object_get_string_len(v));
	*out_name = AG_STR_NONE;
	if (ag_str_starts(key, prefix) && key.n > prefix.n && key.n <= prefix.n + NAME_MAX_BYTES &&
	    !memchr(key.p, '\0', key.n)) {
		*out_key = AG_RULE_METADATA;
		*out_name = ag_str_skip(key, prefix.n);
		return 0;
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(keys); i++)
		if (ag_str_eq(key, ag_str(keys[i].name)) &&
		    (has_endpoint || keys[i].key != AG_RULE_ENDPOINT)) {
			*out_key = keys[i].key;
			return 0;
		}
	if (ag_str_eq(key, AG_STR("config")) || ag_str_eq(key, AG_STR("prompt")))
		return ag_call_invalid(c, "%s.key: \"%.*s\" is not implemented", path, AG_STR_ARG(key));
	return ag_call_invalid(c, "%s.key: must be one of api_key, metadata.<name>, workspace_id, "
	    "organisation_id, virtual_key, provider, model%s, not \"%.*s\"", path,
	    has_endpoint ? ", endpoint_type" : "", AG_STR_ARG(key));
}

static int
check_value(struct ag_call *c, const char *path, enum ag_rule_key key, struct ag_str v)
{
	if (v.n > AG_RULE_TEXT_MAX || (v.n > 0 && memchr(v.p, '\0', v.n)))
		return ag_call_invalid(c, "%s: must have at most %u bytes and no NUL", path,
		    AG_RULE_TEXT_MAX);
	if (key == AG_RULE_MODEL && (v.n == 0 || v.p[0] != '@' || !memchr(v.p, '/', v.n)))
		return ag_call_invalid(c, "%s: must be \"@provider/model\", where a * at the end stands "
		    "for any rest, not \"%.*s\"", path, AG_STR_ARG(v));
	if (key == AG_RULE_ENDPOINT) {
		for (int e = AG_EP_CHAT; e < AG_EP_RECORDED; e++)
			if (ag_str_eq(v, ag_str(ag_policy_endpoint((enum ag_endpoint)e))))
				return 0;
		return ag_call_invalid(c, "%s: must be chatComplete, complete, embed, messages, "
		    "createModelResponse, generateContent or the like, not \"%.*s\"", path, AG_STR_ARG(v));
	}
	return 0;
}

/* A string or an array of strings; NULL is none. */
static int
read_texts(struct ag_call *c, struct json_object *v, const char *path, enum ag_rule_key key,
    struct ag_buf *out, uint16_t *out_n)
{
	bool is_array = json_object_is_type(v, json_type_array);
	size_t n = !v ? 0 : is_array ? ag_json_len(v) : 1;

	*out_n = (uint16_t)n;
	if (n > AG_RULE_VALUES_MAX)
		return ag_call_invalid(c, "%s: at most %u", path, AG_RULE_VALUES_MAX);
	if (is_array && n == 0)
		return ag_call_invalid(c, "%s: must not be empty", path);
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = is_array ? ag_json_at(v, i) : v;
		struct ag_str s;

		if (!json_object_is_type(one, json_type_string))
			return ag_call_invalid(c, "%s: must be a string or an array of strings", path);
		s = ag_str_n(json_object_get_string(one), (size_t)json_object_get_string_len(one));
		if (check_value(c, path, key, s) < 0)
			return -1;
		ag_rule_put_text(out, s);
	}
	return 0;
}

/* "*" alone, or among others, stands for any. */
static bool
is_any_value(struct json_object *v)
{
	bool is_array = json_object_is_type(v, json_type_array);
	size_t n = is_array ? ag_json_len(v) : 1;

	for (size_t i = 0; v && i < n; i++) {
		struct json_object *one = is_array ? ag_json_at(v, i) : v;

		if (json_object_is_type(one, json_type_string) &&
		    strcmp(json_object_get_string(one), "*") == 0)
			return true;
	}
	return !v;
}

static int
read_condition(struct ag_call *c, struct json_object *obj, const char *path, bool is_rate,
    struct ag_policy_rules *out)
{
	struct json_object *value = NULL, *excludes = NULL;
	struct ag_rule_head h = { .n_values = 0 };
	struct ag_buf texts;
	char p[96];
	int rc;

	if (!json_object_is_type(obj, json_type_object))
		return ag_call_invalid(c, "%s: must be an object", path);
	if (read_key(c, obj, path, is_rate, &h.key, &h.name) < 0)
		return -1;
	json_object_object_get_ex(obj, "value", &value);
	json_object_object_get_ex(obj, "excludes", &excludes);
	h.is_any = is_any_value(value);
	ag_buf_init(&texts, 1u << 20);
	snprintf(p, sizeof(p), "%s.value", path);
	rc = h.is_any ? 0 : read_texts(c, value, p, h.key, &texts, &h.n_values);
	snprintf(p, sizeof(p), "%s.excludes", path);
	if (rc == 0)
		rc = read_texts(c, excludes, p, h.key, &texts, &h.n_excludes);
	if (rc == 0) {
		ag_rule_put_condition(&out->conditions, &h);
		ag_buf_put_str(&out->conditions, ag_buf_str(&texts));
		out->n_conditions++;
	}
	ag_buf_fini(&texts);
	return rc;
}

static int
read_groups(struct ag_call *c, struct json_object *groups, struct ag_policy_rules *out)
{
	size_t n = ag_json_len(groups);
	struct { enum ag_rule_key key; struct ag_str name; } seen[AG_RULE_GROUPS_MAX];

	if (n > AG_RULE_GROUPS_MAX)
		return ag_call_invalid(c, "group_by: at most %u", AG_RULE_GROUPS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = ag_json_at(groups, i);
		char path[48];

		snprintf(path, sizeof(path), "group_by[%zu]", i);
		if (read_key(c, one, path, false, &seen[i].key, &seen[i].name) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (seen[k].key == seen[i].key && ag_str_eq(seen[k].name, seen[i].name))
				return ag_call_invalid(c, "%s.key: stands there twice", path);
		ag_rule_put_group(&out->groups, seen[i].key, seen[i].name);
		out->n_groups++;
	}
	return 0;
}

int
ag_policy_rules_read(struct ag_call *c, struct json_object *conditions, struct json_object *groups,
    bool is_rate, struct ag_policy_rules *out)
{
	size_t n;

	if (!json_object_is_type(conditions, json_type_array))
		return ag_call_invalid(c, "conditions: is required, an array");
	if (groups && !json_object_is_type(groups, json_type_array))
		return ag_call_invalid(c, "group_by: must be an array");
	n = ag_json_len(conditions);
	if (n == 0 || n > AG_RULE_CONDITIONS_MAX)
		return ag_call_invalid(c, "conditions: must hold from 1 to %u", AG_RULE_CONDITIONS_MAX);
	for (size_t i = 0; i < n; i++) {
		char path[48];

		snprintf(path, sizeof(path), "conditions[%zu]", i);
		if (read_condition(c, ag_json_at(conditions, i), path, is_rate, out) < 0)
			return -1;
	}
	if (read_groups(c, groups, out) < 0)
		return -1;
	if (out->conditions.failed || out->groups.failed)
		return ag_call_invalid(c, "conditions: too large");
	return 0;
}

int
ag_policy_rules_stored(struct ag_str conditions, struct ag_str groups, bool is_rate,
    struct ag_policy_rules *out)
{
	struct ag_call scratch = { 0 };
	struct json_object *c = json_tokener_parse(conditions.p), *g = json_tokener_parse(groups.p);
	int rc = ag_policy_rules_read(&scratch, c, g, is_rate, out);

	json_object_put(scratch.answer);
	json_object_put(c);
	json_object_put(g);
	return rc < 0 ? -EINVAL : 0;
}
