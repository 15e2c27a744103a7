/* worker.c - the role: accepts clients, keeps the catalogue fresh, drains when told.
 *
 * One accept per wake-up on the shared listening sockets, so that nothing queued is lost with a worker that
 * dies; who has more connections than the others stands back for a moment, so that they spread. */
#include "worker/worker.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/schedule.h"
#include "base/title.h"
#include "http/tls.h"
#include "limit/holds.h"
#include "shm/catalog_area.h"
#include "shm/counters.h"
#include "worker/client.h"
#include "worker/origin.h"
#include "worker/request.h"
#include "worker/tokens.h"
#include "worker/upstream.h"
#include "worker/view.h"
#include "worker/wait.h"

#define SCRATCH_MAX ((size_t)2 << 20)

/* ---- ids --------------------------------------------------------------------------------- */

void
ag_worker_random(struct ag_worker *w, uint8_t *out, size_t n)
{
	assert(n <= 16);
	if (w->entropy_left < n) {
		if (getrandom(w->entropy, sizeof(w->entropy), 0) != (ssize_t)sizeof(w->entropy))
			assert(!"the kernel has random bytes");
		w->entropy_left = sizeof(w->entropy);
	}
	w->entropy_left -= n;
	memcpy(out, w->entropy + w->entropy_left, n);
}

void
ag_worker_uuid7(struct ag_worker *w, int64_t wall_us, uint8_t out[16])
{
	uint64_t ms = (uint64_t)(wall_us / AG_US_PER_MS);

	ag_worker_random(w, out + 6, 10);
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)(ms >> (8 * (5 - i)));
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x70);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

void
ag_uuid_text(const uint8_t uuid[16], char out[AG_UUID_TEXT])
{
	static const char digit[16] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		out[at++] = digit[uuid[i] >> 4];
		out[at++] = digit[uuid[i] & 15];
	}
	out[at] = '\0';
}

/* ---- catalogue and slots ----------------------------------------------------------------- */

struct ag_view *
ag_worker_view(struct ag_worker *w)
{
	uint32_t generation = ag_catalog_generation(w->shm); /* publishes: ag_catalog_publish() */
	struct ag_view *fresh;

	if (AG_LIKELY(w->view && ag_catalog_gen(ag_view_catalog(w->view)) == generation))
		return w->view;
	if (generation != 0 && ag_view_load(w, &fresh) == 0) {
		ag_view_unref(w->view);
		w->view = fresh;
		ag_a32_set(&w->proc->catalog_gen, ag_catalog_gen(ag_view_catalog(fresh)));
	}
	return w->view;
}

int64_t
ag_worker_slot_take(struct ag_worker *w)
{
	uint32_t ix;

	if (w->n_free_slots == 0)
		return -1;
	w->n_inflight++;
	ag_a32_set(&w->proc->inflight, w->n_inflight);
	ix = w->free_slots[--w->n_free_slots];
	if (ix >= ag_a32_get(&w->proc->slots_high))
		ag_a32_publish(&w->proc->slots_high, ix + 1);
	return ix;
}

void
ag_worker_slot_give(struct ag_worker *w, uint32_t ix)
{
	w->free_slots[w->n_free_slots++] = ix;
	w->n_inflight--;
	ag_a32_set(&w->proc->inflight, w->n_inflight);
}

/* ---- deferred work ----------------------------------------------------------------------- */

static void
worker_on_deferred(evutil_socket_t fd, short what, void *arg)
{
	struct ag_worker *w = arg;
	struct ag_list ready;

	(void)fd;
	(void)what;
	while (!ag_list_is_empty(&w->buried)) {
		struct ag_list *node = w->buried.next;

		ag_list_remove(node);
		ag_upstream_release(node);
	}
	/* Clients deferred while these run wait for the next turn. */
	ag_list_init(&ready);
	while (!ag_list_is_empty(&w->deferred)) {
		struct ag_list *node = w->deferred.next;

		ag_list_remove(node);
		ag_list_push_back(&ready, node);
	}
	while (!ag_list_is_empty(&ready)) {
		struct ag_list *node = ready.next;

		ag_list_remove(node);
		ag_client_go_on(node);
	}
}

void
ag_worker_defer(struct ag_worker *w, struct ag_list *client_defer)
{
	ag_list_remove(client_defer);
	ag_list_push_back(&w->deferred, client_defer);
	event_active(w->deferred_ev, EV_TIMEOUT, 0);
}

void
ag_worker_bury(struct ag_worker *w, struct ag_list *upstream_node)
{
	ag_list_push_back(&w->buried, upstream_node);
	event_active(w->deferred_ev, EV_TIMEOUT, 0);
}

/* ---- accepting --------------------------------------------------------------------------- */

static void
peer_text(const struct sockaddr_storage *ss, char out[64])
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)ss;

	if (ss->ss_family == AF_INET)
		inet_ntop(AF_INET, &in4->sin_addr, out, 64);
	else if (ss->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, out, 64);
	else
		(void)ag_str_copy(AG_STR("unix"), out, 64);
}

#define ACCEPT_LEAD  4u  /* connections more than the others have, on average, before they go first */
#define ACCEPT_GRACE 4u  /* taken after having stood back in vain */

struct listener {
	struct ag_worker *w;
	int ix;
	uint32_t grace;
};

/* Among idle workers one and the same gets every connection, and would keep all their streams.  Whoever
 * has more than its share stands back for a moment: the others are awake too. */
static bool
has_more_than_its_share(const struct ag_worker *w)
{
	uint64_t all = 0, n = 0;

	for (uint32_t i = 0; i < w->shm->hdr->sizes.workers; i++) {
		const struct ag_proc_slot *p = ag_shm_proc(w->shm, AG_PROC_WORKER(i));

		if (p == w->proc || !ag_a32_get(&p->is_serving) || ag_a32_get(&p->pid) == 0)
			continue;
		all += ag_a32_get(&p->connections);
		n++;
	}
	return n > 0 && w->n_clients >= ACCEPT_LEAD + all / n;
}

static void
listener_on_back(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	struct pollfd waiting = { .fd = l->w->ctx->listen_fds[l->ix], .events = POLLIN };

	(void)fd;
	(void)what;
	l->grace = poll(&waiting, 1, 0) == 1 ? ACCEPT_GRACE : 0;
	if (!l->w->is_draining)
		(void)event_add(l->w->listen_ev[l->ix], NULL);
}

static void
stand_back(struct listener *l)
{
	static const struct timeval moment = { .tv_usec = 2000 };

	if (event_add(l->w->back_ev[l->ix], &moment) == 0)
		event_del(l->w->listen_ev[l->ix]);
}

static void
worker_on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	struct ag_worker *w = l->w;
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	char peer[64];
	int client;

	(void)what;
	if (l->grace > 0) {
		l->grace--;
	} else if (has_more_than_its_share(w)) {
		stand_back(l);
		return;
	}
	client = accept4(fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0) {
		static struct ag_log_limit limit;

		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && ag_log_allowed(&limit, 5))
			ag_warn("could not accept a connection: %m, trying again");
		return;
	}
	if (w->n_clients >= w->conf->max_connections) {
		ag_count(AG_CNT_conn_refused);
		close(client);
		return;
	}
	ag_count(AG_CNT_conn_accepted);
	peer_text(&ss, peer);
	ag_client_accept(w, client, w->ctx->listen_is_tls[l->ix] != 0, peer);
}

/* ---- signals, ticks, the end ------------------------------------------------------------- */

static void
worker_stop_accepting(struct ag_worker *w)
{
	for (int i = 0; i < AG_WORKER_LISTEN_MAX; i++)
		if (w->listen_ev[i])
			event_del(w->listen_ev[i]);
}

void
ag_worker_check_drained(struct ag_worker *w)
{
	if (w->is_draining && ag_list_is_empty(&w->clients))
		event_base_loopexit(w->base, NULL);
}

static void
worker_drain(struct ag_worker *w)
{
	struct timeval tv = { .tv_sec = (time_t)(w->conf->shutdown_timeout / AG_US_PER_SEC),
		.tv_usec = (suseconds_t)(w->conf->shutdown_timeout % AG_US_PER_SEC) };

	if (w->is_draining)
		return;
	w->is_draining = true;
	ag_title_state("draining");
	ag_info("draining: %u requests in flight, %u connections", w->n_inflight, w->n_clients);
	worker_stop_accepting(w);
	AG_LIST_FOREACH_SAFE(it, next, &w->clients) {
		struct ag_client *c = AG_LIST_ENTRY(it, struct ag_client, node);

		if (c->state != AG_CLIENT_IDLE)
			continue;
		/* Idle for us, but its last answer may still be on its way. */
		if (ag_conn_pending(c->conn) > 0)
			ag_client_end(c);
		else
			ag_client_free(c);
	}
	event_base_loopexit(w->base, &tv);
	ag_worker_check_drained(w);
}

static SSL_CTX *
worker_server_tls(struct ag_worker *w)
{
	struct ag_err err;
	SSL_CTX *tls = ag_tls_server_new(w->conf->tls_certificate, w->conf->tls_certificate_key, &err);

	if (!tls)
		ag_error("could not load the certificate: %s%s", err.text,
		    w->tls_server ? ", serving the last one" : "");
	return tls;
}

static bool
has_tls_listener(const struct ag_worker *w)
{
	for (int i = 0; i < w->ctx->n_listen; i++)
		if (w->ctx->listen_is_tls[i])
			return true;
	return false;
}

static void
worker_reload(struct ag_worker *w)
{
	struct ag_err err;

	if (ag_conf_reload(w->conf, &err) < 0) {
		ag_error("could not reload the configuration: %s, keeping the one in force", err.text);
		return;
	}
	ag_log_level = (enum ag_log_level)w->conf->log_level;
	if (has_tls_listener(w)) {
		SSL_CTX *tls = worker_server_tls(w);

		if (tls) {
			SSL_CTX_free(w->tls_server);
			w->tls_server = tls;
		}
	}
	ag_notice("configuration reloaded");
}

static void
worker_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct ag_worker *w = arg;

	(void)what;
	switch ((int)sig) {
	case SIGHUP:
		worker_reload(w);
		break;
	case SIGUSR1:
		if (ag_log_reopen() < 0)
			ag_error("could not reopen the log file, writing to the old one");
		break;
	case SIGINT:
		event_base_loopbreak(w->base);
		break;
	default:
		worker_drain(w);
	}
}

static void
worker_on_life(evutil_socket_t fd, short what, void *arg)
{
	char byte;

	(void)what;
	if (read(fd, &byte, 1) == 0) {
		struct ag_worker *w = arg;

		ag_notice("the master is gone, leaving");
		event_del(w->life_ev);
		worker_drain(w);
	}
}

static void
worker_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ag_worker *w = arg;

	(void)fd;
	(void)what;
	ag_a64_set(&w->proc->heartbeat_us, ag_clock_wall_us());
	/* An idle worker keeps up too, so that the first request after a change is not slower. */
	(void)ag_worker_view(w);
	ag_tokens_tick(w->tokens);
}

/* ---- making and ending ------------------------------------------------------------------- */

/* Finishes what a dead predecessor left.  With a full ring some of it must wait for the flusher:
 * until then this process may not accept, since it would push behind what is missing. */
static bool
worker_sweep(struct ag_worker *w)
{
	struct ag_sweep swept = { 0 };

	ag_ring_recover(&w->ring);
	for (;;) {
		char byte;

		ag_holds_sweep(w->shm, w->ctx->worker_ix, ag_clock_wall_us(), &swept);
		ag_count_add(AG_CNT_swept_returned, swept.returned);
		ag_count_add(AG_CNT_swept_charged, swept.charged);
		if (swept.returned + swept.charged + swept.finished > 0)
			ag_notice("swept the requests of a dead predecessor: returned=%u charged=%u finished=%u suspect=%u",
			    swept.returned, swept.charged, swept.finished, swept.suspect);
		if (swept.waiting == 0)
			return true;
		ag_a64_set(&w->proc->heartbeat_us, ag_clock_wall_us());
		/* Also the wait: the master's end is the reason to stop waiting. */
		if (poll(&(struct pollfd){ .fd = w->ctx->life_fd, .events = POLLIN }, 1, 100) > 0 &&
		    read(w->ctx->life_fd, &byte, 1) == 0)
			return false;
	}
}

static int
worker_init_tables(struct ag_worker *w)
{
	uint32_t n = w->shm->hdr->sizes.inflight;
	char path[512];

	w->free_slots = calloc(n, sizeof(*w->free_slots));
	if (!w->free_slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		w->free_slots[i] = n - 1 - i;
	w->n_free_slots = n;
	w->origins = ag_origins_new(w);
	w->tokens = ag_tokens_new(w);
	if (!w->origins || !w->tokens)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/control.sock", w->conf->run_dir);
	w->control = ag_origin_get_unix(w->origins, path);
	return w->control ? 0 : -ENAMETOOLONG;
}

static int
worker_init_tls(struct ag_worker *w)
{
	struct ag_err err;

	w->tls_client = ag_tls_client_new(w->conf->upstream_ca_file && w->conf->upstream_ca_file[0]
	    ? w->conf->upstream_ca_file : NULL, &err);
	if (!w->tls_client) {
		ag_error("could not load the authorities of providers: %s", err.text);
		return -EINVAL;
	}
	if (has_tls_listener(w)) {
		w->tls_server = worker_server_tls(w);
		return w->tls_server ? 0 : -EINVAL;
	}
	return 0;
}

static int
worker_init_events(struct ag_worker *w, struct listener *listeners)
{
	static const int signals[] = { SIGHUP, SIGUSR1, SIGTERM, SIGQUIT, SIGINT };
	static const struct timeval second = { .tv_sec = 1 };
	struct event_config *cfg = event_config_new();

	if (!cfg)
		return -ENOMEM;
	/* Arming and disarming EV_WRITE within a turn then costs no system call. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
	w->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (!w->base)
		return -ENOMEM;
	for (size_t i = 0; i < AG_ARRAY_LEN(signals); i++) {
		w->signal_ev[i] = evsignal_new(w->base, signals[i], worker_on_signal, w);
		if (!w->signal_ev[i] || event_add(w->signal_ev[i], NULL) < 0)
			return -ENOMEM;
	}
	w->life_ev = event_new(w->base, w->ctx->life_fd, EV_READ | EV_PERSIST, worker_on_life, w);
	w->tick_ev = event_new(w->base, -1, EV_PERSIST, worker_on_tick, w);
	w->deferred_ev = event_new(w->base, -1, 0, worker_on_deferred, w);
	w->wait_ev = event_new(w->base, -1, EV_PERSIST, ag_wait_on_tick, w);
	if (!w->wait_ev || !w->life_ev || !w->tick_ev || !w->deferred_ev || event_add(w->life_ev, NULL) < 0 ||
	    event_add(w->tick_ev, &second) < 0)
		return -ENOMEM;
	for (int i = 0; i < w->ctx->n_listen; i++) {
		listeners[i] = (struct listener){ .w = w, .ix = i };
		w->listen_ev[i] = event_new(w->base, w->ctx->listen_fds[i], EV_READ | EV_PERSIST,
		    worker_on_accept, &listeners[i]);
		w->back_ev[i] = evtimer_new(w->base, listener_on_back, &listeners[i]);
		if (!w->back_ev[i] || !w->listen_ev[i] || event_add(w->listen_ev[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void
event_release(struct event *ev)
{
	if (ev)
		event_free(ev);
}

static void
worker_fini(struct ag_worker *w)
{
	/* What is still in flight is cancelled and settled like a client that left. */
	AG_LIST_FOREACH_SAFE(it, next, &w->clients) {
		struct ag_client *c = AG_LIST_ENTRY(it, struct ag_client, node);

		if (c->req)
			ag_req_on_client_gone(c->req);
		ag_client_free(c);
	}
	ag_tokens_stop(w->tokens);
	ag_origins_free(w->origins);
	while (w->deferred_ev && !ag_list_is_empty(&w->buried))
		worker_on_deferred(-1, 0, w);
	ag_view_unref(w->view);
	ag_tokens_free(w->tokens);
	ag_req_free_spares(w);
	for (int i = 0; i < AG_WORKER_LISTEN_MAX; i++) {
		event_release(w->listen_ev[i]);
		event_release(w->back_ev[i]);
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(w->signal_ev); i++)
		event_release(w->signal_ev[i]);
	event_release(w->life_ev);
	event_release(w->tick_ev);
	event_release(w->deferred_ev);
	event_release(w->wait_ev);
	SSL_CTX_free(w->tls_server);
	SSL_CTX_free(w->tls_client);
	if (w->base)
		event_base_free(w->base);
	ag_buf_wipe(&w->scratch);
	ag_buf_fini(&w->read_buf);
	while (w->n_spare_bufs > 0)
		ag_buf_fini(&w->spare_buf[--w->n_spare_bufs]);
	free(w->free_slots);
}

int
ag_worker_main(struct ag_role_ctx *ctx)
{
	struct ag_worker w = {
		.ctx = ctx, .conf = ctx->conf, .shm = ctx->shm,
		.proc = ag_shm_proc(ctx->shm, ctx->proc_ix),
		.ring = ag_ring_of(ctx->shm, ctx->worker_ix),
		.events = ag_event_ring_of(ctx->events, ctx->worker_ix),
		.body_ring = ag_body_ring_of(ctx->shm, ctx->worker_ix),
	};
	struct listener listeners[AG_WORKER_LISTEN_MAX];
	int status = 1;

	ag_list_init(&w.clients);
	ag_list_init(&w.deferred);
	ag_list_init(&w.buried);
	ag_list_init(&w.spare_reqs);
	ag_list_init(&w.waiting);
	ag_wait_init(&w);
	ag_buf_init(&w.scratch, SCRATCH_MAX);
	signal(SIGPIPE, SIG_IGN);
	/* Large buffers come and go with each request: given back to the kernel every time, their pages
	 * would be faulted in anew every time, which costs more than all of the relay. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	ag_schedule_for_latency();
	if (worker_sweep(&w) && worker_init_events(&w, listeners) == 0 && worker_init_tls(&w) == 0 &&
	    worker_init_tables(&w) == 0) {
		worker_on_tick(-1, 0, &w);
		ag_a32_publish(&w.proc->is_serving, 1);
		ag_title_state("serving");
		event_base_dispatch(w.base);
		status = 0;
	} else {
		ag_error("worker could not start");
	}
	worker_fini(&w);
	return status;
}
