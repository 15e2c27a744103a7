/* Redaction: a line of pattern, the rest is a body.  Whatever it is, it is read within its bounds; what
 * nothing was taken from is unchanged, what was cut is never longer than what was whole, and a key that
 * is hung on behind goes. */
#include "flusher/redact.h"

#include <string.h>

#include "fuzz.h"

static struct ag_redaction redaction;

static unsigned
redact(struct ag_str text, const struct ag_redact_rules *rules, bool is_cut, struct ag_buf *out)
{
	unsigned taken = 0;

	must(ag_redaction_begin(&redaction, text, is_cut, rules) == 0);
	while (!ag_redaction_step(&redaction))
		;
	ag_buf_init(out, 1 << 20);
	ag_redaction_write(&redaction, out, &taken);
	must(!out->failed);
	return taken;
}

static void
check_key_goes(struct ag_str text, const struct ag_redact_rules *rules)
{
	static const struct ag_str key = AG_STR("\nsk-fuzzfuzzfuzzfuzzfuzz0");
	struct ag_buf with, out;

	ag_buf_init(&with, 1 << 20);
	ag_buf_put_str(&with, text);
	ag_buf_put_str(&with, key);
	(void)redact(ag_buf_str(&with), rules, false, &out);
	must(out.n < key.n || memcmp(out.p + out.n - (key.n - 1), key.p + 1, key.n - 1) != 0);
	ag_buf_fini(&out);
	ag_buf_fini(&with);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = size > 0 ? memchr(p, '\n', size) : NULL;
	struct ag_str pattern = ag_str_n(p, end ? (size_t)(end - p) : 0);
	struct ag_str text = end ? ag_str_n(end + 1, size - pattern.n - 1) : ag_str_n(p, size);
	struct ag_redact_rules rules = { .kinds = ~0u };
	struct ag_err err = { "" };
	struct ag_buf whole, cut;

	if (pattern.n > 0 && ag_pattern_compile(pattern, &rules.pattern[0], &err) == 0)
		rules.n_patterns = 1;
	if (redact(text, &rules, false, &whole) == 0)
		must(ag_str_eq(ag_buf_str(&whole), text));
	(void)redact(text, &rules, true, &cut);
	must(cut.n <= whole.n);
	ag_buf_fini(&whole);
	ag_buf_fini(&cut);
	check_key_goes(text, &rules);
	ag_redact_rules_fini(&rules);
	return 0;
}
