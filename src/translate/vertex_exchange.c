/* vertex_exchange.c - OpenAI's embeddings as Vertex AI's predict. */
#include <errno.h>

#include "base/json.h"
#include "translate/embeddings.h"
#include "translate/gemini.h"
#include "translate/json_out.h"
#include "translate/tree.h"

#define TEXTS_MAX 250u

static void
put_instance(struct json_object *body, struct ag_str text, struct ag_buf *out)
{
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "content", text);
	/* What they are for: clients that know of it say it. */
	if (ag_tree_str(body, "task_type").n > 0)
		ag_jo_str(out, "task_type", ag_tree_str(body, "task_type"));
	if (ag_tree_str(body, "title").n > 0)
		ag_jo_str(out, "title", ag_tree_str(body, "title"));
	ag_jo_close(out, '}');
}

static void
put_parameters(struct json_object *body, struct ag_buf *out)
{
	struct json_object *dimensions = ag_tree_get(body, "dimensions"), *truncate = ag_tree_get(body, "auto_truncate");

	if (!dimensions && !truncate)
		return;
	ag_jo_open(out, "parameters", '{');
	if (dimensions)
		ag_jo_tree(out, "outputDimensionality", dimensions);
	if (truncate)
		ag_jo_tree(out, "autoTruncate", truncate);
	ag_jo_close(out, '}');
}

static int
build(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	static const struct ag_fields fields = { .taken = { "dimensions", "task_type", "title", "auto_truncate" } };
	struct json_object *body, *texts = NULL;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = ag_embeddings_texts(in, body, &fields, TEXTS_MAX, &texts, err);
	if (rc == 0) {
		ag_jo_open(out, NULL, '{');
		ag_jo_open(out, "instances", '[');
		for (size_t i = 0; i < ag_json_len(texts); i++)
			put_instance(body, ag_tree_text(ag_json_at(texts, i)), out);
		ag_jo_close(out, ']');
		put_parameters(body, out);
		ag_jo_close(out, '}');
	}
	json_object_put(texts);
	json_object_put(body);
	if (rc == 0 && out->failed)
		rc = ag_err_set(err, -ENOBUFS, "the request is too large");
	return rc;
}

/* Each vector tells how many tokens its text had; one that does not leaves the whole to the estimate. */
static void
read_usage(struct json_object *predictions, struct ag_answer *a)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ag_json_len(predictions); i++) {
		struct json_object *one = ag_tree_object(ag_json_at(predictions, i), "embeddings");
		int64_t n = ag_tree_count(ag_tree_object(one, "statistics"), "token_count");

		if (n < 0)
			return;
		sum += (uint64_t)n;
	}
	ag_embeddings_told(a, sum);
}

static int
answer(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a, struct ag_buf *out)
{
	struct json_object *o, *predictions;
	int rc;

	a->has_done = true;
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	predictions = ag_tree_array(o, "predictions");
	read_usage(predictions, a);
	rc = ag_embeddings_write(in, predictions, "embeddings", "values", &a->usage, out);
	json_object_put(o);
	return rc;
}

const struct ag_exchange ag_exchange_vertex_embed = {
	.from = AG_EP_EMBEDDING, .to = AG_EP_VERTEX_EMBED, .build = build, .answer = answer,
	.read_error = ag_gemini_read_error,
};
