#include "tools/mock/openai.h"

#include "base/clock.h"
#include "tools/mock/reply.h"

#define WORD_BYTES 5
#define AZURE_FILTER                                                                               \
	",\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}"
/* What Azure thinks of the prompt comes before all else, in an event without choices. */
#define AZURE_FIRST                                                                                \
	"data: {\"id\":\"\",\"object\":\"\",\"created\":0,\"model\":\"\",\"choices\":[],"          \
	"\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]}\n\n"
#define EVENT_MAX (40u * 1024u * 1024u)

/* All of one length, so that the place of the n-th is known without counting. */
static const char word[16][WORD_BYTES + 1] = {"amber", "birch", "cedar", "delta", "ember", "flint",
					      "grove", "heath", "inlet", "jetty", "knoll", "lunar",
					      "maple", "north", "ocean", "pearl"};

/* What an answer to chat or completions consists of, worked out before a byte is rendered. */
struct plan {
	const struct mock_job *job;
	enum mock_kin kin;
	struct mock_reply reply; /* of it: the calls, and the text where a schema asks for one */
	bool is_chat;
	struct ag_str text; /* given by script; n 0: words */
	int64_t words;      /* visible ones, per choice */
	int64_t chunks;     /* content chunks, per choice; 1 without stream */
	int64_t pad;        /* bytes added to the content of all choices */
	int64_t prompt, completion;
	const char *finish;
	char finish_word[68]; /* the script's */
	char id[48];
	struct ag_str model, tier;
	int64_t error_after;
};

/* The bytes of words [from, to) of an answer, blanks between them included. */
static void
put_words(struct ag_buf *out, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to && !out->failed; i++) {
		if (i > 0)
			ag_buf_putc(out, ' ');
		ag_buf_put(out, word[i & 15], WORD_BYTES);
	}
}

/* Where slice k of n begins in a text; never inside a character. */
static size_t
slice_at(struct ag_str s, int64_t k, int64_t n)
{
	size_t at = (size_t)((__int128)s.n * k / n);

	while (at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80)
		at++;
	return at;
}

/* Slice k of the content of choice c, escaped for JSON. */
static void
put_content(struct ag_buf *out, const struct plan *p, int64_t k, int64_t c)
{
	int64_t slices = p->chunks * p->job->facts->n, slice = k * p->job->facts->n + c;
	int64_t pad = p->pad / slices + (slice < p->pad % slices ? 1 : 0);
	char *at;

	if (p->text.n > 0) {
		size_t from = slice_at(p->text, k, p->chunks),
		       to = slice_at(p->text, k + 1, p->chunks);

		ag_buf_put_json(out, ag_str_n(p->text.p + from, to - from));
	} else {
		put_words(out, p->words * k / p->chunks, p->words * (k + 1) / p->chunks);
	}
	at = pad > 0 ? ag_buf_reserve(out, (size_t)pad) : NULL;
	if (at) {
		memset(at, 'x', (size_t)pad);
		ag_buf_commit(out, (size_t)pad);
	}
}

int64_t
mock_openai_prompt_tokens(const struct mock_job *job)
{
	return mock_do_num(job->what, MOCK_KEY_PROMPT_TOKENS,
			   (int64_t)((job->facts->body_bytes + 3) / 4));
}

static void
plan_tokens(struct plan *p, const struct mock_job *job)
{
	const struct mock_facts *f = job->facts;
	const struct mock_do *d = job->what;
	int64_t chunks = mock_do_num(d, MOCK_KEY_CHUNKS, -1);
	int64_t want = mock_do_num(d, MOCK_KEY_TOKENS, f->stream && chunks > 0 ? chunks : 16);

	p->finish = "stop";
	if (f->max_tokens >= 0 && want > f->max_tokens && !mock_do_flag(d, MOCK_KEY_IGNORE_MAX)) {
		want = f->max_tokens;
		p->finish = "length";
	}
	p->words = want - mock_do_num(d, MOCK_KEY_REASONING_TOKENS, 0);
	if (p->words < 0 || (p->reply.calls > 0 && !p->text.p))
		p->words = 0;
	if (p->reply.calls > 0)
		p->finish = "tool_calls";
	p->prompt = mock_openai_prompt_tokens(job);
	p->completion = want * f->n;
	p->chunks = 1;
	if (f->stream) {
		int64_t most = p->text.n > 0 ? (int64_t)p->text.n : p->words;

		p->chunks = chunks >= 0 && chunks < most ? chunks : most;
		if (chunks < 0 && p->text.n > 0 && p->words > 0 && p->words < most)
			p->chunks = p->words;
		if (p->chunks < 1)
			p->chunks = 1;
	}
}

static void
plan_make(struct plan *p, const struct mock_job *job, enum mock_kin kin)
{
	const struct mock_do *d = job->what;

	*p = (struct plan){.job = job, .kin = kin, .is_chat = job->facts->endpoint == MOCK_EP_CHAT};
	mock_reply_init(&p->reply, job, kin == MOCK_KIN_MISTRAL ? "" : "call_");
	p->text = mock_do_text(d, MOCK_KEY_TEXT, AG_STR_NONE);
	if (!p->text.p && job->facts->wants_json)
		p->text = p->reply.text;
	p->model = mock_do_text(d, MOCK_KEY_MODEL_SERVED, job->facts->model);
	p->tier = mock_do_text(d, MOCK_KEY_SERVICE_TIER, AG_STR("default"));
	p->error_after = mock_do_num(d, MOCK_KEY_ERROR_AFTER_CHUNKS, -1);
	mock_openai_id(job->facts->endpoint, job->serial, p->id, sizeof(p->id));
	plan_tokens(p, job);
	if (mock_do_has(d, MOCK_KEY_FINISH)) {
		ag_str_copy(mock_do_text(d, MOCK_KEY_FINISH, AG_STR_NONE), p->finish_word,
			    sizeof(p->finish_word));
		p->finish = p->finish_word;
	}
}

static void
put_usage_members(struct ag_buf *out, const struct mock_do *d, int64_t prompt, int64_t completion)
{
	ag_buf_printf(out,
		      "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld",
		      (long long)prompt, (long long)completion,
		      (long long)prompt + (long long)completion);
	ag_buf_printf(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%lld,",
		      (long long)mock_do_num(d, MOCK_KEY_CACHED_TOKENS, 0));
	if (mock_do_has(d, MOCK_KEY_CACHE_WRITE_TOKENS))
		ag_buf_printf(out, "\"cache_write_tokens\":%lld,",
			      (long long)mock_do_num(d, MOCK_KEY_CACHE_WRITE_TOKENS, 0));
	ag_buf_printf(
		out,
		"\"audio_tokens\":%lld},\"completion_tokens_details\":{\"reasoning_tokens\":%lld,"
		"\"audio_tokens\":%lld,\"accepted_prediction_tokens\":0,"
		"\"rejected_prediction_tokens\":0}}",
		(long long)mock_do_num(d, MOCK_KEY_AUDIO_PROMPT_TOKENS, 0),
		(long long)mock_do_num(d, MOCK_KEY_REASONING_TOKENS, 0),
		(long long)mock_do_num(d, MOCK_KEY_AUDIO_TOKENS, 0));
}

static void
put_usage(struct ag_buf *out, const struct plan *p, struct mock_answer *a)
{
	const struct mock_do *d = p->job->what;
	static const struct mock_do nothing;

	if (mock_do_flag(d, MOCK_KEY_USAGE_ZERO)) {
		put_usage_members(out, &nothing, 0, 0);
	} else if (mock_do_flag(d, MOCK_KEY_USAGE_NEGATIVE)) {
		put_usage_members(out, &nothing, -5, -7);
	} else {
		put_usage_members(out, d, p->prompt, p->completion);
		a->usage_prompt = p->prompt;
		a->usage_completion = p->completion;
	}
}

static void
put_call(struct ag_buf *out, const struct plan *p, unsigned i, bool has_index)
{
	const struct mock_call *c = &p->reply.call[i];

	ag_buf_putc(out, '{');
	if (has_index)
		ag_buf_printf(out, "\"index\":%u,", i);
	ag_buf_printf(out, "\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", c->id);
	mock_put_text(out, c->name);
	ag_buf_puts(out, ",\"arguments\":");
	/* Mistral's come whole; elsewhere they follow in pieces. */
	mock_put_text(out, has_index && p->kin != MOCK_KIN_MISTRAL ? AG_STR("") : c->args);
	ag_buf_puts(out, "}}");
}

static void
put_message(struct ag_buf *out, const struct plan *p, int64_t c)
{
	bool has_parts = p->kin == MOCK_KIN_MISTRAL && p->reply.thinking.n > 0;
	bool has_text = p->words > 0 || p->text.n > 0 || p->pad > 0 || p->reply.calls == 0;

	ag_buf_puts(out, "\"message\":{\"role\":\"assistant\",\"content\":");
	if (has_parts) {
		ag_buf_puts(out,
			    "[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":");
		mock_put_text(out, p->reply.thinking);
		ag_buf_puts(out, "}]},{\"type\":\"text\",\"text\":");
	}
	ag_buf_puts(out, has_text ? "\"" : "null");
	put_content(out, p, 0, c);
	ag_buf_puts(out, has_text ? "\"" : "");
	ag_buf_puts(out, has_parts ? "}]" : "");
	if (p->reply.thinking.n > 0 && !has_parts) {
		ag_buf_puts(out, ",\"reasoning_content\":");
		mock_put_text(out, p->reply.thinking);
	}
	for (unsigned i = 0; i < p->reply.calls; i++) {
		ag_buf_puts(out, i > 0 ? "," : ",\"tool_calls\":[");
		put_call(out, p, i, false);
	}
	ag_buf_puts(out, p->reply.calls > 0 ? "]" : "");
	ag_buf_puts(out, ",\"refusal\":null,\"annotations\":[]}");
}

static void
put_choices(struct ag_buf *out, const struct plan *p)
{
	for (int64_t c = 0; c < p->job->facts->n; c++) {
		ag_buf_printf(out, "%s{\"index\":%lld,", c > 0 ? "," : "", (long long)c);
		if (p->is_chat) {
			put_message(out, p, c);
		} else {
			ag_buf_puts(out, "\"text\":\"");
			put_content(out, p, 0, c);
			ag_buf_putc(out, '"');
		}
		if (p->kin == MOCK_KIN_AZURE)
			ag_buf_puts(out, AZURE_FILTER);
		ag_buf_printf(out, ",\"logprobs\":null,\"finish_reason\":\"%s\"}", p->finish);
	}
}

static void
put_intro(struct ag_buf *out, const struct plan *p, const char *object)
{
	ag_buf_printf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":\"", p->id,
		      object, (long long)(p->job->wall_us / AG_US_PER_SEC));
	ag_buf_put_json(out, p->model);
	ag_buf_puts(out, "\",\"service_tier\":\"");
	ag_buf_put_json(out, p->tier);
	ag_buf_puts(out, "\",\"system_fingerprint\":\"fp_mock\",\"choices\":[");
}

static void
put_whole_body(struct ag_buf *out, const struct plan *p, struct mock_answer *a)
{
	put_intro(out, p, p->is_chat ? "chat.completion" : "text_completion");
	if (mock_do_flag(p->job->what, MOCK_KEY_GARBAGE_CHUNK)) {
		ag_buf_puts(out, "{\"index\":0,\"mess");
		return;
	}
	put_choices(out, p);
	ag_buf_putc(out, ']');
	if (!mock_do_flag(p->job->what, MOCK_KEY_NO_USAGE)) {
		ag_buf_puts(out, ",\"usage\":");
		put_usage(out, p, a);
	}
	ag_buf_puts(out, "}\n");
}

static void
render_whole(struct plan *p, struct mock_answer *a)
{
	int64_t bytes = mock_do_num(p->job->what, MOCK_KEY_BODY_BYTES, 0);
	struct ag_buf body, headers;

	ag_buf_init(&body, MOCK_OUT_MAX);
	put_whole_body(&body, p, a);
	if (bytes > (int64_t)body.n) {
		p->pad = bytes - (int64_t)body.n;
		ag_buf_reset(&body);
		put_whole_body(&body, p, a);
	}
	ag_buf_init(&headers, 4096);
	mock_openai_headers(p->job, &headers);
	a->framing = mock_framing_of(p->job, false);
	a->closes = p->job->closes;
	a->failed |= body.failed;
	mock_answer_whole(a, (int)mock_do_num(p->job->what, MOCK_KEY_STATUS, 200),
			  "application/json", ag_buf_str(&headers), ag_buf_str(&body));
	ag_buf_fini(&headers);
	if (a->usage_prompt > 0 || a->usage_completion > 0)
		a->usage_end = a->out.n;
	ag_buf_fini(&body);
}

struct stream {
	const struct plan *p;
	struct mock_answer *a;
	struct ag_buf intro; /* the members that every event begins with */
	struct ag_buf event;
};

static void
event_begin(struct stream *s)
{
	ag_buf_reset(&s->event);
	ag_buf_puts(&s->event, "data: ");
	ag_buf_put_str(&s->event, ag_buf_str(&s->intro));
}

static void
event_end(struct stream *s, bool has_choice, int32_t chunks)
{
	if (has_choice) {
		ag_buf_putc(&s->event, ']');
		if (s->p->job->facts->include_usage && s->p->kin != MOCK_KIN_MISTRAL &&
		    !mock_do_flag(s->p->job->what, MOCK_KEY_NO_USAGE))
			ag_buf_puts(&s->event, ",\"usage\":null");
		ag_buf_puts(&s->event, "}\n\n");
	}
	s->a->failed |= s->event.failed;
	mock_answer_put(s->a, ag_buf_str(&s->event), chunks, true);
}

static void
put_role_event(struct stream *s, int64_t c)
{
	event_begin(s);
	ag_buf_printf(&s->event,
		      "{\"index\":%lld,\"delta\":{\"role\":\"assistant\",\"content\":\"\","
		      "\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}",
		      (long long)c);
	event_end(s, true, -1);
}

static void
put_content_event(struct stream *s, int64_t k, int64_t c)
{
	bool is_last = c + 1 == s->p->job->facts->n;

	event_begin(s);
	ag_buf_printf(&s->event, "{\"index\":%lld,%s", (long long)c,
		      s->p->is_chat ? "\"delta\":{\"content\":\"" : "\"text\":\"");
	put_content(&s->event, s->p, k, c);
	ag_buf_printf(&s->event, "\"%s,\"logprobs\":null,\"finish_reason\":null}",
		      s->p->is_chat ? "}" : "");
	event_end(s, true, is_last ? (int32_t)(k + 1) : -1);
}

/* A delta of one choice with this inside. */
static void
put_delta(struct stream *s, int64_t c, const struct ag_buf *inside, int32_t chunks)
{
	event_begin(s);
	ag_buf_printf(&s->event, "{\"index\":%lld,\"delta\":{", (long long)c);
	ag_buf_put_str(&s->event, ag_buf_str(inside));
	ag_buf_puts(&s->event, "},\"logprobs\":null,\"finish_reason\":null}");
	event_end(s, true, chunks);
}

static void
put_thinking_event(struct stream *s, int64_t c)
{
	struct ag_buf b;

	ag_buf_init(&b, EVENT_MAX);
	ag_buf_puts(
		&b,
		s->p->kin == MOCK_KIN_MISTRAL
			? "\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
			: "\"reasoning_content\":");
	mock_put_text(&b, s->p->reply.thinking);
	ag_buf_puts(&b, s->p->kin == MOCK_KIN_MISTRAL ? "}]}]" : "");
	put_delta(s, c, &b, -1);
	ag_buf_fini(&b);
}

/* Begun with name and id, then its arguments in two pieces. */
static void
put_call_events(struct stream *s, int64_t c, unsigned i)
{
	struct ag_str args = s->p->reply.call[i].args;
	size_t half = slice_at(args, 1, 2);
	struct ag_buf b;

	ag_buf_init(&b, EVENT_MAX);
	ag_buf_puts(&b, "\"tool_calls\":[");
	put_call(&b, s->p, i, true);
	ag_buf_putc(&b, ']');
	put_delta(s, c, &b, -1);
	for (int k = 0; k < 2 && s->p->kin != MOCK_KIN_MISTRAL; k++) {
		ag_buf_reset(&b);
		ag_buf_printf(&b, "\"tool_calls\":[{\"index\":%u,\"function\":{\"arguments\":", i);
		mock_put_text(&b, k ? ag_str_skip(args, half) : ag_str_n(args.p, half));
		ag_buf_puts(&b, "}}]");
		put_delta(s, c, &b, -1);
	}
	ag_buf_fini(&b);
}

static void
put_finish_event(struct stream *s, int64_t c)
{
	bool has_usage = s->p->kin == MOCK_KIN_MISTRAL && c + 1 == s->p->job->facts->n &&
			 !mock_do_flag(s->p->job->what, MOCK_KEY_NO_USAGE);

	event_begin(s);
	ag_buf_printf(&s->event, "{\"index\":%lld,%s,\"logprobs\":null,\"finish_reason\":\"%s\"}",
		      (long long)c, s->p->is_chat ? "\"delta\":{}" : "\"text\":\"\"", s->p->finish);
	if (has_usage) {
		ag_buf_puts(&s->event, "],\"usage\":");
		put_usage(&s->event, s->p, s->a);
		ag_buf_puts(&s->event, "}\n\n");
	}
	event_end(s, !has_usage, -1);
	if (has_usage)
		s->a->usage_end = s->a->out.n;
}

static void
put_raw_event(struct stream *s, const char *text)
{
	ag_buf_reset(&s->event);
	ag_buf_puts(&s->event, text);
	event_end(s, false, -1);
}

static void
put_error_event(struct stream *s)
{
	struct mock_error e = {.status = 500, .retry_after = -1};

	ag_buf_reset(&s->event);
	ag_buf_puts(&s->event, "data: ");
	mock_openai_error(&s->event, s->p->job, &e);
	ag_buf_puts(&s->event, "\n\n");
	event_end(s, false, -1);
}

static void
put_usage_event(struct stream *s)
{
	event_begin(s);
	ag_buf_puts(&s->event, "],\"usage\":");
	put_usage(&s->event, s->p, s->a);
	ag_buf_puts(&s->event, "}\n\n");
	event_end(s, false, -1);
	s->a->usage_end = s->a->out.n;
}

/* False when the script ended the stream with an error event. */
static bool
put_content_events(struct stream *s)
{
	const struct mock_facts *f = s->p->job->facts;

	if (s->p->error_after == 0) {
		put_error_event(s);
		return false;
	}
	for (int64_t c = 0; s->p->is_chat && c < f->n; c++) {
		put_role_event(s, c);
		if (s->p->reply.thinking.n > 0)
			put_thinking_event(s, c);
		for (unsigned i = 0; i < s->p->reply.calls; i++)
			put_call_events(s, c, i);
	}
	if (s->p->reply.calls > 0 && s->p->words == 0 && s->p->text.n == 0)
		return true;
	for (int64_t k = 0; k < s->p->chunks && !s->a->failed; k++) {
		for (int64_t c = 0; c < f->n; c++)
			put_content_event(s, k, c);
		if (k == 0 && mock_do_flag(s->p->job->what, MOCK_KEY_GARBAGE_CHUNK))
			put_raw_event(s, "data: {\"id\":\"chatcmpl-mock\",\"choices\":[{\"ind\n\n");
		if (s->p->error_after == k + 1) {
			put_error_event(s);
			return false;
		}
	}
	return true;
}

static void
put_stream(struct plan *p, struct mock_answer *a)
{
	const struct mock_do *d = p->job->what;
	struct stream s = {.p = p, .a = a};
	struct ag_buf headers;

	ag_buf_init(&headers, 4096);
	ag_buf_init(&s.intro, EVENT_MAX);
	ag_buf_init(&s.event, EVENT_MAX);
	mock_openai_headers(p->job, &headers);
	ag_buf_puts(&headers, "cache-control: no-cache\r\n");
	put_intro(&s.intro, p, p->is_chat ? "chat.completion.chunk" : "text_completion");
	a->framing = mock_framing_of(p->job, true);
	a->closes = p->job->closes;
	a->is_stream = true;
	mock_answer_head(a, (int)mock_do_num(d, MOCK_KEY_STATUS, 200),
			 "text/event-stream; charset=utf-8", ag_buf_str(&headers), 0);
	if (p->kin == MOCK_KIN_AZURE)
		put_raw_event(&s, AZURE_FIRST);
	if (put_content_events(&s)) {
		for (int64_t c = 0; c < p->job->facts->n; c++)
			put_finish_event(&s, c);
		if (p->job->facts->include_usage && p->kin != MOCK_KIN_MISTRAL &&
		    !mock_do_flag(d, MOCK_KEY_NO_USAGE))
			put_usage_event(&s);
		if (!mock_do_flag(d, MOCK_KEY_NO_DONE))
			put_raw_event(&s, "data: [DONE]\n\n");
	}
	mock_answer_end(a);
	ag_buf_fini(&s.event);
	ag_buf_fini(&s.intro);
	ag_buf_fini(&headers);
}

static void
render_stream(struct plan *p, struct mock_answer *a)
{
	int64_t bytes = mock_do_num(p->job->what, MOCK_KEY_BODY_BYTES, 0);

	put_stream(p, a);
	if (bytes > (int64_t)a->payload_n && !a->failed) {
		p->pad = bytes - (int64_t)a->payload_n;
		mock_answer_reset(a);
		put_stream(p, a);
	}
}

void
mock_openai_text(const struct mock_job *job, enum mock_kin kin, struct mock_answer *a)
{
	struct plan p;

	plan_make(&p, job, kin);
	if (job->facts->stream)
		render_stream(&p, a);
	else
		render_whole(&p, a);
	a->prompt_tokens = p.prompt;
	a->completion_tokens = p.completion;
	mock_reply_fini(&p.reply);
}
