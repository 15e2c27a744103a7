/* reprice.c - reprice: what ledger rows should have cost by the prices that stand now, at the multiples
 * that counted then.
 *
 * A row's price is the newest one of the same integration, family and model whose date is not after
 * the row, entered whenever; --price names another.  History stays: the difference to cost_nusd
 * and to earlier adjustments becomes a row of ledger_adjustment.  Costs are computed by the same
 * code as in the daemon.  A row whose cost its own price does not explain is told, and left alone. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "policy/price.h"
#include "policy/price_kinds.h"
#include "tools/aigatectl/ctl.h"

#define FETCH_ROWS "5000"

/* Prices are selected as p.id, figures in the order of enum ag_price_item, tier_gt, tier_is_ge, unit. */
#define FIGURES(p)                                                                              \
	p ".in_pusd," p ".cached_in_pusd," p ".cache_w_5m_pusd," p ".cache_w_1h_pusd," p ".out_pusd," \
	p ".reasoning_pusd," p ".audio_in_pusd," p ".audio_out_pusd," p ".image_in_pusd,"            \
	p ".image_out_pusd," p ".t_in_pusd," p ".t_cached_in_pusd," p ".t_cache_w_5m_pusd,"          \
	p ".t_out_pusd," p ".batch_in_pusd," p ".batch_cached_in_pusd," p ".batch_out_pusd,"         \
	p ".flex_in_pusd," p ".flex_cached_in_pusd," p ".flex_out_pusd," p ".prio_in_pusd,"          \
	p ".prio_cached_in_pusd," p ".prio_out_pusd," p ".unit_pusd," p ".search_pusd,"              \
	p ".request_pusd," p ".tier_gt," p ".tier_is_ge::int," p ".unit"
#define PRICE_COLUMNS (AG_PI_COUNT + 4) /* id before; tier_gt, tier_is_ge and unit behind */

enum { /* columns of the cursor before the prices */
	COL_BOOT, COL_WORKER, COL_SEQ, COL_RECEIVED, COL_REQUEST, COL_ORG, COL_WORKSPACE, COL_KEY,
	COL_FAMILY, COL_MODEL, COL_COST, COL_ADJUSTED, COL_PPM, COL_KINDS, COL_TIER, COL_USAGE,
	COL_OLD_PRICE = COL_USAGE + 17,
	COL_NEW_PRICE = COL_OLD_PRICE + PRICE_COLUMNS
};

/* $1 from, $2 to, $3 model, $4 price.id or null, $5 family or null */
static const char sql_cursor[] =
	"DECLARE reprice NO SCROLL CURSOR FOR SELECT l.boot_id, l.worker, l.seq, l.received_at,"
	" l.request_id, l.organisation_id, l.workspace_id, l.api_key_id, l.family,"
	" coalesce(nullif(l.served_model, ''), l.requested_model), l.cost_nusd,"
	" coalesce((SELECT sum(a.delta_nusd) FROM aigate.ledger_adjustment a WHERE a.boot_id = l.boot_id"
	"  AND a.worker = l.worker AND a.seq = l.seq), 0), l.price_ppm, x.multiples,"
	" array_position(array['standard','batch','flex','priority','provisioned','fast'], l.service_tier) - 1,"
	" l.input_fresh, l.cache_read, l.cache_write_5m, l.cache_write_1h, l.input_audio, l.input_image,"
	" l.cache_read_audio, l.output_total, l.reasoning, l.output_audio, l.output_image,"
	" l.accepted_prediction, l.rejected_prediction, l.web_searches, l.units, l.geo_num, l.geo_den,"
	" o.id, " FIGURES("o") ", n.id, " FIGURES("n")
	" FROM aigate.ledger l LEFT JOIN aigate.price o ON o.id = l.price_id"
	" LEFT JOIN aigate.price_adjustment x ON x.id = l.price_adjustment_id"
	" LEFT JOIN LATERAL (SELECT * FROM aigate.price p WHERE CASE WHEN $4::bigint IS NOT NULL"
	"  THEN p.id = $4::bigint ELSE coalesce(p.integration_id, 0) = coalesce(o.integration_id, 0)"
	"  AND p.family = coalesce(o.family, l.family)"
	"  AND p.model = coalesce(o.model, nullif(l.served_model, ''), l.requested_model)"
	"  AND p.effective_from <= l.received_at END ORDER BY p.effective_from DESC, p.id DESC LIMIT 1) n ON true"
	" WHERE l.received_at >= $1::timestamptz AND l.received_at < $2::timestamptz"
	" AND ($3::text IN (l.served_model, l.requested_model))"
	" AND ($5::text IS NULL OR l.family = $5::text)"
	" AND l.usage_source IN ('reported', 'partial', 'estimated') AND l.provider_cost_nusd IS NULL";

static const char sql_insert[] =
	"INSERT INTO aigate.ledger_adjustment (run, boot_id, worker, seq, received_at, request_id,"
	" organisation_id, workspace_id, api_key_id, family, model, old_price_id, new_price_id, delta_nusd,"
	" reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

struct reprice {
	PGconn *db;             /* borrowed */
	char run[40];
	const char *reason;
	bool is_dry_run;
	uint64_t rows, adjusted, unexplained, unpriced;
	int64_t before_nusd, after_nusd;
};

static int64_t
cell(const PGresult *res, int row, int column, int64_t none)
{
	int64_t v;

	if (PQgetisnull(res, row, column) ||
	    ag_parse_i64(ag_str(PQgetvalue(res, row, column)), INT64_MIN, INT64_MAX, &v) < 0)
		return none;
	return v;
}

/* By what the row's price was multiplied; NULL nothing. */
static const struct ag_price_multiples *
read_multiples(const PGresult *res, int row, struct ag_price_multiples *out)
{
	ag_price_multiples_none(out);
	if (!PQgetisnull(res, row, COL_KINDS) &&
	    ag_price_multiples_read(ag_str(PQgetvalue(res, row, COL_KINDS)), out) == 0)
		return out;
	out->ppm[AG_PK_DEFAULT] = (uint32_t)cell(res, row, COL_PPM, 0);
	return out->ppm[AG_PK_DEFAULT] > 0 ? out : NULL;
}

/* False when there is none. */
static bool
read_price(const PGresult *res, int row, int column, struct ag_cat_price *out)
{
	struct ag_cat_price p = { .id = cell(res, row, column, 0) };

	for (int i = 0; i < AG_PI_COUNT; i++)
		p.p[i] = cell(res, row, column + 1 + i, -1);
	p.tier_gt = cell(res, row, column + 1 + AG_PI_COUNT, 0);
	p.tier_is_ge = cell(res, row, column + 2 + AG_PI_COUNT, 0) != 0;
	p.unit = ag_price_unit_find(ag_str(PQgetvalue(res, row, column + 3 + AG_PI_COUNT)));
	*out = p;
	return p.id > 0;
}

static struct ag_usage
read_usage(const PGresult *res, int row)
{
	struct ag_usage u = { .provider_cost_nusd = -1, .source = AG_USAGE_REPORTED };
	uint64_t *const counters[] = { &u.input_fresh, &u.cache_read, &u.cache_write_5m,
		&u.cache_write_1h, &u.input_audio, &u.input_image, &u.cache_read_audio, &u.output_total,
		&u.reasoning, &u.output_audio, &u.output_image, &u.accepted_prediction,
		&u.rejected_prediction, &u.web_searches, &u.units };

	for (int i = 0; i < (int)AG_ARRAY_LEN(counters); i++)
		*counters[i] = (uint64_t)cell(res, row, COL_USAGE + i, 0);
	u.geo_num = (uint32_t)cell(res, row, COL_USAGE + 15, 0);
	u.geo_den = (uint32_t)cell(res, row, COL_USAGE + 16, 0);
	u.service_tier = (uint32_t)cell(res, row, COL_TIER, AG_TIER_STANDARD);
	return u;
}

static enum ctl_exit
put_adjustment(struct reprice *r, const PGresult *res, int row, int64_t delta)
{
	static const int columns[] = { COL_BOOT, COL_WORKER, COL_SEQ, COL_RECEIVED, COL_REQUEST, COL_ORG,
		COL_WORKSPACE, COL_KEY, COL_FAMILY, COL_MODEL, COL_OLD_PRICE, COL_NEW_PRICE };
	const char *values[AG_ARRAY_LEN(columns) + 3] = { r->run };
	char number[32];
	enum ctl_exit status;
	PGresult *done;

	for (size_t i = 0; i < AG_ARRAY_LEN(columns); i++)
		values[i + 1] = PQgetisnull(res, row, columns[i]) ? NULL : PQgetvalue(res, row, columns[i]);
	snprintf(number, sizeof(number), "%lld", (long long)delta);
	values[AG_ARRAY_LEN(columns) + 1] = number;
	values[AG_ARRAY_LEN(columns) + 2] = r->reason;
	done = PQexecPrepared(r->db, "adjust", (int)AG_ARRAY_LEN(values), values, NULL, NULL, 0);
	status = ctl_db_check(r->db, done, "write an adjustment");
	PQclear(done);
	return status;
}

static enum ctl_exit
reprice_row(struct reprice *r, const PGresult *res, int row)
{
	struct ag_price_multiples said;
	const struct ag_price_multiples *multiples = read_multiples(res, row, &said);
	int64_t stands = cell(res, row, COL_COST, 0), earlier = cell(res, row, COL_ADJUSTED, 0), now;
	struct ag_usage u = read_usage(res, row);
	struct ag_cat_price price;

	r->rows++;
	if (read_price(res, row, COL_OLD_PRICE, &price) &&
	    ag_price_cost_nusd(&price, multiples, &u) != stands) {
		r->unexplained++;
		return CTL_OK;
	}
	if (!read_price(res, row, COL_NEW_PRICE, &price)) {
		r->unpriced++;
		return CTL_OK;
	}
	now = ag_price_cost_nusd(&price, multiples, &u);
	r->before_nusd += stands + earlier;
	r->after_nusd += now;
	if (now == stands + earlier)
		return CTL_OK;
	r->adjusted++;
	return r->is_dry_run ? CTL_OK : put_adjustment(r, res, row, now - stands - earlier);
}

static enum ctl_exit
reprice_all(struct reprice *r)
{
	for (;;) {
		PGresult *res = PQexec(r->db, "FETCH " FETCH_ROWS " FROM reprice");
		enum ctl_exit status = ctl_db_check(r->db, res, "read the ledger");
		int n = PQntuples(res);

		for (int i = 0; status == CTL_OK && i < n; i++)
			status = reprice_row(r, res, i);
		PQclear(res);
		if (status != CTL_OK || n == 0)
			return status;
	}
}

static void
report(const struct ctl *ctl, const struct reprice *r)
{
	char before[40], after[40], delta[40];
	int64_t d = r->after_nusd - r->before_nusd;

	ag_fmt_decimal(before, sizeof(before), r->before_nusd, 9);
	ag_fmt_decimal(after, sizeof(after), r->after_nusd, 9);
	delta[0] = '-';
	ag_fmt_decimal(delta + (d < 0), sizeof(delta) - 1, d < 0 ? -d : d, 9);
	if (ctl->output != CTL_OUT_TABLE) {
		printf("{\"rows\": %llu, \"adjusted\": %llu, \"unexplained\": %llu, \"unpriced\": %llu,"
		       " \"before_usd\": \"%s\", \"after_usd\": \"%s\", \"delta_usd\": \"%s\","
		       " \"dry_run\": %s, \"run\": \"%s\"}\n",
		       (unsigned long long)r->rows, (unsigned long long)r->adjusted,
		       (unsigned long long)r->unexplained, (unsigned long long)r->unpriced, before, after,
		       delta, r->is_dry_run ? "true" : "false", r->run);
		return;
	}
	printf("%llu rows, %llu %s: %s USD instead of %s USD, difference %s USD\n",
	       (unsigned long long)r->rows, (unsigned long long)r->adjusted,
	       r->is_dry_run ? "would be adjusted" : "adjusted", after, before, delta);
	if (r->unexplained)
		ctl_say("%llu rows left alone: their own price does not explain what they cost",
		        (unsigned long long)r->unexplained);
	if (r->unpriced)
		ctl_say("%llu rows left alone: no price", (unsigned long long)r->unpriced);
}

static enum ctl_exit
reprice_begin(struct reprice *r, const char *const values[5])
{
	enum ctl_exit status = ctl_db_exec(r->db, "BEGIN ISOLATION LEVEL REPEATABLE READ", "begin");
	PGresult *res;

	/* Two runs at once would both write the same differences. */
	if (status == CTL_OK && !r->is_dry_run)
		status = ctl_db_exec(r->db, "LOCK TABLE aigate.ledger_adjustment IN SHARE ROW EXCLUSIVE MODE",
		                     "lock aigate.ledger_adjustment");
	if (status == CTL_OK) {
		res = PQexec(r->db, "SELECT gen_random_uuid()");
		status = ctl_db_check(r->db, res, "name the run");
		if (status == CTL_OK)
			ag_str_copy(ag_str(PQgetvalue(res, 0, 0)), r->run, sizeof(r->run));
		PQclear(res);
	}
	if (status == CTL_OK) {
		res = PQexecParams(r->db, sql_cursor, 5, NULL, values, NULL, NULL, 0);
		status = ctl_db_check(r->db, res, "read the ledger");
		PQclear(res);
	}
	if (status == CTL_OK && !r->is_dry_run) {
		res = PQprepare(r->db, "adjust", sql_insert, 0, NULL);
		status = ctl_db_check(r->db, res, "prepare adjustments");
		PQclear(res);
	}
	return status;
}

enum ctl_exit
ctl_reprice(struct ctl *ctl, int argc, char **argv)
{
	const char *values[5] = { NULL };
	struct reprice r = { .reason = "" };
	const struct ctl_opt opts[] = { { "from", CTL_OPT_TEXT, &values[0] },
		{ "to", CTL_OPT_TEXT, &values[1] }, { "model", CTL_OPT_TEXT, &values[2] },
		{ "price", CTL_OPT_TEXT, &values[3] }, { "family", CTL_OPT_TEXT, &values[4] },
		{ "reason", CTL_OPT_TEXT, &r.reason }, { "dry-run", CTL_OPT_FLAG, &r.is_dry_run },
		{ NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);

	if (status != CTL_OK)
		return status;
	if (!values[0] || !values[1] || !values[2])
		return ctl_fail(CTL_USAGE, "reprice needs --from, --to and --model");
	if (!r.is_dry_run && !r.reason[0])
		return ctl_fail(CTL_USAGE, "reprice needs a --reason, which every adjustment keeps; or --dry-run");
	status = ctl_db_open(ctl);
	r.db = ctl->db;
	if (status == CTL_OK)
		status = reprice_begin(&r, values);
	if (status == CTL_OK)
		status = reprice_all(&r);
	if (status == CTL_OK)
		status = ctl_db_exec(r.db, r.is_dry_run ? "ROLLBACK" : "COMMIT", "commit");
	if (status == CTL_OK)
		report(ctl, &r);
	return status;
}
