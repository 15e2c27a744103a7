#include "control/destination.h"

#include "control/secret_maps.h"

/* All others may: a setting that comes to be known is held to lead elsewhere until it is said not to. */
static const char *const leads_nowhere[] = { "custom_headers", "openai_organization", "openai_project",
	"price_multiplier", "azure_deployment_config" };

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
	json_object_object_foreach(a, name, v)
		if (is_leading(name) && (v || member(b, name)) && !json_object_equal(v, member(b, name)))
			return name;
	return NULL;
}

int
ag_destination_keep(struct ag_call *c, struct json_object *before, struct json_object *conf, bool gives_key,
    const struct ag_secret_map *map)
{
	struct json_object *was = member(before, "configurations"), *mappings = member(before, "secret_mappings");
	bool is_mapped = mappings && json_object_array_length(mappings) > 0;
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
