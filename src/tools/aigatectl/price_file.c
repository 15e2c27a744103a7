/* price_file.c - the tab-separated price file and the rules its rows keep. */
#include "tools/aigatectl/price_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "aigated/catalog.h"
#include "base/fd.h"
#include "base/num.h"

#define FILE_MAX    (32u << 20)
#define COLUMNS_MAX 64
#define PUSD_MAX    INT64_C(1000000000000000) /* 1000 dollars: nothing costs that a unit */

static const struct {
	const char *name;
	int decimals;
} numbers[] = {
#define X(ident, name, column, decimals) { name, decimals },
	PRICE_NUMBERS(X)
#undef X
};

/* `low` may not be above `high`.  A row names the rule in its column `waived` to be let off. */
static const struct {
	const char *rule;
	enum price_number low, high;
} orders[] = {
	{ "cached_in", PRICE_CACHED_IN, PRICE_IN },
	{ "cache_w_5m", PRICE_IN, PRICE_CACHE_W_5M },
	{ "cache_w_1h", PRICE_CACHE_W_5M, PRICE_CACHE_W_1H },
	{ "tier", PRICE_IN, PRICE_T_IN },
	{ "tier", PRICE_OUT, PRICE_T_OUT },
	{ "tier", PRICE_T_CACHED_IN, PRICE_T_IN },
	{ "batch", PRICE_BATCH_IN, PRICE_IN },
	{ "batch", PRICE_BATCH_OUT, PRICE_OUT },
	{ "flex", PRICE_FLEX_IN, PRICE_IN },
	{ "flex", PRICE_FLEX_OUT, PRICE_OUT },
	{ "prio", PRICE_IN, PRICE_PRIO_IN },
	{ "prio", PRICE_OUT, PRICE_PRIO_OUT },
};

static const char *const text_columns[] = { "family", "model", "mode", "effective_from", "unit",
	                                        "waived", "flags", "tier_ge" };
enum { TEXT_FAMILY, TEXT_MODEL, TEXT_MODE, TEXT_FROM, TEXT_UNIT, TEXT_WAIVED, TEXT_FLAGS, TEXT_GE };

static const char *const modes[] = { "chat", "responses", "completion", "embedding", "image",
	                                 "audio_transcription", "audio_speech", "rerank",
	                                 "moderation" };

/* Where a column of the file goes: text_columns, then numbers. */
struct columns {
	unsigned n;
	unsigned target[COLUMNS_MAX];
};

struct complaint {
	struct price_file *pf;
	FILE *out;
	const struct price_row *row;
};

static void complain(const struct complaint *c, const char *fmt, ...) AG_PRINTF(2, 3);

static void
complain(const struct complaint *c, const char *fmt, ...)
{
	va_list ap;

	c->pf->mistakes++;
	fprintf(c->out, "%s:%u: ", c->pf->path, c->row->line);
	if (c->row->model.n > 0)
		fprintf(c->out, "%.*s %.*s: ", AG_STR_ARG(c->row->family), AG_STR_ARG(c->row->model));
	va_start(ap, fmt);
	vfprintf(c->out, fmt, ap);
	va_end(ap);
	fputc('\n', c->out);
}

/* Cuts the text up to the next mark off *rest; false at the end. */
static bool
next_field(struct ag_str *rest, char mark, struct ag_str *out)
{
	const char *end;

	if (!rest->p)
		return false;
	end = rest->n ? memchr(rest->p, mark, rest->n) : NULL;
	if (!end) {
		*out = *rest;
		*rest = AG_STR_NONE;
		return true;
	}
	*out = ag_str_n(rest->p, (size_t)(end - rest->p));
	*rest = ag_str_skip(*rest, out->n + 1);
	return true;
}

static int
parse_header(struct ag_str line, struct columns *columns, struct ag_err *err, const char *path)
{
	struct ag_str name;
	uint64_t seen = 0;

	columns->n = 0;
	while (next_field(&line, '\t', &name)) {
		unsigned t = 0, texts = AG_ARRAY_LEN(text_columns);

		while (t < texts && !ag_str_eq(name, ag_str(text_columns[t])))
			t++;
		while (t >= texts && t < texts + PRICE_NUMBERS_N &&
		       !ag_str_eq(name, ag_str(numbers[t - texts].name)))
			t++;
		if (t == texts + PRICE_NUMBERS_N || columns->n == COLUMNS_MAX)
			return ag_err_set(err, -EINVAL, "%s: unknown column \"%.*s\"", path,
			                  AG_STR_ARG(name));
		if (seen & (UINT64_C(1) << t))
			return ag_err_set(err, -EINVAL, "%s: column \"%.*s\" is there twice", path,
			                  AG_STR_ARG(name));
		seen |= UINT64_C(1) << t;
		columns->target[columns->n++] = t;
	}
	if ((seen & 7) != 7)
		return ag_err_set(err, -EINVAL, "%s: columns family, model and mode must be there", path);
	return 0;
}

static void
parse_flags(const struct complaint *c, struct ag_str letters, struct price_row *row)
{
	static const char known[] = "vtjrspacwT";
	static const unsigned bits[] = { AG_MF_VISION, AG_MF_TOOLS,  AG_MF_JSON,  AG_MF_REASONING,
		                             AG_MF_STREAM, AG_MF_PDF,    AG_MF_AUDIO, AG_MF_CACHE,
		                             AG_MF_SEARCH, AG_MF_NO_SAMPLING };

	for (size_t i = 0; i < letters.n; i++) {
		const char *at = memchr(known, letters.p[i], sizeof(known) - 1);

		if (at)
			row->flags |= bits[at - known];
		else
			complain(c, "unknown flag '%c'", letters.p[i]);
	}
}

static bool
is_day(struct ag_str s)
{
	uint64_t year, month, day;

	return s.n == 10 && s.p[4] == '-' && s.p[7] == '-' &&
	       ag_parse_u64(ag_str_n(s.p, 4), 9999, &year) == 0 && year >= 2000 &&
	       ag_parse_u64(ag_str_n(s.p + 5, 2), 12, &month) == 0 && month >= 1 &&
	       ag_parse_u64(ag_str_n(s.p + 8, 2), 31, &day) == 0 && day >= 1;
}

static void
set_text(const struct complaint *c, unsigned t, struct ag_str s, struct price_row *row)
{
	struct ag_str *const places[] = { &row->family, &row->model, &row->mode,
		                              &row->effective_from, &row->unit, &row->waived };

	if (t < AG_ARRAY_LEN(places))
		*places[t] = s;
	else if (t == TEXT_FLAGS)
		parse_flags(c, s, row);
	else if (t == TEXT_GE && s.n > 0)
		row->tier_is_ge = ag_str_eq(s, AG_STR("1"));
}

static void
set_number(const struct complaint *c, unsigned k, struct ag_str s, struct price_row *row)
{
	int64_t max = numbers[k].decimals == 0 ? INT32_MAX : PUSD_MAX;
	int rc;

	if (s.n == 0)
		return;
	rc = ag_parse_decimal(s, numbers[k].decimals, max, &row->v[k]);
	if (rc == -EDOM)
		complain(c, "%s \"%.*s\" is finer than %d decimals", numbers[k].name, AG_STR_ARG(s),
		         numbers[k].decimals);
	else if (rc < 0 || row->v[k] < 0)
		complain(c, "%s \"%.*s\" is not a number in range", numbers[k].name, AG_STR_ARG(s));
	if (rc < 0 || row->v[k] < 0)
		row->v[k] = -1;
}

static bool
is_waived(const struct price_row *row, const char *rule)
{
	struct ag_str rest = row->waived, name;

	while (next_field(&rest, ',', &name)) {
		if (ag_str_eq(ag_str_trim(name), ag_str(rule)))
			return true;
	}
	return false;
}

static void
check_orders(const struct complaint *c)
{
	const struct price_row *row = c->row;

	for (size_t i = 0; i < AG_ARRAY_LEN(orders); i++) {
		int64_t low = row->v[orders[i].low], high = row->v[orders[i].high];
		char a[32], b[32];

		if (low < 0 || high < 0 || low <= high || is_waived(row, orders[i].rule))
			continue;
		ag_fmt_decimal(a, sizeof(a), low, 6);
		ag_fmt_decimal(b, sizeof(b), high, 6);
		complain(c, "%s %s is above %s %s (rule %s)", numbers[orders[i].low].name, a,
		         numbers[orders[i].high].name, b, orders[i].rule);
	}
}

static void
check_row(const struct complaint *c)
{
	const struct price_row *row = c->row;
	bool has_price = false, has_tier = row->v[PRICE_T_IN] >= 0 || row->v[PRICE_T_OUT] >= 0;
	size_t m = 0;

	while (m < AG_ARRAY_LEN(modes) && !ag_str_eq(row->mode, ag_str(modes[m])))
		m++;
	if (m == AG_ARRAY_LEN(modes))
		complain(c, "unknown mode \"%.*s\"", AG_STR_ARG(row->mode));
	if (row->family.n == 0 || row->model.n == 0)
		complain(c, "family or model is empty");
	if (row->effective_from.n > 0 && !is_day(row->effective_from))
		complain(c, "effective_from \"%.*s\" is no day like 2026-08-21",
		         AG_STR_ARG(row->effective_from));
	for (unsigned k = 0; k <= PRICE_REQUEST; k++)
		has_price |= row->v[k] >= 0;
	if (!has_price)
		complain(c, "no price at all");
	if (has_tier != (row->v[PRICE_TIER_GT] > 0))
		complain(c, "tier_gt and the t_ prices go together");
	if ((row->unit.n > 0) != (row->v[PRICE_UNIT_PRICE] >= 0))
		complain(c, "unit and unit_price go together");
	check_orders(c);
}

static struct price_row *
row_add(struct price_file *pf)
{
	struct price_row *row;

	if (pf->n == pf->cap) {
		size_t cap = pf->cap ? pf->cap * 2 : 1024;
		struct price_row *rows = reallocarray(pf->rows, cap, sizeof(*rows));

		if (!rows)
			abort();
		pf->rows = rows;
		pf->cap = cap;
	}
	row = &pf->rows[pf->n++];
	*row = (struct price_row){ 0 };
	for (unsigned k = 0; k < PRICE_NUMBERS_N; k++)
		row->v[k] = -1;
	return row;
}

static void
parse_row(struct price_file *pf, FILE *complaints, const struct columns *columns,
          struct ag_str text, unsigned line)
{
	struct price_row *row = row_add(pf);
	const struct complaint c = { pf, complaints, row };
	unsigned n = 0;
	struct ag_str field;

	row->line = line;
	while (next_field(&text, '\t', &field)) {
		unsigned t = n < columns->n ? columns->target[n] : 0;

		n++;
		if (n > columns->n)
			continue;
		if (t < AG_ARRAY_LEN(text_columns))
			set_text(&c, t, field, row);
		else
			set_number(&c, t - (unsigned)AG_ARRAY_LEN(text_columns), field, row);
	}
	if (n != columns->n)
		complain(&c, "%u columns where the header has %u", n, columns->n);
	check_row(&c);
}

static int
compare_text(struct ag_str a, struct ag_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? d : (a.n > b.n) - (a.n < b.n);
}

static int
compare_rows(const void *pa, const void *pb)
{
	const struct price_row *a = pa, *b = pb;
	int d = compare_text(a->family, b->family);

	if (d == 0)
		d = compare_text(a->model, b->model);
	return d ? d : compare_text(a->effective_from, b->effective_from);
}

static void
check_twins(struct price_file *pf, FILE *complaints)
{
	for (size_t i = 1; i < pf->n; i++) {
		const struct complaint c = { pf, complaints, &pf->rows[i] };

		if (compare_rows(&pf->rows[i - 1], &pf->rows[i]) == 0)
			complain(&c, "is there twice, also in line %u", pf->rows[i - 1].line);
	}
}

static int
parse_text(struct price_file *pf, FILE *complaints, struct ag_err *err)
{
	struct ag_str rest = ag_buf_str(&pf->text), line;
	struct columns columns = { 0 };
	unsigned number = 0;

	while (next_field(&rest, '\n', &line)) {
		number++;
		if (ag_str_starts(line, AG_STR("# version: ")))
			ag_str_copy(ag_str_trim(ag_str_skip(line, 11)), pf->version, sizeof(pf->version));
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (columns.n == 0) {
			int rc = parse_header(line, &columns, err, pf->path);

			if (rc < 0)
				return rc;
			continue;
		}
		parse_row(pf, complaints, &columns, line, number);
	}
	if (pf->n == 0)
		return ag_err_set(err, -EINVAL, "%s: no prices in it", pf->path);
	if (!pf->version[0])
		return ag_err_set(err, -EINVAL, "%s: no line \"# version: YYYY-MM-DD\"", pf->path);
	return 0;
}

int
price_file_load(const char *path, FILE *complaints, struct price_file *out, struct ag_err *err)
{
	int rc;

	*out = (struct price_file){ .path = path };
	ag_buf_init(&out->text, FILE_MAX);
	rc = ag_file_slurp(path, &out->text, err);
	if (rc == 0)
		rc = parse_text(out, complaints, err);
	if (rc < 0) {
		price_file_fini(out);
		return rc;
	}
	qsort(out->rows, out->n, sizeof(*out->rows), compare_rows);
	check_twins(out, complaints);
	return 0;
}

void
price_file_fini(struct price_file *pf)
{
	ag_buf_fini(&pf->text);
	free(pf->rows);
	pf->rows = NULL;
	pf->n = pf->cap = 0;
}
