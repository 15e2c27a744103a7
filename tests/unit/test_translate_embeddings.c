/* test_translate_embeddings.c - OpenAI's embeddings where models are invoked or predicted: Bedrock, Vertex AI. */
#include <json-c/json.h>

#include "fixture.h"
#include "tap.h"

static void
matches(struct ag_buf *text, const char *want, const char *what)
{
	struct json_object *w = fixture_json(want), *g;
	char at[256] = "";

	ag_buf_putc(text, '\0');
	g = json_tokener_parse(text->p);
	if (!ok(g && fixture_match(g, w, true, at, sizeof(at)), "%s", what))
		printf("# %s: %s\n", at, text->p);
	json_object_put(w);
	json_object_put(g);
}

/* A request there; want "!text": refused. */
static void
asks(const struct ag_exchange *x, const char *family, const char *model, const char *body, const char *want, const char *what)
{
	struct json_object *in = fixture_json(body);
	struct ag_exchange_in ex = { .body = ag_str(json_object_to_json_string(in)), .model = ag_str(model),
		.family = ag_provider_find(ag_str(family)) };
	struct ag_err err = { "" };
	struct ag_buf out;
	int rc;

	ag_buf_init(&out, 1 << 20);
	rc = x->build(&ex, &out, &err);
	if (*want != '!')
		matches(&out, want, what);
	else if (!ok(rc < 0 && strstr(err.text, want + 1), "%s", what))
		printf("# %s\n", err.text);
	ag_buf_fini(&out);
	json_object_put(in);
}

/* An answer back; tokens < 0: it did not tell.  want NULL: it is none. */
static void
answers(const struct ag_exchange *x, const char *family, const char *body, const char *want, int64_t tokens, const char *what)
{
	struct json_object *in = fixture_json(body);
	struct ag_exchange_in ex = { .body = AG_STR("{}"), .model = AG_STR("e"), .family = ag_provider_find(ag_str(family)) };
	struct ag_answer a = { .usage.provider_cost_nusd = -1 };
	struct ag_buf out;
	int rc;

	ag_buf_init(&out, 1 << 20);
	rc = x->answer(&ex, ag_str(json_object_to_json_string(in)), &a, &out);
	if (want)
		matches(&out, want, what);
	else
		ok(rc < 0, "%s", what);
	if (want)
		is_i64(a.has_usage ? (int64_t)ag_usage_input_total(&a.usage) : -1, tokens, "... and what was counted");
	ag_buf_fini(&out);
	json_object_put(in);
}

#define LIST(n) "'model':'e','object':'list','usage':{'prompt_tokens':" n ",'total_tokens':" n "}"
#define ONE(at, v) "{'object':'embedding','index':" at ",'embedding':" v "}"

static void
titan_takes_one_text(void)
{
	const struct ag_exchange *x = &ag_exchange_titan_embed;

	asks(x, "bedrock", "amazon.titan-embed-text-v2:0", "{'model':'m','input':'hi','dimensions':256,'normalize':false}",
	    "{'inputText':'hi','dimensions':256,'normalize':false}", "the second of them");
	asks(x, "bedrock", "amazon.titan-embed-text-v1", "{'model':'m','input':['hi']}", "{'inputText':'hi'}", "the first");
	asks(x, "bedrock", "amazon.titan-embed-text-v1", "{'model':'m','input':'hi','dimensions':256}", "!dimensions: ", "which has one size");
	asks(x, "bedrock", "amazon.titan-embed-text-v2:0", "{'model':'m','input':['a','b']}", "!input: at most 1", "two texts");
	answers(x, "bedrock", "{'embedding':[0.5,-1.5],'inputTextTokenCount':7}", "{"LIST("7")",'data':["ONE("0", "[0.5,-1.5]")"]}", 7, "its answer");
	answers(x, "bedrock", "{'embedding':[0.5]}", "{"LIST("0")",'data':["ONE("0", "[0.5]")"]}", -1, "one that does not tell");
	answers(x, "bedrock", "{'inputTextTokenCount':7}", NULL, 0, "no vector is no answer");
}

static void
cohere_is_invoked_on_bedrock(void)
{
	const struct ag_exchange *x = &ag_exchange_invoke_cohere_embed;

	asks(x, "bedrock", "cohere.embed-v4:0", "{'model':'m','input':['a','b'],'dimensions':256,'input_type':'search_query'}",
	    "{'texts':['a','b'],'input_type':'search_query','embedding_types':['float'],'output_dimension':256}", "no model in the body");
	answers(x, "bedrock", "{'embeddings':{'float':[[0.5],[1.5]]},'response_type':'embeddings_by_type'}",
	    "{"LIST("0")",'data':["ONE("0", "[0.5]")","ONE("1", "[1.5]")"]}", -1, "vectors by type");
	answers(x, "bedrock", "{'embeddings':[[0.5]],'response_type':'embeddings_floats'}", "{"LIST("0")",'data':["ONE("0", "[0.5]")"]}", -1,
	    "vectors alone");
	answers(x, "bedrock", "{'embeddings':[]}", NULL, 0, "none");
	ok(x->input_header && strcmp(x->input_header, "x-amzn-bedrock-input-token-count") == 0, "a header tells its tokens");
}

static void
google_s_models_are_predicted(void)
{
	const struct ag_exchange *x = &ag_exchange_vertex_embed;

	asks(x, "vertex-ai", "text-embedding-005", "{'model':'m','input':['a','b'],'dimensions':8,'task_type':'RETRIEVAL_QUERY','auto_truncate':false}",
	    "{'instances':[{'content':'a','task_type':'RETRIEVAL_QUERY'},{'content':'b','task_type':'RETRIEVAL_QUERY'}],"
	    "'parameters':{'outputDimensionality':8,'autoTruncate':false}}", "an instance each");
	asks(x, "vertex-ai", "text-embedding-005", "{'model':'m','input':'a'}", "{'instances':[{'content':'a'}]}", "no parameters");
	answers(x, "vertex-ai", "{'predictions':[{'embeddings':{'values':[0.5],'statistics':{'token_count':3.0,'truncated':false}}},"
	    "{'embeddings':{'values':[1.5],'statistics':{'token_count':4}}}]}", "{"LIST("7")",'data':["ONE("0", "[0.5]")","ONE("1", "[1.5]")"]}", 7,
	    "counts are summed");
	answers(x, "vertex-ai", "{'predictions':[{'embeddings':{'values':[0.5],'statistics':{'token_count':3}}},{'embeddings':{'values':[1.5]}}]}",
	    "{"LIST("0")",'data':["ONE("0", "[0.5]")","ONE("1", "[1.5]")"]}", -1, "half of a count is none");
	answers(x, "vertex-ai", "{'predictions':[{'embeddings':{}}]}", NULL, 0, "no vector is no answer");
	x = &ag_exchange_gemini_embed_one;
	asks(x, "vertex-ai", "gemini-embedding-2", "{'model':'m','input':'a','dimensions':8}",
	    "{'content':{'parts':[{'text':'a'}]},'outputDimensionality':8}", "the newest takes one");
	asks(x, "vertex-ai", "gemini-embedding-2", "{'model':'m','input':['a','b']}", "!input: at most 1", "and not two");
	answers(x, "vertex-ai", "{'embedding':{'values':[0.5]},'usageMetadata':{'promptTokenCount':5,'totalTokenCount':5}}",
	    "{"LIST("5")",'data':["ONE("0", "[0.5]")"]}", 5, "its answer");
	answers(x, "vertex-ai", "{'embeddings':[]}", NULL, 0, "another one's answer");
}

static void
a_model_has_its_paths(void)
{
	static const struct { const char *family, *model; enum ag_endpoint from, to; } rows[] = {
		{ "bedrock", "amazon.titan-embed-text-v2:0", AG_EP_EMBEDDING, AG_EP_TITAN_EMBED },
		{ "bedrock", "cohere.embed-v4:0", AG_EP_EMBEDDING, AG_EP_INVOKE_COHERE_EMBED },
		{ "bedrock", "us.cohere.embed-v4:0", AG_EP_EMBEDDING, AG_EP_INVOKE_COHERE_EMBED },
		{ "bedrock", "amazon.nova-pro-v1:0", AG_EP_CHAT, AG_EP_CONVERSE },
		{ "bedrock", "amazon.nova-pro-v1:0", AG_EP_EMBEDDING, AG_EP_NONE },
		{ "bedrock", "amazon.titan-embed-text-v2:0", AG_EP_CHAT, AG_EP_NONE },
		{ "vertex-ai", "text-embedding-005", AG_EP_EMBEDDING, AG_EP_VERTEX_EMBED },
		{ "vertex-ai", "text-multilingual-embedding-002", AG_EP_EMBEDDING, AG_EP_VERTEX_EMBED },
		{ "vertex-ai", "gemini-embedding-001", AG_EP_EMBEDDING, AG_EP_VERTEX_EMBED },
		{ "vertex-ai", "gemini-embedding-2", AG_EP_EMBEDDING, AG_EP_GEMINI_EMBED_ONE },
		{ "vertex-ai", "gemini-2.5-flash", AG_EP_CHAT, AG_EP_GENERATE },
		{ "vertex-ai", "gemini-2.5-flash", AG_EP_EMBEDDING, AG_EP_NONE },
		{ "vertex-ai", "claude-opus-4-5@20251101", AG_EP_CHAT, AG_EP_MESSAGES },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		const struct ag_provider_path *path = ag_provider_serve(ag_provider_find(ag_str(rows[i].family)), rows[i].from,
		    ag_str(rows[i].model));

		is_i64(path ? path->endpoint : AG_EP_NONE, rows[i].to, rows[i].model);
	}
}

int
main(void)
{
	titan_takes_one_text();
	cohere_is_invoked_on_bedrock();
	google_s_models_are_predicted();
	a_model_has_its_paths();
	return done();
}
