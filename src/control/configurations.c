#include "control/configurations.h"

#include <json-c/json.h>
#include <string.h>

#include "base/addr.h"
#include "base/json.h"
#include "base/num.h"
#include "conf/conf.h"
#include "control/custom_host.h"
#include "provider/oauth.h"
#include "provider/provider.h"

#define WORD_MAX        128
#define DEPLOYMENTS_MAX 200

/* They become part of a host or a path. */
static bool
is_word(const char *s)
{
	size_t n = s ? strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") : 0;

	return n > 0 && n <= WORD_MAX && s[n] == '\0' && s[0] != '.';
}

static const char *
text_of(struct json_object *v)
{
	const char *s = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;

	return s && strlen(s) == (size_t)json_object_get_string_len(v) ? s : NULL;
}

static int
check_deployment(struct ag_call *c, struct json_object *row, size_t i)
{
	static const char *const required[] = { "azure_deployment_name", "azure_api_version" };
	static const char *const optional[] = { "alias", "azure_model_slug" };
	struct json_object *v;

	if (!json_object_is_type(row, json_type_object))
		return ag_call_invalid(c, "configurations.azure_deployment_config[%zu]: must be an object", i);
	for (size_t k = 0; k < AG_ARRAY_LEN(required); k++)
		if (!json_object_object_get_ex(row, required[k], &v) || !is_word(text_of(v)))
			return ag_call_invalid(c, "configurations.azure_deployment_config[%zu].%s: must be letters, "
			    "digits, - _ and . alone", i, required[k]);
	for (size_t k = 0; k < AG_ARRAY_LEN(optional); k++)
		if (json_object_object_get_ex(row, optional[k], &v) && v && (!text_of(v) || strlen(text_of(v)) > 255))
			return ag_call_invalid(c, "configurations.azure_deployment_config[%zu].%s: must be a string", i,
			    optional[k]);
	if (json_object_object_get_ex(row, "is_default", &v) && v && !json_object_is_type(v, json_type_boolean))
		return ag_call_invalid(c, "configurations.azure_deployment_config[%zu].is_default: must be true or false", i);
	return 0;
}

static int
check_deployments(struct ag_call *c, struct json_object *list)
{
	size_t n = ag_json_len(list);

	if (n == 0 || n > DEPLOYMENTS_MAX)
		return ag_call_invalid(c, "configurations.azure_deployment_config: must be an array of 1 to %d deployments",
		    DEPLOYMENTS_MAX);
	for (size_t i = 0; i < n; i++)
		if (check_deployment(c, ag_json_at(list, i), i) < 0)
			return -1;
	return 0;
}

/* The machine's own identity is the operator's to give away. */
static int
check_identity(struct ag_call *c, const char *name, const char *text)
{
	const char *place = c->ctl->ctx->conf->instance_metadata;

	return place && *place ? 0 : ag_call_invalid(c, "configurations.%s: \"%s\" needs instance_metadata in the "
	    "configuration of the gateway", name, text);
}

/* Of those who give tokens for a credential. */
static bool
knows_token_setting(struct ag_call *c, const char *name, struct json_object *value, int *out_rc)
{
	const char *text = text_of(value);
	struct ag_err err = { "" };

	if (strcmp(name, "vertex_auth_type") == 0) {
		if (text && strcmp(text, "workload") == 0)
			*out_rc = check_identity(c, name, text);
		else if (value && (!text || (strcmp(text, "serviceAccount") != 0 && strcmp(text, "basic") != 0)))
			*out_rc = ag_call_invalid(c, "configurations.vertex_auth_type: only \"serviceAccount\", \"workload\" "
			    "and \"basic\", an access token as key, are spoken by this gateway");
	} else if (strcmp(name, "vertex_region") == 0) {
		if (value && (!text || !*text || strlen(text) > 64 ||
		        text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")]))
			*out_rc = ag_call_invalid(c, "configurations.vertex_region: must be a location as Google "
			    "Cloud names them, such as europe-west4, eu or global");
	} else if (strcmp(name, "azure_entra_authority_host") == 0) {
		if (value && (!text || ag_custom_host_check(ag_str(text), ag_str(c->ctl->ctx->conf->trusted_hosts),
		        &err) < 0))
			*out_rc = ag_call_invalid(c, "configurations.azure_entra_authority_host: %s",
			    text ? err.text : "must be a string");
	} else if (strcmp(name, "azure_entra_scope") == 0) {
		if (value && (!text || strlen(text) > 255 || strpbrk(text, "\"\\\r\n\t ")))
			*out_rc = ag_call_invalid(c, "configurations.azure_entra_scope: must be one scope");
	} else {
		return false;
	}
	return true;
}

/* The paths need what the host may not. */
static int
vertex_fits(struct ag_call *c, struct json_object *conf)
{
	static const char *const needed[] = { "vertex_region", "vertex_auth_type", "vertex_project_id" };
	struct json_object *v;

	for (size_t i = 0; i < AG_ARRAY_LEN(needed); i++)
		if (!conf || !json_object_object_get_ex(conf, needed[i], &v) || !v)
			return ag_call_invalid(c, "configurations.%s: is required for vertex-ai", needed[i]);
	return 0;
}

bool
ag_configurations_knows(struct ag_call *c, const char *name, struct json_object *value, int *out_rc)
{
	static const char *const words[] = { "azure_resource_name", "workers_ai_account_id", "azure_entra_tenant_id",
		"azure_entra_client_id", "azure_managed_client_id", "vertex_project_id" };

	*out_rc = 0;
	for (size_t i = 0; i < AG_ARRAY_LEN(words); i++)
		if (strcmp(name, words[i]) == 0) {
			if (value && !is_word(text_of(value)))
				*out_rc = ag_call_invalid(c, "configurations.%s: must be letters, digits, - _ and . alone",
				    name);
			return true;
		}
	if (strcmp(name, "azure_auth_mode") == 0) {
		const char *mode = text_of(value);

		if (mode && strcmp(mode, "managed") == 0)
			*out_rc = check_identity(c, name, mode);
		else if (value && (!mode || (strcmp(mode, "default") != 0 && strcmp(mode, "entra") != 0)))
			*out_rc = ag_call_invalid(c, "configurations.azure_auth_mode: only \"default\", the key, \"entra\", a "
			    "client secret, and \"managed\" are spoken by this gateway");
		return true;
	}
	if (knows_token_setting(c, name, value, out_rc))
		return true;
	if (strcmp(name, "azure_deployment_config") == 0) {
		if (value)
			*out_rc = check_deployments(c, value);
		return true;
	}
	return false;
}

/* custom_host was found to be an address of http or https. */
static bool
is_trusted(struct ag_call *c, const char *custom_host)
{
	const char *host = strstr(custom_host, "://");
	uint64_t port = ag_str_starts(ag_str(custom_host), AG_STR("https")) ? 443 : 80;
	size_t n, digits;

	host = host ? host + 3 : custom_host;
	n = strcspn(host, ":/?");
	digits = host[n] == ':' ? strspn(host + n + 1, "0123456789") : 0;
	if (digits > 0 && ag_parse_u64(ag_str_n(host + n + 1, digits), UINT16_MAX, &port) < 0)
		return false;
	return ag_host_is_trusted(ag_str(c->ctl->ctx->conf->trusted_hosts), ag_str_n(host, n), (uint16_t)port);
}

bool
ag_configurations_need_key(const char *family, struct json_object *conf)
{
	const struct ag_provider *p = ag_provider_find(ag_str(family));

	return !p || !p->oauth || !conf ||
	    !ag_oauth_header(p->oauth(ag_str(json_object_to_json_string_ext(conf, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE))));
}

int
ag_configurations_fit(struct ag_call *c, const char *family, struct json_object *conf, const char *custom_host)
{
	const struct ag_provider *p = ag_provider_find(ag_str(family));
	const char *text = conf ? json_object_to_json_string_ext(conf, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE) : "{}";
	struct ag_err err = { "" };
	struct ag_buf b;
	int rc = 0;

	if (!p || !p->base_url)
		return 0;
	if (p->oauth == ag_vertex_oauth && vertex_fits(c, conf) < 0)
		return -1;
	if (custom_host && p->oauth && ag_oauth_header(p->oauth(ag_str(text))) && !is_trusted(c, custom_host))
		return ag_call_invalid(c, "custom_host: is not shown this machine's own identity, unless it is among "
		    "trusted_hosts");
	ag_buf_init(&b, 4096);
	if (!custom_host)
		rc = ag_provider_expand(p, p->base_url, ag_str(text), AG_STR_NONE, AG_STR_NONE, &b, &err);
	ag_buf_fini(&b);
	if (rc < 0)
		return ag_call_invalid(c, "%s for %s", err.text, family);
	if (p->place == ag_azure_place && !json_object_object_get_ex(conf, "azure_deployment_config", NULL))
		return ag_call_invalid(c, "configurations.azure_deployment_config: is required for %s", family);
	return 0;
}

int
ag_configurations_switch(struct json_object *conf, const char *name)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(conf, name, &value) || !value)
		return 0;
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value);
	text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	return strcmp(text, "true") == 0 ? 1 : strcmp(text, "false") == 0 ? 0 : -1;
}
