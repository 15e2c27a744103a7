#include "control/destination.h"

#include <errno.h>

#include "base/json.h"
#include "base/num.h"
#include "control/custom_host.h"
#include "control/secret_maps.h"
#include "provider/provider.h"

#define HOSTS_MAX 100

/* All others may: a setting that comes to be known is held to lead elsewhere until it is said not to. */
static const char *const leads_nowhere[] = { "custom_headers", "openai_organization", "openai_project",
	"price_multiplier", "azure_deployment_config", "shared_objects", "uncounted_work" };

static bool
is_leading(const char *setting)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(leads_nowhere); i++)
		if (strcmp(setting, leads_nowhere[i]) == 0)
			return false;
	return true;
}

/* Absent and null are one. */
static struct json_object *
member(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	return obj && json_object_object_get_ex(obj, name, &v) ? v : NULL;
}

/* The first setting of a that b has otherwise, or not; NULL: none. */
static const char *
first_difference(struct json_object *a, struct json_object *b)
{
	if (!a)
		return NULL;
	ag_json_foreach(a, name, v)
		if (is_leading(name) && (v || member(b, name)) && !json_object_equal(v, member(b, name)))
			return name;
	return NULL;
}

int
ag_destination_keep(struct ag_call *c, struct json_object *before, struct json_object *conf, bool gives_key,
    const struct ag_secret_map *map)
{
	struct json_object *was = member(before, "configurations"), *mappings = member(before, "secret_mappings");
	bool is_mapped = ag_json_len(mappings) > 0;
	const char *setting;

	if (c->actor.is_operator || !conf || !member(before, "masked_key"))
		return 0;
	setting = first_difference(conf, was);
	if (!setting)
		setting = first_difference(was, conf);
	if (!setting)
		return 0;
	/* What stands mapped would be read anew and follow. */
	if (is_mapped && !map->is_given)
		return ag_call_invalid(c, "configurations.%.64s: may lead the stored credential elsewhere: give "
		    "secret_mappings again", setting);
	if (!map->is_set && !gives_key)
		return ag_call_invalid(c, "configurations.%.64s: may lead the stored credential elsewhere: give key again",
		    setting);
	return 0;
}

/* ---- allowed_hosts ---- */

static const char *
text_of(struct json_object *v)
{
	const char *s = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;

	return s && strlen(s) == (size_t)json_object_get_string_len(v) ? s : NULL;
}

/* "host", "host:port", "*.domain", "*.domain:port". */
struct place {
	struct ag_str host;  /* behind "*." */
	uint64_t port;
	bool is_domain;
};

static bool
read_place(const char *text, struct place *out)
{
	struct ag_str s = ag_str(text ? text : "");
	const char *colon = memchr(s.p, ':', s.n);

	out->port = 443;
	out->is_domain = ag_str_starts(s, AG_STR("*."));
	out->host = ag_str_skip(ag_str_n(s.p, colon ? (size_t)(colon - s.p) : s.n), out->is_domain ? 2 : 0);
	if (colon && (ag_parse_u64(ag_str_skip(s, (size_t)(colon - s.p) + 1), 65535, &out->port) < 0 ||
	    out->port == 0))
		return false;
	for (size_t i = 0; i < out->host.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", out->host.p[i]))
			return false;
	return out->host.n > 0 && out->host.n <= 253 && out->host.p[0] != '.';
}

int
ag_destination_check_hosts(struct ag_call *c, struct json_object *hosts)
{
	struct place p;

	if (ag_json_len(hosts) > HOSTS_MAX)
		return ag_call_invalid(c, "allowed_hosts: at most %d", HOSTS_MAX);
	for (size_t i = 0; i < ag_json_len(hosts); i++)
		if (!read_place(text_of(ag_json_at(hosts, i)), &p))
			return ag_call_invalid(c, "allowed_hosts[%zu]: must be a host, host:port or *.domain", i);
	return 0;
}

static bool
is_listed(struct json_object *hosts, struct ag_str host, uint16_t port)
{
	struct place p;

	for (size_t i = 0; i < ag_json_len(hosts); i++) {
		if (!read_place(text_of(ag_json_at(hosts, i)), &p) || p.port != port)
			continue;
		if (!p.is_domain && ag_str_ieq(p.host, host))
			return true;
		if (p.is_domain && host.n > p.host.n + 1 && host.p[host.n - p.host.n - 1] == '.' &&
		    ag_str_ieq(ag_str_skip(host, host.n - p.host.n), p.host))
			return true;
	}
	return false;
}

static int
may_be_sent(struct json_object *hosts, struct ag_str url, struct ag_err *err)
{
	struct ag_str host;
	uint16_t port;

	if (ag_custom_host_split(url, &host, &port) == 0 && is_listed(hosts, host, port))
		return 0;
	return ag_err_set(err, -EACCES, "is not for %.*s: no host of its allowed_hosts", (int)(url.n < 150 ? url.n : 150),
	    url.p);
}

/* The provider's own address. */
static int
may_be_sent_home(const char *family, struct json_object *conf, struct json_object *hosts, struct ag_err *err)
{
	const struct ag_provider *p = ag_provider_find(ag_str(family));
	const char *text = conf ? json_object_to_json_string_ext(conf, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE) : "{}";
	struct ag_buf url;
	int rc;

	if (!p || !p->base_url)
		return 0;
	ag_buf_init(&url, 4096);
	rc = ag_provider_expand(p, p->base_url, ag_str(text), AG_STR_NONE, AG_STR_NONE, &url, err);
	if (rc == 0)
		rc = may_be_sent(hosts, ag_buf_str(&url), err);
	ag_buf_fini(&url);
	return rc;
}

int
ag_destination_may(const char *family, struct json_object *conf, struct json_object *hosts, struct ag_err *err)
{
	/* Of these the first takes the place of the provider's own address, the second the credential too. */
	static const char *const named[] = { "custom_host", "azure_entra_authority_host" };
	bool is_home = true;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < AG_ARRAY_LEN(named); i++) {
		const char *url = text_of(member(conf, named[i]));

		if (!url || !*url)
			continue;
		is_home = is_home && i > 0;
		rc = may_be_sent(hosts, ag_str(url), err);
	}
	return rc == 0 && is_home && hosts ? may_be_sent_home(family, conf, hosts, err) : rc;
}
