/* request.h - one request, from the last byte of its body to the settlement of what it cost.
 *
 * States and deadlines: tbl/states.h; ag_req_goto() alone moves.  Owner: its client; freed by
 * ag_client_request_done() or with the client.  What it holds in shared memory is its in-flight
 * slot, settled exactly once: ag_req_settle() or ag_req_release(), asserted when it is freed. */
#ifndef AG_WORKER_REQUEST_H
#define AG_WORKER_REQUEST_H

#include "aigated/record.h"
#include "base/arena.h"
#include "catalog/guard.h"
#include "http/json_scan.h"
#include "http/sse.h"
#include "http/trace_context.h"
#include "limit/holds.h"
#include "policy/estimate.h"
#include "policy/guard.h"
#include "policy/objects.h"
#include "policy/price.h"
#include "policy/route.h"
#include "policy/tools.h"
#include "policy/verdict.h"
#include "worker/client.h"
#include "worker/origin.h"
#include "worker/tokens.h"
#include "worker/view.h"

#define AG_REQ_MAGIC 0x52657173u
#define AG_REQ_EDITS 10

enum ag_req_state {
#define X(name, to, deadline) AG_REQ_##name,
#include "aigated/tbl/states.h"
#undef X
	AG_REQ_STATES
};

/* Fields of a body that admission acts on; each may appear once. */
enum ag_field {
	AG_F_MODEL, AG_F_STREAM, AG_F_STREAM_OPTIONS, AG_F_MAX_TOKENS, AG_F_MAX_COMPLETION_TOKENS,
	AG_F_N, AG_F_BEST_OF, AG_F_MESSAGES, AG_F_PROMPT, AG_F_INPUT, AG_F_SERVICE_TIER, AG_F_USER,
	AG_F_WEB_SEARCH, AG_F_SEARCH_PARAMETERS, AG_F_ENABLE_SEARCH, AG_F_PLUGINS, AG_F_TOOLS,
	AG_F_MODELS, AG_F_PROVIDER,
	AG_FIELDS,
	/* Of other protocols: endpoints.c. */
	AG_F_MAX_OUTPUT = AG_FIELDS, AG_F_CONTENTS, AG_F_GENERATION, AG_F_STATE, AG_F_BACKGROUND,
	AG_F_SPEED, AG_F_GEO, AG_F_DOCUMENTS, AG_F_THINKING, AG_F_STORE, AG_F_MAX_TOOL_CALLS,
	AG_FIELDS_ALL
};

/* One replacement in the body on its way to the provider. */
struct ag_edit {
	size_t off, len;      /* bytes of the body replaced, len 0: an insertion */
	struct ag_str text;   /* in the request's arena */
};

enum ag_relay {
	AG_RELAY_NONE,
	AG_RELAY_STREAM, /* SSE: event by event, usage picked out */
	AG_RELAY_BODY,   /* whole body, kept to read its usage */
	AG_RELAY_RAW,    /* as it comes: admin answers */
	AG_RELAY_TRANSLATE, /* taken apart and written anew in the client's protocol: translate.c */
};

/* What configs and guardrails say of a request; arena.  Most requests have none. */
struct ag_req_rules {
	bool has_config;
	struct ag_config config;
	int64_t config_id;             /* of a saved one; 0: the request brought it, or there is none */
	struct ag_guard *guard;        /* in order: those of the config, of organisation and workspace */
	uint32_t n_guards;
	struct ag_str results;         /* "hook_results":{...}, once they ran; n 0: nothing to tell */
	bool has_failed;               /* one that does not deny */
	bool is_strict;                /* streams carry nothing OpenAI does not know */
	enum { AG_TELL_NOTHING, AG_TELL_AT_BRACE, AG_TELL_BEHIND_BRACE, AG_TELL_EVENT } tell;
};

/* A policy that applies to a request, and which of its meters. */
struct ag_req_policy {
	const struct ag_cat_policy *row; /* in the view */
	struct ag_str value_key;         /* arena */
	int64_t meter_id;
	uint32_t meter_ix;
};

/* The trace a request is part of, and our spans in it; ids as on the wire. */
struct ag_req_trace {
	bool is_on;                /* spans are made, and stand in the records */
	bool has_parent, has_attempt;
	uint8_t flags;             /* enum ag_trace_flags */
	char id[AG_TRACE_ID_LEN];
	char parent[AG_SPAN_ID_LEN]; /* whose child the request is, with has_parent */
	char span[AG_SPAN_ID_LEN];   /* of the request */
	char attempt[AG_SPAN_ID_LEN]; /* of the newest attempt, with has_attempt */
	struct ag_str state;       /* tracestate of the client; arena */
};

/* What telemetry is told of a request besides; texts in the arena, set with telemetry only. */
struct ag_req_told {
	struct ag_str method, path, agent;
	uint64_t body_bytes;       /* of an answer of ours */
	const char *error;         /* static: type of the error it was answered with */
	uint16_t status;           /* of an answer of ours, 0 none */
	bool has_client_left;
};

/* Bodies that are kept: those of the request being served, copied as they come and go. */
struct ag_bodies {
	size_t cap;                    /* of each */
	size_t request_len, response_len; /* bytes kept: the request's first, then the answer's */
	uint64_t request_bytes, response_bytes; /* how long they are */
	bool has_row;                  /* its attempt is in the ledger */
	char text[];                   /* request_len, then cap */
};

/* What a rate limit tells the client in headers. */
struct ag_rate_note {
	bool is_set;
	int64_t limit, remaining, reset_us;
};

struct ag_req {
	uint32_t magic;
	enum ag_req_state state;
	struct ag_list node;           /* on worker.spare_reqs */
	struct ag_worker *w;           /* borrowed */
	struct ag_client *client;      /* borrowed: owner */
	struct ag_view *view;          /* owned reference, may be NULL */

	/* the message */
	struct ag_buf msg;             /* head and body */
	size_t head_len, body_len;
	bool is_head_method, is_http10, wants_keep_alive;
	bool is_admin;                 /* goes to control, ungoverned */
	struct ag_arena arena;

	/* who and what */
	struct ag_key key;
	const struct ag_cat_workspace *ws;
	struct ag_target target;
	struct ag_dest *dest;
	enum ag_endpoint endpoint;     /* what the client called */
	struct ag_str path;            /* behind the base of the provider's address */
	struct ag_str kept_head;       /* of a request that goes out piece by piece; arena, wiped */
	bool is_stream, wants_usage;   /* the client asked for a stream; for its usage chunk */
	bool is_passed;                /* method and path as the client's: passed.c */
	bool is_raw_body;              /* content type as the client's */
	bool is_array;                 /* Gemini's stream without alt=sse */
	bool is_trace_own;             /* trace_id is id: nobody brought another */
	bool caps_price;               /* the provider is told the dearest price that is held for */
	struct ag_xlate *xl;           /* owned; NULL: the provider speaks the client's protocol */
	struct ag_json_value field[AG_FIELDS_ALL];
	uint32_t n_edits;              /* of edit[], below */
	uint8_t id[16];
	struct ag_str trace_id, metadata, requested_model; /* arena */
	struct ag_req_trace trace;
	struct ag_req_told told;
	struct ag_req_rules *rules;    /* NULL: none */
	struct ag_buf merged;          /* the body with the parameters of a config; empty: as it came */
	size_t came_len;               /* with merged: the length of the body as it came */
	struct ag_str refusal;         /* members behind the error of a refusal, each with its comma; arena */
	struct ag_str allow;           /* methods the path takes, for an Allow header; n 0: none */
	int64_t timeout_us;            /* to the first byte; 0: the configured one */
	uint32_t searches;             /* calls of the provider's search, paid by the call: at most */
	struct {
		struct ag_str fee;     /* a tool whose fee nobody here can price; n 0 none */
		uint32_t to_write;     /* the limit of calls that is held for and not in the body; 0 none */
		uint32_t n_open;       /* of open[], below */
	} tools;                       /* that the provider runs */
	struct {
		enum ag_object_use use;        /* of a path that passes */
		enum ag_object_work work;
		enum ag_object_kind becomes;   /* what the answer's object is noted as */
		bool brings;                   /* others are told in the answer */
		struct ag_str id, what;        /* named in the path; the path; arena */
	} object;                      /* of those a provider keeps: objects.c */

	/* while it waits for what others hold; wait.c */
	struct {
		struct ag_list node;   /* on worker.waiting */
		int64_t since_us;      /* monotonic; 0: it never waited */
		bool is_behind;        /* others who wait for one of its meters came first */
		enum ag_verdict verdict; /* how it would be refused */
		struct ag_str detail;
		uint32_t meter;        /* who refused it */
		int64_t meter_id, least; /* and what of it must be left */
	} wait;
	int64_t admit_at_us;           /* wall: of the admission, for periods and windows */

	/* what it holds */
	struct ag_estimate est;
	uint64_t client_limit; /* max_tokens or max_completion_tokens as they came, 0 none */
	struct ag_price_bound bound;
	struct ag_amounts amounts;     /* the worst case */
	struct {
		uint64_t output;       /* tokens of output that adaptive budgets hold for */
		struct ag_amounts amounts; /* and the amounts of it */
		int64_t tag;           /* what is learned of: key and model; 0: nobody wants to know */
		uint32_t mask;         /* holds that can still be raised: bits by index */
		bool is_less;          /* some hold less than the worst case was taken */
		bool is_capped;        /* by a budget that cuts */
	} adaptive;
	uint32_t n_meters, n_policies; /* of meters[] and policy[], below */
	struct ag_inflight *slot;      /* borrowed: segment; NULL: nothing held */
	uint32_t slot_ix;
	struct ag_rate_note rate_requests, rate_tokens;

	/* the attempt */
	struct ag_record rec;
	struct ag_answer answer;
	struct ag_upstream *up;        /* owned while attached */
	struct ag_resolve resolve;
	bool is_resolving, is_governed;
	struct ag_bearer *bearer;      /* owned reference; NULL: the credential of dest is sent */
	struct ag_token_wait token_wait;
	bool is_awaiting_token;
	uint32_t attempt, retries;
	int64_t received_us, admitted_us, sent_us, first_byte_us; /* monotonic */

	/* the answer on its way */
	enum ag_relay relay;
	struct ag_sse sse;
	bool has_sse;
	bool is_head_pending;          /* the head of the answer waits in worker.scratch */
	bool is_head_sent;             /* bytes have gone to the client: no going back */
	bool is_chunked_out;
	bool is_until_eof_out;
	bool has_ended;                /* the answer is complete as far as the client is concerned */
	uint64_t length_out_left;      /* of a Content-Length body still to send */
	struct ag_buf acc;             /* body kept for its usage when it comes in pieces */
	bool wants_bodies;             /* its workspace, or it, wants them kept: bodies.c */
	struct ag_bodies *bodies;      /* owned; NULL: none are kept */

	/* From here on not cleared for a new request: the counts above say what is valid. */
	uint32_t meters[AG_HOLDS_MAX];
	struct {
		uint64_t images, pixels, characters, file_bytes;
		size_t model_off, model_len;
		struct ag_str quality, size;
	} media;                       /* of pictures, speech, transcripts: media.c */
	size_t tools_open[AG_TOOLS_OPEN]; /* where a limit is written, in the body */
	struct ag_edit edit[AG_REQ_EDITS];
	struct ag_req_policy policy[AG_HOLDS_MAX];
};

/* The message stands in msg: serve it.  May end (and free) the request before it returns. */
void ag_req_start(struct ag_client *c, const struct ag_http_head *head, struct ag_buf *msg,
    size_t head_len, size_t body_len);
void ag_req_free(struct ag_req *r);
void ag_req_free_spares(struct ag_worker *w); /* at the end of the worker */
/* One that waits is admitted anew, with all that was known of it forgotten.  The meter for which it
 * goes on waiting, or AG_NONE_IX: it waits no more, and may be gone. */
uint32_t ag_req_again(struct ag_req *r, int64_t wall_us);
/* The parsed head, in the worker's scratch; parsed again when another message was there since. */
struct ag_http_head *ag_req_head(struct ag_req *r);
void ag_req_goto(struct ag_req *r, enum ag_req_state next);

static inline struct ag_str
ag_req_body(const struct ag_req *r)
{
	return r->merged.n > 0 ? ag_buf_str(&r->merged) : ag_str_n(r->msg.p + r->head_len, r->body_len);
}

/* The head holds the caller's key: overwritten before its memory serves something else. */
static inline void
ag_req_forget_head(struct ag_req *r)
{
	if (r->msg.n >= r->head_len)
		ag_mem_wipe(r->msg.p, r->head_len);
}

/* ---- admit.c ---- */
/* Everything between the parsed message and the holds; AG_ALLOW: slot is HELD.  On refusal
 * *out_detail fills the verdict's text and *out_meter is the meter that refused, or AG_NONE_IX. */
enum ag_verdict ag_req_admit(struct ag_req *r, const struct ag_http_head *head,
    struct ag_str *out_detail, uint32_t *out_meter);

/* What a request that names no service tier is held at. */
enum ag_service_tier ag_req_absent_tier(const struct ag_req *r);
/* By which price the record says it was computed. */
void ag_req_note_price(struct ag_req *r, const struct ag_cat_price *price,
    const struct ag_price_multiples *multiples);

/* The key: slot found, active, not expired; its workspace (NULL for organisation keys) active.
 * blob: room for the key's metadata text. */
enum ag_verdict ag_admit_authenticate(struct ag_req *r, const struct ag_http_head *head, char *blob,
    size_t blob_cap, size_t *out_blob_bytes);
/* Where a key may stand, in order of precedence; n 0: nowhere. */
struct ag_str ag_admit_key_of(const struct ag_http_head *head);
/* The request's metadata with its key's (blob) and its workspace's, into r->metadata.  -E2BIG. */
int ag_admit_metadata(struct ag_req *r, const struct ag_http_head *head,
    struct ag_str blob) AG_MUST_CHECK;

/* A header of ours, under either name; n 0: not there. */
struct ag_str ag_admit_header(const struct ag_http_head *head, struct ag_str portkey, struct ag_str own);
#define AG_ADMIT_HEADER(head, name) \
	ag_admit_header(head, AG_STR("x-portkey-" name), AG_STR("x-aigate-" name))

/* ---- rules.c ---- */
/* Which config and guardrails a request is under, into r->rules. */
enum ag_verdict ag_req_rules(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
/* Lays the parameters of its config over the body. */
enum ag_verdict ag_req_params(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
/* Runs the guardrails on a request whose model and metadata are known. */
enum ag_verdict ag_req_guard(struct ag_req *r, struct ag_str model);
/* What a guardrail is asked about this request. */
struct ag_guard_subject ag_req_subject(const struct ag_req *r);

/* ---- tell.c: results of guardrails on their way to the client ---- */
/* The status of the answer; decides whether and where the results stand in it. */
int ag_rules_on_head(struct ag_req *r, const struct ag_http_head *head);
/* Bytes they add to a body. */
uint64_t ag_rules_extra(const struct ag_req *r);
/* Whether something goes in before byte *out_at of this run of the body: *out_text, in the arena. */
bool ag_rules_splice(struct ag_req *r, struct ag_str run, size_t *out_at, struct ag_str *out_text);
/* What is owed to a body that has ended, n 0 nothing; the event that begins a stream, n 0 none. */
struct ag_str ag_rules_owed(struct ag_req *r);
struct ag_str ag_rules_event(struct ag_req *r);
/* An answer that is written here, of which out holds the beginning (of a whole one, all): its status. */
int ag_rules_write(struct ag_req *r, int status, struct ag_buf *out);

/* ---- policies.c ---- */
/* The policies that apply, into r->policy, their meters into r->meters; made when they are not
 * there. */
enum ag_verdict ag_req_policies(struct ag_req *r, struct ag_str *out_detail);
/* Looks the meters up again when one of them was about to go: AG_ALLOW and *out_moved when any changed. */
enum ag_verdict ag_req_policies_again(struct ag_req *r, bool *out_moved, struct ag_str *out_detail);
/* Whether the holds of r->slot stand on all of them. */
bool ag_req_policies_held(const struct ag_req *r, const struct ag_inflight *slot);
/* "uuid\nvalue key" of the policy whose meter that is. */
struct ag_str ag_req_policy_name(struct ag_req *r, uint32_t meter_ix);

/* Names of enum ag_field, as they stand in a body. */
extern const struct ag_str ag_field_names[AG_FIELDS];

static inline bool
ag_req_is_given(const struct ag_req *r, enum ag_field f)
{
	return r->field[f].type != AG_JSON_ABSENT && r->field[f].type != AG_JSON_NULL;
}

/* ---- adaptive.c ---- */
/* amounts and adaptive, of the estimate as it stands and the meters in r->meters. */
void ag_req_set_amounts(struct ag_req *r);
/* The lowest limit on the output of one choice that a request is fitted to. */
uint64_t ag_req_least(const struct ag_req *r);
/* What that many tokens of output and the input cost. */
struct ag_amounts ag_req_amounts_for(const struct ag_req *r, uint64_t output);
/* What to take of a meter, by its enforcement. */
struct ag_ask ag_req_ask(const struct ag_req *r, uint32_t meter_ix);
/* r->slot is HELD: what shadow budgets would have said is noted, what may be raised is known. */
void ag_req_taken(struct ag_req *r);
/* While the answer comes: raises what adaptive budgets hold to what it has taken so far.  false: it must
 * be cut, by the budget *out_meter. */
bool ag_req_raise(struct ag_req *r, uint32_t *out_meter) AG_MUST_CHECK;
/* What is held of money, tokens and requests now, for the settlement. */
struct ag_amounts ag_req_held(const struct ag_req *r);

/* ---- take.c ---- */
/* Which rule it is that a meter refuses by. */
enum ag_verdict ag_req_verdict_of(const struct ag_meter *m);
/* Every meter the request stands on, all or none; may lower est.limit to what is left.  AG_ALLOW:
 * slot is HELD.  Else as ag_req_admit(). */
enum ag_verdict ag_req_take(struct ag_req *r, struct ag_str *out_detail, uint32_t *out_meter);

/* ---- trace.c ---- */
/* What the head says of the trace, into r->trace_id and r->trace. */
void ag_req_trace(struct ag_req *r, const struct ag_http_head *head);
/* A traced request is about to be sent: the attempt gets its span. */
void ag_req_trace_attempt(struct ag_req *r);
/* The headers that tell the provider. */
void ag_req_trace_put(const struct ag_req *r, const struct ag_http_head *head, struct ag_buf *b);

/* ---- event.c: with telemetry only ---- */
void ag_req_event_begin(struct ag_req *r, const struct ag_http_head *head);
void ag_req_event_attempt(const struct ag_req *r); /* recorded, and another follows */
void ag_req_event_end(const struct ag_req *r);
/* A message that was no request was answered so. */
void ag_client_event_bad(const struct ag_client *c, const uint8_t id[16], int status, size_t body_bytes);

/* ---- explain.c ---- */
/* Before a refused request gives up or is fitted: its meters as they stand now; refused: place in
 * r->meters, AG_NONE_IX none.  The first time counts. */
void ag_req_explain_meters(struct ag_req *r, uint32_t refused);
/* The decision, for aigatectl explain; detail and meter_ix as ag_req_admit() gave them. */
void ag_req_explain(struct ag_req *r, enum ag_verdict v, struct ag_str detail, uint32_t meter_ix);

/* ---- endpoints.c ---- */
/* Fills the placeholders of r->path. */
enum ag_verdict ag_req_expand_path(struct ag_req *r, const struct ag_http_head *head,
    struct ag_str *out_detail);
/* For endpoints behind AG_EP_EMBEDDING, as scan, estimate and edit are for the others. */
enum ag_verdict ag_inbound_scan(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
enum ag_verdict ag_inbound_estimate(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
void ag_inbound_edit(struct ag_req *r);
/* Model, action and stream out of a path below /v1beta/models; false: there is no such path. */
bool ag_inbound_gemini(struct ag_req *r, const struct ag_http_head *head);
struct ag_str ag_inbound_query_key(const struct ag_http_head *head); /* ?key=, where it may stand */

/* ---- media.c: pictures, speech, transcripts ---- */
static inline bool
ag_endpoint_is_media(enum ag_endpoint ep)
{
	return ep >= AG_EP_IMAGE && ep <= AG_EP_TRANSLATION;
}
enum ag_verdict ag_media_scan(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
enum ag_verdict ag_media_estimate(struct ag_req *r);
void ag_media_edit(struct ag_req *r);
/* Completes what an answer told of its usage; returns the units it is to be charged for when that is not
 * all, 0: it is paid by tokens. */
uint64_t ag_media_settle(struct ag_req *r, bool is_whole);

/* ---- passed.c: paths that go to a provider as they are ---- */
/* Whether it is, but for its letters' case and a slash behind it, a path with a route of its own: request.c. */
bool ag_req_is_own_path(struct ag_str path);
bool ag_passed_is_named(const struct ag_http_head *head); /* a provider by header */
bool ag_passed_is_json(const struct ag_http_head *head, struct ag_str body);
enum ag_verdict ag_passed_scan(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
enum ag_verdict ag_passed_estimate(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);

/* ---- tools.c: what a provider runs ---- */
/* Of a request in its provider's protocol: searches, tools; the calls to hold for. */
enum ag_verdict ag_tools_read(struct ag_req *r, uint64_t *out_calls, bool *out_run, struct ag_str *out_detail);
/* Once the meters are known.  has_money: one of them counts money. */
enum ag_verdict ag_tools_check(struct ag_req *r, bool has_money, bool has_tokens, struct ag_str *out_detail);
void ag_tools_edit(struct ag_req *r);

/* ---- objects.c: what a provider keeps ---- */
/* What a path that passes does to objects, into r->object. */
void ag_objects_read_path(struct ag_req *r, const struct ag_http_head *head);
/* Whether all that it shows and names is the workspace's. */
enum ag_verdict ag_objects_check(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
/* The answer of a request whose object.brings is set; an event of its stream. */
void ag_objects_read_answer(struct ag_req *r, struct ag_str body);
void ag_objects_read_event(struct ag_req *r, struct ag_str name, struct ag_str data);
/* What costs nothing, and what is done although nobody knows its price. */
static inline bool
ag_req_has_no_price(const struct ag_req *r)
{
	return r->object.work == AG_WORK_FREE || (r->object.work == AG_WORK_UNCOUNTED &&
	    (r->target.integration->flags & AG_CAT_INTEGRATION_UNCOUNTED));
}
/* Before the record is pushed: notes whose it is, here and in the record. */
void ag_objects_settle(struct ag_req *r);

/* ---- translate.c: the provider speaks another protocol than the client ---- */
/* Before the meters: reads the body, estimates, builds the provider's; a refusal names the field. */
enum ag_verdict ag_xlate_open(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail);
/* After the meters, which may have lowered the limit.  On refusal nothing is held any more. */
enum ag_verdict ag_xlate_seal(struct ag_req *r, struct ag_str *out_detail);
/* What goes to the provider instead of the client's body. */
struct ag_str ag_xlate_body(const struct ag_req *r);
size_t ag_xlate_bytes(const struct ag_req *r); /* memory it has, for body_memory */
void ag_xlate_free(struct ag_req *r);
void ag_xlate_on_head(struct ag_req *r, const struct ag_http_head *head);
void ag_xlate_on_payload(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last);
void ag_xlate_on_failed(struct ag_req *r, enum ag_outcome outcome, const char *why);
void ag_xlate_on_drained(struct ag_req *r);

/* ---- relay.c: what translate.c takes from there ---- */
bool ag_relay_is_dropped(const struct ag_req *r, const struct ag_http_head *head, size_t header);
/* Settles; from here on r->slot is NULL and the state SETTLE. */
void ag_relay_settle(struct ag_req *r, enum ag_outcome outcome);
void ag_relay_finish(struct ag_req *r);
/* Head, if one is pending, and payload, framed as the head said.  < 0: the client is lost. */
int ag_relay_write(struct ag_req *r, struct ag_str payload, bool is_last) AG_MUST_CHECK;
void ag_relay_lose_client(struct ag_req *r);
void ag_relay_hold_back(struct ag_req *r);
enum ag_outcome ag_relay_outcome(int status);
void ag_relay_mask_secret(struct ag_req *r, struct ag_str text);

/* ---- bodies.c: requests and answers that are kept ---- */
/* Whether this one's are, in a workspace that has some kept. */
bool ag_bodies_wanted(const struct ag_req *r, const struct ag_http_head *head);
/* An attempt is sent: the request is copied, without the caller's key; the answer is awaited.  Without
 * memory for it nothing is kept. */
void ag_bodies_begin(struct ag_req *r, const struct ag_http_head *head);
/* This goes to the client. */
void ag_bodies_add(struct ag_bodies *b, struct ag_str piece);
/* The request ends: to the flusher, if its attempt was recorded, and if there is room. */
void ag_bodies_end(struct ag_req *r);

/* ---- edit.c ---- */
/* Fills edit[] for the target, the stream and the limit in force; include_usage: as it stands in
 * stream_options. */
void ag_req_edit_body(struct ag_req *r, const struct ag_json_value *include_usage);
void ag_edit_add(struct ag_req *r, size_t off, size_t len, struct ag_str text);
/* Takes a member of the body out, with a comma; the last of the edits. */
void ag_edit_cut(struct ag_req *r, const struct ag_json_value *v);
void ag_edit_model(struct ag_req *r);
/* {"prompt":..,"completion":..,"request":..} in USD a million tokens, as OpenRouter takes it; arena. */
struct ag_str ag_edit_max_price(struct ag_req *r);
/* Whether what the client says of hosts can be told that. */
bool ag_edit_takes_max_price(const struct ag_req *r);

/* ---- send.c ---- */
/* Finds a connection and sends the request on it; refuses or fails through ag_req_fail(). */
void ag_req_send(struct ag_req *r);
/* The connection is open (or was kept): out with it. */
void ag_req_write(struct ag_req *r);
void ag_req_wipe_head(struct ag_req *r);

/* The strings of the ledger record as they stand now. */
void ag_req_strings(const struct ag_req *r, const struct ag_catalog *cat,
    struct ag_str strs[AG_RS_COUNT]);

/* ---- settle.c ---- */
/* Records the attempt and settles the meters; the slot is free afterwards. */
void ag_req_settle(struct ag_req *r, enum ag_outcome outcome, int client_status);
/* Records a failed attempt that is followed by another; the holds stay.  -ENOSPC: the ring is
 * full, nothing was done, and there must be no other attempt. */
int ag_req_record_attempt(struct ag_req *r, enum ag_outcome outcome) AG_MUST_CHECK;
/* Nothing was sent: everything goes back. */
void ag_req_release(struct ag_req *r);

/* ---- relay.c: what upstream.c tells ---- */
/* A final response head was parsed (in w->head); the body follows by _on_body. */
void ag_req_on_head(struct ag_req *r, const struct ag_http_head *head);
/* A run of payload; with is_last the answer is complete (p may be empty).  May free r. */
void ag_req_on_payload(struct ag_req *r, struct ag_str *runs, size_t n_runs, bool is_last);
/* What on_head made is sent now, if no payload took it along.  May free r. */
void ag_req_flush(struct ag_req *r);
/* The attempt failed: before or after the head, see r->is_head_sent.  May free r. */
void ag_req_on_upstream_failed(struct ag_req *r, enum ag_outcome outcome, const char *why);
/* The client's queue is empty again. */
void ag_req_on_client_drained(struct ag_req *r);
/* The client is gone: cancel and settle.  r stays, its owner frees it. */
void ag_req_on_client_gone(struct ag_req *r);

/* ---- reply.c: our own answers; each ends the request ---- */
void ag_reply_verdict(struct ag_req *r, enum ag_verdict v, struct ag_str detail, uint32_t meter);
void ag_reply_json(struct ag_req *r, int status, struct ag_str body);
void ag_reply_text(struct ag_req *r, int status, struct ag_str body);
/* Headers every answer carries: trace id, rate limits; appended to b. */
void ag_reply_common_headers(struct ag_req *r, struct ag_buf *b);
/* Before there is a request: an answer to a message that could not be read; then close. */
void ag_reply_bad_message(struct ag_client *c, int status, const char *why);
/* The event that ends a broken stream, in the words of the client's protocol: one that is not understood would
 * leave half an answer looking whole. */
void ag_reply_stream_error(const struct ag_req *r, const char *type, const char *message, struct ag_buf *out);

/* ---- models.c ---- */
/* A member of the query, decoded, in the arena; n 0: not there. */
struct ag_str ag_req_query(struct ag_req *r, const struct ag_http_head *head, struct ag_str name);
void ag_reply_models(struct ag_req *r, const struct ag_http_head *head);
/* One of them, named in the path. */
void ag_reply_model(struct ag_req *r, const struct ag_http_head *head);

/* ---- pricing.c ---- */
void ag_reply_pricing(struct ag_req *r, const struct ag_http_head *head);
/* A copy without percent-escapes, in the arena; n 0: no room. */
struct ag_str ag_req_unescape(struct ag_req *r, struct ag_str v);

/* ---- limits.c ---- */
void ag_reply_limits(struct ag_req *r, const struct ag_http_head *head);

/* ---- status.c ---- */
void ag_reply_healthz(struct ag_req *r);
void ag_reply_readyz(struct ag_req *r);

#endif
