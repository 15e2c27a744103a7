#include <errno.h>
#include <string.h>

#include "provider/figure.h"
#include "provider/provider.h"

/* What may stand in a path segment as it is (RFC 3986 2.3); the rest is percent-encoded. */
static bool
is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '.' || c == '_' || c == '~';
}

static void
put_segment(struct ag_str s, struct ag_buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_unreserved(c)) {
			ag_buf_putc(out, (char)c);
		} else {
			ag_buf_putc(out, '%');
			ag_buf_putc(out, hex[c >> 4]);
			ag_buf_putc(out, hex[c & 15]);
		}
	}
}

/* A text of `configurations`.  It becomes part of a host or a path, so that nothing in it may end
 * either: letters, digits, and '-', '.', '_' alone. */
static int
put_config(struct ag_str config, struct ag_str name, struct ag_buf *out, struct ag_err *err)
{
	struct ag_json_value v;
	struct ag_json_fault fault;
	struct ag_str text;

	if (config.n == 0 || ag_figure_scan(config, &name, 1, &v, &fault) < 0 || v.type != AG_JSON_STRING ||
	    !ag_json_string_plain(ag_json_raw(config, v), &text) || text.n == 0)
		return ag_err_set(err, -ENOENT, "configurations.%.*s is not set", AG_STR_ARG(name));
	for (size_t i = 0; i < text.n; i++)
		if (!is_unreserved((unsigned char)text.p[i]) || text.p[i] == '~')
			return ag_err_set(err, -EINVAL, "configurations.%.*s cannot be part of an address",
			    AG_STR_ARG(name));
	ag_buf_put_str(out, text);
	return 0;
}

static int
put_place(const struct ag_provider *p, struct ag_str name, struct ag_str config, struct ag_str model,
    struct ag_str rest, struct ag_buf *out, struct ag_err *err)
{
	int rc;

	if (ag_str_eq(name, AG_STR("rest"))) {
		ag_buf_put_str(out, rest);
		return 0;
	}
	if (p->place) {
		rc = p->place(config, name, model, out);
		if (rc != -ENOENT)
			return rc < 0 ? ag_err_set(err, rc, "%.*s is not set", AG_STR_ARG(name)) : 0;
	}
	if (ag_str_eq(name, AG_STR("model"))) {
		/* A segment of dots alone would name another one. */
		if (ag_str_eq(model, AG_STR(".")) || ag_str_eq(model, AG_STR("..")) || model.n == 0)
			return ag_err_set(err, -EINVAL, "model is not a model's name");
		put_segment(model, out);
		return 0;
	}
	return put_config(config, name, out, err);
}

int
ag_provider_expand(const struct ag_provider *p, const char *tmpl, struct ag_str config,
    struct ag_str model, struct ag_str rest, struct ag_buf *out, struct ag_err *err)
{
	const char *open, *close;
	int rc;

	while ((open = strchr(tmpl, '{')) && (close = strchr(open, '}'))) {
		ag_buf_put(out, tmpl, (size_t)(open - tmpl));
		rc = put_place(p, ag_str_n(open + 1, (size_t)(close - open) - 1), config, model, rest, out, err);
		if (rc < 0)
			return rc;
		tmpl = close + 1;
	}
	ag_buf_puts(out, tmpl);
	return out->failed ? ag_err_set(err, -ENOBUFS, "the address is too long") : 0;
}
