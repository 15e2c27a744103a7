/* roles.h - what a person's role in a workspace lets the person's keys do.
 *
 * The scopes of a user's key are what it was given and the role may have: a role that is lowered
 * lowers the keys with it, at once, and raising it gives back what the key was made with. */
#ifndef AG_CONTROL_ROLES_H
#define AG_CONTROL_ROLES_H

#include <stdbool.h>

#include "base/scope.h"
#include "base/str.h"

/* In order: who is lower may not touch who is higher. */
enum ag_role_in { AG_ROLE_IN_NONE, AG_ROLE_IN_MEMBER, AG_ROLE_IN_MANAGER, AG_ROLE_IN_ADMIN };

enum ag_role_in ag_role_find(struct ag_str name); /* of a workspace; NONE for any other text */
bool ag_role_may(enum ag_role_in role, enum ag_scope scope);

#endif
