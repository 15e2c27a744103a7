#include "flusher/store.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "flusher/store_int.h"

#define BACKOFF_MAX_US   (5 * AG_US_PER_SEC)
#define CONNECT_MAX_US   (10 * AG_US_PER_SEC)
#define SILENCE_MAX_US   (60 * AG_US_PER_SEC) /* then the connection is taken for dead */
/* With its five bytes of head a message is a multiple of the 8 KiB that the library sends of itself: nothing
 * is left for a system call of its own. */
#define COPY_PIECE       (((size_t)128 << 10) - 5)
#define SEND_BUFFER      (1 << 20)

static void store_on_io(evutil_socket_t fd, short what, void *arg);
static void store_on_write(evutil_socket_t fd, short what, void *arg);

/* ---- coming and going --------------------------------------------------------------------- */

static void
store_unwatch(struct ag_store *st)
{
	if (st->ev_io)
		event_free(st->ev_io);
	if (st->ev_write)
		event_free(st->ev_write);
	st->ev_io = st->ev_write = NULL;
}

static void
store_arm_timer(struct ag_store *st, int64_t us)
{
	struct timeval tv = { .tv_sec = us / AG_US_PER_SEC, .tv_usec = us % AG_US_PER_SEC };

	event_add(st->ev_timer, &tv);
}

void
ag_store_trim_message(char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n')
			s[i] = ' ';
	}
	while (n > 0 && s[n - 1] == ' ')
		s[--n] = '\0';
}

void
ag_store_lose(struct ag_store *st, const char *why)
{
	enum store_state was = st->state;
	enum store_step step = st->step;
	char text[AG_REASON_MAX];

	ag_str_copy(ag_str(why), text, sizeof(text));
	ag_store_trim_message(text);
	store_unwatch(st);
	PQfinish(st->pg);
	st->pg = NULL;
	st->state = STORE_OFF;
	st->step = STEP_NONE;
	st->is_copying = false;
	/* The first reason is often not the one that lasts. */
	if (!st->was_told_down || strcmp(text, st->told) != 0)
		ag_warn("PostgreSQL is not reachable: %s, keeping records in the journal", text);
	st->was_told_down = true;
	ag_str_copy(ag_str(text), st->told, sizeof(st->told));
	store_arm_timer(st, st->backoff_us);
	st->backoff_us = st->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : st->backoff_us * 2;
	if (was != STORE_BUSY)
		return;
	if (st->batch) {
		st->batch = NULL;
		st->ops->on_batch(AG_STORE_LOST, text, st->arg);
	} else if (step == STEP_TRUTH) {
		st->ops->on_truth(NULL, 0, st->arg);
	}
}

static bool
store_watch(struct ag_store *st, short what)
{
	int fd = PQsocket(st->pg);

	store_unwatch(st);
	st->ev_io = event_new(st->base, fd, what, store_on_io, st);
	st->ev_write = event_new(st->base, fd, EV_WRITE, store_on_write, st);
	if (st->ev_io && st->ev_write && event_add(st->ev_io, NULL) == 0)
		return true;
	ag_store_lose(st, "out of memory");
	return false;
}

/* What a local socket holds is a tenth of a batch, and each time it is empty somebody has to wake.  The
 * kernel grants what its ceiling allows; it sizes buffers of TCP itself. */
static void
store_widen(const struct ag_store *st)
{
	int domain = 0, bytes = SEND_BUFFER;
	socklen_t len = sizeof(domain);

	if (getsockopt(PQsocket(st->pg), SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX)
		(void)setsockopt(PQsocket(st->pg), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void
store_on_connecting(struct ag_store *st)
{
	switch (PQconnectPoll(st->pg)) {
	case PGRES_POLLING_READING:
		store_watch(st, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
	case PGRES_POLLING_ACTIVE:
		store_watch(st, EV_WRITE);
		return;
	case PGRES_POLLING_FAILED:
		ag_store_lose(st, PQerrorMessage(st->pg));
		return;
	case PGRES_POLLING_OK:
		break;
	}
	if (PQsetnonblocking(st->pg, 1) < 0) {
		ag_store_lose(st, PQerrorMessage(st->pg));
		return;
	}
	store_widen(st);
	if (!store_watch(st, EV_READ | EV_PERSIST))
		return;
	st->state = STORE_SETUP;
	st->since_us = ag_clock_mono_us();
	st->preparing = 0;
	ag_store_send(st, STEP_PREPARE);
}

static void
store_quiet(void *arg, const char *message)
{
	(void)arg;
	ag_debug("PostgreSQL says: %s", message);
}

static void
store_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ag_store *st = arg;
	const char *keys[] = { "dbname", "fallback_application_name", NULL };
	const char *values[] = { st->conninfo, "aigated flusher", NULL };

	(void)fd;
	(void)what;
	assert(st->state == STORE_OFF);
	st->pg = PQconnectStartParams(keys, values, 1);
	st->state = STORE_CONNECTING;
	st->since_us = ag_clock_mono_us();
	if (!st->pg || PQstatus(st->pg) == CONNECTION_BAD) {
		ag_store_lose(st, st->pg ? PQerrorMessage(st->pg) : "out of memory");
		return;
	}
	PQsetNoticeProcessor(st->pg, store_quiet, NULL);
	store_watch(st, EV_WRITE);
}

struct ag_store *
ag_store_new(struct event_base *base, const char *conninfo, const struct ag_store_ops *ops,
    void *arg)
{
	struct ag_store *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->base = base;
	st->conninfo = conninfo;
	st->ops = ops;
	st->arg = arg;
	st->backoff_us = BACKOFF_FIRST_US;
	st->partition_unit = "month";
	ag_params_init(&st->params);
	st->ev_timer = event_new(base, -1, 0, store_on_timer, st);
	if (!st->ev_timer) {
		ag_store_free(st);
		return NULL;
	}
	store_arm_timer(st, 0);
	return st;
}

void
ag_store_free(struct ag_store *st)
{
	if (!st)
		return;
	store_unwatch(st);
	if (st->ev_timer)
		event_free(st->ev_timer);
	PQfinish(st->pg);
	ag_params_fini(&st->params);
	free(st);
}

/* ---- bytes out and in ------------------------------------------------------------------ */

bool
ag_store_flush(struct ag_store *st)
{
	int rc = PQflush(st->pg);

	if (rc < 0) {
		ag_store_lose(st, PQerrorMessage(st->pg));
		return false;
	}
	if (rc > 0)
		event_add(st->ev_write, NULL);
	return rc == 0;
}

void
ag_store_copy_more(struct ag_store *st)
{
	const struct ag_buf *rows = &st->batch->rows[ag_store_shape(st->step)];

	while (st->is_copying) {
		size_t left = rows->n - st->copied, n = left < COPY_PIECE ? left : COPY_PIECE;
		int rc;

		rc = n ? PQputCopyData(st->pg, rows->p + st->copied, (int)n) : PQputCopyEnd(st->pg, NULL);
		if (rc < 0) {
			ag_store_lose(st, PQerrorMessage(st->pg));
			return;
		}
		if (rc > 0) {
			st->copied += n;
			if (n == 0)
				st->is_copying = false;
		}
		if (!ag_store_flush(st))
			return;
	}
}

static void
store_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct ag_store *st = arg;

	(void)fd;
	(void)what;
	if (!ag_store_flush(st) || !st->is_copying)
		return;
	ag_store_copy_more(st);
	/* PostgreSQL may have refused a row long ago, and its answer been read: no event will say so. */
	if (st->pg && !st->is_copying)
		ag_store_on_answer(st);
}

static void
store_on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ag_store *st = arg;

	(void)fd;
	(void)what;
	if (st->state == STORE_CONNECTING)
		store_on_connecting(st);
	else
		ag_store_on_answer(st);
}

/* ---- asked by the flusher ----------------------------------------------------------------- */

bool
ag_store_is_ready(const struct ag_store *st)
{
	return st->state == STORE_READY;
}

bool
ag_store_is_up(const struct ag_store *st)
{
	return st->state == STORE_READY || st->state == STORE_BUSY;
}

int64_t
ag_store_busy_since_us(const struct ag_store *st)
{
	return st->state == STORE_BUSY ? st->since_us : 0;
}

static void
store_start(struct ag_store *st, enum store_step step)
{
	assert(st->state == STORE_READY);
	st->state = STORE_BUSY;
	st->since_us = ag_clock_mono_us();
	ag_store_send(st, step);
}

void
ag_store_commit(struct ag_store *st, const struct ag_batch *b)
{
	assert(b->n_records > 0);
	st->batch = b;
	store_start(st, STEP_BEGIN);
}

void
ag_store_ask_truth(struct ag_store *st, const int64_t *meter_ids, const int64_t *periods, size_t n)
{
	assert(n <= TRUTH_MAX);
	if (!ag_params_truth(&st->params, meter_ids, periods, n)) {
		st->ops->on_truth(NULL, 0, st->arg);
		return;
	}
	store_start(st, STEP_TRUTH);
}

void
ag_store_set_partitions(struct ag_store *st, const char *unit)
{
	st->partition_unit = unit;
}

void
ag_store_want_partitions(struct ag_store *st)
{
	st->wants_partitions = true;
	if (st->state == STORE_READY)
		ag_store_idle(st);
}

void
ag_store_tick(struct ag_store *st, int64_t now_us)
{
	int64_t waited = now_us - st->since_us;

	if (st->state == STORE_CONNECTING && waited > CONNECT_MAX_US)
		ag_store_lose(st, "no answer while connecting");
	else if ((st->state == STORE_SETUP || st->state == STORE_BUSY) && waited > SILENCE_MAX_US)
		ag_store_lose(st, "no answer for a minute");
}
