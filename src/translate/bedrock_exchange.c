/* bedrock_exchange.c - OpenAI's embeddings for the models of Bedrock that are invoked: Titan's, which take
 * one text, and Cohere's, whose answer tells its tokens in a header. */
#include <errno.h>

#include "base/json.h"
#include "translate/cohere.h"
#include "translate/converse.h"
#include "translate/embeddings.h"
#include "translate/json_out.h"
#include "translate/tree.h"

/* ---- Titan ------------------------------------------------------------------------------- */

static int
put_titan(const struct ag_exchange_in *in, struct json_object *body, struct ag_buf *out, struct ag_err *err)
{
	/* The first of them knows no dimensions. */
	static const struct ag_fields second = { .taken = { "dimensions", "normalize" } }, first = { .taken = { NULL } };
	bool is_first = memmem(in->model.p, in->model.n, "embed-text-v1", 13) != NULL;
	struct json_object *texts, *normalize = ag_tree_get(body, "normalize");
	int rc = ag_embeddings_texts(in, body, is_first ? &first : &second, 1, &texts, err);

	if (rc < 0)
		return rc;
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "inputText", ag_tree_text(ag_json_at(texts, 0)));
	if (ag_tree_get(body, "dimensions"))
		ag_jo_tree(out, "dimensions", ag_tree_get(body, "dimensions"));
	if (normalize)
		ag_jo_tree(out, "normalize", normalize);
	ag_jo_close(out, '}');
	json_object_put(texts);
	return out->failed ? ag_err_set(err, -ENOBUFS, "the request is too large") : 0;
}

static int
build_titan(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *body;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = put_titan(in, body, out, err);
	json_object_put(body);
	return rc;
}

static int
answer_titan(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a, struct ag_buf *out)
{
	struct json_object *o, *list;
	int64_t n;
	int rc;

	a->has_done = true;
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	n = ag_tree_count(o, "inputTextTokenCount");
	if (n >= 0)
		ag_embeddings_told(a, (uint64_t)n);
	list = ag_tree_new_array();
	ag_tree_push(list, json_object_get(ag_tree_array(o, "embedding")));
	rc = ag_tree_is_short() ? -EBADMSG : ag_embeddings_write(in, list, NULL, NULL, &a->usage, out);
	json_object_put(list);
	json_object_put(o);
	return rc;
}

/* ---- Cohere ------------------------------------------------------------------------------ */

static int
build_cohere(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *body;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = ag_cohere_put_embed(in, body, false, out, err);
	json_object_put(body);
	return rc;
}

/* By type where types were asked for, and as a plain list by the models that know none. */
static int
answer_cohere(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a, struct ag_buf *out)
{
	struct json_object *o, *list;
	int rc;

	a->has_done = true;
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	list = ag_tree_array(o, "embeddings");
	if (!list)
		list = ag_tree_array(ag_tree_object(o, "embeddings"), "float");
	rc = ag_embeddings_write(in, list, NULL, NULL, &a->usage, out);
	json_object_put(o);
	return rc;
}

const struct ag_exchange ag_exchange_titan_embed = {
	.from = AG_EP_EMBEDDING, .to = AG_EP_TITAN_EMBED, .build = build_titan, .answer = answer_titan,
	.read_error = ag_converse_read_error,
};

const struct ag_exchange ag_exchange_invoke_cohere_embed = {
	.from = AG_EP_EMBEDDING, .to = AG_EP_INVOKE_COHERE_EMBED, .build = build_cohere, .answer = answer_cohere,
	.read_error = ag_converse_read_error, .input_header = "x-amzn-bedrock-input-token-count",
};
