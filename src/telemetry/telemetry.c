/* The role: timers and signals, and events on their way from the rings to who wants them.  See README.md. */
#include "telemetry/telemetry.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/schedule.h"
#include "base/title.h"
#include "shm/counters.h"

#define TICK_US      (50 * AG_US_PER_MS)
#define AT_ONCE      1024u /* events of one ring before it is the next one's turn */
#define LEAVE_MAX_US (5 * AG_US_PER_SEC)

static void
arm(struct event *ev, int64_t us)
{
	struct timeval tv = { .tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC };

	event_add(ev, &tv);
}

/* ---- events ------------------------------------------------------------------------------ */

static void
take(struct ag_telemetry *t, const struct ag_event *e)
{
	if (e->kind == AG_EVENT_REQUEST)
		ag_access_take(&t->access, e, t->ctx->conf->access_log_sample);
	if (t->export)
		ag_export_take(t->export, e);
}

/* Whether there may be more. */
static bool
drain_ring(struct ag_telemetry *t, struct ag_event_ring *r)
{
	uint64_t cursor = ag_event_ring_tail(r);
	const struct ag_event *e = NULL;
	uint32_t n = 0;

	while (n < AT_ONCE && (e = ag_event_ring_peek(r, &cursor)) != NULL) {
		take(t, e);
		n++;
	}
	ag_event_ring_release(r, cursor);
	return e != NULL;
}

static void
drain(struct ag_telemetry *t)
{
	bool is_more;

	do {
		is_more = false;
		for (uint32_t i = 0; i < t->n_rings; i++)
			is_more = drain_ring(t, &t->ring[i]) || is_more;
		ag_access_write(&t->access);
	} while (is_more && ag_clock_mono_us() < t->turn_ends_us);
}

static bool
workers_are_gone(const struct ag_telemetry *t)
{
	for (uint32_t w = 0; w < t->n_rings; w++) {
		pid_t pid = (pid_t)ag_a32_get(&ag_shm_proc(t->ctx->shm, AG_PROC_WORKER(w))->pid);

		if (pid > 0 && kill(pid, 0) == 0)
			return false;
	}
	return true;
}

/* What workers told is on its way, and they are gone, or it is time. */
static bool
may_leave(const struct ag_telemetry *t, int64_t now_us)
{
	if (now_us >= t->leave_by_us)
		return true;
	return (!t->is_orphaned || workers_are_gone(t)) && (!t->export || ag_export_is_idle(t->export));
}

static void
telemetry_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ag_telemetry *t = arg;
	int64_t now_us = ag_clock_mono_us();

	(void)fd;
	(void)what;
	arm(t->ev_tick, TICK_US);
	t->turn_ends_us = now_us + TICK_US;
	drain(t);
	if (t->export)
		ag_export_tick(t->export, now_us);
	if (t->is_leaving && may_leave(t, now_us))
		event_base_loopbreak(t->base);
}

/* ---- timers and signals ------------------------------------------------------------------ */

static void
telemetry_on_second(evutil_socket_t fd, short what, void *arg)
{
	struct ag_telemetry *t = arg;

	(void)fd;
	(void)what;
	arm(t->ev_second, AG_US_PER_SEC);
	ag_a64_set(&ag_shm_proc(t->ctx->shm, t->ctx->proc_ix)->heartbeat_us, ag_clock_wall_us());
}

static void
telemetry_leave(struct ag_telemetry *t)
{
	int64_t patience = t->ctx->conf->shutdown_timeout;

	if (t->is_leaving)
		return;
	if (!t->is_orphaned && patience > LEAVE_MAX_US)
		patience = LEAVE_MAX_US;
	t->is_leaving = true;
	t->leave_by_us = ag_clock_mono_us() + patience;
	if (t->export)
		ag_export_leave(t->export);
	ag_title_state("draining");
	ag_info("draining");
	event_active(t->ev_tick, EV_TIMEOUT, 0);
}

static void
telemetry_on_life(evutil_socket_t fd, short what, void *arg)
{
	struct ag_telemetry *t = arg;
	char byte;
	ssize_t n = read(fd, &byte, 1);

	(void)what;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	event_del(t->ev_life);
	ag_warn("the master is gone, draining");
	t->is_orphaned = true;
	telemetry_leave(t);
}

static void
telemetry_reload(struct ag_telemetry *t)
{
	struct ag_err err;

	if (ag_conf_reload(t->ctx->conf, &err) < 0) {
		ag_error("could not reload the configuration: %s, keeping the one in force", err.text);
		return;
	}
	ag_log_level = (enum ag_log_level)t->ctx->conf->log_level;
	ag_notice("configuration reloaded");
}

static void
telemetry_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct ag_telemetry *t = arg;

	(void)what;
	switch ((int)sig) {
	case SIGHUP:
		telemetry_reload(t);
		break;
	case SIGUSR1:
		if (ag_log_reopen() < 0)
			ag_error("could not reopen the log file, writing to the old one");
		ag_access_reopen(&t->access);
		break;
	case SIGINT:
		event_base_loopbreak(t->base);
		break;
	default:
		telemetry_leave(t);
	}
}

/* ---- making and ending ------------------------------------------------------------------- */

static bool
events_make(struct ag_telemetry *t)
{
	static const int signals[] = { SIGTERM, SIGQUIT, SIGINT, SIGHUP, SIGUSR1 };
	static_assert(AG_ARRAY_LEN(signals) == AG_ARRAY_LEN(((struct ag_telemetry *)0)->ev_signal), "all");
	bool is_made;

	t->base = event_base_new();
	if (!t->base)
		return false;
	t->ev_tick = evtimer_new(t->base, telemetry_on_tick, t);
	t->ev_second = evtimer_new(t->base, telemetry_on_second, t);
	t->ev_life = event_new(t->base, t->ctx->life_fd, EV_READ | EV_PERSIST, telemetry_on_life, t);
	is_made = t->ev_tick && t->ev_second && t->ev_life && event_add(t->ev_life, NULL) == 0;
	for (size_t i = 0; is_made && i < AG_ARRAY_LEN(signals); i++) {
		t->ev_signal[i] = evsignal_new(t->base, signals[i], telemetry_on_signal, t);
		is_made = t->ev_signal[i] && event_add(t->ev_signal[i], NULL) == 0;
	}
	if (!is_made)
		return false;
	arm(t->ev_tick, 0);
	arm(t->ev_second, AG_US_PER_SEC);
	return true;
}

static bool
export_make(struct ag_telemetry *t)
{
	if (!t->ctx->conf->otlp_endpoint[0])
		return true;
	t->export = ag_export_new(t->base, t->ctx->conf, t->ctx->shm->hdr->boot_id);
	return t->export != NULL;
}

static void
event_drop(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

static void
telemetry_fini(struct ag_telemetry *t)
{
	event_drop(&t->ev_tick);
	event_drop(&t->ev_second);
	event_drop(&t->ev_life);
	for (size_t i = 0; i < AG_ARRAY_LEN(t->ev_signal); i++)
		event_drop(&t->ev_signal[i]);
	ag_export_free(t->export);
	ag_access_fini(&t->access);
	if (t->base)
		event_base_free(t->base);
}

int
ag_telemetry_main(struct ag_role_ctx *ctx)
{
	struct ag_telemetry t = { .ctx = ctx, .n_rings = ctx->events->rings };
	struct ag_proc_slot *slot = ag_shm_proc(ctx->shm, ctx->proc_ix);
	int status = 1;

	for (uint32_t i = 0; i < t.n_rings; i++)
		t.ring[i] = ag_event_ring_of(ctx->events, i);
	ag_access_init(&t.access, ctx->conf->access_log);
	ag_schedule_for_throughput();
	if (events_make(&t) && export_make(&t)) {
		ag_a64_set(&slot->heartbeat_us, ag_clock_wall_us());
		ag_a32_publish(&slot->is_serving, 1);
		ag_title_state("serving");
		event_base_dispatch(t.base);
		ag_a32_publish(&slot->is_serving, 0);
		status = 0;
	} else {
		ag_error("telemetry could not start: out of memory");
	}
	telemetry_fini(&t);
	return status;
}
