/* azure.c - which deployment answers for a model: `azure_deployment_config` is a list of
 * {alias, azure_deployment_name, azure_api_version, azure_model_slug, is_default}. */
#include <errno.h>

#include "provider/figure.h"
#include "provider/provider.h"

enum { D_ALIAS, D_NAME, D_VERSION, D_SLUG, D_DEFAULT, D_N };

struct deployment {
	struct ag_str f[D_N]; /* texts; n 0: absent */
	bool is_default;
	int rank;             /* how it was found, see find_deployment() */
};

static void
read_deployment(struct ag_str row, struct deployment *out)
{
	static const struct ag_str names[D_N] = {
		[D_ALIAS] = { "alias", 5 }, [D_NAME] = { "azure_deployment_name", 21 },
		[D_VERSION] = { "azure_api_version", 17 }, [D_SLUG] = { "azure_model_slug", 16 },
		[D_DEFAULT] = { "is_default", 10 },
	};
	struct ag_json_value v[D_N];
	struct ag_json_fault fault;

	*out = (struct deployment){ 0 };
	if (ag_figure_scan(row, names, D_N, v, &fault) < 0)
		return;
	for (int i = 0; i < D_DEFAULT; i++)
		if (v[i].type == AG_JSON_STRING)
			(void)ag_json_string_plain(ag_json_raw(row, v[i]), &out->f[i]);
	out->is_default = v[D_DEFAULT].type == AG_JSON_TRUE;
}

/* By what a model finds its deployment, the best first. */
enum { BY_NOTHING, BY_BEING_ALONE, BY_DEFAULT, BY_SLUG, BY_DEFAULT_SLUG, BY_NAME, BY_ALIAS };

/* The one whose alias, deployment or model it is; else the default; else the only one. */
static bool
find_deployment(struct ag_str config, struct ag_str model, struct deployment *out)
{
	static const struct ag_str name = { "azure_deployment_config", 23 };
	struct ag_json_value list, row;
	struct ag_json_fault fault;
	struct ag_json_iter it;
	struct ag_str rows;
	int best = 0, n = 0;

	if (config.n == 0 || ag_figure_scan(config, &name, 1, &list, &fault) < 0 || list.type != AG_JSON_ARRAY)
		return false;
	rows = ag_json_raw(config, list);
	ag_json_iter_init(&it, rows);
	while (ag_json_array_next(&it, &row) == 1) {
		struct deployment d;
		int rank = 0;

		if (row.type != AG_JSON_OBJECT)
			continue;
		read_deployment(ag_json_raw(rows, row), &d);
		if (d.f[D_NAME].n == 0)
			continue;
		n++;
		if (ag_str_eq(d.f[D_ALIAS], model))
			rank = BY_ALIAS;
		else if (ag_str_eq(d.f[D_NAME], model))
			rank = BY_NAME;
		else if (ag_str_eq(d.f[D_SLUG], model))
			rank = d.is_default ? BY_DEFAULT_SLUG : BY_SLUG;
		else if (d.is_default)
			rank = BY_DEFAULT;
		else if (n == 1)
			rank = BY_BEING_ALONE;
		if (rank > best) {
			best = rank;
			*out = d;
			out->rank = rank;
		}
	}
	return best > BY_BEING_ALONE || (best == BY_BEING_ALONE && n == 1);
}

int
ag_azure_place(struct ag_str config, struct ag_str name, struct ag_str model, struct ag_buf *out)
{
	struct deployment d;
	struct ag_str text;

	if (!ag_str_eq(name, AG_STR("deployment")) && !ag_str_eq(name, AG_STR("api_version")))
		return -ENOENT;
	if (!find_deployment(config, model, &d))
		return -ESRCH;
	text = d.f[name.p[0] == 'd' ? D_NAME : D_VERSION];
	if (text.n == 0)
		return -ESRCH;
	/* Configured by an administrator, and yet no more than a word of an address. */
	for (size_t i = 0; i < text.n; i++)
		if (!((text.p[i] >= 'a' && text.p[i] <= 'z') || (text.p[i] >= 'A' && text.p[i] <= 'Z') ||
		        (text.p[i] >= '0' && text.p[i] <= '9') || text.p[i] == '-' || text.p[i] == '_' ||
		        text.p[i] == '.'))
			return -EINVAL;
	ag_buf_put_str(out, text);
	return 0;
}

/* A default would serve what is refused by its own name under any other. */
struct ag_str
ag_azure_serves_as(struct ag_str config, struct ag_str model)
{
	struct deployment d;

	if (!find_deployment(config, model, &d) || d.rank > BY_DEFAULT)
		return model;
	return d.f[D_SLUG].n > 0 ? d.f[D_SLUG] : d.f[D_NAME];
}

struct ag_str
ag_azure_priced_as(struct ag_str config, struct ag_str model)
{
	struct deployment d;

	return find_deployment(config, model, &d) && d.f[D_SLUG].n > 0 ? d.f[D_SLUG] : model;
}

enum ag_oauth
ag_azure_oauth(struct ag_str config)
{
	static const struct ag_str name = { "azure_auth_mode", 15 };
	struct ag_json_value v;
	struct ag_json_fault fault;
	struct ag_str mode;

	if (config.n == 0 || ag_figure_scan(config, &name, 1, &v, &fault) < 0 || v.type != AG_JSON_STRING)
		return AG_OAUTH_NONE;
	mode = ag_json_raw(config, v);
	if (ag_json_string_eq(mode, AG_STR("managed")))
		return AG_OAUTH_AZURE_MANAGED;
	return ag_json_string_eq(mode, AG_STR("entra")) ? AG_OAUTH_CLIENT : AG_OAUTH_NONE;
}
