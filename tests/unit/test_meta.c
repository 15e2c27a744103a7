/* Text and metadata on their way into PostgreSQL. */
#include "flusher/meta.h"

#include <stdlib.h>

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
	struct ag_meta m;

	ag_meta_keys(&m, AG_STR_NONE);
	memset(out, 0, sizeof(out));
	if (!ag_meta_clean(ag_str(in), out, &m))
		snprintf(out, sizeof(out), "refused");
	is_str(out, want, what);
}

static void
tier(const char *in, const char *want, const char *what)
{
	struct ag_meta m;
	char copy[64];

	ag_meta_keys(&m, AG_STR_NONE);
	memset(out, 0, sizeof(out));
	ok(ag_meta_clean(ag_str(in), out, &m), "%s: taken", what);
	ag_str_copy(m.value[AG_META_TIER], copy, sizeof(copy));
	is_str(copy, want, what);
}

static void
chosen(const char *list, const char *in, const char *want, const char *what)
{
	struct ag_meta m;
	char got[128];
	size_t n;

	ag_meta_keys(&m, ag_str(list));
	if (!ag_meta_clean(ag_str(in), out, &m))
		abort();
	n = (size_t)snprintf(got, sizeof(got), "%u:", m.n - 1);
	for (unsigned k = 1; k < m.n; k++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%.*s,", AG_STR_ARG(m.value[k]));
	is_str(got, want, what);
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
	tier("{\"subscription_tier\":5}", "5", "a number as it stands");
	tier("{\"subscription_tier\":\"a\",\"subscription_tier\":\"b\"}", "b", "the last one, as jsonb keeps it");
	chosen("user_email, team ,, n", "{\"team\":\"core\",\"n\":7,\"user_email\":null,\"x\":{\"team\":\"no\"}}",
	    "3:,core,7,", "chosen keys at the top");
	chosen("a,b,c,d,e,f,g,h,i,j", "{\"a\":[1],\"h\":true,\"i\":\"too many\"}", "8:,,,,,,,true,", "eight at most");
	return done();
}
