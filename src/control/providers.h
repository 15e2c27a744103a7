/* providers.h - what providers and virtual keys have in common: one row, seen through two APIs. */
#ifndef AG_CONTROL_PROVIDERS_H
#define AG_CONTROL_PROVIDERS_H

#include "control/handlers.h"

/* What a body said, checked; NULL and false: not given. */
struct ag_provider_body {
	const char *name, *slug, *note;
	bool has_note, has_expiry, expiry_is_set, has_usage, has_rates, reset_usage;
	int64_t expires_at_us;
	struct json_object *usage, *rates; /* owned, stored form */
};
int ag_provider_body_read(struct ag_call *c, struct ag_provider_body *b) AG_MUST_CHECK;
void ag_provider_body_fini(struct ag_provider_body *b);

struct ag_provider_ref {
	int64_t id, integration_id;
	bool owns_integration, has_siblings; /* siblings: others on the same grant */
	char uuid[AG_UUID_LEN];
	char slug[AG_SLUG_MAX + 1];
	char integration_uuid[AG_UUID_LEN];
	char integration_slug[AG_SLUG_MAX + 1];
};
/* By slug or uuid in the workspace, its row locked. */
int ag_provider_lock(struct ag_call *c, int64_t workspace_id, const char *name,
    struct ag_provider_ref *out) AG_MUST_CHECK;

/* Row and meters, in the open transaction; fills id, uuid and slug of `ref`. */
int ag_provider_make(struct ag_call *c, int64_t workspace_id, int64_t grant_id,
    const struct ag_provider_body *b, struct ag_provider_ref *ref) AG_MUST_CHECK;
int ag_provider_change(struct ag_call *c, const struct ag_provider_ref *ref,
    const struct ag_provider_body *b) AG_MUST_CHECK;
/* Its meters and, when it owns it, its integration go along. */
int ag_provider_archive(struct ag_call *c, const struct ag_provider_ref *ref) AG_MUST_CHECK;

/* What shared memory knows and PostgreSQL does not: usage, status. */
void ag_provider_finish(struct ag_call *c, struct json_object *obj, const PGresult *meters);
/* The workspace the query or the body names, or the key's own. */
int ag_provider_workspace(struct ag_call *c, int64_t *out_id) AG_MUST_CHECK;
/* A list or one object by the statement (of $1 workspace, and page or name), answered. */
void ag_provider_answer_list(struct ag_call *c, const char *sql);
void ag_provider_answer_one(struct ag_call *c, const char *sql, int64_t workspace_id);
/* The one the path names, answered. */
void ag_provider_delete_in(struct ag_call *c, int64_t workspace_id);
/* The object as the audit log keeps it. */
int ag_provider_read(struct ag_call *c, int64_t workspace_id, const char *uuid,
    struct json_object **out) AG_MUST_CHECK;
/* {"id","slug"} and, for virtual keys, more. */
struct json_object *ag_provider_made(const struct ag_provider_ref *ref);

#endif
