/* plan.c - the steps from what stands to what a file says. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tools/aigatectl/plan.h"
#include "tools/aigatectl/tree.h"

#define LABEL_MAX 600
#define WANTED    " wanted" /* member of what stands and is named by the file */

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

static char *
copy(const char *text)
{
	char *s = strdup(text);

	if (!s)
		abort();
	return s;
}

struct ctl_step *
ctl_plan_add(struct ctl_plan *plan, enum ctl_step_op op, const struct ctl_noun *noun, const char *label,
             const char *method, const char *path, struct json_object *body)
{
	struct ctl_step *step;

	if (plan->n == plan->cap) {
		size_t cap = plan->cap ? plan->cap * 2 : 64;
		struct ctl_step *v = reallocarray(plan->v, cap, sizeof(*v));

		if (!v)
			abort();
		plan->v = v;
		plan->cap = cap;
	}
	step = &plan->v[plan->n++];
	*step = (struct ctl_step){ .op = op, .noun = noun, .label = copy(label), .method = method,
		.path = copy(path), .body = body, .changes = json_object_new_array(), .workspace = copy("") };
	return step;
}

void
ctl_plan_fini(struct ctl_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct ctl_step *step = &plan->v[i];

		free(step->label);
		free(step->path);
		free(step->workspace);
		ctl_tree_wipe(step->body);
		json_object_put(step->body);
		json_object_put(step->changes);
	}
	free(plan->v);
	json_object_put(plan->late);
	ctl_tree_wipe(plan->file);
	json_object_put(plan->file);
	ctl_live_fini(&plan->live);
}

static void
set_workspace(struct ctl_step *step, const char *workspace)
{
	free(step->workspace);
	step->workspace = copy(workspace);
}

/* The workspace names in it are looked up in: its own, or itself. */
static const char *
home_of(const struct ctl_noun *noun, struct json_object *o)
{
	return ctl_json_text(o, strcmp(noun->name, "workspace") == 0 ? "slug" : "workspace_id");
}

static void
label_of(const struct ctl_noun *noun, struct json_object *o, char out[LABEL_MAX])
{
	const char *home = noun->home == CTL_HOME_ORG ? "" : ctl_json_text(o, "workspace_id");

	if (!noun->list)
		snprintf(out, LABEL_MAX, "%s", noun->name);
	else
		snprintf(out, LABEL_MAX, "%s %.255s%s%.255s", noun->name, home, home[0] ? "/" : "",
		         ctl_json_text(o, noun->identity));
}

/* ---- what the file says ---- */

static enum ctl_exit
check_members(const struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item)
{
	if (!json_object_is_type(item, json_type_object))
		return ctl_tree_fail(plan->path, item, "each of %s is a mapping", noun->plural);
	ag_json_foreach(item, name, value) {
		(void)value;
		if (!ctl_has_word(noun->members, name, strlen(name)))
			return ctl_tree_fail(plan->path, item, "%s: \"%s\" is not a member of %s; there are: %s",
			                     noun->plural, name, noun->name, noun->members);
	}
	if (noun->list && !json_object_is_type(member(item, noun->identity), json_type_string))
		return ctl_tree_fail(plan->path, item, "%s: %s is missing, and must be text", noun->plural, noun->identity);
	if ((noun->home == CTL_HOME_WORKSPACE || noun->home == CTL_HOME_QUERY) && !member(item, "workspace_id"))
		return ctl_tree_fail(plan->path, item, "%s %s: workspace_id is missing", noun->name,
		                     ctl_json_text(item, noun->identity));
	return CTL_OK;
}

static bool
is_same_one(const struct ctl_noun *noun, struct json_object *a, struct json_object *b)
{
	const char *id = ctl_json_text(a, "id");

	if (id[0] && strcmp(noun->name, "key") == 0)
		return strcmp(id, ctl_json_text(b, "id")) == 0;
	return strcmp(ctl_json_text(a, noun->identity), ctl_json_text(b, noun->identity)) == 0 &&
	       (noun->home == CTL_HOME_ORG ||
	        strcmp(ctl_json_text(a, "workspace_id"), ctl_json_text(b, "workspace_id")) == 0);
}

static enum ctl_exit
find(const struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *all, struct json_object *item,
     struct json_object **out)
{
	char label[LABEL_MAX];

	label_of(noun, item, label);
	*out = NULL;
	for (size_t i = 0; i < ag_json_len(all); i++) {
		struct json_object *one = ag_json_at(all, i);

		if (!is_same_one(noun, item, one))
			continue;
		if (*out)
			return ctl_tree_fail(plan->path, item, "%s: there are several of that name; tell which by its id", label);
		*out = one;
	}
	if (!*out && ctl_json_text(item, "id")[0])
		return ctl_tree_fail(plan->path, item, "%s: there is none with that id", label);
	if (*out && member(*out, WANTED))
		return ctl_tree_fail(plan->path, item, "%s stands twice in the file", label);
	if (*out)
		json_object_object_add(*out, WANTED, json_object_new_boolean(1));
	return CTL_OK;
}

/* New ones twice in the file. */
static enum ctl_exit
check_twins(const struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *list, size_t n)
{
	struct json_object *item = ag_json_at(list, n);
	char label[LABEL_MAX];

	for (size_t i = 0; i < n; i++) {
		struct json_object *other = ag_json_at(list, i);

		if (!ctl_json_text(other, "id")[0] && !ctl_json_text(item, "id")[0] && is_same_one(noun, item, other)) {
			label_of(noun, item, label);
			return ctl_tree_fail(plan->path, item, "%s stands twice in the file", label);
		}
	}
	return CTL_OK;
}

/* Defaults of a workspace that name what is made after it wait for the end. */
static void
put_off(struct ctl_plan *plan, struct json_object *item)
{
	static const char *const names[] = { "input_guardrails", "config_id", "config_slug", "user_api_key_config" };
	struct json_object *defaults = member(item, "defaults"), *late = json_object_new_object(), *pair, *value;

	for (size_t i = 0; defaults && i < AG_ARRAY_LEN(names); i++) {
		if (!json_object_object_get_ex(defaults, names[i], &value))
			continue;
		json_object_object_add(late, names[i], json_object_get(value));
		json_object_object_del(defaults, names[i]);
	}
	if (ag_json_members(late) == 0) {
		json_object_put(late);
		return;
	}
	pair = json_object_new_array();
	json_object_array_add(pair, json_object_get(item));
	json_object_array_add(pair, late);
	json_object_array_add(plan->late, pair);
}

/* ---- steps ---- */

static struct json_object *
body_of_new(const struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item)
{
	struct json_object *body = json_object_new_object(), *scopes;

	ag_json_foreach(item, name, value) {
		if (!ctl_has_word(noun->subs, name, strlen(name)))
			json_object_object_add(body, name, json_object_get(value));
	}
	if (!member(body, "name"))
		json_object_object_add(body, "name", json_object_new_string(ctl_json_text(item, noun->identity)));
	if (strcmp(noun->name, "guardrail") == 0 && !member(body, "workspace_id"))
		json_object_object_add(body, "organisation_id", json_object_new_string(plan->live.organisation_id));
	if (strcmp(noun->name, "key") == 0 && !member(body, "scopes")) {
		scopes = json_object_new_array();
		json_object_array_add(scopes, json_object_new_string("completions.write"));
		json_object_object_add(body, "scopes", scopes);
	}
	return body;
}

static void
plan_new(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item)
{
	const char *path = noun->make ? noun->make : noun->path;
	struct ctl_step *step;
	char label[LABEL_MAX];

	if (strcmp(noun->name, "key") == 0 && member(item, "user_id"))
		path = "/v1/api-keys/workspace/user";
	label_of(noun, item, label);
	step = ctl_plan_add(plan, CTL_STEP_CREATE, noun, label, "POST", path, body_of_new(plan, noun, item));
	step->at = item;
	step->has_name = true;
	set_workspace(step, home_of(noun, item));
}

/* Changes of all members the file names, and a body of those that differ. */
static enum ctl_exit
compare_all(const struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item,
            struct json_object *have, struct json_object *changes, struct json_object *body)
{
	char label[LABEL_MAX];

	ag_json_foreach(item, name, value) {
		size_t n = strlen(name), before = ag_json_len(changes);

		if (ctl_has_word(noun->subs, name, n))
			continue;
		ctl_compare(noun, name, item, have, plan->resends_secrets, changes);
		if (ag_json_len(changes) == before)
			continue;
		if (ctl_has_word(noun->fixed, name, n)) {
			label_of(noun, item, label);
			return ctl_tree_fail(plan->path, item, "%s: %s cannot be changed, it is \"%s\"", label, name,
			                     ctl_json_text(have, name));
		}
		json_object_object_add(body, name, json_object_get(value));
	}
	return CTL_OK;
}

/* The version the change is meant for is read again, so that what others change meanwhile is not undone. */
static enum ctl_exit
plan_change(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *item, struct json_object *have)
{
	struct json_object *changes = json_object_new_array(), *body = json_object_new_object(), *now = NULL;
	enum ctl_exit status = compare_all(plan, noun, item, have, changes, body);
	struct ctl_step *step;
	char label[LABEL_MAX], etag[CTL_ETAG_MAX] = "";
	char *path;

	json_object_put(body);
	if (status != CTL_OK || ag_json_len(changes) == 0) {
		json_object_put(changes);
		plan->n_same += status == CTL_OK;
		return status;
	}
	json_object_put(changes);
	path = copy(noun->list ? ctl_noun_path(noun, ctl_json_text(have, "workspace_id"), ctl_json_text(have, noun->handle))
	                       : noun->path);
	status = ctl_api_if(plan->ctl, "GET", path, NULL, NULL, etag, &now);
	changes = json_object_new_array();
	body = json_object_new_object();
	if (status == CTL_OK) {
		ctl_live_normal(&plan->live, noun, now);
		status = compare_all(plan, noun, item, now, changes, body);
	}
	if (status == CTL_OK && ag_json_len(changes) > 0) {
		label_of(noun, item, label);
		step = ctl_plan_add(plan, CTL_STEP_UPDATE, noun, label, "PUT", path, json_object_get(body));
		step->at = item;
		memcpy(step->etag, etag, sizeof(etag));
		set_workspace(step, home_of(noun, item));
		json_object_put(step->changes);
		step->changes = json_object_get(changes);
	}
	free(path);
	json_object_put(changes);
	json_object_put(body);
	json_object_put(now);
	return status;
}

static enum ctl_exit
plan_item(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *all, struct json_object *item)
{
	struct json_object *have = all;
	enum ctl_exit status = CTL_OK;

	if (noun->list)
		status = find(plan, noun, all, item, &have);
	if (status != CTL_OK)
		return status;
	if (have)
		status = plan_change(plan, noun, item, have);
	else
		plan_new(plan, noun, item);
	return status == CTL_OK ? ctl_plan_subs(plan, noun, item, have) : status;
}

static enum ctl_exit
plan_noun(struct ctl_plan *plan, size_t i)
{
	const struct ctl_noun *noun = ctl_noun_at(i);
	struct json_object *said = member(plan->file, noun->plural);
	enum ctl_exit status = CTL_OK;

	if (!said)
		return CTL_OK;
	if (strcmp(noun->name, "user") == 0)
		return ctl_plan_users(plan, noun, plan->live.of[i], said);
	if (!noun->list) {
		status = check_members(plan, noun, said);
		if (status == CTL_OK)
			ctl_live_normal(&plan->live, noun, said);
		return status == CTL_OK ? plan_item(plan, noun, plan->live.of[i], said) : status;
	}
	if (!json_object_is_type(said, json_type_array))
		return ctl_tree_fail(plan->path, said, "%s must be a list", noun->plural);
	for (size_t k = 0; status == CTL_OK && k < ag_json_len(said); k++) {
		struct json_object *item = ag_json_at(said, k);

		status = check_members(plan, noun, item);
		if (status == CTL_OK) {
			ctl_live_normal(&plan->live, noun, item);
			if (strcmp(noun->name, "workspace") == 0)
				put_off(plan, item);
			status = check_twins(plan, noun, said, k);
		}
		if (status == CTL_OK)
			status = plan_item(plan, noun, plan->live.of[i], item);
	}
	return status;
}

static enum ctl_exit
plan_late(struct ctl_plan *plan, struct json_object *item, struct json_object *late)
{
	const struct ctl_noun *noun = ctl_noun_find("workspace");
	struct json_object *have = NULL, *changes = json_object_new_array(), *want, *all = NULL;
	struct ctl_step *step;
	char label[LABEL_MAX];

	for (size_t i = 0; ctl_noun_at(i); i++)
		if (ctl_noun_at(i) == noun)
			all = plan->live.of[i];
	for (size_t i = 0; i < ag_json_len(all); i++)
		if (is_same_one(noun, item, ag_json_at(all, i)))
			have = ag_json_at(all, i);
	want = json_object_new_object();
	json_object_object_add(want, "defaults", json_object_get(late));
	/* Where nothing stands yet, all of it is new: an empty object, so that each member is told. */
	ctl_compare(noun, "defaults", want, have, false, changes);
	if (ag_json_len(changes) > 0) {
		label_of(noun, item, label);
		step = ctl_plan_add(plan, CTL_STEP_UPDATE, noun, label, "PUT",
		                    ctl_noun_path(noun, NULL, ctl_json_text(item, "slug")), json_object_get(want));
		step->at = item;
		set_workspace(step, ctl_json_text(item, "slug"));
		json_object_put(step->changes);
		step->changes = json_object_get(changes);
	}
	json_object_put(want);
	json_object_put(changes);
	return CTL_OK;
}

/* What the file's kinds do not name, what others stand on last. */
static void
plan_pruning(struct ctl_plan *plan)
{
	size_t n = 0;

	while (ctl_noun_at(n))
		n++;
	while (n-- > 0) {
		const struct ctl_noun *noun = ctl_noun_at(n);
		struct json_object *all = plan->live.of[n];

		if (!noun->plural || !noun->list || !member(plan->file, noun->plural) || strcmp(noun->name, "user") == 0)
			continue;
		for (size_t i = 0; i < ag_json_len(all); i++) {
			struct json_object *one = ag_json_at(all, i), *body = NULL;
			char label[LABEL_MAX];

			if (member(one, WANTED))
				continue;
			if (strcmp(noun->name, "workspace") == 0) {
				body = json_object_new_object();
				json_object_object_add(body, "name", json_object_get(member(one, "name")));
				json_object_object_add(body, "force_delete", json_object_new_boolean(1));
			}
			label_of(noun, one, label);
			ctl_plan_add(plan, CTL_STEP_DELETE, noun, label, "DELETE",
			             ctl_noun_path(noun, ctl_json_text(one, "workspace_id"), ctl_json_text(one, noun->handle)),
			             body);
		}
	}
}

/* Members of the file that are no noun. */
static enum ctl_exit
check_kinds(const struct ctl_plan *plan)
{
	ag_json_foreach(plan->file, name, value) {
		bool is_known = false;

		for (size_t i = 0; ctl_noun_at(i); i++)
			is_known = is_known || (ctl_noun_at(i)->plural && strcmp(ctl_noun_at(i)->plural, name) == 0);
		if (!is_known)
			return ctl_tree_fail(plan->path, value, "\"%s\" is none of the kinds a file may hold", name);
	}
	return CTL_OK;
}

enum ctl_exit
ctl_plan_make(struct ctl_plan *plan)
{
	enum ctl_exit status = check_kinds(plan);

	plan->late = json_object_new_array();
	if (status == CTL_OK)
		status = ctl_live_read(plan->ctl, plan->file, &plan->live);
	for (size_t i = 0; status == CTL_OK && ctl_noun_at(i); i++)
		if (ctl_noun_at(i)->plural)
			status = plan_noun(plan, i);
	for (size_t i = 0; status == CTL_OK && i < ag_json_len(plan->late); i++) {
		struct json_object *pair = ag_json_at(plan->late, i);

		status = plan_late(plan, ag_json_at(pair, 0), ag_json_at(pair, 1));
	}
	if (status == CTL_OK && plan->is_pruning)
		plan_pruning(plan);
	return status;
}
