#include "http/trace_context.h"

#define VERSION_LEN 2u
#define FLAGS_LEN   2u
#define PARENT_LEN  55u /* of version 00, and of what later ones begin with */
#define MEMBERS_MAX 32u
#define KEY_MAX     256u
#define VALUE_MAX   256u

/* -1: no digit.  Upper case is none: two spellings of one id would be two ids. */
static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_hex(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (digit_of(s.p[i]) < 0)
			return false;
	return true;
}

static bool
is_id(struct ag_str s)
{
	bool is_zero = true;

	for (size_t i = 0; i < s.n; i++)
		is_zero = is_zero && s.p[i] == '0';
	return !is_zero && is_hex(s);
}

bool
ag_trace_parent_parse(struct ag_str value, struct ag_trace_parent *out)
{
	struct ag_str version = ag_str_n(value.p, VERSION_LEN), trace, parent, flags;

	if (value.n < PARENT_LEN)
		return false;
	trace = ag_str_n(value.p + 3, AG_TRACE_ID_LEN);
	parent = ag_str_n(value.p + 36, AG_SPAN_ID_LEN);
	flags = ag_str_n(value.p + 53, FLAGS_LEN);
	if (value.p[2] != '-' || value.p[35] != '-' || value.p[52] != '-')
		return false;
	if (!is_hex(version) || ag_str_eq(version, AG_STR("ff")))
		return false;
	/* A later version may have more to say, behind another dash. */
	if (value.n > PARENT_LEN && (ag_str_eq(version, AG_STR("00")) || value.p[PARENT_LEN] != '-'))
		return false;
	if (!is_id(trace) || !is_id(parent) || !is_hex(flags))
		return false;
	out->trace_id = trace;
	out->parent_id = parent;
	out->flags = (uint8_t)(digit_of(flags.p[1]) & (AG_TRACE_SAMPLED | AG_TRACE_RANDOM));
	return true;
}

void
ag_trace_parent_put(struct ag_buf *b, const struct ag_trace_parent *p)
{
	ag_buf_puts(b, "00-");
	ag_buf_put_str(b, p->trace_id);
	ag_buf_putc(b, '-');
	ag_buf_put_str(b, p->parent_id);
	ag_buf_putc(b, '-');
	ag_buf_put_hex(b, &p->flags, 1);
}

static bool
is_key(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool may_begin = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!may_begin && (i == 0 || !memchr("_-*/@", c, 5)))
			return false;
	}
	return s.n > 0 && s.n <= KEY_MAX;
}

static bool
is_value(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == ',' || s.p[i] == '=')
			return false;
	return s.n > 0 && s.n <= VALUE_MAX;
}

bool
ag_trace_state_is_valid(struct ag_str value)
{
	size_t members = 0;

	while (value.n > 0) {
		const char *comma = memchr(value.p, ',', value.n), *eq;
		struct ag_str member = ag_str_n(value.p, comma ? (size_t)(comma - value.p) : value.n), key;

		value = ag_str_skip(value, member.n + (comma != NULL));
		member = ag_str_trim(member);
		if (member.n == 0)
			continue; /* allowed, and says nothing */
		eq = memchr(member.p, '=', member.n);
		key = ag_str_n(member.p, eq ? (size_t)(eq - member.p) : 0);
		if (++members > MEMBERS_MAX || !is_key(key) || !is_value(ag_str_skip(member, key.n + 1)))
			return false;
	}
	return members > 0;
}

void
ag_trace_hex(const uint8_t *id, size_t n, char *out)
{
	static const char digit[16] = { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c',
		'd', 'e', 'f' };

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digit[id[i] >> 4];
		out[2 * i + 1] = digit[id[i] & 15];
	}
}

bool
ag_span_id_is_valid(struct ag_str text)
{
	return text.n == AG_SPAN_ID_LEN && is_id(text);
}

bool
ag_trace_id_of(struct ag_str text, char out[AG_TRACE_ID_LEN])
{
	size_t n = 0;

	if (text.n != AG_TRACE_ID_LEN && text.n != AG_TRACE_ID_LEN + 4)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool is_dash = text.n > AG_TRACE_ID_LEN && (i == 8 || i == 13 || i == 18 || i == 23);

		if (is_dash != (c == '-'))
			return false;
		if (is_dash)
			continue;
		if (c >= 'A' && c <= 'F')
			c = (char)(c | 0x20);
		out[n++] = c;
	}
	return is_id(ag_str_n(out, AG_TRACE_ID_LEN));
}
