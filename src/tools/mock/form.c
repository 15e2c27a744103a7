#include "tools/mock/form.h"

#include <stdio.h>

/* What a parameter "; name=value" of a header says, quoted or not. */
static struct ag_str
parameter(struct ag_str header, const char *name)
{
	size_t n = strlen(name);

	while (header.n > 0) {
		struct ag_str word, value;
		size_t end = 0;

		header = ag_str_trim(header);
		while (end < header.n && header.p[end] != ';' && header.p[end] != '=')
			end++;
		word = ag_str_trim(ag_str_n(header.p, end));
		if (end == header.n || header.p[end] == ';') {
			header = ag_str_skip(header, end + 1);
			continue;
		}
		header = ag_str_skip(header, end + 1);
		end = 0;
		if (header.n > 0 && header.p[0] == '"') {
			header = ag_str_skip(header, 1);
			while (end < header.n && header.p[end] != '"')
				end++;
		} else {
			while (end < header.n && header.p[end] != ';')
				end++;
		}
		value = ag_str_n(header.p, end);
		header = ag_str_skip(header, end);
		while (header.n > 0 && header.p[0] != ';')
			header = ag_str_skip(header, 1);
		header = ag_str_skip(header, 1);
		if (word.n == n && strncasecmp(word.p, name, n) == 0)
			return value;
	}
	return AG_STR_NONE;
}

/* The header of a part that tells its name; n 0: there is none. */
static struct ag_str
disposition(struct ag_str head)
{
	static const struct ag_str name = AG_STR("content-disposition:");

	while (head.n > 0) {
		const char *end = memmem(head.p, head.n, "\r\n", 2);
		struct ag_str line = ag_str_n(head.p, end ? (size_t)(end - head.p) : head.n);

		head = ag_str_skip(head, line.n + 2);
		if (line.n > name.n && ag_str_ieq(ag_str_n(line.p, name.n), name))
			return ag_str_skip(line, name.n);
	}
	return AG_STR_NONE;
}

struct ag_str
mock_form_field(struct ag_str content_type, struct ag_str body, const char *name, bool *is_file)
{
	static const struct ag_str kind = AG_STR("multipart/form-data");
	struct ag_str boundary = parameter(content_type, "boundary");
	char mark[80];
	const char *at;

	if (content_type.n < kind.n || !ag_str_ieq(ag_str_n(content_type.p, kind.n), kind) ||
	    boundary.n == 0 || boundary.n > 70)
		return AG_STR_NONE;
	snprintf(mark, sizeof(mark), "--%.*s", AG_STR_ARG(boundary));
	while ((at = memmem(body.p, body.n, mark, strlen(mark))) != NULL) {
		const char *next, *head;
		struct ag_str what, is;

		body = ag_str_skip(body, (size_t)(at - body.p) + strlen(mark) + 2);
		next = memmem(body.p, body.n, mark, strlen(mark));
		head = memmem(body.p, body.n, "\r\n\r\n", 4);
		if (!next || !head || next - head < 6)
			break;
		what = disposition(ag_str_n(body.p, (size_t)(head - body.p)));
		is = parameter(what, "name");
		if (!ag_str_eq(is, ag_str(name)))
			continue;
		*is_file = parameter(what, "filename").p != NULL;
		return ag_str_n(head + 4, (size_t)(next - head) - 6);
	}
	return AG_STR_NONE;
}
