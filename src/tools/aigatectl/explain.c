/* explain.c - why a request was refused, fitted or admitted: from the segment, where the newest
 * decisions of each worker stand, and from the ledger, which keeps what was sent to a provider. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/money.h"
#include "conf/conf.h"
#include "shm/explain.h"
#include "tools/aigatectl/ctl.h"

#define NAMES_MAX (AG_HOLDS_MAX * 24u + 16u)

static const char sql_names[] =
	"SELECT json_object_agg(t.id, t.name) FROM (SELECT m.id::text, CASE m.level"
	" WHEN 'key' THEN (SELECT name FROM aigate.api_key WHERE id = m.scope_id)"
	" WHEN 'workspace' THEN (SELECT slug FROM aigate.workspace WHERE id = m.scope_id)"
	" WHEN 'grant' THEN (SELECT i.slug FROM aigate.integration_workspace g"
	"  JOIN aigate.integration i ON i.id = g.integration_id WHERE g.id = m.scope_id)"
	" WHEN 'provider' THEN (SELECT slug FROM aigate.provider WHERE id = m.scope_id)"
	" WHEN 'organisation' THEN (SELECT name FROM aigate.organisation WHERE id = m.scope_id) END AS name"
	" FROM aigate.meter m WHERE m.id = ANY($1::bigint[])"
	" UNION ALL SELECT e.meter_id::text, coalesce(p.name, p.uuid::text) || ' ' || e.value_key"
	" FROM aigate.policy_entity e JOIN aigate.policy p ON p.id = e.policy_id"
	" WHERE e.meter_id = ANY($1::bigint[])"
	" UNION ALL SELECT 'key', name || ' (' || uuid || ')' FROM aigate.api_key WHERE id = $2::bigint) t"
	" WHERE t.name IS NOT NULL";

#define SQL_LEDGER                                                                          \
	"SELECT coalesce(json_agg(t ORDER BY t.received_at, t.attempt), '[]') FROM (SELECT"     \
	" request_id, trace_id, attempt, received_at, provider_slug AS provider,"              \
	" requested_model AS model, outcome, status, client_status, usage_source,"             \
	" trim_scale(held_nusd / 1000000000::numeric) AS held,"                                \
	" trim_scale(cost_nusd / 1000000000::numeric) AS cost,"                                \
	" trim_scale(charged_nusd / 1000000000::numeric) AS charged, coalesce((SELECT"         \
	" json_agg(json_build_object('meter', c.id, 'level', coalesce(m.level, 'policy'),"     \
	" 'type', CASE coalesce(m.unit, p.unit) WHEN 'nusd' THEN 'cost' ELSE coalesce(m.unit, p.unit) END," \
	" 'amount', CASE coalesce(m.unit, p.unit) WHEN 'nusd' THEN"                            \
	" trim_scale(c.amount / 1000000000::numeric) ELSE c.amount END) ORDER BY c.n)"         \
	" FROM unnest(l.charge_meter_id, l.charge_amount) WITH ORDINALITY c (id, amount, n)"   \
	" LEFT JOIN aigate.meter m ON m.id = c.id"                                             \
	" LEFT JOIN aigate.policy_entity e ON e.meter_id = c.id"                               \
	" LEFT JOIN aigate.policy p ON p.id = e.policy_id), '[]') AS charges"                  \
	" FROM aigate.ledger l WHERE "
static const char sql_by_request[] = SQL_LEDGER "request_id = $1::uuid) t";
static const char sql_by_trace[] = SQL_LEDGER
	"trace_id = $1 AND received_at >= CASE WHEN $2 ~ '^[0-9]+d$'"
	" THEN current_date - rtrim($2, 'd')::int ELSE $2::date END) t";

/* By enum ag_verdict: 0 allows. */
static const struct {
	const char *name, *type;
	int status;
} rules[] = {
	{ "ALLOW", "", 200 },
#define X(id, http, form, kind, errcode, cnt, retry, fmt) { #id, kind, http },
#include "aigated/tbl/verdicts.h"
#undef X
};
#define ALLOW 0

/* ---- the segment ---- */

static const char *
unit_name(uint8_t unit)
{
	return unit == AG_UNIT_NUSD ? "cost" : unit == AG_UNIT_TOKENS ? "tokens" : "requests";
}

static struct json_object *
amount(int64_t v, uint8_t unit)
{
	char text[40];

	if (v == INT64_MAX)
		return NULL;
	if (unit != AG_UNIT_NUSD)
		return json_object_new_int64(v);
	text[ag_fmt_usd(text, sizeof(text) - 1, v)] = '\0';
	return json_tokener_parse(text); /* keeps the text as it is */
}

static void
add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static void
add_time(struct json_object *o, const char *name, int64_t at_us)
{
	char text[AG_ISO8601_LEN];

	if (at_us <= 0 || at_us == INT64_MAX)
		return;
	ag_clock_iso8601(at_us, text);
	add_text(o, name, text);
}

static void
add_uuid(struct json_object *o, const char *name, const uint8_t uuid[16])
{
	static const char hex[] = "0123456789abcdef";
	char text[37];
	size_t n = 0;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[n++] = '-';
		text[n++] = hex[uuid[i] >> 4];
		text[n++] = hex[uuid[i] & 15];
	}
	text[n] = '\0';
	add_text(o, name, text);
}

static const char *
per_of(const struct ag_explain_meter *m)
{
	static const char *const periods[] = { [AG_PERIOD_NONE] = "for ever",
		[AG_PERIOD_WEEKLY] = "weekly", [AG_PERIOD_MONTHLY] = "monthly", [AG_PERIOD_DAYS] = "days",
		[AG_PERIOD_WEEKLY_MONDAY] = "weekly" };

	switch ((enum ag_meter_kind)m->kind) {
	case AG_METER_BUDGET:
		return m->period_kind < AG_ARRAY_LEN(periods) ? periods[m->period_kind] : "";
	case AG_METER_RATE:
		return m->window_us == AG_US_PER_SEC ? "rps" : m->window_us == AG_US_PER_MIN ? "rpm"
		    : m->window_us == AG_US_PER_HOUR ? "rph" : m->window_us == AG_US_PER_DAY ? "rpd" : "rpw";
	case AG_METER_GAUGE:
	case AG_METER_FREE:
		break;
	}
	return "at a time";
}

/* Had there been room for it alone; rates of tokens and requests may refuse for more than their sum. */
static const char *
result_of(const struct ag_explain *e, uint32_t i)
{
	const struct ag_explain_meter *m = &e->meter[i];
	bool has_room = m->limit == INT64_MAX || m->wanted <= m->limit - m->used - m->held;

	if (i == e->refused)
		return e->brief.flags & AG_EXPLAIN_FITTED ? "fitted to it"
		    : e->brief.verdict == ALLOW ? "made room later" : "refused";
	return has_room ? "room" : m->enforcement == AG_ENFORCE_SHADOW ? "no room, in shadow" : "no room";
}

static struct json_object *
meter_json(const struct ag_explain *e, uint32_t i)
{
	static const char *const levels[] = { "", "api_key", "workspace", "integration", "provider",
		"organisation", "policy" };
	static const char *const kinds[] = { "", "budget", "rate", "concurrency" };
	static const char *const modes[] = { [AG_ENFORCE_STRICT] = "strict",
		[AG_ENFORCE_ADAPTIVE] = "adaptive", [AG_ENFORCE_SHADOW] = "shadow" };
	const struct ag_explain_meter *m = &e->meter[i];
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "meter", json_object_new_int64(m->id));
	add_text(o, "scope", m->level < AG_ARRAY_LEN(levels) ? levels[m->level] : "");
	add_text(o, "kind", m->kind < AG_ARRAY_LEN(kinds) ? kinds[m->kind] : "");
	if (m->kind == AG_METER_BUDGET && m->enforcement < AG_ARRAY_LEN(modes))
		add_text(o, "enforcement", modes[m->enforcement]);
	add_text(o, "type", unit_name(m->unit));
	add_text(o, "per", per_of(m));
	json_object_object_add(o, "limit", amount(m->limit, m->unit));
	json_object_object_add(o, "used", amount(m->used, m->unit));
	json_object_object_add(o, "held", amount(m->held, m->unit));
	json_object_object_add(o, "wanted", amount(m->wanted, m->unit));
	add_time(o, "resets_at", m->resets_at_us);
	add_text(o, "result", result_of(e, i));
	if (m->suspect)
		json_object_object_add(o, "suspect", json_object_new_boolean(true));
	return o;
}

/* The text of the answer without what stood in its place. */
static void
add_verdict(struct json_object *o, const struct ag_explain *e, bool is_full)
{
	uint16_t v = e->brief.verdict;
	char detail[sizeof(e->detail) + 1];

	if (v == ALLOW || v >= AG_ARRAY_LEN(rules)) {
		add_text(o, "decision", e->brief.flags & AG_EXPLAIN_FITTED ? "fitted" : "admitted");
		return;
	}
	add_text(o, "decision", "refused");
	add_text(o, "rule", rules[v].name);
	json_object_object_add(o, "status", json_object_new_int(rules[v].status));
	add_text(o, "error_type", rules[v].type);
	if (is_full && e->detail_len > 0 && ag_str_copy(ag_str_n(e->detail, e->detail_len), detail,
	    sizeof(detail)))
		add_text(o, "detail", detail);
}

static void
add_brief(struct json_object *o, const struct ag_explain_brief *b)
{
	add_uuid(o, "request_id", b->request_id);
	add_time(o, "received_at", b->at_us);
	json_object_object_add(o, "api_key_id", json_object_new_int64(b->key_id));
	if (b->input + b->output > 0) {
		json_object_object_add(o, "input_tokens_at_most", json_object_new_int64(b->input));
		json_object_object_add(o, "output_tokens_at_most", json_object_new_int64(b->output));
		json_object_object_add(o, b->verdict == ALLOW ? "held" : "wanted",
		    amount(b->nusd, AG_UNIT_NUSD));
	}
	json_object_object_add(o, "meters_looked_at", json_object_new_int(b->n_meters));
	json_object_object_add(o, "policies_applied", json_object_new_int(b->n_policies));
	if (b->waited_ms > 0)
		json_object_object_add(o, "waited_ms", json_object_new_int64(b->waited_ms));
	if (b->flags & AG_EXPLAIN_UNGOVERNED)
		json_object_object_add(o, "ungoverned", json_object_new_boolean(true));
	if (b->flags & AG_EXPLAIN_UNPRICED)
		json_object_object_add(o, "unpriced", json_object_new_boolean(true));
}

static struct json_object *
decision_json(const struct ag_explain *e, bool is_full)
{
	struct json_object *o = json_object_new_object(), *meters;
	char text[AG_EXPLAIN_TEXT + 1];

	add_verdict(o, e, is_full);
	add_brief(o, &e->brief);
	if (!is_full)
		return o;
	if (ag_str_copy(ag_str_n(e->trace, e->trace_len), text, sizeof(text)))
		add_text(o, "trace_id", text);
	if (ag_str_copy(ag_str_n(e->model, e->model_len), text, sizeof(text)))
		add_text(o, "model", text);
	if (e->brief.flags & AG_EXPLAIN_FITTED)
		json_object_object_add(o, "output_tokens_asked", json_object_new_int64(e->output_asked));
	meters = json_object_new_array();
	for (uint32_t i = 0; i < e->brief.n_meters; i++)
		json_object_array_add(meters, meter_json(e, i));
	json_object_object_add(o, "meters", meters);
	return o;
}

static bool
uuid_parse(const char *text, uint8_t out[16])
{
	unsigned n = 0;

	for (; *text; text++) {
		int d = *text >= '0' && *text <= '9' ? *text - '0'
		    : *text >= 'a' && *text <= 'f' ? *text - 'a' + 10
		    : *text >= 'A' && *text <= 'F' ? *text - 'A' + 10 : -1;

		if (*text == '-')
			continue;
		if (d < 0 || n == 32)
			return false;
		out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] | d : d << 4);
		n++;
	}
	return n == 32;
}

/* NULL: not there (any more), or no segment to look into. */
static struct json_object *
from_segment(struct ctl *ctl, const char *id, const uint8_t *uuid, struct ag_explain *e)
{
	const struct ag_conf *conf = ctl_conf(ctl);
	struct ag_err err = { "" };
	struct ag_shm shm;
	int found;

	if (!conf)
		return NULL;
	if (ag_shm_attach(conf->shm_name, &shm, &err) < 0) {
		ctl_say("only the ledger can be asked: %s", err.text);
		return NULL;
	}
	found = ag_explain_find(&shm, uuid, ag_str(id), e);
	ag_shm_unmap(&shm);
	return found > 0 ? decision_json(e, found == 2) : NULL;
}

/* ---- the ledger ---- */

/* What the meters are called; they stay nameless when PostgreSQL is away. */
static void
add_names(struct ctl *ctl, const struct ag_explain *e, struct json_object *decision)
{
	struct json_object *names, *meters = ctl_json_at(decision, "meters");
	char ids[NAMES_MAX], key[24];
	const char *values[] = { ids, key };
	size_t n = 0;
	PGresult *res;

	n += (size_t)snprintf(ids, sizeof(ids), "{");
	for (uint32_t i = 0; i < e->brief.n_meters && meters; i++)
		n += (size_t)snprintf(ids + n, sizeof(ids) - n, "%s%lld", i ? "," : "",
		    (long long)e->meter[i].id);
	snprintf(ids + n, sizeof(ids) - n, "}");
	snprintf(key, sizeof(key), "%lld", (long long)e->brief.key_id);
	res = PQexecParams(ctl->db, sql_names, 2, NULL, values, NULL, NULL, 0);
	names = PQresultStatus(res) == PGRES_TUPLES_OK && !PQgetisnull(res, 0, 0)
	    ? json_tokener_parse(PQgetvalue(res, 0, 0)) : NULL;
	PQclear(res);
	if (ctl_json_at(names, "key"))
		add_text(decision, "api_key", ctl_json_text(names, "key"));
	for (size_t i = 0; i < ag_json_len(meters); i++) {
		struct json_object *one = ag_json_at(meters, i);

		if (ctl_json_at(names, ctl_json_text(one, "meter")))
			add_text(one, "name", ctl_json_text(names, ctl_json_text(one, "meter")));
	}
	json_object_put(names);
}

static enum ctl_exit
read_rows(struct ctl *ctl, const char *sql, int n, const char *const *values,
          struct json_object **out)
{
	PGresult *res = PQexecParams(ctl->db, sql, n, NULL, values, NULL, NULL, 0);
	enum ctl_exit status = ctl_db_check(ctl->db, res, "read the ledger");

	if (status == CTL_OK) {
		json_object_put(*out);
		*out = json_tokener_parse(PQgetvalue(res, 0, 0));
	}
	PQclear(res);
	return status;
}

static enum ctl_exit
from_ledger(struct ctl *ctl, const char *id, bool is_uuid, const char *since, struct json_object **out)
{
	const char *const values[] = { id, since };
	enum ctl_exit status = is_uuid ? read_rows(ctl, sql_by_request, 1, values, out) : CTL_OK;

	if (status == CTL_OK && (!*out || ag_json_len(*out) == 0))
		status = read_rows(ctl, sql_by_trace, 2, values, out);
	return status;
}

/* ---- telling ---- */

static const struct ctl_column decision_columns[] = {
	{ "decision", "decision", NULL },
	{ "rule", "rule", NULL },
	{ "status", "status", NULL },
	{ "detail", "detail", NULL },
	{ "request", "request_id", NULL },
	{ "trace", "trace_id", NULL },
	{ "received", "received_at", NULL },
	{ "API key", "api_key", NULL },
	{ "model", "model", NULL },
	{ "input tokens, at most", "input_tokens_at_most", NULL },
	{ "output tokens, at most", "output_tokens_at_most", NULL },
	{ "output tokens asked for", "output_tokens_asked", NULL },
	{ "wanted", "wanted", NULL },
	{ "held", "held", NULL },
	{ "limits looked at", "meters_looked_at", NULL },
	{ "waited, ms", "waited_ms", NULL },
};
static const struct ctl_column meter_columns[] = {
	{ "scope", "scope", NULL }, { "name", "name", NULL }, { "kind", "kind", NULL },
	{ "mode", "enforcement", NULL }, { "type", "type", NULL }, { "per", "per", NULL }, { "limit", "limit", NULL },
	{ "used", "used", NULL }, { "held", "held", NULL }, { "wanted", "wanted", NULL },
	{ "resets", "resets_at", NULL }, { "result", "result", NULL },
};

static void
put_charges(struct ag_buf *b, struct json_object *charges)
{
	for (size_t i = 0; i < ag_json_len(charges); i++) {
		struct json_object *one = ag_json_at(charges, i);

		ag_buf_printf(b, "%s%s %s %s", i ? ", " : "", ctl_json_text(one, "level"),
		    ctl_json_text(one, "amount"), ctl_json_text(one, "type"));
	}
}

static const struct ctl_column ledger_columns[] = {
	{ "request", "request_id", NULL }, { "attempt", "attempt", NULL },
	{ "received", "received_at", NULL }, { "provider", "provider", NULL },
	{ "model", "model", NULL }, { "outcome", "outcome", NULL }, { "status", "status", NULL },
	{ "usage", "usage_source", NULL }, { "held", "held", NULL }, { "cost", "cost", NULL },
	{ "charged", "charged", NULL }, { "budgets charged", "charges", put_charges },
};

static void
tell(struct ctl *ctl, struct json_object *decision, struct json_object *rows)
{
	struct json_object *both, *meters = ctl_json_at(decision, "meters");

	if (ctl->output != CTL_OUT_TABLE) {
		both = json_object_new_object();
		json_object_object_add(both, "decision", json_object_get(decision));
		json_object_object_add(both, "ledger", json_object_get(rows));
		ctl_print_tree(ctl, both);
		json_object_put(both);
		return;
	}
	if (decision)
		ctl_print_one(ctl, decision, decision_columns, AG_ARRAY_LEN(decision_columns));
	if (ag_json_len(meters) > 0) {
		putchar('\n');
		ctl_print_list(ctl, NULL, meters, meter_columns, AG_ARRAY_LEN(meter_columns));
	}
	if (ag_json_len(rows) > 0) {
		putchar('\n');
		ctl_print_list(ctl, NULL, rows, ledger_columns, AG_ARRAY_LEN(ledger_columns));
	}
}

enum ctl_exit
ctl_explain(struct ctl *ctl, int argc, char **argv)
{
	const char *since = "2d";
	const struct ctl_opt opts[] = { { "since", CTL_OPT_TEXT, &since }, { NULL, CTL_OPT_END, NULL } };
	struct json_object *decision, *rows = NULL;
	struct ctl_list words = { .n = 0 };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, &words, 1);
	struct ag_explain e;
	uint8_t uuid[16];
	bool is_uuid;

	if (status != CTL_OK)
		return status;
	if (words.n != 1)
		return ctl_fail(CTL_USAGE, "which request?  Give its id or its trace id");
	is_uuid = uuid_parse(words.v[0], uuid);
	decision = from_segment(ctl, words.v[0], is_uuid ? uuid : NULL, &e);
	status = ctl_db_open(ctl);
	if (status == CTL_OK && decision)
		add_names(ctl, &e, decision);
	if (status == CTL_OK)
		status = from_ledger(ctl, words.v[0], is_uuid, since, &rows);
	if (decision)
		status = CTL_OK; /* PostgreSQL may be away: what it has not told was said */
	if (status == CTL_OK && !decision && ag_json_len(rows) == 0)
		status = ctl_fail(CTL_FAILED, "request \"%s\" is neither among the newest decisions nor in "
		    "the ledger", words.v[0]);
	if (status == CTL_OK)
		tell(ctl, decision, rows);
	json_object_put(decision);
	json_object_put(rows);
	return status;
}
