/* reader.h - statements whose answer nobody has to stand still for.
 *
 * Reports may take seconds, so they are not run on the connection that changes are made on (pg.h,
 * which blocks): a reader has connections of its own, driven by events, read only, each statement
 * one snapshot and under a time limit.  What finds no connection free waits its turn; a reader that
 * is asked for too much refuses.  Owner: who made it. */
#ifndef AG_CONTROL_READER_H
#define AG_CONTROL_READER_H

#include "base/buf.h"
#include "base/list.h"
#include "control/pg.h"

struct ag_call;
struct ag_control;
struct ag_reader;
struct json_object;

#define AG_ASK_SQL_MAX ((size_t)64 << 10)

/* Why an ask was not answered. */
enum ag_ask_end {
	AG_ASK_DONE,
	AG_ASK_LOST,    /* no connection, or it broke */
	AG_ASK_SLOW,    /* the time limit was reached */
	AG_ASK_BUSY,    /* too many wait already */
	AG_ASK_DRAINED, /* we are leaving */
	AG_ASK_STOPPED, /* on_row said so */
	AG_ASK_DATA,    /* a value given cannot be compared or computed with */
	AG_ASK_FAILED,  /* our mistake; logged */
};

/* One statement: its text grows piece by piece, parameters get their numbers as they come.  What
 * they point to must stay until the end. */
struct ag_ask {
	struct ag_list node;
	struct ag_buf sql;
	struct ag_pg_args args;
	/* Row by row, in bounded memory; false stops.  NULL: the whole result goes to on_end. */
	bool (*on_row)(struct ag_ask *a, const PGresult *row);
	/* Once, never from within ag_reader_ask(); res (AG_ASK_DONE alone) is borrowed. */
	void (*on_end)(struct ag_ask *a, enum ag_ask_end end, const PGresult *res, const char *why);
	void *arg;
	struct json_object *kept; /* owned: see ag_ask_keep() */
	struct ag_link *link;  /* reader.c */
	int64_t asked_us;      /* monotonic */
	bool was_retried, has_rows;
};

struct ag_ask *ag_ask_new(void); /* NULL: no memory */
void ag_ask_free(struct ag_ask *a); /* NULL-safe; not while it runs */
/* Numbers for "$%d". */
int ag_ask_text(struct ag_ask *a, const char *s);
int ag_ask_i64(struct ag_ask *a, int64_t v);
/* The same for a text that goes before the ask does. */
int ag_ask_keep(struct ag_ask *a, struct ag_str s);

/* links connections at most; no statement takes longer than limit_us. */
struct ag_reader *ag_reader_new(struct ag_control *ctl, unsigned links, int64_t limit_us);
void ag_reader_free(struct ag_reader *r); /* NULL-safe; nothing may be asked any more */
void ag_reader_ask(struct ag_reader *r, struct ag_ask *a);
/* on_end is not called. */
void ag_reader_cancel(struct ag_reader *r, struct ag_ask *a);
/* Ends all that is asked with AG_ASK_DRAINED, and whatever is asked later. */
void ag_reader_drain(struct ag_reader *r);

/* Defers the call, asks, and gives the one JSON value of the answer (owned by then(); NULL for none)
 * to then(), which answers.  Takes the ask.  On failure the call is answered without then(). */
void ag_call_read(struct ag_call *c, struct ag_ask *a,
    void (*then)(struct ag_call *c, struct json_object *value));

#endif
