/* plan_users.c - persons of the organisation: who is there has a role, who is not is invited.
 *
 * Nobody becomes a user by a file: an invite waits until it is accepted, and is what stands meanwhile.  It
 * carries the workspaces whose `users` name the person, so that membership needs no second run. */
#include <json-c/json.h>
#include <string.h>

#include "base/json.h"
#include "tools/aigatectl/plan.h"
#include "tools/aigatectl/tree.h"

#define LABEL_MAX 600
#define INVITES   "/v1/admin/users/invites"

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

/* By address, whatever the case of its letters. */
static struct json_object *
find(struct json_object *list, const char *email)
{
	for (size_t i = 0; i < ag_json_len(list); i++)
		if (strcasecmp(ctl_json_text(ag_json_at(list, i), "email"), email) == 0)
			return ag_json_at(list, i);
	return NULL;
}

bool
ctl_plan_has_user(const struct ctl_plan *plan, const char *email)
{
	return find(member(plan->file, "users"), email) != NULL;
}

/* What the file's workspaces say of a person, as an invite has it. */
static struct json_object *
workspaces_of(const struct ctl_plan *plan, const char *email)
{
	struct json_object *all = member(plan->file, "workspaces"), *list = json_object_new_array();

	for (size_t i = 0; i < ag_json_len(all); i++) {
		struct json_object *workspace = ag_json_at(all, i), *one;
		struct json_object *said = find(member(workspace, "users"), email);
		const char *role = ctl_json_text(said, "role");

		if (!said)
			continue;
		one = json_object_new_object();
		json_object_object_add(one, "id", json_object_new_string(ctl_json_text(workspace, "slug")));
		json_object_object_add(one, "role", json_object_new_string(role[0] ? role : "member"));
		json_object_array_add(list, one);
	}
	return list;
}

static const char *
role_of(struct json_object *item)
{
	const char *role = ctl_json_text(item, "role");

	return role[0] ? role : "member";
}

static void
note(struct ctl_step *step, const char *name, struct json_object *from, struct json_object *to)
{
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "member", json_object_new_string(name));
	json_object_object_add(one, "from", json_object_get(from));
	json_object_object_add(one, "to", json_object_get(to));
	json_object_array_add(step->changes, one);
}

static void
plan_role(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item, struct json_object *have)
{
	struct json_object *body;
	struct ctl_step *step;
	char label[LABEL_MAX];

	if (strcmp(role_of(item), ctl_json_text(have, "role")) == 0) {
		plan->n_same++;
		return;
	}
	body = json_object_new_object();
	json_object_object_add(body, "role", json_object_new_string(role_of(item)));
	snprintf(label, sizeof(label), "user %.255s", ctl_json_text(item, "email"));
	step = ctl_plan_add(plan, CTL_STEP_UPDATE, noun, label, "PUT", ctl_noun_path(noun, NULL, ctl_json_text(have, "id")),
	                    body);
	note(step, "role", member(have, "role"), member(body, "role"));
	step->at = item;
}

/* Slugs and roles; an invite tells its workspaces by what live.c made of their ids. */
static bool
same_workspaces(struct json_object *want, struct json_object *have)
{
	if (ag_json_len(want) != ag_json_len(have))
		return false;
	for (size_t i = 0; i < ag_json_len(want); i++) {
		struct json_object *one = ag_json_at(want, i);
		bool is_there = false;

		for (size_t k = 0; k < ag_json_len(have) && !is_there; k++) {
			struct json_object *other = ag_json_at(have, k);

			is_there = strcmp(ctl_json_text(one, "id"), ctl_json_text(other, "workspace_id")) == 0 &&
			           strcmp(ctl_json_text(one, "role"), ctl_json_text(other, "role")) == 0;
		}
		if (!is_there)
			return false;
	}
	return true;
}

/* An invite that says something else is cancelled for a new one: its link changes with it. */
static void
plan_invite(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item, struct json_object *have)
{
	const char *email = ctl_json_text(item, "email");
	struct json_object *body = json_object_new_object(), *workspaces = workspaces_of(plan, email);
	bool is_role_same = have && strcmp(role_of(item), ctl_json_text(have, "role")) == 0;
	bool is_home_same = have && (!member(plan->file, "workspaces") ||
	                             same_workspaces(workspaces, member(have, "workspaces")));
	struct ctl_step *step;
	char label[LABEL_MAX];

	json_object_object_add(body, "email", json_object_new_string(email));
	json_object_object_add(body, "role", json_object_new_string(role_of(item)));
	json_object_object_add(body, "workspaces", workspaces);
	if (is_role_same && is_home_same) {
		plan->n_same++;
		json_object_put(body);
		return;
	}
	snprintf(label, sizeof(label), "invite %.255s", email);
	if (have) {
		step = ctl_plan_add(plan, CTL_STEP_UPDATE, noun, label, "DELETE",
		                    ctl_path(INVITES "/", ctl_json_text(have, "id"), ""), NULL);
		if (!is_role_same)
			note(step, "role", member(have, "role"), member(body, "role"));
		if (!is_home_same)
			note(step, "workspaces", member(have, "workspaces"), workspaces);
		step->at = item;
	}
	step = ctl_plan_add(plan, CTL_STEP_CREATE, noun, label, "POST", INVITES, body);
	step->at = item;
}

static enum ctl_exit
check_item(const struct ctl_plan *plan, struct json_object *said, struct json_object *item)
{
	const char *email = ctl_json_text(item, "email");

	if (!json_object_is_type(item, json_type_object))
		return ctl_tree_fail(plan->path, item, "each of users is a mapping");
	ag_json_foreach(item, name, value) {
		(void)value;
		if (strcmp(name, "email") != 0 && strcmp(name, "role") != 0)
			return ctl_tree_fail(plan->path, item, "users: \"%s\" is not a member of user; there are: email role", name);
	}
	if (!email[0])
		return ctl_tree_fail(plan->path, item, "users: email is missing, and must be text");
	if (find(said, email) != item)
		return ctl_tree_fail(plan->path, item, "user %s stands twice in the file", email);
	return CTL_OK;
}

/* Owners are made and unmade by other means. */
static void
prune(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *users, struct json_object *said)
{
	for (size_t i = 0; i < ag_json_len(users) + ag_json_len(plan->live.invites); i++) {
		bool is_user = i < ag_json_len(users);
		struct json_object *one = is_user ? ag_json_at(users, i)
		    : ag_json_at(plan->live.invites, i - ag_json_len(users));
		const char *email = ctl_json_text(one, "email"), *id = ctl_json_text(one, "id");
		char label[LABEL_MAX];

		if (find(said, email) || strcmp(ctl_json_text(one, "role"), "owner") == 0)
			continue;
		snprintf(label, sizeof(label), "%s %.255s", is_user ? "user" : "invite", email);
		ctl_plan_add(plan, CTL_STEP_DELETE, noun, label, "DELETE",
		             is_user ? ctl_noun_path(noun, NULL, id) : ctl_path(INVITES "/", id, ""), NULL);
	}
}

enum ctl_exit
ctl_plan_users(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *users, struct json_object *said)
{
	enum ctl_exit status = CTL_OK;

	if (!json_object_is_type(said, json_type_array))
		return ctl_tree_fail(plan->path, said, "users must be a list");
	for (size_t i = 0; status == CTL_OK && i < ag_json_len(said); i++) {
		struct json_object *item = ag_json_at(said, i), *have;

		status = check_item(plan, said, item);
		if (status != CTL_OK)
			break;
		have = find(users, ctl_json_text(item, "email"));
		if (have)
			plan_role(plan, noun, item, have);
		else
			plan_invite(plan, noun, item, find(plan->live.invites, ctl_json_text(item, "email")));
	}
	if (status == CTL_OK && plan->is_pruning)
		prune(plan, noun, users, said);
	return status;
}
