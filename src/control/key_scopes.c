/* key_scopes.c - which scopes a key may hold, and who may give them. */
#include "control/keys.h"

#include "base/json.h"

/* "policies:create", as one page of the documentation spells it, is "policies.create". */
static enum ag_scope
find_scope(const char *text)
{
	enum ag_scope s = ag_scope_find(ag_str(text));
	char dotted[64], *colon;

	if (s != AG_SCOPE_NONE || !ag_str_copy(ag_str(text), dotted, sizeof(dotted)))
		return s;
	colon = strchr(dotted, ':');
	if (!colon)
		return s;
	*colon = '.';
	return ag_scope_find(ag_str(dotted));
}

int
ag_key_read_scopes(struct ag_call *c, struct json_object *list, const char *path, unsigned holder,
    const char *holder_name, struct json_object **out)
{
	struct json_object *kept = json_object_new_array();
	uint64_t bits[AG_SCOPE_WORDS] = { 0 };

	for (size_t i = 0; c->status == 0 && i < ag_json_len(list); i++) {
		struct json_object *one = ag_json_at(list, i);
		const char *text = json_object_is_type(one, json_type_string) ? json_object_get_string(one) : NULL;
		enum ag_scope s = text ? find_scope(text) : AG_SCOPE_NONE;

		if (!text)
			ag_call_invalid(c, "%s[%zu]: must be a string", path, i);
		else if (s == AG_SCOPE_NONE)
			ag_call_invalid(c, "%s[%zu]: unknown scope \"%.64s\"", path, i, text);
		else if (!(ag_scope_flags(s) & holder))
			ag_call_invalid(c, "%s[%zu]: a key of type %s cannot hold %s", path, i, holder_name,
			    ag_scope_name(s));
		else if (!ag_scopes_has(bits, s)) {
			json_object_array_add(kept, json_object_new_string(ag_scope_name(s)));
			ag_scopes_add(bits, s);
		}
	}
	if (c->status != 0) {
		json_object_put(kept);
		return -1;
	}
	*out = kept;
	return 0;
}

int
ag_key_check_role(struct ag_call *c, struct json_object *scopes, const char *path, enum ag_role_in role)
{
	for (size_t i = 0; i < ag_json_len(scopes); i++) {
		const char *text = json_object_get_string(ag_json_at(scopes, i));

		if (!ag_role_may(role, ag_scope_find(ag_str(text))))
			return ag_call_invalid(c, "%s[%zu]: the user's role in the workspace does not allow %s", path, i,
			    text);
	}
	return 0;
}

/* What a key of the caller's kind may hold at all. */
static unsigned
holder_of(enum ag_key_kind kind)
{
	switch (kind) {
	case AG_KEY_ORG_SERVICE: return AG_SCOPE_OF_A;
	case AG_KEY_WORKSPACE_SERVICE: return AG_SCOPE_OF_S;
	case AG_KEY_WORKSPACE_USER: return AG_SCOPE_OF_U;
	}
	return AG_SCOPE_OF_ASU;
}

/* An organisation's key makes the keys of the data plane, whose scopes no key of its kind can hold. */
static bool
may_give(const struct ag_call *c, enum ag_scope s)
{
	return ag_call_has(c, s) || !(ag_scope_flags(s) & holder_of(c->actor.kind));
}

static enum ag_scope
scope_at(struct json_object *scopes, size_t i)
{
	return ag_scope_find(ag_str(json_object_get_string(ag_json_at(scopes, i))));
}

static bool
holds(struct json_object *scopes, enum ag_scope s)
{
	for (size_t i = 0; i < ag_json_len(scopes); i++)
		if (scope_at(scopes, i) == s)
			return true;
	return false;
}

int
ag_key_check_open(struct ag_call *c, struct json_object *scopes, struct json_object *had,
    const char *path, enum ag_role_in role, int64_t workspace_id)
{
	struct ag_closed closed;

	if (ag_security_of_role(c, workspace_id, role, &closed) < 0)
		return -1;
	for (size_t i = 0; i < ag_json_len(scopes); i++) {
		enum ag_scope s = scope_at(scopes, i);
		const char *name = ag_security_closes_scope(closed, s);

		if (name && !holds(had, s))
			return ag_call_invalid(c, "%s[%zu]: the user's role in the workspace does not allow %s:"
			    " security_settings.%s is false", path, i, ag_scope_name(s), name);
	}
	return 0;
}

int
ag_key_check_giver(struct ag_call *c, struct json_object *scopes, struct json_object *had, const char *path)
{
	for (size_t i = 0; i < ag_json_len(scopes); i++) {
		enum ag_scope s = scope_at(scopes, i);

		if (!may_give(c, s) && !holds(had, s))
			return ag_call_fail(c, 403, "AB03", "%s: the API key lacks the scope %s and cannot give it", path,
			    ag_scope_name(s));
	}
	return 0;
}

int
ag_key_check_taker(struct ag_call *c, struct json_object *scopes, const char *what)
{
	for (size_t i = 0; i < ag_json_len(scopes); i++) {
		enum ag_scope s = scope_at(scopes, i);

		if (s != AG_SCOPE_NONE && !may_give(c, s))
			return ag_call_fail(c, 403, "AB03", "%s the scope %s, which the API key lacks: its secret is not told "
			    "to it", what, ag_scope_name(s));
	}
	return 0;
}
