/* tokens.h - access tokens of destinations that want one, fetched off the way of requests.
 *
 * A source is one credential with its `configurations`; views that name the same one share it, so that a
 * new catalogue fetches nothing.  One fetch at a time; a new token is had while the old one is still good,
 * and where that fails the old one serves to its end.  Tokens and credentials lie in locked memory.
 * Owner: the worker; a source without references goes when it was not used for a while. */
#ifndef AG_WORKER_TOKENS_H
#define AG_WORKER_TOKENS_H

#include "provider/provider.h"
#include "worker/worker.h"

struct ag_tokens;
struct ag_token;

/* One token; counted, since a request that is being sent may outlive it. */
struct ag_bearer {
	unsigned refs;
	struct ag_str line;  /* "authorization: Bearer ...\r\n", in locked memory */
	struct ag_str token; /* in it: never passed back to a client */
};

struct ag_token_wait {
	struct ag_list node; /* on the source's waiters */
	void (*fn)(void *arg); /* called once, when the fetch has ended, well or not: ask again */
	void *arg;
};

struct ag_tokens *ag_tokens_new(struct ag_worker *w);
void ag_tokens_tick(struct ag_tokens *t); /* each second */
/* No fetch is under way after it, nor begins; before the origins go.  Waiters are not told. */
void ag_tokens_stop(struct ag_tokens *t);
void ag_tokens_free(struct ag_tokens *t); /* NULL-safe; all references are gone */

/* Found or made, with a reference more; NULL: no memory.  secret and config are copied. */
struct ag_token *ag_token_source(struct ag_tokens *t, enum ag_oauth kind, struct ag_str secret,
    struct ag_str config);
void ag_token_unref(struct ag_token *s); /* NULL-safe */

/* 0: *out, a reference.  -EINPROGRESS: wait->fn is called later, unless cancelled; within
 * upstream_connect_timeout.  -EACCES: there is none, and *out_why, good until the next turn, says why. */
int ag_token_get(struct ag_token *s, struct ag_token_wait *wait, struct ag_bearer **out,
    const char **out_why) AG_MUST_CHECK;
void ag_token_cancel(struct ag_token_wait *wait);
/* The provider did not take it: another is fetched soon. */
void ag_token_refused(struct ag_token *s, const struct ag_bearer *b);
void ag_bearer_unref(struct ag_bearer *b); /* NULL-safe */

#endif
