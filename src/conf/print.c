#include <stdlib.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/directive.h"

#define PRINT_MAX (1u << 16)

/* ---- passwords in a connection string ---------------------------------------------------- */

static const char MASK[] = "****";

/* The value of the key=value pair at p: quoted or not. */
static size_t
value_length(const char *p)
{
	size_t n = 0;

	if (p[0] == '\'') {
		for (n = 1; p[n] && p[n] != '\''; n++)
			if (p[n] == '\\' && p[n + 1])
				n++;
		return p[n] ? n + 1 : n;
	}
	for (; p[n] && p[n] != ' ' && p[n] != '\t'; n++)
		if (p[n] == '\\' && p[n + 1])
			n++;
	return n;
}

static size_t
blanks(const char *p)
{
	return strspn(p, " \t");
}

/* host=h password='a b' sslpassword=c */
static void
mask_pairs(const char *p, struct ag_buf *out)
{
	while (*p) {
		size_t lead = blanks(p), name = strcspn(p + lead, "= \t"), eq, n;
		bool is_secret = name >= 8 && memcmp(p + lead + name - 8, "password", 8) == 0;

		eq = lead + name + blanks(p + lead + name);
		if (p[eq] == '=')
			eq += 1 + blanks(p + eq + 1);
		ag_buf_put(out, p, eq);
		p += eq;
		n = value_length(p);
		if (is_secret)
			ag_buf_puts(out, MASK);
		else
			ag_buf_put(out, p, n);
		p += n;
		if (eq == 0 && n == 0)
			return; /* cannot happen; never loop */
	}
}

/* postgresql://user:secret@host/db?sslpassword=c */
static void
mask_uri(const char *p, struct ag_buf *out)
{
	size_t scheme = (size_t)(strstr(p, "://") - p) + 3;
	size_t authority = strcspn(p + scheme, "/?#");
	const char *at = memrchr(p + scheme, '@', authority);
	const char *colon = at ? memchr(p + scheme, ':', (size_t)(at - (p + scheme))) : NULL;

	if (colon) {
		ag_buf_put(out, p, (size_t)(colon - p) + 1);
		ag_buf_puts(out, MASK);
		p = at;
	}
	while (*p) {
		const char *secret = strstr(p, "password=");

		if (!secret) {
			ag_buf_puts(out, p);
			return;
		}
		ag_buf_put(out, p, (size_t)(secret - p) + 9);
		ag_buf_puts(out, MASK);
		p = secret + 9;
		p += strcspn(p, "&#");
	}
}

static void
mask(const char *database, struct ag_buf *out)
{
	if (strstr(database, "://"))
		mask_uri(database, out);
	else
		mask_pairs(database, out);
}

/* ---- the configuration in force ---------------------------------------------------------- */

static void
put_row(const struct ag_directive *d, const struct ag_conf *conf, struct ag_buf *out)
{
	uint32_t n = d->type == AG_DT_LISTEN ? conf->listen.n : 1;

	for (uint32_t i = 0; i < n; i++) {
		ag_buf_puts(out, d->name);
		ag_buf_putc(out, ' ');
		ag_directive_put(d, conf, i, out);
		ag_buf_putc(out, '\n');
	}
}

void
ag_conf_print(const struct ag_conf *conf, FILE *out)
{
	AG_AUTO(ag_buf) struct ag_buf text, masked;
	struct ag_conf shown = *conf; /* borrows all of it, but for the connection string */

	ag_buf_init(&text, PRINT_MAX);
	ag_buf_init(&masked, 2 * PRINT_MAX);
	mask(conf->database, &masked);
	ag_buf_putc(&masked, '\0');
	if (!masked.failed)
		shown.database = masked.p;
	for (size_t i = 0; i < ag_directive_count && !masked.failed; i++) {
		ag_buf_reset(&text);
		put_row(&ag_directives[i], &shown, &text);
		fwrite(text.p, 1, text.n, out);
	}
}

/* ---- the manual -------------------------------------------------------------------------- */

/* New sentence, new line; and nothing that roff would take for a request. */
static void
put_sentences(const char *text, FILE *out)
{
	for (bool is_line_start = true; *text; text++) {
		if (is_line_start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		is_line_start = false;
		if (*text == '\\') {
			fputs("\\e", out);
		} else if (*text == '.' && text[1] == ' ' && text[2]) {
			fputs(".\n", out);
			text += strspn(text + 1, " ");
			is_line_start = true;
		} else {
			fputc(*text, out);
		}
	}
	fputc('\n', out);
}

static void
put_reload(enum ag_reload_class reload, FILE *out)
{
	switch (reload) {
	case AG_RELOAD_NOW:
		fputs("A reload changes it at once.\n", out);
		return;
	case AG_RELOAD_NEW:
		fputs("A reload changes it for new connections and requests.\n", out);
		return;
	case AG_RELOAD_RESTART:
		fputs("Changing it needs a restart.\n", out);
		return;
	}
}

void
ag_conf_print_mdoc(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < ag_directive_count; i++) {
		const struct ag_directive *d = &ag_directives[i];

		fprintf(out, ".It Ic %s %s\n", d->name, ag_directive_syntax(d));
		put_sentences(d->text, out);
		if (d->def[0])
			fprintf(out, "The default is\n.Ql %s .\n", d->def);
		else
			fputs("Not set by default.\n", out);
		if (d->min[0])
			fprintf(out, "Allowed are %s to %s.\n", d->min, d->max);
		put_reload(d->reload, out);
	}
	fputs(".El\n", out);
}
