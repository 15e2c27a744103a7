/* noun_run.c - list, show, create, update and delete of any noun, by its row in the table. */
#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tools/aigatectl/noun.h"
#include "tools/aigatectl/tree.h"

#define COLUMNS_MAX 16

struct words {
	struct ctl_list rest, set, where;
	const char *home, *file;
};

/* Splits the columns of a noun; titles live in text. */
static unsigned
columns_of(const struct ctl_noun *noun, char *text, size_t cap, struct ctl_column columns[COLUMNS_MAX])
{
	unsigned n = 0;
	char *p = text;

	ag_str_copy(ag_str(noun->columns), text, cap);
	while (*p && n < COLUMNS_MAX) {
		size_t len = strcspn(p, " ");
		bool is_last = p[len] == '\0';

		p[len] = '\0';
		columns[n++] = (struct ctl_column){ p, p,
			strcmp(p, "usage_limits") == 0  ? ctl_put_usage_limits
			: strcmp(p, "rate_limits") == 0 ? ctl_put_rate_limits
			                                : NULL };
		p += len + !is_last;
	}
	return n;
}

static void
show(const struct ctl *ctl, const struct ctl_noun *noun, struct json_object *one)
{
	struct ctl_column columns[COLUMNS_MAX];
	char text[512];
	unsigned n = columns_of(noun, text, sizeof(text), columns);

	ctl_print_one(ctl, one, columns, n);
}

/* ---- bodies ---- */

/* JSON where all of it reads as such, else text: an id may begin like a number. */
static struct json_object *
value_of(const char *said)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *value;

	if (!tok)
		abort();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	value = json_tokener_parse_ex(tok, said, (int)strlen(said) + 1);
	if (json_tokener_get_error(tok) != json_tokener_success || said[json_tokener_get_parse_end(tok)] != '\0') {
		json_object_put(value);
		value = json_object_new_string(said);
	}
	json_tokener_free(tok);
	return value;
}

/* "a.b=value" */
static enum ctl_exit
set_member(const struct ctl_noun *noun, struct json_object *body, const char *pair)
{
	const char *equals = strchr(pair, '='), *p = pair;
	struct json_object *o = body;
	char name[128];

	if (!equals || equals == pair)
		return ctl_fail(CTL_USAGE, "\"%s\" is not of the form member=value", pair);
	if (ctl_has_word(noun->secrets, pair, (size_t)(equals - pair)))
		return ctl_fail(CTL_USAGE, "%.*s is secret and a command line is for all to see: give it in a --file, "
		                "as {env: NAME} or {file: PATH}", (int)(equals - pair), pair);
	for (;;) {
		size_t n = strcspn(p, ".=");
		struct json_object *next = NULL;

		if (n == 0 || !ag_str_copy(ag_str_n(p, n), name, sizeof(name)))
			return ctl_fail(CTL_USAGE, "\"%s\" names no member", pair);
		p += n;
		if (*p == '=')
			break;
		if (!json_object_object_get_ex(o, name, &next) || !json_object_is_type(next, json_type_object)) {
			next = json_object_new_object();
			json_object_object_add(o, name, next);
		}
		o = next;
		p++;
	}
	json_object_object_add(o, name, value_of(equals + 1));
	return CTL_OK;
}

static enum ctl_exit
body_new(const struct ctl_noun *noun, const struct words *w, struct json_object **out)
{
	struct json_object *body = NULL;
	enum ctl_exit status = CTL_OK;

	if (!w->file && w->set.n == 0)
		return ctl_fail(CTL_USAGE, "say what with --set member=value or --file FILE");
	if (w->file)
		status = ctl_tree_read(w->file, &body);
	else
		body = json_object_new_object();
	if (status == CTL_OK && w->file)
		status = ctl_tree_secrets(w->file, body);
	for (unsigned i = 0; status == CTL_OK && i < w->set.n; i++)
		status = set_member(noun, body, w->set.v[i]);
	if (status == CTL_OK)
		*out = body;
	else
		json_object_put(body);
	return status;
}

static struct json_object *
wrapped(const struct ctl_noun *noun, struct json_object *one)
{
	struct json_object *body, *array;

	if (!noun->wrap)
		return one;
	body = json_object_new_object();
	array = json_object_new_array();
	json_object_array_add(array, one);
	json_object_object_add(body, noun->wrap, array);
	return body;
}

/* ---- one of them ---- */

static bool
is_uuid(const char *s)
{
	return strlen(s) == 36 && strspn(s, "0123456789abcdefABCDEF-") == 36;
}

enum ctl_exit
ctl_noun_handle(struct ctl *ctl, const struct ctl_noun *noun, const char *home, const char *name, char **out)
{
	struct json_object *all = NULL, *one;
	enum ctl_exit status;
	unsigned n = 0;

	*out = strdup(name);
	if (!*out)
		abort();
	if (is_uuid(name) || strcmp(noun->identity, noun->handle) == 0)
		return CTL_OK;
	status = ctl_noun_list(ctl, noun, home, &all);
	for (size_t i = 0; status == CTL_OK && i < ag_json_len(all); i++) {
		one = ag_json_at(all, i);
		if (strcmp(ctl_json_text(one, noun->handle), name) == 0) {
			n = 1;
			break;
		}
		if (strcmp(ctl_json_text(one, noun->identity), name) == 0 && n++ == 0) {
			free(*out);
			*out = strdup(ctl_json_text(one, noun->handle));
			if (!*out)
				abort();
		}
	}
	json_object_put(all);
	if (status == CTL_OK && n > 1)
		status = ctl_fail(CTL_USAGE, "there are several of %s \"%s\": give the %s", noun->name, name, noun->handle);
	if (status != CTL_OK) {
		free(*out);
		*out = NULL;
	}
	return status;
}

static enum ctl_exit
run_list(struct ctl *ctl, const struct ctl_noun *noun, const struct words *w)
{
	const char *base = ctl_noun_path(noun, w->home, NULL);
	struct ctl_column columns[COLUMNS_MAX];
	struct json_object *answer = NULL;
	enum ctl_exit status;
	struct ag_buf path;
	char text[512];
	unsigned n;

	ag_buf_init(&path, 2000);
	ag_buf_puts(&path, base);
	ag_buf_puts(&path, strchr(base, '?') ? "&" : "?");
	ag_buf_puts(&path, strcmp(noun->name, "audit") == 0 ? "page_size=100" : "page_size=1000");
	if (w->home && (noun->home == CTL_HOME_WORKSPACE || noun->home == CTL_HOME_EITHER)) {
		ag_buf_puts(&path, "&workspace_id=");
		ctl_put_segment(&path, w->home);
	}
	for (unsigned i = 0; i < w->where.n; i++) {
		const char *equals = strchr(w->where.v[i], '=');

		if (!equals) {
			ag_buf_fini(&path);
			return ctl_fail(CTL_USAGE, "\"%s\" is not of the form name=value", w->where.v[i]);
		}
		ag_buf_printf(&path, "&%.*s=", (int)(equals - w->where.v[i]), w->where.v[i]);
		ctl_put_segment(&path, equals + 1);
	}
	ag_buf_putc(&path, '\0');
	if (path.failed)
		status = ctl_fail(CTL_USAGE, "that is too long");
	else
		status = ctl_api(ctl, "GET", path.p, NULL, &answer);
	n = columns_of(noun, text, sizeof(text), columns);
	if (status == CTL_OK)
		ctl_print_list(ctl, answer, ctl_json_at(answer, noun->list), columns, n);
	ag_buf_fini(&path);
	json_object_put(answer);
	return status;
}

/* Of nouns that cannot be read alone. */
static enum ctl_exit
show_from_list(struct ctl *ctl, const struct ctl_noun *noun, const char *home, const char *handle)
{
	struct json_object *all = NULL, *found = NULL;
	enum ctl_exit status = ctl_noun_list(ctl, noun, home, &all);

	assert(handle);
	for (size_t i = 0; status == CTL_OK && i < ag_json_len(all); i++)
		if (strcmp(ctl_json_text(ag_json_at(all, i), noun->handle), handle) == 0)
			found = ag_json_at(all, i);
	if (found)
		show(ctl, noun, found);
	else if (status == CTL_OK)
		status = ctl_fail(CTL_FAILED, "there is no %s \"%s\"", noun->name, handle);
	json_object_put(all);
	return status;
}

/* The members of an answer that are no lists. */
static void
show_made(const struct ctl *ctl, struct json_object *answer)
{
	struct ctl_column columns[COLUMNS_MAX];
	unsigned n = 0;

	ag_json_foreach(answer, name, value) {
		if (n < COLUMNS_MAX && value && !json_object_is_type(value, json_type_object) &&
		    !json_object_is_type(value, json_type_array))
			columns[n++] = (struct ctl_column){ name, name, NULL };
	}
	ctl_print_one(ctl, answer, columns, n);
}

static enum ctl_exit
run_create(struct ctl *ctl, const struct ctl_noun *noun, const struct words *w)
{
	struct json_object *body = NULL, *answer = NULL;
	enum ctl_exit status = body_new(noun, w, &body);

	if (status != CTL_OK)
		return status;
	if (w->home && noun->home != CTL_HOME_PARENT && noun->home != CTL_HOME_ORG)
		json_object_object_add(body, "workspace_id", json_object_new_string(w->home));
	body = wrapped(noun, body);
	status = ctl_api(ctl, noun->is_upsert ? "PUT" : "POST",
	                 noun->make ? noun->make
	                            : ctl_noun_path(noun, noun->home == CTL_HOME_PARENT ? w->home : NULL, NULL),
	                 body, &answer);
	if (status == CTL_OK)
		show_made(ctl, answer);
	if (status == CTL_OK && ctl_json_at(answer, "key") && strcmp(noun->name, "key") == 0)
		ctl_say("keep it now: it is not stored and will not be shown again");
	ctl_tree_wipe(body);
	ctl_tree_wipe(answer);
	json_object_put(body);
	json_object_put(answer);
	return status;
}

static enum ctl_exit
run_update(struct ctl *ctl, const struct ctl_noun *noun, const struct words *w, const char *handle)
{
	struct json_object *body = NULL;
	enum ctl_exit status = body_new(noun, w, &body);

	if (status != CTL_OK)
		return status;
	if (noun->is_upsert) {
		json_object_object_add(body, noun->identity, json_object_new_string(handle));
		body = wrapped(noun, body);
	}
	status = ctl_api(ctl, "PUT", ctl_noun_path(noun, w->home, noun->is_upsert ? NULL : handle), body, NULL);
	ctl_tree_wipe(body);
	json_object_put(body);
	if (status == CTL_OK)
		ctl_say("%s%s%s is changed", noun->name, handle ? " " : "", handle ? handle : "");
	return status;
}

static enum ctl_exit
run_delete(struct ctl *ctl, const struct ctl_noun *noun, const struct words *w, const char *handle)
{
	struct ag_buf path;
	enum ctl_exit status;

	if (!noun->is_upsert) {
		status = ctl_api(ctl, "DELETE", ctl_noun_path(noun, w->home, handle), NULL, NULL);
	} else {
		ag_buf_init(&path, 2000);
		ag_buf_puts(&path, ctl_noun_path(noun, w->home, NULL));
		ag_buf_puts(&path, "?slugs=");
		ctl_put_segment(&path, handle);
		ag_buf_putc(&path, '\0');
		status = path.failed ? ctl_fail(CTL_USAGE, "that is too long") : ctl_api(ctl, "DELETE", path.p, NULL, NULL);
		ag_buf_fini(&path);
	}
	if (status == CTL_OK)
		ctl_say("%s %s is deleted", noun->name, handle);
	return status;
}

static enum ctl_exit
run_on_one(struct ctl *ctl, const struct ctl_noun *noun, enum ctl_verb verb, const struct words *w)
{
	enum ctl_exit status = CTL_OK;
	struct json_object *one = NULL;
	char *handle = NULL;

	if (noun->list)
		status = ctl_noun_handle(ctl, noun, w->home, w->rest.v[0], &handle);
	if (status != CTL_OK)
		return status;
	if (verb == CTL_VERB_UPDATE) {
		status = run_update(ctl, noun, w, handle);
	} else if (verb == CTL_VERB_DELETE) {
		status = run_delete(ctl, noun, w, handle);
	} else if (noun->is_upsert) {
		status = show_from_list(ctl, noun, w->home, handle);
	} else {
		status = ctl_api(ctl, "GET", ctl_noun_path(noun, w->home, handle), NULL, &one);
		if (status == CTL_OK)
			show(ctl, noun, one);
	}
	json_object_put(one);
	free(handle);
	return status;
}

static enum ctl_exit
run(struct ctl *ctl, const struct ctl_noun *noun, enum ctl_verb verb, int argc, char **argv)
{
	struct words w = { .home = NULL };
	struct ctl_opt opts[4] = { { NULL, CTL_OPT_END, NULL } };
	bool is_one = noun->list && verb != CTL_VERB_LIST && verb != CTL_VERB_CREATE;
	enum ctl_exit status;
	size_t n = 0;

	if (noun->home != CTL_HOME_ORG)
		opts[n++] = (struct ctl_opt){ noun->parent ? noun->parent : "workspace", CTL_OPT_TEXT, &w.home };
	if (verb == CTL_VERB_LIST)
		opts[n++] = (struct ctl_opt){ "where", CTL_OPT_LIST, &w.where };
	if (verb == CTL_VERB_CREATE || verb == CTL_VERB_UPDATE) {
		opts[n++] = (struct ctl_opt){ "set", CTL_OPT_LIST, &w.set };
		opts[n++] = (struct ctl_opt){ "file", CTL_OPT_TEXT, &w.file };
	}
	opts[n] = (struct ctl_opt){ NULL, CTL_OPT_END, NULL };
	status = ctl_args(ctl, argc, argv, opts, &w.rest, is_one ? 1 : 0);
	if (status != CTL_OK)
		return status;
	if (is_one && w.rest.n != 1)
		return ctl_fail(CTL_USAGE, "which %s?  Give its %s", noun->name, noun->identity);
	if (!w.home && noun->home == CTL_HOME_PARENT)
		return ctl_fail(CTL_USAGE, "of which %s?  Give --%s", noun->parent, noun->parent);
	if (!w.home && noun->home == CTL_HOME_QUERY && verb != CTL_VERB_CREATE)
		return ctl_fail(CTL_USAGE, "of which workspace?  Give --workspace");
	if (verb == CTL_VERB_LIST)
		return run_list(ctl, noun, &w);
	return verb == CTL_VERB_CREATE ? run_create(ctl, noun, &w) : run_on_one(ctl, noun, verb, &w);
}

void
ctl_noun_options(const struct ctl_noun *noun, enum ctl_verb verb, struct ag_buf *b)
{
	struct ctl ctl = { .listed = b };

	(void)run(&ctl, noun, verb, 0, NULL);
}

static void
help(const struct ctl_noun *noun, enum ctl_verb verb)
{
	bool is_written = (verb == CTL_VERB_CREATE || verb == CTL_VERB_UPDATE) && noun->members;
	bool is_one = noun->list && verb != CTL_VERB_LIST && verb != CTL_VERB_CREATE;
	struct ag_buf b;

	ag_buf_init(&b, 4096);
	ctl_noun_options(noun, verb, &b);
	printf("usage: aigatectl %s %s%s%s", noun->name, ctl_verb_name(verb), is_one ? " " : "",
	       is_one ? noun->identity : "");
	ctl_print_options(ag_buf_str(&b));
	if (is_written)
		printf("members: %s\n", noun->members);
	ag_buf_fini(&b);
}

/* "get" is "show" to whoever comes from elsewhere. */
static bool
is_verb(const char *word, enum ctl_verb verb)
{
	return strcmp(word, ctl_verb_name(verb)) == 0 || (verb == CTL_VERB_SHOW && strcmp(word, "get") == 0);
}

bool
ctl_noun_run(struct ctl *ctl, int argc, char **argv, enum ctl_exit *out)
{
	const struct ctl_noun *noun = argc > 0 ? ctl_noun_find(argv[0]) : NULL;

	for (unsigned verb = 1; noun && argc > 1 && verb <= CTL_VERB_DELETE; verb <<= 1) {
		if (!(noun->verbs & verb) || !is_verb(argv[1], (enum ctl_verb)verb))
			continue;
		for (int i = 2; i < argc; i++)
			if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
				help(noun, (enum ctl_verb)verb);
				*out = CTL_OK;
				return true;
			}
		*out = run(ctl, noun, (enum ctl_verb)verb, argc - 2, argv + 2);
		return true;
	}
	return false;
}
