/* The role: timers and signals, and the decision what to do next.  See README.md. */
#include "flusher/flusher.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/schedule.h"
#include "base/title.h"
#include "flusher/bodies.h"
#include "flusher/reconcile.h"
#include "flusher/retention.h"
#include "shm/counters.h"

#define TICK_MIN_US       (1 * AG_US_PER_MS)
#define TICKS_PER_SYNC    8
#define RETRY_US          (500 * AG_US_PER_MS)
#define STALL_US          (2 * AG_US_PER_SEC) /* a silent PostgreSQL counts as down */
#define LEAVE_STORE_US    (2 * AG_US_PER_SEC) /* leaving: then the journal must do */
#define LOCK_PATIENCE_US  (15 * AG_US_PER_SEC)
#define BYTES_PER_RECORD  512u                /* for "a batch is waiting", roughly */
#define INTAKE_CLOSE      75u                 /* per cent of the fullest ring */
#define INTAKE_OPEN       50u

static void flusher_work(struct ag_flusher *f, int64_t now_us);

/* ---- what PostgreSQL and the journal know ---------------------------------------------- */

static bool
is_journalling(const struct ag_flusher *f)
{
	return ag_journal_bytes(f->journal) > 0;
}

static void
note_down(struct ag_flusher *f, int64_t now_us, bool is_down)
{
	struct ag_a64 *since = &f->ctx->shm->hdr->pg_down_since_us;

	if (!is_down) {
		f->down_since_us = 0;
		if (ag_a64_get(since))
			ag_a64_publish(since, 0);
	} else if (!f->down_since_us) {
		f->down_since_us = now_us;
		/* An earlier life of ours may have noticed first. */
		if (!ag_a64_get(since))
			ag_a64_publish(since, ag_clock_wall_us());
	}
}

/* The journal before `pos` is stored. */
static void
journal_replayed(struct ag_flusher *f, struct ag_journal_pos pos)
{
	struct ag_a32 *ready = &f->ctx->shm->hdr->ledger_ready;

	f->replayed = pos;
	ag_journal_trim(f->journal, pos);
	ag_a64_set(&ag_counters_mine[AG_CNT_journal_bytes], (int64_t)ag_journal_bytes(f->journal));
	f->intake.journal_again_at_us = 0; /* there may be room again */
	if (!is_journalling(f))
		ag_debug("the journal is empty, records go straight to PostgreSQL");
	if (f->was_ready && !ag_a32_get(ready) && !ag_journal_pos_is_before(pos, f->old_end)) {
		ag_notice("PostgreSQL holds all that was left in the journal");
		ag_a32_publish(ready, 1);
	}
}

/* ---- batches --------------------------------------------------------------------------- */

static void
batch_done(struct ag_flusher *f)
{
	const struct ag_batch *b = &f->batch;

	if (b->is_from_journal)
		journal_replayed(f, b->journal_end);
	else
		ag_intake_release(&f->intake, b);
	ag_intake_publish_stored(&f->intake);
}

static void
batch_count(const struct ag_batch *b)
{
	ag_count(AG_CNT_flush_batches);
	ag_count_add(AG_CNT_flush_rows, (int64_t)b->n_rows);
	if (b->is_from_journal)
		ag_count_add(AG_CNT_journal_replayed, (int64_t)b->n_records);
	for (size_t i = 0; i < b->n_gaps; i++) {
		const struct ag_gap *g = &b->gaps[i];

		ag_count_add(AG_CNT_sequence_holes, (int64_t)(g->to_seq - g->from_seq + 1));
		ag_error("ledger records never arrived: boot=%lld worker=%u seq=%llu..%llu",
		    (long long)g->boot_id, g->worker, (unsigned long long)g->from_seq,
		    (unsigned long long)g->to_seq);
	}
	if (!b->is_quarantine)
		return;
	ag_count(AG_CNT_flush_quarantined);
	ag_error("ledger record put aside in ledger_quarantine: boot=%lld worker=%u seq=%llu: %s",
	    (long long)b->put_aside_of.boot_id, b->put_aside_of.worker,
	    (unsigned long long)b->put_aside_of.now, b->reason);
}

/* Fills a batch from where records come from now; false when there is nothing to store. */
static bool
batch_fill(struct ag_flusher *f, int64_t now_us)
{
	struct ag_batch *b = &f->batch;
	int rc = 0;

	if (is_journalling(f))
		rc = ag_intake_fill_from_journal(&f->intake, b, f->replayed);
	else if (!ag_intake_fill_from_rings(&f->intake, b))
		rc = -ENOMEM;
	if (rc < 0) {
		ag_error("could not collect records: %s, trying again", strerror(-rc));
		f->retry_at_us = now_us + RETRY_US;
		return false;
	}
	b->filled_at_us = now_us;
	if (b->n_records > 0)
		return true;
	batch_done(f); /* all of it was stored before */
	return false;
}

static void
batch_start(struct ag_flusher *f, int64_t now_us)
{
	f->flush_at_us = now_us + f->ctx->conf->flush_interval;
	if (!batch_fill(f, now_us))
		return;
	f->is_in_flight = true;
	ag_store_commit(f->store, &f->batch); /* may call flusher_on_batch() */
}

static void
flusher_on_batch(enum ag_store_result result, const char *why, void *arg)
{
	static struct ag_log_limit limit;
	struct ag_flusher *f = arg;
	struct ag_batch *b = &f->batch;
	int64_t now_us = ag_clock_mono_us();

	f->is_in_flight = false;
	if (result != AG_STORE_STORED && result != AG_STORE_MOVED)
		ag_count(AG_CNT_flush_failed);
	/* Refused without its charges even: nothing that is known would help. */
	if (result == AG_STORE_REFUSED && b->is_quarantine && b->condemned.drop_charges)
		result = AG_STORE_FAILED;
	switch (result) {
	case AG_STORE_STORED:
		note_down(f, now_us, false);
		batch_count(b);
		ag_batch_stored(b);
		batch_done(f);
		break;
	case AG_STORE_REFUSED:
		ag_debug("batch of %zu refused: %s", b->n_records, why);
		ag_batch_refused(b, why);
		break;
	case AG_STORE_MOVED:
		ag_notice("ledger positions had moved, going on from where they stand");
		break;
	case AG_STORE_FAILED:
		if (ag_log_allowed(&limit, 5))
			ag_warn("PostgreSQL could not store a batch: %s, trying again", why);
		f->retry_at_us = now_us + RETRY_US;
		break;
	case AG_STORE_LOST:
		note_down(f, now_us, true);
		break;
	}
	/* More is waiting: at once, else at the next flush. */
	if (b->is_cut || is_journalling(f) || b->is_bisecting)
		f->flush_at_us = now_us;
	event_active(f->ev_tick, EV_TIMEOUT, 0);
}

static void
flusher_on_ready(void *arg)
{
	struct ag_flusher *f = arg;
	struct ag_a32 *ready = &f->ctx->shm->hdr->ledger_ready;

	note_down(f, ag_clock_mono_us(), false);
	f->was_ready = true;
	if (!ag_a32_get(ready) && !ag_journal_pos_is_before(f->replayed, f->old_end))
		ag_a32_publish(ready, 1);
	ag_intake_publish_stored(&f->intake);
	event_active(f->ev_tick, EV_TIMEOUT, 0);
}

static void
flusher_on_position(uint64_t boot_id, uint32_t worker, uint64_t seq, void *arg)
{
	struct ag_flusher *f = arg;
	struct ag_stream *s = ag_streams_get(&f->streams, boot_id, worker);

	/* Without memory for it the batch that needs it will find its position moved. */
	if (s && s->stored < seq)
		s->stored = seq;
}

static void
flusher_on_truth(const int64_t *settled, size_t n, void *arg)
{
	struct ag_flusher *f = arg;

	ag_reconcile_on_truth(f->reconcile, settled, n);
	event_active(f->ev_tick, EV_TIMEOUT, 0);
}

static const struct ag_store_ops store_ops = {
	.on_ready = flusher_on_ready,
	.on_position = flusher_on_position,
	.on_batch = flusher_on_batch,
	.on_truth = flusher_on_truth,
};

/* ---- the watchdog ---------------------------------------------------------------------- */

static int64_t
tick_us(const struct ag_conf *conf)
{
	int64_t us = conf->journal_sync / TICKS_PER_SYNC;

	us = us < conf->flush_interval ? us : conf->flush_interval;
	return us < TICK_MIN_US ? TICK_MIN_US : us;
}

/* Whether what waits in the rings has to be made safe on disk now. */
static bool
must_journal(const struct ag_flusher *f, int64_t waiting_since_us, int64_t now_us)
{
	int64_t sync = f->ctx->conf->journal_sync, waited = now_us - waiting_since_us;

	if (!ag_intake_is_pending(&f->intake))
		return false;
	if (f->is_leaving && (!ag_store_is_up(f->store) || now_us >= f->leave_by_us))
		return true;
	/* Behind a journal that is in use there is no faster way.  A little at a time is still in the
	 * processor's caches, and holds nobody off the core for long. */
	if (is_journalling(f))
		return waited >= tick_us(f->ctx->conf);
	return waited + tick_us(f->ctx->conf) >= sync;
}

static void
intake_gate(struct ag_flusher *f)
{
	struct ag_a32 *closed = &f->ctx->shm->hdr->intake_closed;
	unsigned fill = ag_intake_fill_percent(&f->intake);

	bool takes_nothing = f->intake.has_journal_failed || f->intake.has_sync_failed;

	if (!ag_a32_get(closed) && takes_nothing && fill >= INTAKE_CLOSE) {
		ag_error("rings and journal are full, new requests are %s",
		    f->ctx->conf->full_ring == AG_FULL_RING_SERVE ? "served unrecorded" : "refused");
		ag_a32_publish(closed, 1);
	} else if (ag_a32_get(closed) && fill < INTAKE_OPEN) {
		ag_notice("rings have room again, new requests are taken");
		ag_a32_publish(closed, 0);
	}
}

static bool
workers_are_gone(const struct ag_flusher *f)
{
	for (uint32_t w = 0; w < f->ctx->shm->hdr->sizes.workers; w++) {
		pid_t pid = (pid_t)ag_a32_get(&ag_shm_proc(f->ctx->shm, AG_PROC_WORKER(w))->pid);

		if (pid > 0 && kill(pid, 0) == 0)
			return false;
	}
	return true;
}

/* Everything is safe, and nobody makes more: the loop ends. */
static void
leave_if_done(struct ag_flusher *f, int64_t now_us)
{
	bool is_late = now_us >= f->leave_by_us;

	if (f->is_in_flight && !is_late)
		return;
	if (f->is_orphaned && !workers_are_gone(f) && !is_late)
		return;
	if (ag_intake_is_pending(&f->intake)) {
		if (!is_late || !f->intake.has_journal_failed)
			return;
		ag_error("leaving with records in the rings: neither PostgreSQL nor the journal takes them, "
		    "they wait in shared memory");
		f->exit_status = 1;
	}
	if (!ag_intake_is_synced(&f->intake, is_late))
		return;
	if (ag_journal_unsynced_bytes(f->journal) > 0)
		f->exit_status = 1;
	event_base_loopbreak(f->base);
}

static void
flusher_work(struct ag_flusher *f, int64_t now_us)
{
	int64_t since = ag_intake_look(&f->intake, now_us);
	bool is_due = now_us >= f->flush_at_us || f->is_leaving || is_journalling(f) ||
	    ag_intake_pending_bytes(&f->intake) >=
	        (uint64_t)f->ctx->conf->flush_batch * BYTES_PER_RECORD;

	if ((since && must_journal(f, since, now_us)) || ag_intake_owes_write(&f->intake, now_us)) {
		int rc = ag_intake_to_journal(&f->intake, now_us);

		if (rc < 0)
			ag_debug("journal: %s", strerror(-rc));
	}
	intake_gate(f);
	if (f->is_leaving)
		leave_if_done(f, now_us);
	/* Leaving: what is in the journal is safe and stays there. */
	if (f->is_leaving && !ag_intake_is_pending(&f->intake))
		return;
	if (is_due && !f->is_in_flight && ag_store_is_ready(f->store) && now_us >= f->retry_at_us)
		batch_start(f, now_us); /* last: may call back */
}

/* ---- timers and signals ---------------------------------------------------------------- */

static void
arm(struct event *ev, int64_t us)
{
	struct timeval tv = { .tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC };

	event_add(ev, &tv);
}

static void
flusher_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ag_flusher *f = arg;
	const struct ag_conf *conf = f->ctx->conf;
	int64_t us = tick_us(conf);

	(void)fd;
	(void)what;
	/* With nothing there every second tick will do: what comes meanwhile counts as waiting from now on,
	 * and its patience is longer than two. */
	if (!ag_intake_is_pending(&f->intake) && !is_journalling(f) && 2 * us <= conf->flush_interval &&
	    4 * us <= conf->journal_sync)
		us *= 2;
	arm(f->ev_tick, us);
	if (!f->is_leaving)
		ag_bodies_out_tick(f->bodies, ag_clock_mono_us());
	flusher_work(f, ag_clock_mono_us());
}

/* *at_us: when it is due, once a day; earlier where a connection failed. */
static void
run_retention(struct ag_flusher *f, struct ag_retention *r, int64_t keep_us, int64_t *at_us)
{
	int64_t now_us = ag_clock_mono_us(), again_at_us = ag_retention_again_at_us(r);

	if (again_at_us > 0 && again_at_us < *at_us)
		*at_us = again_at_us;
	if (now_us < *at_us || keep_us <= 0 || !ag_store_is_up(f->store) || f->is_leaving)
		return;
	*at_us = now_us + AG_US_PER_DAY;
	ag_retention_run(r, keep_us);
}

static void
flusher_on_synced(evutil_socket_t fd, short what, void *arg)
{
	struct ag_flusher *f = arg;
	int64_t now_us = ag_clock_mono_us();
	int rc = ag_intake_sync(&f->intake, now_us);

	(void)fd;
	(void)what;
	if (rc < 0)
		ag_debug("journal: %s", strerror(-rc));
	ag_intake_note_lag(&f->intake, f->ctx->conf->journal_sync, now_us);
	event_active(f->ev_tick, EV_TIMEOUT, 0); /* segments may go that it had */
}

static void
flusher_on_second(evutil_socket_t fd, short what, void *arg)
{
	struct ag_flusher *f = arg;
	int64_t now_us = ag_clock_mono_us(), busy = ag_store_busy_since_us(f->store);
	const struct ag_shm_hdr *hdr = f->ctx->shm->hdr;

	(void)fd;
	(void)what;
	arm(f->ev_second, AG_US_PER_SEC);
	ag_a64_set(&ag_shm_proc(f->ctx->shm, f->ctx->proc_ix)->heartbeat_us, ag_clock_wall_us());
	ag_intake_note_lag(&f->intake, f->ctx->conf->journal_sync, now_us);
	if (!ag_store_is_up(f->store) || (busy && now_us - busy > STALL_US))
		note_down(f, now_us, true);
	if (now_us >= f->partitions_at_us) {
		f->partitions_at_us = now_us + AG_US_PER_DAY;
		ag_store_want_partitions(f->store);
	}
	run_retention(f, f->retention, f->ctx->conf->ledger_retention, &f->retention_at_us);
	run_retention(f, f->body_retention, f->ctx->conf->body_retention, &f->body_retention_at_us);
	ag_store_tick(f->store, now_us);
	ag_retention_tick(f->retention, now_us);
	ag_retention_tick(f->body_retention, now_us);
	if (!f->is_leaving && ag_store_is_up(f->store) && !is_journalling(f) &&
	    ag_a32_observe(&hdr->state) == AG_SHM_READY && ag_a32_get(&hdr->ledger_ready))
		ag_reconcile_tick(f->reconcile, f->store); /* last: may call back */
}

static void
flusher_leave(struct ag_flusher *f)
{
	int64_t patience = f->ctx->conf->shutdown_timeout;

	if (f->is_leaving)
		return;
	if (!f->is_orphaned && patience > LEAVE_STORE_US)
		patience = LEAVE_STORE_US;
	f->is_leaving = true;
	f->leave_by_us = ag_clock_mono_us() + patience;
	ag_title_state("draining");
	ag_info("draining");
	event_active(f->ev_tick, EV_TIMEOUT, 0);
}

static void
flusher_on_life(evutil_socket_t fd, short what, void *arg)
{
	struct ag_flusher *f = arg;
	char byte;
	ssize_t n = read(fd, &byte, 1);

	(void)what;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	event_del(f->ev_life);
	ag_warn("the master is gone, draining");
	f->is_orphaned = true;
	flusher_leave(f);
}

/* What the configuration says about the ledger, at start and after a reload. */
static void
flusher_take_conf(struct ag_flusher *f)
{
	const struct ag_conf *conf = f->ctx->conf;

	ag_batch_set_limit(&f->batch, conf->flush_batch);
	ag_batch_set_metadata(&f->batch, conf->rollup_metadata);
	ag_store_set_partitions(f->store,
	    conf->ledger_partition == AG_PARTITION_DAY ? "day" : "month");
	f->retention_at_us = f->body_retention_at_us = 0;
}

static void
flusher_reload(struct ag_flusher *f)
{
	struct ag_err err;

	if (ag_conf_reload(f->ctx->conf, &err) < 0) {
		ag_error("could not reload the configuration: %s, keeping what is in force", err.text);
		return;
	}
	flusher_take_conf(f);
	f->partitions_at_us = 0;
	ag_journal_set_max(f->journal, f->ctx->conf->journal_max);
	f->intake.journal_again_at_us = 0;
	ag_info("configuration reloaded");
}

static void
flusher_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct ag_flusher *f = arg;

	(void)what;
	switch ((int)sig) {
	case SIGHUP:
		flusher_reload(f);
		break;
	case SIGUSR1:
		if (ag_log_reopen() < 0)
			ag_warn("could not reopen the log, writing to the old one");
		break;
	case SIGINT:
		f->must_leave_now = true;
		event_base_loopbreak(f->base);
		break;
	default:
		flusher_leave(f);
		break;
	}
}

/* ---- coming and going ------------------------------------------------------------------ */

static void
event_drop(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

static void
flusher_fini(struct ag_flusher *f)
{
	ag_reconcile_free(f->reconcile);
	ag_retention_free(f->retention);
	ag_retention_free(f->body_retention);
	ag_bodies_out_free(f->bodies);
	ag_store_free(f->store);
	event_drop(&f->ev_tick);
	event_drop(&f->ev_second);
	event_drop(&f->ev_synced);
	event_drop(&f->ev_life);
	for (size_t i = 0; i < AG_ARRAY_LEN(f->ev_signal); i++)
		event_drop(&f->ev_signal[i]);
	if (f->base)
		event_base_free(f->base);
	ag_journal_free(f->journal);
	ag_batch_fini(&f->batch);
	ag_streams_fini(&f->streams);
}

/* A flusher of the last master may still be draining. */
static int
journal_open(struct ag_flusher *f)
{
	const struct ag_conf *conf = f->ctx->conf;
	const struct timespec pause = { .tv_nsec = 50 * 1000L * 1000L };
	int64_t until = ag_clock_mono_us() + LOCK_PATIENCE_US;
	struct ag_err err;
	int rc;

	for (;;) {
		rc = ag_journal_open(conf->journal_dir, AG_JOURNAL_SEGMENT_BYTES, conf->journal_max,
		    &f->journal, &err);
		if (rc != -EBUSY || ag_clock_mono_us() > until)
			break;
		nanosleep(&pause, NULL);
	}
	if (rc < 0)
		ag_error("%s", err.text);
	return rc;
}

/* By the precise clock: the coarse one, a tick of the kernel behind, has each timer wake us two or three times. */
static struct event_base *
base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	if (!cfg)
		return NULL;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

static bool
events_make(struct ag_flusher *f)
{
	static const int signals[] = { SIGTERM, SIGQUIT, SIGINT, SIGHUP, SIGUSR1 };
	static_assert(AG_ARRAY_LEN(signals) == AG_ARRAY_LEN(((struct ag_flusher *)0)->ev_signal), "all");
	bool ok;

	f->base = base_new();
	if (!f->base)
		return false;
	f->ev_tick = event_new(f->base, -1, 0, flusher_on_tick, f);
	f->ev_second = event_new(f->base, -1, 0, flusher_on_second, f);
	f->ev_life = event_new(f->base, f->ctx->life_fd, EV_READ | EV_PERSIST, flusher_on_life, f);
	ok = f->ev_tick && f->ev_second && f->ev_life && event_add(f->ev_life, NULL) == 0;
	for (size_t i = 0; ok && i < AG_ARRAY_LEN(signals); i++) {
		f->ev_signal[i] = evsignal_new(f->base, signals[i], flusher_on_signal, f);
		ok = f->ev_signal[i] && event_add(f->ev_signal[i], NULL) == 0;
	}
	if (ok && ag_journal_sync_event_fd(f->journal) >= 0) {
		f->ev_synced = event_new(f->base, ag_journal_sync_event_fd(f->journal), EV_READ | EV_PERSIST,
		    flusher_on_synced, f);
		ok = f->ev_synced && event_add(f->ev_synced, NULL) == 0;
	}
	if (!ok)
		return false;
	arm(f->ev_tick, 0);
	arm(f->ev_second, AG_US_PER_SEC);
	return true;
}

static bool
flusher_init(struct ag_flusher *f, struct ag_role_ctx *ctx)
{
	int64_t now_us = ag_clock_mono_us();
	int rc;

	f->ctx = ctx;
	f->partitions_at_us = now_us + AG_US_PER_DAY; /* the store makes them when it connects */
	ag_batch_init(&f->batch, &f->streams, ctx->conf->flush_batch);
	if (journal_open(f) < 0)
		return false;
	f->replayed = ag_journal_first(f->journal);
	f->old_end = ag_journal_end(f->journal);
	if (is_journalling(f))
		ag_notice("the journal holds %llu bytes of an earlier life",
		    (unsigned long long)ag_journal_bytes(f->journal));
	rc = ag_journal_start_syncer(f->journal);
	if (rc < 0)
		ag_warn("could not start the thread that waits for the disk: %s, the loop waits itself",
		    strerror(-rc));
	ag_intake_init(&f->intake, ctx->shm, f->journal, &f->streams, now_us);
	/* The life before may have ended before its last sync. */
	rc = ag_intake_sync(&f->intake, now_us);
	if (rc < 0)
		ag_debug("journal: %s", strerror(-rc));
	f->reconcile = ag_reconcile_new(ctx->shm, &f->streams);
	if (f->reconcile && events_make(f))
		f->store = ag_store_new(f->base, ctx->conf->database, &store_ops, f);
	if (f->store)
		f->retention = ag_retention_new(f->base, ctx->conf->database, AG_RETAINED_LEDGER);
	if (f->retention)
		f->body_retention = ag_retention_new(f->base, ctx->conf->database, AG_RETAINED_BODIES);
	if (f->body_retention)
		f->bodies = ag_bodies_out_new(f->base, ctx->shm, ctx->conf->database);
	if (f->bodies)
		flusher_take_conf(f);
	else
		ag_error("could not start the flusher: out of memory");
	return f->bodies != NULL;
}

int
ag_flusher_main(struct ag_role_ctx *ctx)
{
	struct ag_flusher f = { .exit_status = 0 };
	struct ag_proc_slot *slot = ag_shm_proc(ctx->shm, ctx->proc_ix);
	sigset_t none;

	/* Copies of what is not synced come and go by the megabyte: given back to the kernel every time,
	 * their pages would be faulted in anew every time. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	ag_schedule_for_throughput();
	if (!flusher_init(&f, ctx)) {
		flusher_fini(&f);
		return 1;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	ag_a64_set(&slot->heartbeat_us, ag_clock_wall_us());
	ag_a32_publish(&slot->is_serving, 1);
	ag_title_state("serving");
	event_base_dispatch(f.base);
	ag_a32_publish(&slot->is_serving, 0);
	flusher_fini(&f);
	return f.exit_status;
}
