#include "control/control.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/title.h"
#include "base/wiping.h"
#include "conf/conf.h"
#include "control/alerts.h"
#include "control/exports.h"
#include "control/gate.h"
#include "control/key_schedule.h"
#include "control/metrics.h"
#include "control/pg.h"
#include "control/policy_values.h"
#include "control/publish.h"
#include "control/reader.h"
#include "control/secret_ask.h"
#include "control/secret_maps.h"
#include "control/server.h"
#include "control/shadow.h"
#include "control/throttle.h"
#include "shm/counters.h"
#include "shm/keytab.h"

#define TICK_US        AG_US_PER_SEC
#define WAIT_LEDGER_US (50 * AG_US_PER_MS)
#define RETRY_US       AG_US_PER_SEC
#define SWEEP_TICKS    5
#define SWEEP_SHARE    64  /* of the table must have been freed */
#define SWEEPS_IDLE_MAX 12 /* what is left is held by long requests, or was no slot at all */
#define FORMERS_TICKS 600  /* slots of ended secrets wait that long: nobody is hurried by them */
#define LINGER_US      (100 * AG_US_PER_MS)
#define REPORTS        2   /* made at the same time */
#define REPORT_US      (20 * AG_US_PER_SEC)

static const int watched_signals[] = { SIGTERM, SIGQUIT, SIGINT, SIGHUP, SIGUSR1 };
#define SIGNALS AG_ARRAY_LEN(watched_signals)

/* What lives as long as the process and nobody else needs. */
struct role {
	struct ag_control ctl;
	struct event *signal[SIGNALS];  /* owned */
	struct event *life;             /* owned: the master's pipe */
	struct event *linger;           /* owned: lets answers out before leaving */
	unsigned ticks;
	bool has_warned;
};

static struct timeval
timeval_of(int64_t us)
{
	return (struct timeval){ .tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC };
}

static void
arm(struct event *ev, int64_t us)
{
	struct timeval tv = timeval_of(us);

	event_add(ev, &tv);
}

const char *
ag_control_why_not(const struct ag_control *ctl)
{
	if (ctl->is_loaded)
		return NULL;
	if (ag_a32_observe(&ctl->ctx->shm->hdr->state) == AG_SHM_COLD)
		return "starting: keys and limits are not loaded yet, try again";
	return "the database is not reachable; nothing was changed, traffic is served on";
}

void
ag_control_must_load(struct ag_control *ctl, const char *why)
{
	ag_notice("loading everything anew: %s", why);
	ctl->is_loaded = false;
	arm(ctl->loader, 0);
}

/* ---- loading ---- */

int
ag_control_load(struct ag_control *ctl, struct ag_err *err)
{
	int rc = ag_publish_load(ctl, err);

	if (rc < 0)
		return rc;
	ag_alerts_loaded(ctl->alerts);
	ctl->is_loaded = true;
	ctl->loaded_at_us = ag_clock_wall_us();
	ag_a32_publish(&ctl->ctx->shm->hdr->state, AG_SHM_READY);
	ag_a32_set(&ag_shm_proc(ctl->ctx->shm, ctl->ctx->proc_ix)->is_serving, 1);
	ag_title_state("serving");
	return 0;
}

static void
role_on_loader(evutil_socket_t fd, short what, void *arg)
{
	struct role *r = arg;
	struct ag_shm_hdr *hdr = r->ctl.ctx->shm->hdr;
	struct ag_err err = { "" };

	(void)fd;
	(void)what;
	if (r->ctl.is_draining)
		return;
	/* Budgets are restored from what PostgreSQL says was spent: it has to know all of it. */
	if (ag_a32_observe(&hdr->state) == AG_SHM_COLD && !ag_a32_observe(&hdr->ledger_ready)) {
		arm(r->ctl.loader, WAIT_LEDGER_US);
		return;
	}
	if (ag_control_load(&r->ctl, &err) < 0) {
		if (!r->has_warned)
			ag_warn("could not load: %s, %s", err.text,
			    ag_a32_observe(&hdr->state) == AG_SHM_COLD ? "refusing traffic and trying again"
			                                               : "serving what stands and trying again");
		r->has_warned = true;
		arm(r->ctl.loader, RETRY_US);
		return;
	}
	if (r->has_warned)
		ag_notice("PostgreSQL is back");
	r->has_warned = false;
}

/* ---- life ---- */

/* A sweep looks at all that is in flight and at every meter: only when it is worth it. */
static void
sweep_meters(struct ag_control *ctl)
{
	const struct ag_shm *shm = ctl->ctx->shm;
	uint32_t released;

	if (ctl->freed_meters == 0 || ctl->freed_meters < shm->hdr->sizes.meters / SWEEP_SHARE)
		return;
	released = ag_metertab_sweep_freed(shm);
	ctl->freed_meters -= released < ctl->freed_meters ? released : ctl->freed_meters;
	ctl->idle_sweeps = released > 0 ? 0 : ctl->idle_sweeps + 1;
	if (ctl->idle_sweeps >= SWEEPS_IDLE_MAX)
		ctl->freed_meters = ctl->idle_sweeps = 0;
}

static void
role_beat(void *arg)
{
	struct role *r = arg;

	ag_a64_set(&ag_shm_proc(r->ctl.ctx->shm, r->ctl.ctx->proc_ix)->heartbeat_us,
	    ag_clock_wall_us());
}

static void
role_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct role *r = arg;

	(void)fd;
	(void)what;
	role_beat(r);
	r->ticks++;
	ag_policy_values_tick(&r->ctl, r->ticks % SWEEP_TICKS == 0);
	if (r->ticks % FORMERS_TICKS == 0)
		(void)ag_keytab_sweep_formers(r->ctl.keys, ag_clock_wall_us());
	if (r->ticks % SWEEP_TICKS == 0)
		sweep_meters(&r->ctl);
	ag_shadow_tick(&r->ctl);
	ag_alerts_tick(r->ctl.alerts);
	ag_secrets_tick(&r->ctl);
	ag_key_schedule_tick(&r->ctl);
	ag_exports_tick(r->ctl.exports);
	ag_metrics_tick(r->ctl.metrics);
}

static void
drain(struct role *r)
{
	if (r->ctl.is_draining)
		return;
	ag_server_drain(&r->ctl);
	ag_reader_drain(r->ctl.reports);
	ag_exports_drain(r->ctl.exports);
	ag_secret_asks_drain(r->ctl.asks);
	arm(r->linger, LINGER_US);
}

static void
role_on_linger(evutil_socket_t fd, short what, void *arg)
{
	struct role *r = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(r->ctl.base);
}

static void
reload(struct role *r)
{
	struct ag_err err = { "" };

	if (ag_conf_reload(r->ctl.ctx->conf, &err) < 0)
		ag_error("could not reload the configuration: %s, keeping the old one", err.text);
	else
		ag_log_level = (enum ag_log_level)r->ctl.ctx->conf->log_level;
	ag_control_must_load(&r->ctl, "told to reload");
	/* Not by way of the loop: no admin call that came meanwhile is to be put off. */
	event_del(r->ctl.loader);
	role_on_loader(-1, EV_TIMEOUT, r);
}

static void
role_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct role *r = arg;

	(void)what;
	switch (sig) {
	case SIGHUP:
		reload(r);
		break;
	case SIGUSR1:
		if (ag_log_reopen() < 0)
			ag_error("could not reopen the log, keeping the old one");
		break;
	case SIGINT:
		event_base_loopbreak(r->ctl.base);
		break;
	default:
		drain(r);
		break;
	}
}

static void
role_on_life(evutil_socket_t fd, short what, void *arg)
{
	char byte;

	(void)what;
	if (read((int)fd, &byte, 1) == 0)
		drain(arg);
}

static int
watch_signals(struct role *r)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < SIGNALS; i++) {
		r->signal[i] = evsignal_new(r->ctl.base, watched_signals[i], role_on_signal, r);
		if (!r->signal[i] || event_add(r->signal[i], NULL) < 0)
			return -ENOMEM;
		sigaddset(&set, watched_signals[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_UNBLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int
role_start(struct role *r, struct ag_err *err)
{
	struct ag_control *ctl = &r->ctl;
	struct timeval tick = timeval_of(TICK_US);
	unsigned repaired = 0;

	ag_counters_use(ctl->ctx->shm, ctl->ctx->proc_ix);
	/* Keys and credentials pass through libevent's buffers, both ways. */
	event_set_mem_functions(malloc, ag_wiping_realloc, ag_wiping_free);
	ctl->base = event_base_new();
	ctl->pg = ag_pg_new(ctl->ctx->conf->database ? ctl->ctx->conf->database : "");
	ctl->keys = ag_keytab_writer_new(ctl->ctx->shm, &repaired);
	ctl->throttle = ag_throttle_new();
	ctl->gate = ag_gate_new();
	ctl->alerts = ctl->base ? ag_alerts_new(ctl) : NULL;
	ctl->reports = ctl->base ? ag_reader_new(ctl, REPORTS, REPORT_US) : NULL;
	ctl->exports = ctl->base ? ag_exports_new(ctl) : NULL;
	ag_list_init(&ctl->refreshes);
	ctl->asks = ctl->base ? ag_secret_asks_new(ctl->base, ctl->ctx->conf) : NULL;
	if (!ctl->base || !ctl->pg || !ctl->keys || !ctl->alerts || !ctl->throttle || !ctl->gate || !ctl->reports ||
	    !ctl->exports || !ctl->asks)
		return ag_err_set(err, -ENOMEM, "could not start: out of memory");
	ctl->metrics = ag_metrics_start(ctl, ctl->ctx->metrics_fd);
	if (!ctl->metrics)
		return ag_err_set(err, -ENOMEM, "could not serve the metrics' socket");
	ag_pg_on_wait(ctl->pg, role_beat, r);
	if (repaired > 0)
		ag_warn("%u keys were being written when a process died, they are loaded anew", repaired);
	ctl->tick = event_new(ctl->base, -1, EV_PERSIST, role_on_tick, r);
	ctl->loader = evtimer_new(ctl->base, role_on_loader, r);
	r->linger = evtimer_new(ctl->base, role_on_linger, r);
	r->life = event_new(ctl->base, ctl->ctx->life_fd, EV_READ | EV_PERSIST, role_on_life, r);
	if (!ctl->tick || !ctl->loader || !r->linger || !r->life || event_add(ctl->tick, &tick) < 0 ||
	    event_add(r->life, NULL) < 0 || watch_signals(r) < 0)
		return ag_err_set(err, -ENOMEM, "could not start: no events");
	role_on_tick(-1, 0, r);
	arm(ctl->loader, 0);
	return ag_server_start(ctl, err);
}

static void
role_stop(struct role *r)
{
	struct event *events[] = { r->ctl.tick, r->ctl.loader, r->linger, r->life };

	/* Calls that wait for a report are answered before their connections go. */
	if (r->ctl.reports)
		ag_reader_drain(r->ctl.reports);
	if (r->ctl.exports)
		ag_exports_drain(r->ctl.exports);
	if (r->ctl.asks)
		ag_secret_asks_drain(r->ctl.asks);
	ag_server_stop(&r->ctl);
	for (size_t i = 0; i < AG_ARRAY_LEN(events); i++)
		if (events[i])
			event_free(events[i]);
	for (size_t i = 0; i < SIGNALS; i++)
		if (r->signal[i])
			event_free(r->signal[i]);
	ag_alerts_free(r->ctl.alerts);
	ag_throttle_free(r->ctl.throttle);
	ag_gate_free(r->ctl.gate);
	ag_exports_free(r->ctl.exports);
	ag_secret_asks_free(r->ctl.asks);
	ag_reader_free(r->ctl.reports);
	ag_metrics_free(r->ctl.metrics);
	ag_pg_free(r->ctl.pg);
	if (r->ctl.keys)
		ag_keytab_writer_free(r->ctl.keys);
	if (r->ctl.base)
		event_base_free(r->ctl.base);
}

int
ag_control_main(struct ag_role_ctx *ctx)
{
	struct role r = { .ctl.ctx = ctx };
	struct ag_err err = { "" };
	int rc = role_start(&r, &err);

	if (rc < 0)
		ag_error("control: %s", err.text);
	else
		event_base_dispatch(r.ctl.base);
	ag_a32_set(&ag_shm_proc(ctx->shm, ctx->proc_ix)->is_serving, 0);
	role_stop(&r);
	return rc < 0 ? 1 : 0;
}
