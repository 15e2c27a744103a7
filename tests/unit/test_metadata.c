/* test_metadata.c - the workspace wins over the key, the key over the request. */
#include "policy/metadata.h"

#include <errno.h>

#include "tap.h"

static char merged[AG_METADATA_MAX + 1];

static int
merge(const char *request, const char *key, const char *workspace)
{
	struct ag_arena arena;
	struct ag_str out;
	int rc;

	ag_arena_init(&arena, 1 << 16);
	rc = ag_metadata_merge(&arena, ag_str(request), ag_str(key), ag_str(workspace), &out);
	if (rc == 0)
		snprintf(merged, sizeof(merged), "%.*s", AG_STR_ARG(out));
	ag_arena_fini(&arena);
	return rc;
}

static void
is_merged(const char *request, const char *key, const char *workspace, const char *want, const char *text)
{
	is_i64(merge(request, key, workspace), 0, text);
	is_str(merged, want, text);
}

static void
each_level_is_overlaid_by_the_one_above(void)
{
	is_merged("", "", "", "", "nothing");
	is_merged("", "{\"a\":\"1\"}", "", "{\"a\":\"1\"}", "the key's alone");
	is_merged("", "", "{\"a\":\"1\"}", "{\"a\":\"1\"}", "the workspace's alone");
	is_merged("{\"a\":\"1\"}", "", "", "{\"a\":\"1\"}", "the request's alone");
	is_merged("{\"a\":\"r\",\"b\":\"r\",\"c\":\"r\"}", "{\"a\":\"k\",\"b\":\"k\"}", "{\"a\":\"w\"}",
	    "{\"a\":\"w\",\"b\":\"k\",\"c\":\"r\"}", "workspace, key, request");
	is_merged("{\"a\":\"r\"}", "", "{\"a\":\"w\",\"z\":\"w\"}", "{\"a\":\"w\",\"z\":\"w\"}", "none of the request's is left");
	is_merged(" { \"a\" : \"r\" } ", "{\"b\":\"k\"}", "", "{\"b\":\"k\",\"a\":\"r\"}", "blanks do not matter");
}

static void
what_is_no_object_is_left_out(void)
{
	is_merged("not json", "{\"a\":\"k\"}", "", "{\"a\":\"k\"}", "words");
	is_merged("[1]", "{\"a\":\"k\"}", "", "{\"a\":\"k\"}", "an array");
	is_merged("{\"a\":", "{\"a\":\"k\"}", "", "{\"a\":\"k\"}", "half an object");
	is_merged("{\"b\":1}x", "{\"a\":\"k\"}", "", "{\"a\":\"k\"}", "bytes behind it");
	is_merged("{}", "{\"a\":\"k\"}", "", "{\"a\":\"k\"}", "an empty one");
	is_merged("{}", "", "", "", "and nothing else");
}

/* A ledger column of type jsonb keeps the last of two members: an escape must not smuggle one in. */
static void
an_escape_does_not_hide_a_name(void)
{
	is_merged("{\"\\u0074ier\":\"free\"}", "{\"tier\":\"pro\"}", "", "{\"tier\":\"pro\"}", "a name written in escapes");
	is_merged("{\"x\":\"1\",\"\\u0078\":\"2\"}", "{\"a\":\"k\"}", "", "{\"a\":\"k\",\"x\":\"1\"}", "within one level");
}

static void
what_the_ledger_could_not_read_does_not_reach_it(void)
{
	is_merged("{\"a\":\"\\ud800\",\"b\":\"1\"}", "{\"k\":\"1\"}", "", "{\"k\":\"1\",\"b\":\"1\"}", "half a surrogate pair");
	is_merged("{\"\\ud800\":\"1\"}", "{\"k\":\"1\"}", "", "{\"k\":\"1\"}", "in a name");
	is_merged("{\"a\":[1],\"b\":{},\"c\":1e999999,\"d\":1.5,\"e\":true,\"f\":null}", "", "",
	    "{\"d\":1.5,\"e\":true,\"f\":null}", "what is no scalar, and numbers beyond numbers");
}

static void
more_than_fits_is_refused(void)
{
	char big[AG_METADATA_MAX + 64], many[2048];
	int n = 0;

	snprintf(big, sizeof(big), "{\"a\":\"%0*d\"}", AG_METADATA_MAX, 0);
	is_i64(merge(big, "{\"k\":\"1\"}", ""), -E2BIG, "too long");
	is_i64(merge(big, "", ""), -E2BIG, "too long alone");
	n += snprintf(many + n, sizeof(many) - (size_t)n, "{\"m\":0");
	for (int i = 0; i < 70; i++)
		n += snprintf(many + n, sizeof(many) - (size_t)n, ",\"m%d\":0", i);
	snprintf(many + n, sizeof(many) - (size_t)n, "}");
	is_i64(merge(many, "{\"k\":\"1\"}", ""), -E2BIG, "too many members");
}

int
main(void)
{
	each_level_is_overlaid_by_the_one_above();
	what_is_no_object_is_left_out();
	an_escape_does_not_hide_a_name();
	what_the_ledger_could_not_read_does_not_reach_it();
	more_than_fits_is_refused();
	return done();
}
