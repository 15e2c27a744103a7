#include "tools/mock/script.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "base/json.h"
#include "base/num.h"
#include "tools/mock/facts.h"

#define RULES_MAX 10000

enum kind { KIND_NUM, KIND_FLAG, KIND_TEXT };

static const struct {
	struct ag_str name;
	enum kind kind;
	int64_t max;
} keys[MOCK_KEY_COUNT] = {
#define X(key, text, is, most) [MOCK_KEY_##key] = {AG_STR(#text), KIND_##is, most},
	MOCK_KEYS(X)
#undef X
};

static_assert(MOCK_KEY_COUNT <= 64, "a bit per key");

struct rule {
	struct ag_list node;
	json_object *json;         /* owned; the views below point into it */
	struct ag_str model, path; /* p NULL: any */
	int64_t left;              /* -1: for ever */
	struct mock_do what;
};

static int
find_key(struct ag_str name)
{
	for (int i = 0; i < MOCK_KEY_COUNT; i++)
		if (ag_str_eq(keys[i].name, name))
			return i;
	return -1;
}

static int
set_text(struct mock_do *d, int key, struct ag_str value, struct ag_err *err)
{
	if (value.n > (size_t)keys[key].max)
		return ag_err_set(err, -EINVAL, "value of \"%s\" is too long", keys[key].name.p);
	d->text[key] = value;
	d->is_set |= UINT64_C(1) << key;
	return 0;
}

static int
set_num(struct mock_do *d, int key, int64_t value, struct ag_err *err)
{
	int64_t min = key == MOCK_KEY_STATUS ? 200 : 0;

	if (value < min || value > keys[key].max)
		return ag_err_set(err, -EINVAL, "\"%s\" is not within %lld and %lld",
				  keys[key].name.p, (long long)min, (long long)keys[key].max);
	d->num[key] = value;
	d->is_set |= UINT64_C(1) << key;
	return 0;
}

static int
set_word(struct mock_do *d, struct ag_str name, const struct ag_str *value, struct ag_err *err)
{
	int key = find_key(name);
	uint64_t num = 1;

	if (key < 0)
		return ag_err_set(err, -EINVAL, "there is no key \"%.*s\"", AG_STR_ARG(name));
	if (keys[key].kind == KIND_TEXT)
		return set_text(d, key, value ? *value : AG_STR_NONE, err);
	if (!value && keys[key].kind == KIND_NUM)
		return ag_err_set(err, -EINVAL, "key \"%s\" needs a number", keys[key].name.p);
	if (value && ag_parse_u64(*value, INT64_MAX, &num) < 0)
		return ag_err_set(err, -EINVAL, "\"%s\" is not a number: \"%.*s\"",
				  keys[key].name.p, AG_STR_ARG(*value));
	return set_num(d, key, (int64_t)num, err);
}

int
mock_do_parse(struct ag_str words, struct mock_do *out, struct ag_err *err)
{
	while ((words = ag_str_trim(words)).n > 0) {
		const char *end = memchr(words.p, ' ', words.n);
		struct ag_str word = ag_str_n(words.p, end ? (size_t)(end - words.p) : words.n);
		const char *eq = memchr(word.p, '=', word.n);
		struct ag_str name = eq ? ag_str_n(word.p, (size_t)(eq - word.p)) : word;
		struct ag_str value = ag_str_skip(word, name.n + 1);
		int rc = set_word(out, name, eq ? &value : NULL, err);

		if (rc < 0)
			return rc;
		words = ag_str_skip(words, word.n);
	}
	return 0;
}

void
mock_do_overlay(struct mock_do *d, const struct mock_do *over)
{
	for (int i = 0; i < MOCK_KEY_COUNT; i++) {
		if (!mock_do_has(over, (enum mock_key)i))
			continue;
		d->num[i] = over->num[i];
		d->text[i] = over->text[i];
	}
	d->is_set |= over->is_set;
}

void
mock_script_init(struct mock_script *s)
{
	ag_list_init(&s->rules);
	s->n = 0;
}

static void
rule_free(struct rule *r)
{
	if (!r)
		return;
	ag_list_remove(&r->node);
	json_object_put(r->json);
	free(r);
}

static void
drop_rules(struct mock_script *s, bool only_spent)
{
	AG_LIST_FOREACH_SAFE (it, next, &s->rules) {
		struct rule *r = AG_LIST_ENTRY(it, struct rule, node);

		if (only_spent && r->left != 0)
			continue;
		rule_free(r);
		s->n--;
	}
}

void
mock_script_clear(struct mock_script *s)
{
	drop_rules(s, false);
}

static struct ag_str
json_str(json_object *o)
{
	return ag_str_n(json_object_get_string(o), (size_t)json_object_get_string_len(o));
}

static int
set_from_json(struct mock_do *d, const char *name, json_object *v, struct ag_err *err)
{
	int key = find_key(ag_str(name));

	if (key < 0)
		return ag_err_set(err, -EINVAL, "there is no key \"%s\"", name);
	if (json_object_is_type(v, json_type_string) && keys[key].kind == KIND_TEXT)
		return set_text(d, key, json_str(v), err);
	if (json_object_is_type(v, json_type_int) && keys[key].kind != KIND_TEXT)
		return set_num(d, key, json_object_get_int64(v), err);
	if (json_object_is_type(v, json_type_boolean) && keys[key].kind == KIND_FLAG)
		return set_num(d, key, json_object_get_boolean(v) ? 1 : 0, err);
	return ag_err_set(err, -EINVAL, "\"%s\" has a value of the wrong type", name);
}

static int
take_match(struct rule *r, json_object *match, struct ag_err *err)
{
	ag_json_foreach (match, name, v) {
		struct ag_str *to = strcmp(name, "model") == 0  ? &r->model
				    : strcmp(name, "path") == 0 ? &r->path
								: NULL;

		if (!to)
			return ag_err_set(err, -EINVAL, "a rule cannot match on \"%s\"", name);
		if (!json_object_is_type(v, json_type_string))
			return ag_err_set(err, -EINVAL, "\"%s\" to match is not a string", name);
		*to = json_str(v);
	}
	return 0;
}

static int
take_do(struct rule *r, json_object *what, struct ag_err *err)
{
	ag_json_foreach (what, name, v) {
		int rc = set_from_json(&r->what, name, v, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
take_rule(struct rule *r, struct ag_err *err)
{
	ag_json_foreach (r->json, name, v) {
		int rc = 0;

		if (strcmp(name, "times") == 0 && json_object_is_type(v, json_type_int))
			r->left = json_object_get_int64(v);
		else if (strcmp(name, "match") == 0 && json_object_is_type(v, json_type_object))
			rc = take_match(r, v, err);
		else if (strcmp(name, "do") == 0 && json_object_is_type(v, json_type_object))
			rc = take_do(r, v, err);
		else if (v || (strcmp(name, "times") != 0 && strcmp(name, "match") != 0))
			rc = ag_err_set(err, -EINVAL,
					"\"%s\" is not a member of a rule, or of the "
					"wrong type",
					name);
		if (rc < 0)
			return rc;
	}
	if (r->left < -1)
		return ag_err_set(err, -EINVAL, "\"times\" is negative");
	return 0;
}

int
mock_script_add(struct mock_script *s, struct ag_str json, struct ag_err *err)
{
	struct rule *r;
	int rc;

	drop_rules(s, true);
	if (s->n >= RULES_MAX)
		return ag_err_set(err, -ENOSPC, "there are %d rules already", RULES_MAX);
	r = calloc(1, sizeof(*r));
	if (!r)
		return ag_err_set(err, -ENOMEM, "could not allocate a rule");
	ag_list_init(&r->node);
	r->left = -1;
	r->json = mock_json_parse(json);
	rc = r->json ? take_rule(r, err) : ag_err_set(err, -EINVAL, "rule is not a JSON object");
	if (rc < 0) {
		rule_free(r);
		return rc;
	}
	ag_list_push_back(&s->rules, &r->node);
	s->n++;
	return 0;
}

static bool
matches(struct ag_str pattern, struct ag_str s)
{
	if (!pattern.p)
		return true;
	if (pattern.n > 0 && pattern.p[pattern.n - 1] == '*')
		return ag_str_starts(s, ag_str_n(pattern.p, pattern.n - 1));
	return ag_str_eq(pattern, s);
}

static struct rule *
find_rule(const struct mock_script *s, struct ag_str model, struct ag_str path)
{
	AG_LIST_FOREACH (it, &s->rules) {
		struct rule *r = AG_LIST_ENTRY(it, struct rule, node);

		if (r->left != 0 && matches(r->model, model) && matches(r->path, path))
			return r;
	}
	return NULL;
}

const struct mock_do *
mock_script_look(const struct mock_script *s, struct ag_str model, struct ag_str path)
{
	const struct rule *r = find_rule(s, model, path);

	return r ? &r->what : NULL;
}

const struct mock_do *
mock_script_take(struct mock_script *s, struct ag_str model, struct ag_str path)
{
	struct rule *r = find_rule(s, model, path);

	if (r && r->left > 0)
		r->left--;
	return r ? &r->what : NULL;
}
