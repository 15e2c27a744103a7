#include <errno.h>
#include <time.h>

#include "base/pattern.h"
#include "tap.h"

/* 1 matches, 0 does not, -1 not understood. */
static int
match(const char *pattern, const char *text)
{
	struct ag_pattern *p;
	struct ag_err err = { "" };
	int found;

	if (ag_pattern_compile(ag_str(pattern), &p, &err) < 0)
		return -1;
	found = ag_pattern_matches(p, ag_str(text));
	ag_pattern_free(p);
	return found;
}

static void
texts_match_as_they_do_elsewhere(void)
{
	static const struct { const char *pattern, *text; int want; } row[] = {
		{ "", "", 1 }, { "", "x", 1 }, { "b", "abc", 1 }, { "^b", "abc", 0 }, { "^a", "abc", 1 },
		{ "c$", "abc", 1 }, { "b$", "abc", 0 }, { "^$", "", 1 }, { "^$", "a", 0 },
		{ "^[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$", "ada@example.com", 1 },
		{ "^[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$", "ada@example", 0 },
		{ "^(gold|silver)$", "silver", 1 }, { "^(?:gold|silver)$", "silvery", 0 },
		{ "^gold|silver$", "golden", 1 }, { "^\\d{3}-\\d{4}$", "555-1234", 1 },
		{ "^\\d{3}-\\d{4}$", "555-123", 0 }, { "^a{2,3}$", "aaaa", 0 }, { "^a{2,3}$", "aa", 1 },
		{ "^a{0}$", "", 1 }, { "^a{2,}$", "a", 0 }, { "^a{2,}?$", "aaaaa", 1 },
		{ "^[^a-c]+$", "xyz", 1 }, { "^[^a-c]+$", "xbz", 0 }, { "^\\D\\W\\S$", "a!x", 1 },
		{ "^[\\w-]+$", "a-b_9", 1 }, { "^[\\s\\d]+$", "1 2", 1 }, { "^[]$", "", 0 }, { "[]", "a", 0 },
		{ "[^]", "\n", 1 }, { "^.$", "\n", 0 }, { "^.$", "\xc3\xa9", 1 }, { "^..$", "\xc3\xa9", 0 },
		{ "^\xc3\xa9$", "\xc3\xa9", 1 }, { "^\\u00e9$", "\xc3\xa9", 1 }, { "^\\x41$", "A", 1 },
		{ "^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", 1 }, { "^\\/\\.\\t$", "/.\t", 1 }, { "a|", "zzz", 1 },
		{ "^(a*)*$", "aaaa", 1 }, { "^(a|a)*b$", "aaaab", 1 }, { "x*", "", 1 }, { "^[a-]$", "-", 1 },
		{ "^\xff$", "\xff", 1 }, { "(^a)", "ba", 0 }, { "^[\\d-z]+$", "1-z", 1 }, { "(b$|c)d?", "ab", 1 },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(row); i++)
		ok(match(row[i].pattern, row[i].text) == row[i].want, "/%s/ on \"%s\"", row[i].pattern,
		    row[i].text);
}

static void
what_is_not_supported_is_refused(void)
{
	static const char *const bad[] = { "(", ")", "[", "a)", "*", "+a", "a{", "a{1", "a{2,1}", "a{1001}",
		"\\", "(?=a)", "(?!a)", "(?<n>a)", "(a)\\1", "\\bword\\b", "\\p{L}", "[b-a]", "\\u12",
		"\\q", "((a{1000}){1000})", "((((){1000}){1000}){1000})", "a**" };
	char deep[256];
	struct ag_pattern *p;
	struct ag_err err = { "" };

	for (size_t i = 0; i < AG_ARRAY_LEN(bad); i++)
		ok(match(bad[i], "a") == -1, "/%s/ is refused", bad[i]);
	memset(deep, '(', 120);
	memset(deep + 120, ')', 120);
	deep[240] = '\0';
	ok(match(deep, "a") == -1, "groups too deep");
	is_i64(ag_pattern_compile(AG_STR("(?=a)"), &p, &err), -EINVAL, "with");
	ok(strstr(err.text, "looking around") && strstr(err.text, "byte 2"), "a reason: %s", err.text);
}

/* The steps taken are bounded by pattern x text: these hang whoever steps back. */
static void
nothing_hangs(void)
{
	static char text[2049];

	memset(text, 'a', 2048);
	is_i64(match("^(a+)+$", text), 1, "nested repetitions");
	text[2047] = 'b';
	is_i64(match("^(a+)+$", text), 0, "that fail at the end");
	is_i64(match("^(a|aa)+$", text), 0, "ambiguous choices");
	is_i64(match("(.*)(.*)(.*)(.*)(.*)x", text), 0, "many stars");
	is_i64(match("^(a?){300}a{300}$", text), 0, "many optional ones");
}

int
main(void)
{
	texts_match_as_they_do_elsewhere();
	what_is_not_supported_is_refused();
	nothing_hangs();
	return done();
}
