#include "control/deliver.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/command.h"
#include "control/control.h"
#include "control/pg.h"
#include "control/sql.h"
#include "control/webhook.h"
#include "shm/counters.h"

#define JOBS_MAX 8u
#define WAIT_US  (2 * AG_US_PER_SEC) /* patience with PostgreSQL */
#define PAUSE_US (5 * AG_US_PER_SEC)

/* One attempt at one alert: first the webhook, then the command. */
struct job {
	struct ag_list node;        /* on deliver.jobs */
	struct ag_deliver *d;       /* borrowed: owner */
	int64_t id;                 /* alert.id */
	char *body;                 /* owned */
	bool needs_webhook, needs_command; /* configured, and not taken in an earlier attempt */
	bool took_webhook, took_command;
	bool is_done;               /* nothing under way; the outcome is to be stored */
	char error[256];
	struct ag_webhook *webhook; /* owned while under way */
	struct ag_command *command; /* owned while under way */
};

struct ag_deliver {
	struct ag_control *ctl;     /* borrowed */
	struct ag_webhooks *hooks;  /* owned */
	struct event *soon;         /* owned: an attempt has ended */
	struct ag_list jobs;
	unsigned n_jobs;
	bool is_awake;              /* rows may be waiting */
	int64_t after_us;           /* monotonic: no statement before */
};

static void
on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ag_deliver_tick(arg);
}

struct ag_deliver *
ag_deliver_new(struct ag_control *ctl)
{
	struct ag_deliver *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->ctl = ctl;
	d->is_awake = true;
	ag_list_init(&d->jobs);
	d->hooks = ag_webhooks_new(ctl->base);
	d->soon = evtimer_new(ctl->base, on_soon, d);
	if (!d->hooks || !d->soon) {
		ag_deliver_free(d);
		return NULL;
	}
	return d;
}

static void
job_free(struct job *j)
{
	ag_webhook_cancel(j->webhook);
	ag_command_cancel(j->command);
	ag_list_remove(&j->node);
	j->d->n_jobs--;
	free(j->body);
	free(j);
}

void
ag_deliver_free(struct ag_deliver *d)
{
	if (!d)
		return;
	AG_LIST_FOREACH_SAFE(it, tmp, &d->jobs)
		job_free(AG_LIST_ENTRY(it, struct job, node));
	ag_webhooks_free(d->hooks);
	if (d->soon)
		event_free(d->soon);
	free(d);
}

void
ag_deliver_wake(struct ag_deliver *d)
{
	d->is_awake = true;
}

/* ---- an attempt ---- */

static void
job_failed(struct job *j, const char *sink, const char *why)
{
	size_t n = strlen(j->error);

	snprintf(j->error + n, sizeof(j->error) - n, "%s%s: %s", n > 0 ? "; " : "", sink, why);
}

static void
job_end(struct job *j)
{
	j->is_done = true;
	event_active(j->d->soon, EV_TIMEOUT, 0);
}

static void
on_command(void *arg, const char *why_not)
{
	struct job *j = arg;

	j->command = NULL;
	if (why_not)
		job_failed(j, "command", why_not);
	else
		j->took_command = true;
	job_end(j);
}

static void
job_next(struct job *j)
{
	const char *path = j->d->ctl->ctx->conf->alert_command;
	int rc;

	if (!j->needs_command || !path[0]) {
		job_end(j);
		return;
	}
	rc = ag_command_run(j->d->ctl->base, path, ag_str(j->body), on_command, j, &j->command);
	if (rc < 0) {
		job_failed(j, "command", strerror(-rc));
		job_end(j);
	}
}

static void
on_webhook(void *arg, const char *why_not)
{
	struct job *j = arg;

	j->webhook = NULL;
	if (why_not)
		job_failed(j, "webhook", why_not);
	else
		j->took_webhook = true;
	job_next(j);
}

static void
job_start(struct job *j)
{
	const struct ag_conf *conf = j->d->ctl->ctx->conf;
	struct ag_err err = { "" };

	if (!j->needs_webhook) {
		job_next(j);
		return;
	}
	if (ag_webhook_post(j->d->hooks, conf->alert_webhook, conf->alert_secret_file, ag_str(j->body),
	        on_webhook, j, &j->webhook, &err) < 0) {
		job_failed(j, "webhook", err.text);
		job_next(j);
	}
}

/* ---- rows ---- */

static PGresult *
run(struct ag_deliver *d, const char *sql, const struct ag_pg_args *args)
{
	struct ag_pg *pg = d->ctl->pg;
	struct ag_err err = { "" };
	PGresult *res = NULL;

	ag_pg_set_deadline(pg, WAIT_US);
	if (ag_pg_begin(pg, AG_PG_WRITE, &err) == 0) {
		res = ag_pg_exec(pg, sql, args, &err);
		if (!res) {
			ag_pg_rollback(pg);
		} else if (ag_pg_commit(pg, &err) < 0) {
			PQclear(res);
			res = NULL;
		}
	}
	ag_pg_set_deadline(pg, AG_PG_DEADLINE_US);
	if (!res) {
		static struct ag_log_limit limit;

		if (ag_log_allowed(&limit, 1))
			ag_warn("alerts are not delivered: %s, trying again", err.text);
		d->after_us = ag_clock_mono_us() + PAUSE_US;
	}
	return res;
}

static bool
store_outcome(struct job *j)
{
	bool is_taken = j->took_webhook >= j->needs_webhook && j->took_command >= j->needs_command;
	struct ag_pg_args args = { 0 };
	PGresult *res;

	ag_pg_arg_i64(&args, j->id);
	ag_pg_arg_bool(&args, j->took_webhook);
	ag_pg_arg_bool(&args, j->took_command);
	ag_pg_arg_bool(&args, is_taken);
	ag_pg_arg_text(&args, j->error[0] ? j->error : NULL);
	res = run(j->d, SQL_ALERT_OUTCOME, &args);
	if (!res)
		return false;
	PQclear(res);
	if (is_taken)
		ag_count(AG_CNT_alerts_delivered);
	else
		ag_count(AG_CNT_alerts_failed);
	if (!is_taken)
		ag_warn("alert %lld was not delivered, trying again: %s", (long long)j->id, j->error);
	return true;
}

static bool
is_under_way(const struct ag_deliver *d, int64_t id)
{
	AG_LIST_FOREACH(it, &d->jobs)
		if (AG_LIST_ENTRY(it, struct job, node)->id == id)
			return true;
	return false;
}

/* Columns of SQL_ALERT_DUE. */
static void
job_new(struct ag_deliver *d, const PGresult *res, int row)
{
	const struct ag_conf *conf = d->ctl->ctx->conf;
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->d = d;
	j->id = ag_pg_i64(res, row, 0);
	j->needs_webhook = conf->alert_webhook[0] && !ag_pg_bool(res, row, 1);
	j->needs_command = conf->alert_command[0] && !ag_pg_bool(res, row, 2);
	j->body = strdup(PQgetvalue(res, row, 3));
	ag_list_init(&j->node);
	ag_list_push_back(&d->jobs, &j->node);
	d->n_jobs++;
	if (!j->body)
		job_free(j);
	else
		job_start(j);
}

static void
fetch(struct ag_deliver *d)
{
	PGresult *res = run(d, SQL_ALERT_DUE, NULL);

	if (!res)
		return;
	/* A row that waits for its time is told too: without body. */
	d->is_awake = PQntuples(res) > 0;
	for (int i = 0; i < PQntuples(res) && d->n_jobs < JOBS_MAX; i++)
		if (!PQgetisnull(res, i, 3) && !is_under_way(d, ag_pg_i64(res, i, 0)))
			job_new(d, res, i);
	PQclear(res);
}

void
ag_deliver_tick(struct ag_deliver *d)
{
	const struct ag_conf *conf = d->ctl->ctx->conf;

	if (!d->ctl->is_loaded || d->ctl->is_draining || ag_clock_mono_us() < d->after_us)
		return;
	AG_LIST_FOREACH_SAFE(it, tmp, &d->jobs) {
		struct job *j = AG_LIST_ENTRY(it, struct job, node);

		if (!j->is_done)
			continue;
		if (!store_outcome(j))
			return;
		job_free(j);
	}
	if (d->is_awake && d->n_jobs < JOBS_MAX && (conf->alert_webhook[0] || conf->alert_command[0]))
		fetch(d);
}
