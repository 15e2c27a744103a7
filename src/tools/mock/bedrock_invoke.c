/* bedrock_invoke.c - models in their own formats: Claude's messages, embeddings of Titan and of Cohere. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/json.h"
#include "tools/mock/anthropic.h"
#include "tools/mock/bedrock.h"

#define BODY_MAX (40u * 1024u * 1024u)

static const struct mock_field titan[] = {MOCK_ROW("inputText", MOCK_S | MOCK_REQUIRED | MOCK_SOME),
					  {"dimensions", MOCK_I, NULL, NULL, 256, 1024},
					  MOCK_ROW("normalize", MOCK_B),
					  MOCK_ROW("embeddingTypes", MOCK_A | MOCK_TEXTS),
					  MOCK_END};
static const struct mock_field cohere[] = {
	{"texts", MOCK_A | MOCK_TEXTS | MOCK_SOME, NULL, NULL, 0, 96},
	MOCK_ROW("images", MOCK_A | MOCK_TEXTS),
	{"input_type", MOCK_S | MOCK_REQUIRED, NULL,
	 "search_document search_query classification clustering image", 0, 0},
	{"truncate", MOCK_S, NULL, "NONE START END LEFT RIGHT", 0, 0},
	MOCK_ROW("embedding_types", MOCK_A | MOCK_TEXTS),
	MOCK_ROW("output_dimension", MOCK_I),
	MOCK_ROW("max_tokens", MOCK_I),
	MOCK_END};

static bool
names(struct ag_str model, const char *what)
{
	return model.n > 0 && memmem(model.p, model.n, what, strlen(what)) != NULL;
}

enum mock_native
mock_bedrock_native(struct ag_str model)
{
	if (names(model, "anthropic.claude"))
		return MOCK_NATIVE_CLAUDE;
	if (names(model, "amazon.titan-embed-text"))
		return MOCK_NATIVE_TITAN_EMBED;
	return names(model, "cohere.embed") ? MOCK_NATIVE_COHERE_EMBED : MOCK_NATIVE_NONE;
}

static int
read_embed(const struct mock_job *job, const struct mock_field *fields, struct mock_facts *out,
	   struct mock_fault *fault)
{
	struct mock_shape shape = {.fields = fields};
	struct mock_flaw flaw;
	struct mock_facts f;

	if (mock_facts_tree(job->body, MOCK_EP_INVOKE, &f, fault) < 0)
		return -EINVAL;
	if (mock_shape_check(&shape, f.tree, &flaw) < 0) {
		snprintf(fault->message, sizeof(fault->message),
			 "Malformed input request: #/%s: %s, please reformat your "
			 "input and try again.",
			 flaw.path, flaw.why);
		mock_facts_fini(&f);
		return -EINVAL;
	}
	f.model = job->model_id;
	f.inputs = mock_get(f.tree, "texts") ? (int64_t)ag_json_len(mock_get(f.tree, "texts")) : 1;
	f.dimensions = mock_get_int(f.tree, "dimensions",
				    mock_get_int(f.tree, "output_dimension", f.dimensions));
	*out = f;
	return 0;
}

int
mock_bedrock_invoke_read(const struct mock_job *job, struct mock_facts *out,
			 struct mock_fault *fault)
{
	int rc;

	switch (mock_bedrock_native(job->model_id)) {
	case MOCK_NATIVE_TITAN_EMBED:
		return read_embed(job, titan, out, fault);
	case MOCK_NATIVE_COHERE_EMBED:
		return read_embed(job, cohere, out, fault);
	case MOCK_NATIVE_CLAUDE:
		rc = mock_anthropic_read_as(MOCK_CLAUDE_BEDROCK, job, MOCK_EP_INVOKE, out, fault);
		if (rc == 0)
			out->stream = memmem(job->path.p, job->path.n, "-stream", 7) != NULL;
		return rc;
	case MOCK_NATIVE_NONE:
		break;
	}
	snprintf(fault->message, sizeof(fault->message),
		 "The provided model identifier is invalid.");
	return -EINVAL;
}

/* An event of the Messages API inside a frame of ours. */
static void
sink_frame(void *arg, const char *name, const struct ag_buf *data, int32_t chunks)
{
	struct ag_buf b;

	(void)name;
	ag_buf_init(&b, BODY_MAX);
	ag_buf_puts(&b, "{\"bytes\":\"");
	mock_put_base64(&b, (const unsigned char *)data->p, data->n);
	ag_buf_puts(&b, "\",\"p\":\"abcdef\"}");
	mock_bedrock_frame(arg, "event", "chunk", &b, chunks);
	ag_buf_fini(&b);
}

static void
render_claude(const struct mock_job *job, struct mock_answer *a)
{
	struct mock_reply r;
	struct ag_buf headers, b;

	mock_reply_init(&r, job, "toolu_");
	ag_buf_init(&headers, 4096);
	ag_buf_init(&b, BODY_MAX);
	mock_bedrock_headers(job, &headers);
	if (job->facts->stream) {
		mock_put_stream(job, a, "application/vnd.amazon.eventstream", ag_buf_str(&headers));
		mock_anthropic_events(job, &r, sink_frame, a);
		mock_answer_end(a);
	} else {
		mock_anthropic_message(job, &r, &b);
		mock_put_whole(job, a, 200, NULL, ag_buf_str(&headers), &b);
	}
	mock_anthropic_count(&r, a);
	ag_buf_fini(&b);
	ag_buf_fini(&headers);
	mock_reply_fini(&r);
}

static void
put_vector(struct ag_buf *b, int64_t n, int64_t entry)
{
	ag_buf_putc(b, '[');
	for (int64_t i = 0; i < n; i++)
		ag_buf_printf(b, "%s0.%03lld", i > 0 ? "," : "",
			      (long long)((i * 37 + entry * 11) % 900 + 10));
	ag_buf_putc(b, ']');
}

static void
render_embed(const struct mock_job *job, bool is_titan, struct mock_answer *a)
{
	const struct mock_facts *f = job->facts;
	bool has_types = mock_get(f->tree, is_titan ? "embeddingTypes" : "embedding_types") != NULL;
	int64_t tokens = mock_do_num(job->what, MOCK_KEY_PROMPT_TOKENS, 4 * f->inputs);
	struct ag_buf headers, b;

	ag_buf_init(&headers, 4096);
	ag_buf_init(&b, BODY_MAX);
	mock_bedrock_headers(job, &headers);
	ag_buf_printf(&headers, "x-amzn-bedrock-input-token-count: %lld\r\n", (long long)tokens);
	if (is_titan) {
		ag_buf_puts(&b, "{\"embedding\":");
		put_vector(&b, f->dimensions, 0);
		if (has_types) {
			ag_buf_puts(&b, ",\"embeddingsByType\":{\"float\":");
			put_vector(&b, f->dimensions, 0);
			ag_buf_putc(&b, '}');
		}
		mock_put_num(&b, "inputTextTokenCount", tokens);
		ag_buf_putc(&b, '}');
	} else {
		ag_buf_puts(&b, has_types ? "{\"embeddings\":{\"float\":[" : "{\"embeddings\":[");
		for (int64_t i = 0; i < f->inputs; i++) {
			ag_buf_puts(&b, i > 0 ? "," : "");
			put_vector(&b, f->dimensions, i);
		}
		ag_buf_puts(&b,
			    has_types
				    ? "]},\"id\":\"mock\",\"response_type\":\"embeddings_by_type\"}"
				    : "],\"id\":\"mock\",\"response_type\":\"embeddings_floats\"}");
	}
	mock_put_whole(job, a, 200, NULL, ag_buf_str(&headers), &b);
	a->prompt_tokens = a->usage_prompt = tokens;
	a->usage_end = a->out.n;
	ag_buf_fini(&b);
	ag_buf_fini(&headers);
}

void
mock_bedrock_invoke(const struct mock_job *job, struct mock_answer *a)
{
	enum mock_native native = mock_bedrock_native(job->facts->model);

	if (native == MOCK_NATIVE_CLAUDE)
		render_claude(job, a);
	else
		render_embed(job, native == MOCK_NATIVE_TITAN_EMBED, a);
}
