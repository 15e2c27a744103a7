/* states.h - the life of a request: state, where it may go, what it waits for at most.
 * X(name, may go to, deadline).  No include guard.
 *
 * RECV   the head and the body are arriving
 * ADMIT  key, workspace, route, estimate, holds
 * WAIT   a budget would have room once others settle; admitted anew then
 * ROUTE  a target is chosen; a connection to it is found or made
 * SEND   the request goes out, the head of the answer is awaited
 * STREAM the answer is relayed
 * REPLY  we answer ourselves
 * SETTLE what it cost is recorded and settled
 * DONE   nothing is held any more */
X(RECV,   AG_TO(ADMIT) | AG_TO(ROUTE) | AG_TO(REPLY) | AG_TO(DONE),        "client_body_timeout")
X(ADMIT,  AG_TO(ROUTE) | AG_TO(WAIT) | AG_TO(REPLY) | AG_TO(DONE),         "none")
X(WAIT,   AG_TO(ADMIT) | AG_TO(REPLY) | AG_TO(DONE),                       "hold_wait")
X(ROUTE,  AG_TO(SEND) | AG_TO(REPLY) | AG_TO(SETTLE),                      "upstream_connect_timeout")
X(SEND,   AG_TO(STREAM) | AG_TO(ROUTE) | AG_TO(REPLY) | AG_TO(SETTLE),     "upstream_first_byte_timeout")
X(STREAM, AG_TO(SETTLE),                                                   "stream_idle_timeout")
X(REPLY,  AG_TO(SETTLE) | AG_TO(DONE),                                     "client_write_timeout")
X(SETTLE, AG_TO(REPLY) | AG_TO(DONE),                                      "none")
X(DONE,   0,                                                               "none")
