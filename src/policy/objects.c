#include "policy/objects.h"

#include <errno.h>

#include "provider/figure.h"

/* ---- paths ------------------------------------------------------------------------------- */

/* Collections of OpenAI, and of those who resemble it, and of Anthropic. */
#define OPENAI    1u
#define ANTHROPIC 2u
#define BOTH      (OPENAI | ANTHROPIC)

static const struct collection {
	struct ag_str path;
	unsigned whose;
	enum ag_object_kind kind;
	enum ag_object_work work; /* of making one, and of what is asked of one by POST */
	bool brings;              /* others come to be of it, which its description names */
} collections[] = {
	{ { "/files", 6 }, BOTH, AG_OBJECT_KEPT, AG_WORK_FREE, false },
	{ { "/uploads", 8 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_FREE, true },
	{ { "/batches", 8 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, true },
	{ { "/messages/batches", 17 }, ANTHROPIC, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, false },
	{ { "/responses", 10 }, OPENAI, AG_OBJECT_FLEETING, AG_WORK_FREE, false },
	{ { "/conversations", 14 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_FREE, false },
	{ { "/vector_stores", 14 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, false },
	{ { "/containers", 11 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, false },
	{ { "/assistants", 11 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_FREE, false },
	{ { "/threads", 8 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, false },
	{ { "/videos", 7 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, false },
	{ { "/evals", 6 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, false },
	{ { "/fine_tuning/jobs", 17 }, OPENAI, AG_OBJECT_KEPT, AG_WORK_UNCOUNTED, true },
	/* Stored answers of chats: what made them is not known, so that they are nobody's. */
	{ { "/chat/completions", 17 }, OPENAI, AG_OBJECT_FLEETING, AG_WORK_FREE, false },
};

/* Asked by POST, with a model in the path: answered and forgotten. */
static const struct { const char *family, *before, *behind; } one_shot[] = {
	{ "bedrock", "/model/", "/converse" }, { "bedrock", "/model/", "/converse-stream" },
	{ "bedrock", "/model/", "/invoke" }, { "bedrock", "/model/", "/invoke-with-response-stream" },
	{ "bedrock", "/model/", "/count-tokens" },
	{ "google", "/tunedModels/", ":generateContent" }, { "google", "/tunedModels/", ":streamGenerateContent" },
	{ "google", "/tunedModels/", ":countTokens" },
};

static unsigned
whose_of(const struct ag_provider *family)
{
	const struct ag_provider_path *p = ag_provider_path(family, AG_EP_PROXY);

	if (p && p->wire == &ag_wire_anthropic)
		return ANTHROPIC;
	return p && p->wire == &ag_wire_openai ? OPENAI : 0;
}

static bool
is_one_shot(const struct ag_provider *family, struct ag_str path)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(one_shot); i++) {
		struct ag_str before = ag_str(one_shot[i].before), behind = ag_str(one_shot[i].behind), model;

		if (!ag_str_eq(ag_str(family->name), ag_str(one_shot[i].family)) || !ag_str_starts(path, before) ||
		    path.n <= before.n + behind.n || !ag_str_eq(ag_str_skip(path, path.n - behind.n), behind))
			continue;
		AG_KNOWN(path.p);
		model = ag_str_n(path.p + before.n, path.n - before.n - behind.n);
		if (!memchr(model.p, '/', model.n))
			return true;
	}
	return false;
}

/* No id of any provider is made of small letters alone. */
static bool
has_words_only(struct ag_str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (!(path.p[i] >= 'a' && path.p[i] <= 'z') && path.p[i] != '/' && path.p[i] != '_' && path.p[i] != '-')
			return false;
	return true;
}

/* What is behind the collection's path, its slash cut off: "ID", "ID/cancel", nothing. */
static void
read_collection(const struct collection *c, struct ag_str method, struct ag_str rest, struct ag_object_call *out)
{
	bool is_get = ag_str_eq(method, AG_STR("GET")), is_post = ag_str_eq(method, AG_STR("POST"));
	const char *slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
	struct ag_str behind;

	if (rest.n == 0) {
		out->use = is_post ? AG_OBJECTS_MAKE : is_get ? AG_OBJECTS_LIST : AG_OBJECTS_UNKNOWN;
		out->work = is_post ? c->work : AG_WORK_FREE;
		out->becomes = is_post ? c->kind : AG_OBJECT_NONE;
		return;
	}
	out->use = AG_OBJECTS_ONE;
	out->id = ag_str_n(rest.p, slash ? (size_t)(slash - rest.p) : rest.n);
	behind = ag_str_skip(rest, out->id.n);
	out->work = is_get || ag_str_eq(method, AG_STR("DELETE")) || ag_str_eq(behind, AG_STR("/cancel"))
	    ? AG_WORK_FREE : c->work;
	/* Its own description alone: what is in it may be a text of the client's. */
	out->brings = c->brings && (behind.n == 0 || ag_str_eq(behind, AG_STR("/complete")) ||
	    ag_str_eq(behind, AG_STR("/cancel")));
	if (ag_str_eq(method, AG_STR("DELETE")) && behind.n == 0)
		out->becomes = AG_OBJECT_GONE;
}

void
ag_object_call_read(const struct ag_provider *family, struct ag_str method, struct ag_str path, bool has_model,
    struct ag_object_call *out)
{
	unsigned whose = whose_of(family);
	bool is_post = ag_str_eq(method, AG_STR("POST"));

	*out = (struct ag_object_call){ .use = AG_OBJECTS_UNKNOWN,
		.work = has_model ? AG_WORK_COUNTED : AG_WORK_UNCOUNTED };
	for (size_t i = 0; i < AG_ARRAY_LEN(collections); i++) {
		const struct collection *c = &collections[i];

		if (!(c->whose & whose) || !ag_str_starts(path, c->path))
			continue;
		if (path.n > c->path.n && path.p[c->path.n] != '/')
			continue;
		read_collection(c, method, ag_str_skip(path, c->path.n + (path.n > c->path.n)), out);
		return;
	}
	if (is_post && (is_one_shot(family, path) || (has_model && has_words_only(path))))
		out->use = AG_OBJECTS_NONE;
}

/* ---- bodies ------------------------------------------------------------------------------ */

/* Members that name a kept object, as text or as a list of texts; or in an object its `id`. */
static const struct ag_str naming[] = {
	{ "file_id", 7 }, { "fileId", 6 }, { "file_ids", 8 }, { "input_file_id", 13 }, { "output_file_id", 14 },
	{ "error_file_id", 13 }, { "training_file", 13 }, { "validation_file", 15 }, { "training_files", 14 },
	{ "validation_files", 16 }, { "vector_store_id", 15 }, { "vector_store_ids", 16 },
	{ "previous_response_id", 20 }, { "response_id", 11 }, { "conversation", 12 }, { "conversation_id", 15 },
	{ "container", 9 }, { "container_id", 12 }, { "thread_id", 9 }, { "assistant_id", 12 }, { "batch_id", 8 },
	{ "upload_id", 9 }, { "eval_id", 7 }, { "video_id", 8 }, { "file_uri", 8 },
	{ "agent_id", 8 }, { "library_id", 10 }, { "library_ids", 11 }, { "dataset_id", 10 },
	{ "fileUri", 7 }, { "cached_content", 14 }, { "cachedContent", 13 },
};

/* Members that hold such an object; as text they are content. */
static const struct ag_str holding[] = { { "audio", 5 }, { "video", 5 } };

/* Objects of the client's own making, in which a member may have any name; outermost the first alone. */
static const struct ag_str opaque[] = {
	{ "metadata", 8 }, { "parameters", 10 }, { "input_schema", 12 }, { "schema", 6 }, { "arguments", 9 },
	{ "args", 4 }, { "functionCall", 12 }, { "functionResponse", 16 }, { "input", 5 },
};

/* Types of objects whose `id` is all there is of what they stand for. */
static const struct ag_str references[] = { { "item_reference", 14 }, { "image_generation_call", 21 },
	{ "file_id", 7 } };

static bool
is_among(const struct ag_str *names, size_t n, struct ag_str key)
{
	for (size_t i = 0; i < n; i++)
		if (ag_json_string_eq(key, names[i]))
			return true;
	return false;
}

struct walk {
	struct ag_buf *b;
	ag_object_fn *fn;
	void *arg;
};

static int walk_value(const struct walk *w, struct ag_str text, struct ag_json_value v, bool is_naming,
    unsigned depth);

static int
tell(const struct walk *w, struct ag_str raw)
{
	struct ag_str plain;

	if (ag_json_string_plain(raw, &plain))
		return w->fn(w->arg, plain);
	ag_buf_reset(w->b);
	if (ag_json_string_decode(raw, w->b) < 0)
		return -EINVAL;
	return w->fn(w->arg, ag_buf_str(w->b));
}

static int
walk_array(const struct walk *w, struct ag_str array, bool is_naming, unsigned depth)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int rc, told;

	ag_json_iter_init(&it, array);
	while ((rc = ag_json_array_next(&it, &v)) == 1)
		if ((told = walk_value(w, array, v, is_naming, depth)) != 0)
			return told;
	return rc;
}

/* is_naming: its `id` names an object. */
static int
walk_object(const struct walk *w, struct ag_str object, bool is_naming, unsigned depth)
{
	struct ag_json_iter it;
	struct ag_json_value v, id = { 0 };
	int rc, told;

	ag_json_iter_init(&it, object);
	while ((rc = ag_json_object_next(&it, &v)) == 1) {
		struct ag_str key = ag_str_n(object.p + v.key_off, v.key_len);

		if (v.type == AG_JSON_STRING && ag_json_string_eq(key, AG_STR("id")))
			id = v;
		if (v.type == AG_JSON_STRING && ag_json_string_eq(key, AG_STR("type")))
			is_naming |= is_among(references, AG_ARRAY_LEN(references), ag_json_raw(object, v));
		if (v.type == AG_JSON_OBJECT && is_among(opaque, depth > 0 ? AG_ARRAY_LEN(opaque) : 1, key))
			continue;
		told = walk_value(w, object, v, is_among(naming, AG_ARRAY_LEN(naming), key) ||
		    (v.type == AG_JSON_OBJECT && is_among(holding, AG_ARRAY_LEN(holding), key)), depth + 1);
		if (told != 0)
			return told;
	}
	if (rc == 0 && is_naming && id.type == AG_JSON_STRING)
		return tell(w, ag_json_raw(object, id));
	return rc;
}

static int
walk_value(const struct walk *w, struct ag_str text, struct ag_json_value v, bool is_naming, unsigned depth)
{
	struct ag_str raw = ag_json_raw(text, v);

	if (v.type == AG_JSON_OBJECT)
		return walk_object(w, raw, is_naming, depth);
	if (v.type == AG_JSON_ARRAY)
		return walk_array(w, raw, is_naming, depth);
	return is_naming && v.type == AG_JSON_STRING ? tell(w, raw) : 0;
}

int
ag_object_ids(struct ag_str body, struct ag_buf *b, ag_object_fn *fn, void *arg)
{
	struct walk w = { .b = b, .fn = fn, .arg = arg };

	/* How deep it goes the scanner bounds: AG_JSON_DEPTH_MAX. */
	return walk_object(&w, body, false, 0);
}

bool
ag_object_is_naming(struct ag_str member)
{
	const char *index = member.n > 0 ? memchr(member.p, '[', member.n) : NULL;

	if (index)
		member = ag_str_n(member.p, (size_t)(index - member.p));
	for (size_t i = 0; i < AG_ARRAY_LEN(naming); i++)
		if (ag_str_ieq(member, naming[i]))
			return true;
	return false;
}

/* ---- answers ----------------------------------------------------------------------------- */

static void
tell_plain(struct ag_str text, struct ag_json_value v, ag_object_fn *fn, void *arg)
{
	struct ag_str id;

	if (v.type == AG_JSON_STRING && ag_json_string_plain(ag_json_raw(text, v), &id) && id.n > 0)
		(void)fn(arg, id);
}

void
ag_object_come_with(struct ag_str answer, ag_object_fn *fn, void *arg)
{
	enum { OUTPUT, ERRORS, FILE, RESULTS, N };
	static const struct ag_str names[N] = { { "output_file_id", 14 }, { "error_file_id", 13 }, { "file", 4 },
		{ "result_files", 12 } };
	static const struct ag_str id_name = { "id", 2 };
	struct ag_json_value f[N], v;
	struct ag_json_fault fault;
	struct ag_json_iter it;

	if (ag_figure_scan(answer, names, N, f, &fault) < 0)
		return;
	tell_plain(answer, f[OUTPUT], fn, arg);
	tell_plain(answer, f[ERRORS], fn, arg);
	if (f[FILE].type == AG_JSON_OBJECT) {
		struct ag_str file = ag_json_raw(answer, f[FILE]);

		if (ag_figure_scan(file, &id_name, 1, &v, &fault) == 0)
			tell_plain(file, v, fn, arg);
	}
	if (f[RESULTS].type == AG_JSON_ARRAY) {
		struct ag_str list = ag_json_raw(answer, f[RESULTS]);

		ag_json_iter_init(&it, list);
		while (ag_json_array_next(&it, &v) == 1)
			tell_plain(list, v, fn, arg);
	}
}

/* The item's own id, and of the container its code was run in. */
static void
tell_item(struct ag_str item, ag_object_fn *fn, void *arg)
{
	static const struct ag_str names[2] = { { "id", 2 }, { "container_id", 12 } };
	struct ag_json_value f[2];
	struct ag_json_fault fault;

	if (ag_figure_scan(item, names, 2, f, &fault) < 0)
		return;
	tell_plain(item, f[0], fn, arg);
	tell_plain(item, f[1], fn, arg);
}

void
ag_object_items(struct ag_str answer, ag_object_fn *fn, void *arg)
{
	static const struct ag_str name = { "output", 6 };
	struct ag_json_value output, item;
	struct ag_json_fault fault;
	struct ag_json_iter it;
	struct ag_str list;

	if (ag_figure_scan(answer, &name, 1, &output, &fault) < 0 || output.type != AG_JSON_ARRAY)
		return;
	list = ag_json_raw(answer, output);
	ag_json_iter_init(&it, list);
	while (ag_json_array_next(&it, &item) == 1)
		if (item.type == AG_JSON_OBJECT)
			tell_item(ag_json_raw(list, item), fn, arg);
}

void
ag_object_item(struct ag_str event, ag_object_fn *fn, void *arg)
{
	static const struct ag_str name = { "item", 4 };
	struct ag_json_value item;
	struct ag_json_fault fault;

	if (ag_figure_scan(event, &name, 1, &item, &fault) == 0 && item.type == AG_JSON_OBJECT)
		tell_item(ag_json_raw(event, item), fn, arg);
}
