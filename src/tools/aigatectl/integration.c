/* integration.c - integration create, list, show, grant, models. */
#include <json-c/json.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "tools/aigatectl/ctl.h"

#define KEY_FILE_MAX 65536

static const struct ctl_column columns[] = {
	{ "slug", "slug", NULL },
	{ "name", "name", NULL },
	{ "family", "ai_provider_id", NULL },
	{ "status", "status", NULL },
	{ "created", "created_at", NULL },
	{ "key", "masked_key", NULL },
	{ "all models", "allow_all_models", NULL },
	{ "workspaces", "workspace_count", NULL },
	{ "configurations", "configurations", NULL },
};
#define LIST_COLUMNS 5

static const struct ctl_column model_columns[] = {
	{ "model", "slug", NULL },
	{ "enabled", "enabled", NULL },
	{ "custom", "is_custom", NULL },
	{ "base", "base_model_slug", NULL },
	{ "pricing", "pricing_config", NULL },
};

/* The credential comes from a file or standard input: a command line is for all to see. */
static enum ctl_exit
add_key(const char *path, struct json_object *body)
{
	struct ag_err err = { "" };
	enum ctl_exit status = CTL_OK;
	struct ag_buf b;
	struct ag_str key;

	if (!path)
		return CTL_OK;
	ag_buf_init(&b, KEY_FILE_MAX);
	if (ag_file_slurp(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &b, &err) < 0)
		status = ctl_fail(CTL_BAD_FILE, "%s", err.text);
	key = ag_buf_str(&b);
	while (key.n > 0 && (key.p[key.n - 1] == '\n' || key.p[key.n - 1] == '\r'))
		key.n--;
	if (status == CTL_OK && key.n == 0)
		status = ctl_fail(CTL_BAD_FILE, "no key in %s", path);
	if (status == CTL_OK)
		json_object_object_add(body, "key", json_object_new_string_len(key.p, (int)key.n));
	ag_buf_wipe(&b);
	return status;
}

enum ctl_exit
ctl_integration_create(struct ctl *ctl, int argc, char **argv)
{
	const char *family = NULL, *name = NULL, *key_file = NULL, *host = NULL, *workspace = NULL;
	struct ctl_list words = { .n = 0 }, config = { .n = 0 };
	const struct ctl_opt opts[] = { { "family", CTL_OPT_TEXT, &family },
		                            { "name", CTL_OPT_TEXT, &name },
		                            { "key-file", CTL_OPT_TEXT, &key_file },
		                            { "custom-host", CTL_OPT_TEXT, &host },
		                            { "workspace", CTL_OPT_TEXT, &workspace },
		                            { "config", CTL_OPT_LIST, &config },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body, *settings = NULL, *answer = NULL;

	if (status != CTL_OK)
		return status;
	if (words.n != 1 || !family)
		return ctl_fail(CTL_USAGE, "an integration needs a slug and a --family");
	body = json_object_new_object();
	json_object_object_add(body, "slug", json_object_new_string(words.v[0]));
	json_object_object_add(body, "name", json_object_new_string(name ? name : words.v[0]));
	json_object_object_add(body, "ai_provider_id", json_object_new_string(family));
	if (workspace)
		json_object_object_add(body, "workspace_id", json_object_new_string(workspace));
	status = ctl_metadata(&config, &settings);
	if (status == CTL_OK) {
		if (host)
			json_object_object_add(settings, "custom_host", json_object_new_string(host));
		if (ag_json_members(settings) > 0)
			json_object_object_add(body, "configurations", json_object_get(settings));
		json_object_put(settings);
		status = add_key(key_file, body);
	}
	if (status == CTL_OK)
		status = ctl_api(ctl, "POST", "/v1/integrations", body, &answer);
	if (status == CTL_OK && ctl->output != CTL_OUT_TABLE)
		ctl_print_tree(ctl, answer);
	else if (status == CTL_OK)
		printf("integration %s\n", ctl_json_text(answer, "slug"));
	json_object_put(body);
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_integration_list(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0);

	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", "/v1/integrations?page_size=1000", NULL, &answer);
	if (status == CTL_OK)
		ctl_print_list(ctl, answer, ctl_json_at(answer, "data"), columns, LIST_COLUMNS);
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_integration_show(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status == CTL_OK && words.n != 1)
		status = ctl_fail(CTL_USAGE, "which integration?");
	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", ctl_path("/v1/integrations/", words.v[0], ""), NULL,
		                 &answer);
	if (status == CTL_OK)
		ctl_print_one(ctl, answer, columns, AG_ARRAY_LEN(columns));
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_integration_grant(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 }, workspaces = { .n = 0 };
	struct ctl_limit_opts limits = { .budget = NULL };
	bool is_revoked = false;
	const struct ctl_opt opts[] = { { "workspace", CTL_OPT_LIST, &workspaces },
		                            { "revoke", CTL_OPT_FLAG, &is_revoked },
		                            CTL_LIMIT_OPTS(limits),
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body, *array;

	if (status != CTL_OK)
		return status;
	if (words.n != 1 || workspaces.n == 0)
		return ctl_fail(CTL_USAGE, "a grant needs an integration and a --workspace");
	body = json_object_new_object();
	array = json_object_new_array();
	json_object_object_add(body, "workspaces", array);
	for (unsigned i = 0; status == CTL_OK && i < workspaces.n; i++) {
		struct json_object *one = json_object_new_object();

		json_object_array_add(array, one);
		json_object_object_add(one, "id", json_object_new_string(workspaces.v[i]));
		json_object_object_add(one, "enabled", json_object_new_boolean(!is_revoked));
		status = ctl_limits_add(&limits, true, one);
	}
	if (status == CTL_OK)
		status = ctl_api(ctl, "PUT", ctl_path("/v1/integrations/", words.v[0], "/workspaces"),
		                 body, NULL);
	json_object_put(body);
	for (unsigned i = 0; status == CTL_OK && i < workspaces.n; i++)
		ctl_say("workspace \"%s\" %s use \"%s\"", workspaces.v[i], is_revoked ? "cannot" : "can",
		        words.v[0]);
	return status;
}

static void
add_models(struct json_object *array, const struct ctl_list *slugs, bool is_enabled)
{
	for (unsigned i = 0; i < slugs->n; i++) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "slug", json_object_new_string(slugs->v[i]));
		json_object_object_add(one, "enabled", json_object_new_boolean(is_enabled));
		json_object_array_add(array, one);
	}
}

enum ctl_exit
ctl_integration_models(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 }, enable = { .n = 0 }, disable = { .n = 0 };
	bool is_all = false, is_listed = false;
	const struct ctl_opt opts[] = { { "enable", CTL_OPT_LIST, &enable },
		                            { "disable", CTL_OPT_LIST, &disable },
		                            { "all", CTL_OPT_FLAG, &is_all },
		                            { "only-listed", CTL_OPT_FLAG, &is_listed },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body, *array, *answer = NULL;
	const char *path;

	if (status == CTL_OK && (words.n != 1 || (is_all && is_listed)))
		status = ctl_fail(CTL_USAGE, "give an integration, and --all or --only-listed, not both");
	if (status != CTL_OK)
		return status;
	path = ctl_path("/v1/integrations/", words.v[0], "/models");
	if (enable.n + disable.n > 0 || is_all || is_listed) {
		body = json_object_new_object();
		array = json_object_new_array();
		add_models(array, &enable, true);
		add_models(array, &disable, false);
		json_object_object_add(body, "models", array);
		if (is_all || is_listed)
			json_object_object_add(body, "allow_all_models", json_object_new_boolean(is_all));
		status = ctl_api(ctl, "PUT", path, body, NULL);
		json_object_put(body);
	}
	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", path, NULL, &answer);
	if (status == CTL_OK)
		ctl_print_list(ctl, answer, ctl_json_at(answer, "models"), model_columns,
		               AG_ARRAY_LEN(model_columns));
	json_object_put(answer);
	return status;
}
