/* key_rotate.c - a key gets a new secret; the former one works on for a while, or until it is revoked.
 *
 * One key, two secrets: id, meters, limits, scopes and metadata are the same, and so is what was spent.  The
 * former secret's end is decided where the key is looked up, by the clock, so nobody has to take it away. */
#include "base/clock.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/keys.h"
#include "control/publish.h"
#include "control/sql_keys.h"

#define PERIOD_MIN_MS  INT64_C(1800000)
#define PERIOD_MAX_MS  (INT64_C(365) * 24 * 3600 * 1000)

static int
read_period(struct ag_call *c, int64_t *out_us)
{
	struct json_object *v = NULL;
	int64_t ms = PERIOD_MIN_MS;

	if (c->body && json_object_object_get_ex(c->body, "key_transition_period_ms", &v) && v) {
		if (!json_object_is_type(v, json_type_int))
			return ag_call_invalid(c, "key_transition_period_ms: must be an integer");
		ms = json_object_get_int64(v);
	}
	if (ms < PERIOD_MIN_MS || ms > PERIOD_MAX_MS)
		return ag_call_invalid(c, "key_transition_period_ms: must be from %lld to %lld, not %lld",
		    (long long)PERIOD_MIN_MS, (long long)PERIOD_MAX_MS, (long long)ms);
	*out_us = ms * AG_US_PER_MS;
	return 0;
}

/* The row with the new secret in it; its end of transition as the API shows it. */
static int
store(struct ag_call *c, int64_t id, const struct ag_new_key *key, int64_t period_us, char when[AG_ISO8601_LEN])
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)key->hash, sizeof(key->hash)));
	ag_pg_arg_text(&a, key->mask);
	ag_pg_arg_i64(&a, period_us);
	res = ag_call_sql(c, SQL_KEY_ROTATE, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_fail(c, 409, "AB07", "the key is in transition already: wait for the former secret's "
		    "end, or revoke it (DELETE /v1/api-keys/{id}/former-secret)");
	ag_str_copy(ag_pg_text(res, 0, 0), when, AG_ISO8601_LEN);
	return 0;
}

/* Who learns the new secret can do all the key can. */
static int
check_taker(struct ag_call *c, struct json_object *before)
{
	struct json_object *scopes = NULL;

	json_object_object_get_ex(before, "scopes", &scopes);
	return ag_key_check_taker(c, scopes, "the key holds");
}

static const char *
uuid_of(struct json_object *obj)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, "id", &v) ? json_object_get_string(v) : NULL;
}

void
ag_api_key_rotate(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL, *answer;
	struct ag_new_key key = { 0 };
	const struct ag_kind *kind;
	char when[AG_ISO8601_LEN];
	int64_t id, period_us = 0;

	if (ag_key_find(c, AG_KEY_TO_ROTATE, &id, &kind) < 0 || read_period(c, &period_us) < 0)
		return;
	if (ag_new_key_make(&key) < 0) {
		ag_call_fail(c, 500, "AB04", "no random numbers");
		return;
	}
	if (ag_key_read(c, id, &before) == 0 && check_taker(c, before) == 0 && ag_call_match(c, before) == 0 &&
	    store(c, id, &key, period_us, when) == 0 && ag_key_read(c, id, &after) == 0 &&
	    ag_call_audit(c, "rotate", "api_key", uuid_of(before), before, after) == 0 &&
	    ag_publish_key(c, id) == 0 && ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "id", json_object_new_string(uuid_of(before)));
		json_object_object_add(answer, "key", json_object_new_string(key.text));
		json_object_object_add(answer, "key_transition_expires_at", json_object_new_string(when));
		json_object_object_add(answer, "object", json_object_new_string("api-key"));
		ag_call_tag(c, after);
		ag_call_ok(c, answer);
	}
	json_object_put(before);
	json_object_put(after);
	ag_mem_wipe(&key, sizeof(key));
}

/* The former secret leaked, or everybody has the new one: it ends now. */
void
ag_api_key_forget(struct ag_call *c)
{
	struct json_object *before = NULL, *after = NULL;
	struct ag_pg_args a = { 0 };
	const struct ag_kind *kind;
	PGresult *res = NULL;
	int64_t id;

	if (ag_key_find(c, AG_KEY_TO_ROTATE, &id, &kind) < 0 || ag_key_read(c, id, &before) < 0)
		return;
	ag_pg_arg_i64(&a, id);
	if (ag_call_match(c, before) == 0 && (res = ag_call_sql(c, SQL_KEY_FORGET, &a)) != NULL) {
		if (PQntuples(res) == 0)
			ag_call_not_found(c, "former secret of API key", uuid_of(before));
		else if (ag_key_read(c, id, &after) == 0 &&
		    ag_call_audit(c, "revoke", "api_key", uuid_of(before), before, after) == 0 &&
		    ag_publish_key(c, id) == 0 && ag_call_commit(c) == 0) {
			ag_call_tag(c, after);
			ag_call_ok(c, NULL);
		}
	}
	PQclear(res);
	json_object_put(before);
	json_object_put(after);
}
