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

/* Each price times what is given for it. */
#define COLUMNS(p, in, cached, out)                                                        \
	p ".mode, " p ".context_window AS context, " p ".max_output, trim_scale(" p ".in_pusd / 1e6" in ")" \
	" AS in_usd_per_m, trim_scale(" p ".cached_in_pusd / 1e6" cached ") AS cached_in,"     \
	" trim_scale(" p ".out_pusd / 1e6" out ") AS out_usd_per_m, " ABILITIES(p) " AS abilities"

/* What the integration multiplies a list price by, as src/policy/price.c takes it: its kind, that of text where
 * pictures' tokens have prices, else the default. */
#define TIMES(kind, text)                                                                  \
	" * CASE WHEN p.integration_id IS NOT NULL THEN 1 ELSE coalesce(CASE WHEN"             \
	" coalesce(p.image_in_pusd, p.image_out_pusd) IS NOT NULL THEN c.multiples ->> '" text "' END," \
	" c.multiples ->> '" kind "', c.multiples ->> 'default', '1000000')::numeric / 1e6 END"

#define LIKES(what, n)                                                                     \
	"(" n "::text IS NULL OR " what " LIKE replace(replace(replace(" n ", '\\', '\\\\'), '_', '\\_'), '*', '%'))"

static const char catalogue[] =
	"WITH " IN_FORCE " SELECT family, model, " COLUMNS("p", "", "", "") " FROM in_force p"
	" WHERE ($1::text IS NULL OR family = $1) AND " LIKES("model", "$2") " ORDER BY family, model";

/* Providers of the workspace, what their integrations name and, where they allow all, what else has a
 * price.  A model's own price counts, else that of its base model, else its own name's. */
static const char of_workspace[] =
	"WITH " IN_FORCE ", granted AS (SELECT v.slug, i.id, i.family, i.allow_all_models,"
	" coalesce(x.multiples, jsonb_build_object('default', (1e6 * coalesce("
	"  i.pricing_adjustments -> 'multiplier' ->> 'default', i.configurations ->> 'price_multiplier',"
	"  '1')::numeric)::bigint)) AS multiples"
	" FROM aigate.provider v JOIN aigate.workspace w ON w.id = v.workspace_id AND w.status = 'active'"
	" JOIN aigate.integration_workspace g ON g.id = v.integration_workspace_id AND g.is_enabled"
	" JOIN aigate.integration i ON i.id = g.integration_id AND i.status = 'active'"
	" LEFT JOIN aigate.price_adjustment x ON x.id = i.price_adjustment_id"
	" WHERE v.status = 'active' AND (v.expires_at IS NULL OR v.expires_at > now())"
	"  AND (w.slug = $1 OR w.uuid::text = lower($1))),"
	" callable AS (SELECT r.slug, r.id, r.family, r.multiples, m.slug AS model, coalesce(m.base_model, m.slug) AS priced_as,"
	"  m.pricing_config IS NOT NULL AS has_own FROM granted r JOIN aigate.integration_model m"
	"  ON m.integration_id = r.id AND m.is_enabled"
	" UNION ALL SELECT r.slug, r.id, r.family, r.multiples, p.model, p.model, false FROM granted r"
	"  JOIN in_force p ON p.family = r.family WHERE r.allow_all_models AND NOT EXISTS"
	"  (SELECT FROM aigate.integration_model m WHERE m.integration_id = r.id AND m.slug = p.model))"
	" SELECT '@' || c.slug || '/' || c.model AS id, " COLUMNS("p", TIMES("request_token", "request_text_token"),
	TIMES("cache_read_input_token", "cache_read_text_input_token"),
	TIMES("response_token", "response_text_token"))
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
