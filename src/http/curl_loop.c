#include "http/curl_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/wiping.h"

struct ag_curl_loop {
	struct event_base *base;  /* borrowed */
	CURLM *multi;             /* owned */
	struct event *timer;      /* owned */
};

/* Of a handle that was added: its CURLOPT_PRIVATE. */
struct call {
	ag_curl_done done;
	void *arg;
};

static void
reap(struct ag_curl_loop *l)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(l->multi, &left)) != NULL) {
		struct call *call = NULL;
		CURLcode rc = msg->data.result;
		CURL *curl = msg->easy_handle;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(curl, CURLINFO_PRIVATE, &call);
		call->done(curl, rc, call->arg);
	}
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ag_curl_loop *l = arg;
	int running, bits = ((what & EV_READ) ? CURL_CSELECT_IN : 0) |
	    ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(l->multi, fd, bits, &running);
	reap(l);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ag_curl_loop *l = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(l);
}

static int
on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct ag_curl_loop *l = arg;
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)multi;
	if (ms < 0)
		event_del(l->timer);
	else
		event_add(l->timer, &tv);
	return 0;
}

static int
on_curl_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct ag_curl_loop *l = arg;
	struct event *ev = socket_arg;
	short events = (short)(((what & CURL_POLL_IN) ? EV_READ : 0) |
	    ((what & CURL_POLL_OUT) ? EV_WRITE : 0));

	(void)curl;
	if (ev)
		event_free(ev);
	ev = NULL;
	if (what != CURL_POLL_REMOVE) {
		ev = event_new(l->base, fd, (short)(events | EV_PERSIST), on_io, l);
		if (!ev || event_add(ev, NULL) < 0)
			return -1;
	}
	curl_multi_assign(l->multi, fd, ev);
	return 0;
}

struct ag_curl_loop *
ag_curl_loop_new(struct event_base *base)
{
	struct ag_curl_loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->base = base;
	/* Tokens and secrets pass through its buffers, which are not ours to overwrite. */
	l->timer = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, ag_wiping_free, ag_wiping_realloc, strdup,
	    calloc) == 0 ? evtimer_new(base, on_timer, l) : NULL;
	l->multi = l->timer ? curl_multi_init() : NULL;
	if (!l->multi) {
		ag_curl_loop_free(l);
		return NULL;
	}
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
	return l;
}

void
ag_curl_loop_free(struct ag_curl_loop *l)
{
	if (!l)
		return;
	if (l->multi)
		curl_multi_cleanup(l->multi);
	if (l->timer)
		event_free(l->timer);
	free(l);
}

int
ag_curl_loop_add(struct ag_curl_loop *l, CURL *curl, ag_curl_done done, void *arg)
{
	struct call *call = malloc(sizeof(*call));

	if (!call)
		return -ENOMEM;
	*call = (struct call){ done, arg };
	curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
	if (curl_multi_add_handle(l->multi, curl) == CURLM_OK)
		return 0;
	curl_easy_setopt(curl, CURLOPT_PRIVATE, NULL);
	free(call);
	return -ENOMEM;
}

void
ag_curl_loop_remove(struct ag_curl_loop *l, CURL *curl)
{
	struct call *call = NULL;

	curl_multi_remove_handle(l->multi, curl);
	curl_easy_getinfo(curl, CURLINFO_PRIVATE, &call);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, NULL);
	free(call);
}
