#include "control/mask.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

#include <json-c/json.h>

#include "base/attr.h"
#include "base/json.h"
#include "base/str.h"

#define MASK      "*****"
#define DEPTH_MAX 24

/* Ends of names, in lower case and without - and _, that only credentials have. */
static const char *const endings[] = { "secret", "password", "passwd", "passphrase", "token", "authorization",
	"apikey", "accesskey", "privatekey", "secretkey", "masterkey", "credential", "credentials", "cookie",
	"signature", "accesskeyid", "secretid", "serviceaccountjson" };
/* Names that are one as a whole. */
static const char *const whole[] = { "key", "auth", "bearer" };

/* "x-portkey-aws-secret-access-key", "awsSecretAccessKey" and "aws_secret_access_key" are one name. */
static bool
ends_in(struct ag_str name, struct ag_str end)
{
	while (end.n > 0 && name.n > 0) {
		char c = name.p[--name.n];

		if (c == '-' || c == '_')
			continue;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c != end.p[--end.n])
			return false;
	}
	return end.n == 0;
}

static bool
is_credential(const char *cname)
{
	struct ag_str name = ag_str(cname);

	for (size_t i = 0; i < AG_ARRAY_LEN(whole); i++)
		if (ag_str_ieq(name, ag_str(whole[i])))
			return true;
	for (size_t i = 0; i < AG_ARRAY_LEN(endings); i++)
		if (ends_in(name, ag_str(endings[i])))
			return true;
	return false;
}

/* A config that stands in the header itself may hold a provider's key. */
static bool
is_inline_config(const struct evkeyval *h)
{
	return ends_in(ag_str(h->key), AG_STR("config")) && strchr(h->value, '{');
}

static bool
is_mask(struct json_object *v)
{
	return !v || (json_object_is_type(v, json_type_string) &&
	    (json_object_get_string_len(v) == 0 || strstr(json_object_get_string(v), MASK)));
}

static struct json_object *
copy(struct json_object *v, int depth)
{
	struct json_object *out;

	if (depth > DEPTH_MAX)
		return json_object_new_string(MASK);
	if (json_object_is_type(v, json_type_array)) {
		out = json_object_new_array();
		for (size_t i = 0; i < ag_json_len(v); i++)
			json_object_array_add(out, copy(ag_json_at(v, i), depth + 1));
		return out;
	}
	if (!json_object_is_type(v, json_type_object))
		return json_object_get(v);
	out = json_object_new_object();
	ag_json_foreach(v, name, value) {
		if (depth == 0 && name[0] == '_')
			continue;
		/* Counts and flags beside a credential are none. */
		if (is_credential(name) && !is_mask(value) && !json_object_is_type(value, json_type_int) &&
		    !json_object_is_type(value, json_type_boolean) && !json_object_is_type(value, json_type_double))
			json_object_object_add(out, name, json_object_new_string(MASK));
		else
			json_object_object_add(out, name, copy(value, depth + 1));
	}
	return out;
}

struct json_object *
ag_mask_json(struct json_object *v)
{
	return v ? copy(v, 0) : NULL;
}

struct json_object *
ag_mask_headers(const struct evkeyvalq *headers)
{
	struct json_object *out = json_object_new_object();
	const struct evkeyval *h;

	for (h = headers ? headers->tqh_first : NULL; h; h = h->next.tqe_next) {
		/* jsonb takes no bytes that are no UTF-8. */
		const unsigned char *p = (const unsigned char *)h->value;
		bool is_plain = true;

		for (; *p; p++)
			is_plain = is_plain && *p >= 0x20 && *p < 0x7f;
		json_object_object_add(out, h->key, json_object_new_string(
		    is_credential(h->key) || is_inline_config(h) ? MASK : is_plain ? h->value : "?"));
	}
	return out;
}
