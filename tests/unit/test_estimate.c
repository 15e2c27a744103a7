/* test_estimate.c - the most a request can use. */
#include "policy/estimate.h"

#include "tap.h"

static struct ag_cat_price model = { .context_window = 128000, .max_output = 16384 };

static struct ag_estimate
run(struct ag_estimate_in in)
{
	struct ag_estimate out;

	in.default_limit = 4096;
	in.default_limit_reasoning = 32000;
	if (in.choices == 0)
		in.choices = 1;
	ag_estimate(&in, &out);
	return out;
}

static uint64_t
input_of(const char *messages)
{
	struct ag_str m = ag_str(messages);

	return run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .body_bytes = m.n, .messages = m }).input;
}

static void
text_is_bounded_by_the_bytes_of_the_body(void)
{
	static const char text[] = "[{\"role\":\"user\",\"content\":\"hello\"}]";
	struct ag_estimate e;

	is_i64((int64_t)input_of(text), (int64_t)sizeof(text) - 1, "a string");
	is_i64((int64_t)input_of("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]"), 56,
	    "parts of text");
	is_i64((int64_t)input_of("[]"), 2, "no message");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .body_bytes = 500000, .price = &model });
	is_i64((int64_t)e.input, 128000, "never more than the context window");
	is_i64((int64_t)e.text_bytes, 500000, "the bytes are kept for later");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_COMPLETION, .body_bytes = 500000, .price = &model });
	is_i64((int64_t)e.input, 500000, "which bounds one prompt, and completions may carry many");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_EMBEDDING, .body_bytes = 500000, .price = &model });
	is_i64((int64_t)e.input, 500000, "as embeddings do");
}

static void
media_are_bounded_by_kind(void)
{
	uint64_t bytes;
	static const char image[] = "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]";
	static const char two[] = "[{\"content\":[{\"type\":\"image_url\"},{\"type\":\"text\"}]},{\"content\":[{\"type\":\"image_url\"}]}]";
	static const char escaped[] = "[{\"content\":[{\"type\":\"image\\u005furl\"}]}]";
	static const char sly[] = "[{\"content\":[{\"type\":\"text\",\"type\":\"input_audio\"}]}]";
	static const char file[] = "[{\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}]}]";
	struct ag_estimate e;

	bytes = sizeof(image) - 1;
	is_i64((int64_t)(input_of(image) - bytes), 49152, "an image");
	is_i64((int64_t)(input_of(two) - (sizeof(two) - 1)), 2 * 49152, "two in two messages");
	is_i64((int64_t)(input_of(escaped) - (sizeof(escaped) - 1)), 49152, "its type in escapes");
	is_i64((int64_t)(input_of(file) - (sizeof(file) - 1)), 1048576, "a file of unknown size");
	ok(input_of(sly) >= 1048576, "a type given twice is taken at its worst");
	ok(input_of("[{\"content\":[{\"no\":\"type\"}]}]") >= 1048576, "so is none");
	ok(input_of("[{\"content\":[{\"type\":\"text\"]}]") >= 1048576, "and what is no JSON");
	ok(input_of("[{\"content\":{\"type\":\"image_url\"}}]") >= 1048576, "a part without its array");
	ok(input_of("[{\"role\":\"assistant\",\"audio\":{\"id\":\"a\"}}]") >= 1048576,
	    "an earlier spoken answer, named by its id");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .body_bytes = sizeof(file) - 1,
	    .messages = ag_str(file), .price = &model });
	is_i64((int64_t)e.input, 128000, "the context window bounds media too");
}

static uint64_t
embedded(const char *input)
{
	return run((struct ag_estimate_in){ .endpoint = AG_EP_EMBEDDING, .body_bytes = 10, .input = ag_str(input) }).input;
}

static uint64_t
with_tools(const char *tools)
{
	return run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .body_bytes = 10, .tools = ag_str(tools) }).input;
}

static void
what_the_provider_fetches_shows_in_no_byte(void)
{
	is_i64((int64_t)embedded("[\"a\",\"b\"]"), 10, "strings are bounded by their bytes");
	is_i64((int64_t)embedded("[[1,2],[3]]"), 10, "token ids too");
	is_i64((int64_t)embedded("\"{\""), 10, "and one string");
	ok(embedded("[\"a\",{\"image\":\"https://x/y.png\"}]") >= 1048576, "an image is not");
	ok(embedded("{\"image\":\"u\"}") >= 1048576, "in an array or alone");
	is_i64((int64_t)with_tools("[{\"type\":\"function\"},{\"type\":\"custom\"}]"), 10, "tools of the client");
	ok(with_tools("[{\"type\":\"function\"},{\"type\":\"web_search\"}]") >= 1048576, "a tool of the provider");
	ok(with_tools("[{}]") >= 1048576, "a tool of no kind");
	is_i64((int64_t)run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .body_bytes = 10, .is_searching = true,
	    .price = &model }).input, 128000, "a search fills the window at most");
}

static void
output_is_the_limit_times_the_choices(void)
{
	struct ag_estimate e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .client_limit = 100, .choices = 3 });

	is_i64((int64_t)e.output, 300, "three choices");
	is_i64((int64_t)e.limit, 100, "of a hundred each");
	ok(!e.must_write_limit, "the client gave the limit");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT });
	ok(e.must_write_limit && e.limit == 4096 && e.output == 4096, "without one: the configured, to be written");
	model.flags = AG_MF_REASONING;
	model.max_output = 100000;
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .price = &model });
	is_i64((int64_t)e.limit, 32000, "more for models that think");
	model.max_output = 16384;
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .price = &model });
	is_i64((int64_t)e.limit, 16384, "never above what the model can");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .price = &model, .client_limit = 1000000 });
	is_i64((int64_t)e.output, 16384, "whatever the client asks");
	ok(e.must_write_limit, "who then is not left to ask for more than is held");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .client_limit = 100000, .choices = 1000000 });
	is_i64((int64_t)e.choices, 1000000, "choices are known although the product saturates");
	ag_estimate_set_limit(&e, 16);
	ok(e.limit == 16 && e.output == 16000000, "and another limit counts for all of them");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_COMPLETION, .choices = 4 });
	is_i64((int64_t)e.output, 64, "legacy completions stop at 16 tokens");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_EMBEDDING, .client_limit = 5 });
	ok(e.output == 0 && e.limit == 0 && !e.must_write_limit, "embeddings write nothing");
	e = run((struct ag_estimate_in){ .endpoint = AG_EP_CHAT, .client_limit = UINT32_MAX, .choices = UINT64_MAX });
	is_i64((int64_t)e.output, UINT32_MAX, "absurd products saturate");
}

int
main(void)
{
	text_is_bounded_by_the_bytes_of_the_body();
	media_are_bounded_by_kind();
	what_the_provider_fetches_shows_in_no_byte();
	output_is_the_limit_times_the_choices();
	return done();
}
