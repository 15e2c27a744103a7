#include "master/child.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/title.h"
#include "master/daemon.h"
#include "master/predecessor.h"
#include "shm/counters.h"

static const struct role {
	enum ag_role role;
	const char *name;
	int (*main)(struct ag_role_ctx *);
	uint32_t proc_ix; /* of the first instance */
} roles[] = {
	{ AG_ROLE_FLUSHER, "flusher", ag_flusher_main, AG_PROC_FLUSHER },
	{ AG_ROLE_CONTROL, "control", ag_control_main, AG_PROC_CONTROL },
	{ AG_ROLE_WORKER, "worker", ag_worker_main, AG_PROC_WORKER(0) },
	{ AG_ROLE_TELEMETRY, "telemetry", ag_telemetry_main, AG_PROC_TELEMETRY },
};

static const struct role *
role_find(enum ag_role role)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(roles); i++)
		if (roles[i].role == role)
			return &roles[i];
	assert(!"every child has a role");
	return NULL;
}

void
ag_child_init(struct ag_child *c, enum ag_role role, uint32_t worker_ix)
{
	const struct role *r = role_find(role);

	*c = (struct ag_child){ .role = role, .worker_ix = worker_ix, .proc_ix = r->proc_ix + worker_ix };
	if (role == AG_ROLE_WORKER)
		snprintf(c->name, sizeof(c->name), "%s/%u", r->name, worker_ix);
	else
		snprintf(c->name, sizeof(c->name), "%s", r->name);
}

/* ---- in the child ------------------------------------------------------------------------ */

/* Descriptors and secrets that are not this role's. */
static void
child_forget(struct ag_master *m, const struct ag_sandbox_row *row, int lock_fd)
{
	ag_fd_close(&m->life_fds[1]); /* first of all: only the master's end may keep the pipe open */
	ag_fd_close(&m->shm_lock_fd); /* the lock of the segment is the master's */
	ag_fd_close(&m->shm.fd);      /* the mapping stays */
	m->shm.fd = lock_fd;          /* the child's own, which holds its slot until it dies */
	ag_fd_close(&m->pid_fd);
	ag_fd_close(&m->ready_fd);
	for (int i = 0; i < m->n_listen && !row->keeps_client_sockets; i++)
		ag_fd_close(&m->listen_fds[i]);
	if (!row->keeps_admin_sockets) {
		ag_fd_close(&m->control_fd);
		ag_fd_close(&m->operator_fd);
		ag_fd_close(&m->metrics_fd);
	}
	if (m->key && !row->may_hold_master_key) {
		ag_mem_wipe(m->key, sizeof(*m->key));
		m->key = NULL;
	} else if (m->key) {
		mlock(m->key, sizeof(*m->key)); /* locks are not inherited */
	}
}

/* What would come before the role has its handlers: a reload must not kill it, and is repeated by
 * the master once it serves. */
static void
child_signals(void)
{
	sigset_t none;

	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static AG_NORETURN void
child_run(struct ag_master *m, const struct ag_child *c, int lock_fd)
{
	const struct ag_sandbox_row *row = ag_sandbox_row(c->role);
	struct ag_proc_slot *slot = ag_shm_proc(&m->shm, c->proc_ix);
	struct ag_role_ctx ctx = {
		.conf = m->conf,
		.shm = &m->shm,
		.proc_ix = c->proc_ix,
		.worker_ix = c->worker_ix,
		.incarnation = ag_a32_get(&slot->incarnation),
		.life_fd = m->life_fds[0],
		.control_fd = -1,
		.operator_fd = -1,
		.metrics_fd = -1,
		.events = m->events,
	};
	char title[24];

	child_forget(m, row, lock_fd);
	if (!m->is_foreground)
		ag_daemon_detach(ag_log_fd() == STDERR_FILENO);
	setpgid(0, 0); /* what a terminal or a script sends to the group, the master passes on in order */
	ag_a32_set(&slot->pid, (uint32_t)getpid());
	ag_log_set_ident(c->name);
	snprintf(title, sizeof(title), "%s", c->name);
	if (strchr(title, '/'))
		*strchr(title, '/') = ' ';
	ag_title_set(title);
	ag_title_state("starting");
	ag_crash_install(slot->last_words, sizeof(slot->last_words));
	ag_counters_use(&m->shm, c->proc_ix);
	if (row->keeps_client_sockets) {
		ctx.n_listen = m->n_listen;
		ctx.listen_fds = m->listen_fds;
		ctx.listen_is_tls = m->listen_is_tls;
	}
	ctx.control_fd = m->control_fd;
	ctx.operator_fd = m->operator_fd;
	ctx.metrics_fd = m->metrics_fd;
	ctx.master_key = m->key;
	child_signals();
	exit(role_find(c->role)->main(&ctx));
}

/* ---- in the master ----------------------------------------------------------------------- */

static void
slot_prepare(struct ag_proc_slot *slot, enum ag_role role)
{
	int64_t now = ag_clock_wall_us();

	ag_a32_set(&slot->role, (uint32_t)role);
	ag_a32_set(&slot->is_serving, 0);
	ag_a32_set(&slot->inflight, 0);
	ag_a32_set(&slot->connections, 0);
	ag_a32_set(&slot->catalog_gen, 0);
	ag_a64_set(&slot->heartbeat_us, now);
	ag_a64_set(&slot->started_at_us, now);
	memset(slot->last_words, 0, sizeof(slot->last_words));
	ag_a32_add(&slot->incarnation, 1);
}

int
ag_child_spawn(struct ag_master *m, struct ag_child *c)
{
	struct ag_proc_slot *slot = ag_shm_proc(&m->shm, c->proc_ix);
	AG_AUTO(ag_fd) int lock_fd = -1;
	struct ag_err err;
	pid_t pid;

	lock_fd = ag_child_lock(m->conf->shm_name, c->proc_ix, &err);
	if (lock_fd < 0) {
		ag_error("could not start %s: %s", c->name, err.text);
		return lock_fd;
	}
	slot_prepare(slot, c->role);
	pid = fork();
	if (pid == 0)
		child_run(m, c, lock_fd); /* keeps lock_fd open until it dies */
	if (pid < 0) {
		int rc = -errno;

		ag_error("could not fork %s: %s", c->name, strerror(errno));
		return rc;
	}
	ag_a32_set(&slot->pid, (uint32_t)pid);
	c->pid = pid;
	c->started_at_us = c->beat_seen_at_us = ag_clock_mono_us();
	c->beat_us = ag_a64_get(&slot->heartbeat_us);
	c->has_served = c->was_killed = c->wants_hup = c->wants_usr1 = false;
	ag_info("started %s: pid=%ld incarnation=%u", c->name, (long)pid, ag_a32_get(&slot->incarnation));
	return 0;
}

static void
log_death(const struct ag_master *m, const struct ag_child *c, int status, const char *words)
{
	enum ag_log_level level = m->stage == AG_STAGE_RUN ? AG_LOG_ERROR : AG_LOG_WARN;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && m->stage != AG_STAGE_RUN)
		ag_info("%s left: pid=%ld", c->name, (long)c->pid);
	else if (WIFEXITED(status))
		ag_log(level, "%s exited: pid=%ld status=%d", c->name, (long)c->pid, WEXITSTATUS(status));
	else
		ag_log(level, "%s died of signal %d (%s): pid=%ld%s", c->name, WTERMSIG(status),
		    strsignal(WTERMSIG(status)), (long)c->pid, c->was_killed ? ", killed for its silence" : "");
	if (words[0])
		ag_log(level, "last words of %s: %s", c->name, words);
}

void
ag_child_bury(struct ag_master *m, struct ag_child *c, int status)
{
	struct ag_proc_slot *slot = ag_shm_proc(&m->shm, c->proc_ix);
	char words[AG_LAST_WORDS];

	memcpy(words, slot->last_words, sizeof(words));
	words[sizeof(words) - 1] = '\0'; /* a wild writer may have taken it */
	log_death(m, c, status, words);
	c->has_served = c->has_served || ag_a32_observe(&slot->is_serving) != 0;
	ag_a32_set(&slot->pid, 0);
	ag_a32_set(&slot->is_serving, 0);
	ag_a32_set(&slot->inflight, 0);
	ag_a32_set(&slot->connections, 0);
	c->pid = 0;
}

void
ag_child_signal(struct ag_child *c, int sig)
{
	if (c->pid > 0)
		kill(c->pid, sig);
}
