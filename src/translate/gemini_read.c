/* gemini_read.c - answers of generateContent as pieces.
 *
 * Each chunk holds new parts only, calls whole; the end of the bytes is the end of the answer, if a
 * finishReason was seen. */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "translate/chat.h"
#include "translate/gemini.h"
#include "translate/json_out.h"
#include "translate/openai.h"

#define CANDIDATES_MAX 8u

struct candidate {
	uint32_t n_tools;
	bool has_begun, has_finished, has_content;
};

struct state {
	struct candidate candidate[CANDIDATES_MAX];
	bool has_started, has_ended, is_malformed;
};

static int
put(const struct ag_piece_sink *sink, enum ag_piece_kind kind, uint32_t choice, struct ag_str text)
{
	struct ag_piece p = { .kind = kind, .choice = choice, .text = text };

	return text.n > 0 ? ag_piece_put(sink, &p) : 0;
}

static enum ag_finish
finish_of(struct ag_str word, bool has_tools)
{
	static const struct ag_str filtered[] = { { "SAFETY", 6 }, { "RECITATION", 10 }, { "BLOCKLIST", 9 },
		{ "PROHIBITED_CONTENT", 18 }, { "SPII", 4 }, { "IMAGE_SAFETY", 12 },
		{ "IMAGE_PROHIBITED_CONTENT", 24 }, { "IMAGE_RECITATION", 16 }, { "LANGUAGE", 8 } };

	if (ag_str_eq(word, AG_STR("MAX_TOKENS")) || ag_str_eq(word, AG_STR("CONTINUATION")))
		return AG_FINISH_LENGTH;
	for (size_t i = 0; i < AG_ARRAY_LEN(filtered); i++)
		if (ag_str_eq(word, filtered[i]))
			return AG_FINISH_FILTER;
	return has_tools ? AG_FINISH_TOOLS : AG_FINISH_STOP;
}

/* Whoever asked for calls and gets none of them, nor anything else, did not get an answer. */
static bool
is_failure(struct ag_str word)
{
	static const struct ag_str words[] = { { "MALFORMED_FUNCTION_CALL", 23 }, { "UNEXPECTED_TOOL_CALL", 20 },
		{ "TOO_MANY_TOOL_CALLS", 19 }, { "MALFORMED_RESPONSE", 18 }, { "NO_IMAGE", 8 },
		{ "IMAGE_OTHER", 11 }, { "OTHER", 5 }, { "FINISH_REASON_UNSPECIFIED", 25 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (ag_str_eq(word, words[i]))
			return true;
	return false;
}

static int
on_call(struct state *s, uint32_t ci, struct json_object *part, const struct ag_piece_sink *sink)
{
	struct candidate *c = &s->candidate[ci];
	struct json_object *call = ag_tree_object(part, "functionCall"), *args = ag_tree_object(call, "args");
	struct ag_str id = ag_tree_str(call, "id"), proof = ag_tree_str(part, "thoughtSignature");
	struct ag_piece p = { .kind = AG_PIECE_TOOL, .choice = ci, .tool = c->n_tools, .id = id,
		.name = ag_tree_str(call, "name") };
	int rc;

	c->n_tools++;
	rc = ag_piece_put(sink, &p);
	p.id = p.name = AG_STR_NONE;
	if (rc == 0 && proof.n > 0) {
		p.kind = AG_PIECE_SIGNATURE;
		p.text = proof;
		rc = ag_piece_put(sink, &p);
	}
	p.kind = AG_PIECE_TOOL_ARGS;
	p.text = ag_chat_arguments(args);
	if (rc == 0)
		rc = ag_piece_put(sink, &p);
	p.kind = AG_PIECE_TOOL_END;
	p.text = AG_STR_NONE;
	return rc < 0 ? rc : ag_piece_put(sink, &p);
}

static int
on_image(uint32_t ci, struct json_object *inline_data, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_IMAGE, .choice = ci, .name = ag_tree_str(inline_data, "mimeType"),
		.text = ag_tree_str(inline_data, "data") };

	return ag_str_starts(p.name, AG_STR("image/")) && p.text.n > 0 ? ag_piece_put(sink, &p) : 0;
}

static int
on_part(struct state *s, uint32_t ci, struct json_object *part, const struct ag_piece_sink *sink)
{
	bool is_thought = ag_tree_true(part, "thought");
	struct ag_str proof = ag_tree_str(part, "thoughtSignature");
	int rc;

	if (ag_tree_object(part, "functionCall")) {
		s->candidate[ci].has_content = true;
		return on_call(s, ci, part, sink);
	}
	if (ag_tree_object(part, "inlineData")) {
		s->candidate[ci].has_content = true;
		return on_image(ci, ag_tree_object(part, "inlineData"), sink);
	}
	s->candidate[ci].has_content |= ag_tree_str(part, "text").n > 0;
	rc = put(sink, is_thought ? AG_PIECE_REASONING : AG_PIECE_TEXT, ci, ag_tree_str(part, "text"));
	return rc == 0 && is_thought ? put(sink, AG_PIECE_SIGNATURE, ci, proof) : rc;
}

/* The pages that parts of the text rest on, as OpenAI's annotations. */
static int
on_grounding(uint32_t ci, struct json_object *grounding, const struct ag_piece_sink *sink)
{
	struct json_object *chunks = ag_tree_array(grounding, "groundingChunks");
	struct json_object *supports = ag_tree_array(grounding, "groundingSupports");
	struct ag_buf b;
	int rc = 0;

	ag_buf_init(&b, (size_t)1 << 20);
	for (size_t i = 0; i < ag_json_len(supports) && rc == 0; i++) {
		struct json_object *one = ag_json_at(supports, i), *segment = ag_tree_object(one, "segment");
		struct json_object *ix = ag_tree_array(one, "groundingChunkIndices"), *web;
		int64_t at = ag_json_len(ix) > 0 ? json_object_get_int64(ag_json_at(ix, 0)) : -1;

		if (at < 0 || (size_t)at >= ag_json_len(chunks))
			continue;
		web = ag_tree_object(ag_json_at(chunks, (size_t)at), "web");
		if (ag_tree_str(web, "uri").n == 0)
			continue;
		ag_buf_reset(&b);
		ag_jo_open(&b, NULL, '{');
		ag_jo_str(&b, "type", AG_STR("url_citation"));
		ag_jo_open(&b, "url_citation", '{');
		ag_jo_int(&b, "start_index", ag_tree_int(segment, "startIndex", 0));
		ag_jo_int(&b, "end_index", ag_tree_int(segment, "endIndex", 0));
		ag_jo_str(&b, "title", ag_tree_str(web, "title"));
		ag_jo_str(&b, "url", ag_tree_str(web, "uri"));
		ag_buf_puts(&b, "}}");
		rc = b.failed ? -ENOBUFS : put(sink, AG_PIECE_CITATION, ci, ag_buf_str(&b));
	}
	ag_buf_fini(&b);
	return rc;
}

static void
put_token(struct ag_buf *b, struct json_object *t)
{
	ag_jo_str(b, "token", ag_tree_str(t, "token"));
	if (ag_tree_get(t, "logProbability"))
		ag_jo_tree(b, "logprob", ag_tree_get(t, "logProbability"));
	else
		ag_jo_int(b, "logprob", 0);
	ag_jo_null(b, "bytes");
}

static int
on_logprobs(uint32_t ci, struct json_object *result, const struct ag_piece_sink *sink)
{
	struct json_object *chosen = ag_tree_array(result, "chosenCandidates");
	struct json_object *top = ag_tree_array(result, "topCandidates");
	struct ag_buf b;
	int rc;

	if (ag_json_len(chosen) == 0)
		return 0;
	ag_buf_init(&b, (size_t)16 << 20);
	ag_jo_open(&b, NULL, '{');
	ag_jo_open(&b, "content", '[');
	for (size_t i = 0; i < ag_json_len(chosen); i++) {
		struct json_object *others = i < ag_json_len(top)
		    ? ag_tree_array(ag_json_at(top, i), "candidates") : NULL;

		ag_jo_open(&b, NULL, '{');
		put_token(&b, ag_json_at(chosen, i));
		ag_jo_open(&b, "top_logprobs", '[');
		for (size_t k = 0; k < ag_json_len(others); k++) {
			ag_jo_open(&b, NULL, '{');
			put_token(&b, ag_json_at(others, k));
			ag_jo_close(&b, '}');
		}
		ag_jo_close(&b, ']');
		ag_jo_close(&b, '}');
	}
	ag_jo_close(&b, ']');
	ag_jo_null(&b, "refusal");
	ag_jo_close(&b, '}');
	rc = b.failed ? -ENOBUFS : put(sink, AG_PIECE_LOGPROBS, ci, ag_buf_str(&b));
	ag_buf_fini(&b);
	return rc;
}

static int
on_finish(struct state *s, uint32_t ci, struct ag_str word, enum ag_finish finish, const struct ag_piece_sink *sink)
{
	struct ag_piece p = { .kind = AG_PIECE_FINISH, .choice = ci, .finish = finish, .name = word };

	if (s->candidate[ci].has_finished)
		return 0;
	s->candidate[ci].has_begun = s->candidate[ci].has_finished = true;
	if (is_failure(word) && !s->candidate[ci].has_content)
		s->is_malformed = true;
	return ag_piece_put(sink, &p);
}

static int
on_candidate(struct state *s, struct json_object *candidate, const struct ag_piece_sink *sink)
{
	struct json_object *parts = ag_tree_array(ag_tree_object(candidate, "content"), "parts");
	int64_t index = ag_tree_int(candidate, "index", 0);
	struct ag_str word = ag_tree_str(candidate, "finishReason");
	uint32_t ci = (uint32_t)index;
	int rc = 0;

	if (index < 0 || index >= (int64_t)CANDIDATES_MAX)
		return -ENOBUFS;
	s->candidate[ci].has_begun = true;
	for (size_t i = 0; i < ag_json_len(parts) && rc == 0; i++)
		rc = on_part(s, ci, ag_json_at(parts, i), sink);
	if (rc == 0)
		rc = on_logprobs(ci, ag_tree_object(candidate, "logprobsResult"), sink);
	if (rc == 0)
		rc = on_grounding(ci, ag_tree_object(candidate, "groundingMetadata"), sink);
	if (rc == 0 && word.n > 0)
		rc = on_finish(s, ci, word, finish_of(word, s->candidate[ci].n_tools > 0), sink);
	return rc;
}

static int
on_error(struct state *s, struct json_object *e, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_client_error ce = { 0 };
	struct ag_piece p = { .kind = AG_PIECE_ERROR, .text = ag_tree_str(e, "message") };

	a->has_error = true;
	s->has_ended = true;
	ag_openai_error_of((int)ag_tree_int(e, "code", 500), &ce);
	p.id = ce.type;
	p.name = ce.code;
	return ag_piece_put(sink, &p);
}

static int
on_chunk(struct state *s, struct json_object *o, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct json_object *candidates = ag_tree_array(o, "candidates");
	struct ag_str blocked = ag_tree_str(ag_tree_object(o, "promptFeedback"), "blockReason");
	struct ag_piece start = { .kind = AG_PIECE_START, .id = ag_tree_str(o, "responseId"),
		.model = ag_tree_str(o, "modelVersion") };
	int rc = 0;

	if (ag_tree_object(o, "error"))
		return on_error(s, ag_tree_object(o, "error"), a, sink);
	if (!s->has_started) {
		s->has_started = true;
		rc = ag_piece_put(sink, &start);
	}
	for (size_t i = 0; i < ag_json_len(candidates) && rc == 0; i++)
		rc = on_candidate(s, ag_json_at(candidates, i), sink);
	if (rc == 0 && blocked.n > 0 && ag_json_len(candidates) == 0)
		rc = on_finish(s, 0, blocked, AG_FINISH_FILTER, sink);
	return rc;
}

/* Whole when each candidate that began has finished. */
static bool
is_whole(const struct state *s)
{
	bool any = false;

	for (size_t i = 0; i < CANDIDATES_MAX; i++) {
		if (s->candidate[i].has_begun && !s->candidate[i].has_finished)
			return false;
		any |= s->candidate[i].has_finished;
	}
	return any;
}

static int
on_end(struct state *s, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct ag_piece usage = { .kind = AG_PIECE_USAGE, .usage = &a->usage }, end = { .kind = AG_PIECE_END };
	int rc = a->has_usage ? ag_piece_put(sink, &usage) : 0;

	s->has_ended = true;
	a->has_done = true;
	return rc < 0 ? rc : ag_piece_put(sink, &end);
}

static int
read_event(void *state, const struct ag_provider *p, const struct ag_stream_event *ev, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	int rc;

	(void)ag_wire_gemini.on_event(p, ev->name, ev->data, a);
	if (s->has_ended)
		return 0;
	if (ag_tree_parse(ev->data, &o, NULL) < 0)
		return -EBADMSG;
	rc = on_chunk(s, o, a, sink);
	json_object_put(o);
	return rc;
}

static int
read_eof(void *state, struct ag_answer *a, const struct ag_piece_sink *sink)
{
	struct state *s = state;

	return s->has_ended || !is_whole(s) ? 0 : on_end(s, a, sink);
}

static int
read_body(void *state, const struct ag_provider *p, struct ag_str body, struct ag_answer *a,
    const struct ag_piece_sink *sink)
{
	struct state *s = state;
	struct json_object *o;
	int rc;

	ag_wire_gemini.on_body(p, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	rc = on_chunk(s, o, a, sink);
	json_object_put(o);
	if (rc < 0 || s->has_ended)
		return rc;
	return is_whole(s) && !s->is_malformed ? on_end(s, a, sink) : -EBADMSG;
}

const struct ag_reader ag_gemini_reader = {
	.state_bytes = sizeof(struct state), .event = read_event, .eof = read_eof, .body = read_body,
};
