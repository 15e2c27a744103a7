#include "tools/mock/serve.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "tools/mock/conn.h"
#include "tools/mock/control.h"
#include "tools/mock/mock.h"

static struct ag_str
path_of(const struct mock_conn *c)
{
	struct ag_str target = mock_span_str(c->req.target, &c->in);
	const char *query = memchr(target.p, '?', target.n);

	return query ? ag_str_n(target.p, (size_t)(query - target.p)) : target;
}

/* What a path belongs to.  Where no format knows it a rule may still give the whole answer. */
static const struct mock_format *
format_of(const struct mock_conn *c)
{
	struct ag_str path = path_of(c), id;
	const struct mock_format *format = mock_format_of(path);
	const struct mock_do *what;
	struct mock_facts facts;
	enum mock_endpoint ep;

	if (c->mock->script.n == 0 ||
	    format->route(mock_span_str(c->req.method, &c->in), path, &ep, &id) == 0)
		return format;
	mock_facts_scan(mock_req_body(&c->req, &c->in), MOCK_EP_MODEL, &facts);
	what = mock_script_look(&c->mock->script, facts.model, path);
	return what && (mock_do_has(what, MOCK_KEY_BODY) || mock_do_has(what, MOCK_KEY_BODY_FILE))
		       ? &mock_format_scripted
		       : format;
}

static struct mock_job
job_of(struct mock_conn *c)
{
	struct ag_str path = path_of(c), target = mock_span_str(c->req.target, &c->in);

	return (struct mock_job){.serial = c->mock->serial,
				 .wall_us = ag_clock_wall_us(),
				 .path = path,
				 .query = ag_str_skip(target, path.n + 1),
				 .body = mock_req_body(&c->req, &c->in),
				 .req = &c->req,
				 .in = &c->in,
				 .aws_secret = ag_str(c->mock->aws_secret),
				 .is_pedantic = c->mock->is_pedantic,
				 .closes = c->closes_next,
				 .is_http10 = c->req.is_http10};
}

static void
play(struct mock_conn *c, const struct mock_answer *a, bool is_api)
{
	c->play = (struct mock_play){.answer = a, .is_api = is_api};
	mock_pace_init(&c->play.pace);
}

static void
refuse(struct mock_conn *c, const struct mock_error *e)
{
	struct mock_job job = job_of(c);

	c->mock->tally.refused++;
	mock_answer_reset(&c->answer);
	(c->req.bad ? &mock_format_openai : format_of(c))->refuse(&job, e, &c->answer);
	play(c, &c->answer, false);
}

static void
count_request(struct mock_conn *c)
{
	struct mock_tally *t = &c->mock->tally;

	t->requests++;
	c->mock->serial++;
	if (!c->is_counted) {
		c->is_counted = true;
		t->connections++;
		t->open_connections++;
	}
}

void
mock_serve_bad(struct mock_conn *c)
{
	struct mock_error e = {
		.status = c->req.bad_status, .message = ag_str(c->req.bad), .retry_after = -1};

	count_request(c);
	mock_tally_violation(&c->mock->tally, c->req.bad);
	mock_tally_last(&c->mock->tally,
			ag_str_n(c->in.p, c->in.n < MOCK_HEAD_MAX ? c->in.n : MOCK_HEAD_MAX),
			AG_STR_NONE);
	refuse(c, &e);
}

/* What a gateway must never send is refused when strict; it is counted always. */
static bool
passes_violation(struct mock_conn *c, const char *why)
{
	struct mock_error e = {.status = 400, .message = ag_str(why), .retry_after = -1};

	mock_tally_violation(&c->mock->tally, why);
	if (!c->mock->is_strict)
		return true;
	refuse(c, &e);
	return false;
}

static bool
passes_key(struct mock_conn *c, struct ag_str key)
{
	struct mock_error e = {.status = 401, .retry_after = -1};

	if (key.n > 0 && (!c->mock->key || ag_str_eq(key, ag_str(c->mock->key))))
		return true;
	if (key.n == 0)
		e.message = AG_STR("You didn't provide an API key");
	refuse(c, &e);
	return false;
}

static bool
passes_content_type(struct mock_conn *c)
{
	static const struct ag_str json = AG_STR("application/json");
	struct ag_str type = mock_span_str(c->req.header[MOCK_H_CONTENT_TYPE], &c->in);

	if (type.n >= json.n && ag_str_ieq(ag_str_n(type.p, json.n), json) &&
	    (type.n == json.n || type.p[json.n] == ';' || type.p[json.n] == ' '))
		return true;
	return passes_violation(c, "content-type is not application/json");
}

/* Believed, not checked: what --fast and paths without a body go by. */
static void
scan_facts(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *facts)
{
	mock_facts_scan(job->body, ep, facts);
	if (job->model_id.n == 0)
		return;
	facts->model = job->model_id;
	facts->stream |= memmem(job->path.p, job->path.n, "stream", 6) != NULL;
}

/* False when the body was refused. */
static bool
read_facts(struct mock_conn *c, const struct mock_format *format, const struct mock_job *job,
	   enum mock_endpoint ep, struct mock_facts *facts)
{
	struct mock_fault fault = {0};
	struct mock_error e = {.retry_after = -1};
	const struct mock_do *what = NULL;

	if (ep == MOCK_EP_MODELS || ep == MOCK_EP_MODEL || c->mock->is_fast) {
		scan_facts(job, ep, facts);
		return true;
	}
	if (ep != MOCK_EP_TRANSCRIPTION && ep != MOCK_EP_TOKEN && !passes_content_type(c))
		return false;
	if (format->read(job, ep, facts, &fault) == 0)
		return true;
	if (fault.is_violation && !passes_violation(c, fault.message))
		return false;
	if (!fault.is_violation && c->mock->script.n > 0) {
		scan_facts(job, ep, facts);
		what = mock_script_look(&c->mock->script, facts->model, job->path);
	}
	if (fault.is_violation || (what && mock_do_flag(what, MOCK_KEY_ANY_BODY))) {
		scan_facts(job, ep, facts);
		return true;
	}
	e.status = fault.status ? fault.status : 400;
	e.message = ag_str(fault.message);
	e.type = fault.type;
	e.code = fault.code;
	e.param = fault.param;
	refuse(c, &e);
	return false;
}

/* The keys in force: command line, then rule, then request.  False when those of the request are
 * not understood, which is answered: a test that misspells one must not pass. */
static bool
read_do(struct mock_conn *c, const struct mock_facts *facts, struct mock_do *out)
{
	static const struct ag_str mark = AG_STR("mock:");
	const struct mock_do *rule = mock_script_take(&c->mock->script, facts->model, path_of(c));
	struct mock_do own = {0};
	struct ag_err err;
	struct mock_error e = {.status = 400, .param = "user", .retry_after = -1};

	*out = c->mock->defaults;
	if (rule)
		mock_do_overlay(out, rule);
	if (!ag_str_starts(facts->user, mark))
		return true;
	if (mock_do_parse(ag_str_skip(facts->user, mark.n), &own, &err) < 0) {
		e.message = ag_str(err.text);
		refuse(c, &e);
		return false;
	}
	mock_do_overlay(out, &own);
	return true;
}

static void
log_request(struct mock_conn *c, const struct mock_job *job, struct ag_str key)
{
	struct mock_log_entry *e = mock_tally_log(&c->mock->tally);
	const struct mock_facts *f = job->facts;

	if (!e)
		return;
	c->play.log_n = e->n;
	c->play.log_epoch = c->mock->tally.epoch;
	e->t_us = job->wall_us;
	e->stream = f->stream;
	e->max_tokens = f->max_tokens;
	e->body_bytes = f->body_bytes;
	e->prompt_tokens = c->answer.prompt_tokens;
	e->completion_tokens = c->answer.completion_tokens;
	ag_str_copy(f->model, e->model, sizeof(e->model));
	ag_str_copy(path_of(c), e->path, sizeof(e->path));
	mock_format_of(job->path)->id(f->endpoint, job->serial, e->id, sizeof(e->id));
	ag_str_copy(mock_span_str(c->req.header[MOCK_H_CLIENT_REQUEST_ID], &c->in),
		    e->client_request_id, sizeof(e->client_request_id));
	ag_str_copy(mock_span_str(c->req.header[MOCK_H_REQUEST_ID], &c->in), e->request_id,
		    sizeof(e->request_id));
	ag_str_copy(ag_str_skip(key, key.n > 4 ? key.n - 4 : 0), e->key_hint, sizeof(e->key_hint));
}

static void
begin_play(struct mock_conn *c, const struct mock_answer *a, const struct mock_facts *facts)
{
	play(c, a, true);
	c->play.stream_asks_usage = facts->include_usage;
	ag_str_copy(facts->model, c->play.model, sizeof(c->play.model));
	mock_tally_inflight(&c->mock->tally, 1);
}

/* job->what stands while this runs, no longer. */
static void
render(struct mock_conn *c, const struct mock_format *format, struct mock_job *job,
       struct ag_str key)
{
	struct mock_error e = {.status = 500,
			       .message = AG_STR("the scripted answer is too large"),
			       .retry_after = -1};
	struct mock_do what;

	if (!read_do(c, job->facts, &what))
		return;
	job->what = &what; /* cppcheck-suppress autoVariables */
	mock_answer_reset(&c->answer);
	format->render(job, &c->answer);
	job->what = NULL;
	if (c->answer.failed || c->answer.out.failed) {
		refuse(c, &e);
		return;
	}
	begin_play(c, &c->answer, job->facts);
	mock_pace_from(&c->play.pace, &what);
	log_request(c, job, key);
}

static const struct mock_answer *
ready_answer(const struct mock_conn *c, const struct mock_format *format,
	     const struct mock_facts *f)
{
	if (!c->mock->is_fast || f->endpoint != MOCK_EP_CHAT || c->closes_next)
		return NULL;
	for (unsigned i = 0; i < MOCK_READY; i++)
		if (c->mock->ready[i].format == format)
			return &c->mock->ready[i].answer[!f->stream ? 0 : f->include_usage ? 2 : 1];
	return NULL;
}

/* A credential in a header that this provider knows nothing of can only be the caller's. */
static bool
passes_foreign_keys(struct mock_conn *c, const struct mock_format *format)
{
	static const struct {
		enum mock_header header;
		const char *why;
	} row[] = {{MOCK_H_AUTHORIZATION,
		    "header authorization reached a provider that has no use for it"},
		   {MOCK_H_X_API_KEY, "header x-api-key reached the provider"},
		   {MOCK_H_API_KEY, "header api-key reached the provider"},
		   {MOCK_H_GOOG_API_KEY, "header x-goog-api-key reached the provider"}};

	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++)
		if (c->req.header[row[i].header].n > 0 &&
		    !(format->key_headers >> row[i].header & 1) && !passes_violation(c, row[i].why))
			return false;
	return true;
}

static void
serve_api(struct mock_conn *c)
{
	struct mock_error e = {.type = "invalid_request_error",
			       .code = "unknown_url",
			       .message = AG_STR("Unknown request URL"),
			       .retry_after = -1};
	struct mock_job job = job_of(c);
	const struct mock_format *format = format_of(c);
	const struct mock_answer *ready;
	struct mock_facts facts;
	enum mock_endpoint ep = MOCK_EP_CHAT;

	if ((c->req.violation && !passes_violation(c, c->req.violation)) ||
	    !passes_foreign_keys(c, format))
		return;
	e.status =
		format->route(mock_span_str(c->req.method, &c->in), job.path, &ep, &job.model_id);
	if (e.status != 0) {
		refuse(c, &e);
		return;
	}
	job.key = format->key ? format->key(&c->req, &c->in) : AG_STR_NONE;
	if ((format->key && !passes_key(c, job.key)) || !read_facts(c, format, &job, ep, &facts))
		return;
	job.facts = &facts;
	ready = ready_answer(c, format, &facts);
	if (ready) {
		begin_play(c, ready, &facts);
		mock_pace_from(&c->play.pace, &c->mock->defaults);
	} else {
		render(c, format, &job, job.key);
	}
	mock_facts_fini(&facts);
}

void
mock_serve(struct mock_conn *c)
{
	static const struct ag_str control = AG_STR("/_mock/");

	if (ag_str_starts(path_of(c), control)) {
		mock_answer_reset(&c->answer);
		c->answer.closes = c->closes_next;
		mock_control(c, ag_str_skip(path_of(c), control.n));
		play(c, &c->answer, false);
		return;
	}
	count_request(c);
	if (!c->mock->is_fast)
		mock_tally_last(&c->mock->tally, ag_str_n(c->in.p, c->req.head_n),
				mock_req_body(&c->req, &c->in));
	serve_api(c);
}

static int
prepare_format(const struct mock *m, struct mock_ready *ready, struct ag_err *err)
{
	for (unsigned i = 0; i < AG_ARRAY_LEN(ready->answer); i++) {
		struct mock_facts facts = {.endpoint = MOCK_EP_CHAT,
					   .model = AG_STR("gpt-4o"),
					   .stream = i > 0,
					   .include_usage = i == 2,
					   .max_tokens = -1,
					   .n = 1,
					   .body_bytes = 84};
		struct mock_job job = {.facts = &facts,
				       .what = &m->defaults,
				       .model_id = facts.model,
				       .query = AG_STR("alt=sse"),
				       .serial = i + 1,
				       .wall_us = ag_clock_wall_us()};

		ready->format->render(&job, &ready->answer[i]);
		if (ready->answer[i].failed || ready->answer[i].out.failed)
			return ag_err_set(err, -EINVAL, "the answer asked for is too large");
	}
	return 0;
}

int
mock_serve_prepare(struct mock *m, struct ag_err *err)
{
	static const struct mock_format *const formats[MOCK_READY] = {
		&mock_format_openai,    &mock_format_azure,         &mock_format_mistral,
		&mock_format_anthropic, &mock_format_vertex_claude, &mock_format_gemini,
		&mock_format_vertex,    &mock_format_bedrock,       &mock_format_cohere};
	int rc = 0;

	for (unsigned i = 0; i < MOCK_READY && rc == 0; i++) {
		m->ready[i].format = formats[i];
		rc = prepare_format(m, &m->ready[i], err);
	}
	return rc;
}
