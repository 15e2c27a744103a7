/* worker.h - one worker process: its loop, its tables, and what all its requests share.
 *
 * Everything here belongs to one process and one thread.  What is shared with other processes is
 * reached through shm, ring and the functions of src/limit. */
#ifndef AG_WORKER_WORKER_H
#define AG_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "aigated/role.h"
#include "base/buf.h"
#include "base/list.h"
#include "conf/conf.h"
#include "http/conn.h"
#include "http/head.h"
#include "shm/event_ring.h"
#include "shm/body_ring.h"
#include "shm/ring.h"
#include "shm/segment.h"

struct ag_view;
struct ag_origins;
struct ag_tokens;
struct ag_req;

#define AG_WORKER_LISTEN_MAX AG_LISTEN_MAX
#define AG_WORKER_SPARE_BUFS 64

struct ag_worker {
	struct ag_role_ctx *ctx;        /* borrowed */
	struct ag_conf *conf;           /* borrowed: ctx */
	struct ag_shm *shm;             /* borrowed: ctx */
	struct ag_proc_slot *proc;
	struct ag_ring ring;
	struct ag_event_ring events;    /* hdr NULL: there is no telemetry */
	struct ag_body_ring body_ring;
	struct event_base *base;        /* owned */
	struct event *listen_ev[AG_WORKER_LISTEN_MAX]; /* owned */
	struct event *back_ev[AG_WORKER_LISTEN_MAX]; /* owned: the end of standing back */
	struct event *signal_ev[5];     /* owned */
	struct event *life_ev, *tick_ev; /* owned */
	SSL_CTX *tls_server;            /* owned; NULL without TLS listeners */
	SSL_CTX *tls_client;            /* owned */
	struct ag_view *view;           /* owned reference: newest catalogue seen */
	struct ag_origins *origins;     /* owned: connections to providers */
	struct ag_tokens *tokens;       /* owned: access tokens for providers */
	struct ag_origin *control;      /* borrowed: origins; the control process's socket */

	struct ag_list clients;         /* struct ag_client */
	uint32_t n_clients;
	uint64_t body_bytes;            /* memory of messages beyond a small buffer each: body_memory */
	struct ag_list deferred;        /* struct ag_client.defer: have a next request waiting */
	struct event *deferred_ev;      /* owned */
	struct ag_list buried;          /* struct ag_upstream.node: freed at the end of the turn */
	struct ag_list spare_reqs;      /* struct ag_req, to be used again */
	uint32_t n_spare_reqs;

	struct ag_list waiting;         /* struct ag_req.wait.node, in order of arrival: wait.c */
	uint32_t n_waiting;
	struct event *wait_ev;          /* owned: runs while one waits */

	uint32_t *free_slots;           /* owned: in-flight slots not in use */
	uint32_t n_free_slots;
	uint32_t n_inflight;

	struct ag_http_head head;       /* scratch of the parser: good until the next parse */
	const struct ag_req *head_of;   /* whose request's head stands in it, NULL: somebody else's */
	struct ag_buf scratch;          /* scratch for heads and small answers */
	struct ag_buf spare_buf[AG_WORKER_SPARE_BUFS]; /* owned: lent to clients that speak, client.c */
	uint32_t n_spare_bufs;
	struct ag_buf read_buf;         /* owned: lent to the provider connection being read, upstream.c */
	uint8_t entropy[4096];           /* random bytes for ids */
	size_t entropy_left;
	bool is_draining;
};

/* n random bytes, n <= 16. */
void ag_worker_random(struct ag_worker *w, uint8_t *out, size_t n);
/* A UUIDv7 for a request: 48 bits of wall ms, the rest random (RFC 9562 5.7). */
void ag_worker_uuid7(struct ag_worker *w, int64_t wall_us, uint8_t out[16]);
/* "018f....-....": 36 bytes and a NUL. */
#define AG_UUID_TEXT 37
void ag_uuid_text(const uint8_t uuid[16], char out[AG_UUID_TEXT]);

/* The newest catalogue, loaded now when the generation moved; NULL before the first. */
struct ag_view *ag_worker_view(struct ag_worker *w);

/* In-flight slots; -1: none free. */
int64_t ag_worker_slot_take(struct ag_worker *w);
void ag_worker_slot_give(struct ag_worker *w, uint32_t ix);

/* Lets a client go on with a pipelined request from the loop: never from within the call that
 * ended the one before, or a thousand of them would nest. */
void ag_worker_defer(struct ag_worker *w, struct ag_list *client_defer);

/* Memory that callers up the stack may still look at: freed later in the loop. */
void ag_worker_bury(struct ag_worker *w, struct ag_list *upstream_node);

/* Called when a client or a request ended: a draining worker may leave. */
void ag_worker_check_drained(struct ag_worker *w);

#endif
