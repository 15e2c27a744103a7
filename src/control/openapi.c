/* openapi.c - routes and schemas as OpenAPI 3.1. */
#include "control/openapi.h"

#include <ctype.h>
#include <stdio.h>

#include "base/json.h"
#include "base/scope.h"
#include "control/openapi_ops.h"
#include "control/openapi_schemas.h"
#include "control/routes.h"

#define TYPE_MAX 256

static struct json_object *
text(const char *s)
{
	return json_object_new_string(s);
}

static struct json_object *
with(const char *name, struct json_object *value)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, name, value);
	return o;
}

/* ---- schemas ---- */

static struct json_object *
ref_new(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "#/components/schemas/%.64s", name);
	return with("$ref", text(path));
}

static struct json_object *
plain_type(struct ag_str s)
{
	static const struct {
		const char *word, *type, *format;
	} types[] = {
		{ "text", "string", NULL },    { "int", "integer", NULL },     { "number", "number", NULL },
		{ "bool", "boolean", NULL },   { "time", "string", "date-time" }, { "uuid", "string", "uuid" },
		{ "slug", "string", NULL },    { "email", "string", "email" }, { "uri", "string", "uri" },
		{ "object", "object", NULL },  { "any", NULL, NULL },
	};
	struct json_object *o = json_object_new_object(), *list;

	for (size_t i = 0; i < AG_ARRAY_LEN(types); i++) {
		if (!ag_str_eq(s, ag_str(types[i].word)))
			continue;
		if (types[i].type)
			json_object_object_add(o, "type", text(types[i].type));
		if (types[i].format)
			json_object_object_add(o, "format", text(types[i].format));
		return o;
	}
	list = json_object_new_array();
	while (s.n > 0) {
		const char *bar = memchr(s.p, '|', s.n);
		size_t n = bar ? (size_t)(bar - s.p) : s.n;

		json_object_array_add(list, json_object_new_string_len(s.p, (int)n));
		s = ag_str_skip(s, n + (bar != NULL));
	}
	json_object_object_add(o, "type", text("string"));
	json_object_object_add(o, "enum", list);
	return o;
}

static struct json_object *
type_new(struct ag_str s)
{
	struct json_object *o, *either;
	char name[TYPE_MAX];

	if (s.n > 0 && s.p[s.n - 1] == '?') {
		either = json_object_new_array();
		json_object_array_add(either, type_new(ag_str_n(s.p, s.n - 1)));
		json_object_array_add(either, with("type", text("null")));
		return with("anyOf", either);
	}
	if (s.n > 2 && s.p[0] == '[') {
		o = with("type", text("array"));
		json_object_object_add(o, "items", type_new(ag_str_n(s.p + 1, s.n - 2)));
		return o;
	}
	if (s.n > 0 && isupper((unsigned char)s.p[0]) && ag_str_copy(s, name, sizeof(name)))
		return ref_new(name);
	return plain_type(s);
}

static struct json_object *
schema_new(const char *members)
{
	struct json_object *o = with("type", text("object")), *properties = json_object_new_object();
	struct json_object *required = json_object_new_array();

	for (const char *p = members; *p;) {
		size_t n = strcspn(p, " ");
		const char *colon = memchr(p, ':', n);
		char name[80];

		assert(colon);
		ag_str_copy(ag_str_n(p, (size_t)(colon - p)), name, sizeof(name));
		if (name[strlen(name) - 1] == '*') {
			name[strlen(name) - 1] = '\0';
			json_object_array_add(required, text(name));
		}
		json_object_object_add(properties, name, type_new(ag_str_n(colon + 1, n - (size_t)(colon + 1 - p))));
		p += n + (p[n] == ' ');
	}
	json_object_object_add(o, "properties", properties);
	if (ag_json_len(required) > 0)
		json_object_object_add(o, "required", required);
	else
		json_object_put(required);
	return o;
}

static struct json_object *
components_new(void)
{
	struct json_object *all = json_object_new_object(), *o = json_object_new_object(), *key, *security;

	for (size_t i = 0; i < AG_ARRAY_LEN(schemas); i++)
		json_object_object_add(all, schemas[i].name, schema_new(schemas[i].members));
	json_object_object_add(o, "schemas", all);
	key = with("type", text("apiKey"));
	json_object_object_add(key, "in", text("header"));
	json_object_object_add(key, "name", text("x-portkey-api-key"));
	security = with("key", key);
	key = with("type", text("http"));
	json_object_object_add(key, "scheme", text("bearer"));
	json_object_object_add(security, "bearer", key);
	json_object_object_add(o, "securitySchemes", security);
	return o;
}

/* ---- paths ---- */

/* "/a/{}/{}" with names: each after what stands before it. */
static void
name_path(const char *pattern, char *out, size_t cap, struct json_object *parameters)
{
	const char *before = pattern;
	size_t n = 0, count = 0;

	while (*pattern && n + 40 < cap) {
		struct json_object *one;
		char name[32];
		int len;

		if (strncmp(pattern, "{}", 2) != 0) {
			if (*pattern == '/' && strncmp(pattern, "/{}", 3) != 0)
				before = pattern + 1;
			out[n++] = *pattern++;
			continue;
		}
		len = (int)strcspn(before, "/");
		snprintf(name, sizeof(name), "%.*s_%zu", len > 20 ? 20 : len, before, ++count);
		for (char *p = name; *p; p++)
			*p = *p == '-' ? '_' : *p;
		n += (size_t)snprintf(out + n, cap - n, "{%s}", name);
		one = with("name", text(name));
		json_object_object_add(one, "in", text("path"));
		json_object_object_add(one, "required", json_object_new_boolean(1));
		json_object_object_add(one, "schema", with("type", text("string")));
		json_object_array_add(parameters, one);
		pattern += 2;
	}
	out[n] = '\0';
}

static void
add_query(const char *words, struct json_object *parameters)
{
	for (const char *p = words; *p;) {
		size_t n = strcspn(p, " ");
		struct json_object *one = with("name", json_object_new_string_len(p, (int)n));

		json_object_object_add(one, "in", text("query"));
		json_object_object_add(one, "schema", with("type", text("string")));
		json_object_array_add(parameters, one);
		p += n + (p[n] == ' ');
	}
}

static struct json_object *
content_new(struct json_object *schema)
{
	return with("content", with("application/json", with("schema", schema)));
}

static struct json_object *
answers_new(const char *out)
{
	struct json_object *o = json_object_new_object(), *one;

	one = content_new(out ? ref_new(out) : with("type", text("object")));
	json_object_object_add(one, "description", text("done"));
	json_object_object_add(o, "200", one);
	one = content_new(ref_new("Error"));
	json_object_object_add(one, "description", text("refused, and why"));
	json_object_object_add(o, "default", one);
	return o;
}

static const struct op *
op_find(const char *method, const char *path)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(ops); i++)
		if (strcmp(ops[i].method, method) == 0 && strcmp(ops[i].path, path) == 0)
			return &ops[i];
	return NULL;
}

static void
add_operation(struct json_object *paths, const char *method, const char *path, struct json_object *o,
    struct json_object *parameters)
{
	struct json_object *at = NULL;
	char verb[8];
	size_t n;

	json_object_object_add(o, "parameters", parameters);
	if (!json_object_object_get_ex(paths, path, &at)) {
		at = json_object_new_object();
		json_object_object_add(paths, path, at);
	}
	for (n = 0; method[n] && n + 1 < sizeof(verb); n++)
		verb[n] = (char)tolower((unsigned char)method[n]);
	verb[n] = '\0';
	json_object_object_add(at, verb, o);
}

static void
add_route(struct json_object *paths, const struct ag_route *route)
{
	const struct op *op = op_find(route->method, route->path);
	struct json_object *o = json_object_new_object(), *parameters = json_object_new_array(), *body;
	char path[256], fallback[300];

	name_path(route->path, path, sizeof(path), parameters);
	snprintf(fallback, sizeof(fallback), "%s %s", route->method, route->path);
	json_object_object_add(o, "summary", text(op ? op->summary : fallback));
	if (route->scope != AG_SCOPE_NONE)
		json_object_object_add(o, "x-scope", text(ag_scope_name(route->scope)));
	if (route->flags & AG_ROUTE_SIGNED)
		json_object_object_add(o, "security", json_object_new_array());
	if (op)
		add_query(op->query, parameters);
	if (op && op->in) {
		body = content_new(ref_new(op->in));
		json_object_object_add(o, "requestBody", body);
	}
	json_object_object_add(o, "responses", answers_new(op ? op->out : NULL));
	add_operation(paths, route->method, path, o, parameters);
}

static struct json_object *
paths_new(void)
{
	struct json_object *paths = json_object_new_object();
	const struct ag_route *route;

	for (size_t i = 0; (route = ag_route_at(i)) != NULL; i++)
		if (!(route->flags & AG_ROUTE_OPERATOR))
			add_route(paths, route);
	for (size_t i = 0; i < AG_ARRAY_LEN(data_plane); i++) {
		struct json_object *o = with("summary", text(data_plane[i].summary)), *parameters = json_object_new_array();
		char path[256];

		name_path(data_plane[i].path, path, sizeof(path), parameters);
		json_object_object_add(o, "responses", answers_new(NULL));
		if (strcmp(data_plane[i].method, "POST") == 0)
			json_object_object_add(o, "requestBody", content_new(with("type", text("object"))));
		add_operation(paths, data_plane[i].method, path, o, parameters);
	}
	return paths;
}

void
ag_openapi_get(struct ag_call *c)
{
	struct json_object *o = with("openapi", text("3.1.0")), *info = with("title", text("aigated")), *list;

	json_object_object_add(info, "version", text(PACKAGE_VERSION));
	json_object_object_add(info, "description",
	    text("Tenants, their keys and limits, and the models they call.  Members that are not described are not to be "
	         "relied on."));
	json_object_object_add(o, "info", info);
	list = json_object_new_array();
	json_object_array_add(list, with("key", json_object_new_array()));
	json_object_array_add(list, with("bearer", json_object_new_array()));
	json_object_object_add(o, "security", list);
	json_object_object_add(o, "paths", paths_new());
	json_object_object_add(o, "components", components_new());
	ag_call_ok(c, o);
}

void
ag_operator_routes(struct ag_call *c)
{
	struct json_object *list = json_object_new_array(), *one;
	const struct ag_route *route;

	for (size_t i = 0; (route = ag_route_at(i)) != NULL; i++) {
		one = with("method", text(route->method));
		json_object_object_add(one, "path", text(route->path));
		json_object_object_add(one, "is_for_operators", json_object_new_boolean((route->flags & AG_ROUTE_OPERATOR) != 0));
		json_object_object_add(one, "is_described", json_object_new_boolean(op_find(route->method, route->path) != NULL));
		json_object_array_add(list, one);
	}
	ag_call_ok(c, with("data", list));
}
