#include "base/scope.h"

static const struct {
	struct ag_str name;
	unsigned flags;
} scope_rows[AG_SCOPES] = {
#define X(ident, dotted, bits) [AG_SCOPE_##ident] = { \
	.name = { .p = dotted, .n = sizeof(dotted) - 1 }, .flags = bits },
#include "aigated/tbl/scopes.h"
#undef X
};

enum ag_scope
ag_scope_find(struct ag_str name)
{
	for (unsigned i = 0; i < AG_SCOPES; i++)
		if (ag_str_eq(scope_rows[i].name, name))
			return (enum ag_scope)i;
	return AG_SCOPE_NONE;
}

const char *
ag_scope_name(enum ag_scope scope)
{
	assert(scope < AG_SCOPES);
	return scope_rows[scope].name.p;
}

unsigned
ag_scope_flags(enum ag_scope scope)
{
	assert(scope < AG_SCOPES);
	return scope_rows[scope].flags;
}
