/* plan_subs.c - what is kept below a noun: who may use an integration and what it may call, members of a
 * workspace. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tools/aigatectl/plan.h"
#include "tools/aigatectl/tree.h"

#define LABEL_MAX 600

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

static struct json_object *
find(struct json_object *list, const char *name, const char *value)
{
	for (size_t i = 0; i < ag_json_len(list); i++)
		if (strcmp(ctl_json_text(ag_json_at(list, i), name), value) == 0)
			return ag_json_at(list, i);
	return NULL;
}

static struct json_object *
body_of(const char *name, struct json_object *value)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, name, value);
	return body;
}

static struct json_object *
list_of(struct json_object *one)
{
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, one);
	return list;
}

/* Each is a mapping that holds `identity` and none but `members`. */
static enum ctl_exit
check_list(const struct ctl_plan *plan, struct json_object *item, const char *what, struct json_object *list,
           const char *identity, const char *members)
{
	if (!json_object_is_type(list, json_type_array))
		return ctl_tree_fail(plan->path, item, "%s must be a list", what);
	for (size_t i = 0; i < ag_json_len(list); i++) {
		struct json_object *one = ag_json_at(list, i);

		if (!json_object_is_type(member(one, identity), json_type_string))
			return ctl_tree_fail(plan->path, one ? one : item, "%s: each is a mapping with %s", what, identity);
		ag_json_foreach(one, name, value) {
			(void)value;
			if (!ctl_has_word(members, name, strlen(name)))
				return ctl_tree_fail(plan->path, one, "%s: \"%s\" is not a member; there are: %s", what, name, members);
		}
		if (find(list, identity, ctl_json_text(one, identity)) != one)
			return ctl_tree_fail(plan->path, one, "%s: \"%s\" stands twice", what, ctl_json_text(one, identity));
	}
	return CTL_OK;
}

static void
compare_members(const struct ctl_noun *noun, struct json_object *want, struct json_object *have,
                struct json_object *changes)
{
	ag_json_foreach(want, name, value) {
		(void)value;
		ctl_compare(noun, name, want, have, false, changes);
	}
}

/* ---- grants ---- */

/* Whether the file itself says which provider the grant is to have. */
static bool
names_provider(const struct ctl_plan *plan, const char *integration, const char *workspace)
{
	struct json_object *all = member(plan->file, "providers");

	for (size_t i = 0; i < ag_json_len(all); i++) {
		struct json_object *one = ag_json_at(all, i);

		if (strcmp(ctl_json_text(one, "integration_id"), integration) == 0 &&
		    strcmp(ctl_json_text(one, "workspace_id"), workspace) == 0)
			return true;
	}
	return false;
}

static void
plan_grant(struct ctl_plan *plan, const struct ctl_noun *noun, const char *slug, struct json_object *grant,
           struct json_object *have)
{
	struct json_object *changes = json_object_new_array();
	const char *workspace = ctl_json_text(grant, "id");
	struct ctl_step *step;
	char label[LABEL_MAX];

	if (!member(grant, "enabled"))
		json_object_object_add(grant, "enabled", json_object_new_boolean(1));
	if (have)
		compare_members(noun, grant, have, changes);
	if (have && ag_json_len(changes) == 0) {
		plan->n_same++;
		json_object_put(changes);
		return;
	}
	if (!have && names_provider(plan, slug, workspace))
		json_object_object_add(grant, "create_default_provider", json_object_new_boolean(0));
	snprintf(label, sizeof(label), "grant %.255s -> %.255s", slug, workspace);
	step = ctl_plan_add(plan, have ? CTL_STEP_UPDATE : CTL_STEP_CREATE, noun, label, "PUT",
	                    ctl_path("/v1/integrations/", slug, "/workspaces"),
	                    body_of("workspaces", list_of(json_object_get(grant))));
	step->at = grant;
	json_object_put(step->changes);
	step->changes = changes;
}

static void
prune_grants(struct ctl_plan *plan, const struct ctl_noun *noun, const char *slug, struct json_object *want,
             struct json_object *have)
{
	for (size_t i = 0; i < ag_json_len(have); i++) {
		struct json_object *one = ag_json_at(have, i), *gone;
		const char *workspace = ctl_json_text(one, "id");
		char label[LABEL_MAX];

		if (find(want, "id", workspace) || !json_object_get_boolean(member(one, "enabled")))
			continue;
		gone = body_of("id", json_object_new_string(workspace));
		json_object_object_add(gone, "enabled", json_object_new_boolean(0));
		snprintf(label, sizeof(label), "grant %.255s -> %.255s", slug, workspace);
		ctl_plan_add(plan, CTL_STEP_DELETE, noun, label, "PUT", ctl_path("/v1/integrations/", slug, "/workspaces"),
		             body_of("workspaces", list_of(gone)));
	}
}

static enum ctl_exit
plan_grants(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item, struct json_object *have)
{
	struct json_object *want = member(item, "workspaces"), *standing = member(have, "workspaces");
	const char *slug = ctl_json_text(item, "slug");
	enum ctl_exit status;

	status = check_list(plan, item, "workspaces", want, "id", "id enabled usage_limits rate_limits");
	for (size_t i = 0; status == CTL_OK && i < ag_json_len(want); i++) {
		struct json_object *grant = ag_json_at(want, i);

		plan_grant(plan, noun, slug, grant, find(standing, "id", ctl_json_text(grant, "id")));
	}
	if (status == CTL_OK && plan->is_pruning)
		prune_grants(plan, noun, slug, want, standing);
	return status;
}

static enum ctl_exit
plan_global(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item, struct json_object *have)
{
	struct json_object *want = member(item, "global_workspace_access"), *changes = json_object_new_array();
	const char *slug = ctl_json_text(item, "slug");
	struct ctl_step *step;
	char label[LABEL_MAX];

	if (!ctl_is_nothing(want) && !json_object_is_type(want, json_type_object)) {
		json_object_put(changes);
		return ctl_tree_fail(plan->path, item, "global_workspace_access is a mapping");
	}
	if (!ctl_is_nothing(want))
		compare_members(noun, want, member(have, "global_workspace_access"), changes);
	if (ag_json_len(changes) == 0) {
		json_object_put(changes);
		return CTL_OK;
	}
	snprintf(label, sizeof(label), "grant %.255s -> all workspaces", slug);
	step = ctl_plan_add(plan, CTL_STEP_UPDATE, noun, label, "PUT", ctl_path("/v1/integrations/", slug, "/workspaces"),
	                    body_of("global_workspace_access", json_object_get(want)));
	step->at = item;
	json_object_put(step->changes);
	step->changes = changes;
	return CTL_OK;
}

/* ---- models ---- */

/* Model as a change: {member: "gpt-4o", from, to} */
static void
plan_model(struct json_object *model, struct json_object *have, const struct ctl_noun *noun,
           struct json_object *bodies, struct json_object *changes)
{
	struct json_object *own = json_object_new_array(), *one;

	if (!member(model, "enabled"))
		json_object_object_add(model, "enabled", json_object_new_boolean(1));
	compare_members(noun, model, have, own);
	for (size_t i = 0; i < ag_json_len(own); i++) {
		char name[LABEL_MAX];

		one = ag_json_at(own, i);
		snprintf(name, sizeof(name), "%.255s.%.255s", ctl_json_text(model, "slug"), ctl_json_text(one, "member"));
		json_object_object_add(one, "member", json_object_new_string(name));
		json_object_array_add(changes, json_object_get(one));
	}
	if (ag_json_len(own) > 0)
		json_object_array_add(bodies, json_object_get(model));
	json_object_put(own);
}

static void
prune_models(struct ctl_plan *plan, const struct ctl_noun *noun, const char *slug, struct json_object *want,
             struct json_object *have)
{
	for (size_t i = 0; i < ag_json_len(have); i++) {
		struct json_object *one = ag_json_at(have, i);
		const char *model = ctl_json_text(one, "slug");
		char label[LABEL_MAX];
		struct ag_buf path;

		if (find(want, "slug", model) || !json_object_get_boolean(member(one, "is_custom")))
			continue;
		snprintf(label, sizeof(label), "model %.255s/%.255s", slug, model);
		ag_buf_init(&path, 2000);
		ag_buf_puts(&path, ctl_path("/v1/integrations/", slug, "/models?slugs="));
		ctl_put_segment(&path, model);
		ag_buf_putc(&path, '\0');
		if (!path.failed)
			ctl_plan_add(plan, CTL_STEP_DELETE, noun, label, "DELETE", path.p, NULL);
		ag_buf_fini(&path);
	}
}

static enum ctl_exit
plan_models(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item, struct json_object *have)
{
	struct json_object *want = member(item, "models"), *all = member(item, "allow_all_models");
	struct json_object *changes = json_object_new_array(), *bodies = json_object_new_array(), *body;
	const char *slug = ctl_json_text(item, "slug");
	enum ctl_exit status = CTL_OK;
	struct ctl_step *step;
	char label[LABEL_MAX];

	if (want)
		status = check_list(plan, item, "models", want, "slug",
		                    "slug enabled is_custom is_finetune base_model_slug pricing_config");
	for (size_t i = 0; status == CTL_OK && i < ag_json_len(want); i++) {
		struct json_object *model = ag_json_at(want, i);

		plan_model(model, find(member(have, "models"), "slug", ctl_json_text(model, "slug")), noun, bodies, changes);
	}
	if (all && (have || !json_object_get_boolean(all)))
		ctl_compare(noun, "allow_all_models", item, have, false, changes);
	if (status == CTL_OK && ag_json_len(changes) > 0) {
		body = body_of("models", json_object_get(bodies));
		if (all)
			json_object_object_add(body, "allow_all_models", json_object_get(all));
		snprintf(label, sizeof(label), "models of %.255s", slug);
		step = ctl_plan_add(plan, have ? CTL_STEP_UPDATE : CTL_STEP_CREATE, noun, label, "PUT",
		                    ctl_path("/v1/integrations/", slug, "/models"), body);
		step->at = item;
		json_object_put(step->changes);
		step->changes = json_object_get(changes);
	}
	json_object_put(changes);
	json_object_put(bodies);
	if (status == CTL_OK && plan->is_pruning && want)
		prune_models(plan, noun, slug, want, member(have, "models"));
	return status;
}

/* ---- members ---- */

static enum ctl_exit
plan_member(struct ctl_plan *plan, const char *slug, struct json_object *one, struct json_object *have)
{
	const struct ctl_noun *noun = ctl_noun_find("member");
	const char *email = ctl_json_text(one, "email"), *id = ctl_live_user(&plan->live, email);
	const char *role = member(one, "role") ? ctl_json_text(one, "role") : "member";
	struct json_object *body, *change;
	struct ctl_step *step;
	char label[LABEL_MAX];

	/* The invite says it, and holds when it is accepted. */
	if (!id && ctl_plan_has_user(plan, email))
		return CTL_OK;
	if (!id)
		return ctl_tree_fail(plan->path, one, "users: nobody in the organisation has the address \"%s\"; name them "
		                     "among the file's users too, and they are invited", email);
	have = find(have, "id", id);
	if (have && strcmp(ctl_json_text(have, "role"), role) == 0) {
		plan->n_same++;
		return CTL_OK;
	}
	body = body_of("role", json_object_new_string(role));
	snprintf(label, sizeof(label), "member %.255s/%.255s", slug, email);
	if (have) {
		step = ctl_plan_add(plan, CTL_STEP_UPDATE, noun, label, "PUT", ctl_noun_path(noun, slug, id), body);
		change = body_of("member", json_object_new_string("role"));
		json_object_object_add(change, "from", json_object_get(member(have, "role")));
		json_object_object_add(change, "to", json_object_new_string(role));
		json_object_array_add(step->changes, change);
	} else {
		json_object_object_add(body, "id", json_object_new_string(id));
		step = ctl_plan_add(plan, CTL_STEP_CREATE, noun, label, "POST", ctl_noun_path(noun, slug, NULL),
		                    body_of("users", list_of(body)));
	}
	step->at = one;
	return CTL_OK;
}

static enum ctl_exit
plan_members(struct ctl_plan *plan, struct json_object *item, struct json_object *have)
{
	const struct ctl_noun *noun = ctl_noun_find("member");
	struct json_object *want = member(item, "users"), *standing = member(have, "users");
	const char *slug = ctl_json_text(item, "slug");
	enum ctl_exit status = check_list(plan, item, "users", want, "email", "email role");

	for (size_t i = 0; status == CTL_OK && i < ag_json_len(want); i++)
		status = plan_member(plan, slug, ag_json_at(want, i), standing);
	for (size_t i = 0; status == CTL_OK && plan->is_pruning && standing &&
	    i < ag_json_len(standing); i++) {
		struct json_object *one = ag_json_at(standing, i);
		char label[LABEL_MAX];
		bool is_wanted = false;

		for (size_t k = 0; k < ag_json_len(want); k++)
			is_wanted = is_wanted || strcasecmp(ctl_json_text(ag_json_at(want, k), "email"),
			                                    ctl_json_text(one, "email")) == 0;
		snprintf(label, sizeof(label), "member %.255s/%.255s", slug, ctl_json_text(one, "email"));
		if (!is_wanted)
			ctl_plan_add(plan, CTL_STEP_DELETE, noun, label, "DELETE",
			             ctl_noun_path(noun, slug, ctl_json_text(one, "id")), NULL);
	}
	return status;
}

enum ctl_exit
ctl_plan_subs(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *want, struct json_object *have)
{
	enum ctl_exit status = CTL_OK;

	if (strcmp(noun->name, "workspace") == 0 && member(want, "users"))
		return plan_members(plan, want, have);
	if (strcmp(noun->name, "integration") != 0)
		return CTL_OK;
	if (have)
		status = ctl_live_subs(plan->ctl, &plan->live, noun, have, want);
	if (status == CTL_OK && (member(want, "models") || member(want, "allow_all_models")))
		status = plan_models(plan, noun, want, have);
	if (status == CTL_OK && member(want, "global_workspace_access"))
		status = plan_global(plan, noun, want, have);
	if (status == CTL_OK && member(want, "workspaces"))
		status = plan_grants(plan, noun, want, have);
	return status;
}
