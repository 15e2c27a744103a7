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

/* Something is found when something is spanned, in one piece or in many; an empty match spans nothing. */
static void
check_spans(struct ag_pattern *p, struct ag_str text)
{
	uint32_t *one = malloc((text.n + 1) * sizeof(*one)), *many = malloc((text.n + 1) * sizeof(*many));
	size_t at = 0, end;

	if (!one || !many)
		abort();
	memset(one, 0xff, (text.n + 1) * sizeof(*one));
	memset(many, 0xff, (text.n + 1) * sizeof(*many));
	ag_pattern_spans(p, text, 0, text.n, one, &end);
	must(end == text.n);
	do {
		ag_pattern_spans(p, text, at, at + 3, many, &at);
	} while (at < text.n);
	must(memcmp(one, many, (text.n + 1) * sizeof(*one)) == 0);
	for (size_t i = 0; i <= text.n; i++) {
		must(one[i] == UINT32_MAX || one[i] < i);
		must(one[i] == UINT32_MAX || ag_pattern_matches(p, text));
	}
	free(one);
	free(many);
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
		check_spans(one, text);
	ag_pattern_free(one);
	if (rc == 0 && !memchr(pattern.p, '\0', pattern.n))
		check_anchors(pattern, text);
	return 0;
}
