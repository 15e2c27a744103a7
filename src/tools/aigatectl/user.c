/* user.c - user invite, list, role, remove. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aigatectl/noun.h"

static const struct ctl_column columns[] = {
	{ "id", "id", NULL },
	{ "email", "email", NULL },
	{ "role", "role", NULL },
	{ "first name", "first_name", NULL },
	{ "last name", "last_name", NULL },
	{ "since", "created_at", NULL },
};

static const struct ctl_column invite_columns[] = {
	{ "id", "id", NULL },
	{ "link", "invite_link", NULL },
};

/* "slug" or "slug:role" as the API wants it. */
static struct json_object *
workspace_new(const char *text)
{
	const char *colon = strchr(text, ':');
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "id", json_object_new_string_len(text,
	                       (int)(colon ? (size_t)(colon - text) : strlen(text))));
	json_object_object_add(one, "role", json_object_new_string(colon ? colon + 1 : "member"));
	return one;
}

enum ctl_exit
ctl_user_invite(struct ctl *ctl, int argc, char **argv)
{
	const char *role = "member";
	struct ctl_list words = { .n = 0 }, workspaces = { .n = 0 };
	const struct ctl_opt opts[] = { { "role", CTL_OPT_TEXT, &role },
		                            { "workspace", CTL_OPT_LIST, &workspaces },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body, *list, *answer = NULL;

	if (status != CTL_OK)
		return status;
	if (words.n != 1)
		return ctl_fail(CTL_USAGE, "whom?  Give an e-mail address");
	body = json_object_new_object();
	list = json_object_new_array();
	json_object_object_add(body, "email", json_object_new_string(words.v[0]));
	json_object_object_add(body, "role", json_object_new_string(role));
	for (unsigned i = 0; i < workspaces.n; i++)
		json_object_array_add(list, workspace_new(workspaces.v[i]));
	json_object_object_add(body, "workspaces", list);
	status = ctl_api(ctl, "POST", "/v1/admin/users/invites", body, &answer);
	if (status == CTL_OK) {
		ctl_print_one(ctl, answer, invite_columns, AG_ARRAY_LEN(invite_columns));
		ctl_say("give them the link: what stands behind the # is told only now");
	}
	json_object_put(body);
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_user_list(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0);

	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", "/v1/admin/users?page_size=1000", NULL, &answer);
	if (status == CTL_OK)
		ctl_print_list(ctl, answer, ctl_json_at(answer, "data"), columns, AG_ARRAY_LEN(columns));
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_user_role(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 2);
	struct json_object *body;
	char *id = NULL;

	if (status == CTL_OK && words.n != 2)
		status = ctl_fail(CTL_USAGE, "whose role, and which?  Give an e-mail address or an id, and admin or member");
	if (status == CTL_OK)
		status = ctl_noun_handle(ctl, ctl_noun_find("user"), NULL, words.v[0], &id);
	if (status != CTL_OK)
		return status;
	body = json_object_new_object();
	json_object_object_add(body, "role", json_object_new_string(words.v[1]));
	status = ctl_api(ctl, "PUT", ctl_path("/v1/admin/users/", id, ""), body, NULL);
	json_object_put(body);
	free(id);
	return status;
}

enum ctl_exit
ctl_user_remove(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	char *id = NULL;

	if (status == CTL_OK && words.n != 1)
		status = ctl_fail(CTL_USAGE, "which user?  Give the e-mail address or the id");
	if (status == CTL_OK)
		status = ctl_noun_handle(ctl, ctl_noun_find("user"), NULL, words.v[0], &id);
	if (status == CTL_OK)
		status = ctl_api(ctl, "DELETE", ctl_path("/v1/admin/users/", id, ""), NULL, NULL);
	free(id);
	if (status == CTL_OK)
		ctl_say("user %s is removed; the user's keys work no more", words.v[0]);
	return status;
}
