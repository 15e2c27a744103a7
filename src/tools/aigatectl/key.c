/* key.c - key create, list, show, revoke. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/num.h"
#include "tools/aigatectl/noun.h"

static const struct ctl_column columns[] = {
	{ "id", "id", NULL },
	{ "name", "name", NULL },
	{ "key", "key", NULL },
	{ "type", "type", NULL },
	{ "status", "status", NULL },
	{ "budget", "usage_limits", ctl_put_usage_limits },
	{ "rates", "rate_limits", ctl_put_rate_limits },
	{ "workspace", "workspace_id", NULL },
	{ "created", "created_at", NULL },
	{ "expires", "expires_at", NULL },
	{ "metadata", "defaults.metadata", NULL },
	{ "scopes", "scopes", NULL },
};
#define LIST_COLUMNS 7

static const struct ctl_column made_columns[] = {
	{ "id", "id", NULL },
	{ "key", "key", NULL },
};

static const struct ctl_column rotated_columns[] = {
	{ "id", "id", NULL },
	{ "key", "key", NULL },
	{ "former one ends", "key_transition_expires_at", NULL },
};

static struct json_object *
scopes_new(const char *text)
{
	struct json_object *array = json_object_new_array();

	while (*text) {
		size_t n = strcspn(text, ",");

		if (n > 0)
			json_object_array_add(array, json_object_new_string_len(text, (int)n));
		text += n + (text[n] == ',');
	}
	return array;
}

static void
add_text(struct json_object *body, const char *name, const char *text)
{
	if (text)
		json_object_object_add(body, name, json_object_new_string(text));
}

enum ctl_exit
ctl_key_create(struct ctl *ctl, int argc, char **argv)
{
	const char *workspace = NULL, *scopes = NULL, *expires = NULL, *description = NULL;
	const char *user = NULL;
	bool is_admin = false;
	struct ctl_list words = { .n = 0 }, metadata = { .n = 0 };
	struct ctl_limit_opts limits = { .budget = NULL };
	const struct ctl_opt opts[] = { { "workspace", CTL_OPT_TEXT, &workspace },
		                            { "user", CTL_OPT_TEXT, &user },
		                            { "admin", CTL_OPT_FLAG, &is_admin },
		                            { "scopes", CTL_OPT_TEXT, &scopes },
		                            { "expires", CTL_OPT_TEXT, &expires },
		                            { "description", CTL_OPT_TEXT, &description },
		                            { "metadata", CTL_OPT_LIST, &metadata },
		                            CTL_LIMIT_OPTS(limits),
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body, *pairs, *defaults, *answer = NULL;

	if (status != CTL_OK)
		return status;
	if (words.n != 1 || (workspace == NULL) != is_admin)
		return ctl_fail(CTL_USAGE, "a key needs a name and a --workspace (or --admin)");
	if (is_admin && !scopes)
		return ctl_fail(CTL_USAGE, "an admin key needs its --scopes named");
	body = json_object_new_object();
	add_text(body, "name", words.v[0]);
	add_text(body, "workspace_id", workspace);
	add_text(body, "user_id", user);
	add_text(body, "expires_at", expires);
	add_text(body, "description", description);
	json_object_object_add(body, "scopes", scopes_new(scopes ? scopes : "completions.write"));
	status = ctl_limits_add(&limits, false, body);
	if (status == CTL_OK && metadata.n > 0) {
		status = ctl_metadata(&metadata, &pairs);
		if (status == CTL_OK) {
			defaults = json_object_new_object();
			json_object_object_add(defaults, "metadata", pairs);
			json_object_object_add(body, "defaults", defaults);
		}
	}
	if (status == CTL_OK)
		status = ctl_api(ctl, "POST",
		                 is_admin ? "/v1/api-keys/organisation/service"
		                 : user   ? "/v1/api-keys/workspace/user"
		                          : "/v1/api-keys/workspace/service",
		                 body, &answer);
	if (status == CTL_OK) {
		ctl_print_one(ctl, answer, made_columns, AG_ARRAY_LEN(made_columns));
		ctl_say("keep it now: it is not stored and will not be shown again");
	}
	json_object_put(body);
	json_object_put(answer);
	return status;
}

enum ctl_exit
ctl_key_list(struct ctl *ctl, int argc, char **argv)
{
	const char *workspace = NULL;
	const struct ctl_opt opts[] = { { "workspace", CTL_OPT_TEXT, &workspace },
		                            { NULL, CTL_OPT_END, NULL } };
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);

	if (status == CTL_OK)
		status = ctl_api(ctl, "GET",
		                 workspace
		                     ? ctl_path("/v1/api-keys?page_size=1000&workspace_id=", workspace, "")
		                     : "/v1/api-keys?page_size=1000",
		                 NULL, &answer);
	if (status == CTL_OK)
		ctl_print_list(ctl, answer, ctl_json_at(answer, "data"), columns, LIST_COLUMNS);
	json_object_put(answer);
	return status;
}

/* The id of a key that is given by its id or its name; the text is the caller's. */
static enum ctl_exit
key_id(struct ctl *ctl, const struct ctl_list *words, char **out)
{
	if (words->n != 1)
		return ctl_fail(CTL_USAGE, "which key?  Give its id or its name");
	return ctl_noun_handle(ctl, ctl_noun_find("key"), NULL, words->v[0], out);
}

enum ctl_exit
ctl_key_show(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	char *id = NULL;
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status == CTL_OK)
		status = key_id(ctl, &words, &id);
	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", ctl_path("/v1/api-keys/", id, ""), NULL, &answer);
	if (status == CTL_OK)
		ctl_print_one(ctl, answer, columns, AG_ARRAY_LEN(columns));
	json_object_put(answer);
	free(id);
	return status;
}

enum ctl_exit
ctl_key_revoke(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	char *id = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status == CTL_OK)
		status = key_id(ctl, &words, &id);
	if (status == CTL_OK)
		status = ctl_api(ctl, "DELETE", ctl_path("/v1/api-keys/", id, ""), NULL, NULL);
	if (status == CTL_OK)
		ctl_say("key %s is deleted and works no more", words.v[0]);
	free(id);
	return status;
}

/* The new secret is printed; --fetch: the one its timetable made; --forget: the former one ends now. */
enum ctl_exit
ctl_key_rotate(struct ctl *ctl, int argc, char **argv)
{
	const char *minutes = NULL;
	bool forget = false, fetch = false;
	struct ctl_list words = { .n = 0 };
	char *id = NULL;
	const struct ctl_opt opts[] = { { "transition-minutes", CTL_OPT_TEXT, &minutes },
		                            { "forget", CTL_OPT_FLAG, &forget },
		                            { "fetch", CTL_OPT_FLAG, &fetch },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct json_object *body = json_object_new_object(), *answer = NULL;
	uint64_t n = 30;

	if (status == CTL_OK)
		status = key_id(ctl, &words, &id);
	if (status == CTL_OK && (minutes != NULL) + forget + fetch > 1)
		status = ctl_fail(CTL_USAGE, "--transition-minutes, --forget and --fetch exclude each other");
	if (status == CTL_OK && minutes && ag_parse_u64(ag_str(minutes), 525600, &n) < 0)
		status = ctl_fail(CTL_USAGE, "--transition-minutes is a number up to 525600, not \"%s\"", minutes);
	json_object_object_add(body, "key_transition_period_ms", json_object_new_int64((int64_t)n * 60000));
	if (status == CTL_OK && forget)
		status = ctl_api(ctl, "DELETE", ctl_path("/v1/api-keys/", id, "/former-secret"), NULL, NULL);
	else if (status == CTL_OK)
		status = ctl_api(ctl, "POST", ctl_path("/v1/api-keys/", id, fetch ? "/new-secret" : "/rotate"),
		                 fetch ? NULL : body, &answer);
	if (status == CTL_OK && forget) {
		ctl_say("the former secret of key %s works no more", words.v[0]);
	} else if (status == CTL_OK) {
		ctl_print_one(ctl, answer, rotated_columns, AG_ARRAY_LEN(rotated_columns));
		ctl_say("keep it now: it is not stored and will not be shown again");
	}
	json_object_put(body);
	json_object_put(answer);
	free(id);
	return status;
}

static void
put_limit_window(struct ag_buf *b, struct json_object *limit)
{
	const char *period = ctl_json_text(limit, "period");

	if (strcmp(period, "days") == 0)
		ag_buf_printf(b, "%s days", ctl_json_text(limit, "period_days"));
	else if (strcmp(period, "none") == 0)
		ag_buf_puts(b, "for ever");
	else
		ag_buf_puts(b, *period ? period : ctl_json_text(limit, "unit"));
}

/* Of a policy: which value, or on what of the request that depends. */
static void
put_limit_value(struct ag_buf *b, struct json_object *limit)
{
	struct json_object *on = ctl_json_at(limit, "depends_on");

	ag_buf_puts(b, ctl_json_text(limit, "value_key"));
	for (size_t i = 0; i < ag_json_len(on); i++)
		ag_buf_printf(b, "%s%s", i ? ", " : "by ", json_object_get_string(ag_json_at(on, i)));
}

static const struct ctl_column limit_columns[] = {
	{ "scope", "scope", NULL },
	{ "name", "name", NULL },
	{ "value", "", put_limit_value },
	{ "kind", "kind", NULL },
	{ "type", "type", NULL },
	{ "per", "", put_limit_window },
	{ "limit", "limit", NULL },
	{ "used", "used", NULL },
	{ "held", "held", NULL },
	{ "remaining", "remaining", NULL },
	{ "alert at", "alert_threshold", NULL },
	{ "enforcement", "enforcement", NULL },
	{ "bound", "bound", NULL },
	{ "would refuse", "would_refuse", NULL },
	{ "resets", "resets_at", NULL },
	{ "status", "status", NULL },
};

enum ctl_exit
ctl_key_limits(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status == CTL_OK && words.n != 1)
		status = ctl_fail(CTL_USAGE, "which key?  Give its id or its name");
	if (status == CTL_OK)
		status = ctl_api(ctl, "GET", ctl_path("/v1/api-keys/", words.v[0], "/limits"), NULL, &answer);
	if (status == CTL_OK)
		ctl_print_list(ctl, answer, ctl_json_at(answer, "limits"), limit_columns,
		               AG_ARRAY_LEN(limit_columns));
	json_object_put(answer);
	return status;
}
