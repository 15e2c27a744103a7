/* yaml.c - a tree as YAML: what a person would write, and what reads back as the same tree. */
#include <json-c/json.h>
#include <string.h>

#include "tools/aigatectl/tree.h"

#include "base/json.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Words that some reader takes for something else than text. */
static bool
is_special(const char *s)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off", "y", "n",
		                                 "nan", "inf" };

	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (strcasecmp(words[i], s) == 0)
			return true;
	return false;
}

static bool
is_plain(const char *s, size_t n)
{
	return n > 0 && strlen(s) == n && strchr(LETTERS "_/", s[0]) && s[n - 1] != ' ' && !is_special(s) &&
	       strspn(s, LETTERS "0123456789_-./@+ ") == n;
}

static void
put_text(struct ag_buf *b, const char *s, size_t n)
{
	if (is_plain(s, n)) {
		ag_buf_put(b, s, n);
		return;
	}
	ag_buf_putc(b, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		/* DEL and the control characters of ISO 8859-1, which JSON lets through */
		if (c == 0x7f)
			ag_buf_puts(b, "\\x7f");
		else if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] >= 0x80 && (unsigned char)s[i + 1] < 0xa0)
			ag_buf_printf(b, "\\u%04x", (unsigned)(unsigned char)s[++i]);
		else
			ag_buf_put_json(b, ag_str_n(s + i, 1));
	}
	ag_buf_putc(b, '"');
}

static void
indent(struct ag_buf *b, unsigned depth)
{
	ag_buf_putc(b, '\n');
	for (unsigned i = 0; i < depth; i++)
		ag_buf_puts(b, "  ");
}

static bool
is_empty(struct json_object *o)
{
	return json_object_is_type(o, json_type_array) ? ag_json_len(o) == 0
	                                               : ag_json_members(o) == 0;
}

static bool
is_deep(struct json_object *o)
{
	return (json_object_is_type(o, json_type_array) || json_object_is_type(o, json_type_object)) &&
	       !is_empty(o);
}

static void
put(struct ag_buf *b, struct json_object *o, unsigned depth, bool is_first_there)
{
	if (json_object_is_type(o, json_type_string)) {
		put_text(b, json_object_get_string(o), (size_t)json_object_get_string_len(o));
	} else if (!is_deep(o)) {
		ag_buf_puts(b, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	} else if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < ag_json_len(o); i++) {
			if (i > 0 || !is_first_there)
				indent(b, depth);
			ag_buf_puts(b, "- ");
			put(b, ag_json_at(o, i), depth + 1, true);
		}
	} else {
		ag_json_foreach(o, name, value) {
			if (!is_first_there)
				indent(b, depth);
			is_first_there = false;
			put_text(b, name, strlen(name));
			ag_buf_puts(b, is_deep(value) ? ":" : ": ");
			put(b, value, depth + 1, false);
		}
	}
}

void
ctl_yaml_put(struct ag_buf *b, struct json_object *o)
{
	put(b, o, 0, true);
	ag_buf_putc(b, '\n');
}
