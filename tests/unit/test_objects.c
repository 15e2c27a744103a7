/* test_objects.c - which objects of a provider a request makes, names or shows. */
#include "policy/objects.h"
#include "tap.h"

static void
reads(const char *family, const char *method, const char *path, bool has_model, enum ag_object_use use,
    enum ag_object_work work, const char *id, const char *text)
{
	struct ag_object_call c;
	char got[64];

	ag_object_call_read(ag_provider_find(ag_str(family)), ag_str(method), ag_str(path), has_model, &c);
	snprintf(got, sizeof(got), "%.*s", AG_STR_ARG(c.id));
	ok(c.use == use && c.work == work && strcmp(got, id) == 0, "%s", text);
}

static void
paths_say_what_they_do(void)
{
	reads("openai", "POST", "/files", false, AG_OBJECTS_MAKE, AG_WORK_FREE, "", "a file is made");
	reads("openai", "GET", "/files", false, AG_OBJECTS_LIST, AG_WORK_FREE, "", "all are listed");
	reads("openai", "GET", "/files/", false, AG_OBJECTS_LIST, AG_WORK_FREE, "", "with a slash too");
	reads("openai", "GET", "/files/f-1/content", false, AG_OBJECTS_ONE, AG_WORK_FREE, "f-1", "one is read");
	reads("openai", "GET", "/filesystem", false, AG_OBJECTS_UNKNOWN, AG_WORK_UNCOUNTED, "", "a longer word is another");
	reads("openai", "GET", "/Files", false, AG_OBJECTS_UNKNOWN, AG_WORK_UNCOUNTED, "", "and so is a capital");
	reads("openai", "POST", "/batches", true, AG_OBJECTS_MAKE, AG_WORK_UNCOUNTED, "", "a batch costs later");
	reads("openai", "POST", "/batches/b/cancel", false, AG_OBJECTS_ONE, AG_WORK_FREE, "b", "ending it does not");
	reads("openai", "POST", "/threads/t/runs", false, AG_OBJECTS_ONE, AG_WORK_UNCOUNTED, "t", "a run does");
	reads("openai", "POST", "/fine_tuning/jobs", true, AG_OBJECTS_MAKE, AG_WORK_UNCOUNTED, "", "so does a training");
	reads("openai", "PUT", "/files", false, AG_OBJECTS_UNKNOWN, AG_WORK_FREE, "", "what no provider does is unknown");
	reads("openai", "POST", "/ocr", true, AG_OBJECTS_NONE, AG_WORK_COUNTED, "", "words and a model keep nothing");
	reads("openai", "POST", "/ocr", false, AG_OBJECTS_UNKNOWN, AG_WORK_UNCOUNTED, "", "without a model who knows");
	reads("openai", "GET", "/ocr", true, AG_OBJECTS_UNKNOWN, AG_WORK_COUNTED, "", "and what is read may be all");
	reads("openai", "POST", "/agents/ag_1", true, AG_OBJECTS_UNKNOWN, AG_WORK_COUNTED, "", "an id is no word");
	reads("anthropic", "POST", "/messages/batches", false, AG_OBJECTS_MAKE, AG_WORK_UNCOUNTED, "", "of Anthropic");
	reads("anthropic", "GET", "/messages/batches/b/results", false, AG_OBJECTS_ONE, AG_WORK_FREE, "b", "its results");
	reads("anthropic", "POST", "/batches", false, AG_OBJECTS_UNKNOWN, AG_WORK_UNCOUNTED, "", "OpenAI's are not its");
	reads("bedrock", "POST", "/model/a.b%3A0/converse", false, AG_OBJECTS_NONE, AG_WORK_UNCOUNTED, "", "one shot");
	reads("bedrock", "POST", "/model/a/b/converse", false, AG_OBJECTS_UNKNOWN, AG_WORK_UNCOUNTED, "", "of one model");
	reads("bedrock", "POST", "/async-invoke", false, AG_OBJECTS_UNKNOWN, AG_WORK_UNCOUNTED, "", "that answers at once");
	reads("google", "POST", "/tunedModels/x:generateContent", false, AG_OBJECTS_NONE, AG_WORK_UNCOUNTED, "", "Google's");
	reads("google", "GET", "/tunedModels", false, AG_OBJECTS_UNKNOWN, AG_WORK_UNCOUNTED, "", "but not the list");
}

struct heard {
	char text[256];
	int stop_at;
};

static int
hear(void *arg, struct ag_str id)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "%.*s ", AG_STR_ARG(id));
	return h->stop_at > 0 && --h->stop_at == 0 ? -7 : 0;
}

static void
names(const char *body, const char *want, const char *text)
{
	struct heard h = { "", 0 };
	struct ag_buf b;
	int rc;

	ag_buf_init(&b, 256);
	rc = ag_object_ids(ag_str(body), &b, hear, &h);
	is_str(rc < 0 ? "cannot be read" : h.text, want, text);
	ag_buf_fini(&b);
}

static void
bodies_name_objects(void)
{
	struct heard h = { "", 1 };
	struct ag_buf b;

	names("{\"file_id\":\"a\",\"file_ids\":[\"b\",\"c\"]}", "a b c ", "texts and lists");
	names("{\"x\":[{\"y\":[[{\"file_id\":\"a\"}]]}]}", "a ", "however deep");
	names("{\"f\\u0069le_id\":\"\\u0061\"}", "a ", "however it is spelled");
	names("{\"file_id\":\"a\",\"y\":{\"file_id\":\"b\",\"file_id\":\"c\"}}", "a b c ", "and however often");
	names("{\"conversation\":{\"id\":\"a\",\"x\":1}}", "a ", "the id of what is named");
	names("{\"input\":[{\"type\":\"item_reference\",\"id\":\"a\"},{\"id\":\"b\",\"type\":\"message\"}]}", "a ", "a reference");
	names("{\"input\":[{\"id\":\"a\",\"type\":\"item_reference\"}]}", "a ", "in any order");
	names("{\"messages\":[{\"audio\":{\"id\":\"a\"}},{\"audio\":\"b\"}]}", "a ", "what was spoken, not the sound");
	names("{\"metadata\":{\"file_id\":\"a\"},\"tools\":[{\"parameters\":{\"file_id\":\"b\"}}]}", "", "not the client's own");
	names("{\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"input\":{\"file_id\":\"a\"}}]}]}", "", "nor what tools got");
	names("{\"input\":{\"file_id\":\"a\"}}", "a ", "but the input itself");
	names("{\"file_id\":7,\"file_ids\":null}", "", "no text, no name");
	names("{\"a\":[{\"file_id\":\"a\"}", "cannot be read", "half a body names any");
	names("{\"file_id\":\"\\ud800\"}", "cannot be read", "and so does half a character");
	ag_buf_init(&b, 256);
	is_i64(ag_object_ids(AG_STR("{\"file_ids\":[\"a\",\"b\"]}"), &b, hear, &h), -7, "the first that is refused");
	is_str(h.text, "a ", "ends it");
	ag_buf_fini(&b);
	ok(ag_object_is_naming(AG_STR("file_ids[]")) && ag_object_is_naming(AG_STR("File_Id")), "parts of forms");
	ok(!ag_object_is_naming(AG_STR("file")) && !ag_object_is_naming(AG_STR_NONE), "not the file itself");
}

static void
answers_bring_others(void)
{
	struct heard h = { "", 0 };

	ag_object_come_with(AG_STR("{\"id\":\"x\",\"output_file_id\":\"a\",\"error_file_id\":null,\"file\":{\"id\":\"b\"},"
	    "\"result_files\":[\"c\",\"d\"],\"metadata\":{\"output_file_id\":\"e\"}}"), hear, &h);
	is_str(h.text, "a b c d ", "what it wrote, what it became");
	h = (struct heard){ "", 0 };
	ag_object_items(AG_STR("{\"id\":\"x\",\"output\":[{\"id\":\"a\",\"x\":{\"id\":\"n\"}},{\"container_id\":\"c\",\"id\":\"b\"},7]}"),
	    hear, &h);
	ag_object_item(AG_STR("{\"type\":\"t\",\"item\":{\"id\":\"d\"},\"id\":\"n\"}"), hear, &h);
	is_str(h.text, "a b c d ", "the items of a stored answer");
}

int
main(void)
{
	plan(43);
	paths_say_what_they_do();
	bodies_name_objects();
	answers_bring_others();
	return done();
}
