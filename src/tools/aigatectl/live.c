/* live.c - what stands, in the form of a file for apply. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aigatectl/plan.h"

#include "base/json.h"

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

void
ctl_live_fini(struct ctl_live *live)
{
	for (size_t i = 0; i < CTL_NOUNS_MAX; i++)
		json_object_put(live->of[i]);
	json_object_put(live->names);
	json_object_put(live->handles);
	json_object_put(live->invites);
}

/* ---- names ---- */

static struct json_object *
handle_of(const struct ctl_live *live, const char *noun, const char *workspace, const char *name)
{
	struct json_object *found = NULL;
	struct ag_buf key;

	ag_buf_init(&key, 4096);
	ag_buf_printf(&key, "%s\n%s\n%s", noun, workspace, name);
	ag_buf_putc(&key, '\0');
	if (!key.failed)
		found = member(live->handles, key.p);
	ag_buf_fini(&key);
	return found;
}

void
ctl_live_learn(struct ctl_live *live, const struct ctl_noun *noun, const char *workspace, const char *name,
               const char *handle)
{
	struct ag_buf key;

	/* One of several of that name is told by its handle alone. */
	if (handle_of(live, noun->name, workspace, name))
		return;
	ag_buf_init(&key, 4096);
	ag_buf_printf(&key, "%s\n%s\n%s", noun->name, workspace, name);
	ag_buf_putc(&key, '\0');
	if (!key.failed) {
		json_object_object_add(live->handles, key.p, json_object_new_string(handle));
		json_object_object_add(live->names, handle, json_object_new_string(name));
	}
	ag_buf_fini(&key);
}

static void
learn_all(struct ctl_live *live, const struct ctl_noun *noun, struct json_object *all)
{
	for (size_t i = 0; i < ag_json_len(all); i++) {
		struct json_object *one = ag_json_at(all, i);
		struct json_object *workspace = member(live->names, ctl_json_text(one, "workspace_id"));

		if (strcmp(ctl_json_text(one, "status"), "archived") != 0)
			ctl_live_learn(live, noun, workspace ? json_object_get_string(workspace) : "",
			               ctl_json_text(one, "name"), ctl_json_text(one, noun->handle));
	}
}

/* uuid -> slug or address. */
static enum ctl_exit
learn_ids(struct ctl *ctl, struct ctl_live *live, const char *noun_name, const char *name)
{
	const struct ctl_noun *noun = ctl_noun_find(noun_name);
	struct json_object *all = NULL;
	enum ctl_exit status = ctl_noun_list(ctl, noun, NULL, &all);

	for (size_t i = 0; status == CTL_OK && i < ag_json_len(all); i++) {
		struct json_object *one = ag_json_at(all, i);

		json_object_object_add(live->names, ctl_json_text(one, "id"), json_object_get(member(one, name)));
	}
	json_object_put(all);
	return status;
}

static enum ctl_exit
learn_names(struct ctl *ctl, struct ctl_live *live)
{
	static const char *const by_name[] = { "guardrail", "config" };
	enum ctl_exit status = learn_ids(ctl, live, "workspace", "slug");
	struct json_object *settings = NULL;

	if (status == CTL_OK)
		status = learn_ids(ctl, live, "user", "email");
	if (status == CTL_OK)
		status = learn_ids(ctl, live, "secret-reference", "slug");
	for (size_t i = 0; status == CTL_OK && i < AG_ARRAY_LEN(by_name); i++) {
		struct json_object *all = NULL;

		status = ctl_noun_list(ctl, ctl_noun_find(by_name[i]), NULL, &all);
		if (status == CTL_OK)
			learn_all(live, ctl_noun_find(by_name[i]), all);
		json_object_put(all);
	}
	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", "/v1/admin/organisation/settings", NULL, &settings);
	ag_str_copy(ag_str(ctl_json_text(settings, "organisation_id")), live->organisation_id,
	            sizeof(live->organisation_id));
	json_object_put(settings);
	return status;
}

const char *
ctl_live_user(const struct ctl_live *live, const char *email)
{
	if (member(live->names, email))
		return email;
	ag_json_foreach(live->names, id, address) {
		if (strcasecmp(json_object_get_string(address), email) == 0)
			return id;
	}
	return NULL;
}

/* ---- the form of the file ---- */

static void
rename_member(const struct ctl_live *live, struct json_object *o, const char *name)
{
	struct json_object *v = member(o, name), *called;

	if (!json_object_is_type(v, json_type_string))
		return;
	called = member(live->names, json_object_get_string(v));
	if (called)
		json_object_object_add(o, name, json_object_get(called));
}

static void
rename_list(const struct ctl_live *live, struct json_object *o, const char *name)
{
	struct json_object *list = member(o, name);

	for (size_t i = 0; i < ag_json_len(list); i++) {
		struct json_object *one = ag_json_at(list, i), *called;

		if (json_object_is_type(one, json_type_object) && member(one, "slug"))
			one = member(one, "slug");
		if (!json_object_is_type(one, json_type_string))
			continue;
		called = member(live->names, json_object_get_string(one));
		json_object_array_put_idx(list, i, json_object_get(called ? called : one));
	}
}

void
ctl_live_normal(const struct ctl_live *live, const struct ctl_noun *noun, struct json_object *o)
{
	struct json_object *defaults = member(o, "defaults"), *config = member(o, "config"), *list;

	rename_member(live, o, "workspace_id");
	rename_member(live, o, "user_id");
	rename_member(live, defaults, "config_id");
	rename_member(live, defaults, "config_slug");
	rename_member(live, defaults, "user_api_key_config");
	rename_list(live, defaults, "input_guardrails");
	rename_list(live, o, "input_guardrails");
	list = member(o, "secret_mappings");
	for (size_t i = 0; i < ag_json_len(list); i++)
		rename_member(live, ag_json_at(list, i), "secret_reference_id");
	if (strcmp(noun->name, "config") == 0 && json_object_is_type(config, json_type_string)) {
		config = json_tokener_parse(json_object_get_string(config));
		if (config)
			json_object_object_add(o, "config", config);
	}
	rename_list(live, member(o, "config"), "input_guardrails");
}

static void
refer_member(const struct ctl_live *live, const char *noun, const char *workspace, struct json_object *o,
             const char *name)
{
	struct json_object *v = member(o, name), *handle;

	if (!json_object_is_type(v, json_type_string))
		return;
	handle = handle_of(live, noun, workspace, json_object_get_string(v));
	if (handle)
		json_object_object_add(o, name, json_object_get(handle));
}

/* Those of the workspace before those of the organisation. */
static void
refer_guardrails(const struct ctl_live *live, const char *workspace, struct json_object *o)
{
	struct json_object *list = member(o, "input_guardrails");

	for (size_t i = 0; i < ag_json_len(list); i++) {
		const char *name = json_object_get_string(ag_json_at(list, i));
		struct json_object *handle = name ? handle_of(live, "guardrail", workspace, name) : NULL;

		if (!handle && name)
			handle = handle_of(live, "guardrail", "", name);
		if (handle)
			json_object_array_put_idx(list, i, json_object_get(handle));
	}
}

void
ctl_live_refer(const struct ctl_live *live, const char *workspace, struct json_object *body)
{
	struct json_object *defaults = member(body, "defaults"), *user = member(body, "user_id");
	const char *id;

	refer_member(live, "config", workspace, defaults, "config_id");
	refer_member(live, "config", workspace, defaults, "config_slug");
	refer_member(live, "config", workspace, defaults, "user_api_key_config");
	refer_guardrails(live, workspace, defaults);
	refer_guardrails(live, workspace, body);
	refer_guardrails(live, workspace, member(body, "config"));
	if (json_object_is_type(user, json_type_string)) {
		id = ctl_live_user(live, json_object_get_string(user));
		if (id)
			json_object_object_add(body, "user_id", json_object_new_string(id));
	}
}

/* ---- reading ---- */

static bool
wants(struct json_object *whole, const char *name)
{
	return !whole || json_object_object_get_ex(whole, name, NULL);
}

enum ctl_exit
ctl_live_subs(struct ctl *ctl, const struct ctl_live *live, const struct ctl_noun *noun, struct json_object *o,
              struct json_object *whole)
{
	struct json_object *answer = NULL;
	enum ctl_exit status = CTL_OK;
	const char *slug = ctl_json_text(o, "slug");

	(void)live;
	if (strcmp(noun->name, "integration") != 0)
		return CTL_OK;
	if (wants(whole, "workspaces")) {
		status = ctl_api(ctl, "GET", ctl_path("/v1/integrations/", slug, "/workspaces"), NULL, &answer);
		if (status == CTL_OK)
			json_object_object_add(o, "workspaces", json_object_get(member(answer, "workspaces")));
		json_object_put(answer);
		answer = NULL;
	}
	if (status == CTL_OK && wants(whole, "models")) {
		status = ctl_api(ctl, "GET", ctl_path("/v1/integrations/", slug, "/models"), NULL, &answer);
		if (status == CTL_OK)
			json_object_object_add(o, "models", json_object_get(member(answer, "models")));
		json_object_put(answer);
	}
	return status;
}

/* What the file does not speak of: keys of the organisation, what is archived. */
static bool
is_ours(const struct ctl_noun *noun, struct json_object *one)
{
	if (strcmp(noun->name, "key") == 0 && strncmp(ctl_json_text(one, "type"), "organisation", 12) == 0)
		return false;
	return strcmp(ctl_json_text(one, "status"), "archived") != 0;
}

/* One list, whole objects, in the form of the file; appended to all. */
static enum ctl_exit
read_list(struct ctl *ctl, struct ctl_live *live, const struct ctl_noun *noun, const char *home, bool is_whole,
          struct json_object *all)
{
	struct json_object *list = NULL, *one;
	enum ctl_exit status = ctl_noun_list(ctl, noun, home, &list);

	for (size_t i = 0; status == CTL_OK && i < ag_json_len(list); i++) {
		one = json_object_get(ag_json_at(list, i));
		if (!is_ours(noun, one)) {
			json_object_put(one);
			continue;
		}
		if (noun->is_short) {
			struct json_object *full = NULL;

			status = ctl_api(ctl, "GET", ctl_noun_path(noun, home, ctl_json_text(one, noun->handle)), NULL, &full);
			json_object_put(one);
			one = full;
		}
		if (status == CTL_OK && is_whole)
			status = ctl_live_subs(ctl, live, noun, one, NULL);
		if (status == CTL_OK) {
			ctl_live_normal(live, noun, one);
			json_object_array_add(all, one);
		} else {
			json_object_put(one);
		}
	}
	json_object_put(list);
	return status;
}

static enum ctl_exit
read_noun(struct ctl *ctl, struct ctl_live *live, size_t i, bool is_whole)
{
	const struct ctl_noun *noun = ctl_noun_at(i);
	struct json_object *workspaces = NULL;
	enum ctl_exit status;

	if (!noun->list) {
		status = ctl_api(ctl, "GET", noun->path, NULL, &live->of[i]);
		if (status == CTL_OK)
			ctl_live_normal(live, noun, live->of[i]);
		return status;
	}
	live->of[i] = json_object_new_array();
	if (noun->home != CTL_HOME_QUERY)
		return read_list(ctl, live, noun, NULL, is_whole, live->of[i]);
	status = ctl_noun_list(ctl, ctl_noun_find("workspace"), NULL, &workspaces);
	for (size_t k = 0; status == CTL_OK && k < ag_json_len(workspaces); k++)
		status = read_list(ctl, live, noun, ctl_json_text(ag_json_at(workspaces, k), "slug"),
		                   is_whole, live->of[i]);
	json_object_put(workspaces);
	return status;
}

/* Invites that wait for an answer; their workspaces by slug. */
static enum ctl_exit
read_invites(struct ctl *ctl, struct ctl_live *live)
{
	struct json_object *all = NULL, *list;
	enum ctl_exit status = ctl_noun_list(ctl, ctl_noun_find("invite"), NULL, &all);

	live->invites = json_object_new_array();
	for (size_t i = 0; status == CTL_OK && i < ag_json_len(all); i++) {
		struct json_object *one = ag_json_at(all, i);

		if (strcmp(ctl_json_text(one, "status"), "pending") != 0)
			continue;
		list = member(one, "workspaces");
		for (size_t k = 0; list && k < ag_json_len(list); k++)
			rename_member(live, ag_json_at(list, k), "workspace_id");
		json_object_array_add(live->invites, json_object_get(one));
	}
	json_object_put(all);
	return status;
}

/* Whoever is invited to a workspace stands among its persons, or a file made of it would not ask them in. */
static void
add_invited(struct ctl_live *live, struct json_object *workspaces)
{
	for (size_t i = 0; i < ag_json_len(live->invites); i++) {
		struct json_object *invite = ag_json_at(live->invites, i);
		struct json_object *list = member(invite, "workspaces");

		for (size_t k = 0; list && k < ag_json_len(list); k++) {
			struct json_object *at = ag_json_at(list, k), *one;

			for (size_t w = 0; w < ag_json_len(workspaces); w++) {
				struct json_object *workspace = ag_json_at(workspaces, w);

				if (strcmp(ctl_json_text(workspace, "slug"), ctl_json_text(at, "workspace_id")) != 0 ||
				    !json_object_is_type(member(workspace, "users"), json_type_array))
					continue;
				one = json_object_new_object();
				json_object_object_add(one, "email", json_object_get(member(invite, "email")));
				json_object_object_add(one, "role", json_object_get(member(at, "role")));
				json_object_array_add(member(workspace, "users"), one);
			}
		}
	}
}

enum ctl_exit
ctl_live_read(struct ctl *ctl, struct json_object *file, struct ctl_live *live)
{
	const struct ctl_noun *noun;
	enum ctl_exit status;

	*live = (struct ctl_live){ .names = json_object_new_object(), .handles = json_object_new_object() };
	status = learn_names(ctl, live);
	for (size_t i = 0; status == CTL_OK && (noun = ctl_noun_at(i)) != NULL; i++)
		if (noun->plural && wants(file, noun->plural))
			status = read_noun(ctl, live, i, !file);
	if (status == CTL_OK && wants(file, "users"))
		status = read_invites(ctl, live);
	for (size_t i = 0; status == CTL_OK && !file && (noun = ctl_noun_at(i)) != NULL; i++)
		if (strcmp(noun->name, "workspace") == 0)
			add_invited(live, live->of[i]);
	return status;
}
