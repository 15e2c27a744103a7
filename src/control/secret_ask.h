/* secret_ask.h - secrets asked of HashiCorp Vault (KV version 2), by events: nobody stands still for one that
 * does not answer.
 *
 * libcurl on the loop (http/curl_loop.h): no redirects, and no inner address unless trusted_hosts names the
 * host, resolved or not.  A request takes 3 s at most, one that logs in first twice that. */
#ifndef AG_CONTROL_SECRET_ASK_H
#define AG_CONTROL_SECRET_ASK_H

#include <event2/event.h>

#include "base/str.h"
#include "control/secret_fetch.h"

struct ag_secret_asks; /* those under way; owner: control */

/* Once, from the loop, never from within ag_secret_ask().  rc 0: value, good until it returns.  Else err says
 * why not, never any of it; -ESHUTDOWN: we are leaving. */
typedef void (*ag_secret_done)(void *arg, int rc, struct ag_str value, const struct ag_err *err);

struct ag_secret_asks *ag_secret_asks_new(struct event_base *base, const struct ag_conf *conf); /* NULL: no memory */
void ag_secret_asks_free(struct ag_secret_asks *all); /* NULL-safe; drained before */
/* Ends all with -ESHUTDOWN, and refuses more. */
void ag_secret_asks_drain(struct ag_secret_asks *all);

/* Copies `at`, but for auth, which it takes whatever it returns (at->auth is then NULL).  -EBUSY: that
 * organisation, or all together, asks for too much already; -ESHUTDOWN; -ENOMEM. */
int ag_secret_ask(struct ag_secret_asks *all, int64_t org_id, struct ag_secret_at *at, ag_secret_done done,
    void *arg, struct ag_err *err) AG_MUST_CHECK;

#endif
