/* fields.h - nothing that a client says is forgotten: of every object that is built anew each member is
 * in a table, and what is in none is refused by its name. */
#ifndef AG_TRANSLATE_FIELDS_H
#define AG_TRANSLATE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct json_object;

/* What becomes of the members of one kind of object: who builds it anew looks at some; without others the
 * answer is still what was asked for, and they are left out. */
struct ag_fields {
	const char *taken[32], *left[16];
};

#define AG_NOWHERE SIZE_MAX

/* Where an object stands, for messages: "messages[3].content[1]."; at AG_NOWHERE: no index. */
struct ag_place {
	const char *of;    /* NULL: the body itself */
	size_t at;
	const char *in;    /* NULL: directly */
	size_t in_at;
};
#define AG_BODY              ((struct ag_place){ NULL, AG_NOWHERE, NULL, AG_NOWHERE })
#define AG_AT(of, at)        ((struct ag_place){ of, at, NULL, AG_NOWHERE })
#define AG_IN(of, at, in, k) ((struct ag_place){ of, at, in, k })

#define AG_THIS_PROVIDER "this provider"

struct ag_refuser {
	const char *by;    /* who has no place for it, as messages name it */
	bool is_strict;    /* what would be left out is refused too */
	struct ag_err *err;
};

/* Does a member ask for anything?  null, false, "" and [] do not, nor a penalty of 0, nor an object of
 * nothing but those. */
bool ag_fields_is_asking(const char *name, struct json_object *v);

/* -EINVAL with err: a member asks for something and is neither taken nor left.  more: a second table, or NULL.
 * obj none, or no object: nothing is wrong here. */
int ag_fields_check(struct json_object *obj, const struct ag_fields *f, const struct ag_fields *more,
    struct ag_place place, const struct ag_refuser *r) AG_MUST_CHECK;

/* The refusal itself, of a member that only its value makes one. */
int ag_fields_refuse(struct ag_place place, const char *name, const struct ag_refuser *r) AG_MUST_CHECK;

/* Is it one of them?  names: up to a NULL, or max. */
bool ag_fields_has(const char *const *names, size_t max, const char *name);
bool ag_fields_is_taken(const struct ag_fields *f, const char *name);

#endif
