#include "control/settings.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "control/schema.h"
#include "control/sql_settings.h"

#define METADATA_MAX 2048 /* as ag_field_metadata() has it */

int
ag_settings_read(struct ag_call *c, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, c->actor.org_id);
	if (ag_call_json(c, SQL_SETTINGS, &a, out) < 0)
		return -1;
	return *out ? 0 : ag_call_not_found(c, "organisation", c->org_name);
}

int
ag_settings_conform(struct ag_call *c, struct json_object *settings, const char *name,
    struct json_object *metadata, struct json_object **out)
{
	struct json_object *schema = NULL, *copy = NULL;
	struct ag_err err = { "" };

	*out = NULL;
	if (!json_object_object_get_ex(settings, name, &schema) || !schema) {
		*out = json_object_get(metadata);
		return 0;
	}
	if (!metadata)
		copy = json_object_new_object();
	else if (json_object_deep_copy(metadata, &copy, NULL) < 0)
		return ag_call_fail(c, 500, "AB04", "out of memory");
	if (ag_schema_apply(schema, copy, &err) < 0)
		ag_call_invalid(c, "defaults.metadata.%s: %s", err.text, name);
	else if (strlen(json_object_to_json_string_ext(copy, JSON_C_TO_STRING_SPACED)) > METADATA_MAX)
		ag_call_invalid(c, "defaults.metadata: must have at most %d bytes as JSON, the defaults of %s among "
		    "them", METADATA_MAX, name);
	if (c->status != 0) {
		json_object_put(copy);
		return -1;
	}
	if (!metadata && ag_json_members(copy) == 0) {
		json_object_put(copy); /* nothing asked, nothing filled in */
		copy = NULL;
	}
	*out = copy;
	return 0;
}

/* The lowest of those that are set, and what says so; INT64_MAX none. */
static int64_t
ceiling_us(struct json_object *settings, const struct ag_user_keys *of_user, const char **out_name)
{
	const struct { const char *name, *whose; } of_org[] = {
		{ AG_SETTING_KEY_DAYS, AG_SETTING_KEY_DAYS " of the organisation" },
		{ of_user ? AG_SETTING_USER_KEY_DAYS : NULL, AG_SETTING_USER_KEY_DAYS " of the organisation" } };
	int64_t least = INT64_MAX;

	if (of_user && of_user->max_ttl_days > 0) {
		least = of_user->max_ttl_days * AG_US_PER_DAY;
		*out_name = "settings." AG_USER_KEY_MAX_TTL " of the workspace";
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(of_org); i++) {
		struct json_object *v;
		int64_t us;

		if (!of_org[i].name || !json_object_object_get_ex(settings, of_org[i].name, &v) || !v)
			continue;
		us = json_object_get_int64(v) * AG_US_PER_DAY;
		if (us < least) {
			least = us;
			*out_name = of_org[i].whose;
		}
	}
	return least;
}

int
ag_settings_expiry(struct ag_call *c, struct json_object *settings,
    const struct ag_user_keys *of_user, int64_t since_us, bool is_new, int64_t *io)
{
	const char *name = "";
	int64_t most = ceiling_us(settings, of_user, &name), life = most;

	if (of_user && of_user->ttl_days > 0 && of_user->ttl_days * AG_US_PER_DAY < most)
		life = of_user->ttl_days * AG_US_PER_DAY;
	if (is_new && *io == INT64_MAX && life != INT64_MAX)
		*io = since_us + life;
	if (most != INT64_MAX && *io > since_us + most)
		return ag_call_invalid(c, "expires_at: a key lives at most %lld days (%s)",
		    (long long)(most / AG_US_PER_DAY), name);
	return 0;
}
