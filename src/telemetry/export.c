#include "telemetry/export.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/num.h"
#include "conf/conf.h"
#include "shm/counters.h"
#include "telemetry/collector.h"
#include "telemetry/span.h"

#define BATCH_MAX    ((size_t)32 << 20) /* ceiling of a body; closed long before */
#define BATCH_AT     ((size_t)4 << 20)  /* bytes at which a batch is closed however few its spans */
#define BACK_OFF_US  (500 * AG_US_PER_MS)
#define BACK_OFF_MAX (30 * AG_US_PER_SEC)
#define GIVE_UP_US   (10 * AG_US_PER_MIN)

struct batch {
	struct ag_list node;  /* on export.queue once closed */
	struct ag_buf body;
	uint32_t n;           /* spans */
	int64_t opened_at_us; /* monotonic */
	int64_t tried_at_us;  /* monotonic: first time, 0 never */
};

struct ag_export {
	const struct ag_conf *conf;  /* borrowed */
	uint64_t boot_id;
	struct ag_collector *collector; /* owned */
	struct batch *open;          /* owned; NULL: none */
	struct ag_list queue;        /* struct batch, oldest first */
	uint64_t queued_bytes;       /* of open and of those in queue */
	bool is_under_way;           /* the first of queue is */
	bool is_leaving;
	bool has_failed;             /* since the last success */
	int64_t back_off_us, again_at_us; /* monotonic: not before */
};

/* ---- batches ----------------------------------------------------------------------------- */

static void
batch_free(struct batch *b)
{
	if (!b)
		return;
	ag_list_remove(&b->node);
	ag_buf_fini(&b->body);
	free(b);
}

static struct batch *
batch_open(struct ag_export *x)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	ag_list_init(&b->node);
	ag_buf_init(&b->body, BATCH_MAX);
	ag_span_put_head(&b->body, ag_str(x->conf->otlp_service), x->boot_id);
	b->opened_at_us = ag_clock_mono_us();
	return b;
}

static void
batch_close(struct ag_export *x)
{
	struct batch *b = x->open;
	size_t before = b->body.n;

	x->open = NULL;
	ag_span_put_tail(&b->body);
	x->queued_bytes += b->body.n - before;
	if (b->n == 0 || b->body.failed) {
		ag_count_add(AG_CNT_otlp_dropped, b->n);
		x->queued_bytes -= b->body.n;
		batch_free(b);
		return;
	}
	ag_list_push_back(&x->queue, &b->node);
}

static struct batch *
first(const struct ag_export *x)
{
	return ag_list_is_empty(&x->queue) ? NULL : AG_LIST_ENTRY(x->queue.next, struct batch, node);
}

static void
batch_done(struct ag_export *x, struct batch *b)
{
	x->queued_bytes -= b->body.n;
	batch_free(b);
	ag_a64_set(&ag_counters_mine[AG_CNT_otlp_queued_bytes], (int64_t)x->queued_bytes);
}

/* ---- answers ----------------------------------------------------------------------------- */

uint64_t
ag_export_rejected(struct ag_str answer)
{
	struct json_tokener *tok = json_tokener_new_ex(16);
	struct json_object *o, *partial = NULL, *n = NULL;
	uint64_t rejected = 0;

	if (!tok)
		return 0;
	o = answer.n > 0 ? json_tokener_parse_ex(tok, answer.p, (int)answer.n) : NULL;
	if (json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, "partialSuccess", &partial) &&
	    json_object_is_type(partial, json_type_object) &&
	    json_object_object_get_ex(partial, "rejectedSpans", &n)) {
		/* As a string, since it has 64 bits; some write a number all the same. */
		const char *text = json_object_get_string(n);

		if (!text || ag_parse_u64(ag_str(text), INT64_MAX, &rejected) < 0)
			rejected = 0;
	}
	json_object_put(o);
	json_tokener_free(tok);
	return rejected;
}

static void
taken(struct ag_export *x, struct batch *b, struct ag_str answer)
{
	static struct ag_log_limit limit;
	uint64_t rejected = ag_export_rejected(answer);

	if (rejected > b->n)
		rejected = b->n;
	if (rejected > 0 && ag_log_allowed(&limit, 5))
		ag_warn("the collector refused %llu of %u spans, they are dropped", (unsigned long long)rejected, b->n);
	ag_count_add(AG_CNT_otlp_failed, (int64_t)rejected);
	ag_count_add(AG_CNT_otlp_sent, (int64_t)(b->n - rejected));
	if (x->has_failed)
		ag_notice("spans are sent again");
	x->has_failed = false;
	x->back_off_us = 0;
}

/* Whether the batch is to be tried again. */
static bool
put_off(struct ag_export *x, const struct batch *b, const char *why, int64_t retry_after_us)
{
	int64_t now_us = ag_clock_mono_us();

	if (!x->has_failed)
		ag_warn("could not send spans to %s: %s, trying again", x->conf->otlp_endpoint, why);
	x->has_failed = true;
	x->back_off_us = x->back_off_us == 0 ? BACK_OFF_US
	    : x->back_off_us < BACK_OFF_MAX / 2 ? 2 * x->back_off_us : BACK_OFF_MAX;
	x->again_at_us = now_us + (retry_after_us > x->back_off_us ? retry_after_us : x->back_off_us);
	ag_count(AG_CNT_otlp_retries);
	return !x->is_leaving && now_us - b->tried_at_us < GIVE_UP_US;
}

static void
export_on_done(void *arg, const struct ag_collect_result *r)
{
	static struct ag_log_limit limit;
	struct ag_export *x = arg;
	struct batch *b = first(x);

	assert(x->is_under_way && b);
	x->is_under_way = false;
	switch (r->what) {
	case AG_COLLECTED:
		taken(x, b, r->answer);
		break;
	case AG_COLLECT_LATER:
		if (put_off(x, b, r->why, r->retry_after_us))
			return;
		ag_count_add(AG_CNT_otlp_failed, b->n);
		break;
	case AG_COLLECT_REFUSED:
		if (ag_log_allowed(&limit, 5))
			ag_warn("could not send %u spans to %s: %s, they are dropped", b->n, x->conf->otlp_endpoint,
			    r->why);
		ag_count_add(AG_CNT_otlp_failed, b->n);
		break;
	}
	batch_done(x, b);
	ag_export_tick(x, ag_clock_mono_us());
}

/* ---- from outside ------------------------------------------------------------------------ */

struct ag_export *
ag_export_new(struct event_base *base, const struct ag_conf *conf, uint64_t boot_id)
{
	struct ag_export *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->conf = conf;
	x->boot_id = boot_id;
	ag_list_init(&x->queue);
	x->collector = ag_collector_new(base, conf, export_on_done, x);
	if (!x->collector) {
		ag_export_free(x);
		return NULL;
	}
	return x;
}

void
ag_export_free(struct ag_export *x)
{
	uint64_t lost = 0;

	if (!x)
		return;
	ag_collector_free(x->collector);
	lost += x->open ? x->open->n : 0;
	batch_free(x->open);
	AG_LIST_FOREACH_SAFE(it, next, &x->queue) {
		struct batch *b = AG_LIST_ENTRY(it, struct batch, node);

		lost += b->n;
		batch_free(b);
	}
	ag_count_add(AG_CNT_otlp_dropped, (int64_t)lost);
	ag_a64_set(&ag_counters_mine[AG_CNT_otlp_queued_bytes], 0);
	if (lost > 0)
		ag_warn("leaving with %llu spans that were not sent, they are dropped", (unsigned long long)lost);
	free(x);
}

void
ag_export_take(struct ag_export *x, const struct ag_event *e)
{
	uint32_t spans = (e->kind == AG_EVENT_REQUEST ? 1u : 0u) + (e->record_len > 0 ? 1u : 0u);
	size_t before;

	if (!ag_span_is_wanted(e))
		return;
	if (!x->open && x->queued_bytes < x->conf->otlp_queue) {
		x->open = batch_open(x);
		x->queued_bytes += x->open ? x->open->body.n : 0;
	}
	if (!x->open || x->queued_bytes >= x->conf->otlp_queue) {
		ag_count_add(AG_CNT_otlp_dropped, spans);
		return;
	}
	before = x->open->body.n;
	x->open->n += ag_span_put(&x->open->body, e);
	x->queued_bytes += x->open->body.n - before;
	if (x->open->n >= x->conf->otlp_batch || x->open->body.n >= BATCH_AT)
		batch_close(x);
}

void
ag_export_tick(struct ag_export *x, int64_t now_us)
{
	struct ag_err err;
	struct batch *b;

	if (x->open && (x->is_leaving || now_us - x->open->opened_at_us >= x->conf->otlp_interval))
		batch_close(x);
	ag_a64_set(&ag_counters_mine[AG_CNT_otlp_queued_bytes], (int64_t)x->queued_bytes);
	b = first(x);
	if (!b || x->is_under_way || (now_us < x->again_at_us && !x->is_leaving))
		return;
	if (b->tried_at_us == 0)
		b->tried_at_us = now_us;
	if (ag_collector_post(x->collector, ag_buf_str(&b->body), &err) == 0) {
		x->is_under_way = true;
		return;
	}
	if (!put_off(x, b, err.text, 0)) {
		ag_count_add(AG_CNT_otlp_failed, b->n);
		batch_done(x, b);
	}
}

void
ag_export_leave(struct ag_export *x)
{
	x->is_leaving = true;
}

bool
ag_export_is_idle(const struct ag_export *x)
{
	return !x->open && !x->is_under_way && ag_list_is_empty(&x->queue);
}
