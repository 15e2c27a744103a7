/* serve.h - from a request to its answer: the checks, the script, the format. */
#ifndef AG_MOCK_SERVE_H
#define AG_MOCK_SERVE_H

#include "base/attr.h"
#include "base/err.h"

struct mock;
struct mock_conn;

/* Both leave the answer and its pace in c->play; c->req still stands in c->in. */
void mock_serve(struct mock_conn *c);
void mock_serve_bad(struct mock_conn *c); /* the request could not be parsed: c->req.bad */

/* Fast mode: makes the answers that all requests share. */
int mock_serve_prepare(struct mock *m, struct ag_err *err) AG_MUST_CHECK;

#endif
