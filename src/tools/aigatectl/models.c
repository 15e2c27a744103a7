/* models.c - the catalogue of models: what they cost, hold and can do. */
#include "tools/aigatectl/ctl.h"

/* List prices in force now. */
#define IN_FORCE                                                                           \
	"in_force AS (SELECT DISTINCT ON (family, model) * FROM aigate.price"                  \
	" WHERE integration_id IS NULL AND effective_from <= now()"                            \
	" ORDER BY family, model, effective_from DESC)"

/* Abilities by name: the bits AG_MF_ of catalog.h. */
#define ABILITIES(p)                                                                       \
	"array_to_string(ARRAY(SELECT name FROM unnest(ARRAY['vision', 'tools', 'json', 'reasoning'," \
	" 'stream', 'pdf', 'audio', 'cache', 'search', 'no-sampling']) WITH ORDINALITY a(name, n)" \
	" WHERE " p ".flags & (1 << (n - 1)::int) <> 0 ORDER BY n), ',')"

#define COLUMNS(p)                                                                         \
	p ".mode, " p ".context_window AS context, " p ".max_output, trim_scale(" p ".in_pusd / 1e6)" \
	" AS in_usd_per_m, trim_scale(" p ".cached_in_pusd / 1e6) AS cached_in,"               \
	" trim_scale(" p ".out_pusd / 1e6) AS out_usd_per_m, " ABILITIES(p) " AS abilities"

#define LIKES(what, n)                                                                     \
	"(" n "::text IS NULL OR " what " LIKE replace(replace(replace(" n ", '\\', '\\\\'), '_', '\\_'), '*', '%'))"

static const char catalogue[] =
	"WITH " IN_FORCE " SELECT family, model, " COLUMNS("p") " FROM in_force p"
	" WHERE ($1::text IS NULL OR family = $1) AND " LIKES("model", "$2") " ORDER BY family, model";

/* Providers of the workspace, what their integrations name and, where they allow all, what else has a
 * price.  A model's own price counts, else that of its base model, else its own name's. */
static const char of_workspace[] =
	"WITH " IN_FORCE ", granted AS (SELECT v.slug, i.id, i.family, i.allow_all_models"
	" FROM aigate.provider v JOIN aigate.workspace w ON w.id = v.workspace_id AND w.status = 'active'"
	" JOIN aigate.integration_workspace g ON g.id = v.integration_workspace_id AND g.is_enabled"
	" JOIN aigate.integration i ON i.id = g.integration_id AND i.status = 'active'"
	" WHERE v.status = 'active' AND (v.expires_at IS NULL OR v.expires_at > now())"
	"  AND (w.slug = $1 OR w.uuid::text = lower($1))),"
	" callable AS (SELECT r.slug, r.id, r.family, m.slug AS model, coalesce(m.base_model, m.slug) AS priced_as,"
	"  m.pricing_config IS NOT NULL AS has_own FROM granted r JOIN aigate.integration_model m"
	"  ON m.integration_id = r.id AND m.is_enabled"
	" UNION ALL SELECT r.slug, r.id, r.family, p.model, p.model, false FROM granted r"
	"  JOIN in_force p ON p.family = r.family WHERE r.allow_all_models AND NOT EXISTS"
	"  (SELECT FROM aigate.integration_model m WHERE m.integration_id = r.id AND m.slug = p.model))"
	" SELECT '@' || c.slug || '/' || c.model AS id, " COLUMNS("p")
	" FROM callable c LEFT JOIN LATERAL (SELECT * FROM (SELECT o.* FROM aigate.price o WHERE c.has_own"
	"  AND o.integration_id = c.id AND o.model = c.model ORDER BY o.effective_from DESC, o.id DESC LIMIT 1) own"
	" UNION ALL SELECT l.* FROM in_force l WHERE NOT c.has_own AND l.family = c.family"
	"  AND l.model = c.priced_as) p ON true WHERE " LIKES("c.model", "$2") " ORDER BY 1";

enum ctl_exit
ctl_models(struct ctl *ctl, int argc, char **argv)
{
	const char *workspace = NULL, *family = NULL, *model = NULL;
	const struct ctl_opt opts[] = { { "workspace", CTL_OPT_TEXT, &workspace },
		                            { "family", CTL_OPT_TEXT, &family },
		                            { "model", CTL_OPT_TEXT, &model },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);
	const char *values[2];

	if (status != CTL_OK)
		return status;
	if (workspace && family)
		return ctl_fail(CTL_USAGE, "--workspace and --family exclude each other");
	values[0] = workspace ? workspace : family;
	values[1] = model;
	return ctl_db_print(ctl, workspace ? of_workspace : catalogue, 2, values);
}
