#include "flusher/redact_find.h"

#include <string.h>

#define LOCAL_MAX   128u /* of an address, before the @ */
#define DOMAIN_MAX  255u
#define NAME_MAX    48u  /* of a member */
#define TOKEN_MIN   16u  /* behind the prefix of a key */
#define VALUE_MIN   6u   /* of a member that is a credential */
#define BEARER_MIN  8u

struct finder {
	struct ag_str s;
	void (*found)(void *arg, size_t from, size_t to, enum ag_redact_kind kind);
	void *arg;
};

enum { C_DIGIT = 1, C_ALPHA = 2, C_LOCAL = 4, C_TOKEN = 8, C_BLANK = 16 };
#define AN (C_ALPHA | C_LOCAL | C_TOKEN)
static const uint8_t class_of[256] = {
	['0' ... '9'] = C_DIGIT | C_LOCAL | C_TOKEN, ['a' ... 'z'] = AN, ['A' ... 'Z'] = AN,
	['.'] = C_LOCAL | C_TOKEN, ['_'] = C_LOCAL | C_TOKEN, ['-'] = C_LOCAL | C_TOKEN,
	['+'] = C_LOCAL | C_TOKEN, ['%'] = C_LOCAL, ['\''] = C_LOCAL,
	['/'] = C_TOKEN, ['='] = C_TOKEN, ['~'] = C_TOKEN,
	[' '] = C_BLANK, ['\t'] = C_BLANK, [128 ... 255] = C_LOCAL,
};

static bool
is(const struct finder *f, size_t at, unsigned classes)
{
	return at < f->s.n && (class_of[(uint8_t)f->s.p[at]] & classes);
}

static char
at_of(const struct finder *f, size_t at)
{
	return at < f->s.n ? f->s.p[at] : '\0';
}

static size_t
run_of(const struct finder *f, size_t at, unsigned classes, size_t max)
{
	size_t n = 0;

	while (n < max && is(f, at + n, classes))
		n++;
	return n;
}

/* The end of what may stand in front of something: not in the middle of a word. */
static bool
is_word_before(const struct finder *f, size_t at)
{
	if (at == 0 || !is(f, at - 1, C_ALPHA | C_DIGIT))
		return false;
	return !(at >= 2 && f->s.p[at - 2] == '\\'); /* the n of an escaped line feed is no word */
}

/* ---- e-mail addresses ---- */

/* at: the @.  A domain of two labels at least, the last one of letters. */
static void
find_email(struct finder *f, size_t at)
{
	size_t from = at, to = at + 1, dot = 0;

	while (from > 0 && at - from < LOCAL_MAX && is(f, from - 1, C_LOCAL))
		from--;
	while (to < f->s.n && to - at < DOMAIN_MAX &&
	    (is(f, to, C_ALPHA | C_DIGIT) || f->s.p[to] == '-' || f->s.p[to] == '.' || (uint8_t)f->s.p[to] >= 128)) {
		if (f->s.p[to] == '.' && is(f, to + 1, C_ALPHA) && is(f, to + 2, C_ALPHA))
			dot = to;
		to++;
	}
	while (to > at && (f->s.p[to - 1] == '.' || f->s.p[to - 1] == '-'))
		to--;
	if (from < at && dot > at + 1)
		f->found(f->arg, from, to, AG_REDACT_EMAIL);
}

/* ---- numbers ---- */

#define GROUPS_MAX 20u
#define CARD_MIN   13u
#define CARD_MAX   19u

/* Digits in groups that one sign keeps apart. */
struct number {
	struct { size_t at, n; } group[GROUPS_MAX];
	unsigned n_groups;
	size_t end;
};

static void
read_number(const struct finder *f, size_t at, struct number *out)
{
	out->n_groups = 0;
	while (out->n_groups < GROUPS_MAX && is(f, at, C_DIGIT)) {
		size_t n = run_of(f, at, C_DIGIT, f->s.n);

		out->group[out->n_groups].at = at;
		out->group[out->n_groups++].n = n;
		at = out->end = at + n;
		if (at_of(f, at) == '-' || at_of(f, at) == ' ')
			at++;
		else
			break;
	}
}

static bool
passes_luhn(const struct finder *f, size_t from, size_t to, size_t digits)
{
	unsigned sum = 0;

	for (size_t i = from, place = digits; i < to; i++) {
		unsigned d;

		if (!is(f, i, C_DIGIT))
			continue;
		d = (unsigned)(f->s.p[i] - '0');
		if (place-- % 2 == 0)
			d = d > 4 ? 2 * d - 9 : 2 * d;
		sum += d;
	}
	return sum % 10 == 0;
}

/* The first groups that make a card's number; each group gets its turn to be the first.  What
 * no card begins with (a time in milliseconds begins with 1) is left. */
static void
find_card(struct finder *f, const struct number *num)
{
	size_t first, digits = 0;

	if (num->n_groups == 0)
		return;
	first = num->group[0].at;
	if (f->s.p[first] < '2' || f->s.p[first] > '6')
		return;
	for (unsigned i = 0; i < num->n_groups && digits <= CARD_MAX; i++) {
		size_t end = num->group[i].at + num->group[i].n;

		digits += num->group[i].n;
		if (digits >= CARD_MIN && digits <= CARD_MAX && passes_luhn(f, first, end, digits))
			f->found(f->arg, first, end, AG_REDACT_CARD);
	}
}

/* Behind + or 00: 8 to 15 digits, in groups or not. */
static void
find_international(struct finder *f, size_t from, size_t at)
{
	size_t digits = 0, end = at, last = at;

	while (end < f->s.n && digits <= 15 && end - at < 32) {
		if (is(f, end, C_DIGIT)) {
			digits++;
			last = ++end;
		} else if (strchr(" .-()/", f->s.p[end]) && f->s.p[end] != '\0') {
			end++;
		} else {
			break;
		}
	}
	if (digits >= 8 && digits <= 15)
		f->found(f->arg, from, last, AG_REDACT_PHONE);
}

/* 555-123-4567, 555.123.4567, 555 123 4567, (555) 123-4567 */
static void
find_national(struct finder *f, size_t at)
{
	size_t from = at, p = at + 3;
	char sign;

	if (run_of(f, at, C_DIGIT, 4) != 3)
		return;
	if (at_of(f, p) == ')' && at > 0 && f->s.p[at - 1] == '(') {
		from--;
		p++;
		if (at_of(f, p) == ' ')
			p++;
		sign = '\0';
	} else {
		sign = at_of(f, p++);
		if (sign != '-' && sign != '.' && sign != ' ')
			return;
	}
	if (run_of(f, p, C_DIGIT, 4) != 3)
		return;
	p += 3;
	if (sign == '\0' ? !strchr("-. ", at_of(f, p)) || at_of(f, p) == '\0' : at_of(f, p) != sign)
		return;
	if (run_of(f, p + 1, C_DIGIT, 5) == 4)
		f->found(f->arg, from, p + 5, AG_REDACT_PHONE);
}

/* At a digit that begins a number: all that is made of digits.  Returns where it ends. */
static size_t
find_in_digits(struct finder *f, size_t at, unsigned kinds)
{
	struct number num;
	size_t n = run_of(f, at, C_DIGIT, f->s.n);

	if (at > 1 && f->s.p[at - 1] == '.' && is(f, at - 2, C_DIGIT))
		return at + n; /* of a fraction */
	read_number(f, at, &num);
	if (kinds & 1u << AG_REDACT_CARD)
		find_card(f, &num);
	if ((kinds & 1u << AG_REDACT_PHONE) && !is_word_before(f, at)) {
		if (n >= 3 && f->s.p[at] == '0' && f->s.p[at + 1] == '0')
			find_international(f, at, at + 2);
		find_national(f, at);
	}
	return at + n;
}

/* ---- credentials ---- */

static const struct ag_str prefixes[] = {
	{ "sk-", 3 }, { "ag-", 3 }, { "pk-", 3 }, { "rk-", 3 }, { "sk_", 3 }, { "rk_", 3 }, { "gsk_", 4 },
	{ "xai-", 4 }, { "hf_", 3 }, { "r8_", 3 }, { "pplx-", 5 }, { "nvapi-", 6 }, { "ghp_", 4 },
	{ "gho_", 4 }, { "ghu_", 4 }, { "ghs_", 4 }, { "github_pat_", 11 }, { "glpat-", 6 }, { "xoxb-", 5 },
	{ "xoxa-", 5 }, { "xoxp-", 5 }, { "AKIA", 4 }, { "ASIA", 4 }, { "AIza", 4 }, { "ya29.", 5 },
	{ "SG.", 3 }, { "dop_v1_", 7 }, { "npm_", 4 }, { "shpat_", 6 }, { "eyJ", 3 },
};

/* A key or token by the way its make begins it; at: the beginning of a word.  Returns its end or at. */
static size_t
find_key(struct finder *f, size_t at)
{
	struct ag_str rest = ag_str_skip(f->s, at);

	for (size_t i = 0; i < AG_ARRAY_LEN(prefixes); i++) {
		size_t n;

		if (prefixes[i].p[0] != rest.p[0] || !ag_str_starts(rest, prefixes[i]))
			continue;
		n = run_of(f, at + prefixes[i].n, C_TOKEN, f->s.n);
		if (n < TOKEN_MIN)
			continue;
		f->found(f->arg, at, at + prefixes[i].n + n, AG_REDACT_SECRET);
		return at + prefixes[i].n + n;
	}
	return at;
}

/* Where the token of "Bearer xyz" or "Basic xyz" begins; 0: there is no such word. */
static size_t
after_scheme(const struct finder *f, size_t at)
{
	static const struct ag_str schemes[] = { { "bearer", 6 }, { "basic", 5 } };

	for (size_t i = 0; i < AG_ARRAY_LEN(schemes); i++) {
		size_t from = at + schemes[i].n;

		if (from < f->s.n && ag_str_ieq(ag_str_n(f->s.p + at, schemes[i].n), schemes[i]) &&
		    is(f, from, C_BLANK))
			return from + run_of(f, from, C_BLANK, 8);
	}
	return 0;
}

static void
find_bearer(struct finder *f, size_t at)
{
	size_t from = after_scheme(f, at), n;

	if (from == 0)
		return;
	n = run_of(f, from, C_TOKEN, f->s.n);
	/* "bearer documents" is prose: a token has more than letters. */
	if (n >= BEARER_MIN && run_of(f, from, C_ALPHA, n) < n)
		f->found(f->arg, from, from + n, AG_REDACT_SECRET);
}

/* Names of credentials as they end, in small letters and without signs.  Not "token" alone:
 * answers tell tokens of text under that name. */
static const struct ag_str names[] = {
	{ "apikey", 6 }, { "accesskey", 9 }, { "secretkey", 9 }, { "privatekey", 10 }, { "secret", 6 },
	{ "password", 8 }, { "passwd", 6 }, { "passphrase", 10 }, { "accesstoken", 11 },
	{ "refreshtoken", 12 }, { "idtoken", 7 }, { "authtoken", 9 }, { "sessiontoken", 12 },
	{ "authorization", 13 },
};

/* Whether the name that ends before `end` is one of a credential. */
static bool
is_secret_name(const struct finder *f, size_t end)
{
	char name[NAME_MAX];
	size_t n = NAME_MAX;

	while (end > 0 && n > 0) {
		char c = f->s.p[end - 1];

		if (c != '-' && c != '_') {
			if (!is(f, end - 1, C_ALPHA | C_DIGIT))
				break;
			name[--n] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		}
		end--;
	}
	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (NAME_MAX - n >= names[i].n &&
		    memcmp(name + NAME_MAX - names[i].n, names[i].p, names[i].n) == 0)
			return true;
	return false;
}

/* at: a colon or an equals sign; in JSON, in JSON within a string of JSON, in a form, in a setting.
 * Returns where to go on. */
static size_t
find_value(struct finder *f, size_t at)
{
	size_t name = at, from = at + 1, to;
	bool is_quoted;

	while (name > 0 && at - name < 4 && strchr("\"'\\ ", f->s.p[name - 1]) && f->s.p[name - 1] != '\0')
		name--;
	if (name == 0 || !is(f, name - 1, C_ALPHA | C_DIGIT) || !is_secret_name(f, name))
		return at + 1;
	from += run_of(f, from, C_BLANK, 16);
	if (at_of(f, from) == '\\')
		from++;
	is_quoted = at_of(f, from) == '"' || at_of(f, from) == '\'';
	if (is_quoted)
		from++;
	else if (after_scheme(f, from) > 0)
		return from; /* find_bearer() knows where that ends */
	to = from;
	while (to < f->s.n && f->s.p[to] != '"' && f->s.p[to] != '\n' &&
	    (is_quoted ? f->s.p[to] != f->s.p[from - 1] : !strchr(" ,;&}]\t\r", f->s.p[to]) || !f->s.p[to])) {
		if (f->s.p[to] == '\\' && to + 1 < f->s.n && f->s.p[to + 1] == '"' && from >= 2 &&
		    f->s.p[from - 2] == '\\')
			break; /* the end of a string within a string */
		to += f->s.p[to] == '\\' && to + 1 < f->s.n ? 2 : 1;
	}
	to = to < f->s.n ? to : f->s.n;
	if (to < from + VALUE_MIN)
		return at + 1;
	f->found(f->arg, from, to, AG_REDACT_SECRET);
	return to;
}

/* -----BEGIN ... PRIVATE KEY----- to its end, or the end of the text. */
static size_t
find_pem(struct finder *f, size_t at)
{
	static const struct ag_str begin = AG_STR("-----BEGIN "), end = AG_STR("-----END ");
	struct ag_str rest = ag_str_skip(f->s, at), head;
	const char *stop;
	size_t to;

	if (!ag_str_starts(rest, begin))
		return at + 1;
	head = ag_str_n(rest.p, rest.n < 64 ? rest.n : 64);
	if (!memmem(head.p, head.n, "PRIVATE KEY", 11))
		return at + 1;
	stop = memmem(rest.p, rest.n, end.p, end.n);
	to = stop ? at + (size_t)(stop - rest.p) + end.n : f->s.n;
	while (stop && to < f->s.n && (is(f, to, C_ALPHA | C_BLANK) || f->s.p[to] == '-'))
		to++;
	f->found(f->arg, at, to, AG_REDACT_SECRET);
	return to;
}

/* At the beginning of a word; returns where to go on. */
static size_t
find_in_word(struct finder *f, size_t at)
{
	size_t end = find_key(f, at);

	if (end > at)
		return end;
	if ((f->s.p[at] | 0x20) == 'b')
		find_bearer(f, at);
	return at + 1;
}

void
ag_redact_find(struct ag_str text, unsigned kinds,
    void (*found)(void *arg, size_t from, size_t to, enum ag_redact_kind kind), void *arg)
{
	struct finder f = { .s = text, .found = found, .arg = arg };
	const unsigned numbers = 1u << AG_REDACT_CARD | 1u << AG_REDACT_PHONE;
	bool has_secrets = kinds & 1u << AG_REDACT_SECRET;
	size_t at = 0;

	while (at < text.n) {
		char c = text.p[at];

		if (is(&f, at, C_DIGIT) && (kinds & numbers) && !(at > 0 && is(&f, at - 1, C_DIGIT))) {
			at = find_in_digits(&f, at, kinds);
		} else if (is(&f, at, C_ALPHA) && has_secrets && !is_word_before(&f, at)) {
			at = find_in_word(&f, at);
		} else if (c == '@' && (kinds & 1u << AG_REDACT_EMAIL)) {
			find_email(&f, at++);
		} else if (c == '+' && (kinds & 1u << AG_REDACT_PHONE) && is(&f, at + 1, C_DIGIT)) {
			find_international(&f, at, at + 1);
			at++;
		} else if ((c == ':' || c == '=') && has_secrets) {
			at = find_value(&f, at);
		} else if (c == '-' && has_secrets && at_of(&f, at + 1) == '-') {
			at = find_pem(&f, at);
		} else {
			at++;
		}
	}
}
