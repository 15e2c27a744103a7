#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/title.h"
#include "master/child.h"
#include "master/daemon.h"
#include "master/master.h"

#define TICK_US        AG_US_PER_SEC            /* heartbeats are looked at so often */
#define START_TICK_US  (50 * AG_US_PER_MS)      /* while a child has yet to serve */
#define STARTING_US    (10 * AG_US_PER_SEC)     /* later a tick is soon enough */
#define SILENCE_US     (60 * AG_US_PER_SEC)     /* a child without a heartbeat for so long is hung */
#define ABORT_GRACE_US (5 * AG_US_PER_SEC)      /* from SIGABRT, for its last words, to SIGKILL */
#define LEAVE_GRACE_US (2 * AG_US_PER_SEC)      /* beyond shutdown_timeout, which children watch too */
#define MASTER_LATE_US (10 * AG_US_PER_SEC)     /* a turn so late: we were stopped, not the children */

/* ---- starting and restarting ------------------------------------------------------------- */

static enum ag_stage
stage_of(enum ag_role role)
{
	switch (role) {
	case AG_ROLE_WORKER:
		return AG_STAGE_WORKERS;
	case AG_ROLE_FLUSHER:
	case AG_ROLE_TELEMETRY:
		return AG_STAGE_FLUSHER;
	case AG_ROLE_CONTROL:
	case AG_ROLE_NONE:
		break;
	}
	return AG_STAGE_CONTROL;
}

/* While workers drain, a dead flusher still has work to do. */
static bool
may_start(const struct ag_master *m, const struct ag_child *c)
{
	return m->stage < stage_of(c->role);
}

static void
plan_restart(struct ag_child *c, int64_t now)
{
	int64_t delay = ag_backoff_next(&c->backoff, now - c->started_at_us, c->has_served);

	c->start_at_us = now + delay;
	if (delay > 0)
		ag_warn("%s died early %u times in a row, starting it again in %lld ms", c->name,
		    c->backoff.early_deaths, (long long)(delay / AG_US_PER_MS));
}

static void
start_due(struct ag_master *m, int64_t now)
{
	for (uint32_t i = 0; i < m->n_children; i++) {
		struct ag_child *c = &m->children[i];

		if (c->pid != 0 || c->start_at_us > now || !may_start(m, c))
			continue;
		if (ag_child_spawn(m, c) < 0) {
			c->started_at_us = now;
			c->has_served = false;
			plan_restart(c, now);
			/* Even the first time: whatever is short now is not there in no time. */
			if (c->start_at_us == now)
				c->start_at_us = now + AG_BACKOFF_FIRST_US;
		}
	}
}

static void
reap(struct ag_master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (uint32_t i = 0; i < m->n_children; i++) {
			struct ag_child *c = &m->children[i];

			if (c->pid != pid)
				continue;
			ag_child_bury(m, c, status);
			if (may_start(m, c))
				plan_restart(c, ag_clock_mono_us());
		}
	}
}

/* ---- watching ---------------------------------------------------------------------------- */

static void
watch_serving(struct ag_master *m, struct ag_child *c)
{
	if (c->pid == 0 || c->has_served || !ag_a32_observe(&ag_shm_proc(&m->shm, c->proc_ix)->is_serving))
		return;
	c->has_served = true;
	ag_notice("%s serves: pid=%ld", c->name, (long)c->pid);
	if (c->wants_hup)
		ag_child_signal(c, SIGHUP);
	if (c->wants_usr1)
		ag_child_signal(c, SIGUSR1);
	c->wants_hup = c->wants_usr1 = false;
}

/* The time is ours: a step of the wall clock must not look like silence. */
static void
watch_heartbeat(struct ag_master *m, struct ag_child *c, int64_t now, bool was_late)
{
	int64_t beat = ag_a64_get(&ag_shm_proc(&m->shm, c->proc_ix)->heartbeat_us);

	if (c->pid == 0)
		return;
	if (beat != c->beat_us || was_late) {
		c->beat_us = beat;
		c->beat_seen_at_us = now;
		return;
	}
	if (now - c->beat_seen_at_us < SILENCE_US)
		return;
	if (!c->was_killed) {
		ag_error("%s is silent for %lld s, ending it: pid=%ld", c->name,
		    (long long)((now - c->beat_seen_at_us) / AG_US_PER_SEC), (long)c->pid);
		c->was_killed = true;
		ag_child_signal(c, SIGABRT);
	} else if (now - c->beat_seen_at_us >= SILENCE_US + ABORT_GRACE_US) {
		ag_child_signal(c, SIGKILL);
	}
}

/* The control process serves when PostgreSQL does, which is not ours to wait for; nor is telemetry a
 * reason not to serve. */
static bool
is_awaited(const struct ag_child *c)
{
	return c->pid == 0 || (c->role != AG_ROLE_CONTROL && c->role != AG_ROLE_TELEMETRY);
}

static void
watch(struct ag_master *m, int64_t now)
{
	bool was_late = now - m->last_turn_us > MASTER_LATE_US, is_up = true;

	m->last_turn_us = now;
	for (uint32_t i = 0; i < m->n_children; i++) {
		struct ag_child *c = &m->children[i];

		watch_serving(m, c);
		if (m->stage == AG_STAGE_RUN)
			watch_heartbeat(m, c, now, was_late);
		is_up = is_up && (c->has_served || !is_awaited(c));
	}
	if (!is_up || m->is_ready || m->stage != AG_STAGE_RUN)
		return;
	m->is_ready = true;
	ag_notice("ready: flusher and %u workers serve", m->shm.hdr->sizes.workers);
	ag_title_state("serving");
	ag_daemon_ready(&m->ready_fd, ag_log_fd() == STDERR_FILENO);
}

/* ---- signals from outside ---------------------------------------------------------------- */

static void
forward(struct ag_master *m, int sig)
{
	for (uint32_t i = 0; i < m->n_children; i++) {
		struct ag_child *c = &m->children[i];

		/* One that starts may ignore it: it gets it once more when it serves. */
		ag_child_signal(c, sig);
		c->wants_hup = c->wants_hup || (sig == SIGHUP && !c->has_served);
		c->wants_usr1 = c->wants_usr1 || (sig == SIGUSR1 && !c->has_served);
	}
}

static void
reload(struct ag_master *m)
{
	struct ag_err err;

	if (ag_conf_reload(m->conf, &err) < 0) {
		ag_error("configuration is not reloaded: %s, keeping the old one", err.text);
		return;
	}
	if (ag_log_open(m->conf->log_file, &err) < 0)
		ag_error("%s, keeping the old log", err.text);
	ag_log_level = (enum ag_log_level)m->conf->log_level;
	ag_notice("configuration reloaded from \"%s\"", m->conf->path);
	forward(m, SIGHUP);
}

static void
reopen_log(struct ag_master *m)
{
	int rc = ag_log_reopen();

	if (rc < 0)
		ag_error("could not reopen the log file: %s, keeping the old one", strerror(-rc));
	forward(m, SIGUSR1);
}

/* ---- leaving ----------------------------------------------------------------------------- */

/* The last stage waits for all: whoever is left when it begins is its business. */
static bool
is_of_stage(const struct ag_master *m, const struct ag_child *c)
{
	return m->stage == AG_STAGE_CONTROL || stage_of(c->role) == m->stage;
}

static unsigned
signal_stage(struct ag_master *m, int sig)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < m->n_children; i++) {
		struct ag_child *c = &m->children[i];

		if (c->pid == 0 || !is_of_stage(m, c))
			continue;
		n++;
		if (sig)
			ag_child_signal(c, sig);
	}
	return n;
}

static void
enter_stage(struct ag_master *m, enum ag_stage stage, int64_t now)
{
	m->stage = stage;
	m->stage_deadline_us = now + m->conf->shutdown_timeout + LEAVE_GRACE_US;
	signal_stage(m, SIGTERM);
}

static void
advance(struct ag_master *m, int64_t now)
{
	while (m->stage != AG_STAGE_RUN && m->stage != AG_STAGE_GONE && signal_stage(m, 0) == 0)
		enter_stage(m, (enum ag_stage)(m->stage + 1), now);
	if (m->stage == AG_STAGE_RUN || m->stage == AG_STAGE_GONE || now < m->stage_deadline_us)
		return;
	ag_warn("%u processes did not leave in time, killing them", signal_stage(m, 0));
	m->had_to_kill = true;
	m->stage_deadline_us = INT64_MAX;
	signal_stage(m, SIGKILL);
}

static void
leave(struct ag_master *m, int sig)
{
	int64_t now = ag_clock_mono_us();

	if (m->stage != AG_STAGE_RUN) {
		ag_notice("signal %d while leaving: killing what is left", sig);
		m->had_to_kill = true;
		m->stage = AG_STAGE_CONTROL;
		m->stage_deadline_us = INT64_MAX;
		signal_stage(m, SIGKILL);
		return;
	}
	ag_daemon_notify("STOPPING=1");
	ag_title_state("draining");
	if (sig == SIGINT) {
		ag_notice("stopping at once");
		m->stage = AG_STAGE_CONTROL;
		m->stage_deadline_us = now + LEAVE_GRACE_US;
		signal_stage(m, SIGINT);
		return;
	}
	ag_notice("draining: shutdown_timeout=%lld ms", (long long)(m->conf->shutdown_timeout / AG_US_PER_MS));
	enter_stage(m, AG_STAGE_WORKERS, now);
}

/* ---- the loop ---------------------------------------------------------------------------- */

static void
on_signal(struct ag_master *m, int sig)
{
	switch (sig) {
	case SIGHUP:
		if (m->stage == AG_STAGE_RUN)
			reload(m);
		break;
	case SIGUSR1:
		reopen_log(m);
		break;
	case SIGTERM:
	case SIGQUIT:
	case SIGINT:
		leave(m, sig);
		break;
	default: /* SIGCHLD: reaped each turn; SIGUSR2: not ours yet */
		break;
	}
}

static int64_t
next_turn(const struct ag_master *m, int64_t now)
{
	int64_t at = now + TICK_US;

	if (m->stage != AG_STAGE_RUN && m->stage_deadline_us < at)
		at = m->stage_deadline_us;
	for (uint32_t i = 0; i < m->n_children; i++) {
		const struct ag_child *c = &m->children[i];
		bool is_starting = !c->has_served && now - c->started_at_us < STARTING_US;
		int64_t due = c->pid == 0 ? c->start_at_us : is_starting ? now + START_TICK_US : INT64_MAX;

		if ((c->pid != 0 || may_start(m, c)) && due < at)
			at = due;
	}
	return at > now ? at - now : 0;
}

static int
wait_signal(const struct ag_master *m, int64_t timeout_us)
{
	struct timespec ts = { .tv_sec = timeout_us / AG_US_PER_SEC,
		.tv_nsec = timeout_us % AG_US_PER_SEC * 1000 };

	return sigtimedwait(&m->signals, NULL, &ts);
}

static void
block_signals(struct ag_master *m)
{
	static const int taken[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGQUIT, SIGINT, SIGCHLD };

	sigemptyset(&m->signals);
	for (size_t i = 0; i < AG_ARRAY_LEN(taken); i++)
		sigaddset(&m->signals, taken[i]);
	sigprocmask(SIG_BLOCK, &m->signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* inherited SIG_IGN would have the kernel reap for us */
}

int
ag_master_supervise(struct ag_master *m)
{
	block_signals(m);
	ag_child_init(&m->children[m->n_children++], AG_ROLE_FLUSHER, 0);
	ag_child_init(&m->children[m->n_children++], AG_ROLE_CONTROL, 0);
	if (m->events)
		ag_child_init(&m->children[m->n_children++], AG_ROLE_TELEMETRY, 0);
	for (uint32_t i = 0; i < m->shm.hdr->sizes.workers; i++)
		ag_child_init(&m->children[m->n_children++], AG_ROLE_WORKER, i);
	m->last_turn_us = ag_clock_mono_us();
	while (m->stage != AG_STAGE_GONE) {
		int64_t now = ag_clock_mono_us();
		int sig;

		start_due(m, now);
		watch(m, now);
		sig = wait_signal(m, next_turn(m, now));
		if (sig > 0)
			on_signal(m, sig);
		reap(m);
		advance(m, ag_clock_mono_us());
	}
	ag_notice("gone%s", m->had_to_kill ? ", not all of it by itself" : "");
	return m->had_to_kill ? 1 : 0;
}
