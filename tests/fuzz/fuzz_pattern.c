/* Regular expressions: a line of pattern, the rest is text.  Whatever it is, it is refused with a
 * reason or answers, the same twice; and what stands between ^ and $ is found without them too. */
#include "base/pattern.h"

#include <string.h>

#include "fuzz.h"

static void
check_anchors(struct ag_str pattern, struct ag_str text)
{
	char anchored[AG_PATTERN_TEXT_MAX + 8];
	struct ag_pattern *bare = NULL, *whole = NULL;
	struct ag_err err = { "" };
	int n = snprintf(anchored, sizeof(anchored), "^(?:%.*s)$", (int)pattern.n, pattern.p);

	if (n < 0 || (size_t)n > AG_PATTERN_TEXT_MAX || ag_pattern_compile(pattern, &bare, &err) < 0)
		return;
	if (ag_pattern_compile(ag_str_n(anchored, (size_t)n), &whole, &err) == 0) {
		bool found = ag_pattern_matches(whole, text);

		must(!found || ag_pattern_matches(bare, text));
		must(found == ag_pattern_matches(whole, text));
	}
	ag_pattern_free(bare);
	ag_pattern_free(whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = size > 0 ? memchr(p, '\n', size) : NULL;
	struct ag_str pattern = ag_str_n(p, end ? (size_t)(end - p) : size);
	struct ag_str text = end ? ag_str_n(end + 1, size - pattern.n - 1) : ag_str("");
	struct ag_pattern *one = NULL;
	struct ag_err err = { "" };
	int rc = ag_pattern_compile(pattern, &one, &err);

	must(rc == 0 || err.text[0] != '\0');
	if (rc == 0)
		(void)ag_pattern_matches(one, text);
	ag_pattern_free(one);
	if (rc == 0 && !memchr(pattern.p, '\0', pattern.n))
		check_anchors(pattern, text);
	return 0;
}
