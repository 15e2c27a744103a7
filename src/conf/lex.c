#include "conf/lex.h"

#include <errno.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int
check_bytes(struct ag_str line, struct ag_err *err)
{
	if (line.n >= AG_LEX_BYTES)
		return ag_err_set(err, -EINVAL, "line is longer than %d bytes", AG_LEX_BYTES - 1);
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return ag_err_set(err, -EINVAL, "control character 0x%02x in column %zu", c, i + 1);
	}
	return 0;
}

/* line.p[*i] is the opening quote; leaves *i behind the closing one. */
static int
lex_quoted(struct ag_str line, size_t *i, char *out, size_t *out_n, struct ag_err *err)
{
	size_t begin = *i, n = 0;

	for ((*i)++; *i < line.n && line.p[*i] != '"'; (*i)++) {
		if (line.p[*i] == '\\') {
			(*i)++;
			if (*i >= line.n || (line.p[*i] != '"' && line.p[*i] != '\\'))
				return ag_err_set(err, -EINVAL,
				    "a backslash in quotes stands only before \" or \\, in column %zu", *i);
		}
		out[n++] = line.p[*i];
	}
	if (*i >= line.n)
		return ag_err_set(err, -EINVAL, "quote in column %zu is not closed", begin + 1);
	(*i)++;
	if (*i < line.n && !is_blank(line.p[*i]))
		return ag_err_set(err, -EINVAL, "no blank after the closing quote in column %zu", *i);
	*out_n = n;
	return 0;
}

static int
lex_plain(struct ag_str line, size_t *i, char *out, size_t *out_n, struct ag_err *err)
{
	size_t n = 0;

	for (; *i < line.n && !is_blank(line.p[*i]); (*i)++) {
		if (line.p[*i] == '"')
			return ag_err_set(err, -EINVAL, "quote inside a word in column %zu", *i + 1);
		out[n++] = line.p[*i];
	}
	*out_n = n;
	return 0;
}

int
ag_lex_line(struct ag_lex *lex, struct ag_str line, struct ag_err *err)
{
	size_t i = 0, used = 0;
	int rc;

	lex->n = 0;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	rc = check_bytes(line, err);
	if (rc < 0)
		return rc;
	for (;;) {
		size_t n = 0;

		while (i < line.n && is_blank(line.p[i]))
			i++;
		if (i >= line.n || line.p[i] == '#')
			return 0;
		if (lex->n == AG_LEX_WORDS)
			return ag_err_set(err, -EINVAL, "more than %d words", AG_LEX_WORDS);
		rc = line.p[i] == '"' ? lex_quoted(line, &i, lex->text + used, &n, err)
		                      : lex_plain(line, &i, lex->text + used, &n, err);
		if (rc < 0)
			return rc;
		lex->word[lex->n++] = ag_str_n(lex->text + used, n);
		used += n;
	}
}
