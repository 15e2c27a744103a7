/* fields.h - nothing that a client says is forgotten: of every object that is built anew each member is
 * in a table, and what is in none is refused by its name; so is one that is of another kind than it is
 * read as. */
#ifndef AG_TRANSLATE_FIELDS_H
#define AG_TRANSLATE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct json_object;

/* What a member may be, a mask; null is always as if it were not there. */
enum {
	AG_KIND_TEXT = 1u << 0,
	AG_KIND_NUMBER = 1u << 1,
	AG_KIND_BOOL = 1u << 2,
	AG_KIND_OBJECT = 1u << 3,
	AG_KIND_TEXTS = 1u << 4,   /* an array of nothing but texts */
	AG_KIND_OBJECTS = 1u << 5, /* of nothing but objects */
	AG_KIND_ARRAY = 1u << 6,   /* of whatever */
};

/* Which members are of it, by the names that a protocol has for them.  The last row of a table is of none. */
struct ag_kind {
	unsigned kinds;
	const char *names[40];
};

/* What becomes of the members of one kind of object: who builds it anew looks at some; without others the
 * answer is still what was asked for, and they are left out. */
struct ag_fields {
	const char *taken[32], *left[16];
	const struct ag_kind *own; /* of names that mean something else here than elsewhere in the protocol; or NULL */
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
	const struct ag_kind *kinds; /* of the members that are taken; those it does not name may be anything */
	struct ag_err *err;
};

/* Does a member ask for anything?  null, false, "" and [] do not, nor a penalty of 0, nor an object of
 * nothing but those. */
bool ag_fields_is_asking(const char *name, struct json_object *v);

/* -EINVAL with err: a member asks for something and is neither taken nor left, or is taken and of a wrong
 * kind.  more: a second table, or NULL.  obj none, or no object: nothing is wrong here, the object around it
 * was checked. */
int ag_fields_check(struct json_object *obj, const struct ag_fields *f, const struct ag_fields *more,
    struct ag_place place, const struct ag_refuser *r) AG_MUST_CHECK;

/* The refusal itself, of a member that only its value makes one. */
int ag_fields_refuse(struct ag_place place, const char *name, const struct ag_refuser *r) AG_MUST_CHECK;

/* Is it one of them?  names: up to a NULL, or max. */
bool ag_fields_has(const char *const *names, size_t max, const char *name);
bool ag_fields_is_taken(const struct ag_fields *f, const char *name);

#endif
