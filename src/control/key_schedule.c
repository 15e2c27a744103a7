#include "control/key_schedule.h"

#include <stdio.h>

#include "aigated/vault.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "control/alerts.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/keys.h"
#include "control/publish.h"
#include "control/sql_keys.h"

#define MS_PER_DAY     (INT64_C(24) * 3600 * 1000)
#define TRANSITION_MIN INT64_C(1800000) /* ms, and what it is when nobody says */
#define TRANSITION_MAX (365 * MS_PER_DAY)
#define DAYS_MAX       365
#define LOOK_US        (10 * AG_US_PER_SEC) /* somebody else may set dates */
#define PATIENCE_US    (2 * AG_US_PER_SEC)  /* with PostgreSQL */
#define AT_ONCE        16                   /* keys a tick: calls are waiting */

/* ---- what a body says ---- */

static int
read_int(struct ag_call *c, struct json_object *policy, const char *name, int64_t min, int64_t max,
    int64_t *out)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(policy, name, &v) || !v)
		return 0;
	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < min ||
	    json_object_get_int64(v) > max)
		return ag_call_invalid(c, "rotation_policy.%s: must be a whole number from %lld to %lld", name,
		    (long long)min, (long long)max);
	*out = json_object_get_int64(v);
	return 0;
}

static int
check_names(struct ag_call *c, struct json_object *policy)
{
	static const char *const known[] = { "rotation_period", "rotation_period_days", "next_rotation_at",
		"key_transition_period_ms" };

	ag_json_foreach(policy, name, value) {
		bool is_known = false;

		(void)value;
		for (size_t i = 0; i < AG_ARRAY_LEN(known); i++)
			is_known = is_known || strcmp(known[i], name) == 0;
		if (!is_known)
			return ag_call_invalid(c, "rotation_policy.%.64s: not known", name);
	}
	return 0;
}

/* How long a period is at least; INT64_MAX: there is no next one. */
static int64_t
shortest_ms(const char *period, int64_t days)
{
	if (period)
		return (strcmp(period, "weekly") == 0 ? 7 : 28) * MS_PER_DAY;
	return days ? days * MS_PER_DAY : INT64_MAX;
}

static int
read_policy(struct ag_call *c, struct json_object *policy, struct ag_key_policy *out)
{
	int64_t days = 0, transition_ms = TRANSITION_MIN;
	const char *period = NULL;
	enum ag_field f;

	if (check_names(c, policy) < 0 ||
	    ag_field_text(c, policy, "rotation_policy.rotation_period", 16, &period) == AG_FIELD_BAD ||
	    read_int(c, policy, "rotation_period_days", 1, DAYS_MAX, &days) < 0 ||
	    read_int(c, policy, "key_transition_period_ms", TRANSITION_MIN, TRANSITION_MAX, &transition_ms) < 0)
		return -1;
	f = ag_field_time(c, policy, "rotation_policy.next_rotation_at", &out->next_us);
	if (f == AG_FIELD_BAD)
		return -1;
	out->has_next = f == AG_FIELD_SET;
	if (period && strcmp(period, "weekly") != 0 && strcmp(period, "monthly") != 0)
		return ag_call_invalid(c, "rotation_policy.rotation_period: must be weekly or monthly, not \"%.16s\"",
		    period);
	if (period && days)
		return ag_call_invalid(c, "rotation_policy: rotation_period and rotation_period_days exclude each other");
	if (!period && !days && !out->has_next)
		return ag_call_invalid(c, "rotation_policy: needs rotation_period, rotation_period_days or "
		    "next_rotation_at");
	if (out->has_next && out->next_us <= ag_clock_wall_us())
		return ag_call_invalid(c, "rotation_policy.next_rotation_at: must be in the future");
	if (transition_ms >= shortest_ms(period, days))
		return ag_call_invalid(c, "rotation_policy.key_transition_period_ms: must be shorter than the period");
	out->stored = json_object_new_object();
	if (period)
		json_object_object_add(out->stored, "rotation_period", json_object_new_string(period));
	if (days)
		json_object_object_add(out->stored, "rotation_period_days", json_object_new_int64(days));
	json_object_object_add(out->stored, "key_transition_period_ms", json_object_new_int64(transition_ms));
	return 0;
}

int
ag_key_policy_read(struct ag_call *c, struct ag_key_policy *out)
{
	struct json_object *policy = NULL;
	enum ag_field f = ag_field_object(c, c->body, "rotation_policy", &policy);

	out->is_given = f == AG_FIELD_SET || f == AG_FIELD_NULL;
	if (f != AG_FIELD_SET)
		return f == AG_FIELD_BAD ? -1 : 0;
	if (!c->ctl->ctx->master_key)
		return ag_call_fail(c, 503, "AB04", "rotation_policy: there is no master key to make secrets with");
	return read_policy(c, policy, out);
}

void
ag_key_policy_fini(struct ag_key_policy *p)
{
	json_object_put(p->stored);
}

int
ag_key_policy_store(struct ag_call *c, int64_t key_id, const struct ag_key_policy *p)
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	if (!p->is_given)
		return 0;
	ag_pg_arg_i64(&a, key_id);
	ag_pg_arg_json(&a, p->stored);
	if (p->has_next)
		ag_pg_arg_i64(&a, p->next_us);
	else
		ag_pg_arg_text(&a, NULL);
	res = ag_call_sql(c, SQL_KEY_SCHEDULE, &a);
	PQclear(res);
	c->ctl->rotations_at_us = 0;
	return res ? 0 : -1;
}

/* ---- the secret ---- */

/* Of the row's seed, its uuid and the master key. */
static void
make_secret(const struct ag_control *ctl, const uint8_t seed[AG_SHA256_LEN], const char *uuid,
    struct ag_new_key *out)
{
	static const char label[] = "aigate secret by timetable";
	uint8_t text[sizeof(label) + AG_SHA256_LEN + AG_UUID_LEN], bits[AG_SHA256_LEN];
	size_t n = strlen(uuid);

	assert(n < AG_UUID_LEN);
	memcpy(text, label, sizeof(label));
	memcpy(text + sizeof(label), seed, AG_SHA256_LEN);
	memcpy(text + sizeof(label) + AG_SHA256_LEN, uuid, n);
	ag_hmac_sha256(ctl->ctx->master_key->key, AG_MASTER_KEY_LEN, text, sizeof(label) + AG_SHA256_LEN + n, bits);
	ag_new_key_of(bits, out);
	ag_mem_wipe(bits, sizeof(bits));
}

/* Columns of SQL_KEY_SEED. */
enum { S_SEED, S_UUID, S_HASH, S_FORMER };

static int
tell(struct ag_call *c, const PGresult *res, struct ag_new_key *key)
{
	uint8_t seed[AG_SHA256_LEN], hash[AG_SHA256_LEN];
	size_t n_seed = 0, n_hash = 0;

	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "new secret of API key", c->arg[0]);
	if (ag_pg_bytea(res, 0, S_SEED, seed, sizeof(seed), &n_seed) < 0 || n_seed != sizeof(seed) ||
	    ag_pg_bytea(res, 0, S_HASH, hash, sizeof(hash), &n_hash) < 0 || n_hash != sizeof(hash))
		return ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	make_secret(c->ctl, seed, PQgetvalue(res, 0, S_UUID), key);
	if (memcmp(hash, key->hash, sizeof(hash)) != 0)
		return ag_call_fail(c, 409, "AB07", "the secret cannot be made any more, the master key is another one: "
		    "rotate the key by hand");
	return 0;
}

void
ag_api_key_tell(struct ag_call *c)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	AG_AUTO(ag_pgres) PGresult *told = NULL;
	struct ag_new_key key = { 0 };
	const struct ag_kind *kind;
	struct ag_pg_args a = { 0 };
	struct json_object *answer;
	int64_t id;

	if (ag_key_find(c, AG_KEY_TO_ROTATE, &id, &kind) < 0)
		return;
	if (!c->ctl->ctx->master_key) {
		ag_call_fail(c, 503, "AB04", "there is no master key to make secrets with");
		return;
	}
	ag_pg_arg_i64(&a, id);
	if ((res = ag_call_sql(c, SQL_KEY_SEED, &a)) != NULL && tell(c, res, &key) == 0 &&
	    (told = ag_call_sql(c, SQL_KEY_TOLD, &a)) != NULL &&
	    ag_call_audit(c, "tell", "api_key", PQgetvalue(res, 0, S_UUID), NULL, NULL) == 0 &&
	    ag_call_commit(c) == 0) {
		answer = json_object_new_object();
		json_object_object_add(answer, "id", json_object_new_string(PQgetvalue(res, 0, S_UUID)));
		json_object_object_add(answer, "key", json_object_new_string(key.text));
		json_object_object_add(answer, "key_transition_expires_at", PQgetisnull(res, 0, S_FORMER)
		    ? NULL : json_object_new_string(PQgetvalue(res, 0, S_FORMER)));
		json_object_object_add(answer, "object", json_object_new_string("api-key"));
		ag_call_ok(c, answer);
	}
	ag_mem_wipe(&key, sizeof(key));
}

/* ---- by the clock ---- */

/* Columns of SQL_KEYS_DUE. */
enum { D_ID, D_UUID, D_ORG };

static int
rotate(struct ag_call *c, const PGresult *due)
{
	struct json_object *before = NULL, *after = NULL;
	int64_t id = ag_pg_i64(due, 0, D_ID);
	const char *uuid = PQgetvalue(due, 0, D_UUID);
	struct ag_pg_args a = { 0 }, alert = { 0 };
	AG_AUTO(ag_pgres) PGresult *rotated = NULL;
	AG_AUTO(ag_pgres) PGresult *raised = NULL;
	uint8_t seed[AG_SHA256_LEN];
	struct ag_new_key key;
	int rc = -1;

	if (ag_random_bits(seed) < 0)
		return ag_call_fail(c, 500, "AB04", "no random numbers");
	make_secret(c->ctl, seed, uuid, &key);
	c->actor.org_id = ag_pg_i64(due, 0, D_ORG);
	ag_pg_arg_i64(&a, id);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)key.hash, sizeof(key.hash)));
	ag_pg_arg_text(&a, key.mask);
	ag_pg_arg_bytes(&a, ag_str_n((const char *)seed, sizeof(seed)));
	ag_pg_arg_i64(&alert, id);
	if (ag_key_read(c, id, &before) == 0 && (rotated = ag_call_sql(c, SQL_KEY_ROTATE_DUE, &a)) != NULL &&
	    (raised = ag_call_sql(c, SQL_ALERT_ROTATED, &alert)) != NULL && ag_key_read(c, id, &after) == 0 &&
	    ag_call_audit(c, "rotate", "api_key", uuid, before, after) == 0 && ag_publish_key(c, id) == 0)
		rc = ag_call_commit(c);
	if (rc == 0)
		ag_notice("key %s got a new secret by its timetable", uuid);
	json_object_put(before);
	json_object_put(after);
	ag_mem_wipe(seed, sizeof(seed));
	ag_mem_wipe(&key, sizeof(key));
	return rc;
}

/* A call of nobody's, as the timetable makes them; what is left open is undone. */
static int
run(struct ag_control *ctl, int (*step)(struct ag_call *c, void *arg), void *arg)
{
	struct ag_call c = { .ctl = ctl, .method = "", .uri = "", .trace_id = "rotation",
		.until_us = ag_clock_mono_us() + PATIENCE_US };
	int rc;

	ag_plan_init(&c.plan);
	rc = step(&c, arg);
	if (c.in_txn)
		ag_pg_rollback(ctl->pg);
	if (c.status != 0) {
		/* That the database is away is told by others. */
		if (c.status != 503)
			ag_warn("could not rotate by timetable: %s, trying again",
			    json_object_to_json_string_ext(c.answer, JSON_C_TO_STRING_PLAIN));
		ag_plan_abandon(&c.plan, ctl);
	}
	ag_plan_fini(&c.plan);
	json_object_put(c.answer);
	return rc;
}

struct look {
	int64_t n_failed;  /* keys passed over: those behind them have their turn */
	bool has_found;
	int64_t wait_us;   /* until the next one is due */
};

static int
rotate_one(struct ag_call *c, void *arg)
{
	AG_AUTO(ag_pgres) PGresult *due = NULL;
	struct look *look = arg;
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, look->n_failed);
	due = ag_call_sql(c, SQL_KEYS_DUE, &a);
	look->has_found = due && PQntuples(due) > 0;
	if (!look->has_found)
		return due ? 0 : -1;
	return rotate(c, due);
}

/* Forgets seeds nobody needs; says when to come back. */
static int
look_ahead(struct ag_call *c, void *arg)
{
	AG_AUTO(ag_pgres) PGresult *forgotten = ag_call_sql(c, SQL_KEY_SEEDS_OVER, NULL);
	AG_AUTO(ag_pgres) PGresult *next = forgotten ? ag_call_sql(c, SQL_KEY_NEXT_DUE, NULL) : NULL;
	struct look *look = arg;

	if (!next)
		return -1;
	look->wait_us = PQntuples(next) == 0 ? LOOK_US : ag_pg_i64(next, 0, 0);
	return ag_call_commit(c);
}

void
ag_key_schedule_tick(struct ag_control *ctl)
{
	struct look look = { .wait_us = LOOK_US };
	int n = 0;

	if (!ctl->is_loaded || ctl->is_draining || !ctl->ctx->master_key ||
	    ag_clock_mono_us() < ctl->rotations_at_us)
		return;
	do {
		look.has_found = false;
		if (run(ctl, rotate_one, &look) < 0)
			look.n_failed++;
		n += look.has_found;
	} while (look.has_found && n < AT_ONCE && ctl->is_loaded);
	if (n > look.n_failed)
		ag_alerts_wake(ctl->alerts);
	if (look.n_failed == 0 && n < AT_ONCE)
		(void)run(ctl, look_ahead, &look);
	else if (look.n_failed == 0)
		look.wait_us = 0;
	if (look.wait_us > LOOK_US)
		look.wait_us = LOOK_US;
	ctl->rotations_at_us = ag_clock_mono_us() + look.wait_us;
}
