/* Text and metadata on their way into PostgreSQL. */
#include "flusher/meta.h"

#include "tap.h"

static char out[512];

static void
text(const char *in, size_t n, const char *want, const char *what)
{
	memset(out, 0, sizeof(out));
	ag_text_clean(ag_str_n(in, n), out);
	is_str(out, want, what);
}

static void
meta(const char *in, const char *want, const char *what)
{
	struct ag_str tier;

	memset(out, 0, sizeof(out));
	if (!ag_meta_clean(ag_str(in), out, &tier))
		snprintf(out, sizeof(out), "refused");
	is_str(out, want, what);
}

static void
tier(const char *in, const char *want, const char *what)
{
	struct ag_str got = AG_STR_NONE;
	char copy[64];

	memset(out, 0, sizeof(out));
	ok(ag_meta_clean(ag_str(in), out, &got), "%s: taken", what);
	ag_str_copy(got, copy, sizeof(copy));
	is_str(copy, want, what);
}

int
main(void)
{
	text("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f", "UTF-8 stays");
	text("a\0b", 3, "a?b", "NUL goes");
	text("a\xff\x80z", 4, "a??z", "stray bytes go");
	text("\xe2\x82", 2, "??", "a cut sequence goes");
	text("\xed\xa0\x80", 3, "???", "an encoded surrogate goes");
	text("\xc0\x80", 2, "??", "an overlong NUL goes");
	text("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80", "four bytes stay");

	meta("{\"a\":\"b\"}", "{\"a\":\"b\"}", "an object stays");
	meta("{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\ufffdy\"}", "\\u0000 is replaced");
	meta("{\"a\":\"\\ud800\"}", "{\"a\":\"\\ufffd\"}", "a lone high surrogate is replaced");
	meta("{\"a\":\"\\udc00x\"}", "{\"a\":\"\\ufffdx\"}", "a lone low surrogate is replaced");
	meta("{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\\ud83d\\ude00\"}", "a pair stays");
	meta("{\"a\\u0000\":1}", "{\"a\\ufffd\":1}", "keys too");
	meta("{\"a\":\"x\ny\"}", "{\"a\":\"x y\"}", "raw control characters become blanks");
	meta("{\"a\":[1,-2.5e10,true,false,null,{}]}", "{\"a\":[1,-2.5e10,true,false,null,{}]}", "all kinds");
	meta("{\"a\":1e99999}", "refused", "numbers beyond numeric are refused");
	meta("[1]", "refused", "an array is no object");
	meta("{\"a\":1", "refused", "a cut object");
	meta("{\"a\":1}x", "refused", "something behind it");
	meta("{\"a\":\"\\x\"}", "refused", "an unknown escape");
	meta("{\"a\":\"b\\", "refused", "a cut escape");
	meta("{\"a\" 1}", "refused", "no colon");
	meta("{\"a\":01}", "refused", "a leading zero");
	meta("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", "refused",
	    "too deep");
	tier("{\"subscription_tier\":\"pro\",\"x\":1}", "pro", "tier");
	tier("{\"x\":{\"subscription_tier\":\"no\"}}", "", "not of an inner object");
	tier("{\"subscription_tier\":5}", "", "only a string");
	tier("{\"subscription_tier\":\"a\",\"subscription_tier\":\"b\"}", "b", "the last one, as jsonb keeps it");
	return done();
}
