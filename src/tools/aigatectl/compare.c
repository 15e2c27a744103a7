/* compare.c - whether a member of the file says what stands already, whatever form the API gives it. */
#include <json-c/json.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/num.h"
#include "tools/aigatectl/plan.h"

#define SCALE 12

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

bool
ctl_is_nothing(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_null: return true;
	case json_type_string: return json_object_get_string_len(o) == 0;
	case json_type_array: return ag_json_len(o) == 0;
	case json_type_object: return ag_json_members(o) == 0;
	case json_type_boolean:
	case json_type_double:
	case json_type_int: break;
	}
	return false;
}

static bool
is_number(struct json_object *o)
{
	return json_object_is_type(o, json_type_int) || json_object_is_type(o, json_type_double) ||
	       json_object_is_type(o, json_type_boolean);
}

/* 100 is 100.0, true is 1. */
static bool
same_number(struct json_object *a, struct json_object *b)
{
	struct json_object *side[2] = { a, b };
	int64_t v[2];

	for (int i = 0; i < 2; i++) {
		if (json_object_is_type(side[i], json_type_boolean))
			v[i] = json_object_get_boolean(side[i]) ? INT64_C(1000000000000) : 0;
		else if (ag_parse_decimal(ag_str(json_object_get_string(side[i])), SCALE, INT64_MAX / 4, &v[i]) < 0)
			return strcmp(json_object_get_string(a), json_object_get_string(b)) == 0;
	}
	return v[0] == v[1];
}

static bool same(struct json_object *want, struct json_object *have);

static bool
same_array(struct json_object *want, struct json_object *have)
{
	size_t n = ag_json_len(want);

	if (n != ag_json_len(have))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same(ag_json_at(want, i), ag_json_at(have, i)))
			return false;
	return true;
}

static bool
same_object(struct json_object *want, struct json_object *have)
{
	ag_json_foreach(want, name, value) {
		if (!same(value, member(have, name)))
			return false;
	}
	ag_json_foreach(have, other, extra) {
		if (!member(want, other) && !ctl_is_nothing(extra))
			return false;
	}
	return true;
}

/* All of it, both ways. */
static bool
same(struct json_object *want, struct json_object *have)
{
	if (ctl_is_nothing(want) || ctl_is_nothing(have))
		return ctl_is_nothing(want) && ctl_is_nothing(have);
	if (is_number(want) && is_number(have))
		return same_number(want, have);
	if (json_object_get_type(want) != json_object_get_type(have))
		return false;
	if (json_object_is_type(want, json_type_array))
		return same_array(want, have);
	if (json_object_is_type(want, json_type_object))
		return same_object(want, have);
	return strcmp(json_object_get_string(want), json_object_get_string(have)) == 0;
}

/* Texts in any order. */
static bool
same_set(struct json_object *want, struct json_object *have)
{
	if (!json_object_is_type(want, json_type_array) || !json_object_is_type(have, json_type_array))
		return same(want, have);
	if (ag_json_len(want) != ag_json_len(have))
		return false;
	for (size_t i = 0; i < ag_json_len(want); i++) {
		bool is_there = false;

		for (size_t k = 0; k < ag_json_len(have) && !is_there; k++)
			is_there = same(ag_json_at(want, i), ag_json_at(have, k));
		if (!is_there)
			return false;
	}
	return true;
}

/* The one limit, or one of several. */
static struct json_object *
nth(struct json_object *limits, size_t i)
{
	if (json_object_is_type(limits, json_type_array))
		return ag_json_at(limits, i);
	return i == 0 ? limits : NULL;
}

static size_t
count(struct json_object *limits)
{
	if (json_object_is_type(limits, json_type_array))
		return ag_json_len(limits);
	return ctl_is_nothing(limits) ? 0 : 1;
}

static bool
same_limits(struct json_object *want, struct json_object *have, bool is_usage)
{
	static const char *const of_usage[] = { "type", "credit_limit", "alert_threshold", "periodic_reset",
		"periodic_reset_days", "enforcement", "on_exhaust", NULL };
	static const char *const of_rate[] = { "type", "unit", "value", NULL };
	static const struct {
		const char *name, *otherwise;
	} defaults[] = { { "type", "cost" }, { "enforcement", "strict" }, { "on_exhaust", "cut" } };
	size_t n = count(want);

	if (n != count(have))
		return false;
	for (size_t i = 0; i < n; i++) {
		for (const char *const *m = is_usage ? of_usage : of_rate; *m; m++) {
			struct json_object *w = member(nth(want, i), *m), *h = member(nth(have, i), *m);
			const char *otherwise = NULL;

			for (size_t k = 0; is_usage && k < AG_ARRAY_LEN(defaults); k++)
				if (strcmp(defaults[k].name, *m) == 0)
					otherwise = defaults[k].otherwise;
			if (otherwise && (!w || !h)) {
				if (strcmp(w ? json_object_get_string(w) : otherwise,
				        h ? json_object_get_string(h) : otherwise) != 0)
					return false;
			} else if (!same(w, h)) {
				return false;
			}
		}
	}
	return true;
}

/* Seconds; < 0: no time in a form we know. */
static int64_t
seconds_of(const char *text)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < AG_ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *rest = strptime(text, forms[i], &tm);

		if (rest && *rest == '.')
			rest += 1 + strspn(rest + 1, "0123456789");
		if (rest && (*rest == '\0' || strcmp(rest, "Z") == 0 || strcmp(rest, "+00:00") == 0))
			return timegm(&tm);
	}
	return -1;
}

static bool
same_time(struct json_object *want, struct json_object *have)
{
	int64_t w, h;

	if (!json_object_is_type(want, json_type_string) || !json_object_is_type(have, json_type_string))
		return same(want, have);
	w = seconds_of(json_object_get_string(want));
	h = seconds_of(json_object_get_string(have));
	return w >= 0 && h >= 0 ? w == h : same(want, have);
}

bool
ctl_is_same(const char *name, struct json_object *want, struct json_object *have)
{
	if (strcmp(name, "usage_limits") == 0)
		return same_limits(want, have, true);
	if (strcmp(name, "rate_limits") == 0)
		return same_limits(want, have, false);
	if (strcmp(name, "scopes") == 0 || strcmp(name, "allowed_workspaces") == 0 ||
	    strcmp(name, "allowed_hosts") == 0 || strcmp(name, "alert_emails") == 0)
		return same_set(want, have);
	if (strcmp(name, "expires_at") == 0 || strcmp(name, "next_rotation_at") == 0)
		return same_time(want, have);
	return same(want, have);
}

static void
tell(struct json_object *changes, const char *path, struct json_object *have, struct json_object *want, bool is_secret)
{
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "member", json_object_new_string(path));
	if (is_secret) {
		json_object_object_add(one, "secret", json_object_new_boolean(1));
	} else {
		json_object_object_add(one, "from", json_object_get(have));
		json_object_object_add(one, "to", json_object_get(want));
	}
	json_object_array_add(changes, one);
}

/* What is replaced as a whole is compared as a whole; of others, what the file names. */
static bool
is_whole(const char *name)
{
	static const char names[] = "metadata config configurations tags conditions group_by checks pricing_config"
	                            " api_key_metadata_schema workspace_metadata_schema usage_limits"
	                            " rate_limits user_key_metadata";

	return ctl_has_word(names, name, strlen(name));
}

static void
compare(const struct ctl_noun *noun, const char *path, struct json_object *want, struct json_object *have,
        bool resends, struct json_object *changes)
{
	const char *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;

	if (ctl_has_word(noun->secrets, path, strlen(path))) {
		if (resends || !json_object_is_type(want, json_type_string) ||
		    !json_object_is_type(have, json_type_string) ||
		    !ctl_is_masked_as(json_object_get_string(want), json_object_get_string(have)))
			tell(changes, path, NULL, NULL, true);
		return;
	}
	if (is_whole(name) || !json_object_is_type(want, json_type_object) ||
	    !json_object_is_type(have, json_type_object)) {
		if (!ctl_is_same(name, want, have))
			tell(changes, path, have, want, false);
		return;
	}
	ag_json_foreach(want, inner, value) {
		char below[256];

		snprintf(below, sizeof(below), "%s.%s", path, inner);
		compare(noun, below, value, member(have, inner), resends, changes);
	}
}

void
ctl_compare(const struct ctl_noun *noun, const char *name, struct json_object *want, struct json_object *have,
            bool resends_secrets, struct json_object *changes)
{
	char masked[80];
	struct json_object *stands = member(have, name);

	if (ctl_has_word(noun->secrets, name, strlen(name))) {
		snprintf(masked, sizeof(masked), "masked_%.64s", name);
		stands = member(have, masked);
	}
	compare(noun, name, member(want, name), stands, resends_secrets, changes);
}
