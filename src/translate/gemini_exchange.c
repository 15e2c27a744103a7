/* gemini_exchange.c - OpenAI's embeddings as Gemini's batchEmbedContents. */
#include <errno.h>
#include <stdlib.h>

#include "translate/embeddings.h"
#include "translate/gemini.h"
#include "translate/json_out.h"
#include "translate/tree.h"

#define TEXTS_MAX 100u

static void
put_request(const struct ag_exchange_in *in, struct json_object *body, struct ag_str text, struct ag_buf *out)
{
	ag_jo_open(out, NULL, '{');
	ag_jo_key(out, "model");
	ag_buf_puts(out, "\"models/");
	ag_buf_put_json(out, in->model);
	ag_buf_putc(out, '"');
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

static int
build(const struct ag_exchange_in *in, struct ag_buf *out, struct ag_err *err)
{
	static const struct ag_fields fields = { .taken = { "dimensions", "task_type" } };
	struct json_object *body, *texts = NULL;
	int rc = ag_tree_parse(in->body, &body, err);

	if (rc < 0)
		return rc;
	rc = ag_embeddings_texts(in, body, &fields, TEXTS_MAX, &texts, err);
	if (rc == 0) {
		ag_jo_open(out, NULL, '{');
		ag_jo_open(out, "requests", '[');
		for (size_t i = 0; i < ag_tree_len(texts); i++)
			put_request(in, body, ag_tree_text(json_object_array_get_idx(texts, i)), out);
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
	struct json_object *o, *list, **vector;
	size_t n;
	int rc;

	ag_wire_gemini.on_body(in->family, body, a);
	if (ag_tree_parse(body, &o, NULL) < 0)
		return -EBADMSG;
	list = ag_tree_array(o, "embeddings");
	n = ag_tree_len(list);
	vector = calloc(n + 1, sizeof(*vector));
	rc = !vector ? -ENOMEM : n == 0 ? -EBADMSG : 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		vector[i] = ag_tree_array(json_object_array_get_idx(list, i), "values");
		if (!vector[i])
			rc = -EBADMSG;
	}
	if (rc == 0)
		rc = ag_embeddings_write(in->body, in->model, vector, n, &a->usage, out);
	free(vector);
	json_object_put(o);
	return rc;
}

const struct ag_exchange ag_exchange_gemini_embed = {
	.from = AG_EP_EMBEDDING, .to = AG_EP_GEMINI_EMBED, .build = build, .answer = answer,
	.read_error = ag_gemini_read_error,
};
