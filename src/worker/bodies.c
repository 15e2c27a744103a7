/* bodies.c - requests and answers that a workspace wants kept, on their way to the flusher.
 *
 * The request is copied when an attempt of it is sent, the answer piece by piece as it goes to
 * the client, both up to body_log_max.  Handed over when the request ends, never waited for:
 * without room they are given up and counted. */
#include <stdlib.h>
#include <string.h>

#include "shm/body_ring.h"
#include "shm/counters.h"
#include "worker/request.h"

bool
ag_bodies_wanted(const struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_str asked = ag_str_trim(AG_ADMIT_HEADER(head, "debug"));

	if (!r->w->body_ring.hdr)
		return false;
	switch ((enum ag_body_log)r->ws->body_log) {
	case AG_BODY_LOG_OFF:
		return false;
	case AG_BODY_LOG_ON_REQUEST:
		return ag_str_ieq(asked, AG_STR("true"));
	case AG_BODY_LOG_ON:
		return !ag_str_ieq(asked, AG_STR("false"));
	case AG_BODY_LOG_ENFORCED:
		break;
	}
	return true;
}

static void
mask_all(char *p, size_t n, struct ag_str secret)
{
	char *end = p + n;

	while (secret.n > 0 && (p = memmem(p, (size_t)(end - p), secret.p, secret.n)) != NULL) {
		memset(p, '*', secret.n);
		p += secret.n;
	}
}

/* As the client sent it, whatever a config laid over it. */
static struct ag_str
request_of(const struct ag_req *r)
{
	return ag_str_n(r->msg.p + r->head_len, r->merged.n > 0 ? r->came_len : r->body_len);
}

static struct ag_bodies *
make(struct ag_req *r, struct ag_str request)
{
	uint64_t cap = r->w->conf->body_log_max, longest = ag_body_ring_longest(&r->w->body_ring);
	struct ag_bodies *b = NULL;
	size_t n;

	cap = cap < longest ? cap : longest;
	n = request.n < cap ? request.n : cap;
	if (r->w->body_bytes + n + cap <= r->w->conf->body_memory)
		b = malloc(sizeof(*b) + n + cap);
	if (!b)
		return NULL;
	*b = (struct ag_bodies){ .cap = cap, .request_len = n, .request_bytes = request.n };
	memcpy(b->text, request.p, n);
	return b;
}

void
ag_bodies_begin(struct ag_req *r, const struct ag_http_head *head)
{
	if (!r->bodies) {
		r->bodies = make(r, request_of(r));
		if (!r->bodies) {
			r->wants_bodies = false;
			ag_count(AG_CNT_body_dropped);
			return;
		}
		mask_all(r->bodies->text, r->bodies->request_len, ag_admit_key_of(head));
		ag_client_count(r->client);
	}
	r->bodies->response_len = 0;
	r->bodies->response_bytes = 0;
	r->bodies->has_row = false;
}

void
ag_bodies_add(struct ag_bodies *b, struct ag_str piece)
{
	size_t room = b->cap - b->response_len, n = piece.n < room ? piece.n : room;

	if (n > 0)
		memcpy(b->text + b->request_len + b->response_len, piece.p, n);
	b->response_len += n;
	b->response_bytes += piece.n;
}

static void
push(struct ag_req *r, struct ag_bodies *b)
{
	struct ag_body *entry = ag_body_ring_reserve(&r->w->body_ring, b->request_len, b->response_len);

	if (!entry) {
		ag_count(AG_CNT_body_dropped);
		return;
	}
	/* The provider's credential: a body of a success is not looked at while it passes. */
	ag_relay_mask_secret(r, ag_str_n(b->text, b->request_len + b->response_len));
	memcpy(entry->request_id, r->id, sizeof(entry->request_id));
	entry->received_at_us = r->rec.received_at_us;
	entry->org_id = r->key.org_id;
	entry->workspace_id = r->key.workspace_id;
	entry->key_id = r->key.id;
	entry->request_bytes = b->request_bytes;
	entry->response_bytes = b->response_bytes;
	entry->attempt = r->attempt;
	memcpy(entry + 1, b->text, b->request_len + b->response_len);
	ag_body_ring_commit(&r->w->body_ring, entry);
	ag_count(AG_CNT_body_pushed);
}

void
ag_bodies_end(struct ag_req *r)
{
	if (r->bodies->has_row)
		push(r, r->bodies);
	free(r->bodies);
	r->bodies = NULL;
}
