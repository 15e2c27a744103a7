#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "base/num.h"
#include "control/field.h"
#include "control/handlers.h"
#include "control/publish.h"
#include "control/sql.h"

#define MODELS_MAX 2000
/* One cent a token is 10^10 pico-USD a token. */
#define PUSD_DIGITS_OF_CENT 10
#define PRICE_MAX_PUSD INT64_C(1000000000000000) /* 1000 USD a token */

/* In the order of the columns of SQL_PRICE_INSERT. */
static const char *const price_members[] = { "request_token", "response_token",
	"cache_read_input_token", "cache_write_input_token", "reasoning_token", "request_audio_token",
	"response_audio_token", "request_image_token", "response_image_token" };
#define PRICES AG_ARRAY_LEN(price_members)

void
ag_model_list(struct ag_call *c)
{
	struct ag_integration_ref ref;
	struct json_object *obj;
	struct ag_pg_args a = { 0 };

	if (ag_integration_find(c, c->arg[0], AG_VERB_READ, &ref) < 0)
		return;
	ag_pg_arg_i64(&a, ref.id);
	if (ag_call_json(c, SQL_MODEL_LIST, &a, &obj) == 0)
		ag_call_ok(c, obj);
}

/* {"type":"static","pay_as_you_go":{"request_token":{"price":n},...}} in cents a token. */
static int
read_prices(struct ag_call *c, struct json_object *config, const char *path, int64_t out[PRICES])
{
	struct json_object *rates = NULL;
	const char *type = NULL;
	char p[160];
	bool is_any = false;

	snprintf(p, sizeof(p), "%s.type", path);
	if (ag_field_text(c, config, p, 32, &type) == AG_FIELD_BAD)
		return -1;
	if (type && strcmp(type, "static") != 0)
		return ag_call_invalid(c, "%s: must be static", p);
	snprintf(p, sizeof(p), "%s.pay_as_you_go", path);
	if (ag_field_object(c, config, p, &rates) == AG_FIELD_BAD)
		return -1;
	if (!rates)
		return ag_call_invalid(c, "%s: is required", p);
	ag_json_foreach(rates, name, value) {
		bool is_known = false;

		for (size_t i = 0; i < PRICES; i++)
			is_known = is_known || strcmp(name, price_members[i]) == 0;
		if (!is_known && value)
			return ag_call_invalid(c, "%s.%.40s: not a price this gateway computes with; known "
			    "are request_token, response_token, cache_read_input_token, "
			    "cache_write_input_token, reasoning_token, request_audio_token, "
			    "response_audio_token, request_image_token, response_image_token", p, name);
	}
	for (size_t i = 0; i < PRICES; i++) {
		struct json_object *one = NULL;
		struct ag_str text;
		int rc;

		out[i] = -1;
		snprintf(p, sizeof(p), "%s.pay_as_you_go.%s", path, price_members[i]);
		if (ag_field_object(c, rates, p, &one) == AG_FIELD_BAD)
			return -1;
		snprintf(p, sizeof(p), "%s.pay_as_you_go.%s.price", path, price_members[i]);
		switch (ag_field_number(c, one, p, &text)) {
		case AG_FIELD_BAD:
			return -1;
		case AG_FIELD_ABSENT:
		case AG_FIELD_NULL:
			continue;
		case AG_FIELD_SET:
			break;
		}
		rc = ag_parse_decimal(text, PUSD_DIGITS_OF_CENT, PRICE_MAX_PUSD, &out[i]);
		if (rc == -EDOM)
			return ag_call_invalid(c, "%s: %.*s cents is finer than a trillionth of a dollar",
			    p, AG_STR_ARG(text));
		if (rc < 0 || out[i] < 0)
			return ag_call_invalid(c, "%s: must be from 0 to 100000 cents, not %.*s", p,
			    AG_STR_ARG(text));
		is_any = true;
	}
	if (!is_any)
		return ag_call_invalid(c, "%s.pay_as_you_go: must give a price", path);
	return 0;
}

static int
insert_price(struct ag_call *c, int64_t integration_id, const char *model, const int64_t p[PRICES])
{
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&a, integration_id);
	ag_pg_arg_text(&a, model);
	for (size_t i = 0; i < PRICES; i++) {
		if (p[i] < 0)
			ag_pg_arg_text(&a, NULL);
		else
			ag_pg_arg_i64(&a, p[i]);
	}
	res = ag_call_sql(c, SQL_PRICE_INSERT, &a);
	PQclear(res);
	return res ? 0 : -1;
}

static void
arg_bool_or_null(struct ag_pg_args *a, enum ag_field f, bool v)
{
	ag_pg_arg_text(a, f == AG_FIELD_SET ? (v ? "t" : "f") : NULL);
}

static int
put_model(struct ag_call *c, int64_t integration_id, struct json_object *m, size_t i)
{
	static const char *const unserved[] = { "configurations", NULL };
	const char *slug = NULL, *base = NULL;
	bool enabled = true, custom = false, finetune = false;
	struct json_object *config = NULL;
	int64_t prices[PRICES];
	enum ag_field fc, ff, fp;
	struct ag_pg_args a = { 0 };
	char p[64], prefix[48];
	PGresult *res;

	snprintf(prefix, sizeof(prefix), "models[%zu]", i);
	if (!json_object_is_type(m, json_type_object))
		return ag_call_invalid(c, "%s: must be an object", prefix);
	snprintf(p, sizeof(p), "%s.", prefix);
	if (ag_field_refuse(c, m, unserved, p) < 0)
		return -1;
	snprintf(p, sizeof(p), "%s.slug", prefix);
	if (ag_field_text(c, m, p, AG_SLUG_MAX, &slug) == AG_FIELD_BAD)
		return -1;
	if (!slug || !*slug)
		return ag_call_invalid(c, "%s: is required", p);
	snprintf(p, sizeof(p), "%s.enabled", prefix);
	if (ag_field_bool(c, m, p, &enabled) == AG_FIELD_BAD)
		return -1;
	snprintf(p, sizeof(p), "%s.is_custom", prefix);
	fc = ag_field_bool(c, m, p, &custom);
	snprintf(p, sizeof(p), "%s.is_finetune", prefix);
	ff = ag_field_bool(c, m, p, &finetune);
	snprintf(p, sizeof(p), "%s.base_model_slug", prefix);
	if (fc == AG_FIELD_BAD || ff == AG_FIELD_BAD ||
	    ag_field_text(c, m, p, AG_SLUG_MAX, &base) == AG_FIELD_BAD)
		return -1;
	snprintf(p, sizeof(p), "%s.pricing_config", prefix);
	fp = ag_field_object(c, m, p, &config);
	if (fp == AG_FIELD_BAD || (config && read_prices(c, config, p, prices) < 0))
		return -1;

	ag_pg_arg_i64(&a, integration_id);
	ag_pg_arg_text(&a, slug);
	ag_pg_arg_bool(&a, enabled);
	arg_bool_or_null(&a, fc, custom);
	arg_bool_or_null(&a, ff, finetune);
	ag_pg_arg_text(&a, base);
	ag_pg_arg_bool(&a, fp != AG_FIELD_ABSENT);
	ag_pg_arg_json(&a, config);
	res = ag_call_sql(c, SQL_MODEL_UPSERT, &a);
	PQclear(res);
	if (!res)
		return -1;
	return config ? insert_price(c, integration_id, slug, prices) : 0;
}

static int
set_allow_all(struct ag_call *c, int64_t integration_id)
{
	struct ag_pg_args a = { 0 };
	bool allow = true;
	PGresult *res;

	switch (ag_field_bool(c, c->body, "allow_all_models", &allow)) {
	case AG_FIELD_BAD:
		return -1;
	case AG_FIELD_ABSENT:
	case AG_FIELD_NULL:
		return 0;
	case AG_FIELD_SET:
		break;
	}
	ag_pg_arg_i64(&a, integration_id);
	ag_pg_arg_bool(&a, allow);
	res = ag_call_sql(c, SQL_ALLOW_ALL_MODELS, &a);
	PQclear(res);
	return res ? 0 : -1;
}

static int
finish(struct ag_call *c, const char *action, const struct ag_integration_ref *ref,
    struct json_object *before)
{
	struct ag_pg_args a = { 0 };
	struct json_object *after;
	int rc;

	ag_pg_arg_i64(&a, ref->id);
	if (ag_call_json(c, SQL_MODEL_LIST, &a, &after) < 0)
		return -1;
	rc = ag_call_audit(c, action, "integration_model", ref->uuid, before, after);
	json_object_put(after);
	if (rc < 0 || ag_publish_catalog(c) < 0 || ag_call_commit(c) < 0)
		return -1;
	ag_call_ok(c, NULL);
	return 0;
}

static int
read_before(struct ag_call *c, int64_t id, struct json_object **out)
{
	struct ag_pg_args a = { 0 };

	ag_pg_arg_i64(&a, id);
	return ag_call_json(c, SQL_MODEL_LIST, &a, out);
}

void
ag_model_update(struct ag_call *c)
{
	struct json_object *models = NULL, *before = NULL;
	struct ag_integration_ref ref;
	int rc = 0;

	if (ag_integration_find(c, c->arg[0], AG_VERB_UPDATE, &ref) < 0 ||
	    ag_field_array(c, c->body, "models", &models) == AG_FIELD_BAD ||
	    read_before(c, ref.id, &before) < 0)
		return;
	if (ag_json_len(models) > MODELS_MAX)
		rc = ag_call_invalid(c, "models: at most %d in one call", MODELS_MAX);
	for (size_t i = 0; rc == 0 && i < ag_json_len(models); i++)
		rc = put_model(c, ref.id, ag_json_at(models, i), i);
	if (rc == 0 && set_allow_all(c, ref.id) == 0)
		finish(c, "update", &ref, before);
	json_object_put(before);
}

static int
delete_one(struct ag_call *c, int64_t integration_id, const char *slug)
{
	AG_AUTO(ag_pgres) PGresult *there = NULL;
	struct ag_pg_args a = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&a, integration_id);
	ag_pg_arg_text(&a, slug);
	there = ag_call_sql(c, SQL_MODEL_IS_THERE, &a);
	if (!there)
		return -1;
	if (PQntuples(there) == 0)
		return ag_call_not_found(c, "model", slug);
	if (!ag_pg_bool(there, 0, 0))
		return ag_call_invalid(c, "slugs: \"%.200s\" is built in; disable it instead", slug);
	res = ag_call_sql(c, SQL_MODEL_DELETE, &a);
	PQclear(res);
	return res ? 0 : -1;
}

/* "slugs=a,b" of the query, as the SDKs have it. */
static int
delete_queried(struct ag_call *c, int64_t integration_id, const char *p)
{
	int rc = 0;

	while (*p && rc == 0) {
		size_t n = strcspn(p, ",");
		char slug[AG_SLUG_MAX + 1];

		if (n > 0)
			rc = ag_str_copy(ag_str_n(p, n), slug, sizeof(slug)) ? delete_one(c, integration_id, slug)
			    : ag_call_invalid(c, "slugs: a slug has at most %d bytes", AG_SLUG_MAX);
		p += n + (p[n] == ',');
	}
	return rc;
}

/* {"models": ["a", "b"]}, as the Terraform provider has it. */
static int
delete_listed(struct ag_call *c, int64_t integration_id, struct json_object *models)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ag_json_len(models); i++) {
		struct json_object *one = ag_json_at(models, i);

		rc = json_object_is_type(one, json_type_string)
		    ? delete_one(c, integration_id, json_object_get_string(one))
		    : ag_call_invalid(c, "models[%zu]: must be a string", i);
	}
	return rc;
}

void
ag_model_delete(struct ag_call *c)
{
	const char *slugs = ag_call_query(c, "slugs");
	struct json_object *before = NULL, *models = NULL;
	struct ag_integration_ref ref;

	if (ag_integration_find(c, c->arg[0], AG_VERB_UPDATE, &ref) < 0 ||
	    ag_field_array(c, c->body, "models", &models) == AG_FIELD_BAD)
		return;
	if (!slugs && !models) {
		ag_call_invalid(c, "slugs: is required in the query, or models in the body");
		return;
	}
	if (read_before(c, ref.id, &before) < 0)
		return;
	if ((!slugs || delete_queried(c, ref.id, slugs) == 0) &&
	    (!models || delete_listed(c, ref.id, models) == 0))
		finish(c, "delete", &ref, before);
	json_object_put(before);
}
