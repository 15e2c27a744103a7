/* auth.h - who asks, and on which socket. */
#ifndef AG_CONTROL_AUTH_H
#define AG_CONTROL_AUTH_H

#include "control/call.h"

struct evhttp_request;

/* By the API key in the headers, looked up in the shared table; see gate.h.  < 0: answered. */
int ag_auth_key(struct ag_call *c, struct evhttp_request *http) AG_MUST_CHECK;
/* The same gate for another secret than a key, which a handler looks at: < 0: answered; and when it was wrong. */
int ag_auth_may_try(struct ag_call *c) AG_MUST_CHECK;
void ag_auth_failed(struct ag_call *c);
/* By the credentials of the peer of a unix socket: root or our own account. */
int ag_auth_operator(struct ag_call *c, struct evhttp_request *http) AG_MUST_CHECK;
/* An operator's organisation is looked up only where one is needed. */
int ag_auth_need_org(struct ag_call *c) AG_MUST_CHECK;

#endif
