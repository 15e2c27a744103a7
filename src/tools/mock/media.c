/* media.c - OpenAI's images, speech, transcripts and moderations. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "tools/mock/form.h"
#include "tools/mock/openai.h"
#include "tools/mock/reply.h"

#define BODY_MAX (40u * 1024u * 1024u)

/* A picture of one point. */
#define PNG                                                                                        \
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

static const struct mock_field image[] = {
	MOCK_ROW("prompt", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("model", MOCK_S),
	{"n", MOCK_I, NULL, NULL, 1, 10},
	MOCK_ROW("size", MOCK_S),
	{"quality", MOCK_S, NULL, "low medium high xhigh max auto standard hd", 0, 0},
	{"background", MOCK_S, NULL, "transparent opaque auto", 0, 0},
	{"moderation", MOCK_S, NULL, "low auto", 0, 0},
	{"output_format", MOCK_S, NULL, "png webp jpeg gif svg", 0, 0},
	{"output_compression", MOCK_I, NULL, NULL, 0, 100},
	{"partial_images", MOCK_I, NULL, NULL, 0, 3},
	{"response_format", MOCK_S, NULL, "url b64_json", 0, 0},
	{"style", MOCK_S, NULL, "vivid natural", 0, 0},
	MOCK_ROW("stream", MOCK_B),
	MOCK_ROW("user", MOCK_S),
	MOCK_ROW("safety_identifier", MOCK_S),
	MOCK_END};
static const struct mock_field speech[] = {
	MOCK_ROW("model", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("input", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
	MOCK_ROW("voice", MOCK_S | MOCK_O | MOCK_REQUIRED),
	MOCK_ROW("instructions", MOCK_S),
	{"response_format", MOCK_S, NULL, "mp3 opus aac flac wav pcm", 0, 0},
	{"speed", MOCK_N, NULL, NULL, 0.25, 4},
	{"stream_format", MOCK_S, NULL, "audio sse", 0, 0},
	MOCK_END};
static const struct mock_field moderation[] = {
	MOCK_ROW("input", MOCK_S | MOCK_A | MOCK_REQUIRED | MOCK_SOME), MOCK_ROW("model", MOCK_S),
	MOCK_END};

static struct ag_str
field_of(const struct mock_job *job, const char *name, bool *is_file)
{
	return mock_form_field(mock_span_str(job->req->header[MOCK_H_CONTENT_TYPE], job->in),
			       job->body, name, is_file);
}

static int
refuse(struct mock_fault *fault, const char *param, const char *message)
{
	*fault = (struct mock_fault){.param = param, .code = "invalid_value"};
	snprintf(fault->message, sizeof(fault->message), "%s", message);
	return -EINVAL;
}

static int
read_form(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
	  struct mock_fault *fault)
{
	bool is_file = false, ignored;
	struct ag_str file = field_of(job, "file", &is_file),
		      model = field_of(job, "model", &ignored);
	struct ag_str stream = field_of(job, "stream", &ignored);

	if (model.n == 0)
		return refuse(fault, "model", "you must provide a model parameter");
	if (!file.p || !is_file || file.n == 0)
		return refuse(fault, "file", "The file is missing or empty.");
	*out = (struct mock_facts){.endpoint = ep,
				   .model = model,
				   .max_tokens = -1,
				   .n = 1,
				   .body_bytes = job->body.n,
				   .stream = ag_str_eq(stream, AG_STR("true")),
				   .include_usage = true};
	return 0;
}

int
mock_media_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
		struct mock_fault *fault)
{
	struct mock_shape shape = {.fields = ep == MOCK_EP_IMAGES   ? image
					     : ep == MOCK_EP_SPEECH ? speech
								    : moderation,
				   .allows_unknown = !job->is_pedantic};
	struct mock_flaw flaw;
	struct mock_facts f;

	if (ep == MOCK_EP_TRANSCRIPTION)
		return read_form(job, ep, out, fault);
	if (mock_facts_tree(job->body, ep, &f, fault) < 0)
		return -EINVAL;
	if (mock_shape_check(&shape, f.tree, &flaw) < 0) {
		mock_openai_word(&flaw, fault);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	f.model = mock_get_str(f.tree, "model");
	f.user = mock_get_str(f.tree, "user");
	f.n = mock_get_int(f.tree, "n", 1);
	f.stream = mock_get_bool(f.tree, "stream") || mock_is(f.tree, "stream_format", "sse");
	f.include_usage = true;
	if (f.model.n > 0 && f.model.p[0] == '@') {
		*fault = (struct mock_fault){
			.is_violation = true,
			.message = "'model' still names a provider of the gateway"};
		mock_facts_fini(&f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

/* ---- answers ---- */

static void
put_image_usage(struct ag_buf *b, const struct mock_reply *r)
{
	const struct mock_figures *n = &r->n;

	ag_buf_printf(
		b,
		"\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld,\"total_tokens\":%lld,"
		"\"input_tokens_details\":{\"text_tokens\":%lld,\"image_tokens\":%lld}}",
		(long long)n->in, (long long)n->out, (long long)n->in + (long long)n->out,
		(long long)n->in - (long long)n->image_in, (long long)n->image_in);
}

static void
render_image(const struct mock_job *job, const struct mock_reply *r, struct ag_str headers,
	     struct mock_answer *a)
{
	bool is_dalle = ag_str_starts(job->facts->model, AG_STR("dall-e")), is_url;
	struct ag_buf b;

	is_url = is_dalle && !mock_is(job->facts->tree, "response_format", "b64_json");
	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(&b, "{\"created\":%lld,\"data\":[",
		      (long long)(job->wall_us / AG_US_PER_SEC));
	for (int64_t i = 0; i < job->facts->n; i++)
		ag_buf_printf(&b, "%s{\"%s\":\"%s\"}", i > 0 ? "," : "",
			      is_url ? "url" : "b64_json",
			      is_url ? "https://images.invalid/mock.png" : PNG);
	ag_buf_putc(&b, ']');
	if (!is_dalle) {
		ag_buf_puts(
			&b,
			",\"background\":\"opaque\",\"output_format\":\"png\",\"quality\":\"medium\",\"size\":\"1024x1024\"");
		if (r->has_usage) {
			ag_buf_putc(&b, ',');
			put_image_usage(&b, r);
		}
	}
	ag_buf_putc(&b, '}');
	mock_put_whole(job, a, 200, NULL, headers, &b);
	ag_buf_fini(&b);
}

static void
stream_image(const struct mock_job *job, const struct mock_reply *r, struct ag_str headers,
	     struct mock_answer *a)
{
	int64_t partial = mock_get_int(job->facts->tree, "partial_images", 0);
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	mock_put_stream(job, a, "text/event-stream", headers);
	for (int64_t i = 0; i < partial; i++) {
		ag_buf_printf(
			&b,
			"{\"type\":\"image_generation.partial_image\",\"b64_json\":\"%s\",\"partial_image_index\":%lld}",
			PNG, (long long)i);
		mock_put_event(a, "image_generation.partial_image", &b, "\n", (int32_t)i + 1);
		ag_buf_reset(&b);
	}
	ag_buf_printf(&b, "{\"type\":\"image_generation.completed\",\"b64_json\":\"%s\",", PNG);
	put_image_usage(&b, r);
	ag_buf_putc(&b, '}');
	mock_put_event(a, "image_generation.completed", &b, "\n", (int32_t)partial + 1);
	mock_answer_end(a);
	ag_buf_fini(&b);
}

static void
render_speech(const struct mock_job *job, const struct mock_reply *r, struct ag_str headers,
	      struct mock_answer *a)
{
	int64_t bytes = mock_do_num(job->what, MOCK_KEY_BODY_BYTES, 64);
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	if (job->facts->stream) {
		mock_put_stream(job, a, "text/event-stream", headers);
		ag_buf_puts(&b, "{\"type\":\"speech.audio.delta\",\"audio\":\"SUQzbW9jaw==\"}");
		mock_put_event(a, NULL, &b, "\n", 1);
		ag_buf_reset(&b);
		ag_buf_printf(
			&b,
			"{\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld,\"total_tokens\":%lld}}",
			(long long)r->n.in, (long long)r->n.out, (long long)r->n.in + (long long)r->n.out);
		mock_put_event(a, NULL, &b, "\n", 1);
		mock_answer_end(a);
	} else {
		ag_buf_puts(&b, "ID3");
		while ((int64_t)b.n < bytes && !b.failed)
			ag_buf_putc(&b, (char)(b.n & 255));
		mock_put_whole(job, a, 200, "audio/mpeg", headers, &b);
	}
	ag_buf_fini(&b);
}

/* Whisper tells seconds, its successors tokens. */
static void
put_transcript_usage(struct ag_buf *b, const struct mock_job *job, const struct mock_reply *r)
{
	if (ag_str_starts(job->facts->model, AG_STR("whisper")))
		ag_buf_printf(b, ",\"usage\":{\"type\":\"duration\",\"seconds\":%lld}",
			      (long long)mock_do_num(job->what, MOCK_KEY_SECONDS, 3));
	else
		ag_buf_printf(
			b,
			",\"usage\":{\"type\":\"tokens\",\"input_tokens\":%lld,\"input_token_details\":{\"text_tokens\":%lld,"
			"\"audio_tokens\":%lld},\"output_tokens\":%lld,\"total_tokens\":%lld}",
			(long long)r->n.in, (long long)r->n.in - (long long)r->n.audio_in,
			(long long)r->n.audio_in, (long long)r->n.out,
			(long long)r->n.in + (long long)r->n.out);
}

static void
render_transcript(const struct mock_job *job, const struct mock_reply *r, struct ag_str headers,
		  struct mock_answer *a)
{
	bool is_file = false;
	struct ag_str format = field_of(job, "response_format", &is_file);
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	if (job->facts->stream) {
		mock_put_stream(job, a, "text/event-stream", headers);
		for (int64_t k = 0; k < r->slices; k++) {
			ag_buf_puts(&b, "{\"type\":\"transcript.text.delta\",\"delta\":");
			mock_put_text(&b, mock_reply_slice(r, k));
			ag_buf_putc(&b, '}');
			mock_put_event(a, NULL, &b, "\n", (int32_t)k + 1);
			ag_buf_reset(&b);
		}
		ag_buf_puts(&b, "{\"type\":\"transcript.text.done\",\"text\":");
		mock_put_text(&b, r->text);
		put_transcript_usage(&b, job, r);
		ag_buf_putc(&b, '}');
		mock_put_event(a, NULL, &b, "\n", (int32_t)r->slices);
		mock_answer_end(a);
	} else if (ag_str_eq(format, AG_STR("text"))) {
		ag_buf_put_str(&b, r->text);
		mock_put_whole(job, a, 200, "text/plain; charset=utf-8", headers, &b);
	} else {
		ag_buf_puts(&b, "{\"text\":");
		mock_put_text(&b, r->text);
		if (ag_str_eq(format, AG_STR("verbose_json")))
			ag_buf_printf(&b,
				      ",\"language\":\"english\",\"duration\":%lld,\"segments\":[]",
				      (long long)mock_do_num(job->what, MOCK_KEY_SECONDS, 3));
		put_transcript_usage(&b, job, r);
		ag_buf_putc(&b, '}');
		mock_put_whole(job, a, 200, NULL, headers, &b);
	}
	ag_buf_fini(&b);
}

static void
render_moderation(const struct mock_job *job, struct ag_str headers, struct mock_answer *a)
{
	static const char *const category[] = {"harassment",
					       "harassment/threatening",
					       "hate",
					       "hate/threatening",
					       "illicit",
					       "illicit/violent",
					       "self-harm",
					       "self-harm/instructions",
					       "self-harm/intent",
					       "sexual",
					       "sexual/minors",
					       "violence",
					       "violence/graphic"};
	json_object *input = mock_get(job->facts->tree, "input"), *first = ag_json_at(input, 0);
	size_t n = json_object_is_type(first, json_type_string) ? ag_json_len(input) : 1;
	struct ag_buf b;

	ag_buf_init(&b, BODY_MAX);
	ag_buf_printf(
		&b, "{\"id\":\"modr-mock%llu\",\"model\":\"omni-moderation-latest\",\"results\":[",
		(unsigned long long)job->serial);
	for (size_t i = 0; i < n; i++) {
		ag_buf_puts(&b, i > 0 ? ",{\"flagged\":false,\"categories\":{"
				      : "{\"flagged\":false,\"categories\":{");
		for (size_t k = 0; k < AG_ARRAY_LEN(category); k++)
			ag_buf_printf(&b, "%s\"%s\":false", k > 0 ? "," : "", category[k]);
		ag_buf_puts(&b, "},\"category_scores\":{");
		for (size_t k = 0; k < AG_ARRAY_LEN(category); k++)
			ag_buf_printf(&b, "%s\"%s\":0.001", k > 0 ? "," : "", category[k]);
		ag_buf_puts(&b, "},\"category_applied_input_types\":{");
		for (size_t k = 0; k < AG_ARRAY_LEN(category); k++)
			ag_buf_printf(&b, "%s\"%s\":[\"text\"]", k > 0 ? "," : "", category[k]);
		ag_buf_puts(&b, "}}");
	}
	ag_buf_puts(&b, "]}");
	mock_put_whole(job, a, 200, NULL, headers, &b);
	ag_buf_fini(&b);
}

void
mock_media_render(const struct mock_job *job, struct mock_answer *a)
{
	bool is_counted = job->facts->endpoint != MOCK_EP_MODERATIONS;
	struct mock_reply r;
	struct ag_buf headers;

	mock_reply_init(&r, job, "call_");
	ag_buf_init(&headers, 4096);
	mock_openai_headers(job, &headers);
	if (job->facts->endpoint == MOCK_EP_MODERATIONS)
		render_moderation(job, ag_buf_str(&headers), a);
	else if (job->facts->endpoint == MOCK_EP_SPEECH)
		render_speech(job, &r, ag_buf_str(&headers), a);
	else if (job->facts->endpoint == MOCK_EP_TRANSCRIPTION)
		render_transcript(job, &r, ag_buf_str(&headers), a);
	else if (job->facts->stream)
		stream_image(job, &r, ag_buf_str(&headers), a);
	else
		render_image(job, &r, ag_buf_str(&headers), a);
	if (is_counted)
		mock_reply_count(&r, a, r.n.in, r.n.out);
	ag_buf_fini(&headers);
	mock_reply_fini(&r);
}
