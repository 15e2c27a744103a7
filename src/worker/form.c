#include "worker/form.h"

#include <errno.h>
#include <stdio.h>

#define BOUNDARY_MAX 70 /* RFC 2046 */

static bool
is_token_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct ag_str
take_token(struct ag_str *left)
{
	size_t n = 0;
	struct ag_str token;

	while (n < left->n && is_token_char(left->p[n]))
		n++;
	token = ag_str_n(left->p, n);
	*left = ag_str_skip(*left, n);
	return token;
}

/* "; name=value" off the front; -EINVAL: something else stands there. */
static int
take_param(struct ag_str *left, struct ag_str *out_name, struct ag_str *out_value)
{
	const char *end;

	*left = ag_str_trim(*left);
	if (left->n == 0 || left->p[0] != ';')
		return -EINVAL;
	*left = ag_str_trim(ag_str_skip(*left, 1));
	*out_name = take_token(left);
	if (out_name->n == 0 || left->n == 0 || left->p[0] != '=')
		return -EINVAL;
	*left = ag_str_skip(*left, 1);
	if (left->n == 0 || left->p[0] != '"') {
		*out_value = take_token(left);
		return out_value->n > 0 ? 0 : -EINVAL;
	}
	*left = ag_str_skip(*left, 1);
	end = left->n > 0 ? memchr(left->p, '"', left->n) : NULL;
	/* Where a quote may stand in quotes some readers end, others do not. */
	if (!end || (end > left->p && end[-1] == '\\'))
		return -EINVAL;
	*out_value = ag_str_n(left->p, (size_t)(end - left->p));
	*left = ag_str_skip(*left, out_value->n + 1);
	return 0;
}

struct ag_str
ag_form_boundary(struct ag_str content_type)
{
	struct ag_str left = ag_str_trim(content_type), found = AG_STR_NONE, name, value;
	const char *end = left.n > 0 ? memchr(left.p, ';', left.n) : NULL;
	struct ag_str type = ag_str_n(left.p, end ? (size_t)(end - left.p) : left.n);

	if (!ag_str_ieq(ag_str_trim(type), AG_STR("multipart/form-data")))
		return AG_STR_NONE;
	for (left = ag_str_skip(left, type.n); left.n > 0; left = ag_str_trim(left)) {
		if (take_param(&left, &name, &value) < 0)
			return AG_STR_NONE;
		if (!ag_str_ieq(name, AG_STR("boundary")))
			continue;
		if (found.n > 0 || value.n == 0 || value.n > BOUNDARY_MAX || memchr(value.p, '\\', value.n))
			return AG_STR_NONE;
		found = value;
	}
	return found;
}

/* form-data; name="..."; filename="..." */
static int
read_disposition(struct ag_str left, struct ag_form_part *out)
{
	struct ag_str name, value;

	if (!ag_str_ieq(take_token(&left), AG_STR("form-data")))
		return -EINVAL;
	for (left = ag_str_trim(left); left.n > 0; left = ag_str_trim(left)) {
		if (take_param(&left, &name, &value) < 0 || ag_str_ieq(name, AG_STR("name*")))
			return -EINVAL;
		out->is_file |= ag_str_ieq(name, AG_STR("filename")) || ag_str_ieq(name, AG_STR("filename*"));
		if (!ag_str_ieq(name, AG_STR("name")))
			continue;
		if (out->name.p || value.n == 0 || memchr(value.p, '\\', value.n) || memchr(value.p, '%', value.n))
			return -EINVAL;
		out->name = value;
	}
	return out->name.p ? 0 : -EINVAL;
}

static int
read_line(struct ag_str line, struct ag_form_part *out, bool *io_disposed)
{
	const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
	struct ag_str field = line, value;

	if (!colon || take_token(&field).n != (size_t)(colon - line.p))
		return -EINVAL;
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t')
			return -EINVAL;
	field = ag_str_n(line.p, (size_t)(colon - line.p));
	value = ag_str_trim(ag_str_skip(line, field.n + 1));
	/* What would have to be decoded first says something else before than after. */
	if (ag_str_ieq(field, AG_STR("content-transfer-encoding")))
		return ag_str_ieq(value, AG_STR("binary")) || ag_str_ieq(value, AG_STR("8bit")) ||
		    ag_str_ieq(value, AG_STR("7bit")) ? 0 : -EINVAL;
	if (!ag_str_ieq(field, AG_STR("content-disposition")))
		return 0;
	if (*io_disposed)
		return -EINVAL;
	*io_disposed = true;
	return read_disposition(value, out);
}

int
ag_form_part_read(struct ag_str part_head, struct ag_form_part *out)
{
	bool is_disposed = false;

	*out = (struct ag_form_part){ 0 };
	while (part_head.n > 0) {
		const char *end = memmem(part_head.p, part_head.n, "\r\n", 2);
		struct ag_str line = ag_str_n(part_head.p, end ? (size_t)(end - part_head.p) : part_head.n);

		if (read_line(line, out, &is_disposed) < 0)
			return -EINVAL;
		part_head = ag_str_skip(part_head, line.n + (end ? 2 : 0));
	}
	return is_disposed ? 0 : -EINVAL;
}

static int
read_part(struct ag_str text, ag_form_fn *fn, void *arg)
{
	const char *gap = memmem(text.p, text.n, "\r\n\r\n", 4);
	struct ag_form_part part;

	if (!gap || ag_form_part_read(ag_str_n(text.p, (size_t)(gap - text.p)), &part) < 0)
		return -EINVAL;
	return fn(arg, &part, ag_str_skip(text, (size_t)(gap - text.p) + 4));
}

int
ag_form_each(struct ag_str body, struct ag_str boundary, ag_form_fn *fn, void *arg)
{
	char mark[BOUNDARY_MAX + 8];
	size_t n = (size_t)snprintf(mark, sizeof(mark), "\r\n--%.*s", (int)boundary.n, boundary.p);
	struct ag_str left = body;
	int rc = 0;

	if (!ag_str_starts(left, ag_str_n(mark + 2, n - 2)))
		return -EINVAL;
	left = ag_str_skip(left, n - 2);
	while (rc >= 0 && ag_str_starts(left, AG_STR("\r\n"))) {
		const char *end;

		left = ag_str_skip(left, 2);
		end = left.n > 0 ? memmem(left.p, left.n, mark, n) : NULL;
		if (!end)
			return -EINVAL;
		rc = read_part(ag_str_n(left.p, (size_t)(end - left.p)), fn, arg);
		left = ag_str_skip(left, (size_t)(end - left.p) + n);
	}
	return rc < 0 ? rc : ag_str_starts(left, AG_STR("--")) ? 0 : -EINVAL;
}
