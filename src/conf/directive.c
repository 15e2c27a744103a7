#include "conf/directive.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/money.h"
#include "base/num.h"
#include "conf/listen.h"

#define RATIO_SCALE 6 /* AG_RATIO_ONE */

/* ---- the table --------------------------------------------------------------------------- */

const struct ag_directive ag_directives[] = {
#define D(n, t, d, lo, hi, r, say)                                                              \
	{ .name = #n, .type = AG_DT_##t, .offset = offsetof(struct ag_conf, n), .def = d,       \
	  .min = lo, .max = hi, .reload = AG_RELOAD_##r, .text = say },
#include "aigated/tbl/directives.h"
#undef D
};
const size_t ag_directive_count = AG_ARRAY_LEN(ag_directives);

const struct ag_directive *
ag_directive_find(struct ag_str name)
{
	for (size_t i = 0; i < ag_directive_count; i++)
		if (ag_str_eq(name, ag_str(ag_directives[i].name)))
			return &ag_directives[i];
	return NULL;
}

static void *
field(const struct ag_directive *d, struct ag_conf *conf)
{
	return (char *)conf + d->offset;
}

static const void *
field_const(const struct ag_directive *d, const struct ag_conf *conf)
{
	return (const char *)conf + d->offset;
}

/* ---- names of enumerations: order is that of the enumerators ----------------------------- */

static const char *const log_levels[] = { "error", "warn", "notice", "info", "debug", NULL };
static const char *const full_rings[] = { "refuse", "serve", NULL };
static const char *const partitions[] = { "month", "day", NULL };
static const char *const unpriceds[] = { "refuse", "flat", NULL };
static const char *const unknowns[] = { "estimate", "hold", NULL };
static const char *const tiers[] = { "priority", "standard", NULL };

static const char *const *
enum_names(enum ag_directive_type type)
{
	switch (type) {
	case AG_DT_ENUM_LOG_LEVEL:
		return log_levels;
	case AG_DT_ENUM_FULL_RING:
		return full_rings;
	case AG_DT_ENUM_UNPRICED:
		return unpriceds;
	case AG_DT_ENUM_UNKNOWN:
		return unknowns;
	case AG_DT_ENUM_TIER:
		return tiers;
	case AG_DT_ENUM_PARTITION:
		return partitions;
	case AG_DT_STRING:
	case AG_DT_PATH:
	case AG_DT_LISTEN:
	case AG_DT_SIZE:
	case AG_DT_UINT:
	case AG_DT_DURATION:
	case AG_DT_BOOL:
	case AG_DT_USD:
	case AG_DT_RATIO:
		break;
	}
	return NULL;
}

/* ---- numbers with units ------------------------------------------------------------------ */

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: a value is written in the largest unit that divides it. */
static const struct unit size_units[] = {
	{ "t", INT64_C(1) << 40 }, { "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 }, { "", 1 },
	{ NULL, 0 },
};
static const struct unit duration_units[] = {
	{ "d", AG_US_PER_DAY }, { "h", AG_US_PER_HOUR }, { "m", AG_US_PER_MIN },
	{ "s", AG_US_PER_SEC }, { "ms", AG_US_PER_MS }, { "us", 1 }, { NULL, 0 },
};

static int
parse_with_unit(struct ag_str text, const struct unit *units, int64_t *out)
{
	struct ag_str digits = text, suffix;
	uint64_t count;
	int rc;

	while (digits.n > 0 && (digits.p[digits.n - 1] < '0' || digits.p[digits.n - 1] > '9'))
		digits.n--;
	suffix = ag_str_skip(text, digits.n);
	rc = ag_parse_u64(digits, INT64_MAX, &count);
	if (rc < 0)
		return rc;
	if (count == 0 && suffix.n == 0) {
		*out = 0;
		return 0;
	}
	for (; units->name; units++) {
		if (!ag_str_ieq(suffix, ag_str(units->name)))
			continue;
		if (__builtin_mul_overflow((int64_t)count, units->factor, out))
			return -ERANGE;
		return 0;
	}
	return -EINVAL;
}

static void
put_with_unit(struct ag_buf *out, int64_t v, const struct unit *units)
{
	if (v == 0) {
		ag_buf_putc(out, '0');
		return;
	}
	while (v % units->factor != 0)
		units++;
	ag_buf_put_i64(out, v / units->factor);
	ag_buf_puts(out, units->name);
}

static int
parse_bool(struct ag_str text, int64_t *out)
{
	if (ag_str_eq(text, AG_STR("on")))
		*out = 1;
	else if (ag_str_eq(text, AG_STR("off")))
		*out = 0;
	else
		return -EINVAL;
	return 0;
}

static int
parse_name(struct ag_str text, const char *const *names, int64_t *out)
{
	for (int64_t i = 0; names[i]; i++)
		if (ag_str_eq(text, ag_str(names[i]))) {
			*out = i;
			return 0;
		}
	return -EINVAL;
}

/* Any type that is a number inside. */
static int
parse_number(enum ag_directive_type type, struct ag_str text, int64_t *out)
{
	uint64_t v;
	int rc;

	switch (type) {
	case AG_DT_SIZE:
		return parse_with_unit(text, size_units, out);
	case AG_DT_DURATION:
		return parse_with_unit(text, duration_units, out);
	case AG_DT_UINT:
		rc = ag_parse_u64(text, INT64_MAX, &v);
		if (rc == 0)
			*out = (int64_t)v;
		return rc;
	case AG_DT_USD:
		return ag_parse_usd(text, AG_NUSD_MAX, out);
	case AG_DT_RATIO:
		return ag_parse_decimal(text, RATIO_SCALE, INT64_MAX / 2, out);
	case AG_DT_BOOL:
		return parse_bool(text, out);
	case AG_DT_ENUM_LOG_LEVEL:
	case AG_DT_ENUM_FULL_RING:
	case AG_DT_ENUM_UNPRICED:
	case AG_DT_ENUM_UNKNOWN:
	case AG_DT_ENUM_TIER:
	case AG_DT_ENUM_PARTITION:
		return parse_name(text, enum_names(type), out);
	case AG_DT_STRING:
	case AG_DT_PATH:
	case AG_DT_LISTEN:
		break;
	}
	return -EINVAL;
}

static void
store_number(const struct ag_directive *d, struct ag_conf *conf, int64_t v)
{
	void *at = field(d, conf);

	switch (d->type) {
	case AG_DT_SIZE:
		*(uint64_t *)at = (uint64_t)v;
		return;
	case AG_DT_DURATION:
	case AG_DT_USD:
		*(int64_t *)at = v;
		return;
	case AG_DT_BOOL:
		*(bool *)at = v != 0;
		return;
	case AG_DT_UINT:
	case AG_DT_RATIO:
	case AG_DT_ENUM_LOG_LEVEL:
	case AG_DT_ENUM_FULL_RING:
	case AG_DT_ENUM_UNPRICED:
	case AG_DT_ENUM_UNKNOWN:
	case AG_DT_ENUM_TIER:
	case AG_DT_ENUM_PARTITION:
		*(uint32_t *)at = (uint32_t)v;
		return;
	case AG_DT_STRING:
	case AG_DT_PATH:
	case AG_DT_LISTEN:
		break;
	}
	assert(!"a number is stored in a field that holds one");
}

static int64_t
load_number(const struct ag_directive *d, const struct ag_conf *conf)
{
	const void *at = field_const(d, conf);

	switch (d->type) {
	case AG_DT_SIZE:
		return (int64_t)*(const uint64_t *)at;
	case AG_DT_DURATION:
	case AG_DT_USD:
		return *(const int64_t *)at;
	case AG_DT_BOOL:
		return *(const bool *)at;
	case AG_DT_UINT:
	case AG_DT_RATIO:
	case AG_DT_ENUM_LOG_LEVEL:
	case AG_DT_ENUM_FULL_RING:
	case AG_DT_ENUM_UNPRICED:
	case AG_DT_ENUM_UNKNOWN:
	case AG_DT_ENUM_TIER:
	case AG_DT_ENUM_PARTITION:
		return *(const uint32_t *)at;
	case AG_DT_STRING:
	case AG_DT_PATH:
	case AG_DT_LISTEN:
		break;
	}
	assert(!"a number is loaded from a field that holds one");
	return 0;
}

static const char *
expected(enum ag_directive_type type)
{
	switch (type) {
	case AG_DT_SIZE:
		return "a size, such as 65536, 64k, 8m or 1g";
	case AG_DT_DURATION:
		return "a duration with its unit, such as 200ms, 5s, 1m, 1h or 1d";
	case AG_DT_UINT:
		return "a whole number";
	case AG_DT_USD:
		return "an amount of US dollars, such as 0.10";
	case AG_DT_RATIO:
		return "a part of one, such as 0.25, to six decimals";
	case AG_DT_BOOL:
		return "on or off";
	case AG_DT_ENUM_LOG_LEVEL:
		return "error, warn, notice, info or debug";
	case AG_DT_ENUM_FULL_RING:
		return "refuse or serve";
	case AG_DT_ENUM_UNPRICED:
		return "refuse or flat";
	case AG_DT_ENUM_PARTITION:
		return "month or day";
	case AG_DT_ENUM_UNKNOWN:
		return "estimate or hold";
	case AG_DT_ENUM_TIER:
		return "priority or standard";
	case AG_DT_STRING:
		return "a text";
	case AG_DT_PATH:
		return "an absolute path";
	case AG_DT_LISTEN:
		return "an address";
	}
	return "valid";
}

static int
set_number(const struct ag_directive *d, struct ag_conf *conf, struct ag_str text, struct ag_err *err)
{
	int64_t v = 0, bound;
	int rc = parse_number(d->type, text, &v);
	bool is_outside = rc == -ERANGE;

	if (rc < 0 && !is_outside)
		return ag_err_set(err, -EINVAL, "value \"%.*s\" is not %s", AG_STR_ARG(text),
		    expected(d->type));
	if (!is_outside && d->min[0]) {
		rc = parse_number(d->type, ag_str(d->min), &bound);
		assert(rc == 0);
		is_outside = v < bound;
	}
	if (!is_outside && d->max[0]) {
		rc = parse_number(d->type, ag_str(d->max), &bound);
		assert(rc == 0);
		is_outside = v > bound;
	}
	if (is_outside)
		return ag_err_set(err, -EINVAL, "value \"%.*s\" is outside %s..%s", AG_STR_ARG(text),
		    d->min, d->max);
	store_number(d, conf, v);
	return 0;
}

/* ---- texts ------------------------------------------------------------------------------- */

static int
set_text(const struct ag_directive *d, struct ag_conf *conf, struct ag_str text, struct ag_err *err)
{
	char **at = field(d, conf);
	char *copy;

	/* A default such as stderr may be given although it is no path. */
	if (d->type == AG_DT_PATH && text.n > 0 && text.p[0] != '/' && !ag_str_eq(text, ag_str(d->def)))
		return ag_err_set(err, -EINVAL, "value \"%.*s\" is not an absolute path", AG_STR_ARG(text));
	copy = strndup(text.p ? text.p : "", text.n);
	if (!copy)
		return ag_err_set(err, -ENOMEM, "out of memory");
	free(*at);
	*at = copy;
	return 0;
}

static int
add_listen(struct ag_conf_listen *l, const struct ag_str *words, size_t n, struct ag_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len;
	bool is_tls = n == 2 && ag_str_eq(words[1], AG_STR("tls"));
	char *addr;

	if (n > 2 || (n == 2 && !is_tls))
		return ag_err_set(err, -EINVAL, "an address may be followed by tls, not by \"%.*s\"",
		    AG_STR_ARG(words[is_tls ? 2 : 1]));
	if (l->n == AG_LISTEN_MAX)
		return ag_err_set(err, -EINVAL, "given more than %d times", AG_LISTEN_MAX);
	addr = strndup(words[0].p, words[0].n);
	if (!addr)
		return ag_err_set(err, -ENOMEM, "out of memory");
	if (ag_listen_parse(addr, &sa, &len, err) < 0) {
		free(addr);
		return -EINVAL;
	}
	l->addr[l->n] = addr;
	l->is_tls[l->n++] = is_tls;
	return 0;
}

/* ---- any type ---------------------------------------------------------------------------- */

int
ag_directive_set(const struct ag_directive *d, struct ag_conf *conf, const struct ag_str *words,
    size_t n, struct ag_err *err)
{
	/* "" says "not set" where that is the default, and nothing anywhere else. */
	if (n == 0 || (words[0].n == 0 && ag_str(d->def).n > 0))
		return ag_err_set(err, -EINVAL, "has no value");
	if (d->type == AG_DT_LISTEN)
		return add_listen(field(d, conf), words, n, err);
	if (n > 1)
		return ag_err_set(err, -EINVAL,
		    "takes one value; a value with blanks stands in double quotes");
	if (d->type == AG_DT_STRING || d->type == AG_DT_PATH)
		return set_text(d, conf, words[0], err);
	return set_number(d, conf, words[0], err);
}

int
ag_directive_reset(const struct ag_directive *d, struct ag_conf *conf)
{
	struct ag_str word = ag_str(d->def);

	if (d->type == AG_DT_STRING || d->type == AG_DT_PATH)
		return set_text(d, conf, word, NULL);
	if (d->type == AG_DT_LISTEN)
		ag_directive_fini(d, conf);
	return ag_directive_set(d, conf, &word, 1, NULL);
}

static bool
listen_eq(const struct ag_conf_listen *a, const struct ag_conf_listen *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (strcmp(a->addr[i], b->addr[i]) != 0 || a->is_tls[i] != b->is_tls[i])
			return false;
	return true;
}

bool
ag_directive_eq(const struct ag_directive *d, const struct ag_conf *a, const struct ag_conf *b)
{
	const void *x = field_const(d, a), *y = field_const(d, b);

	if (d->type == AG_DT_LISTEN)
		return listen_eq(x, y);
	if (d->type == AG_DT_STRING || d->type == AG_DT_PATH)
		return strcmp(*(char *const *)x, *(char *const *)y) == 0;
	return load_number(d, a) == load_number(d, b);
}

void
ag_directive_swap(const struct ag_directive *d, struct ag_conf *a, struct ag_conf *b)
{
	if (d->type == AG_DT_LISTEN) {
		struct ag_conf_listen *x = field(d, a), *y = field(d, b), tmp = *x;

		*x = *y;
		*y = tmp;
	} else if (d->type == AG_DT_STRING || d->type == AG_DT_PATH) {
		char **x = field(d, a), **y = field(d, b), *tmp = *x;

		*x = *y;
		*y = tmp;
	} else {
		int64_t tmp = load_number(d, a);

		store_number(d, a, load_number(d, b));
		store_number(d, b, tmp);
	}
}

void
ag_directive_fini(const struct ag_directive *d, struct ag_conf *conf)
{
	if (d->type == AG_DT_LISTEN) {
		struct ag_conf_listen *l = field(d, conf);

		while (l->n > 0)
			free(l->addr[--l->n]);
	} else if (d->type == AG_DT_STRING || d->type == AG_DT_PATH) {
		char **at = field(d, conf);

		if (*at)
			ag_mem_wipe(*at, strlen(*at)); /* a connection string has a password */
		free(*at);
		*at = NULL;
	}
}

static void
put_text(struct ag_buf *out, const char *text)
{
	bool is_plain = text[0] != '\0' && text[0] != '#' && !strpbrk(text, " \t\"\\");

	if (is_plain) {
		ag_buf_puts(out, text);
		return;
	}
	ag_buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			ag_buf_putc(out, '\\');
		ag_buf_putc(out, *text);
	}
	ag_buf_putc(out, '"');
}

void
ag_directive_put(const struct ag_directive *d, const struct ag_conf *conf, uint32_t ix,
    struct ag_buf *out)
{
	const void *at = field_const(d, conf);
	char usd[32];

	switch (d->type) {
	case AG_DT_STRING:
	case AG_DT_PATH:
		put_text(out, *(char *const *)at);
		return;
	case AG_DT_LISTEN:
		put_text(out, conf->listen.addr[ix]);
		if (conf->listen.is_tls[ix])
			ag_buf_puts(out, " tls");
		return;
	case AG_DT_SIZE:
		put_with_unit(out, load_number(d, conf), size_units);
		return;
	case AG_DT_DURATION:
		put_with_unit(out, load_number(d, conf), duration_units);
		return;
	case AG_DT_UINT:
		ag_buf_put_i64(out, load_number(d, conf));
		return;
	case AG_DT_USD:
		ag_fmt_usd(usd, sizeof(usd), load_number(d, conf));
		ag_buf_puts(out, usd);
		return;
	case AG_DT_RATIO:
		ag_buf_put(out, usd, ag_fmt_decimal(usd, sizeof(usd), load_number(d, conf), RATIO_SCALE));
		return;
	case AG_DT_BOOL:
		ag_buf_puts(out, load_number(d, conf) ? "on" : "off");
		return;
	case AG_DT_ENUM_LOG_LEVEL:
	case AG_DT_ENUM_FULL_RING:
	case AG_DT_ENUM_UNPRICED:
	case AG_DT_ENUM_UNKNOWN:
	case AG_DT_ENUM_TIER:
	case AG_DT_ENUM_PARTITION:
		ag_buf_puts(out, enum_names(d->type)[load_number(d, conf)]);
		return;
	}
}

const char *
ag_directive_syntax(const struct ag_directive *d)
{
	switch (d->type) {
	case AG_DT_STRING:
		return "Ar text";
	case AG_DT_PATH:
		return "Ar path";
	case AG_DT_LISTEN:
		return "Ar address : Ns Ar port Op Cm tls";
	case AG_DT_SIZE:
		return "Ar size";
	case AG_DT_UINT:
		return "Ar number";
	case AG_DT_DURATION:
		return "Ar duration";
	case AG_DT_BOOL:
		return "Cm on | off";
	case AG_DT_USD:
		return "Ar dollars";
	case AG_DT_RATIO:
		return "Ar part";
	case AG_DT_ENUM_LOG_LEVEL:
		return "Cm error | warn | notice | info | debug";
	case AG_DT_ENUM_FULL_RING:
		return "Cm refuse | serve";
	case AG_DT_ENUM_UNPRICED:
		return "Cm refuse | flat";
	case AG_DT_ENUM_PARTITION:
		return "Cm month | day";
	case AG_DT_ENUM_UNKNOWN:
		return "Cm estimate | hold";
	case AG_DT_ENUM_TIER:
		return "Cm priority | standard";
	}
	return "";
}
