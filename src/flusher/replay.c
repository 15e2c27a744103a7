#include "flusher/replay.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "flusher/batch.h"
#include "flusher/store.h"

#define PATIENCE_US (30 * AG_US_PER_SEC)
#define PAUSE_US    (200 * AG_US_PER_MS)

struct replay {
	struct event_base *base;   /* owned */
	struct event *ev_next;     /* owned */
	struct ag_store *store;    /* owned */
	struct ag_journal *journal; /* owned */
	struct ag_streams streams;
	struct ag_batch batch;
	struct ag_journal_pos pos; /* the journal before it is stored */
	int64_t progress_us;       /* monotonic */
	bool is_in_flight;
	struct ag_replay_report *report;
	struct ag_err *err;
	int rc;
};

static void
replay_end(struct replay *r, int rc)
{
	r->rc = rc;
	event_base_loopbreak(r->base);
}

static void
replay_arm(struct replay *r, int64_t us)
{
	struct timeval tv = { .tv_usec = us };

	event_add(r->ev_next, &tv);
}

static int
replay_fill(struct replay *r)
{
	struct ag_batch *b = &r->batch;
	struct ag_journal_pos pos = r->pos;
	struct ag_journal_entry e;
	int rc;

	ag_batch_reset(b);
	b->is_from_journal = true;
	b->journal_end = pos;
	while ((rc = ag_journal_read(r->journal, &pos, &e)) > 0) {
		enum ag_batch_add added = ag_batch_add(b, e.boot_id, e.rec);

		if (added == AG_BATCH_FAILED)
			return -ENOMEM;
		if (added == AG_BATCH_FULL)
			break;
		b->journal_end = pos;
	}
	if (rc == 0)
		b->journal_end = pos;
	if (rc < 0)
		return rc;
	return ag_batch_seal(b) ? 0 : -ENOMEM;
}

static void
replay_advance(struct replay *r)
{
	r->pos = r->batch.journal_end;
	r->progress_us = ag_clock_mono_us();
	ag_journal_trim(r->journal, r->pos);
}

static void
replay_on_next(evutil_socket_t fd, short what, void *arg)
{
	struct replay *r = arg;
	int rc;

	(void)fd;
	(void)what;
	if (ag_clock_mono_us() - r->progress_us > PATIENCE_US) {
		ag_err_set(r->err, -ETIMEDOUT, "PostgreSQL has stored nothing for half a minute");
		replay_end(r, -ETIMEDOUT);
		return;
	}
	replay_arm(r, PAUSE_US);
	if (r->is_in_flight || !ag_store_is_ready(r->store))
		return;
	rc = replay_fill(r);
	if (rc == -EIO)
		return; /* the journal gives a sector up after some tries */
	if (rc < 0) {
		replay_end(r, ag_err_set(r->err, rc, "could not read the journal: %s", strerror(-rc)));
	} else if (r->batch.n_records > 0) {
		r->is_in_flight = true;
		ag_store_commit(r->store, &r->batch); /* last: may call back */
	} else {
		replay_advance(r); /* it was read to its end */
		replay_end(r, 0);
	}
}

static void
replay_on_ready(void *arg)
{
	struct replay *r = arg;

	event_active(r->ev_next, EV_TIMEOUT, 0);
}

static void
replay_on_position(uint64_t boot_id, uint32_t worker, uint64_t seq, void *arg)
{
	struct replay *r = arg;
	struct ag_stream *s = ag_streams_get(&r->streams, boot_id, worker);

	if (s && s->stored < seq)
		s->stored = seq;
}

static void
replay_count(struct replay *r)
{
	const struct ag_batch *b = &r->batch;

	r->report->stored += b->n_rows;
	r->report->quarantined += b->is_quarantine;
	for (size_t i = 0; i < b->n_gaps; i++)
		r->report->missing += b->gaps[i].to_seq - b->gaps[i].from_seq + 1;
}

static void
replay_on_batch(enum ag_store_result result, const char *why, void *arg)
{
	struct replay *r = arg;
	struct ag_batch *b = &r->batch;

	r->is_in_flight = false;
	if (result == AG_STORE_REFUSED && b->is_quarantine && b->condemned.drop_charges)
		result = AG_STORE_FAILED;
	switch (result) {
	case AG_STORE_STORED:
		replay_count(r);
		ag_batch_stored(b);
		replay_advance(r);
		break;
	case AG_STORE_REFUSED:
		ag_batch_refused(b, why);
		break;
	case AG_STORE_FAILED:
		ag_warn("PostgreSQL could not store a batch: %s, trying again", why);
		return; /* at the next pause */
	case AG_STORE_MOVED:
	case AG_STORE_LOST:
		break;
	}
	event_active(r->ev_next, EV_TIMEOUT, 0);
}

static void
replay_on_truth(const int64_t *settled, size_t n, void *arg)
{
	(void)settled;
	(void)n;
	(void)arg;
}

static const struct ag_store_ops replay_ops = {
	.on_ready = replay_on_ready,
	.on_position = replay_on_position,
	.on_batch = replay_on_batch,
	.on_truth = replay_on_truth,
};

static int
replay_run(struct replay *r, const struct ag_replay_opts *opts)
{
	int rc = ag_journal_open(opts->dir, AG_JOURNAL_SEGMENT_BYTES, opts->max_bytes, &r->journal,
	    r->err);

	if (rc < 0)
		return rc;
	r->pos = ag_journal_first(r->journal);
	r->report->bytes_before = ag_journal_bytes(r->journal);
	r->progress_us = ag_clock_mono_us();
	r->base = event_base_new();
	if (r->base)
		r->ev_next = event_new(r->base, -1, 0, replay_on_next, r);
	if (r->ev_next)
		r->store = ag_store_new(r->base, opts->conninfo, &replay_ops, r);
	if (!r->store)
		return ag_err_set(r->err, -ENOMEM, "could not replay the journal: out of memory");
	ag_store_set_partitions(r->store, opts->partition_unit);
	replay_arm(r, 0);
	event_base_dispatch(r->base);
	r->report->bytes_after = ag_journal_bytes(r->journal);
	return r->rc;
}

int
ag_replay(const struct ag_replay_opts *opts, struct ag_replay_report *out, struct ag_err *err)
{
	struct replay r = { .report = out, .err = err };
	int rc;

	*out = (struct ag_replay_report){ 0 };
	ag_batch_init(&r.batch, &r.streams, opts->batch);
	ag_batch_set_metadata(&r.batch, opts->metadata);
	rc = replay_run(&r, opts);
	ag_store_free(r.store);
	if (r.ev_next)
		event_free(r.ev_next);
	if (r.base)
		event_base_free(r.base);
	ag_journal_free(r.journal);
	ag_batch_fini(&r.batch);
	ag_streams_fini(&r.streams);
	return rc;
}
