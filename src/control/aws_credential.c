#include "control/aws_credential.h"

#include <json-c/json.h>
#include <string.h>

#include "base/attr.h"
#include "base/json.h"
#include "provider/provider.h"

enum { M_ID, M_SECRET, M_TOKEN, M_N };

/* What the algorithm and the headers of a request can hold. */
static const struct { const char *name; size_t max; } members[M_N] = {
	[M_ID] = { "aws_access_key_id", 128 },
	[M_SECRET] = { "aws_secret_access_key", 256 },
	[M_TOKEN] = { "aws_session_token", 4096 },
};

static const char *
text_of(struct json_object *v)
{
	const char *s = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;

	return s && strlen(s) == (size_t)json_object_get_string_len(v) ? s : NULL;
}

/* Printable, without what JSON would escape and without blanks. */
static bool
is_part(const char *s, size_t max)
{
	size_t n = 0;

	for (; s && s[n]; n++)
		if (s[n] <= ' ' || s[n] >= 0x7f || s[n] == '"' || s[n] == '\\')
			return false;
	return n > 0 && n <= max;
}

static int
check_auth_type(struct ag_call *c, const char *type)
{
	if (type && (strcmp(type, "accessKey") == 0 || strcmp(type, "apiKey") == 0))
		return 0;
	if (type && (strcmp(type, "assumedRole") == 0 || strcmp(type, "serviceRole") == 0))
		return ag_call_invalid(c, "configurations.aws_auth_type: %s is not spoken by this gateway: give accessKey "
		    "with the key of an account, or apiKey with a key of Bedrock", type);
	return ag_call_invalid(c, "configurations.aws_auth_type: must be accessKey or apiKey");
}

static bool
is_region(const char *s)
{
	size_t n = s ? strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

	return n > 0 && n <= 64 && s[n] == '\0' && s[0] != '-';
}

bool
ag_aws_knows(struct ag_call *c, const char *name, struct json_object *value, int *out_rc)
{
	*out_rc = 0;
	if (strncmp(name, "aws_", 4) != 0)
		return false;
	for (size_t i = 0; i < M_N; i++)
		if (strcmp(name, members[i].name) == 0) {
			if (value && !is_part(text_of(value), members[i].max))
				*out_rc = ag_call_invalid(c, "configurations.%s: must be at most %zu printable characters", name,
				    members[i].max);
			return true;
		}
	if (strcmp(name, "aws_region") == 0) {
		if (value && !is_region(text_of(value)))
			*out_rc = ag_call_invalid(c, "configurations.aws_region: must be a region as us-east-1");
		return true;
	}
	if (strcmp(name, "aws_auth_type") == 0) {
		if (value)
			*out_rc = check_auth_type(c, text_of(value));
		return true;
	}
	if (strcmp(name, "aws_role_arn") == 0 || strcmp(name, "aws_external_id") == 0) {
		if (value)
			*out_rc = ag_call_invalid(c, "configurations.%s: roles are not assumed by this gateway: give the key of an "
			    "account, or a key of Bedrock", name);
		return true;
	}
	return false;
}

static const char *
member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, name, &v) ? text_of(v) : NULL;
}

static int
refuse_all(struct ag_call *c, const struct ag_aws_body *b)
{
	if (!b->configurations)
		return 0;
	ag_json_foreach(b->configurations, name, value)
		if (value && strncmp(name, "aws_", 4) == 0)
			return ag_call_invalid(c, "configurations.%.64s: not a setting of %s", name, b->family);
	return 0;
}

/* at: what the members stand in, for whom reads of a fault. */
static int
take(struct ag_call *c, struct json_object *from, const char *at, struct ag_aws_credential *out)
{
	ag_buf_init(&out->text, 16384);
	for (size_t i = 0; i < M_N; i++) {
		const char *text = member(from, members[i].name);

		if (i != M_TOKEN && !text)
			return ag_call_invalid(c, "%s.%s: is required: the id of a key and its secret come together", at,
			    members[i].name);
		if (text && !is_part(text, members[i].max))
			return ag_call_invalid(c, "%s.%s: must be at most %zu printable characters", at, members[i].name,
			    members[i].max);
		if (text)
			ag_buf_printf(&out->text, "%s\"%s\":\"%s\"", i == 0 ? "{" : ",", members[i].name, text);
	}
	ag_buf_put(&out->text, "}", 2); /* and its NUL */
	(void)ag_str_copy(ag_str(member(from, members[M_ID].name)), out->id, sizeof(out->id));
	out->is_set = true;
	return out->text.failed ? ag_call_fail(c, 500, "AB04", "out of memory") : 0;
}

static int
take_object(struct ag_call *c, const char *key, struct ag_aws_credential *out)
{
	struct json_object *o = json_tokener_parse(key);
	int rc = json_object_is_type(o, json_type_object) ? take(c, o, "key", out)
	    : ag_call_invalid(c, "key: must be a key of Bedrock, or a JSON object of aws_access_key_id and "
	    "aws_secret_access_key");

	json_object_put(o);
	return rc;
}

int
ag_aws_credential_take(struct ag_call *c, const struct ag_aws_body *b, struct ag_aws_credential *out)
{
	const struct ag_provider *p = ag_provider_find(ag_str(b->family));
	const char *type = member(b->configurations, "aws_auth_type");
	bool is_apart = false, has_key = b->key && *b->key;
	int rc = 0;

	*out = (struct ag_aws_credential){ .is_set = false };
	if (!p || p->auth != AG_AUTH_SIGN)
		return refuse_all(c, b);
	if ((b->is_new || b->configurations) && !member(b->configurations, "aws_region"))
		return ag_call_invalid(c, "configurations.aws_region: is required for %s", b->family);
	for (size_t i = 0; i < M_N; i++)
		is_apart = is_apart || member(b->configurations, members[i].name);
	if (is_apart && (has_key || b->is_mapped))
		return ag_call_invalid(c, "key: not together with configurations.aws_access_key_id");
	if (is_apart && type && strcmp(type, "apiKey") == 0)
		return ag_call_invalid(c, "configurations.aws_access_key_id: not with aws_auth_type apiKey, which takes key");
	if (is_apart)
		rc = take(c, b->configurations, "configurations", out);
	else if (has_key && *b->key == '{')
		rc = take_object(c, b->key, out);
	else if (type && strcmp(type, "accessKey") == 0 && (has_key || (b->is_new && !b->is_mapped)))
		rc = ag_call_invalid(c, "configurations.aws_access_key_id: is required with aws_auth_type accessKey, and so is "
		    "its aws_secret_access_key");
	for (size_t i = 0; i < M_N && is_apart; i++)
		json_object_object_del(b->configurations, members[i].name);
	return rc;
}

void
ag_aws_credential_fini(struct ag_aws_credential *x)
{
	ag_buf_wipe(&x->text);
}
