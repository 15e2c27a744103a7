/* call.h - one admin request from its parsed form to its one answer.
 *
 * A handler reads c->body and c->arg, runs statements, and ends in exactly one of ag_call_ok() or
 * ag_call_fail() (the latter may come from a helper: then the helper returned < 0, NULL or false).
 * Whatever is left open (transaction, slots taken for new meters) is undone by server.c. */
#ifndef AG_CONTROL_CALL_H
#define AG_CONTROL_CALL_H

#include <json-c/json.h>

#include "aigated/shm_layout.h"
#include "base/scope.h"
#include "control/control.h"
#include "control/pg.h"
#include "control/plan.h"
#include "control/security.h"

#define AG_CALL_BODY_MAX (1u << 20)
#define AG_CALL_DEPTH_MAX 16
#define AG_CALL_ARGS_MAX 3
#define AG_SLUG_MAX 255
#define AG_UUID_LEN 37  /* text with NUL */
#define AG_ETAG_LEN 24

/* Who asks. */
struct ag_actor {
	bool is_operator;
	enum ag_key_kind kind;   /* of the key */
	int64_t key_id;
	int64_t person_id;       /* who acts without a key: accepts an invite; 0 nobody */
	int64_t org_id;          /* 0: an operator who named none and there is not exactly one */
	int64_t workspace_id;    /* 0: an organisation's key or an operator */
	uint64_t scopes[AG_SCOPE_WORDS];
	int64_t user_id;         /* whose key it is; 0 nobody's */
	struct ag_closed closed; /* to that person, see security.h */
};

struct evkeyvalq;
struct ag_secret_got;

/* A file as the answer. */
struct ag_call_file {
	int fd;                        /* owned; -1 none */
	int64_t bytes;
	const char *type;              /* static: Content-Type */
	char name[64];                 /* what a browser calls it */
};

struct ag_call {
	struct ag_control *ctl;        /* borrowed */
	struct evkeyvalq *query;       /* borrowed: server.c */
	struct json_object *body;      /* owned; an object, or NULL */
	struct json_object *list;      /* owned; the body where it is an array, see AG_ROUTE_LIST */
	struct evkeyvalq *headers;     /* borrowed: libevent */
	const char *method, *uri;      /* borrowed: libevent */
	char arg[AG_CALL_ARGS_MAX][AG_SLUG_MAX + 1]; /* what stood for {} in the path */
	char trace_id[96];
	char client_ip[64];
	char org_name[AG_SLUG_MAX + 1]; /* operators: x-aigate-organisation */
	char base_url[288];            /* as the client reached us, without a slash at its end; "" unknown */
	int64_t until_us;              /* monotonic: nobody waits longer than this */
	char if_match[256];            /* as it came, "" none */
	bool is_matched;               /* if_match was held against what is changed */
	char etag[AG_ETAG_LEN];        /* of the object answered, "" none */
	unsigned retry_after_s;        /* 0: not said */
	bool from_python;              /* the SDK whose types want objects where others take arrays */
	struct ag_actor actor;
	bool in_txn;
	struct ag_plan plan;           /* what to publish once committed */
	int status;                    /* 0: not answered yet */
	struct json_object *answer;    /* owned */
	struct ag_call_file file;      /* instead of answer when fd is not -1 */
	bool is_deferred;              /* see ag_call_defer() */
	void (*again)(struct ag_call *c); /* the handler, to be run from its beginning */
	struct ag_secret_got *got;     /* owned: what it waited for; secret_maps.h */
};

/* ---- answers ---- */

void ag_call_ok(struct ag_call *c, struct json_object *answer); /* takes it */
void ag_call_ok_file(struct ag_call *c, const struct ag_call_file *file); /* takes its descriptor */
/* The handler returns without an answer; somebody answers later and then calls ag_call_finish()
 * (server.c), which sends the answer and frees the call.  The open transaction is undone now: one
 * connection serves all.  Who waits must be able to stop: see ag_reader_drain(). */
void ag_call_defer(struct ag_call *c);
void ag_call_finish(struct ag_call *c);
/* code "AB01"; the message names what is wrong with what.  Returns -1. */
int ag_call_fail(struct ag_call *c, int status, const char *code, const char *fmt, ...)
    AG_PRINTF(4, 5);
int ag_call_invalid(struct ag_call *c, const char *fmt, ...) AG_PRINTF(2, 3);   /* 400 AB01 */
int ag_call_not_found(struct ag_call *c, const char *kind, const char *name);  /* 404 AB08 */
#ifdef __clang_analyzer__ /* see base/err.h */
#define ag_call_fail(...)      ((void)(ag_call_fail)(__VA_ARGS__), -1)
#define ag_call_invalid(...)   ((void)(ag_call_invalid)(__VA_ARGS__), -1)
#define ag_call_not_found(...) ((void)(ag_call_not_found)(__VA_ARGS__), -1)
#endif
/* The envelope of an error, for those who have no call. */
struct json_object *ag_reply_error(int status, const char *code, const char *message);

/* ---- rights ---- */

/* Whether the key has the scope, and its workspace leaves what that is for open to its person. */
bool ag_call_has(const struct ag_call *c, enum ag_scope scope);
/* Else 401 AB05, or 403 AB03 with the name of the switch. */
int ag_call_need(struct ag_call *c, enum ag_scope scope) AG_MUST_CHECK;

/* ---- PostgreSQL ---- */

/* Begins a transaction when there is none.  NULL: answered. */
PGresult *ag_call_sql(struct ag_call *c, const char *sql, const struct ag_pg_args *args);
/* The same for a statement that gives one JSON value; out may become NULL (no row, null). */
int ag_call_json(struct ag_call *c, const char *sql, const struct ag_pg_args *args,
    struct json_object **out) AG_MUST_CHECK;
/* Commits, then publishes c->plan.  < 0: answered. */
int ag_call_commit(struct ag_call *c) AG_MUST_CHECK;
/* Leaves a trace in the same transaction (audit.c).  before and after may be NULL; both are masked. */
int ag_call_audit(struct ag_call *c, const char *action, const char *object_kind,
    const char *object_uuid, struct json_object *before, struct json_object *after) AG_MUST_CHECK;

/* Of an object read in this call: its "_version" becomes the answer's ETag. */
void ag_call_tag(struct ag_call *c, struct json_object *obj);
/* The same object before it is changed: 412 when the caller's If-Match names another version.  A
 * change to which nobody held it is refused by ag_call_commit(): never taken and ignored. */
int ag_call_match(struct ag_call *c, struct json_object *before) AG_MUST_CHECK;

/* Members for us ("_id") leave an object before it is answered. */
void ag_call_strip(struct json_object *obj);

/* ---- query ---- */

const char *ag_call_query(struct ag_call *c, const char *name); /* NULL: absent or empty */

struct ag_page { int64_t limit, offset; };
/* page_size/pageSize (at most 1000), current_page/currentPage from 0. */
int ag_call_page(struct ag_call *c, int64_t default_size, struct ag_page *out) AG_MUST_CHECK;

#endif
