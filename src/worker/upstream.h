/* upstream.h - one connection to a provider, serving one attempt at a time.
 *
 * Parses the answer's framing and tells the request (request.h, relay.c) what came.  Goes back to
 * its origin's idle stack when the answer ended cleanly and both sides may go on. */
#ifndef AG_WORKER_UPSTREAM_H
#define AG_WORKER_UPSTREAM_H

#include "http/chunk.h"
#include "worker/origin.h"

#define AG_UPSTREAM_MAGIC 0x55707374u
/* A request up to this size goes out by one gathered write and is not looked at again. */
#define AG_UPSTREAM_AT_ONCE 262144u

enum ag_upstream_state {
	AG_UP_IDLE,    /* on the origin's stack */
	AG_UP_OPENING, /* connecting, handshaking */
	AG_UP_SENDING, /* the request goes out; the head of the answer may come */
	AG_UP_BODY,    /* the head has come */
};

struct ag_upstream {
	uint32_t magic;
	enum ag_upstream_state state;
	struct ag_list node;       /* on the origin's idle stack */
	struct ag_worker *w;       /* borrowed */
	struct ag_origin *origin;  /* borrowed */
	struct ag_conn *conn;      /* owned */
	struct ag_req *req;        /* borrowed; NULL: idle */
	struct ag_buf in;          /* what has come and is not consumed */
	struct ag_chunk_dec chunk;
	uint64_t left;             /* BODY by length: bytes still to come */
	int framing;               /* enum ag_http_framing of the answer */
	bool is_reused;            /* carried an earlier attempt */
	bool may_keep;             /* both sides allow another request after this answer */
	bool has_bad_head;         /* what it answered is no HTTP we take */
	bool is_paused;            /* reading waits for the client */
	bool has_session;          /* TLS session was stored */
	/* a large request on its way: what writev did not take */
	const struct iovec *iov;   /* borrowed: arena of the request */
	int n_iov;
	size_t iov_off;
};

/* The idle connection that would be taken is wanted soon. */
void ag_upstream_warm_idle(struct ag_origin *o);
/* An idle connection, attached to req, or NULL. */
struct ag_upstream *ag_upstream_take_idle(struct ag_origin *o, struct ag_req *req);
/* A new one, connecting; -errno when that failed at once. */
int ag_upstream_open(struct ag_worker *w, struct ag_origin *o, const struct sockaddr *addr,
    socklen_t addr_len, struct ag_req *req, struct ag_upstream **out) AG_MUST_CHECK;
/* Sends; above AG_UPSTREAM_AT_ONCE bytes in all, iov and what it points to stay until the head of the
 * answer came.  -errno. */
int ag_upstream_send(struct ag_upstream *up, const struct iovec *iov, int n_iov) AG_MUST_CHECK;
/* The attempt is over: back to the stack if it may be kept, else closed. */
void ag_upstream_done(struct ag_upstream *up);
/* Closes it; its memory is good until the end of the loop's turn (magic 0, req NULL). */
void ag_upstream_free(struct ag_upstream *up);
void ag_upstream_release(struct ag_list *node); /* worker.c, for the buried */
void ag_upstream_pause(struct ag_upstream *up);
void ag_upstream_resume(struct ag_upstream *up);

#endif
