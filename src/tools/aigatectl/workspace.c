/* workspace.c - workspace create, list, show, delete. */
#include <json-c/json.h>

#include "base/json.h"
#include "tools/aigatectl/ctl.h"

static const struct {
	const char *name;
	bool at_first;
} switches[] = {
#define X(who, about, name, at_first) { name, at_first },
#include "aigated/tbl/security_settings.h"
#undef X
};

struct json_object *
ctl_switches_moved(struct json_object *all)
{
	struct json_object *out = json_object_new_object(), *v;

	for (size_t i = 0; i < AG_ARRAY_LEN(switches); i++)
		if (json_object_object_get_ex(all, switches[i].name, &v) &&
		    json_object_get_boolean(v) != switches[i].at_first)
			json_object_object_add(out, switches[i].name, json_object_get(v));
	return out;
}

/* "membersViewLogs off, ..."; nothing while all stand as they do at first. */
static void
put_switches(struct ag_buf *b, struct json_object *value)
{
	struct json_object *moved = ctl_switches_moved(value);

	ag_json_foreach(moved, name, v)
		ag_buf_printf(b, "%s%s %s", b->n > 0 ? ", " : "", name,
		              json_object_get_boolean(v) ? "on" : "off");
	json_object_put(moved);
}

/* "7 days, at most 30 days, 2 a person, carry {...}": of the keys of people. */
static void
put_user_keys(struct ag_buf *b, struct json_object *value)
{
	struct json_object *v = ctl_json_at(value, "user_key_metadata");
	int ttl = json_object_get_int(ctl_json_at(value, "user_api_key_ttl"));
	int max_ttl = json_object_get_int(ctl_json_at(value, "user_api_key_max_ttl"));
	struct json_object *count = ctl_json_at(value, "user_api_key_count");
	bool gives_way = json_object_get_int(ctl_json_at(value, "user_key_metadata_override")) == 1;

	if (ttl > 0)
		ag_buf_printf(b, "%d days", ttl);
	if (max_ttl > 0)
		ag_buf_printf(b, "%sat most %d days", b->n > 0 ? ", " : "", max_ttl);
	if (count && json_object_get_int(count) >= 0)
		ag_buf_printf(b, "%s%d a person", b->n > 0 ? ", " : "", json_object_get_int(count));
	if (json_object_is_type(v, json_type_object) || json_object_get_int(v) == 1)
		ag_buf_printf(b, "%scarry %s%s", b->n > 0 ? ", " : "", json_object_is_type(v, json_type_object)
		    ? json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN) : "the person's address as _user",
		    gives_way ? "" : " whatever they say");
}

static const struct ctl_column columns[] = {
	{ "slug", "slug", NULL },
	{ "name", "name", NULL },
	{ "status", "status", NULL },
	{ "budget", "usage_limits", ctl_put_usage_limits },
	{ "rates", "rate_limits", ctl_put_rate_limits },
	{ "created", "created_at", NULL },
	{ "metadata", "defaults.metadata", NULL },
	{ "id", "id", NULL },
	{ "user keys", "settings", put_user_keys },
	{ "switches", "security_settings", put_switches },
};

enum ctl_exit
ctl_workspace_create(struct ctl *ctl, int argc, char **argv)
{
	const char *slug = NULL, *description = NULL;
	struct ctl_list words = { .n = 0 }, metadata = { .n = 0 };
	struct ctl_limit_opts limits = { .budget = NULL };
	const struct ctl_opt opts[] = { { "slug", CTL_OPT_TEXT, &slug },
		                            { "description", CTL_OPT_TEXT, &description },
		                            { "metadata", CTL_OPT_LIST, &metadata },
		                            CTL_LIMIT_OPTS(limits),
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body, *pairs, *defaults, *answer = NULL;

	if (status != CTL_OK)
		return status;
	if (words.n != 1)
		return ctl_fail(CTL_USAGE, "a workspace needs a name");
	body = json_object_new_object();
	json_object_object_add(body, "name", json_object_new_string(words.v[0]));
	if (slug)
		json_object_object_add(body, "slug", json_object_new_string(slug));
	if (description)
		json_object_object_add(body, "description", json_object_new_string(description));
	status = ctl_limits_add(&limits, true, body);
	if (status == CTL_OK && metadata.n > 0) {
		status = ctl_metadata(&metadata, &pairs);
		if (status == CTL_OK) {
			defaults = json_object_new_object();
			json_object_object_add(defaults, "metadata", pairs);
			json_object_object_add(body, "defaults", defaults);
		}
	}
	if (status == CTL_OK)
		status = ctl_api(ctl, "POST", "/v1/admin/workspaces", body, &answer);
	if (status == CTL_OK)
		ctl_print_one(ctl, answer, columns, AG_ARRAY_LEN(columns));
	json_object_put(body);
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_workspace_list(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0);

	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", "/v1/admin/workspaces?page_size=1000", NULL, &answer);
	if (status == CTL_OK)
		ctl_print_list(ctl, answer, ctl_json_at(answer, "data"), columns,
		               AG_ARRAY_LEN(columns) - 4);
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_workspace_show(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status == CTL_OK && words.n != 1)
		status = ctl_fail(CTL_USAGE, "which workspace?");
	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", ctl_path("/v1/admin/workspaces/", words.v[0], ""), NULL,
		                 &answer);
	if (status == CTL_OK)
		ctl_print_one(ctl, answer, columns, AG_ARRAY_LEN(columns));
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_workspace_delete(struct ctl *ctl, int argc, char **argv)
{
	const char *name = NULL;
	bool is_forced = false;
	struct ctl_list words = { .n = 0 };
	const struct ctl_opt opts[] = { { "name", CTL_OPT_TEXT, &name },
		                            { "force", CTL_OPT_FLAG, &is_forced },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body;

	if (status != CTL_OK)
		return status;
	if (words.n != 1 || !name)
		return ctl_fail(CTL_USAGE, "to delete a workspace give its slug and, to be sure, its --name");
	body = json_object_new_object();
	json_object_object_add(body, "name", json_object_new_string(name));
	if (is_forced)
		json_object_object_add(body, "force_delete", json_object_new_boolean(1));
	status = ctl_api(ctl, "DELETE", ctl_path("/v1/admin/workspaces/", words.v[0], ""), body, NULL);
	json_object_put(body);
	if (status == CTL_OK)
		ctl_say("workspace \"%s\" is deleted", words.v[0]);
	return status;
}
