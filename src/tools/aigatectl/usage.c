/* usage.c - what was spent, from the views of the ledger.  Days are UTC. */
#include <string.h>

#include "tools/aigatectl/ctl.h"

#define SUMS                                                                             \
	" trim_scale(sum(cost_usd)) AS cost_usd, trim_scale(sum(charged_usd)) AS charged_usd," \
	" sum(requests)::bigint AS requests, sum(errors)::bigint AS errors,"                   \
	" sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens "
#define SPAN                                                                               \
	" WHERE day >= CASE WHEN $1 ~ '^[0-9]+d$' THEN current_date - rtrim($1, 'd')::int"     \
	"  ELSE $1::date END AND ($2::text IS NULL OR day < $2::date) "

static const struct {
	const char *name, *sql;
} reports[] = {
	{ "day", "SELECT day, organisation," SUMS "FROM aigate.v_spend_by_day" SPAN
	         "GROUP BY 1, 2 ORDER BY 1, 2" },
	{ "key", "SELECT workspace, api_key, user_email," SUMS "FROM aigate.v_spend_by_key" SPAN
	         "GROUP BY workspace, api_key_id, api_key, user_email ORDER BY sum(cost_usd) DESC, 1, 2" },
	{ "workspace", "SELECT workspace, name," SUMS "FROM aigate.v_spend_by_workspace" SPAN
	               "GROUP BY workspace_id, workspace, name ORDER BY sum(cost_usd) DESC, 1" },
	{ "model", "SELECT family, model," SUMS "FROM aigate.v_spend_by_model" SPAN
	           "GROUP BY 1, 2 ORDER BY sum(cost_usd) DESC, 1, 2" },
	{ "tier", "SELECT tier," SUMS "FROM aigate.v_spend_by_tier" SPAN
	          "GROUP BY 1 ORDER BY sum(cost_usd) DESC, 1" },
};

enum ctl_exit
ctl_usage(struct ctl *ctl, int argc, char **argv)
{
	const char *by = "day", *since = "30d", *until = NULL;
	const struct ctl_opt opts[] = { { "by", CTL_OPT_TEXT, &by },
		                            { "since", CTL_OPT_TEXT, &since },
		                            { "until", CTL_OPT_TEXT, &until },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);

	if (status != CTL_OK)
		return status;
	for (size_t i = 0; i < AG_ARRAY_LEN(reports); i++) {
		const char *const values[] = { since, until };

		if (strcmp(reports[i].name, by) == 0)
			return ctl_db_print(ctl, reports[i].sql, 2, values);
	}
	return ctl_fail(CTL_USAGE, "usage by day, key, workspace, model or tier, not \"%s\"", by);
}
