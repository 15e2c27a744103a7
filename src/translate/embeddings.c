#include "translate/embeddings.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "translate/json_out.h"
#include "translate/tree.h"

/* Their own members, and those of the providers. */
static const struct ag_kind kinds[] = {
	{ AG_KIND_TEXT, { "model", "encoding_format", "user", "input_type", "truncate", "task_type",
	    "title" } },
	{ AG_KIND_NUMBER, { "dimensions" } },
	{ AG_KIND_BOOL, { "auto_truncate" } },
	{ 0, { NULL } },
};

int
ag_embeddings_texts(const struct ag_exchange_in *in, struct json_object *body, const struct ag_fields *own, size_t max,
    struct json_object **out, struct ag_err *err)
{
	static const struct ag_fields common = { .taken = { "model", "input", "encoding_format" }, .left = { "user" } };
	const char *family = in->family->name;
	const struct ag_refuser r = { .by = family, .is_strict = in->is_strict, .kinds = kinds, .err = err };
	struct ag_str format = ag_tree_str(body, "encoding_format");
	struct json_object *input = ag_tree_get(body, "input"), *list;
	bool is_one = json_object_is_type(input, json_type_string);
	int rc = ag_fields_check(body, own, &common, AG_BODY, &r);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (format.n > 0 && !ag_str_eq(format, AG_STR("float")) && !ag_str_eq(format, AG_STR("base64")))
		return ag_err_set(err, -EINVAL, "encoding_format: must be float or base64");
	if (!is_one && ag_json_len(input) == 0)
		return ag_err_set(err, -EINVAL, "input: a text, or an array that is not empty, is required");
	if (!is_one && ag_json_len(input) > max)
		return ag_err_set(err, -EINVAL, "input: at most %zu texts in one request with %s", max, family);
	for (size_t i = 0; !is_one && i < ag_json_len(input); i++)
		if (!json_object_is_type(ag_json_at(input, i), json_type_string))
			return ag_err_set(err, -EINVAL, "input: tokens are not supported by %s, only texts", family);
	if (!is_one) {
		*out = json_object_get(input);
		return 0;
	}
	list = ag_tree_new_array();
	ag_tree_push(list, json_object_get(input));
	*out = list;
	return ag_tree_is_short() ? ag_err_set(err, -ENOMEM, "out of memory") : 0;
}

/* Little-endian numbers of four bytes, as base64. */
static void
put_base64(struct json_object *vector, struct ag_buf *b)
{
	static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned n_bits = 0, n_out = 0;

	for (size_t i = 0; i < ag_json_len(vector); i++) {
		float v = (float)json_object_get_double(ag_json_at(vector, i));
		uint32_t raw;

		memcpy(&raw, &v, sizeof(raw));
		for (unsigned k = 0; k < 4; k++) {
			bits = bits << 8 | (raw >> (8 * k) & 255);
			n_bits += 8;
			for (; n_bits >= 6; n_out++) {
				n_bits -= 6;
				ag_buf_putc(b, table[bits >> n_bits & 63]);
			}
		}
	}
	if (n_bits > 0) {
		ag_buf_putc(b, table[bits << (6 - n_bits) & 63]);
		n_out++;
	}
	for (; n_out % 4 != 0; n_out++)
		ag_buf_putc(b, '=');
}

void
ag_embeddings_told(struct ag_answer *a, uint64_t tokens)
{
	if (tokens > UINT32_MAX)
		return;
	a->usage.input_fresh = tokens;
	a->usage.provider_cost_nusd = -1;
	a->has_usage = true;
}

static int
put_vector(struct json_object *one, size_t ix, bool is_base64, struct ag_buf *out)
{
	if (!json_object_is_type(one, json_type_array))
		return -EBADMSG;
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "object", AG_STR("embedding"));
	ag_jo_u64(out, "index", ix);
	if (is_base64) {
		ag_jo_key(out, "embedding");
		ag_buf_putc(out, '"');
		put_base64(one, out);
		ag_buf_putc(out, '"');
	} else {
		ag_jo_tree(out, "embedding", one);
	}
	ag_jo_close(out, '}');
	return 0;
}

int
ag_embeddings_write(const struct ag_exchange_in *in, struct json_object *list, const char *outer, const char *inner,
    const struct ag_usage *usage, struct ag_buf *out)
{
	struct json_object *request;
	int rc = ag_json_len(list) > 0 ? 0 : -EBADMSG;
	bool is_base64;

	if (ag_tree_parse(in->body, &request, NULL) < 0)
		return -EBADMSG;
	is_base64 = ag_tree_is(request, "encoding_format", "base64");
	json_object_put(request);
	ag_jo_open(out, NULL, '{');
	ag_jo_str(out, "object", AG_STR("list"));
	ag_jo_open(out, "data", '[');
	for (size_t i = 0; i < ag_json_len(list) && rc == 0; i++) {
		struct json_object *one = ag_json_at(list, i);

		one = outer ? ag_tree_get(one, outer) : one;
		rc = put_vector(inner ? ag_tree_get(one, inner) : one, i, is_base64, out);
	}
	ag_jo_close(out, ']');
	ag_jo_str(out, "model", in->model);
	ag_jo_open(out, "usage", '{');
	ag_jo_u64(out, "prompt_tokens", ag_usage_input_total(usage));
	ag_jo_u64(out, "total_tokens", ag_usage_input_total(usage));
	ag_buf_puts(out, "}}");
	return rc < 0 ? rc : out->failed ? -ENOBUFS : 0;
}
