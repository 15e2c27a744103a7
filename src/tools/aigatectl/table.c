/* table.c - results for people: aligned columns, or one line a field. */
#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aigatectl/tree.h"

#include "base/json.h"

#define CELL_MAX 4096
#define TREE_MAX (256u << 20)

void
ctl_table_init(struct ctl_table *t, unsigned columns, const char *const *titles)
{
	*t = (struct ctl_table){ .columns = columns, .titles = titles };
}

void
ctl_table_fini(struct ctl_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct ctl_table){ 0 };
}

/* What came from elsewhere cannot move the cursor or change the colours of a terminal. */
static char *
harmless(struct ag_str s)
{
	size_t n = s.n < CELL_MAX ? s.n : CELL_MAX;
	char *copy = malloc(n + 1);

	if (!copy)
		abort();
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		/* 0xc2 0x80..0x9f are control characters in UTF-8 too */
		if (c < 0x20 || c == 0x7f ||
		    (c >= 0x80 && c < 0xa0 && i > 0 && (unsigned char)s.p[i - 1] == 0xc2))
			copy[i] = '?';
		else
			copy[i] = s.p[i];
	}
	copy[n] = '\0';
	return copy;
}

void
ctl_table_add(struct ctl_table *t, struct ag_str cell)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		char **cells = reallocarray(t->cells, cap, sizeof(*cells));

		if (!cells)
			abort();
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->n++] = harmless(cell.n > 0 ? cell : AG_STR("-"));
}

/* Characters, not bytes. */
static size_t
width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
put_cell(FILE *out, const char *text, size_t width, bool is_right, bool is_last)
{
	size_t n = width_of(text), pad = width > n ? width - n : 0;

	fprintf(out, "%*s%s%*s", is_right ? (int)pad : 0, "", text,
	        is_right || is_last ? 0 : (int)pad, "");
	fputs(is_last ? "\n" : "  ", out);
}

void
ctl_table_print(const struct ctl_table *t, FILE *out)
{
	size_t *width;

	assert(t->columns > 0);
	width = calloc(t->columns, sizeof(*width));
	if (!width)
		abort();
	for (unsigned c = 0; c < t->columns; c++)
		width[c] = width_of(t->titles[c]);
	for (size_t i = 0; i < t->n; i++) {
		size_t n = width_of(t->cells[i]);

		if (n > width[i % t->columns])
			width[i % t->columns] = n;
	}
	for (unsigned c = 0; c < t->columns; c++)
		put_cell(out, t->titles[c], width[c], (t->is_number >> c) & 1, c + 1 == t->columns);
	for (size_t i = 0; i < t->n; i++) {
		unsigned c = (unsigned)(i % t->columns);

		put_cell(out, t->cells[i], width[c], (t->is_number >> c) & 1, c + 1 == t->columns);
	}
	free(width);
}

struct json_object *
ctl_json_at(struct json_object *o, const char *path)
{
	while (o && *path) {
		size_t n = strcspn(path, ".");
		char name[64];

		if (!ag_str_copy(ag_str_n(path, n), name, sizeof(name)) ||
		    !json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, name, &o))
			return NULL;
		path += n + (path[n] == '.');
	}
	return o;
}

const char *
ctl_json_text(struct json_object *o, const char *path)
{
	struct json_object *found = ctl_json_at(o, path);

	return found ? json_object_get_string(found) : "";
}

void
ctl_print_tree(const struct ctl *ctl, struct json_object *o)
{
	struct ag_buf b;

	if (ctl->output == CTL_OUT_YAML) {
		ag_buf_init(&b, TREE_MAX);
		ctl_yaml_put(&b, o);
		fwrite(b.p, 1, b.failed ? 0 : b.n, stdout);
		if (b.failed)
			ctl_fail(CTL_FAILED, "the result is too long");
		ag_buf_wipe(&b);
		return;
	}
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
	                                           JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void
put_value(struct ag_buf *b, struct json_object *value)
{
	if (!value)
		return;
	if (!json_object_is_type(value, json_type_array)) {
		if (json_object_is_type(value, json_type_object))
			ag_buf_puts(b, json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
		else
			ag_buf_puts(b, json_object_get_string(value));
		return;
	}
	for (size_t i = 0; i < ag_json_len(value); i++) {
		if (i > 0)
			ag_buf_puts(b, ",");
		put_value(b, ag_json_at(value, i));
	}
}

static void
put_column(struct ag_buf *b, struct json_object *object, const struct ctl_column *column)
{
	struct json_object *value = ctl_json_at(object, column->path);

	ag_buf_reset(b);
	if (value && column->put)
		column->put(b, value);
	else
		put_value(b, value);
}

void
ctl_print_list(const struct ctl *ctl, struct json_object *answer, struct json_object *array,
               const struct ctl_column *columns, unsigned n)
{
	const char *titles[16];
	struct ctl_table t;
	struct ag_buf b;

	if (ctl->output != CTL_OUT_TABLE) {
		ctl_print_tree(ctl, answer);
		return;
	}
	assert(n <= AG_ARRAY_LEN(titles));
	for (unsigned c = 0; c < n; c++)
		titles[c] = columns[c].title;
	ctl_table_init(&t, n, titles);
	ag_buf_init(&b, CELL_MAX);
	for (size_t i = 0; i < ag_json_len(array); i++) {
		for (unsigned c = 0; c < n; c++) {
			put_column(&b, ag_json_at(array, i), &columns[c]);
			ctl_table_add(&t, ag_buf_str(&b));
		}
	}
	ctl_table_print(&t, stdout);
	ag_buf_fini(&b);
	ctl_table_fini(&t);
}

void
ctl_print_one(const struct ctl *ctl, struct json_object *object, const struct ctl_column *columns,
              unsigned n)
{
	size_t width = 0;
	struct ag_buf b;

	if (ctl->output != CTL_OUT_TABLE) {
		ctl_print_tree(ctl, object);
		return;
	}
	for (unsigned c = 0; c < n; c++)
		width = strlen(columns[c].title) > width ? strlen(columns[c].title) : width;
	ag_buf_init(&b, CELL_MAX);
	for (unsigned c = 0; c < n; c++) {
		char *text;

		put_column(&b, object, &columns[c]);
		text = harmless(b.n > 0 ? ag_buf_str(&b) : AG_STR("-"));
		printf("%-*s  %s\n", (int)width, columns[c].title, text);
		free(text);
	}
	ag_buf_fini(&b);
}
