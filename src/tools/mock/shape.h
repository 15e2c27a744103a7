/* shape.h - what a provider takes: members of a body, their types and values, as tables.
 *
 * A row says what one member may be.  mock_shape_check() finds the first flaw of a tree; how a flaw is
 * worded is the dialect's.  A member that is null counts as one that is not there. */
#ifndef AG_MOCK_SHAPE_H
#define AG_MOCK_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct json_object;

enum mock_kind {
	MOCK_S = 1u << 0, /* string */
	MOCK_I = 1u << 1, /* whole number */
	MOCK_N = 1u << 2, /* any number */
	MOCK_B = 1u << 3,
	MOCK_O = 1u << 4, /* object; of: its members, NULL: whatever */
	MOCK_A = 1u << 5, /* array; of: the members of each entry, which is then an object */
	MOCK_ANY = 0x3f,
	MOCK_REQUIRED = 1u << 8,
	MOCK_SOME = 1u << 9,   /* a text or an array that must not be empty */
	MOCK_TEXTS = 1u << 10, /* an array of strings */
	/* of: a row per value of the member "type", its own `of` the members; "": where there is no type */
	MOCK_BY_TYPE = 1u << 11,
};

struct mock_field {
	const char *name; /* NULL ends a table */
	unsigned kind;
	const struct mock_field *of;
	const char *words;  /* a string must be one of these, parted by blanks; NULL: any */
	double least, most; /* of a number; entries of an array, when most > 0 */
};

#define MOCK_ROW(name, kind) {name, kind, NULL, NULL, 0, 0}
#define MOCK_OF(name, members) {name, 0, members, NULL, 0, 0} /* in a table for MOCK_BY_TYPE */
#define MOCK_TYPE MOCK_ROW("type", MOCK_S | MOCK_REQUIRED)
#define MOCK_END {NULL, 0, NULL, NULL, 0, 0}

enum mock_flaw_kind {
	MOCK_FLAW_UNKNOWN, /* there is no such member */
	MOCK_FLAW_MISSING,
	MOCK_FLAW_TYPE,
	MOCK_FLAW_VALUE,
	MOCK_FLAW_SENSE, /* each part is well, but not beside the others: `why` says it */
};

struct mock_flaw {
	enum mock_flaw_kind kind;
	char path[160]; /* "messages.0.content", the member itself last */
	char name[64];  /* its last part */
	char why[224];  /* in plain words; of MOCK_FLAW_SENSE the provider's own */
};

struct mock_shape {
	const struct mock_field *fields;
	bool allows_unknown; /* members that no row names */
	bool is_proto;       /* names may come in snake_case too, as Google's JSON has it */
};

/* 0, or -EINVAL and the flaw. */
int mock_shape_check(const struct mock_shape *shape, struct json_object *o,
		     struct mock_flaw *out) AG_MUST_CHECK;

/* A flaw of sense; -EINVAL. */
int mock_flaw_sense(struct mock_flaw *out, const char *path, const char *fmt, ...) AG_PRINTF(3, 4);

/* Reading a tree that was checked; absent, null and of another type are all the same: NULL, none, absent. */
struct json_object *mock_get(struct json_object *o, const char *name);
struct json_object *mock_get_array(struct json_object *o, const char *name);
struct ag_str mock_get_str(struct json_object *o, const char *name);
bool mock_get_bool(struct json_object *o, const char *name);
int64_t mock_get_int(struct json_object *o, const char *name, int64_t absent);
bool mock_is(struct json_object *o, const char *name, const char *value);

#endif
