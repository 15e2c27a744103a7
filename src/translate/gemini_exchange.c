/* gemini_exchange.c - OpenAI's embeddings as Gemini's batchEmbedContents. */
#include <errno.h>

#include "base/json.h"
#include "translate/embeddings.h"
#include "translate/gemini.h"
#include "translate/json_out.h"
#include "translate/tree.h"

#define TEXTS_MAX 100u

/* model n 0: it stands in the path. */
static void
put_request(struct ag_str model, struct json_object *body, struct ag_str text, struct ag_buf *out)
{
	ag_jo_open(out, NULL, '{');
	if (model.n > 0) {
		ag_jo_key(out, "model");
		ag_buf_puts(out, "\"models/");
		ag_buf_put_json(out, model);
		ag_buf_putc(out, '"');
	}
	ag_jo_open(out, "content", '{');
	ag_jo_open(out, "parts", '[');
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "text", text);
	ag_buf_puts(out, "}]}");
	if (ag_tree_get(body, "dimensions"))
		ag_jo_tree(out, "outputDimensionality", ag_tree_get(body, "dimensions"));
	/* What they are for: clients that know of it say it. */
	if (ag_tree_str(body, "task_type").n > 0)
		ag_jo_str(out, "taskType", ag_tree_str(body, "task_type"));
	ag_jo_close(out, '}');
}

static const struct ag_fields fields = { .taken = { "dimensions", "task_type" } };

static int
build(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *body, *texts = NULL;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = ag_embeddings_texts(in, body, &fields, TEXTS_MAX, &texts, err);
	if (rc == 0) {
		ag_jo_open(out, NULL, '{');
		ag_jo_open(out, "requests", '[');
		for (size_t i = 0; i < ag_json_len(texts); i++)
			put_request(in->model, body, ag_tree_text(ag_json_at(texts, i)), out);
		ag_buf_puts(out, "]}");
	}
	json_object_put(texts);
	json_object_put(body);
	if (rc == 0 && out->failed)
		rc = ag_err_set(err, -ENOBUFS, "the request is too large");
	return rc;
}

/* What it cost is not always told: then it is estimated as for any answer without. */
static int
answer(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a, struct ag_buf *out)
{
	struct json_object *o;
	int rc;

	ag_wire_gemini.on_body(in->family, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	rc = ag_embeddings_write(in, ag_tree_array(o, "embeddings"), NULL, "values", &a->usage, out);
	json_object_put(o);
	return rc;
}

const struct ag_exchange ag_exchange_gemini_embed = {
	.from = AG_EP_EMBEDDING, .to = AG_EP_GEMINI_EMBED, .build = build, .answer = answer,
	.read_error = ag_gemini_read_error,
};

/* ---- one at a time ----------------------------------------------------------------------- */

static int
build_one(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *body, *texts = NULL;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = ag_embeddings_texts(in, body, &fields, 1, &texts, err);
	if (rc == 0)
		put_request(AG_STR_NONE, body, ag_tree_text(ag_json_at(texts, 0)), out);
	json_object_put(texts);
	json_object_put(body);
	if (rc == 0 && out->failed)
		rc = ag_err_set(err, -ENOBUFS, "the request is too large");
	return rc;
}

static int
answer_one(const struct ag_exchange_in *in, struct ag_str body, struct ag_answer *a, struct ag_buf *out)
{
	struct json_object *o, *list;
	int rc;

	ag_wire_gemini.on_body(in->family, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	list = ag_tree_new_array();
	ag_tree_push(list, json_object_get(ag_tree_object(o, "embedding")));
	rc = ag_tree_is_short() ? -EBADMSG : ag_embeddings_write(in, list, NULL, "values", &a->usage, out);
	json_object_put(list);
	json_object_put(o);
	return rc;
}

const struct ag_exchange ag_exchange_gemini_embed_one = {
	.from = AG_EP_EMBEDDING, .to = AG_EP_GEMINI_EMBED_ONE, .build = build_one, .answer = answer_one,
	.read_error = ag_gemini_read_error,
};
