/* usage.c - a key's limits and spend, read back.
 *
 * GET /v1/usage?since=&until=, with the customer's own key (completions.write or logs.view), about
 * that key and nothing else:
 *
 *   {"object":"usage","key_id":"<uuid>","name":"...","at":"<now>",
 *    "limits":[...],"status":"active",                see policy/readback.h
 *    "since":"...","until":"...",                     default: the last 30 days; until is left out
 *    "total":{"requests":3,"errors":0,"cost":0.00135,"charged":0.00135,"input_tokens":3000,
 *             "output_tokens":1500,"cache_read_tokens":0},
 *    "data":[{"day":"2026-11-23","provider":"openai","model":"gpt-4o-mini", ...as total}]}
 *
 * Days are UTC, amounts US dollars, exact: cost is what the provider bills, charged what the budgets
 * were charged.  The spend comes from the hourly roll-up of the ledger and follows the limits,
 * which are of now, by a moment; since and until count in whole hours.
 *
 * GET /v1/api-keys/{id}/limits is the first half of it for whoever may read the key; operators may
 * give its name instead of its id. */
#include "base/clock.h"
#include "base/json.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/sql.h"
#include "policy/metadata.h"
#include "policy/readback.h"
#include "shm/blob_units.h"
#include "shm/catalog_area.h"
#include "shm/keytab.h"
#include "shm/words.h"

#define LIMITS_MAX    ((size_t)8 << 20)
#define DEFAULT_SPAN  (30 * AG_US_PER_DAY)

/* The newest catalogue, indexed once per generation: limits are looked at in bursts. */
static const struct ag_catalog *
catalog_now(const struct ag_shm *shm)
{
	static struct ag_catalog *cat;
	struct ag_catalog *fresh;
	struct ag_err err = { "" };
	struct ag_buf blob;
	uint32_t generation;

	if (cat && ag_catalog_gen(cat) == ag_catalog_generation(shm))
		return cat;
	ag_buf_init(&blob, shm->hdr->sizes.catalog_bytes);
	if (ag_catalog_copy(shm, &blob, &generation) == 0 &&
	    ag_catalog_load(&blob, generation, &fresh, &err) == 0) {
		ag_catalog_unref(cat);
		cat = fresh;
	}
	ag_buf_fini(&blob);
	return cat;
}

/* What a request of the key has of metadata at least; nobody else writes what stands behind a key. */
static struct ag_str
metadata_of(const struct ag_shm *shm, const struct ag_catalog *cat, const struct ag_key *key,
    struct ag_arena *arena)
{
	const struct ag_cat_workspace *ws = cat ? ag_catalog_workspace(cat, key->workspace_id) : NULL;
	struct ag_metadata_in in = { .request = AG_STR_NONE };
	struct ag_str merged = AG_STR_NONE;
	char blob[AG_METADATA_MAX];
	size_t n = key->blob_bytes < sizeof(blob) ? key->blob_bytes : sizeof(blob);

	ag_words_read(blob, shm->blobs + (size_t)key->blob_unit * AG_BLOB_UNIT, n);
	if (!ws)
		return AG_STR_NONE;
	in.key = ag_str_n(blob, n);
	in.workspace = ag_catalog_text(cat, ws->metadata);
	return ag_metadata_merge(arena, &in, &merged) < 0 ? AG_STR_NONE : merged;
}

/* status and limits of a key become members of obj.  < 0: answered. */
static int
add_limits(struct ag_call *c, int64_t key_id, struct json_object *obj)
{
	const struct ag_shm *shm = c->ctl->ctx->shm;
	struct json_object *read;
	struct ag_readback_about about = { .target = NULL };
	struct ag_arena arena;
	struct ag_key key;
	struct ag_buf b;

	if (ag_keytab_get_by_id(c->ctl->keys, key_id, &key) < 0)
		return ag_call_fail(c, 404, "AB08", "the key is not in force");
	ag_buf_init(&b, LIMITS_MAX);
	ag_buf_putc(&b, '{');
	ag_arena_init(&arena, 65536);
	about.metadata = metadata_of(shm, catalog_now(shm), &key, &arena);
	ag_readback_put(&b, shm, catalog_now(shm), &key, &about, ag_clock_wall_us());
	ag_arena_fini(&arena);
	ag_buf_put(&b, "}", 2); /* with its NUL */
	read = b.failed ? NULL : json_tokener_parse(b.p);
	ag_buf_fini(&b);
	if (!read)
		return ag_call_fail(c, 500, "AB04", "the limits cannot be told, trace %s", c->trace_id);
	ag_json_foreach(read, name, value)
		json_object_object_add(obj, name, json_object_get(value));
	json_object_put(read);
	return 0;
}

/* The key's id and name; NULL: answered. */
static struct json_object *
about_key(struct ag_call *c, int64_t key_id, const char *object)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	struct json_object *obj;
	char at[AG_ISO8601_LEN];

	ag_pg_arg_i64(&a, key_id);
	res = ag_call_sql(c, SQL_KEY_NAME, &a);
	if (!res)
		return NULL;
	if (PQntuples(res) == 0) {
		ag_call_fail(c, 404, "AB08", "the key is not in force");
		return NULL;
	}
	obj = json_object_new_object();
	ag_clock_iso8601(ag_clock_wall_us(), at);
	json_object_object_add(obj, "object", json_object_new_string(object));
	json_object_object_add(obj, "key_id", json_object_new_string(PQgetvalue(res, 0, 0)));
	json_object_object_add(obj, "name", json_object_new_string(PQgetvalue(res, 0, 1)));
	json_object_object_add(obj, "at", json_object_new_string(at));
	if (add_limits(c, key_id, obj) < 0) {
		json_object_put(obj);
		return NULL;
	}
	return obj;
}

void
ag_limits_of_key(struct ag_call *c, int64_t key_id)
{
	struct json_object *obj = about_key(c, key_id, "limits");

	if (obj)
		ag_call_ok(c, obj);
}

/* since and until, in whole hours. */
static int
span_read(struct ag_call *c, int64_t *out_since_us, int64_t *out_until_us)
{
	const char *since = ag_call_query(c, "since"), *until = ag_call_query(c, "until");
	int64_t now = ag_clock_wall_us();

	*out_until_us = now - now % AG_US_PER_HOUR + AG_US_PER_HOUR;
	if (until && ag_parse_time(ag_str(until), out_until_us) < 0)
		return ag_call_invalid(c, "until: must be a day or an ISO 8601 time, not \"%.40s\"", until);
	*out_since_us = *out_until_us - DEFAULT_SPAN;
	*out_since_us -= *out_since_us % AG_US_PER_DAY;
	if (since && ag_parse_time(ag_str(since), out_since_us) < 0)
		return ag_call_invalid(c, "since: must be a day or an ISO 8601 time, not \"%.40s\"", since);
	if (*out_since_us >= *out_until_us)
		return ag_call_invalid(c, "since: must be before until");
	return 0;
}

static void
add_time(struct json_object *obj, const char *name, int64_t at_us)
{
	char at[AG_ISO8601_LEN];

	ag_clock_iso8601(at_us, at);
	json_object_object_add(obj, name, json_object_new_string(at));
}

void
ag_usage_get(struct ag_call *c)
{
	struct json_object *obj, *spend = NULL;
	struct ag_pg_args a = { 0 };
	int64_t since_us, until_us;

	if (c->actor.is_operator) {
		ag_call_invalid(c, "usage is told to the key it is about; see aigatectl usage");
		return;
	}
	if (!ag_call_has(c, AG_SCOPE_COMPLETIONS_WRITE) && ag_call_need(c, AG_SCOPE_LOGS_VIEW) < 0)
		return;
	if (span_read(c, &since_us, &until_us) < 0 || !(obj = about_key(c, c->actor.key_id, "usage")))
		return;
	ag_pg_arg_i64(&a, c->actor.key_id);
	ag_pg_arg_i64(&a, since_us);
	ag_pg_arg_i64(&a, until_us);
	if (ag_call_json(c, SQL_USAGE_OF_KEY, &a, &spend) < 0) {
		json_object_put(obj);
		return;
	}
	add_time(obj, "since", since_us);
	add_time(obj, "until", until_us);
	ag_json_foreach(spend, name, value)
		json_object_object_add(obj, name, json_object_get(value));
	json_object_put(spend);
	ag_call_ok(c, obj);
}
