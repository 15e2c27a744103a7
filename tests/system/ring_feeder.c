/* ring_feeder.c - for tests: a segment and records in its rings without a gateway around them.
 *
 *   ring_feeder feed NAME [workers=2] [ring=8388608] [n=1000] [rate=0] [meters=7] [keys=50]
 *               [poison=K] [meta=K] [huge=K] [hole=K] [leak=AMOUNT] [stuck=1] [old=DAYS]
 *               [fail=K] [odd=K]
 *     Makes or re-attaches segment NAME and pushes n records, turn by turn to the workers' rings,
 *     rate a second (0: as fast as there is room).  Record number K of this run is: poison, of a
 *     month without partition; meta, with metadata jsonb refuses; huge, with a counter no bigint
 *     holds; hole, preceded by a number that is never pushed.  leak: meters 1.. get the amount on
 *     top of what was charged, as after a death; stuck: a request stays in flight on meter 1.
 *     old: all of them are that many days old; fail: every K-th failed at the provider, its usage
 *     unknown; odd: every K-th has something in every column, the poison
 *     one besides.  Says what it pushed, as JSON.
 *   ring_feeder flush NAME CONF     the flusher, until SIGTERM or the end of standard input
 *   ring_feeder look NAME           rings, meters and flags, as JSON
 *   ring_feeder unlink NAME */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "aigated/role.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "conf/conf.h"
#include "limit/holds.h"
#include "shm/histogram.h"
#include "shm/metertab.h"
#include "shm/ring.h"

#define PATIENCE_US (60 * AG_US_PER_SEC)

struct options {
	uint64_t workers, ring, n, rate, meters, keys, poison, meta, huge, hole, leak, stuck,
	    old, fail, odd;
};

static uint64_t
number(const char *s)
{
	uint64_t v;

	if (ag_parse_u64(ag_str(s), INT64_MAX, &v) < 0) {
		fprintf(stderr, "cannot read number \"%s\"\n", s);
		exit(2);
	}
	return v;
}

static void
option(struct options *o, const char *arg)
{
	const struct { const char *name; uint64_t *v; } all[] = {
		{ "workers=", &o->workers }, { "ring=", &o->ring }, { "n=", &o->n },
		{ "rate=", &o->rate }, { "meters=", &o->meters }, { "keys=", &o->keys },
		{ "poison=", &o->poison }, { "meta=", &o->meta }, { "huge=", &o->huge },
		{ "hole=", &o->hole }, { "leak=", &o->leak },
		{ "stuck=", &o->stuck }, { "old=", &o->old }, { "fail=", &o->fail },
		{ "odd=", &o->odd },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(all); i++) {
		size_t n = strlen(all[i].name);

		if (strncmp(arg, all[i].name, n) == 0) {
			*all[i].v = number(arg + n);
			return;
		}
	}
	fprintf(stderr, "unknown option \"%s\"\n", arg);
	exit(2);
}

static void
segment_open(const char *name, const struct options *o, struct ag_shm *shm)
{
	const struct ag_shm_sizes sizes = { .workers = (uint32_t)o->workers, .inflight = 8, .keys = 64,
		.meters = 256, .blob_units = 64, .counters = AG_COUNTER_CELLS, .objects = 64, .ring_bytes = o->ring,
		.catalog_bytes = 65536 };
	struct ag_err err;
	bool is_fresh;

	if (ag_shm_open(name, &sizes, false, shm, &is_fresh, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

static void
segment_map(const char *name, struct ag_shm *shm)
{
	struct ag_err err;
	int fd = shm_open(name, O_RDWR, 0);

	if (fd < 0 || ag_shm_map(fd, shm, &err) < 0) {
		fprintf(stderr, "%s\n", fd < 0 ? strerror(errno) : err.text);
		exit(1);
	}
}

/* ---- feed ----------------------------------------------------------------------------------- */

static uint32_t
meter_ix(const struct ag_shm *shm, int64_t id)
{
	const struct ag_meter_def def = { .id = id, .kind = AG_METER_BUDGET, .unit = AG_UNIT_NUSD,
		.level = AG_LEVEL_KEY, .limit = INT64_MAX, .alert_at = INT64_MAX };
	uint32_t ix;
	bool is_new;

	if (ag_metertab_put(shm, &def, &ix, &is_new) < 0)
		abort();
	return ix;
}

static int64_t
amount_of(uint64_t i)
{
	return (int64_t)(i * 7919 % 100003);
}

/* Numbers from 1001 on in the order of the columns: what stands in the wrong one is seen. */
static void
make_odd(struct ag_record *rec, struct ag_str strs[AG_RS_COUNT])
{
	struct ag_usage *u = &rec->usage;
	uint64_t *const counters[] = { &u->cache_read, &u->cache_write_5m, &u->cache_write_1h,
		&u->input_audio, &u->input_image, &u->cache_read_audio, &u->reasoning, &u->output_audio,
		&u->output_image, &u->accepted_prediction, &u->rejected_prediction, &u->web_searches,
		&u->units };

	for (size_t i = 0; i < AG_ARRAY_LEN(counters); i++)
		*counters[i] = 1001 + i;
	u->geo_num = 11;
	u->geo_den = 10;
	u->provider_cost_nusd = 1014;
	rec->price_ppm = 1015;
	rec->queue_us = 1016;
	rec->connect_us = 1017;
	rec->cache_status = 1018;
	rec->user_id = 1019;
	rec->config_id = 1020;
	rec->price_adjustment_id = 1021;
	strs[AG_RS_ERROR_TYPE] = AG_STR("none");
	strs[AG_RS_SPAN_ID] = AG_STR("b7ad6b7169203331");
}

static void
record_make(const struct options *o, uint64_t i, uint64_t k, struct ag_record *rec,
    struct ag_str strs[AG_RS_COUNT])
{
	static char metadata[160];
	int64_t now = k == o->poison ? 631152000 * AG_US_PER_SEC
	                               : ag_clock_wall_us() - (int64_t)o->old * AG_US_PER_DAY;

	memset(rec, 0, sizeof(*rec));
	rec->attempt = 1;
	rec->received_at_us = rec->sent_at_us = now;
	rec->first_byte_at_us = now + 30000;
	rec->finished_at_us = now + 90000;
	memcpy(rec->request_id, &i, sizeof(i));
	rec->org_id = 1;
	rec->workspace_id = 1 + (int64_t)(i % 5);
	rec->key_id = 1 + (int64_t)(i % o->keys);
	rec->integration_id = 3;
	rec->grant_id = 4;
	rec->provider_id = 5;
	rec->price_id = 17;
	rec->cost_nusd = rec->charged_nusd = amount_of(i);
	rec->held_nusd = 200000;
	rec->usage.input_fresh = k == o->huge ? UINT64_MAX : 100 + i % 900;
	rec->usage.output_total = 50 + i % 500;
	rec->usage.provider_cost_nusd = -1;
	rec->usage.source = AG_USAGE_REPORTED;
	rec->admit_us = 3;
	rec->overhead_us = 41;
	rec->request_bytes = 1200;
	rec->response_bytes = 3400;
	rec->status = rec->client_status = 200;
	rec->endpoint = AG_EP_CHAT;
	rec->outcome = AG_OUT_ANSWERED;
	if (o->fail && k % o->fail == 0) {
		rec->outcome = AG_OUT_UPSTREAM_5XX;
		rec->status = rec->client_status = 503;
		rec->usage.source = AG_USAGE_UNKNOWN;
		strs[AG_RS_ERROR_TYPE] = AG_STR("server_error");
	}
	rec->is_final = 1;
	snprintf(metadata, sizeof(metadata), "{\"user_email\":\"u%u@example.com\",\"subscription_tier\":"
	    "\"%s\"%s}", (unsigned)(i % o->keys), i % 3 ? "pro" : "free",
	    k == o->meta ? ",\"x\":\"a\\u0000b\",\"y\":\"\\ud800\"" : "");
	strs[AG_RS_REQUESTED_MODEL] = AG_STR("gpt-5-mini");
	strs[AG_RS_SERVED_MODEL] = i % 2 ? AG_STR("gpt-5-mini-2026-03-01") : AG_STR("gpt-5-nano");
	strs[AG_RS_PROVIDER] = AG_STR("openai");
	strs[AG_RS_PROVIDER_SLUG] = AG_STR("openai-prod");
	strs[AG_RS_FINISH_REASON] = AG_STR("stop");
	strs[AG_RS_TRACE_ID] = AG_STR("0af7651916cd43dd8448eb211c80319c");
	strs[AG_RS_UPSTREAM_ID] = AG_STR("chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG");
	strs[AG_RS_METADATA] = ag_str(metadata);
	if (o->odd && (k % o->odd == 0 || k == o->poison))
		make_odd(rec, strs);
}

static void
pause_us(int64_t us)
{
	const struct timespec ts = { .tv_sec = us / AG_US_PER_SEC, .tv_nsec = us % AG_US_PER_SEC * 1000 };

	nanosleep(&ts, NULL);
}

/* What a death leaves behind: holds nobody will give back; with stuck, a request that still stands
 * on meter 1 besides. */
static void
leak(const struct ag_shm *shm, const struct options *o)
{
	const uint32_t first = meter_ix(shm, 1);
	const struct ag_amounts held = { .nusd = 5 };
	uint32_t denied;

	if (o->stuck && ag_holds_take(shm, ag_shm_inflight(shm, 0, 1), 1, &first, 1, &held,
	        ag_clock_wall_us(), &denied) != AG_TAKE_OK)
		abort();
	for (int64_t id = 1; o->leak && id <= (int64_t)o->meters; id++) {
		struct ag_meter *m = ag_metertab_at(shm, meter_ix(shm, id));
		struct ag_hold hold;

		if (ag_meter_take(m, 0, (int64_t)o->leak, ag_clock_wall_us(), &hold) != AG_TAKE_OK)
			abort();
		ag_a32_set(&m->suspect, 1);
	}
}

/* One request through its whole life; returns what it charged in all. */
static int64_t
request(const struct ag_shm *shm, const struct options *o, uint32_t w, uint64_t k)
{
	struct ag_ring ring = ag_ring_of(shm, w);
	struct ag_inflight *slot = ag_shm_inflight(shm, w, 0);
	uint64_t i = ag_ring_next_seq(&ring) * o->workers + w;
	int64_t one = 1 + (int64_t)(i % o->meters), all = (int64_t)o->meters;
	const uint32_t meters[2] = { meter_ix(shm, one), meter_ix(shm, all) };
	const struct ag_amounts held = { .nusd = 200000 }, actual = { .nusd = amount_of(i) };
	struct ag_record rec;
	struct ag_str strs[AG_RS_COUNT] = { 0 };
	uint32_t denied;

	if (k == o->hole) {
		ag_a64_set(&ring.hdr->next_seq, (int64_t)ag_ring_next_seq(&ring) + 1);
		i += o->workers;
	}
	if (ag_holds_take(shm, slot, 1, meters, 2, &held, ag_clock_wall_us(), &denied) != AG_TAKE_OK)
		abort();
	record_make(o, i, k, &rec, strs);
	rec.worker = (uint16_t)w;
	slot->draft_bytes = (uint32_t)ag_record_build(&rec, NULL, 0, strs, slot->draft,
	    sizeof(slot->draft));
	ag_holds_sent(slot);
	for (int64_t until = ag_clock_mono_us() + PATIENCE_US;
	     ag_holds_settle(shm, &ring, slot, &rec, strs, &actual, ag_clock_wall_us()) < 0;) {
		if (ag_clock_mono_us() > until) {
			fprintf(stderr, "no room in the ring for a minute\n");
			exit(3);
		}
		pause_us(200);
	}
	return one == all ? actual.nusd : 2 * actual.nusd;
}

static int
feed(const char *name, const struct options *o)
{
	struct ag_shm shm;
	int64_t started, charged = 0;

	segment_open(name, o, &shm);
	ag_a32_publish(&shm.hdr->state, AG_SHM_READY);
	started = ag_clock_mono_us();
	for (uint64_t k = 1; k <= o->n; k++) {
		if (o->rate) {
			int64_t due = started + (int64_t)(k * 1000000 / o->rate), now = ag_clock_mono_us();

			if (due > now + 1000)
				pause_us(due - now);
		}
		charged += request(&shm, o, (uint32_t)(k % o->workers), k);
	}
	leak(&shm, o);
	printf("{\"pushed\":%llu,\"charged\":%lld,\"boot_id\":%llu,\"seconds\":%.3f}\n",
	    (unsigned long long)o->n, (long long)charged, (unsigned long long)shm.hdr->boot_id,
	    (double)(ag_clock_mono_us() - started) / 1e6);
	return 0;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int
flush(const char *name, const char *path)
{
	struct ag_shm shm;
	struct ag_err err;
	struct ag_role_ctx ctx = { .shm = &shm, .proc_ix = AG_PROC_FLUSHER, .life_fd = 0,
		.control_fd = -1, .operator_fd = -1 };
	int rc;

	ctx.conf = ag_conf_load(path, &err);
	if (!ctx.conf) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	ag_log_level = AG_LOG_DEBUG;
	ag_log_set_ident("flusher");
	segment_map(name, &shm);
	ag_counters_use(&shm, AG_PROC_FLUSHER);
	ag_a32_set(&ag_shm_proc(&shm, AG_PROC_FLUSHER)->is_serving, 0);
	ag_a32_set(&ag_shm_proc(&shm, AG_PROC_FLUSHER)->pid, (uint32_t)getpid());
	rc = ag_flusher_main(&ctx);
	ag_conf_free(ctx.conf);
	return rc;
}

static int64_t
meter_used(const struct ag_meter *m)
{
	struct ag_meter_state state;

	ag_meter_read(m, 0, ag_clock_wall_us(), &state);
	return state.used;
}

static int
look(const char *name)
{
	const struct ag_proc_slot *slot;
	struct ag_shm shm;

	segment_map(name, &shm);
	slot = ag_shm_proc(&shm, AG_PROC_FLUSHER);
	printf("{\"boot_id\":%llu,\"pg_down\":%d,\"intake_closed\":%u,\"ledger_ready\":%u,\"serving\":%u",
	    (unsigned long long)shm.hdr->boot_id, ag_a64_get(&shm.hdr->pg_down_since_us) != 0,
	    ag_a32_get(&shm.hdr->intake_closed), ag_a32_get(&shm.hdr->ledger_ready),
	    ag_a32_observe(&slot->is_serving) ? ag_a32_get(&slot->pid) : 0);
	printf(",\"rings\":[");
	for (uint32_t w = 0; w < shm.hdr->sizes.workers; w++) {
		struct ag_ring r = ag_ring_of(&shm, w);

		printf("%s{\"last\":%llu,\"safe\":%lld,\"stored\":%lld,\"waiting\":%lld}", w ? "," : "",
		    (unsigned long long)ag_ring_next_seq(&r) - 1, (long long)ag_a64_get(&r.hdr->safe_seq),
		    (long long)ag_a64_get(&r.hdr->stored_seq),
		    (long long)(ag_a64_get(&r.hdr->head) - ag_a64_get(&r.hdr->tail)));
	}
	printf("],\"meters\":{");
	for (uint32_t i = 0, n = 0; i < shm.hdr->sizes.meters; i++) {
		const struct ag_meter *m = &shm.meters[i];

		if (ag_a64_get(&m->id) > 0)
			printf("%s\"%lld\":[%lld,%u]", n++ ? "," : "", (long long)ag_a64_get(&m->id),
			    (long long)meter_used(m), ag_a32_get(&m->suspect));
	}
	printf("},\"counters\":{");
	for (unsigned c = 0; c < AG_COUNTERS; c++)
		printf("%s\"%s\":%lld", c ? "," : "", ag_counter_defs[c].name,
		    (long long)ag_counter_sum(&shm, (enum ag_counter)c));
	printf("}}\n");
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = { .workers = 2, .ring = 8 << 20, .n = 1000, .meters = 7, .keys = 50 };

	if (argc >= 3 && strcmp(argv[1], "feed") == 0) {
		for (int i = 3; i < argc; i++)
			option(&o, argv[i]);
		return feed(argv[2], &o);
	}
	if (argc == 4 && strcmp(argv[1], "flush") == 0)
		return flush(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "look") == 0)
		return look(argv[2]);
	if (argc == 3 && strcmp(argv[1], "unlink") == 0)
		return ag_shm_unlink(argv[2]) < 0;
	fprintf(stderr, "usage: ring_feeder feed|flush|look|unlink NAME ...\n");
	return 2;
}
