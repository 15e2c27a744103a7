#include "http/json_scan.h"

#include <errno.h>
#include <stdlib.h>

#include "base/attr.h"
#include "tap.h"

enum { MODEL, STREAM, OPTIONS, MAX_TOKENS, MESSAGES, TOOLS, CONFIG, N_FIELDS };

static const struct ag_str names[N_FIELDS] = {
	[MODEL] = { "model", 5 },
	[STREAM] = { "stream", 6 },
	[OPTIONS] = { "stream_options", 14 },
	[MAX_TOKENS] = { "max_tokens", 10 },
	[MESSAGES] = { "messages", 8 },
	[TOOLS] = { "tools", 5 },
	[CONFIG] = { "generationConfig", 16 },
};
static struct ag_json_fields fields = AG_JSON_FIELDS(names);
static const struct ag_str option_names[] = { { "include_usage", 13 } };
static struct ag_json_fields options = AG_JSON_FIELDS(option_names);

static const char *impl_name[] = { "portable", "sse2", "avx2" };

/* From memory that ends where the text ends. */
static int
scan(struct ag_str text, struct ag_json_value out[N_FIELDS], struct ag_json_fault *fault)
{
	char *copy = malloc(text.n ? text.n : 1);
	int rc;

	memcpy(copy, text.p, text.n);
	rc = ag_json_scan(ag_str_n(copy, text.n), &fields, out, fault);
	free(copy);
	return rc;
}

static bool
is_raw(struct ag_str text, struct ag_json_value v, enum ag_json_type type, const char *want)
{
	return v.type == type && ag_str_eq(ag_json_raw(text, v), ag_str(want));
}

static void
fields_are_found_with_type_and_place(void)
{
	struct ag_str t = AG_STR("\n{ \"model\" : \"gpt-4o\",\r\n\t\"stream\":true,\"max_tokens\":1.5e2,"
	                         "\"x\":{\"model\":\"inner\",\"y\":[[{}],\"]\\\"}\"]},"
	                         "\"messages\":[{\"role\":\"user\",\"content\":\"{[\\\\\"},{},[1]],"
	                         "\"tools\":null,\"stream_options\":{\"include_usage\":false}} \n");
	struct ag_json_value v[N_FIELDS];
	struct ag_json_fault fault;

	is_i64(scan(t, v, &fault), 0, "a request");
	ok(is_raw(t, v[MODEL], AG_JSON_STRING, "\"gpt-4o\""), "a string with its quotes");
	ok(is_raw(t, v[STREAM], AG_JSON_TRUE, "true"), "true");
	ok(is_raw(t, v[MAX_TOKENS], AG_JSON_NUMBER, "1.5e2"), "a number");
	ok(is_raw(t, v[MESSAGES], AG_JSON_ARRAY,
	       "[{\"role\":\"user\",\"content\":\"{[\\\\\"},{},[1]]"),
	    "an array");
	is_i64(v[MESSAGES].n_children, 3, "with what stands in it");
	is_i64(v[MESSAGES].depth, 2, "and how deep");
	is_i64(v[OPTIONS].depth, 1, "an object of its own");
	is_i64(v[MODEL].depth, 0, "a string has none");
	ok(is_raw(t, v[TOOLS], AG_JSON_NULL, "null"), "null");
	ok(is_raw(t, v[OPTIONS], AG_JSON_OBJECT, "{\"include_usage\":false}"), "an object");
	ok(v[CONFIG].type == AG_JSON_ABSENT, "an absent field");
	ok(ag_str_eq(ag_str_n(t.p + v[MODEL].key_off, v[MODEL].key_len), AG_STR("\"model\"")),
	    "the key's place");
	t = ag_json_raw(t, v[OPTIONS]);
	is_i64(ag_json_scan(t, &options, v, &fault), 0, "inside it");
	ok(v[0].type == AG_JSON_FALSE, "false");
	is_i64(scan(AG_STR("{}"), v, &fault), 0, "an empty object");
	is_i64(scan(AG_STR("{\"mod\\u0065l\":1}"), v, &fault), 0, "a key in escapes");
	ok(v[MODEL].type == AG_JSON_NUMBER, "is the field it spells");
	is_i64(scan(AG_STR("{\"a\":\"\\u00e9\\n\\/\\\"\\\\\"}"), v, &fault), 0, "good escapes");
}

/* One field of each length there may be, and what differs from it in one byte, at each place. */
static void
a_name_is_told_from_all_that_is_nearly_it(void)
{
	unsigned wrong_own = 0, wrong_other = 0, wrong_case = 0;

	for (size_t n = 1; n < 64; n++) {
		char name[64], text[80];
		struct ag_str only[1] = { { name, n } };
		struct ag_json_value v;
		struct ag_json_fault fault;

		for (size_t i = 0; i < n; i++)
			name[i] = (char)('a' + (i * 7 + n) % 26);
		for (size_t at = 0; at <= n; at++) {
			struct ag_json_fields own = AG_JSON_FIELDS(only), other = own, upper = own;
			int len = snprintf(text, sizeof(text), "{\"%.*s\":1}", (int)n, name);
			struct ag_str t = ag_str_n(text, (size_t)len);

			if (at == n) {
				wrong_own += ag_json_scan(t, &own, &v, &fault) != 0 || v.type != AG_JSON_NUMBER;
				continue;
			}
			text[2 + at] = name[at] == 'z' ? 'a' : (char)(name[at] + 1);
			wrong_other += ag_json_scan(t, &other, &v, &fault) != 0 || v.type != AG_JSON_ABSENT;
			text[2 + at] = (char)(name[at] - 'a' + 'A');
			wrong_case += ag_json_scan(t, &upper, &v, &fault) == 0;
		}
	}
	is_i64(wrong_own, 0, "names of 1 to 63 bytes are found");
	is_i64(wrong_other, 0, "another byte anywhere makes another name");
	is_i64(wrong_case, 0, "another case anywhere is refused");
}

static const struct {
	const char *what;
	struct ag_str text;
} attempts[] = {
	{ "a duplicate", AG_STR("{\"model\":\"a\",\"model\":\"b\"}") },
	{ "an equal duplicate", AG_STR("{\"model\":\"a\",\"x\":1,\"model\":\"a\"}") },
	{ "a duplicate in escapes", AG_STR("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}") },
	{ "escapes first", AG_STR("{\"\\u006dodel\":\"a\",\"model\":\"b\"}") },
	{ "a duplicate of null", AG_STR("{\"model\":null,\"model\":\"b\"}") },
	{ "another case", AG_STR("{\"Model\":\"a\"}") },
	{ "another case beside ours", AG_STR("{\"model\":\"a\",\"MODEL\":\"b\"}") },
	{ "another case in escapes", AG_STR("{\"\\u004dodel\":\"a\"}") },
	{ "lower case of a mixed name", AG_STR("{\"generationconfig\":{}}") },
	{ "a long s for an s", AG_STR("{\"\xc5\xbftream\":true}") },
	{ "a long s in escapes", AG_STR("{\"\\u017Ftream\":true}") },
	{ "a Kelvin sign for a k", AG_STR("{\"max_to\xe2\x84\xaa" "ens\":1}") },
	{ "nothing", AG_STR("") },
	{ "blanks", AG_STR("  \n") },
	{ "an array", AG_STR("[]") },
	{ "a string", AG_STR("\"a\"") },
	{ "a number", AG_STR("1") },
	{ "a byte order mark", AG_STR("\xef\xbb\xbf{}") },
	{ "a second object", AG_STR("{}{}") },
	{ "a trailing letter", AG_STR("{} x") },
	{ "a trailing NUL", AG_STR("{}\0") },
	{ "a trailing comma", AG_STR("{\"a\":1,}") },
	{ "a leading comma", AG_STR("{,\"a\":1}") },
	{ "two commas", AG_STR("{\"a\":1,,\"b\":2}") },
	{ "no comma", AG_STR("{\"a\":1 \"b\":2}") },
	{ "no colon", AG_STR("{\"a\" 1}") },
	{ "no value", AG_STR("{\"a\":}") },
	{ "no key", AG_STR("{:1}") },
	{ "a bare key", AG_STR("{a:1}") },
	{ "a quoted key in single quotes", AG_STR("{'a':1}") },
	{ "a comment", AG_STR("{/*x*/\"a\":1}") },
	{ "open", AG_STR("{") },
	{ "open behind a value", AG_STR("{\"a\":1") },
	{ "open behind a key", AG_STR("{\"a\"") },
	{ "open in a key", AG_STR("{\"a") },
	{ "open in a string", AG_STR("{\"a\":\"b}") },
	{ "open behind a backslash", AG_STR("{\"a\":\"b\\\"}") },
	{ "open in an array", AG_STR("{\"a\":[1}") },
	{ "closed by the wrong bracket", AG_STR("{\"a\":{\"b\":[1}]}") },
	{ "closed once too often", AG_STR("{\"a\":[]]}") },
	{ "closed by the wrong bracket at the top", AG_STR("{\"a\":1]") },
	{ "a NUL in a string", AG_STR("{\"a\":\"\0\"}") },
	{ "a line feed in a string", AG_STR("{\"a\":\"\n\"}") },
	{ "a line feed in a nested string", AG_STR("{\"a\":[\"\n\"]}") },
	{ "a tab in a key", AG_STR("{\"a\t\":1}") },
	{ "a NUL in an array", AG_STR("{\"a\":[\0]}") },
	{ "a form feed in an array", AG_STR("{\"a\":[\f]}") },
	{ "a NUL between tokens", AG_STR("{\"a\":\0" "1}") },
	{ "a backslash in an array", AG_STR("{\"a\":[\\\"]}") },
	{ "a comment in an array", AG_STR("{\"a\":[/*\"*/],\"b\":[\"]}") },
	{ "a comment to the line's end", AG_STR("{\"a\":[//\n]}") },
	{ "a comment after a hash", AG_STR("{\"a\":[#\n]}") },
	{ "single quotes in an array", AG_STR("{\"a\":['\"',\"']\"]}") },
	{ "a bad escape", AG_STR("{\"a\":\"\\x\"}") },
	{ "a bad escape in a key", AG_STR("{\"\\x\":1}") },
	{ "a short \\u", AG_STR("{\"a\":\"\\u12\"}") },
	{ "a \\u with a bad digit", AG_STR("{\"a\":\"\\u12g4\"}") },
	{ "a lone surrogate in a key", AG_STR("{\"\\ud800\":1}") },
	{ "tru", AG_STR("{\"a\":tru}") },
	{ "trueX", AG_STR("{\"a\":trueX}") },
	{ "NaN", AG_STR("{\"a\":NaN}") },
	{ "Infinity", AG_STR("{\"a\":-Infinity}") },
	{ "01", AG_STR("{\"a\":01}") },
	{ "+1", AG_STR("{\"a\":+1}") },
	{ ".5", AG_STR("{\"a\":.5}") },
	{ "5.", AG_STR("{\"a\":5.}") },
	{ "1e", AG_STR("{\"a\":1e}") },
	{ "1e+", AG_STR("{\"a\":1e+}") },
	{ "-", AG_STR("{\"a\":-}") },
	{ "0x1", AG_STR("{\"a\":0x1}") },
	{ "1 2", AG_STR("{\"a\":1 2}") },
};

static void
whatever_a_lenient_reader_could_read_otherwise_is_refused(const char *impl)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(attempts); i++) {
		struct ag_json_value v[N_FIELDS];
		struct ag_json_fault fault = { 0 };

		ok(scan(attempts[i].text, v, &fault) == -EINVAL && fault.why, "%s refuses %s", impl,
		    attempts[i].what);
	}
}

static void
odd_bytes_have_their_place(void)
{
	struct ag_json_value v[N_FIELDS];
	struct ag_json_fault fault;

	is_i64(scan(AG_STR("{\"a\":[\"/*#'+\",1e+5,2.5E+3]}"), v, &fault), 0, "in strings and exponents");
}

static void
depth_is_bounded(void)
{
	for (size_t depth = AG_JSON_DEPTH_MAX - 1; depth <= AG_JSON_DEPTH_MAX; depth++) {
		struct ag_json_value v[N_FIELDS];
		struct ag_json_fault fault = { 0 };
		struct ag_buf b;

		ag_buf_init(&b, 4096);
		ag_buf_puts(&b, "{\"a\":");
		for (size_t i = 0; i < depth; i++)
			ag_buf_putc(&b, '[');
		for (size_t i = 0; i < depth; i++)
			ag_buf_putc(&b, ']');
		ag_buf_putc(&b, '}');
		if (depth < AG_JSON_DEPTH_MAX)
			is_i64(scan(ag_buf_str(&b), v, &fault), 0, "as deep as may be");
		else
			is_i64(scan(ag_buf_str(&b), v, &fault), -EINVAL, "one deeper");
		ag_buf_fini(&b);
	}
	is_i64((int64_t)AG_JSON_DEPTH_MAX, 64, "the bound");
}

static void
a_duplicate_is_named(void)
{
	struct ag_json_value v[N_FIELDS];
	struct ag_json_fault fault;

	is_i64(scan(AG_STR("{\"a\":1,\"a\":2}"), v, &fault), 0, "others may repeat");
	is_i64(scan(AG_STR("{\"stream\":1,\"stream\":2}"), v, &fault), -EINVAL, "ours may not");
	is_i64(fault.field, STREAM, "and are named");
	is_str(fault.why, "duplicate field", "with a reason");
	is_i64(scan(AG_STR("{\"models\":1,\"mode\":2,\"model_\":3,\"\":4}"), v, &fault), 0,
	    "neighbours are somebody else's");
	ok(v[MODEL].type == AG_JSON_ABSENT, "and not ours");
}

/* Bytes that matter, often; deterministic. */
static void
random_text(unsigned seed, char *out, size_t n)
{
	static const char often[] = "\"\"\"\\\\{}[]{}[],:  ab01+/'\n\tntfu\x80\x01";
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = often[(x >> 32) % (sizeof(often) - 1 - (seed % 3 == 0 ? 2 : 0))];
	}
}

/* A text built by rule, with strings full of quotes and brackets, of every length around the
 * width of a block. */
static size_t
built_text(unsigned seed, char *out, size_t pad)
{
	struct ag_buf b;
	size_t n;

	ag_buf_init(&b, 4096);
	ag_buf_puts(&b, "{\"x\":[");
	for (size_t i = 0; i < pad; i++)
		ag_buf_putc(&b, ' ');
	ag_buf_puts(&b, "\"");
	for (size_t i = 0; i < pad; i++)
		ag_buf_puts(&b, (seed >> (i % 8) & 1) ? "\\\\" : "\\\"");
	ag_buf_puts(&b, "]}\",{\"y\":[[],{}]}],\"model\":\"");
	for (size_t i = 0; i < pad; i++)
		ag_buf_puts(&b, (seed >> (i % 8) & 1) ? "\\\"" : "z");
	ag_buf_puts(&b, "\",\"stream\":true}");
	n = b.n;
	memcpy(out, b.p, n);
	ag_buf_fini(&b);
	return n;
}

static bool
same_results(struct ag_str text)
{
	struct ag_json_value a[N_FIELDS], b[N_FIELDS];
	struct ag_json_fault fa = { 0 }, fb = { 0 };
	int rc;

	(void)ag_json_use(AG_JSON_PORTABLE);
	rc = scan(text, a, &fa);
	for (enum ag_json_impl impl = AG_JSON_SSE2; impl <= AG_JSON_AVX2; impl++) {
		if (!ag_json_use(impl))
			continue;
		if (scan(text, b, &fb) != rc)
			return false;
		for (int i = 0; i < N_FIELDS; i++)
			if (a[i].type != b[i].type ||
			    (a[i].type != AG_JSON_ABSENT &&
			        (a[i].off != b[i].off || a[i].len != b[i].len ||
			            a[i].n_children != b[i].n_children)))
				return false;
		if (rc < 0 && (strcmp(fa.why, fb.why) != 0 || fa.at != fb.at))
			return false;
	}
	return true;
}

static void
all_instruction_sets_agree(void)
{
	static char text[4096];
	bool is_same = true;

	for (unsigned seed = 1; seed < 20000; seed++) {
		size_t n = 8 + seed % 300;

		memcpy(text, "{\"x\":[", 6);
		random_text(seed, text + 6, n - 6);
		is_same = is_same && same_results(ag_str_n(text, n));
	}
	ok(is_same, "over random text");
	for (unsigned seed = 0; seed < 256; seed++)
		for (size_t pad = 0; pad < 140; pad += 1 + seed % 3) {
			struct ag_json_value v[N_FIELDS];
			struct ag_json_fault fault;
			size_t n = built_text(seed, text, pad);

			is_same = is_same && same_results(ag_str_n(text, n)) &&
			          scan(ag_str_n(text, n), v, &fault) == 0 &&
			          v[STREAM].type == AG_JSON_TRUE;
		}
	ok(is_same, "and over strings of escapes of every length");
}

static int
decode(struct ag_str raw, char *out, size_t cap)
{
	struct ag_buf b;
	int rc;

	ag_buf_init(&b, 256);
	rc = ag_json_string_decode(raw, &b);
	if (rc == 0)
		ag_str_copy(ag_buf_str(&b), out, cap);
	ag_buf_fini(&b);
	return rc;
}

static void
strings_are_decoded(void)
{
	char out[64];
	struct ag_str plain;
	struct ag_buf small;

	is_i64(decode(AG_STR("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), out, sizeof(out)), 0, "short escapes");
	is_str(out, "a\"\\/\b\f\n\r\tz", "decoded");
	is_i64(decode(AG_STR("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\""), out, sizeof(out)), 0, "\\u");
	is_str(out, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "as UTF-8");
	is_i64(decode(AG_STR("\"\""), out, sizeof(out)), 0, "an empty string");
	is_str(out, "", "is empty");
	is_i64(decode(AG_STR("\"\\ud83d\""), out, sizeof(out)), -EINVAL, "a lone high surrogate");
	is_i64(decode(AG_STR("\"\\ude00\""), out, sizeof(out)), -EINVAL, "a lone low surrogate");
	is_i64(decode(AG_STR("\"\\ud83d\\u0041\""), out, sizeof(out)), -EINVAL, "a wrong second half");
	is_i64(decode(AG_STR("\"\\ud83dx\\ude00\""), out, sizeof(out)), -EINVAL, "a parted pair");
	is_i64(decode(AG_STR("\"\\u00\""), out, sizeof(out)), -EINVAL, "a short escape");
	is_i64(decode(AG_STR("\"a"), out, sizeof(out)), -EINVAL, "no end");
	is_i64(decode(AG_STR("12"), out, sizeof(out)), -EINVAL, "a number");
	ok(ag_json_string_plain(AG_STR("\"gpt-4o\""), &plain) && ag_str_eq(plain, AG_STR("gpt-4o")),
	    "a plain string is a view");
	ok(!ag_json_string_plain(AG_STR("\"a\\n\""), &plain), "one with escapes is not");
	ok(!ag_json_string_plain(AG_STR("null"), &plain), "nor is null");
	ok(ag_json_string_eq(AG_STR("\"\\u0061b\""), AG_STR("ab")), "compared as decoded");
	ok(!ag_json_string_eq(AG_STR("\"ab\""), AG_STR("abc")), "shorter is not equal");
	ok(!ag_json_string_eq(AG_STR("\"abc\""), AG_STR("ab")), "longer is not equal");
	ag_buf_init(&small, 4);
	is_i64(ag_json_string_decode(AG_STR("\"abcde\""), &small), -ENOBUFS, "the ceiling holds");
	ag_buf_fini(&small);
}

static void
integers_are_read_exactly(void)
{
	static const struct {
		struct ag_str text;
		int rc;
		uint64_t v;
	} table[] = {
		{ AG_STR("0"), 0, 0 },
		{ AG_STR("-0"), 0, 0 },
		{ AG_STR("100"), 0, 100 },
		{ AG_STR("100.0"), 0, 100 },
		{ AG_STR("100.000e0"), 0, 100 },
		{ AG_STR("1e2"), 0, 100 },
		{ AG_STR("1E+2"), 0, 100 },
		{ AG_STR("1.5e1"), 0, 15 },
		{ AG_STR("1500e-2"), 0, 15 },
		{ AG_STR("0.0015e4"), 0, 15 },
		{ AG_STR("0e99999999999999999999"), 0, 0 },
		{ AG_STR("100000000000000000000000000e-25"), 0, 10 },
		{ AG_STR("18446744073709551615"), 0, UINT64_MAX },
		{ AG_STR("18446744073709551616"), -ERANGE, 0 },
		{ AG_STR("1e20"), -ERANGE, 0 },
		{ AG_STR("1e99999999999999999999"), -ERANGE, 0 },
		{ AG_STR("-1"), -ERANGE, 0 },
		{ AG_STR("0.5"), -EDOM, 0 },
		{ AG_STR("15e-1"), -EDOM, 0 },
		{ AG_STR("1e-99999999999999999999"), -EDOM, 0 },
		{ AG_STR(""), -EINVAL, 0 },
		{ AG_STR("-"), -EINVAL, 0 },
		{ AG_STR("01"), -EINVAL, 0 },
		{ AG_STR("1 "), -EINVAL, 0 },
		{ AG_STR("0x10"), -EINVAL, 0 },
		{ AG_STR("\"1\""), -EINVAL, 0 },
		{ AG_STR("null"), -EINVAL, 0 },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(table); i++) {
		uint64_t v = 0;
		int rc = ag_json_u64(table[i].text, &v);

		ok(rc == table[i].rc && v == table[i].v, "number %.*s", AG_STR_ARG(table[i].text));
	}
}

static void
members_come_one_by_one(void)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	struct ag_str t = AG_STR(" [ 1 , \"a,b\" , [2,3] , {} ] ");

	ag_json_iter_init(&it, t);
	ok(ag_json_array_next(&it, &v) == 1 && is_raw(t, v, AG_JSON_NUMBER, "1"), "a number");
	ok(ag_json_array_next(&it, &v) == 1 && is_raw(t, v, AG_JSON_STRING, "\"a,b\""), "a string");
	ok(ag_json_array_next(&it, &v) == 1 && is_raw(t, v, AG_JSON_ARRAY, "[2,3]"), "an array");
	ok(ag_json_array_next(&it, &v) == 1 && is_raw(t, v, AG_JSON_OBJECT, "{}"), "an object");
	is_i64(ag_json_array_next(&it, &v), 0, "the end");
	is_i64(ag_json_array_next(&it, &v), 0, "which stays the end");
	t = AG_STR("{\"a\":1,\"b\":{\"c\":2}}");
	ag_json_iter_init(&it, t);
	ok(ag_json_object_next(&it, &v) == 1 && is_raw(t, v, AG_JSON_NUMBER, "1"), "a member");
	ok(ag_json_object_next(&it, &v) == 1 && is_raw(t, v, AG_JSON_OBJECT, "{\"c\":2}") &&
	       ag_str_eq(ag_str_n(t.p + v.key_off, v.key_len), AG_STR("\"b\"")),
	    "another, with its key");
	is_i64(ag_json_object_next(&it, &v), 0, "the end");
	is_i64(ag_json_array_count(AG_STR("[]")), 0, "none");
	is_i64(ag_json_array_count(AG_STR("[\"a\",\"b\",3]")), 3, "three");
	is_i64(ag_json_array_count(AG_STR("[1,]")), -EINVAL, "a trailing comma");
	is_i64(ag_json_array_count(AG_STR("[1 2]")), -EINVAL, "no comma");
	is_i64(ag_json_array_count(AG_STR("[1")), -EINVAL, "no end");
	is_i64(ag_json_array_count(AG_STR("[1]x")), -EINVAL, "something behind");
	is_i64(ag_json_array_count(AG_STR("{}")), -EINVAL, "an object");
	is_i64(ag_json_array_count(AG_STR("")), -EINVAL, "nothing");
}

enum { OUTER_USAGE, OUTER_ID, N_OUTER, IN_USAGE = N_OUTER, IN_TOKENS = 0, IN_DETAILS, N_IN,
	IN_IN_DETAILS = N_IN, N_DETAILS = 1, N_ALL = IN_USAGE + N_IN + N_DETAILS };
static const struct ag_str details_names[N_DETAILS] = { { "cached", 6 } };
static struct ag_json_fields details_fields = AG_JSON_FIELDS(details_names);
static const struct ag_str usage_names[N_IN] = { { "tokens", 6 }, { "details", 7 } };
static const struct ag_json_inner usage_inner[] = { { IN_DETAILS, IN_IN_DETAILS, &details_fields } };
static struct ag_json_fields usage_fields = AG_JSON_FIELDS_INNER(usage_names, usage_inner);
static const struct ag_str outer_names[N_OUTER] = { { "usage", 5 }, { "id", 2 } };
static const struct ag_json_inner outer_inner[] = { { OUTER_USAGE, IN_USAGE, &usage_fields } };
static struct ag_json_fields outer_fields = AG_JSON_FIELDS_INNER(outer_names, outer_inner);

static void
fields_inside_are_found_in_the_same_pass(void)
{
	struct ag_str t = AG_STR("{\"usage\" : {\"tokens\": 7, \"x\":[{\"tokens\":8}], \"details\":{\"cached\":5 } } ,\"id\":1}");
	struct ag_json_value v[N_ALL];
	const struct ag_json_value *u = v + IN_USAGE, *d = u + IN_IN_DETAILS;
	struct ag_json_fault fault;

	is_i64(ag_json_scan(t, &outer_fields, v, &fault), 0, "two objects deep");
	ok(is_raw(t, v[OUTER_USAGE], AG_JSON_OBJECT,
	       "{\"tokens\": 7, \"x\":[{\"tokens\":8}], \"details\":{\"cached\":5 } }"),
	    "the object itself, without the blank behind it");
	is_i64(v[OUTER_USAGE].n_children, 2, "with what stands in it");
	is_i64(v[OUTER_USAGE].depth, 3, "and how deep: [{ in it");
	ok(is_raw(t, u[IN_TOKENS], AG_JSON_NUMBER, "7"), "a field in it");
	ok(is_raw(t, u[IN_DETAILS], AG_JSON_OBJECT, "{\"cached\":5 }"), "an object in it");
	ok(is_raw(t, d[0], AG_JSON_NUMBER, "5"), "a field in that");
	ok(is_raw(t, v[OUTER_ID], AG_JSON_NUMBER, "1"), "and what follows");
	is_i64(ag_json_scan(AG_STR("{\"usage\":{},\"id\":1}"), &outer_fields, v, &fault), 0, "an empty one");
	ok(u[IN_TOKENS].type == AG_JSON_ABSENT && u[IN_DETAILS].type == AG_JSON_ABSENT, "has no fields");
	is_i64(ag_json_scan(AG_STR("{\"usage\":[{\"tokens\":1}]}"), &outer_fields, v, &fault), 0, "an array");
	ok(v[OUTER_USAGE].type == AG_JSON_ARRAY, "is not looked into");
	is_i64(ag_json_scan(AG_STR("{\"usage\":{\"tokens\":1},\"usage\":{}}"), &outer_fields, v, &fault), -EINVAL,
	    "two objects of that name");
	is_i64(fault.field, OUTER_USAGE, "are refused by it");
}

static void
what_is_refused_inside_leaves_what_is_around_it(void)
{
	static const struct ag_str inside[] = {
		AG_STR("{\"tokens\":1,\"tokens\":2}"), AG_STR("{\"Tokens\":1}"), AG_STR("{\"tokens\":01}"),
		AG_STR("{\"tokens\" 1}"), AG_STR("{\"tokens\":1,}"), AG_STR("{\"tokens\":1 2}"),
	};
	struct ag_json_value v[N_ALL];
	struct ag_json_fault fault;

	for (size_t i = 0; i < AG_ARRAY_LEN(inside); i++) {
		struct ag_buf b;
		struct ag_str t;

		ag_buf_init(&b, 256);
		ag_buf_printf(&b, "{\"usage\":%.*s,\"id\":1}", AG_STR_ARG(inside[i]));
		t = ag_buf_str(&b);
		is_i64(ag_json_scan(t, &outer_fields, v, &fault), 0, inside[i].p);
		ok(is_raw(t, v[OUTER_USAGE], AG_JSON_OBJECT, inside[i].p) &&
		       v[IN_USAGE + IN_TOKENS].type == AG_JSON_ABSENT &&
		       is_raw(t, v[OUTER_ID], AG_JSON_NUMBER, "1"),
		    "is an object without fields of ours");
		ag_buf_fini(&b);
	}
	is_i64(ag_json_scan(AG_STR("{\"usage\":{\"tokens\":1]}"), &outer_fields, v, &fault), -EINVAL,
	    "what no skipping gets over is refused");
	is_i64(ag_json_scan(AG_STR("{\"usage\":{\"details\":{\"cached\":1"), &outer_fields, v, &fault), -EINVAL,
	    "so is what has no end");
}

int
main(void)
{
	for (enum ag_json_impl impl = AG_JSON_PORTABLE; impl <= AG_JSON_AVX2; impl++) {
		if (!ag_json_use(impl))
			continue;
		fields_are_found_with_type_and_place();
		a_name_is_told_from_all_that_is_nearly_it();
		whatever_a_lenient_reader_could_read_otherwise_is_refused(impl_name[impl]);
		odd_bytes_have_their_place();
		depth_is_bounded();
		a_duplicate_is_named();
		members_come_one_by_one();
		fields_inside_are_found_in_the_same_pass();
		what_is_refused_inside_leaves_what_is_around_it();
	}
	all_instruction_sets_agree();
	strings_are_decoded();
	integers_are_read_exactly();
	return done();
}
