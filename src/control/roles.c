#include "control/roles.h"

#include "base/attr.h"

enum ag_role_in
ag_role_find(struct ag_str name)
{
	if (ag_str_eq(name, AG_STR("admin")))
		return AG_ROLE_IN_ADMIN;
	if (ag_str_eq(name, AG_STR("manager")))
		return AG_ROLE_IN_MANAGER;
	return ag_str_eq(name, AG_STR("member")) ? AG_ROLE_IN_MEMBER : AG_ROLE_IN_NONE;
}

/* What members only look at: how the workspace is set up, governed and peopled.  What a workspace
 * can open to them is not here, see security.h. */
static const char *const kept_from_members[] = {
	"workspaces.", "workspace_users.", "policies.", "workspace_integrations.",
	"workspace_mcp_integrations.", "workspace_agent_integrations.",
};

static bool
only_looks(struct ag_str action)
{
	return ag_str_eq(action, AG_STR("read")) || ag_str_eq(action, AG_STR("list")) ||
	    ag_str_eq(action, AG_STR("invoke"));
}

bool
ag_role_may(enum ag_role_in role, enum ag_scope scope)
{
	struct ag_str name = ag_str(ag_scope_name(scope));

	if (!(ag_scope_flags(scope) & AG_SCOPE_OF_U) || role == AG_ROLE_IN_NONE)
		return false;
	if (role >= AG_ROLE_IN_MANAGER)
		return true;
	for (size_t i = 0; i < AG_ARRAY_LEN(kept_from_members); i++) {
		struct ag_str group = ag_str(kept_from_members[i]);

		if (ag_str_starts(name, group))
			return only_looks(ag_str_skip(name, group.n));
	}
	return true;
}
