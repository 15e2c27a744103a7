#include "base/pattern.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/num.h"

#define NODES_MAX  1024
#define RANGES_MAX 256
#define DEPTH_MAX  40
#define REPEAT_MAX 1000
#define NONE       UINT16_MAX
#define CP_MAX     0x10ffffu
#define EMITS_MAX  20000 /* repetitions of nothing take no step, but time */

struct range { uint32_t from, to; };

enum node_type { N_EMPTY, N_SET, N_START, N_END, N_CAT, N_ALT, N_REPEAT };

struct node {
	enum node_type type;
	uint16_t a, b;        /* children */
	uint16_t min, max;    /* of N_REPEAT; max NONE: without end */
	uint16_t first, n;    /* ranges of N_SET */
	bool is_not;
};

enum op { OP_SET, OP_START, OP_END, OP_SPLIT, OP_JUMP, OP_FOUND };

struct step {
	enum op op;
	uint16_t x, y;        /* where to; of OP_SET its ranges: first, how many */
	bool is_not;
};

/* The steps a text has reached; `at` tells in O(1) whether one is there. */
struct front {
	uint16_t list[AG_PATTERN_STEPS_MAX], n;
	uint16_t at[AG_PATTERN_STEPS_MAX];
	uint32_t began[AG_PATTERN_STEPS_MAX]; /* of list[i]: where what got there began; spans only */
};

struct ag_pattern {
	struct step step[AG_PATTERN_STEPS_MAX];
	struct range range[RANGES_MAX];
	uint16_t n_steps, n_ranges;
	struct front now, next;
	bool is_swapped;       /* between two calls of ag_pattern_spans(): now and next have changed places */
};

struct parser {
	struct ag_str text;
	size_t pos;
	struct ag_pattern *p;  /* for its ranges */
	struct node node[NODES_MAX];
	uint16_t n_nodes;
	uint32_t n_emits;
	struct ag_err *err;
};

static uint16_t
broken(struct parser *ps, const char *why)
{
	if (ps->err->text[0] == '\0')
		ag_err_set(ps->err, -EINVAL, "%s, at byte %zu", why, ps->pos);
	return NONE;
}

/* ---- code points ---- */

/* The code point at *pos; bytes that are no UTF-8 stand for themselves. */
static uint32_t
code_point(struct ag_str s, size_t *pos)
{
	const uint8_t *p = (const uint8_t *)s.p + *pos;
	size_t left = s.n - *pos;
	size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
	uint32_t cp = n == 2 ? p[0] & 31u : n == 3 ? p[0] & 15u : p[0] & 7u;

	for (size_t i = 1; i < n; i++) {
		if (i >= left || p[i] >> 6 != 2) {
			n = 0;
			break;
		}
		cp = cp << 6 | (p[i] & 63u);
	}
	*pos += n > 0 ? n : 1;
	return n > 1 ? cp : p[0];
}

/* ---- from text to nodes ---- */

static bool
more(const struct parser *ps)
{
	return ps->pos < ps->text.n;
}

static bool
skip(struct parser *ps, const char *what)
{
	if (!ag_str_starts(ag_str_skip(ps->text, ps->pos), ag_str(what)))
		return false;
	ps->pos += strlen(what);
	return true;
}

static uint16_t
node_new(struct parser *ps, enum node_type type, uint16_t a, uint16_t b)
{
	if (ps->n_nodes == NODES_MAX)
		return broken(ps, "too long a pattern");
	ps->node[ps->n_nodes] = (struct node){ .type = type, .a = a, .b = b };
	return ps->n_nodes++;
}

static bool
range_add(struct parser *ps, uint32_t from, uint32_t to)
{
	if (ps->p->n_ranges == RANGES_MAX) {
		broken(ps, "too many characters in classes");
		return false;
	}
	ps->p->range[ps->p->n_ranges++] = (struct range){ from, to };
	return true;
}

static const struct range digit[] = { { '0', '9' } };
static const struct range word[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
static const struct range space[] = { { 9, 13 }, { ' ', ' ' }, { 0xa0, 0xa0 }, { 0x1680, 0x1680 },
	{ 0x2000, 0x200a }, { 0x2028, 0x2029 }, { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 },
	{ 0xfeff, 0xfeff } };

/* The class a letter behind a backslash stands for; the capital one is what is not in it. */
static bool
class_add(struct parser *ps, char letter, bool *out_ok)
{
	const struct range *r;
	uint32_t from = 0;
	size_t n;

	switch (letter | 0x20) {
	case 'd': r = digit, n = AG_ARRAY_LEN(digit); break;
	case 'w': r = word, n = AG_ARRAY_LEN(word); break;
	case 's': r = space, n = AG_ARRAY_LEN(space); break;
	default: return false;
	}
	*out_ok = true;
	for (size_t i = 0; i < n && *out_ok; i++) {
		if (letter & 0x20)
			*out_ok = range_add(ps, r[i].from, r[i].to);
		else if (r[i].from > from)
			*out_ok = range_add(ps, from, r[i].from - 1);
		from = r[i].to + 1;
	}
	if (*out_ok && !(letter & 0x20))
		*out_ok = range_add(ps, from, CP_MAX);
	return true;
}

static bool
hex(struct parser *ps, size_t digits, uint32_t *out)
{
	*out = 0;
	for (size_t i = 0; i < digits; i++) {
		char c = more(ps) ? ps->text.p[ps->pos++] : ' ';
		uint32_t v = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
		    ? (uint32_t)((c | 0x20) - 'a') + 10 : 16;

		if (v == 16) {
			broken(ps, "not a hexadecimal number");
			return false;
		}
		*out = *out << 4 | v;
	}
	return true;
}

/* The character an escape means; the backslash is behind us. */
static bool
escaped(struct parser *ps, uint32_t *out)
{
	static const char from[] = "tnrfv0", to[] = "\t\n\r\f\v";
	char c = more(ps) ? ps->text.p[ps->pos] : '\0';
	const char *at = c ? strchr(from, c) : NULL;

	if (!more(ps)) {
		broken(ps, "a backslash at the end");
		return false;
	}
	if ((c >= '1' && c <= '9') || c == 'k') {
		broken(ps, "back references are not supported");
		return false;
	}
	if (c == 'b' || c == 'B' || c == 'p' || c == 'P') {
		broken(ps, "\\b, \\B, \\p and \\P are not supported");
		return false;
	}
	if (skip(ps, "x"))
		return hex(ps, 2, out);
	if (skip(ps, "u"))
		return hex(ps, 4, out);
	if (at) {
		ps->pos++;
		*out = (uint32_t)to[at - from];
		return true;
	}
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
		broken(ps, "this escape is not supported");
		return false;
	}
	*out = code_point(ps->text, &ps->pos);
	return true;
}

/* One character of a class, or a class in it (*out_is_class). */
static bool
class_item(struct parser *ps, uint32_t *out, bool *out_is_class)
{
	bool ok;

	*out_is_class = false;
	if (!skip(ps, "\\")) {
		*out = code_point(ps->text, &ps->pos);
		return true;
	}
	if (more(ps) && class_add(ps, ps->text.p[ps->pos], &ok)) {
		ps->pos++;
		*out_is_class = true;
		return ok;
	}
	return escaped(ps, out);
}

static uint16_t
set_of(struct parser *ps, uint16_t first, bool is_not)
{
	uint16_t n = node_new(ps, N_SET, 0, 0);

	if (n != NONE) {
		ps->node[n].first = first;
		ps->node[n].n = (uint16_t)(ps->p->n_ranges - first);
		ps->node[n].is_not = is_not;
	}
	return n;
}

/* Behind "[". */
static uint16_t
parse_class(struct parser *ps)
{
	uint16_t first = ps->p->n_ranges;
	bool is_not = skip(ps, "^"), is_class;
	uint32_t from, to;

	while (more(ps) && ps->text.p[ps->pos] != ']') {
		if (!class_item(ps, &from, &is_class))
			return NONE;
		if (is_class)
			continue;
		to = from;
		if (ps->pos + 1 < ps->text.n && ps->text.p[ps->pos] == '-' && ps->text.p[ps->pos + 1] != ']') {
			ps->pos++;
			if (!class_item(ps, &to, &is_class))
				return NONE;
			if (is_class || to < from)
				return broken(ps, "a range of characters that is none");
		}
		if (!range_add(ps, from, to))
			return NONE;
	}
	if (!skip(ps, "]"))
		return broken(ps, "a class of characters without its end");
	return set_of(ps, first, is_not);
}

static uint16_t parse_either(struct parser *ps, int depth);

/* Behind "(". */
static uint16_t
parse_group(struct parser *ps, int depth)
{
	uint16_t n;

	if (skip(ps, "?") && !skip(ps, ":"))
		return broken(ps, "looking around, names and flags of groups are not supported");
	n = parse_either(ps, depth + 1);
	if (n != NONE && !skip(ps, ")"))
		return broken(ps, "a group without its end");
	return n;
}

static uint16_t
parse_one(struct parser *ps, int depth)
{
	uint16_t first = ps->p->n_ranges;
	bool ok = false;
	uint32_t cp;

	if (depth > DEPTH_MAX)
		return broken(ps, "groups too deep in each other");
	if (skip(ps, "("))
		return parse_group(ps, depth);
	if (skip(ps, "["))
		return parse_class(ps);
	if (skip(ps, "^"))
		return node_new(ps, N_START, 0, 0);
	if (skip(ps, "$"))
		return node_new(ps, N_END, 0, 0);
	if (strchr("*+?{", ps->text.p[ps->pos]))
		return broken(ps, "nothing to repeat");
	if (skip(ps, "."))
		return range_add(ps, '\n', '\n') && range_add(ps, '\r', '\r') &&
		    range_add(ps, 0x2028, 0x2029) ? set_of(ps, first, true) : NONE;
	if (skip(ps, "\\")) {
		if (more(ps) && class_add(ps, ps->text.p[ps->pos], &ok)) {
			ps->pos++;
			return ok ? set_of(ps, first, false) : NONE;
		}
		if (!escaped(ps, &cp))
			return NONE;
	} else {
		cp = code_point(ps->text, &ps->pos);
	}
	return range_add(ps, cp, cp) ? set_of(ps, first, false) : NONE;
}

static bool
number(struct parser *ps, uint16_t *out)
{
	size_t n = 0;
	uint64_t v;

	while (ps->pos + n < ps->text.n && ps->text.p[ps->pos + n] >= '0' && ps->text.p[ps->pos + n] <= '9')
		n++;
	if (n == 0 || ag_parse_u64(ag_str_n(ps->text.p + ps->pos, n), REPEAT_MAX, &v) < 0) {
		broken(ps, "a repetition must be {m}, {m,} or {m,n}, to 1000 at most");
		return false;
	}
	ps->pos += n;
	*out = (uint16_t)v;
	return true;
}

/* How often what stands before is repeated; false: it is not, or broken (err is set). */
static bool
parse_count(struct parser *ps, uint16_t *min, uint16_t *max)
{
	if (skip(ps, "*") || skip(ps, "+")) {
		*min = ps->text.p[ps->pos - 1] == '+';
		*max = NONE;
	} else if (skip(ps, "?")) {
		*min = 0;
		*max = 1;
	} else if (skip(ps, "{")) {
		if (!number(ps, min))
			return false;
		*max = *min;
		if (skip(ps, ",")) {
			*max = NONE;
			if (more(ps) && ps->text.p[ps->pos] != '}' && !number(ps, max))
				return false;
		}
		if (!skip(ps, "}") || *max < *min) {
			broken(ps, "a repetition must be {m}, {m,} or {m,n}, to 1000 at most");
			return false;
		}
	} else {
		return false;
	}
	skip(ps, "?"); /* lazy: the same texts */
	return true;
}

static uint16_t
parse_row(struct parser *ps, int depth)
{
	uint16_t row = NONE;

	while (more(ps) && ps->text.p[ps->pos] != '|' && ps->text.p[ps->pos] != ')') {
		uint16_t one = parse_one(ps, depth), min, max;

		if (one == NONE)
			return NONE;
		if (parse_count(ps, &min, &max)) {
			one = node_new(ps, N_REPEAT, one, 0);
			if (one == NONE)
				return NONE;
			ps->node[one].min = min;
			ps->node[one].max = max;
		}
		if (ps->err->text[0] != '\0')
			return NONE;
		row = row == NONE ? one : node_new(ps, N_CAT, row, one);
		if (row == NONE)
			return NONE;
	}
	return row != NONE ? row : node_new(ps, N_EMPTY, 0, 0);
}

static uint16_t
parse_either(struct parser *ps, int depth)
{
	uint16_t n = parse_row(ps, depth);

	while (n != NONE && skip(ps, "|")) {
		uint16_t other = parse_row(ps, depth);

		n = other == NONE ? NONE : node_new(ps, N_ALT, n, other);
	}
	return n;
}

/* ---- from nodes to steps ---- */

static bool
emit(struct parser *ps, struct step s)
{
	if (ps->p->n_steps == AG_PATTERN_STEPS_MAX) {
		broken(ps, "too big a pattern when its repetitions are written out");
		return false;
	}
	ps->p->step[ps->p->n_steps++] = s;
	return true;
}

static bool emit_node(struct parser *ps, uint16_t ix);

static bool
emit_repeat(struct parser *ps, const struct node *n)
{
	struct step *step = ps->p->step;
	uint16_t at;

	for (uint16_t i = 0; i < n->min; i++)
		if (!emit_node(ps, n->a))
			return false;
	if (n->max == NONE) {
		at = ps->p->n_steps;
		if (!emit(ps, (struct step){ .op = OP_SPLIT, .x = (uint16_t)(at + 1) }) ||
		    !emit_node(ps, n->a) || !emit(ps, (struct step){ .op = OP_JUMP, .x = at }))
			return false;
		step[at].y = ps->p->n_steps;
		return true;
	}
	for (uint16_t i = n->min; i < n->max; i++) {
		at = ps->p->n_steps;
		if (!emit(ps, (struct step){ .op = OP_SPLIT, .x = (uint16_t)(at + 1) }) ||
		    !emit_node(ps, n->a))
			return false;
		step[at].y = ps->p->n_steps;
	}
	return true;
}

static bool
emit_either(struct parser *ps, const struct node *n)
{
	uint16_t at = ps->p->n_steps, jump;

	if (!emit(ps, (struct step){ .op = OP_SPLIT, .x = (uint16_t)(at + 1) }) || !emit_node(ps, n->a))
		return false;
	jump = ps->p->n_steps;
	if (!emit(ps, (struct step){ .op = OP_JUMP }))
		return false;
	ps->p->step[at].y = ps->p->n_steps;
	if (!emit_node(ps, n->b))
		return false;
	ps->p->step[jump].x = ps->p->n_steps;
	return true;
}

static bool
emit_node(struct parser *ps, uint16_t ix)
{
	const struct node *n = &ps->node[ix];

	if (++ps->n_emits > EMITS_MAX) {
		broken(ps, "too big a pattern when its repetitions are written out");
		return false;
	}
	switch (n->type) {
	case N_EMPTY: return true;
	case N_SET: return emit(ps, (struct step){ OP_SET, n->first, n->n, n->is_not });
	case N_START: return emit(ps, (struct step){ .op = OP_START });
	case N_END: return emit(ps, (struct step){ .op = OP_END });
	case N_CAT: return emit_node(ps, n->a) && emit_node(ps, n->b);
	case N_ALT: return emit_either(ps, n);
	case N_REPEAT: return emit_repeat(ps, n);
	}
	return false;
}

int
ag_pattern_compile(struct ag_str text, struct ag_pattern **out, struct ag_err *err)
{
	struct parser *ps = calloc(1, sizeof(*ps));
	struct ag_err first = { "" };
	uint16_t root;
	int rc = 0;

	if (!ps || !(ps->p = calloc(1, sizeof(*ps->p)))) {
		free(ps);
		return ag_err_set(err, -ENOMEM, "out of memory");
	}
	ps->text = text;
	ps->err = &first;
	if (text.n > AG_PATTERN_TEXT_MAX || (text.n > 0 && memchr(text.p, '\0', text.n))) {
		broken(ps, "at most 512 bytes, none of them NUL");
	} else {
		root = parse_either(ps, 0);
		if (root != NONE && more(ps))
			broken(ps, "a ) without its (");
		else if (root != NONE && emit_node(ps, root))
			emit(ps, (struct step){ .op = OP_FOUND });
	}
	if (first.text[0] != '\0') {
		ag_pattern_free(ps->p);
		rc = ag_err_set(err, -EINVAL, "%s", first.text);
	} else {
		*out = ps->p;
	}
	free(ps);
	return rc;
}

void
ag_pattern_free(struct ag_pattern *p)
{
	free(p);
}

/* ---- matching ---- */

/* Adds a step and all that is reached from it without a character; each once, so it ends.  true: found. */
static bool
reach(const struct ag_pattern *p, struct front *f, uint16_t first, bool at_start, bool at_end)
{
	uint16_t open[AG_PATTERN_STEPS_MAX + 2];
	size_t n = 0;

	open[n++] = first;
	while (n > 0) {
		uint16_t ix = open[--n];
		const struct step *s = &p->step[ix];

		if (f->at[ix] < f->n && f->list[f->at[ix]] == ix)
			continue;
		f->at[ix] = f->n;
		f->list[f->n++] = ix;
		if (s->op == OP_FOUND)
			return true;
		if (s->op == OP_JUMP)
			open[n++] = s->x;
		else if ((s->op == OP_START && at_start) || (s->op == OP_END && at_end))
			open[n++] = (uint16_t)(ix + 1);
		if (s->op == OP_SPLIT) {
			open[n++] = s->y;
			open[n++] = s->x;
		}
		/* Each step is entered once and opens two at most, one of them just taken. */
		assert(n < AG_ARRAY_LEN(open));
	}
	return false;
}

static bool
in_set(const struct ag_pattern *p, const struct step *s, uint32_t cp)
{
	for (uint16_t i = 0; i < s->y; i++)
		if (cp >= p->range[s->x + i].from && cp <= p->range[s->x + i].to)
			return !s->is_not;
	return s->is_not;
}

bool
ag_pattern_matches(struct ag_pattern *p, struct ag_str text)
{
	struct front *now = &p->now, *next = &p->next, *swap;
	size_t pos = 0;

	now->n = 0;
	if (reach(p, now, 0, true, text.n == 0))
		return true;
	while (pos < text.n) {
		uint32_t cp = code_point(text, &pos);
		bool at_end = pos == text.n;

		next->n = 0;
		for (uint16_t i = 0; i < now->n; i++) {
			const struct step *s = &p->step[now->list[i]];

			if (s->op == OP_SET && in_set(p, s, cp) &&
			    reach(p, next, (uint16_t)(now->list[i] + 1), false, at_end))
				return true;
		}
		if (reach(p, next, 0, false, at_end)) /* it may begin anywhere */
			return true;
		swap = now, now = next, next = swap;
	}
	return false;
}

unsigned
ag_pattern_steps(const struct ag_pattern *p)
{
	return p->n_steps;
}

/* Adds what is reached from a step, all of it begun at `began`.  The earliest comes first: a step that is
 * there already began no later.  true: a match ends here, and no earlier one did. */
static bool
reach_from(const struct ag_pattern *p, struct front *f, uint16_t first, uint32_t began, bool at_start, bool at_end)
{
	uint16_t open[AG_PATTERN_STEPS_MAX + 2];
	bool has_found = false;
	size_t n = 0;

	open[n++] = first;
	while (n > 0) {
		uint16_t ix = open[--n];
		const struct step *s = &p->step[ix];

		if (f->at[ix] < f->n && f->list[f->at[ix]] == ix)
			continue;
		f->at[ix] = f->n;
		f->began[f->n] = began;
		f->list[f->n++] = ix;
		has_found = has_found || s->op == OP_FOUND;
		if (s->op == OP_JUMP)
			open[n++] = s->x;
		else if ((s->op == OP_START && at_start) || (s->op == OP_END && at_end))
			open[n++] = (uint16_t)(ix + 1);
		if (s->op == OP_SPLIT) {
			open[n++] = s->y;
			open[n++] = s->x;
		}
		assert(n < AG_ARRAY_LEN(open));
	}
	return has_found;
}

void
ag_pattern_spans(struct ag_pattern *p, struct ag_str text, size_t from, size_t to, uint32_t *began,
    size_t *out_at)
{
	struct front *now = p->is_swapped && from > 0 ? &p->next : &p->now, *next, *swap;
	size_t pos = from;

	next = now == &p->now ? &p->next : &p->now;
	if (from == 0) {
		now->n = 0;
		(void)reach_from(p, now, 0, 0, true, text.n == 0);
	}
	while (pos < text.n && pos < to) {
		uint32_t cp = code_point(text, &pos), first = UINT32_MAX;
		bool at_end = pos == text.n;

		next->n = 0;
		/* Those that began first stand first, and what they reach goes in before the rest. */
		for (uint16_t i = 0; i < now->n; i++) {
			const struct step *s = &p->step[now->list[i]];

			if (s->op == OP_SET && in_set(p, s, cp) &&
			    reach_from(p, next, (uint16_t)(now->list[i] + 1), now->began[i], false, at_end))
				first = now->began[i];
		}
		if (first != UINT32_MAX)
			began[pos] = first;
		(void)reach_from(p, next, 0, (uint32_t)pos, false, at_end);
		swap = now, now = next, next = swap;
	}
	p->is_swapped = now == &p->next;
	*out_at = pos;
}
