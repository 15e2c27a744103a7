/* client.h - one client connection: requests come in order and are answered one at a time.
 *
 * Bytes behind the request being served (pipelining) wait in `in`, at most a head's worth, then
 * reading pauses. The connection outlives its requests; ag_client_free() ends both. */
#ifndef AG_WORKER_CLIENT_H
#define AG_WORKER_CLIENT_H

#include "http/chunk.h"
#include "worker/worker.h"

#define AG_CLIENT_MAGIC 0x436c6e74u

enum ag_client_state {
	AG_CLIENT_IDLE,    /* nothing of a request has come */
	AG_CLIENT_HEAD,    /* part of a head has come */
	AG_CLIENT_BODY,    /* the head is whole, the body is coming */
	AG_CLIENT_BUSY,    /* a request is being served */
	AG_CLIENT_CLOSING, /* the last answer goes out, then the end */
};

struct ag_client {
	uint32_t magic;
	enum ag_client_state state;
	struct ag_list node;       /* on worker.clients */
	struct ag_list defer;      /* on worker.deferred while a pipelined request waits */
	struct ag_worker *w;       /* borrowed */
	struct ag_conn *conn;      /* owned */
	struct ag_buf in;          /* what has come and is not taken */
	struct ag_req *req;        /* owned while BUSY */
	struct ag_http_head *head; /* owned: parser state of a head that trickles; usually NULL */
	size_t head_len;           /* BODY: bytes of the head at the front of in */
	uint64_t body_len;         /* BODY: whole length, or decoded so far when chunked */
	struct ag_chunk_dec chunk;
	bool is_chunked;
	bool is_paused;
	bool is_tls;
	size_t unread;             /* what the peer had not taken when the timer was set */
	bool is_body_left;         /* the body was not waited for: the answer is the last */
	uint32_t n_requests;
	size_t counted_bytes;      /* what of worker.body_bytes is ours */
	char peer[64];             /* address in text */
};

void ag_client_accept(struct ag_worker *w, int fd, bool is_tls, const char *peer);
void ag_client_free(struct ag_client *c);

/* The request ended and its answer is written (or queued).  keep: the connection may take the
 * next.  The request is freed. */
void ag_client_request_done(struct ag_client *c, bool keep);

/* An answer waits to be read: client_write_timeout runs, anew as long as the peer reads at all. */
void ag_client_await_reader(struct ag_client *c);
/* No further request: what is queued goes out, then the end. */
void ag_client_end(struct ag_client *c);

/* Memory of its message was taken or given back: worker.body_bytes follows. */
void ag_client_count(struct ag_client *c);
/* From the loop, later than the call that deferred: serves what waits in `in`. */
void ag_client_go_on(struct ag_list *defer);

#endif
