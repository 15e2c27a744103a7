#include "control/metrics.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "control/pg.h"
#include "control/sql.h"
#include "limit/meter.h"
#include "shm/counters.h"
#include "shm/histogram.h"
#include "shm/metertab.h"

#define TOP        20       /* budgets shown */
#define SLOTS_TICK 32768    /* meters looked at in one second */
#define WALK_US    (5 * AG_US_PER_SEC) /* at least, from one walk to the next */
#define OUT_MAX    ((size_t)1 << 20)
#define NAME_MAX_BYTES 96

/* A budget with a limit, at the moment the walk passed it. */
struct full {
	int64_t meter_id;
	uint32_t unit, level;
	int64_t limit, settled, held;
	uint32_t share; /* of the limit that is used, in millionths */
	char name[NAME_MAX_BYTES];
};

struct top {
	struct full row[TOP];
	unsigned n;
};

struct ag_metrics {
	struct ag_control *ctl; /* borrowed */
	struct evhttp *http;    /* owned; NULL: nobody listens */
	struct top walking;     /* the fullest so far */
	struct top shown;       /* of the last whole walk */
	uint32_t at;            /* next slot */
	int64_t next_walk_us;   /* monotonic */
};

/* ---- the fullest budgets ----------------------------------------------------------------- */

static void
top_add(struct top *t, const struct full *f)
{
	unsigned i;

	if (t->n == TOP && t->row[TOP - 1].share >= f->share)
		return;
	if (t->n < TOP)
		t->n++;
	for (i = t->n - 1; i > 0 && t->row[i - 1].share < f->share; i--)
		t->row[i] = t->row[i - 1];
	t->row[i] = *f;
}

static void
look_at(struct ag_metrics *m, const struct ag_meter *meter, int64_t now_us)
{
	struct ag_meter_state s;
	struct full f = { .meter_id = ag_a64_get(&meter->id) };
	int64_t limit = ag_a64_get(&meter->limit);
	uint32_t name_n;

	if (ag_a32_observe(&meter->kind) != AG_METER_BUDGET || f.meter_id <= 0 || limit <= 0 || limit == INT64_MAX)
		return;
	ag_meter_read(meter, 0, now_us, &s);
	f.unit = ag_a32_get(&meter->unit);
	f.level = ag_a32_get(&meter->level);
	f.limit = limit;
	f.settled = s.settled;
	f.held = s.held;
	f.share = s.used >= limit ? 1000000 : (uint32_t)((__int128)s.used * 1000000 / limit);
	name_n = f.meter_id >= AG_METER_DERIVED ? ag_a32_observe(&meter->budget.name_len) : 0;
	if (name_n >= sizeof(f.name))
		name_n = sizeof(f.name) - 1;
	memcpy(f.name, meter->budget.name, name_n);
	if (f.share > 0)
		top_add(&m->walking, &f);
}

/* The owners' names, where the database has them; a walk shows ids alone when it is away. */
static void
name_top(struct ag_metrics *m)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args args = { 0 };
	struct ag_err err = { "" };
	struct ag_buf ids;

	if (m->shown.n == 0 || !m->ctl->is_loaded || ag_pg_begin(m->ctl->pg, AG_PG_READ, &err) < 0)
		return;
	ag_buf_init(&ids, 1024);
	ag_buf_putc(&ids, '{');
	for (unsigned i = 0; i < m->shown.n; i++)
		ag_buf_printf(&ids, "%s%lld", i > 0 ? "," : "", (long long)m->shown.row[i].meter_id);
	ag_buf_put(&ids, "}", 2);
	ag_pg_arg_text(&args, ids.p);
	res = ag_pg_exec(m->ctl->pg, SQL_METER_OWNERS, &args, &err);
	ag_pg_rollback(m->ctl->pg);
	ag_buf_fini(&ids);
	for (int r = 0; res && r < PQntuples(res); r++)
		for (unsigned i = 0; i < m->shown.n; i++)
			if (m->shown.row[i].meter_id == ag_pg_i64(res, r, 0))
				(void)ag_str_copy(ag_pg_text(res, r, 1), m->shown.row[i].name, NAME_MAX_BYTES);
}

void
ag_metrics_tick(struct ag_metrics *m)
{
	const struct ag_shm *shm = m->ctl->ctx->shm;
	int64_t now_us = ag_clock_wall_us();
	uint32_t left = SLOTS_TICK, from, to;

	if (!m->http || ag_clock_mono_us() < m->next_walk_us)
		return;
	while (left > 0 && ag_metertab_next_run(shm, m->at, &from, &to)) {
		if (to - from > left)
			to = from + left;
		for (uint32_t i = from; i < to; i++)
			look_at(m, ag_metertab_at(shm, i), now_us);
		left -= to - from;
		m->at = to;
	}
	if (left == 0)
		return;
	m->shown = m->walking;
	m->walking.n = 0;
	m->at = 0;
	m->next_walk_us = ag_clock_mono_us() + WALK_US;
	name_top(m);
}

/* ---- the text ---------------------------------------------------------------------------- */

static void
put_head(struct ag_buf *b, const char *name, const char *type, const char *help)
{
	ag_buf_printf(b, "# HELP aigated_%s %s\n# TYPE aigated_%s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed escaped. */
static void
put_label(struct ag_buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			ag_buf_putc(b, '\\');
		if (*s == '\n')
			ag_buf_puts(b, "\\n");
		else
			ag_buf_putc(b, *s);
	}
}

static void
put_counters(struct ag_buf *b, const struct ag_shm *shm)
{
	for (unsigned c = 0; c < AG_COUNTERS; c++) {
		const struct ag_counter_def *d = &ag_counter_defs[c];
		bool is_gauge = d->kind == AG_COUNTER_GAUGE;
		size_t n = strlen(d->name);
		bool is_named = n > 6 && strcmp(d->name + n - 6, "_total") == 0;
		char name[96];

		snprintf(name, sizeof(name), "%s%s", d->name, is_gauge || is_named ? "" : "_total");
		put_head(b, name, is_gauge ? "gauge" : "counter", d->brief);
		ag_buf_printf(b, "aigated_%s %lld\n", name, (long long)ag_counter_sum(shm, (enum ag_counter)c));
	}
}

/* Microseconds as seconds, exactly. */
static void
put_seconds(struct ag_buf *b, int64_t us)
{
	ag_buf_printf(b, "%lld.%06lld", (long long)(us / 1000000), (long long)(us % 1000000));
}

static void
put_histogram(struct ag_buf *b, const struct ag_shm *shm, enum ag_histogram h)
{
	const struct ag_histogram_def *d = &ag_histogram_defs[h];
	int base = (int)strlen(d->name) - 3; /* without "_us": Prometheus counts in seconds */
	struct ag_histogram_sum sum;
	int64_t below = 0;
	char name[96];

	ag_histogram_sum(shm, h, &sum);
	snprintf(name, sizeof(name), "%.*s_seconds", base, d->name);
	put_head(b, name, "histogram", d->brief);
	for (unsigned i = 0; i + 1 < AG_HIST_BUCKETS; i++) {
		below += sum.bucket[i];
		ag_buf_printf(b, "aigated_%s_bucket{le=\"", name);
		put_seconds(b, (int64_t)ag_histogram_bound(i));
		ag_buf_printf(b, "\"} %lld\n", (long long)below);
	}
	ag_buf_printf(b, "aigated_%s_bucket{le=\"+Inf\"} %lld\naigated_%s_sum ", name, (long long)sum.count, name);
	put_seconds(b, sum.sum_us);
	ag_buf_printf(b, "\naigated_%s_count %lld\n", name, (long long)sum.count);
}

static void
put_process(struct ag_buf *b, const char *name, const char *help, const struct ag_shm *shm,
    int64_t (*value)(const struct ag_shm *shm, uint32_t worker))
{
	put_head(b, name, "gauge", help);
	for (uint32_t w = 0; w < shm->hdr->sizes.workers; w++)
		ag_buf_printf(b, "aigated_%s{worker=\"%u\"} %lld\n", name, w, (long long)value(shm, w));
}

static int64_t
connections_of(const struct ag_shm *shm, uint32_t w)
{
	return ag_a32_get(&ag_shm_proc(shm, AG_PROC_WORKER(w))->connections);
}

static int64_t
inflight_of(const struct ag_shm *shm, uint32_t w)
{
	return ag_a32_get(&ag_shm_proc(shm, AG_PROC_WORKER(w))->inflight);
}

static int64_t
serving_of(const struct ag_shm *shm, uint32_t w)
{
	return ag_a32_get(&ag_shm_proc(shm, AG_PROC_WORKER(w))->is_serving);
}

static int64_t
ring_bytes_of(const struct ag_shm *shm, uint32_t w)
{
	const struct ag_ring_hdr *ring = ag_shm_ring(shm, w);

	return ag_a64_get(&ring->head) - ag_a64_get(&ring->tail);
}

/* Records that PostgreSQL does not have yet, wherever they wait. */
static int64_t
unstored_of(const struct ag_shm *shm, uint32_t w)
{
	const struct ag_ring_hdr *ring = ag_shm_ring(shm, w);
	int64_t n = ag_a64_get(&ring->next_seq) - 1 - ag_a64_get(&ring->stored_seq);

	return n > 0 ? n : 0;
}

static void
put_state(struct ag_buf *b, const struct ag_shm *shm, int64_t now_us)
{
	int64_t down_us = ag_a64_get(&shm->hdr->pg_down_since_us);

	put_process(b, "worker_serving", "Whether the worker serves", shm, serving_of);
	put_process(b, "worker_connections", "Client connections open", shm, connections_of);
	put_process(b, "worker_inflight", "Requests in flight", shm, inflight_of);
	put_process(b, "ring_bytes", "Bytes waiting in the usage ring", shm, ring_bytes_of);
	put_process(b, "ledger_unstored_records", "Records that PostgreSQL does not have yet", shm, unstored_of);
	put_head(b, "ring_size_bytes", "gauge", "Size of each usage ring");
	ag_buf_printf(b, "aigated_ring_size_bytes %llu\n", (unsigned long long)shm->hdr->sizes.ring_bytes);
	put_head(b, "ready", "gauge", "Whether keys and limits are loaded");
	ag_buf_printf(b, "aigated_ready %d\n", ag_a32_observe(&shm->hdr->state) == AG_SHM_READY);
	put_head(b, "intake_closed", "gauge", "Whether new requests are refused because ring and journal are full");
	ag_buf_printf(b, "aigated_intake_closed %u\n", ag_a32_get(&shm->hdr->intake_closed));
	put_head(b, "postgresql_down_seconds", "gauge", "For how long PostgreSQL has been away, 0 when it is there");
	ag_buf_puts(b, "aigated_postgresql_down_seconds ");
	put_seconds(b, down_us == 0 || down_us > now_us ? 0 : now_us - down_us);
	ag_buf_putc(b, '\n');
}

static void
put_amount(struct ag_buf *b, uint32_t unit, int64_t v)
{
	char text[40];

	if (unit != AG_UNIT_NUSD) {
		ag_buf_printf(b, "%lld", (long long)v);
		return;
	}
	ag_buf_put(b, text, ag_fmt_usd(text, sizeof(text), v));
}

static void
put_budgets(struct ag_buf *b, const struct top *t)
{
	static const char *const level[] = { [AG_LEVEL_KEY] = "key", [AG_LEVEL_WORKSPACE] = "workspace",
		[AG_LEVEL_GRANT] = "grant", [AG_LEVEL_PROVIDER] = "provider", [AG_LEVEL_ORG] = "organisation",
		[AG_LEVEL_POLICY] = "policy" };
	static const char *const unit[] = { [AG_UNIT_NUSD] = "usd", [AG_UNIT_TOKENS] = "tokens",
		[AG_UNIT_REQUESTS] = "requests" };
	static const struct { const char *name, *help; } figure[] = {
		{ "budget_limit", "Limit of the budgets that are nearest to theirs" },
		{ "budget_settled", "What of it is spent in the current period" },
		{ "budget_held", "What of it requests in flight hold" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(figure); i++) {
		put_head(b, figure[i].name, "gauge", figure[i].help);
		for (unsigned k = 0; k < t->n; k++) {
			const struct full *f = &t->row[k];
			bool is_known = f->unit < AG_ARRAY_LEN(unit) && unit[f->unit] &&
			    f->level < AG_ARRAY_LEN(level) && level[f->level];

			if (!is_known)
				continue;
			ag_buf_printf(b, "aigated_%s{meter=\"%lld\",level=\"%s\",unit=\"%s\",owner=\"", figure[i].name,
			    (long long)f->meter_id, level[f->level], unit[f->unit]);
			put_label(b, f->name);
			ag_buf_puts(b, "\"} ");
			put_amount(b, f->unit, i == 0 ? f->limit : i == 1 ? f->settled : f->held);
			ag_buf_putc(b, '\n');
		}
	}
}

static void
put_all(struct ag_metrics *m, struct ag_buf *b)
{
	const struct ag_shm *shm = m->ctl->ctx->shm;

	put_head(b, "build_info", "gauge", "Version of the gateway");
	ag_buf_puts(b, "aigated_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
	put_counters(b, shm);
	for (unsigned h = 0; h < AG_HISTOGRAMS; h++)
		put_histogram(b, shm, (enum ag_histogram)h);
	put_state(b, shm, ag_clock_wall_us());
	put_budgets(b, &m->shown);
}

/* ---- serving ----------------------------------------------------------------------------- */

static void
metrics_on_request(struct evhttp_request *http, void *arg)
{
	struct ag_metrics *m = arg;
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(http));
	enum evhttp_cmd_type cmd = evhttp_request_get_command(http);
	struct evbuffer *out;
	struct ag_buf b;

	if (!path || strcmp(path, "/metrics") != 0) {
		evhttp_send_error(http, HTTP_NOTFOUND, "only /metrics is here");
		return;
	}
	if (cmd != EVHTTP_REQ_GET && cmd != EVHTTP_REQ_HEAD) {
		evhttp_send_error(http, HTTP_BADMETHOD, "only GET is taken");
		return;
	}
	ag_buf_init(&b, OUT_MAX);
	put_all(m, &b);
	out = evhttp_request_get_output_buffer(http);
	if (b.failed || evbuffer_add(out, b.p, b.n) < 0) {
		evhttp_send_error(http, HTTP_INTERNAL, "out of memory");
	} else {
		evhttp_add_header(evhttp_request_get_output_headers(http), "Content-Type",
		    "text/plain; version=0.0.4; charset=utf-8");
		evhttp_send_reply(http, HTTP_OK, "OK", NULL);
	}
	ag_buf_fini(&b);
}

struct ag_metrics *
ag_metrics_start(struct ag_control *ctl, int fd)
{
	struct ag_metrics *m = calloc(1, sizeof(*m));

	if (m)
		m->ctl = ctl;
	if (!m || fd < 0)
		return m;
	m->http = evhttp_new(ctl->base);
	if (m->http) {
		evhttp_set_max_headers_size(m->http, 8192);
		evhttp_set_max_body_size(m->http, 8192);
		evhttp_set_timeout(m->http, 30);
		evhttp_set_allowed_methods(m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
		evhttp_set_gencb(m->http, metrics_on_request, m);
	}
	if (!m->http || evhttp_accept_socket(m->http, fd) < 0) {
		ag_metrics_free(m);
		return NULL;
	}
	return m;
}

void
ag_metrics_free(struct ag_metrics *m)
{
	if (!m)
		return;
	if (m->http)
		evhttp_free(m->http);
	free(m);
}
