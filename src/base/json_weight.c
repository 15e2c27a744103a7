#include "base/json_weight.h"

#define OBJECT_UNITS 12 /* with the table json-c makes for it */
#define ARRAY_UNITS  6

/* Behind the string whose first quote is at i. */
static size_t
skip_string(struct ag_str s, size_t i)
{
	const char *at = s.p + i + 1, *end = s.p + s.n;

	while (at < end) {
		const char *quote = memchr(at, '"', (size_t)(end - at));
		size_t backslashes = 0;

		if (!quote)
			return s.n;
		while (quote - backslashes > at && quote[-1 - (ptrdiff_t)backslashes] == '\\')
			backslashes++;
		at = quote + 1;
		if (backslashes % 2 == 0)
			return (size_t)(at - s.p);
	}
	return s.n;
}

size_t
ag_json_weight(struct ag_str text)
{
	size_t units = 1, i = 0;

	while (i < text.n) {
		switch (text.p[i]) {
		case '"':
			i = skip_string(text, i);
			continue;
		case '{':
			units += OBJECT_UNITS;
			break;
		case '[':
			units += ARRAY_UNITS;
			break;
		case ',':
			units++;
			break;
		default:
			break;
		}
		i++;
	}
	return units;
}
