/* test_metadata.c - the workspace wins over the key, the key over the request. */
#include "policy/metadata.h"

#include <errno.h>

#include "tap.h"

static char merged[AG_METADATA_MAX + 1];

static int
merge_all(const char *baggage, const char *request, const char *key, const char *workspace)
{
	const struct ag_metadata_in in = { ag_str(baggage), ag_str(request), ag_str(key), ag_str(workspace) };
	struct ag_arena arena;
	struct ag_str out;
	int rc;

	ag_arena_init(&arena, 1 << 16);
	rc = ag_metadata_merge(&arena, &in, &out);
	if (rc == 0)
		(void)!ag_str_copy(out, merged, sizeof(merged));
	ag_arena_fini(&arena);
	return rc;
}

static int
merge(const char *request, const char *key, const char *workspace)
{
	return merge_all("", request, key, workspace);
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
a_second_part_of_the_key_gives_way_to_all(void)
{
	is_merged("", "{}\n{\"a\":\"s\"}", "", "{\"a\":\"s\"}", "alone");
	is_merged("", "{\"b\":\"k\"}\n{\"a\":\"s\"}", "", "{\"b\":\"k\",\"a\":\"s\"}", "beside the first");
	is_merged("{\"a\":\"r\"}", "{}\n{\"a\":\"s\",\"b\":\"s\"}", "", "{\"a\":\"r\",\"b\":\"s\"}", "to the request");
	is_merged("{\"a\":\"r\"}", "{\"a\":\"k\"}\n{\"a\":\"s\"}", "{\"a\":\"w\"}", "{\"a\":\"w\"}", "to the workspace");
	is_merged("not json", "{\"b\":\"k\"}\n", "", "{\"b\":\"k\"}", "an empty one");
	is_i64(merge_all("a=b,c=b", "", "{}\n{\"a\":\"s\"}", ""), 0, "before baggage");
	is_str(merged, "{\"a\":\"s\",\"c\":\"b\"}", "which all others overlay");
	/* A request has no second part. */
	is_merged("{\"a\":\"r\"}\n{\"b\":\"r\"}", "{\"c\":\"k\"}", "", "{\"c\":\"k\"}", "of a request it is no object");
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

static void
baggage_is_metadata_below_all_other(void)
{
	is_i64(merge_all("a=b, c = d ;ttl=5;x,e=1=2", "", "", ""), 0, "members");
	is_str(merged, "{\"a\":\"b\",\"c\":\"d\",\"e\":\"1=2\"}", "without blanks and properties");
	is_i64(merge_all("a=b,w=b,k=b,r=b,r=c", "{\"r\":\"r\"}", "{\"k\":\"k\"}", "{\"w\":\"w\"}"), 0, "all four");
	is_str(merged, "{\"w\":\"w\",\"k\":\"k\",\"r\":\"r\",\"a\":\"b\"}", "everybody wins over it");
	is_i64(merge_all("t%69er=gold,tier=free,tier=gold", "", "", "{\"\\u0074ier\":\"w\"}"), 0, "names are not decoded");
	is_str(merged, "{\"\\u0074ier\":\"w\",\"t%69er\":\"gold\"}", "and meet those that are");
	is_i64(merge_all("a=%41%22%5C%0a%C3%BC,b=%,c=%4,d=%zz,e=", "", "", ""), 0, "percent signs");
	is_str(merged, "{\"a\":\"A\\\"\\\\\\n\xC3\xBC\",\"b\":\"%\",\"c\":\"%4\",\"d\":\"%zz\",\"e\":\"\"}", "as they read");
	is_i64(merge_all("a=%00,b=%ff,c=%c3,=x,novalue,\"q\"=1,d\\=1,e f=1,,;,g=1", "", "", ""), 0, "what is none");
	is_str(merged, "{\"g\":\"1\"}", "is left out");
}

static void
baggage_without_room_is_left_out(void)
{
	char big[3 * AG_METADATA_MAX], key[AG_METADATA_MAX];
	int n = 0;

	snprintf(big, sizeof(big), "a=1,b=%0*d,c=2", AG_METADATA_MAX, 0);
	is_i64(merge_all(big, "{\"r\":\"1\"}", "", ""), 0, "no reason to refuse");
	is_str(merged, "{\"r\":\"1\",\"a\":\"1\",\"c\":\"2\"}", "what has room is there");
	for (int i = 0; i < 100; i++)
		n += snprintf(big + n, sizeof(big) - (size_t)n, "m%d=1,", i);
	is_i64(merge_all(big, "", "", ""), 0, "a hundred members");
	ok(strstr(merged, "\"m63\"") && !strstr(merged, "\"m64\""), "of which 64 are taken");
	snprintf(key, sizeof(key), "{\"k\":\"%0*d\"}", AG_METADATA_MAX - 10, 0);
	is_i64(merge_all("a=1", "", key, ""), 0, "a key's that fills it all");
	is_str(merged, key, "stays alone");
}

int
main(void)
{
	baggage_is_metadata_below_all_other();
	baggage_without_room_is_left_out();
	each_level_is_overlaid_by_the_one_above();
	a_second_part_of_the_key_gives_way_to_all();
	what_is_no_object_is_left_out();
	an_escape_does_not_hide_a_name();
	what_the_ledger_could_not_read_does_not_reach_it();
	more_than_fits_is_refused();
	return done();
}
