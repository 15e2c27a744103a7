/* read_json.h - a small JSON document read member by member, saying where it is wrong.
 *
 * For what people write (guardrails, configs), in control and, when a request brings its own config,
 * in a worker; never a body.  Pure; a text is at most AG_RULE_TEXT_MAX bytes. */
#ifndef AG_POLICY_READ_JSON_H
#define AG_POLICY_READ_JSON_H

#include "base/err.h"
#include "catalog/rules.h"
#include "http/json_scan.h"

#define AG_READ_PATH_MAX 192

/* What is wrong with what. */
struct ag_read_fault {
	char path[AG_READ_PATH_MAX]; /* "targets[0].cache"; "" the whole */
	char why[256];
};
/* Returns -EINVAL. */
int ag_read_fail(struct ag_read_fault *f, const char *path, const char *fmt, ...) AG_PRINTF(3, 4);

struct ag_read_value {
	struct ag_json_value v;
	struct ag_str raw;
	char name[AG_RULE_TEXT_MAX + 1]; /* of a member; cut when longer, which no name of ours is */
	size_t name_len;
	char path[AG_READ_PATH_MAX];
};

struct ag_read_iter {
	struct ag_json_iter it;
	const char *path;
	uint32_t n;
	bool is_array;
};

/* Fails unless raw is an object (an array). */
int ag_read_object(struct ag_read_iter *it, struct ag_str raw, const char *path,
    struct ag_read_fault *f) AG_MUST_CHECK;
int ag_read_array(struct ag_read_iter *it, struct ag_str raw, const char *path,
    struct ag_read_fault *f) AG_MUST_CHECK;
/* 1 and *out, 0 at the end, -EINVAL. */
int ag_read_next(struct ag_read_iter *it, struct ag_read_value *out, struct ag_read_fault *f) AG_MUST_CHECK;

struct ag_read_text {
	char p[AG_RULE_TEXT_MAX + 1];
	size_t n;
};
static inline struct ag_str
ag_read_str(const struct ag_read_text *t)
{
	return ag_str_n(t->p, t->n);
}

/* A string without NUL, at most max bytes; is_name: and not empty. */
int ag_read_text(const struct ag_read_value *v, size_t max, bool is_name, struct ag_read_text *out,
    struct ag_read_fault *f) AG_MUST_CHECK;
/* true, false, 0 or 1. */
int ag_read_bool(const struct ag_read_value *v, bool *out, struct ag_read_fault *f) AG_MUST_CHECK;
int ag_read_uint(const struct ag_read_value *v, uint64_t min, uint64_t max, uint64_t *out,
    struct ag_read_fault *f) AG_MUST_CHECK;
/* Whether it says anything: not null, false, "" or without members. */
bool ag_read_holds(const struct ag_read_value *v);
static inline bool
ag_read_is(const struct ag_read_value *v, const char *name)
{
	return strcmp(v->name, name) == 0;
}

/* The members of `over`, and those of `base` whose names are not among them: one JSON object.
 * -EINVAL: one of them is no object; -E2BIG: more than 256 names; -ENOBUFS. */
int ag_json_merge(struct ag_str base, struct ag_str over, struct ag_buf *out) AG_MUST_CHECK;

#endif
