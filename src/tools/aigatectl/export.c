/* export.c - what stands as a file for apply: applied where it came from it changes nothing. */
#include <ctype.h>
#include <json-c/json.h>
#include <string.h>

#include "base/json.h"
#include "tools/aigatectl/plan.h"
#include "tools/aigatectl/tree.h"

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

/* {env: AIGATE_OPENAI_KEY, optional: true}: what stands stays where nobody sets it. */
static struct json_object *
placeholder_new(struct json_object *o, const char *path)
{
	struct json_object *p = json_object_new_object();
	const char *dot = strrchr(path, '.');
	char name[300];

	snprintf(name, sizeof(name), "AIGATE_%.200s_%.60s", ctl_json_text(o, "slug"), dot ? dot + 1 : path);
	for (char *c = name; *c; c++)
		*c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
	json_object_object_add(p, "env", json_object_new_string(name));
	json_object_object_add(p, "optional", json_object_new_boolean(1));
	return p;
}

/* Words of a list that exist in o, in their order, but for what says nothing. */
static struct json_object *
pick(struct json_object *o, const char *words)
{
	struct json_object *picked = json_object_new_object();

	for (const char *p = words; *p;) {
		size_t n = strcspn(p, " ");
		char name[64];

		if (ag_str_copy(ag_str_n(p, n), name, sizeof(name)) && !ctl_is_nothing(member(o, name)))
			json_object_object_add(picked, name, json_object_get(member(o, name)));
		p += n + (p[n] == ' ');
	}
	return picked;
}

static struct json_object *
limits_new(struct json_object *limits)
{
	static const char words[] = "type credit_limit alert_threshold periodic_reset periodic_reset_days enforcement"
	                            " on_exhaust unit value";
	struct json_object *list;

	if (!json_object_is_type(limits, json_type_array))
		return pick(limits, words);
	list = json_object_new_array();
	for (size_t i = 0; i < ag_json_len(limits); i++)
		json_object_array_add(list, pick(ag_json_at(limits, i), words));
	return list;
}

static struct json_object *
each(struct json_object *list, const char *words)
{
	struct json_object *out = json_object_new_array();

	for (size_t i = 0; i < ag_json_len(list); i++) {
		struct json_object *one = pick(ag_json_at(list, i), words);

		for (int k = 0; k < 2; k++) {
			const char *name = k ? "rate_limits" : "usage_limits";

			if (member(one, name))
				json_object_object_add(one, name, limits_new(member(one, name)));
		}
		json_object_array_add(out, one);
	}
	return out;
}

static void
put_member(struct json_object *to, const char *name, struct json_object *value)
{
	if (ctl_is_nothing(value))
		json_object_put(value);
	else
		json_object_object_add(to, name, value);
}

/* Which bodies are kept, when any are; of the keys of people, what is not as it is at first. */
static struct json_object *
settings_new(struct json_object *all)
{
	static const struct { const char *name; int at_first; } of_keys[] = {
		{ "user_api_key_ttl", 0 }, { "user_api_key_max_ttl", 0 }, { "user_api_key_count", -1 },
		{ "user_key_metadata", 0 }, { "user_key_metadata_override", 1 } };
	struct json_object *mode = member(all, "body_log"), *v;
	struct json_object *out = mode && strcmp(json_object_get_string(mode), "off") != 0
	    ? pick(all, "body_log redact redact_patterns") : json_object_new_object();

	for (size_t i = 0; i < AG_ARRAY_LEN(of_keys); i++)
		if ((v = member(all, of_keys[i].name)) &&
		    (!json_object_is_type(v, json_type_int) || json_object_get_int(v) != of_keys[i].at_first))
			json_object_object_add(out, of_keys[i].name, json_object_get(v));
	return out;
}

static struct json_object *
item_new(const struct ctl_noun *noun, struct json_object *o)
{
	struct json_object *item = pick(o, noun->members), *v;

	/* Where a timetable goes on, the date is the gateway's. */
	if ((v = member(item, "rotation_policy")) && ag_json_members(v) > 2)
		json_object_object_del(v, "next_rotation_at");
	if ((v = member(item, "usage_limits")))
		json_object_object_add(item, "usage_limits", limits_new(v));
	if ((v = member(item, "rate_limits")))
		json_object_object_add(item, "rate_limits", limits_new(v));
	if ((v = member(item, "users")))
		json_object_object_add(item, "users", each(v, "email role"));
	if ((v = member(item, "workspaces")))
		json_object_object_add(item, "workspaces", each(v, "id enabled usage_limits rate_limits"));
	if ((v = member(item, "models")))
		json_object_object_add(item, "models",
		    each(v, "slug enabled is_custom is_finetune base_model_slug pricing_config"));
	if ((v = member(item, "defaults"))) {
		v = pick(v, "metadata input_guardrails config_id user_api_key_config allow_config_override");
		json_object_object_del(item, "defaults");
		put_member(item, "defaults", v);
	}
	if ((v = member(item, "settings"))) {
		v = settings_new(v);
		json_object_object_del(item, "settings");
		put_member(item, "settings", v);
	}
	if ((v = member(item, "security_settings"))) {
		v = ctl_switches_moved(v);
		json_object_object_del(item, "security_settings");
		put_member(item, "security_settings", v);
	}
	for (const char *p = noun->secrets; p && *p;) {
		size_t n = strcspn(p, " ");
		char path[128], masked[140];
		struct json_object *at = item;
		const char *dot;

		ag_str_copy(ag_str_n(p, n), path, sizeof(path));
		p += n + (p[n] == ' ');
		dot = strchr(path, '.');
		snprintf(masked, sizeof(masked), "masked_%s", path);
		if (dot ? !ctl_json_at(item, path) : ctl_is_nothing(member(o, masked)))
			continue;
		if (dot) {
			path[dot - path] = '\0';
			at = member(item, path);
		} else if (!ctl_is_nothing(member(o, "secret_mappings"))) {
			continue; /* kept elsewhere */
		}
		json_object_object_add(at, dot ? dot + 1 : path, placeholder_new(o, dot ? dot + 1 : path));
	}
	return item;
}

/* Its identity does not tell it from another. */
static bool
has_twin(struct json_object *all, struct json_object *o)
{
	for (size_t i = 0; i < ag_json_len(all); i++) {
		struct json_object *one = ag_json_at(all, i);

		if (one != o && strcmp(ctl_json_text(one, "name"), ctl_json_text(o, "name")) == 0 &&
		    strcmp(ctl_json_text(one, "workspace_id"), ctl_json_text(o, "workspace_id")) == 0)
			return true;
	}
	return false;
}

static struct json_object *
file_new(const struct ctl_live *live)
{
	struct json_object *file = json_object_new_object();
	const struct ctl_noun *noun;

	for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++) {
		struct json_object *list;

		if (!noun->plural)
			continue;
		if (!noun->list) {
			put_member(file, noun->plural, item_new(noun, live->of[i]));
			continue;
		}
		list = json_object_new_array();
		for (size_t k = ag_json_len(live->of[i]); k-- > 0;) {
			struct json_object *one = ag_json_at(live->of[i], k),
			    *item = item_new(noun, one);

			if (strcmp(noun->name, "key") == 0 && !has_twin(live->of[i], one))
				json_object_object_del(item, "id");
			json_object_array_add(list, item);
		}
		for (size_t k = ag_json_len(live->invites); strcmp(noun->name, "user") == 0 && k-- > 0;)
			json_object_array_add(list, item_new(noun, ag_json_at(live->invites, k)));
		put_member(file, noun->plural, list);
	}
	return file;
}

enum ctl_exit
ctl_export(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_live live = { .names = NULL };
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0);
	struct json_object *file;

	if (status == CTL_OK)
		status = ctl_live_read(ctl, NULL, &live);
	if (status == CTL_OK) {
		file = file_new(&live);
		if (ctl->output == CTL_OUT_TABLE)
			ctl->output = CTL_OUT_YAML;
		ctl_print_tree(ctl, file);
		json_object_put(file);
	}
	ctl_live_fini(&live);
	return status;
}
