/* cohere_exchange.c - OpenAI's embeddings as Cohere's, and rankings. */
#include <errno.h>

#include "base/json.h"
#include "translate/cohere.h"
#include "translate/embeddings.h"
#include "translate/json_out.h"
#include "translate/tree.h"

#define TEXTS_MAX 96u

/* ---- embeddings -------------------------------------------------------------------------- */

int
ag_cohere_put_embed(const struct ag_exchange_in *in, struct json_object *body, bool has_model, struct ag_buf *out,
    struct ag_err *err)
{
	static const struct ag_fields fields = { .taken = { "dimensions", "input_type", "truncate" } };
	struct ag_str input_type = ag_tree_str(body, "input_type");
	struct json_object *texts;
	int rc = ag_embeddings_texts(in, body, &fields, TEXTS_MAX, &texts, err);

	if (rc < 0)
		return rc;
	ag_jo_open(out, NULL, '{');
	if (has_model)
		ag_jo_str(out, "model", in->model);
	ag_jo_tree(out, "texts", texts);
	/* What is searched, or what it is searched with: clients that know the difference say it. */
	ag_jo_str(out, "input_type", input_type.n > 0 ? input_type : AG_STR("search_document"));
	ag_jo_raw(out, "embedding_types", AG_STR("[\"float\"]"));
	if (ag_tree_get(body, "dimensions"))
		ag_jo_tree(out, "output_dimension", ag_tree_get(body, "dimensions"));
	if (ag_tree_str(body, "truncate").n > 0)
		ag_jo_str(out, "truncate", ag_tree_str(body, "truncate"));
	ag_jo_close(out, '}');
	json_object_put(texts);
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}

static int
build_embed(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *body;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = ag_cohere_put_embed(in, body, true, out, err);
	json_object_put(body);
	return rc;
}

static int
answer_embed(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a, struct ag_buf *out)
{
	struct json_object *o;
	int rc;

	ag_wire_cohere.on_body(in->family, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	rc = ag_embeddings_write(in, ag_tree_array(ag_tree_object(o, "embeddings"), "float"), NULL, NULL, &a->usage, out);
	json_object_put(o);
	return rc;
}

/* ---- rankings ---------------------------------------------------------------------------- */

static int
put_documents(struct json_object *documents, struct ag_buf *out, struct ag_err *err)
{
	ag_jo_open(out, "documents", '[');
	for (size_t i = 0; i < ag_json_len(documents); i++) {
		struct json_object *one = ag_json_at(documents, i);
		struct ag_str text = json_object_is_type(one, json_type_object) ? ag_tree_str(one, "text") : ag_tree_text(one);

		if (!text.p)
			return ag_err_set(err, -EINVAL, "documents[%zu]: a text, or an object with one, is required", i);
		ag_jo_str(out, NULL, text);
	}
	ag_jo_close(out, ']');
	return 0;
}

static int
put_rerank(const struct ag_exchange_in *in, struct json_object *body, struct ag_buf *out, struct ag_err *err)
{
	static const struct ag_fields fields = { .taken = { "model", "query", "documents", "top_n", "max_tokens_per_doc" } };
	static const struct ag_kind kinds[] = { { AG_KIND_TEXT, { "model", "query" } }, { AG_KIND_ARRAY, { "documents" } },
		{ AG_KIND_NUMBER, { "top_n", "max_tokens_per_doc" } }, { 0, { NULL } } };
	static const char *const same[] = { "top_n", "max_tokens_per_doc" };
	const struct ag_refuser r = { .by = in->family->name, .is_strict = in->is_strict, .kinds = kinds,
		.err = err };
	int rc = ag_fields_check(body, &fields, NULL, AG_BODY, &r);

	if (rc < 0)
		return rc;
	if (!ag_tree_str(body, "query").p)
		return ag_err_set(err, -EINVAL, "query: a string is required");
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "model", in->model);
	ag_jo_str(out, "query", ag_tree_str(body, "query"));
	rc = put_documents(ag_tree_array(body, "documents"), out, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < AG_ARRAY_LEN(same); i++)
		if (ag_tree_get(body, same[i]))
			ag_jo_tree(out, same[i], ag_tree_get(body, same[i]));
	ag_jo_close(out, '}');
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}

static int
build_rerank(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *body;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = put_rerank(in, body, out, err);
	json_object_put(body);
	return rc;
}

/* The same for everybody who ranks: the results, and what was counted. */
static int
answer_rerank(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a, struct ag_buf *out)
{
	struct json_object *o;

	ag_wire_cohere.on_body(in->family, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	if (!ag_tree_array(o, "results")) {
		json_object_put(o);
		return -EBADMSG;
	}
	ag_jo_open(out, NULL, '{');
	if (ag_tree_str(o, "id").n > 0)
		ag_jo_str(out, "id", ag_tree_str(o, "id"));
	ag_jo_str(out, "model", in->model);
	ag_jo_tree(out, "results", ag_tree_array(o, "results"));
	if (ag_tree_object(o, "meta"))
		ag_jo_tree(out, "meta", ag_tree_object(o, "meta"));
	ag_jo_close(out, '}');
	json_object_put(o);
	return out->failed ? -ENOBUFS : 0;
}

const struct ag_exchange ag_exchange_cohere_embed = {
	.from = AG_EP_EMBEDDING, .to = AG_EP_COHERE_EMBED, .build = build_embed, .answer = answer_embed,
	.read_error = ag_cohere_read_error,
};

const struct ag_exchange ag_exchange_cohere_rerank = {
	.from = AG_EP_RERANK, .to = AG_EP_COHERE_RERANK, .build = build_rerank, .answer = answer_rerank,
	.read_error = ag_cohere_read_error,
};
