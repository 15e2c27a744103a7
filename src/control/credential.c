#include "control/credential.h"

#include <json-c/json.h>
#include <string.h>

#include "conf/conf.h"
#include "control/custom_host.h"
#include "provider/oauth.h"

static const char *
text_of(struct json_object *obj, const char *name)
{
	struct json_object *v;
	const char *s;

	if (!obj || !json_object_object_get_ex(obj, name, &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	s = json_object_get_string(v);
	return *s && strlen(s) == (size_t)json_object_get_string_len(v) ? s : NULL;
}

/* A setting as it will be. */
static const char *
setting(struct json_object *conf, struct json_object *before, const char *name)
{
	struct json_object *old = NULL;

	if (!conf && before)
		json_object_object_get_ex(before, "configurations", &old);
	return text_of(conf ? conf : old, name);
}

/* ---- service accounts -------------------------------------------------------------------- */

static int
check_account(struct ag_call *c, struct json_object *account)
{
	const char *uri = text_of(account, "token_uri"), *text = json_object_to_json_string_ext(account,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	struct ag_err err = { "" };
	struct ag_buf url, form;
	int rc;

	if (!uri)
		uri = AG_OAUTH_GOOGLE_URI;
	if (ag_custom_host_check(ag_str(uri), ag_str(c->ctl->ctx->conf->trusted_hosts), &err) < 0)
		return ag_call_invalid(c, "vertex_service_account_json.token_uri: %s", err.text);
	/* Signing once shows that the key can be used. */
	ag_buf_init(&url, 4096);
	ag_buf_init(&form, 65536);
	rc = ag_oauth_ask(AG_OAUTH_JWT_BEARER, ag_str(text), AG_STR_NONE, 0, &url, &form, &err);
	ag_buf_wipe(&form);
	ag_buf_fini(&url);
	return rc < 0 ? ag_call_invalid(c, "vertex_service_account_json: %s", err.text) : 0;
}

/* The members that are needed, on one line; what is last shows in the mask. */
static struct json_object *
account_text(struct json_object *account)
{
	static const char *const kept[] = { "private_key_id", "private_key", "project_id", "token_uri",
		"client_email" };
	struct json_object *out = json_object_new_object(), *text;

	json_object_object_add(out, "type", json_object_new_string("service_account"));
	for (size_t i = 0; i < AG_ARRAY_LEN(kept); i++)
		if (text_of(account, kept[i]))
			json_object_object_add(out, kept[i], json_object_new_string(text_of(account, kept[i])));
	text = json_object_new_string(json_object_to_json_string_ext(out,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
	return text;
}

static int
take_account(struct ag_call *c, struct json_object *conf, struct json_object *before)
{
	struct json_object *given = NULL, *account = NULL;
	const char *key = text_of(c->body, "key"), *type;
	int rc = 0;

	if (conf && json_object_object_get_ex(conf, "vertex_service_account_json", &given) &&
	    json_object_is_type(given, json_type_object)) {
		account = json_object_get(given);
		if (!text_of(conf, "vertex_auth_type"))
			json_object_object_add(conf, "vertex_auth_type", json_object_new_string("serviceAccount"));
	} else if (given) {
		return ag_call_invalid(c, "configurations.vertex_service_account_json: must be an object");
	}
	type = setting(conf, before, "vertex_auth_type");
	if (!type || strcmp(type, "serviceAccount") != 0) {
		json_object_put(account);
		return account ? ag_call_invalid(c, "configurations.vertex_service_account_json: belongs to "
		    "vertex_auth_type serviceAccount") : 0;
	}
	if (!account && !key)
		return 0;
	if (!account)
		account = json_tokener_parse(key);
	if (!json_object_is_type(account, json_type_object))
		rc = ag_call_invalid(c, "key: must be the JSON of a service account");
	if (rc == 0)
		rc = check_account(c, account);
	if (rc == 0) {
		json_object_object_add(c->body, "key", account_text(account));
		if (conf && !text_of(conf, "vertex_project_id") && text_of(account, "project_id"))
			json_object_object_add(conf, "vertex_project_id",
			    json_object_new_string(text_of(account, "project_id")));
		if (conf)
			json_object_object_del(conf, "vertex_service_account_json");
	}
	json_object_put(account);
	return rc;
}

/* ---- applications of Entra --------------------------------------------------------------- */

static int
take_client(struct ag_call *c, struct json_object *conf)
{
	const char *secret = text_of(conf, "azure_entra_client_secret"), *mode = text_of(conf, "azure_auth_mode");
	static const char *const needed[] = { "azure_entra_tenant_id", "azure_entra_client_id" };

	if (!conf || !mode || strcmp(mode, "entra") != 0)
		return secret ? ag_call_invalid(c, "configurations.azure_entra_client_secret: belongs to "
		    "azure_auth_mode entra") : 0;
	for (size_t i = 0; i < AG_ARRAY_LEN(needed); i++)
		if (!text_of(conf, needed[i]))
			return ag_call_invalid(c, "configurations.%s: is required for azure_auth_mode entra", needed[i]);
	if (secret)
		json_object_object_add(c->body, "key", json_object_new_string(secret));
	json_object_object_del(conf, "azure_entra_client_secret");
	return 0;
}

int
ag_credential_take(struct ag_call *c, const char *family, struct json_object *before)
{
	struct json_object *conf = NULL;

	if (json_object_object_get_ex(c->body, "configurations", &conf) && !json_object_is_type(conf, json_type_object))
		return 0; /* refused where the body is read */
	if (family && strcmp(family, "vertex-ai") == 0)
		return take_account(c, conf, before);
	if (family && strcmp(family, "azure-openai") == 0)
		return take_client(c, conf);
	return 0;
}
