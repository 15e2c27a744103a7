/* scope.h - what an API key may do: the rows of tbl/scopes.h as bits.
 * No hierarchy and no wildcard: a key needs exactly the scope of the action. */
#ifndef AG_BASE_SCOPE_H
#define AG_BASE_SCOPE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum ag_scope {
#define X(ident, name, flags) AG_SCOPE_##ident,
#include "aigated/tbl/scopes.h"
#undef X
	AG_SCOPES,
	AG_SCOPE_NONE = AG_SCOPES /* not a scope */
};

#define AG_SCOPE_WORDS 3
static_assert(AG_SCOPES <= AG_SCOPE_WORDS * 64, "scopes fit in the words of a key");

/* Kinds of keys that may hold a scope. */
#define AG_SCOPE_OF_A   1u /* admin key: organisation-service */
#define AG_SCOPE_OF_S   2u /* workspace-service */
#define AG_SCOPE_OF_U   4u /* workspace-user */
#define AG_SCOPE_OF_AS  (AG_SCOPE_OF_A | AG_SCOPE_OF_S)
#define AG_SCOPE_OF_SU  (AG_SCOPE_OF_S | AG_SCOPE_OF_U)
#define AG_SCOPE_OF_ASU (AG_SCOPE_OF_A | AG_SCOPE_OF_S | AG_SCOPE_OF_U)

enum ag_scope ag_scope_find(struct ag_str name); /* AG_SCOPE_NONE when there is none */
const char *ag_scope_name(enum ag_scope scope);
unsigned ag_scope_flags(enum ag_scope scope);    /* AG_SCOPE_OF_... */

static inline bool
ag_scopes_has(const uint64_t scopes[AG_SCOPE_WORDS], enum ag_scope scope)
{
	return (scopes[(unsigned)scope / 64] >> ((unsigned)scope % 64)) & 1;
}

static inline void
ag_scopes_add(uint64_t scopes[AG_SCOPE_WORDS], enum ag_scope scope)
{
	scopes[(unsigned)scope / 64] |= UINT64_C(1) << ((unsigned)scope % 64);
}

#endif
