#include "flusher/redact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flusher/redact_find.h"

#define SLICE     ((size_t)8 << 10) /* of a pattern, in one step */
#define TAIL_MAX  256u              /* given up at most where a text was cut */

static const char *const label[AG_REDACT_KINDS] = {
	[AG_REDACT_SECRET] = "[secret]", [AG_REDACT_EMAIL] = "[email]", [AG_REDACT_CARD] = "[card]",
	[AG_REDACT_PHONE] = "[phone]", [AG_REDACT_PATTERN] = "[redacted]",
};

void
ag_redact_rules_fini(struct ag_redact_rules *r)
{
	for (unsigned i = 0; i < r->n_patterns; i++)
		ag_pattern_free(r->pattern[i]);
	r->n_patterns = 0;
}

void
ag_redaction_init(struct ag_redaction *r)
{
	memset(r, 0, sizeof(*r));
}

void
ag_redaction_fini(struct ag_redaction *r)
{
	free(r->kind);
	free(r->began);
	memset(r, 0, sizeof(*r));
}

static int
make_room(struct ag_redaction *r, size_t n)
{
	uint8_t *kind;
	uint32_t *began;

	if (n <= r->cap)
		return 0;
	kind = realloc(r->kind, n);
	if (kind)
		r->kind = kind;
	began = reallocarray(r->began, n, sizeof(*began));
	if (began)
		r->began = began;
	if (!kind || !began)
		return -ENOMEM;
	r->cap = n;
	return 0;
}

int
ag_redaction_begin(struct ag_redaction *r, struct ag_str text, bool is_cut,
    const struct ag_redact_rules *rules)
{
	if (text.n >= UINT32_MAX || make_room(r, text.n + 1) < 0)
		return -ENOMEM;
	r->text = text;
	r->rules = rules;
	r->is_cut = is_cut;
	r->pass = 0;
	r->at = 0;
	memset(r->kind, AG_REDACT_NONE, text.n);
	return 0;
}

/* Whether the byte at `at` is the letter of an escape, such as the n of \n. */
static bool
is_escaped(struct ag_str s, size_t at)
{
	size_t n = 0;

	while (n < at && s.p[at - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

/* What stands there already stays; an escape that JSON needs is left whole. */
static void
mark(void *arg, size_t from, size_t to, enum ag_redact_kind kind)
{
	struct ag_redaction *r = arg;

	if (from < to && is_escaped(r->text, from))
		from += r->text.p[from] == 'u' && to - from > 5 ? 5 : 1;
	for (size_t i = from; i < to; i++)
		if (r->kind[i] == AG_REDACT_NONE)
			r->kind[i] = (uint8_t)kind;
}

/* began[] from the end: a byte is covered when a match that ends behind it began no later. */
static void
mark_spans(struct ag_redaction *r)
{
	uint32_t low = UINT32_MAX;

	for (size_t end = r->text.n; end > 0; end--) {
		low = r->began[end] < low ? r->began[end] : low;
		if (low < end && r->kind[end - 1] == AG_REDACT_NONE)
			r->kind[end - 1] = AG_REDACT_PATTERN;
	}
}

bool
ag_redaction_step(struct ag_redaction *r)
{
	if (r->pass == 0) {
		ag_redact_find(r->text, r->rules->kinds | 1u << AG_REDACT_SECRET, mark, r);
		r->pass = 1;
		return r->rules->n_patterns == 0;
	}
	if (r->pass > r->rules->n_patterns)
		return true;
	if (r->at == 0)
		memset(r->began, 0xff, (r->text.n + 1) * sizeof(*r->began));
	ag_pattern_spans(r->rules->pattern[r->pass - 1], r->text, r->at, r->at + SLICE, r->began, &r->at);
	if (r->at < r->text.n)
		return false;
	mark_spans(r);
	r->at = 0;
	return r->pass++ == r->rules->n_patterns;
}

/* Where a text that was cut may end: what follows the last mark of its structure may be half a name. */
static size_t
whole_length(struct ag_str s)
{
	size_t least = s.n > TAIL_MAX ? s.n - TAIL_MAX : 0;

	for (size_t n = s.n; n > least; n--)
		if (strchr("\",\n{}[]", s.p[n - 1]) && s.p[n - 1] != '\0' && !is_escaped(s, n - 1))
			return n;
	while (least > 0 && ((uint8_t)s.p[least] & 0xc0) == 0x80)
		least--; /* never half a character */
	return least;
}

void
ag_redaction_write(struct ag_redaction *r, struct ag_buf *out, unsigned *io_taken)
{
	size_t n = r->is_cut ? whole_length(r->text) : r->text.n, at = 0;

	while (at < n) {
		uint8_t kind = r->kind[at];
		size_t end = at;

		while (end < n && r->kind[end] == kind)
			end++;
		if (kind == AG_REDACT_NONE) {
			ag_buf_put(out, r->text.p + at, end - at);
		} else {
			ag_buf_puts(out, label[kind]);
			++*io_taken;
		}
		at = end;
	}
}
