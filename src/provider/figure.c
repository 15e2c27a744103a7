#include "provider/figure.h"

#include <errno.h>

#include "base/num.h"

#define FIGURE_MAX (UINT64_C(1) << 40) /* above it a figure is absurd and not believed */

bool
ag_figure_read(struct ag_str text, struct ag_json_value v, uint64_t *out)
{
	struct ag_str raw = ag_json_raw(text, v);

	if (v.type != AG_JSON_NUMBER)
		return false;
	if (raw.p[0] == '-') {
		*out = 0;
		return true;
	}
	if (ag_json_u64(raw, out) < 0) {
		size_t point = 0;

		if (memchr(raw.p, 'e', raw.n) || memchr(raw.p, 'E', raw.n))
			return false;
		while (point < raw.n && raw.p[point] != '.')
			point++;
		if (point == 0 || point == raw.n || ag_parse_u64(ag_str_n(raw.p, point), FIGURE_MAX, out) < 0)
			return false;
		*out += 1;
	}
	return *out <= FIGURE_MAX;
}

void
ag_figure_text(struct ag_str text, struct ag_json_value v, char *out, size_t cap)
{
	struct ag_str s;

	if (v.type == AG_JSON_STRING && ag_json_string_plain(ag_json_raw(text, v), &s))
		(void)ag_str_copy(s, out, cap);
}

struct ag_str
ag_figure_inside(struct ag_str text, struct ag_json_value v)
{
	struct ag_str raw = ag_json_raw(text, v);

	return v.type == AG_JSON_STRING ? ag_str_n(raw.p + 1, raw.n - 2) : AG_STR_NONE;
}
