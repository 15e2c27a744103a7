/* json_scan.h - one pass over a JSON object: where the fields stand that we act on.
 *
 * No tree, no allocation.  Top-level keys and values are checked in full; nested values are
 * skipped by their brackets, so inside them only strings (ended, no control bytes), bracket
 * types, depth and the absence of comments and single quotes are checked.  Text that a lenient
 * reader could understand otherwise is refused: a field given twice, or in another case, or with
 * its name written in escapes beside the plain one; trailing bytes; control bytes.  Not checked:
 * UTF-8.
 *
 * Offsets are into the scanned text, so they outlive a move of the buffer. */
#ifndef AG_HTTP_JSON_SCAN_H
#define AG_HTTP_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum ag_json_type {
	AG_JSON_ABSENT,
	AG_JSON_NULL,
	AG_JSON_FALSE,
	AG_JSON_TRUE,
	AG_JSON_NUMBER,
	AG_JSON_STRING,
	AG_JSON_ARRAY,
	AG_JSON_OBJECT,
};

#define AG_JSON_FIELDS_MAX 64
#define AG_JSON_DEPTH_MAX  64 /* brackets open at once, the outermost included */

struct ag_json_value {
	enum ag_json_type type;
	uint32_t off, len;   /* quotes and brackets included */
	uint32_t n_children; /* of an array or object: objects and arrays directly inside it.
	                      * The length of an array of objects, for nothing */
	uint32_t depth;      /* of an array or object: brackets open at once in it, its own included */
	uint32_t key_off, key_len; /* the key, quotes included; 0, 0 in arrays */
};

/* Why a text was refused. */
struct ag_json_fault {
	const char *why; /* static, for the answer: "duplicate field" ... */
	size_t at;       /* offset, roughly */
	int field;       /* index of the field at fault, -1: none */
};

struct ag_json_fields;

/* The object that a field may hold is looked into as well, in the same pass: what is found in it goes
 * to out[at] and behind, `out` being where the values of the fields around it go. */
struct ag_json_inner {
	uint8_t field, at;
	struct ag_json_fields *fields;
};

/* The fields acted on, in plain ASCII and any order: one static table a scan, made by
 * AG_JSON_FIELDS().  What stands below the names is the scan's own, made when first used. */
struct ag_json_fields {
	const struct ag_str *name;
	size_t n;
	const struct ag_json_inner *inner;
	size_t n_inner;
	bool is_indexed;
	uint8_t of_length[AG_JSON_FIELDS_MAX]; /* 1 + the first name that is so long, 0: none */
	uint8_t next[AG_JSON_FIELDS_MAX];      /* 1 + the next one as long */
	uint8_t inner_of[AG_JSON_FIELDS_MAX];  /* 1 + the inner of the field */
	uint64_t first[AG_JSON_FIELDS_MAX], last[AG_JSON_FIELDS_MAX]; /* eight bytes of each end of the name */
};
#define AG_JSON_FIELDS(names) { .name = (names), .n = AG_ARRAY_LEN(names) }
#define AG_JSON_FIELDS_INNER(names, inners) \
	{ .name = (names), .n = AG_ARRAY_LEN(names), .inner = (inners), .n_inner = AG_ARRAY_LEN(inners) }

/* out[i] is for name[i] and is written always (AG_JSON_ABSENT).  Values are whatever JSON allows: the
 * caller checks types.  0, or -EINVAL and *out_fault (not NULL).
 * The values of an inner are written when the field's own says AG_JSON_OBJECT.  An object that would be
 * refused by itself (a field twice) has none of them; what is around it stays as it is. */
int ag_json_scan(struct ag_str text, struct ag_json_fields *fields, struct ag_json_value *out,
    struct ag_json_fault *out_fault) AG_MUST_CHECK;

static inline struct ag_str
ag_json_raw(struct ag_str text, struct ag_json_value v)
{
	return (struct ag_str){ .p = text.p + v.off, .n = v.len };
}

/* Members in order, of a raw object or array.  Strict where scan is lenient about nested values:
 * the same checks as for a top level.  _next: 1 and *out (offsets into it->text), 0 at the end
 * (and nothing but blanks follows), -EINVAL. */
struct ag_json_iter {
	struct ag_str text; /* borrowed */
	size_t at;
	bool is_first;
};

void ag_json_iter_init(struct ag_json_iter *it, struct ag_str raw);
int ag_json_array_next(struct ag_json_iter *it, struct ag_json_value *out) AG_MUST_CHECK;
int ag_json_object_next(struct ag_json_iter *it, struct ag_json_value *out) AG_MUST_CHECK;

/* Elements of a raw array, or -EINVAL. */
int64_t ag_json_array_count(struct ag_str raw);

/* A raw string, quotes included.  _plain: the view between the quotes when it holds no escape
 * (the usual case, no copy), else false.  _decode appends the decoded bytes; -EINVAL: not a
 * string, a bad escape or a lone surrogate, -ENOBUFS: no room.  \u0000 decodes to a NUL. */
bool ag_json_string_plain(struct ag_str raw, struct ag_str *out);
int ag_json_string_decode(struct ag_str raw, struct ag_buf *out) AG_MUST_CHECK;
bool ag_json_string_eq(struct ag_str raw, struct ag_str want); /* compares decoded, no copy */

/* A raw number that has an integer value: 100, 100.0, 1e2.  -EINVAL not a number, -EDOM has a
 * fraction, -ERANGE negative or above 2^64-1. */
int ag_json_u64(struct ag_str raw, uint64_t *out) AG_MUST_CHECK;

/* For tests and benchmarks: take this implementation from now on; false: the machine cannot.
 * At first use the best one is chosen. */
enum ag_json_impl { AG_JSON_PORTABLE, AG_JSON_SSE2, AG_JSON_AVX2 };
bool ag_json_use(enum ag_json_impl impl);

#endif
