#include "tools/mock/reply.h"

#include <stdio.h>

#include "tools/mock/sample.h"

#define STORE_MAX (40u * 1024u * 1024u)
#define SLICE_BYTES 8

static const char *const words[8] = {"amber", "birch", "cedar", "delta",
				     "ember", "flint", "grove", "heath"};

void
mock_reply_calls(struct mock_reply *r, const struct mock_job *job, const char *id_prefix)
{
	const struct mock_do *d = job->what;
	const struct mock_facts *f = job->facts;
	int64_t n = mock_do_num(d, MOCK_KEY_TOOL_CALLS, f->must_call && f->tools > 0 ? 1 : 0);
	size_t at = r->store.n;

	for (int64_t i = 0; i < n && i < MOCK_CALLS_MAX; i++) {
		const struct mock_tool *tool = f->tools > 0 ? &f->tool[i % f->tools] : NULL;
		struct mock_call *c = &r->call[r->calls++];
		size_t was = r->store.n;

		/* Nine letters and digits behind the prefix: as short as the strictest wants them. */
		snprintf(c->id, sizeof(c->id), "%s%06llux%02lld", id_prefix,
			 (unsigned long long)job->serial % 1000000, (long long)i);
		c->name = mock_do_text(d, MOCK_KEY_TOOL_NAME, tool ? tool->name : AG_STR("lookup"));
		c->args = mock_do_text(d, MOCK_KEY_TOOL_ARGS, AG_STR_NONE);
		if (mock_do_has(d, MOCK_KEY_TOOL_ARGS))
			continue;
		mock_sample_put(tool ? tool->schema : NULL, &r->store);
		c->args = ag_str_n(NULL, r->store.n - was);
	}
	/* Now that the store moves no more. */
	for (unsigned i = 0; i < r->calls; i++) {
		if (r->call[i].args.p)
			continue;
		r->call[i].args.p = r->store.p + at;
		at += r->call[i].args.n;
	}
}

/* Into the store; the script's own text is used where it stands. */
static void
make_text(struct mock_reply *r, const struct mock_job *job)
{
	const struct mock_facts *f = job->facts;
	int64_t chunks = mock_do_num(job->what, MOCK_KEY_CHUNKS, -1);
	int64_t bytes = mock_do_num(job->what, MOCK_KEY_BODY_BYTES, 0);

	if (f->schema || f->wants_json) {
		mock_sample_put(f->schema, &r->store);
	} else if (chunks > 0) {
		for (int64_t i = 0; i < chunks && !r->store.failed; i++)
			ag_buf_printf(&r->store, "%s%s", i > 0 ? " " : "", words[i & 7]);
	} else if (bytes == 0) {
		ag_buf_puts(&r->store, "Hello from the mock.");
	}
	for (int64_t n = (int64_t)r->store.n; n < bytes && !r->store.failed; n++)
		ag_buf_putc(&r->store, 'x');
}

static void
make_figures(struct mock_reply *r, const struct mock_job *job)
{
	const struct mock_do *d = job->what;
	int64_t most = job->facts->max_tokens;

	r->has_usage = !mock_do_flag(d, MOCK_KEY_NO_USAGE);
	r->n = (struct mock_figures){
		.in = mock_do_num(d, MOCK_KEY_PROMPT_TOKENS, 12),
		.out = mock_do_num(d, MOCK_KEY_TOKENS, 5),
		.cached = mock_do_num(d, MOCK_KEY_CACHED_TOKENS, 0),
		.written = mock_do_num(d, MOCK_KEY_CACHE_WRITE_TOKENS, 0),
		.written_1h = mock_do_num(d, MOCK_KEY_CACHE_WRITE_1H_TOKENS, 0),
		.reasoning = mock_do_num(d, MOCK_KEY_REASONING_TOKENS, 0),
		.audio_in = mock_do_num(d, MOCK_KEY_AUDIO_PROMPT_TOKENS, 0),
		.audio_out = mock_do_num(d, MOCK_KEY_AUDIO_TOKENS, 0),
		.image_in = mock_do_num(d, MOCK_KEY_IMAGE_PROMPT_TOKENS, 0),
		.tool_in = mock_do_num(d, MOCK_KEY_TOOL_PROMPT_TOKENS, 0),
		.searches = mock_do_num(d, MOCK_KEY_SEARCHES, 0),
	};
	if (most > 0 && r->n.out > most && !mock_do_flag(d, MOCK_KEY_IGNORE_MAX)) {
		r->n.out = most;
		r->finish = MOCK_FINISH_LENGTH;
	}
	if (mock_do_flag(d, MOCK_KEY_USAGE_ZERO))
		r->n = (struct mock_figures){0};
	if (mock_do_flag(d, MOCK_KEY_USAGE_NEGATIVE))
		r->n = (struct mock_figures){.in = -5, .out = -7};
}

void
mock_reply_init(struct mock_reply *r, const struct mock_job *job, const char *id_prefix)
{
	const struct mock_do *d = job->what;
	int64_t chunks = mock_do_num(d, MOCK_KEY_CHUNKS, -1);
	size_t text_n;

	*r = (struct mock_reply){.error_after = mock_do_num(d, MOCK_KEY_ERROR_AFTER_CHUNKS, -1)};
	ag_buf_init(&r->store, STORE_MAX);
	make_figures(r, job);
	if (!mock_do_has(d, MOCK_KEY_TEXT))
		make_text(r, job);
	text_n = r->store.n;
	mock_reply_calls(r, job, id_prefix);
	r->text = mock_do_text(d, MOCK_KEY_TEXT, ag_str_n(r->store.p, text_n));
	if (r->calls > 0 && !mock_do_has(d, MOCK_KEY_TEXT))
		r->text = AG_STR_NONE;
	if (r->calls > 0)
		r->finish = MOCK_FINISH_CALLS;
	r->thinking = mock_do_text(d, MOCK_KEY_THINKING, AG_STR_NONE);
	r->slices = chunks > 0 && chunks < (int64_t)r->text.n
			    ? chunks
			    : (int64_t)(r->text.n + SLICE_BYTES - 1) / SLICE_BYTES;
}

void
mock_reply_fini(struct mock_reply *r)
{
	ag_buf_fini(&r->store);
}

static size_t
slice_at(struct ag_str s, int64_t k, int64_t n)
{
	size_t at = (size_t)((__int128)s.n * k / n);

	while (at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80)
		at++;
	return at;
}

struct ag_str
mock_reply_slice(const struct mock_reply *r, int64_t k)
{
	size_t from = slice_at(r->text, k, r->slices), to = slice_at(r->text, k + 1, r->slices);

	return ag_str_n(r->text.p + from, to - from);
}

struct ag_str
mock_reply_finish(const struct mock_reply *r, const struct mock_job *job,
		  const char *const names[3])
{
	return mock_do_text(job->what, MOCK_KEY_FINISH, ag_str(names[r->finish]));
}

void
mock_reply_count(const struct mock_reply *r, struct mock_answer *a, int64_t in, int64_t out)
{
	a->prompt_tokens = in;
	a->completion_tokens = out;
	if (!r->has_usage || in + out <= 0)
		return;
	a->usage_prompt = in;
	a->usage_completion = out;
	if (a->usage_end == 0)
		a->usage_end = a->out.n;
}

void
mock_put_text(struct ag_buf *out, struct ag_str s)
{
	if (!s.p) {
		ag_buf_puts(out, "null");
		return;
	}
	ag_buf_putc(out, '"');
	ag_buf_put_json(out, s);
	ag_buf_putc(out, '"');
}

void
mock_put_num(struct ag_buf *out, const char *name, int64_t v)
{
	ag_buf_printf(out, ",\"%s\":%lld", name, (long long)v);
}

void
mock_put_event(struct mock_answer *a, const char *name, const struct ag_buf *data, const char *eol,
	       int32_t chunks)
{
	struct ag_buf b;

	ag_buf_init(&b, STORE_MAX);
	if (name)
		ag_buf_printf(&b, "event: %s%s", name, eol);
	ag_buf_puts(&b, "data: ");
	ag_buf_put_str(&b, ag_buf_str(data));
	ag_buf_printf(&b, "%s%s", eol, eol);
	a->failed |= data->failed || b.failed;
	mock_answer_put(a, ag_buf_str(&b), chunks, true);
	ag_buf_fini(&b);
}

enum mock_framing
mock_framing_of(const struct mock_job *job, bool wants_chunks)
{
	if (job->what && mock_do_flag(job->what, MOCK_KEY_UNTIL_EOF))
		return MOCK_FRAME_EOF;
	if (!wants_chunks && !(job->what && mock_do_flag(job->what, MOCK_KEY_CHUNKED)))
		return MOCK_FRAME_LENGTH;
	return job->is_http10 ? MOCK_FRAME_EOF : MOCK_FRAME_CHUNKED;
}

void
mock_put_whole(const struct mock_job *job, struct mock_answer *a, int status, const char *type,
	       struct ag_str headers, const struct ag_buf *body)
{
	struct ag_str bytes = ag_buf_str(body);

	a->framing = mock_framing_of(job, false);
	a->closes = job->closes;
	a->failed |= body->failed;
	if (job->what && status < 300 && mock_do_flag(job->what, MOCK_KEY_GARBAGE_CHUNK))
		bytes.n /= 2;
	mock_answer_whole(a, status, type ? type : "application/json", headers, bytes);
}

void
mock_put_stream(const struct mock_job *job, struct mock_answer *a, const char *type,
		struct ag_str headers)
{
	a->framing = mock_framing_of(job, true);
	a->closes = job->closes;
	a->is_stream = true;
	mock_answer_head(a, 200, type, headers, 0);
}
