/* conn.h - a client's connection: reads requests, sends answers at the scripted pace.
 *
 * READ collects a request; PLAY sends its answer, piece by piece, waiting where the script says
 * so; DRAIN has sent its last byte and listens until the client has taken it.  Requests that
 * follow in the same packet wait their turn in `in`. */
#ifndef AG_MOCK_CONN_H
#define AG_MOCK_CONN_H

#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "base/list.h"
#include "tools/mock/answer.h"
#include "tools/mock/parse.h"
#include "tools/mock/script.h"

#define MOCK_CONN_MAGIC 0x6d6f636bu

struct mock;

enum mock_conn_state { MOCK_CONN_READ, MOCK_CONN_PLAY, MOCK_CONN_DRAIN };

/* When and how an answer goes: copied out of the script, which may change meanwhile. */
struct mock_pace {
	int64_t delay_ms, chunk_delay_ms;
	int64_t cut_after, reset_after, stall_after, cut_bytes; /* -1: never */
	bool hangs, closes_before, resets_before, splits;
	char wait[MOCK_NAME_MAX]; /* of the release to wait for; empty: none */
};

struct mock_play {
	const struct mock_answer *answer; /* borrowed: the connection's own, or a ready one */
	struct mock_pace pace;
	size_t pos;    /* bytes sent */
	size_t limit;  /* bytes that may be sent by now */
	size_t piece;  /* pieces that may be sent by now */
	unsigned step; /* what was done before the first byte */
	unsigned split;
	bool is_api; /* of a provider's request: is counted */
	bool is_usage_counted;
	bool is_paid;    /* the delay before this piece is over */
	bool is_held;    /* a timer or a release must come first */
	bool is_waiting; /* ... a release */
	char model[96];
	uint64_t log_n; /* 0: not logged */
	uint32_t log_epoch;
	bool stream_asks_usage;
};

struct mock_conn {
	uint32_t magic;
	enum mock_conn_state state;
	struct mock *mock; /* borrowed */
	struct ag_list node;
	int fd;   /* owned */
	SSL *ssl; /* owned; NULL: plain */
	bool is_tls_ready, tls_wants_write;
	bool is_eof, is_counted, closes_next;
	struct event on_read, on_write, on_timer;
	struct ag_buf in;
	struct mock_req req;
	struct mock_answer answer;
	struct mock_play play;
};

/* Takes fd over, on failure too. */
void mock_conn_new(struct mock *m, int fd);
void mock_conn_free(struct mock_conn *c);

/* The answer in c->play.answer is to be sent; called by serve.c while the request is handled. */
void mock_pace_init(struct mock_pace *pace);
void mock_pace_from(struct mock_pace *pace, const struct mock_do *d);

/* Lets the connections go on that wait for `name`, all when it is empty; returns how many. */
unsigned mock_conn_release(struct mock *m, struct ag_str name);

#endif
