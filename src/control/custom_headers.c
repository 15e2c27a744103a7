#include "control/custom_headers.h"

#include <json-c/json.h>
#include <string.h>

#include "base/json.h"

#define HEADERS_MAX 32
#define TOKEN_MAX   128
#define VALUE_MAX   2048

/* Behind some servers a name with '_' is the one with '-'. */
static bool
reads_as(const char *name, const char *reserved, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char ch = name[i] == '_' ? '-' : name[i];

		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch - 'A' + 'a');
		if (ch != reserved[i])
			return false;
	}
	return true;
}

static bool
is_reserved(const char *name)
{
	static const char *const names[] = {
		/* the connection's, and how the body is framed and written */
		"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
		"expect", "http2-settings", "content-type", "accept-encoding", "content-encoding",
		/* credentials */
		"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie",
		/* another host, path or method */
		"forwarded", "via", "x-real-ip", "x-host", "x-original-host", "x-original-url", "x-rewrite-url",
		"x-http-method", "x-http-method-override", "x-method-override",
		/* ours to say */
		"traceparent", "tracestate", "baggage",
	};
	static const char *const prefixes[] = { "proxy-", "x-portkey-", "x-aigate-", "x-amz-", "x-forwarded-" };

	for (size_t i = 0; i < AG_ARRAY_LEN(names); i++)
		if (strlen(name) == strlen(names[i]) && reads_as(name, names[i], strlen(names[i])))
			return true;
	for (size_t i = 0; i < AG_ARRAY_LEN(prefixes); i++)
		if (strlen(name) >= strlen(prefixes[i]) && reads_as(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static bool
is_token(const char *s)
{
	size_t n = strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return n > 0 && n <= TOKEN_MAX && s[n] == '\0';
}

/* NULL: not a text that fits. */
static const char *
text_of(struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

	return text && strlen(text) <= VALUE_MAX && strlen(text) == (size_t)json_object_get_string_len(value)
	    ? text : NULL;
}

static bool
is_one_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

bool
ag_custom_header_may(const char *name, struct json_object *value)
{
	const char *text = text_of(value);

	return is_token(name) && !is_reserved(name) && text && is_one_line(text);
}

int
ag_custom_headers_check(struct ag_call *c, struct json_object *headers)
{
	size_t bytes = 0;

	if (ag_json_members(headers) > HEADERS_MAX)
		return ag_call_invalid(c, "configurations.custom_headers: at most %d headers", HEADERS_MAX);
	ag_json_foreach(headers, name, value) {
		if (!is_token(name))
			return ag_call_invalid(c, "configurations.custom_headers: \"%.64s\" is not the "
			    "name of a header", name);
		if (is_reserved(name))
			return ag_call_invalid(c, "configurations.custom_headers.%.64s: is the gateway's "
			    "own; a credential belongs in key", name);
		if (!text_of(value))
			return ag_call_invalid(c, "configurations.custom_headers.%.64s: must be a string "
			    "of at most %d bytes", name, VALUE_MAX);
		if (!is_one_line(text_of(value)))
			return ag_call_invalid(c, "configurations.custom_headers.%.64s: must not "
			    "hold control characters", name);
		bytes += strlen(name) + strlen(text_of(value)) + 4;
	}
	if (bytes > AG_CUSTOM_HEADERS_BYTES)
		return ag_call_invalid(c, "configurations.custom_headers: at most %d bytes in all",
		    AG_CUSTOM_HEADERS_BYTES);
	return 0;
}
