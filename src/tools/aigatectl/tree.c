/* tree.c - YAML and JSON files as one tree.
 *
 * What the schemas of YAML 1.2 call core, and no more: mappings with text keys, sequences, null, true,
 * false, decimal numbers, text.  "yes" and "012" are text.  Aliases are written out, within bounds. */
#include "tools/aigatectl/tree.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/num.h"

#define FILE_MAX_BYTES (16u << 20)
#define NODES_MAX      1000000
#define DEPTH_MAX      32
#define SECRET_MAX     65536
#define DIGITS_MAX     17 /* what json-c keeps exactly */

struct reader {
	const char *path;
	yaml_document_t doc;
	unsigned nodes;
};

int
ctl_tree_line(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_object:
	case json_type_array:
	case json_type_string:
		return (int)(intptr_t)json_object_get_userdata(o);
	case json_type_null:
	case json_type_boolean:
	case json_type_double: /* its userdata is the number as it was written */
	case json_type_int:
		break;
	}
	return 0;
}

static enum ctl_exit
fail_at(const char *path, int line, const char *text)
{
	if (line > 0)
		return ctl_fail(CTL_BAD_FILE, "%s:%d: %s", path, line, text);
	return ctl_fail(CTL_BAD_FILE, "%s: %s", path, text);
}

enum ctl_exit
ctl_tree_fail(const char *path, struct json_object *at, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fail_at(path, ctl_tree_line(at), text);
}

/* ---- YAML ---- */

/* As JSON writes numbers; others are text. */
static bool
is_number(const char *s)
{
	size_t digits = 0;

	s += *s == '-';
	if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9'))
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		digits++;
	if (*s == '.') {
		if (s[1] < '0' || s[1] > '9')
			return false;
		for (s++; *s >= '0' && *s <= '9'; s++)
			digits++;
	}
	return *s == '\0' && digits <= DIGITS_MAX;
}

static bool
is_any(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

static void
set_line(struct json_object *o, const yaml_node_t *node)
{
	json_object_set_userdata(o, (void *)(intptr_t)(node->start_mark.line + 1), NULL);
}

static struct json_object *
scalar_new(const yaml_node_t *node)
{
	static const char *const nothing[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };
	const char *text = (const char *)node->data.scalar.value;
	struct json_object *o;

	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (is_any(text, nothing))
			return NULL;
		if (is_any(text, yes) || is_any(text, no))
			return json_object_new_boolean(is_any(text, yes));
		if (is_number(text))
			return json_tokener_parse(text);
	}
	o = json_object_new_string_len(text, (int)node->data.scalar.length);
	set_line(o, node);
	return o;
}

static enum ctl_exit node_read(struct reader *r, int index, unsigned depth, struct json_object **out);

static enum ctl_exit
mapping_read(struct reader *r, const yaml_node_t *node, unsigned depth, struct json_object **out)
{
	struct json_object *o = json_object_new_object(), *value = NULL;
	enum ctl_exit status = CTL_OK;
	char text[300];

	set_line(o, node);
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     status == CTL_OK && p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		const char *name = (const char *)key->data.scalar.value;

		if (key->type != YAML_SCALAR_NODE || strlen(name) != key->data.scalar.length) {
			status = fail_at(r->path, (int)key->start_mark.line + 1, "a name must be text");
		} else if (json_object_object_get_ex(o, name, NULL)) {
			snprintf(text, sizeof(text), "\"%.200s\" is said twice", name);
			status = fail_at(r->path, (int)key->start_mark.line + 1, text);
		} else if (strcmp(name, "<<") == 0) {
			status = fail_at(r->path, (int)key->start_mark.line + 1, "\"<<\" is not understood: no merging");
		} else {
			status = node_read(r, p->value, depth + 1, &value);
			if (status == CTL_OK)
				json_object_object_add(o, name, value);
		}
	}
	if (status == CTL_OK)
		*out = o;
	else
		json_object_put(o);
	return status;
}

static enum ctl_exit
sequence_read(struct reader *r, const yaml_node_t *node, unsigned depth, struct json_object **out)
{
	struct json_object *o = json_object_new_array(), *value = NULL;
	enum ctl_exit status = CTL_OK;

	set_line(o, node);
	for (yaml_node_item_t *p = node->data.sequence.items.start;
	     status == CTL_OK && p < node->data.sequence.items.top; p++) {
		status = node_read(r, *p, depth + 1, &value);
		if (status == CTL_OK)
			json_object_array_add(o, value);
	}
	if (status == CTL_OK)
		*out = o;
	else
		json_object_put(o);
	return status;
}

static enum ctl_exit
node_read(struct reader *r, int index, unsigned depth, struct json_object **out)
{
	const yaml_node_t *node = yaml_document_get_node(&r->doc, index);
	const char *tag = (const char *)node->tag;
	int line = (int)node->start_mark.line + 1;

	if (depth > DEPTH_MAX)
		return fail_at(r->path, line, "nested too deep");
	if (++r->nodes > NODES_MAX)
		return fail_at(r->path, line, "there is too much of it, its aliases written out");
	if (tag && strncmp(tag, "tag:yaml.org,2002:", 18) != 0)
		return fail_at(r->path, line, "a tag is not understood here");
	switch (node->type) {
	case YAML_SCALAR_NODE:
		*out = scalar_new(node);
		return CTL_OK;
	case YAML_SEQUENCE_NODE:
		return sequence_read(r, node, depth, out);
	case YAML_MAPPING_NODE:
		return mapping_read(r, node, depth, out);
	case YAML_NO_NODE:
		break;
	}
	return fail_at(r->path, line, "cannot be read");
}

static enum ctl_exit
parser_fail(const char *path, const yaml_parser_t *parser)
{
	size_t line = parser->problem_mark.line + 1;
	char text[512];

	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	snprintf(text, sizeof(text), "%s%s%s", parser->problem ? parser->problem : "cannot be read",
	         parser->context ? ", " : "", parser->context ? parser->context : "");
	return fail_at(path, (int)line, text);
}

static enum ctl_exit
yaml_read(const char *path, struct ag_str text, struct json_object **out)
{
	struct reader r = { .path = path };
	enum ctl_exit status = CTL_OK;
	yaml_document_t next;
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	if (!yaml_parser_load(&parser, &r.doc)) {
		status = parser_fail(path, &parser);
		yaml_parser_delete(&parser);
		return status;
	}
	if (yaml_document_get_root_node(&r.doc))
		status = node_read(&r, 1, 0, out);
	if (status == CTL_OK) {
		if (!yaml_parser_load(&parser, &next)) {
			status = parser_fail(path, &parser);
		} else {
			if (yaml_document_get_root_node(&next))
				status = fail_at(path, (int)next.start_mark.line + 1, "one document is enough");
			yaml_document_delete(&next);
		}
		if (status != CTL_OK) {
			json_object_put(*out);
			*out = NULL;
		}
	}
	yaml_document_delete(&r.doc);
	yaml_parser_delete(&parser);
	return status;
}

/* ---- JSON ---- */

static enum ctl_exit
json_read(const char *path, struct ag_str text, struct json_object **out)
{
	struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	enum ctl_exit status = CTL_OK;
	struct json_object *o;
	size_t end;
	int line = 1;

	if (!tok)
		abort();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, text.p, (int)text.n);
	end = json_tokener_get_parse_end(tok);
	for (size_t i = 0; i < end && i < text.n; i++)
		line += text.p[i] == '\n';
	while (end < text.n && strchr(" \t\r\n", text.p[end]))
		end++;
	if (json_tokener_get_error(tok) != json_tokener_success) {
		status = fail_at(path, line, json_tokener_error_desc(json_tokener_get_error(tok)));
	} else if (end < text.n) {
		status = fail_at(path, line, "something follows the end");
		json_object_put(o);
	} else {
		*out = o;
	}
	json_tokener_free(tok);
	return status;
}

enum ctl_exit
ctl_tree_read(const char *path, struct json_object **out_tree)
{
	const char *shown = strcmp(path, "-") == 0 ? "standard input" : path, *dot = strrchr(path, '.');
	struct json_object *tree = NULL;
	struct ag_err err = { "" };
	enum ctl_exit status;
	struct ag_buf b;

	ag_buf_init(&b, FILE_MAX_BYTES);
	if (ag_file_slurp(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &b, &err) < 0)
		status = ctl_fail(CTL_BAD_FILE, "%s", err.text);
	else if (dot && strcmp(dot, ".json") == 0)
		status = json_read(shown, ag_buf_str(&b), &tree);
	else
		status = yaml_read(shown, ag_buf_str(&b), &tree);
	ag_buf_wipe(&b);
	if (status == CTL_OK && !json_object_is_type(tree, json_type_object)) {
		status = ctl_tree_fail(shown, tree, "must be a mapping of names to what they mean");
		json_object_put(tree);
	}
	if (status == CTL_OK)
		*out_tree = tree;
	return status;
}

/* ---- secrets ---- */

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

/* {env: NAME} or {file: PATH}, with optional: true beside it or not. */
static bool
is_elsewhere(struct json_object *o)
{
	return ag_json_members(o) == (member(o, "optional") ? 2 : 1) &&
	       (json_object_is_type(member(o, "env"), json_type_string) ||
	        json_object_is_type(member(o, "file"), json_type_string));
}

/* *out NULL: optional and not there. */
static enum ctl_exit
fetch(const char *path, struct json_object *o, struct json_object **out)
{
	const char *env = json_object_get_string(member(o, "env"));
	const char *file = json_object_get_string(member(o, "file"));
	bool is_optional = json_object_get_boolean(member(o, "optional"));
	const char *value = env ? getenv(env) : NULL;
	enum ctl_exit status = CTL_OK;
	struct ag_err err = { "" };
	struct ag_str text = AG_STR_NONE;
	struct ag_buf b;

	ag_buf_init(&b, SECRET_MAX);
	*out = NULL;
	if (env) {
		text = ag_str(value ? value : "");
	} else if (ag_file_slurp(file, &b, &err) == 0) {
		text = ag_buf_str(&b);
		while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
			text.n--;
	}
	if (text.n > 0) {
		*out = json_object_new_string_len(text.p, (int)text.n);
		json_object_set_userdata(*out, (void *)(intptr_t)ctl_tree_line(o), NULL);
	} else if (!is_optional && env) {
		status = ctl_tree_fail(path, o, "the environment has no %s", env);
	} else if (!is_optional) {
		status = ctl_tree_fail(path, o, "%s", err.text[0] ? err.text : "the file is empty");
	}
	ag_buf_wipe(&b);
	return status;
}

static enum ctl_exit
resolve_member(const char *path, struct json_object *o, const char *name, struct json_object *value)
{
	struct json_object *secret = NULL;
	enum ctl_exit status;

	if (!is_elsewhere(value))
		return ctl_tree_secrets(path, value);
	status = fetch(path, value, &secret);
	if (status != CTL_OK)
		return status;
	if (secret)
		json_object_object_add(o, name, secret);
	else
		json_object_object_del(o, name);
	return CTL_OK;
}

enum ctl_exit
ctl_tree_secrets(const char *path, struct json_object *o)
{
	enum ctl_exit status = CTL_OK;

	for (size_t i = 0; i < ag_json_len(o); i++) {
		status = ctl_tree_secrets(path, ag_json_at(o, i));
		if (status != CTL_OK)
			return status;
	}
	if (!json_object_is_type(o, json_type_object))
		return CTL_OK;
	/* Safe against the removal of the member it stands at, not against others. */
	ag_json_foreach(o, name, value) {
		status = resolve_member(path, o, name, value);
		if (status != CTL_OK)
			return status;
	}
	return CTL_OK;
}

void
ctl_tree_wipe(struct json_object *o)
{
	for (size_t i = 0; i < ag_json_len(o); i++)
		ctl_tree_wipe(ag_json_at(o, i));
	if (json_object_is_type(o, json_type_object)) {
		ag_json_foreach(o, name, value) {
			(void)name;
			ctl_tree_wipe(value);
		}
	} else if (json_object_is_type(o, json_type_string)) {
		union { const char *in; char *out; } p = { json_object_get_string(o) };

		ag_mem_wipe(p.out, (size_t)json_object_get_string_len(o));
	}
}
